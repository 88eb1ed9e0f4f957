"""NASNet's and PNAS' spaces: cells of blocks, each of which combines two operations on two earlier states.

``NasNetSpace`` (Zoph et al., CVPR 2018) has a normal and a reduction cell of five blocks. A block has two inputs, two
of thirteen operations, and a way to combine their results: 50 decisions in all. ``PnasSpace`` (Liu et al., ECCV 2018)
has one cell of up to five blocks, which also serves as the reduction cell, eight operations, and always adds. State 0
is the output of the cell before the last, state 1 that of the last cell, and the others are the outputs of the blocks
in order. The outputs of blocks that no block reads are concatenated; an unread input of the cell is left out.

Deviation: in the papers a concatenation makes a state wider, and its readers adapt it. Here each half of it gets a 1x1
convolution (ReLU, convolution, BN) to the cell's width at once, and the two results are added, which equals one 1x1
convolution of the concatenation except that each half has a normalisation of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.core.architecture import Cell, CellStack, Edge
from harness.core.space import Choice, Genotype, Option, Size, Space
from harness.spaces.cell import CELL_NAMES, INPUTS, stacked

NASNET_OPERATIONS = (
    "skip_connect",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "dil_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
)
"""NASNet's thirteen operations, in the order of the paper's list."""

PNAS_OPERATIONS = (
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "conv_1x7_7x1",
    "skip_connect",
    "avg_pool_3x3",
    "max_pool_3x3",
    "dil_conv_3x3",
)
"""PNAS' eight operations, a subset of NASNet's."""

COMBINATIONS = ("add", "concat")


class NasNetSpace(Space):
    """Per block ``in0, in1, op0, op1, combine``, the normal cell's blocks first.

    Args:
        blocks: per cell.
    """

    def __init__(self, name: str = "nasnet", blocks: int = 5) -> None:
        self.name, self.blocks = name, blocks
        self.choices = tuple(
            choice
            for cell in CELL_NAMES
            for block in range(INPUTS, INPUTS + blocks)
            for choice in (
                *_block_choices(cell, block, NASNET_OPERATIONS),
                Choice(f"{cell}.{block}.combine", COMBINATIONS, node=f"{cell}.{block}", kind="combine", cell=cell),
            )
        )

    def decode(self, genotype: Genotype, size: Size) -> CellStack:
        """Three stages of N normal cells with a reduction cell between two are ``3 N + 2`` layers."""
        options = self.options(genotype)
        half = 5 * self.blocks
        return replace(stacked(_cell(options[:half]), _cell(options[half:]), size), style="nasnet")


class PnasSpace(Space):
    """The number of blocks, then ``in0, in1, op0, op1`` of each; picks beyond that number of blocks have no effect.

    Args:
        blocks: the most that a cell may have.
    """

    def __init__(self, name: str = "pnas", blocks: int = 5) -> None:
        self.name, self.blocks = name, blocks
        self.choices = (
            Choice("blocks", tuple(range(1, blocks + 1)), kind="blocks"),
            *(
                choice
                for block in range(INPUTS, INPUTS + blocks)
                for choice in _block_choices("cell", block, PNAS_OPERATIONS)
            ),
        )

    def effective(self, genotype: Genotype) -> Sequence[int]:
        """The number of blocks, and the choices of so many."""
        return range(1 + 4 * (genotype.picks[0] + 1))

    def decode(self, genotype: Genotype, size: Size) -> CellStack:
        """As NASNet's, with the same cell everywhere."""
        options = self.options(genotype)[1:]
        used = genotype.picks[0] + 1
        cell = _cell([option for block in range(used) for option in (*options[4 * block : 4 * block + 4], "add")])
        return replace(stacked(cell, cell, size), style="nasnet")


def _block_choices(cell: str, block: int, operations: tuple[str, ...]) -> list[Choice]:
    """Two inputs and two operations of a block."""
    node = f"{cell}.{block}"
    return [
        *(Choice(f"{node}.in{i}", tuple(range(block)), node=node, kind="input", cell=cell) for i in range(2)),
        *(Choice(f"{node}.op{i}", operations, node=node, kind="op", cell=cell) for i in range(2)),
    ]


def _cell(options: Sequence[Option]) -> Cell:
    """The graph of a list of blocks, five options each."""
    state_nodes = list(range(INPUTS))  # the node that holds a state: a concatenation has two nodes of its own
    edges: list[Edge] = []
    nodes, read = INPUTS, set()
    for begin in range(0, len(options), 5):
        in0, in1, op0, op1, combine = options[begin : begin + 5]
        sources = [state_nodes[int(str(state))] for state in (in0, in1)]
        read |= set(sources)
        targets = [nodes, nodes] if combine == "add" else [nodes, nodes + 1]
        ops = (str(op0), str(op1))
        edges += [Edge(source, target, op) for source, target, op in zip(sources, targets, ops, strict=True)]
        if combine == "concat":
            nodes += 2
            edges += [Edge(half, nodes, "conv_1x1") for half in targets]
        state_nodes.append(nodes)
        nodes += 1
    return Cell(INPUTS, nodes, tuple(edges), tuple(node for node in state_nodes[INPUTS:] if node not in read))
