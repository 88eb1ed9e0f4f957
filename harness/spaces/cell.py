"""What the spaces of two stacked cells share: the stack, the loose ends, and nodes that add two operations.

The spaces themselves are in :mod:`harness.spaces.darts`, :mod:`harness.spaces.enas_micro`, :mod:`harness.spaces.nao`
and :mod:`harness.spaces.nasnet`.
"""

from __future__ import annotations

from harness.core.architecture import Cell, CellStack, Edge
from harness.core.space import Choice, Genotype, Option, Size, Space

CELL_NAMES = ("normal", "reduction")
"""The two cells, in the order of a genotype."""
INPUTS = 2
"""Input nodes of a cell: 0 is the output of the cell before the last, 1 that of the last cell."""


def reductions(layers: int) -> tuple[int, ...]:
    """Indices of the reduction cells: a third and two thirds of the way, DARTS' rule (6 and 13 for 20 cells)."""
    return tuple(sorted({layers // 3, 2 * layers // 3}))


def stacked(normal: Cell, reduction: Cell, size: Size) -> CellStack:
    """Two cells at a size: three equal parts with a reduction cell between two of them."""
    return CellStack(
        normal=normal,
        reduction=reduction,
        channels=size.channels,
        layers=size.layers,
        reductions=reductions(size.layers),
        stem_stride=size.stem_stride,
    )


class PairCellSpace(Space):
    """Cells whose nodes add two operations on any two earlier nodes; per node the choices ``in0, op0, in1, op1``.

    Args:
        nodes: computed nodes per cell.
        operations: candidates.
        name: the space's name in genotypes.
    """

    def __init__(self, name: str, nodes: int, operations: tuple[str, ...]) -> None:
        self.name, self.nodes, self.operations = name, nodes, operations
        choices: list[Choice] = []
        for cell in CELL_NAMES:
            for node in range(2, nodes + 2):
                owner = f"{cell}.{node}"
                for slot in range(2):
                    earlier = tuple(range(node))
                    choices.append(Choice(f"{owner}.in{slot}", earlier, node=owner, kind="input", cell=cell))
                    choices.append(Choice(f"{owner}.op{slot}", operations, node=owner, kind="op", cell=cell))
        self.choices = tuple(choices)

    def cells(self, genotype: Genotype) -> tuple[Cell, Cell]:
        """The normal and the reduction cell; the outputs of nodes that no node reads are concatenated."""
        options = self.options(genotype)
        half = 4 * self.nodes
        return self._cell(options[:half]), self._cell(options[half:])

    def _cell(self, options: list[Option]) -> Cell:
        edges = []
        for i in range(self.nodes):
            in0, op0, in1, op1 = options[4 * i : 4 * i + 4]
            edges += [Edge(int(str(in0)), i + 2, str(op0)), Edge(int(str(in1)), i + 2, str(op1))]
        return Cell(INPUTS, self.nodes + 2, tuple(edges), unread(self.nodes + 2, edges))


def unread(nodes: int, edges: list[Edge]) -> tuple[int, ...]:
    """The nodes that no edge starts from, inputs included: ENAS micro's loose ends."""
    read = {edge.source for edge in edges}
    return tuple(node for node in range(nodes) if node not in read)
