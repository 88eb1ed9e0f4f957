"""Proposals as plain values, for files and checkpoints."""

from __future__ import annotations

import hashlib
from typing import Any

from harness.core.evaluation import Ensemble, KerasConfig, Proposal
from harness.core.space import Space


def proposal_to_json(proposal: Proposal) -> dict[str, Any]:
    """A proposal as JSON takes it; ``text`` is ``str(proposal)``."""
    match proposal:
        case KerasConfig():
            return {"name": proposal.name, "json": proposal.json, "text": str(proposal)}
        case Ensemble():
            return {"members": [member.text for member in proposal.members], "text": str(proposal)}
        case _:
            return {"text": proposal.text}


def identity(proposal: Proposal) -> str:
    """A text that no other proposal has; of a Keras model its name is not enough."""
    if isinstance(proposal, KerasConfig):
        return f"{proposal} {hashlib.sha256(proposal.json.encode()).hexdigest()}"
    return str(proposal)


def proposal_from_json(stored: dict[str, Any], space: Space) -> Proposal:
    """What :func:`proposal_to_json` has stored.

    Raises:
        InputError: a text is none of ``space``.
        ValueError: an ensemble has no members, or too many.
    """
    if "json" in stored:
        return KerasConfig(stored["name"], stored["json"])
    if "members" in stored:
        return Ensemble(tuple(space.parse(text) for text in stored["members"]))
    return space.parse(stored["text"])
