"""Nodes that combine two operations on one input each: swapping the two pairs writes the same network differently.

ENAS', NAO's, NASNet's and PNAS' spaces have such nodes: two choices of kind ``input`` and two of kind ``op``. NAO
learns from swapped copies and does not count them as new architectures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness import Choice
from harness.core.space import positions_by_node

Picks = NDArray[np.int32]


class Symmetry:
    """The pairs of a space, by cell and node; none if its nodes are of another kind.

    Args:
        choices: of the space.
    """

    def __init__(self, choices: Sequence[Choice]) -> None:
        self._cells: dict[str, list[tuple[list[int], list[int]]]] = {}
        for positions in positions_by_node(choices).values():
            inputs, operations = ([p for p in positions if choices[p].kind == kind] for kind in ("input", "op"))
            if len(inputs) == len(operations) == 2:
                halves = [list(half) for half in zip(inputs, operations, strict=True)]
                self._cells.setdefault(choices[positions[0]].cell, []).append((halves[0], halves[1]))

    def canonical(self, picks: tuple[int, ...]) -> tuple[int, ...]:
        """The same picks for all swapped copies of an architecture: in each node, the smaller pair comes first."""
        sorted_picks = list(picks)
        for nodes in self._cells.values():
            for halves in nodes:
                values = sorted([picks[position] for position in half] for half in halves)
                for half, value in zip(halves, values, strict=True):
                    for position, pick in zip(half, value, strict=True):
                        sorted_picks[position] = pick
        return tuple(sorted_picks)

    def swapped(self, picks: Picks, rng: np.random.Generator) -> Picks:
        """A copy of each row of ``picks`` ``(n, choices)`` with one node of each cell swapped, if there are pairs."""
        copies = picks[: len(picks) if self._cells else 0].copy()
        for nodes in self._cells.values():
            for row, node in enumerate(rng.integers(len(nodes), size=len(copies))):
                first, second = nodes[node]
                copies[row, first + second] = picks[row, second + first]
        return copies
