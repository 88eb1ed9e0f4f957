"""From mixing weights of a relaxed network to an architecture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness import Genotype, Space
from harness.nets.supernets.cells import cell_edges
from harness.spaces.darts import CellSpace


def derived(space: Space, mixing: Sequence[np.ndarray]) -> Genotype:
    """The architecture that mixing weights stand for.

    Args:
        space: one that has a relaxed network.
        mixing: per kind of cell, (edges, operations). In DARTS' cells see :func:`derive`; in NAS-Bench-201's every edge
            has its strongest operation, ``none`` included.
    """
    if isinstance(space, CellSpace):
        return derive(space, *mixing)
    [shares] = mixing
    return space.genotype(tuple(int(op) for op in shares.argmax(axis=1)))


def derive(space: CellSpace, normal: np.ndarray, reduction: np.ndarray) -> Genotype:
    """The discrete cells of mixing weights: per node the two strongest edges, each with its strongest operation.

    Args:
        space: DARTS' cell space.
        normal, reduction: (edges, 1 + operations). Column 0 is ``none``, which is never chosen and does not count in
            the strength of an edge.
    """
    edges = cell_edges(space.nodes)
    cells: list[list[tuple[str, int]]] = []
    for scores in (normal, reduction):
        assert scores.shape == (len(edges), 1 + len(space.operations))
        entries: list[tuple[str, int]] = []
        for node in range(2, space.nodes + 2):
            rows = [number for number, (_, target) in enumerate(edges) if target == node]
            strongest = sorted(rows, key=lambda row: -float(scores[row, 1:].max()))[:2]
            for row in sorted(strongest):
                entries.append((space.operations[int(scores[row, 1:].argmax())], edges[row][0]))
        cells.append(entries)
    return space.from_edges(*cells)


def one_hot(space: CellSpace, genotype: Genotype) -> list[np.ndarray]:
    """Mixing weights that are 1 on the genotype's edges and ``none`` elsewhere; ``derive`` gives the genotype back."""
    edges = cell_edges(space.nodes)
    cells = []
    for half in range(2):
        scores = np.zeros((len(edges), 1 + len(space.operations)), np.float32)
        for node in range(space.nodes):
            position = (half * space.nodes + node) * 3
            sources, *ops = (space.option(genotype, position + i) for i in range(3))
            assert isinstance(sources, tuple)
            for source, op in zip(sources, ops, strict=True):
                scores[edges.index((source, node + 2)), 1 + space.operations.index(str(op))] = 1.0
        scores[scores.sum(axis=1) == 0, 0] = 1.0
        cells.append(scores)
    return cells
