"""Proposals as plain values, for files and checkpoints."""

from __future__ import annotations

from typing import Any

from harness.core.evaluation import KerasConfig, Proposal
from harness.core.space import Space


def proposal_to_json(proposal: Proposal) -> dict[str, Any]:
    """A proposal as JSON takes it; ``text`` is ``str(proposal)``."""
    if isinstance(proposal, KerasConfig):
        return {"name": proposal.name, "json": proposal.json, "text": str(proposal)}
    return {"text": proposal.text}


def proposal_from_json(stored: dict[str, Any], space: Space) -> Proposal:
    """What :func:`proposal_to_json` has stored.

    Raises:
        InputError: a text is none of ``space``.
    """
    if "json" in stored:
        return KerasConfig(stored["name"], stored["json"])
    return space.parse(stored["text"])
