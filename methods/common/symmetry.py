"""Nodes that combine two operations on two inputs: swapping the two is another way to write the same network.

ENAS', NAO's, NASNet's and PNAS' spaces have such nodes, told by their choices' names (``in0``, ``op0``, ``in1``,
``op1``). NAO learns from swapped copies and does not take them for new architectures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.core.space import Choice

Picks = NDArray[np.int32]


class Symmetry:
    """The pairs of a space; none in spaces whose nodes are of another kind.

    Args:
        choices: of the space.
    """

    def __init__(self, choices: Sequence[Choice]) -> None:
        places = {choice.name: place for place, choice in enumerate(choices)}
        self._cells: dict[str, list[tuple[list[int], list[int]]]] = {}
        for node in [name.removesuffix(".in0") for name in places if name.endswith(".in0")]:
            halves = [[places[f"{node}.{kind}{slot}"] for kind in ("in", "op")] for slot in range(2)]
            self._cells.setdefault(node.partition(".")[0], []).append((halves[0], halves[1]))

    def canonical(self, picks: tuple[int, ...]) -> tuple[int, ...]:
        """The spelling that all swapped copies of an architecture share: in each node, the smaller half first."""
        sorted_picks = list(picks)
        for nodes in self._cells.values():
            for halves in nodes:
                values = sorted([picks[place] for place in half] for half in halves)
                for half, value in zip(halves, values, strict=True):
                    for place, pick in zip(half, value, strict=True):
                        sorted_picks[place] = pick
        return tuple(sorted_picks)

    def swapped(self, picks: Picks, rng: np.random.Generator) -> Picks:
        """A copy of each row of ``picks`` ``(n, choices)`` with a node of each cell swapped; no rows if none can be."""
        copies = picks[: len(picks) if self._cells else 0].copy()
        for nodes in self._cells.values():
            for row, node in enumerate(rng.integers(len(nodes), size=len(copies))):
                first, second = nodes[node]
                copies[row, first + second] = picks[row, second + first]
        return copies
