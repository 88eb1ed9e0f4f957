"""States of several parts in one checkpoint: the entries of each begin with a prefix of its own."""

from __future__ import annotations

from harness import State


def prefixed(prefix: str, state: State) -> State:
    """``state`` with a prefix before every name."""
    return {f"{prefix}{name}": value for name, value in state.items()}


def below(prefix: str, state: State) -> State:
    """The entries whose names begin with ``prefix``, without it; the others are another part's."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
