"""Published cells as short texts.

A semicolon separates two nodes. A node is the sum of its entries; an entry is an operation and the node that it reads.
Node 0 is the output of the cell before the last, node 1 that of the last cell (the released code of NASNet and PNASNet
numbers these two the other way round), node 2 the first computed node.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.core.architecture import Cell, CellStack, Edge, Style
from harness.core.space import Size
from harness.spaces.cell import stacked, unread

_FAMILIES = {"sep": "sep_conv", "conv": "conv", "max": "max_pool", "avg": "avg_pool"}
_WORD = re.compile(r"^(?:(sep|conv|max|avg)(\d)|conv1x(\d))$")
_CODES = (
    *("sep3", "sep5", "avg3", "max3", "id"),
    *("id", "conv1", "conv3", "conv1x3", "conv1x7", "max2", "max3", "max5", "avg2", "avg3", "avg5"),
)
"""The operations by number: 0 to 4 in ENAS micro and NAO-WS, 5 to 15 in NAO."""


def cell(text: str, output: Sequence[int] | None = None) -> Cell:
    """The cell of a text.

    Args:
        text: for example ``sep5 1, sep3 0; avg3 1, id 0``; ``conv1x7`` is a row and then a column convolution.
        output: the nodes that are concatenated; by default those that nothing reads.
    """
    edges: list[Edge] = []
    nodes = text.split(";")
    for node, entries in enumerate(nodes, start=2):
        for entry in entries.split(","):
            word, source = entry.split()
            edges.append(Edge(int(source), node, _operation(word)))
    count = 2 + len(nodes)
    return Cell(2, count, tuple(edges), unread(count, edges) if output is None else tuple(output))


def coded(numbers: str) -> Cell:
    """The cell of a row of numbers, as ENAS and NAO print it: per node twice an input and an operation."""
    codes = [int(word) for word in numbers.split()]
    entries = [f"{_CODES[op]} {source}" for source, op in zip(codes[::2], codes[1::2], strict=True)]
    return cell("; ".join(", ".join(pair) for pair in zip(entries[::2], entries[1::2], strict=True)))


def stack(normal: Cell, reduction: Cell, style: Style) -> Callable[[Size], CellStack]:
    """The network of two cells at any size: three equal parts with a reduction cell between two of them."""
    return lambda size: replace(stacked(normal, reduction, size), style=style)


def _operation(word: str) -> str:
    if word == "id":
        return "skip_connect"
    match = _WORD.match(word)
    if match is None:
        raise ValueError(f"unknown operation '{word}'")
    family, size, long = match.groups()
    return f"conv_1x{long}_{long}x1" if long else f"{_FAMILIES[family]}_{size}x{size}"
