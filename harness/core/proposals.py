"""Proposals as plain values, for files and checkpoints."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
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
    """A text that no other proposal has; of a Keras model its name is not enough, and it is the same each time that the
    model is built."""
    if isinstance(proposal, KerasConfig):
        return f"{proposal} {hashlib.sha256(_structure(proposal.json).encode()).hexdigest()}"
    return str(proposal)


def _structure(model: str) -> str:
    """The JSON of a Keras model without the names of its layers, which Keras numbers anew each time it is built."""
    try:
        read = json.loads(model)
    except ValueError:
        return model
    numbers = {name: f"#{number}" for number, name in enumerate(dict.fromkeys(_names(read)))}
    return json.dumps(_renamed(read, numbers), sort_keys=True)


def _names(value: Any) -> Iterator[str]:
    """Names in the order in which they stand there."""
    if isinstance(value, dict):
        if isinstance(name := value.get("name"), str):
            yield name
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _names(part)


def _renamed(value: Any, numbers: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(part, numbers) for key, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part, numbers) for part in value]
    return numbers.get(value, value) if isinstance(value, str) else value


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
