"""A small layered layout for directed acyclic graphs, after Sugiyama: ranks, bends, order by barycentre, coordinates.

Written here because a cell has two dozen boxes and a graph library would be a heavy dependency for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Node = str | tuple[int, int]
"""A box by name, or bend number ``(edge, rank)`` of an edge that passes a rank."""

_SWEEPS = 12


@dataclass(frozen=True)
class LayeredDrawing:
    """Where boxes stand: ``boxes`` gives (x, rank) by box, ``lines`` the points of each edge, in the order given."""

    boxes: dict[str, tuple[float, int]]
    lines: tuple[tuple[tuple[float, float], ...], ...]


def layered(edges: Sequence[tuple[str, str]], late: Sequence[str] = (), alone: Sequence[str] = ()) -> LayeredDrawing:
    """Places the boxes of a graph in ranks so that every edge runs from a lower to a higher one.

    Args:
        edges: pairs of box names without a cycle.
        late: boxes that stand right before their first successor instead of right behind their last predecessor.
        alone: boxes without an edge; rank 0.
    """
    ranks = _ranks(edges, late, alone)
    chains = [_chain(number, edge, ranks) for number, edge in enumerate(edges)]
    pairs = [pair for chain in chains for pair in pairwise(chain)]
    before: dict[Node, list[Node]] = {}
    after: dict[Node, list[Node]] = {}
    for source, target in pairs:
        after.setdefault(source, []).append(target)
        before.setdefault(target, []).append(source)
    rows: list[list[Node]] = [[] for _ in range(max(ranks.values()) + 1)]
    for box, rank in ranks.items():
        rows[rank].append(box)
    for chain in chains:
        for bend in chain[1:-1]:
            rows[int(bend[1])].append(bend)
    _order(rows, before, after)
    x = _spread(rows, before, after)
    places = {box: (x[box], rank) for box, rank in ranks.items()}
    height = {node: rank for rank, row in enumerate(rows) for node in row}
    return LayeredDrawing(places, tuple(tuple((x[node], float(height[node])) for node in chain) for chain in chains))


def _ranks(edges: Sequence[tuple[str, str]], late: Sequence[str], alone: Sequence[str]) -> dict[str, int]:
    """The longest path from a source to each box, then the late ones moved on."""
    ranks = dict.fromkeys([*alone, *(box for edge in edges for box in edge)], 0)
    moved = True
    while moved:
        moved = False
        for source, target in edges:
            if ranks[target] <= ranks[source]:
                ranks[target] = ranks[source] + 1
                moved = True
    for box in late:
        following = [ranks[target] for source, target in edges if source == box]
        ranks[box] = min(following) - 1 if following else ranks[box]
    return ranks


def _chain(number: int, edge: tuple[str, str], ranks: Mapping[str, int]) -> list[Node]:
    """An edge as nodes of neighbouring ranks."""
    source, target = edge
    bends: list[Node] = [(number, rank) for rank in range(ranks[source] + 1, ranks[target])]
    return [source, *bends, target]


def _order(rows: list[list[Node]], before: Mapping[Node, Sequence[Node]], after: Mapping[Node, Sequence[Node]]) -> None:
    """Sorts every row by the mean place of its neighbours, down and up, and keeps the order of least crossings."""
    best, least = [list(row) for row in rows], _crossings(rows, after)
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        neighbours = before if downwards else after
        for rank in range(1, len(rows)) if downwards else range(len(rows) - 2, -1, -1):
            row = rows[rank]
            other = {node: place for place, node in enumerate(rows[rank - 1 if downwards else rank + 1])}
            own = {node: place for place, node in enumerate(row)}
            row.sort(key=lambda node: _centre([other[n] for n in neighbours.get(node, ())], own[node]))
        crossings = _crossings(rows, after)
        if crossings < least:
            best, least = [list(row) for row in rows], crossings
    rows[:] = best


def _centre(places: Sequence[float], fallback: float) -> float:
    return sum(places) / len(places) if places else fallback


def _crossings(rows: Sequence[Sequence[Node]], after: Mapping[Node, Sequence[Node]]) -> int:
    """How many pairs of lines cross."""
    total = 0
    for upper, lower in pairwise(rows):
        place = {node: i for i, node in enumerate(lower)}
        ends = [(i, place[target]) for i, node in enumerate(upper) for target in after.get(node, ())]
        total += sum(a < c and b > d for a, b in ends for c, d in ends)
    return total


def _spread(
    rows: Sequence[Sequence[Node]], before: Mapping[Node, Sequence[Node]], after: Mapping[Node, Sequence[Node]]
) -> dict[Node, float]:
    """x of every node: near the mean of its neighbours, and far enough from its neighbours in the row."""
    x = {node: place - (len(row) - 1) / 2 for row in rows for place, node in enumerate(row)}
    for _ in range(_SWEEPS):
        for row in rows:
            wanted = [_centre([x[n] for n in (*before.get(node, ()), *after.get(node, ()))], x[node]) for node in row]
            placed: list[float] = []
            for place, node in enumerate(row):
                gap = _gap(row[place - 1], node) if place else 0.0
                placed.append(max(wanted[place], placed[-1] + gap) if placed else wanted[place])
            shift = _centre(wanted, 0.0) - _centre(placed, 0.0)
            x.update({node: value + shift for node, value in zip(row, placed, strict=True)})
    return x


def _gap(left: Node, right: Node) -> float:
    """A bend takes less room than a box."""
    return 0.5 + 0.25 * (isinstance(left, str) + isinstance(right, str))
