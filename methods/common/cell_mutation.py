"""What evolution changes in a cell: an input of a node (a hidden-state mutation) or an operation.

Spaces whose cells choose both, whatever class they are of, have choices of kind ``op`` and of kind ``input`` (one
state) or ``inputs`` (a set of them). What else a cell decides, such as NASNet's way to combine two results or PNAS'
number of blocks, counts as an operation: the papers have no such choices, and what no mutation changes would stay as it
was in the first population.
"""

from __future__ import annotations

from collections.abc import Callable

from harness import Choice, Space

STATES = ("input", "inputs")
"""Kinds of choices that say what a node reads."""


def has_cells(space: Space) -> bool:
    """Whether there are inputs and operations to choose."""
    kinds = {choice.kind for choice in space.choices}
    return "op" in kinds and not kinds.isdisjoint(STATES)


def changes(state: bool) -> Callable[[Choice], bool]:
    """Says which choices a mutation may change: of a hidden state, or of an operation."""
    return lambda choice: (choice.kind in STATES) == state


def cells(space: Space, state: bool) -> list[str]:
    """The cells that have a hidden state to change, or an operation, in the order of the choices."""
    return list(dict.fromkeys(c.cell for c in space.choices if (c.kind in STATES if state else c.kind == "op")))
