"""DARTS' discrete space (Liu, Simonyan, Yang, ICLR 2019): two cells of four nodes.

Each node adds the results of two operations on two *different* earlier nodes; an operation is one of seven. There are
1,037,664,180 cells, and as many pairs of cells as the square of that.
"""

from __future__ import annotations

from itertools import combinations

from harness.core.architecture import Cell, CellStack, Edge
from harness.core.space import Choice, Genotype, Option, Size, Space
from harness.spaces.cell import CELL_NAMES, stacked

DARTS_OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""DARTS' eight candidate operations, in the order of its columns of alpha."""


class CellSpace(Space):
    """DARTS' discrete cells.

    Args:
        nodes: computed nodes per cell.
        operations: candidates of an edge; ``none`` is left out, as in DARTS' derived cells.
        name: the space's name in genotypes.
    """

    def __init__(self, name: str = "cell", nodes: int = 4, operations: tuple[str, ...] = DARTS_OPERATIONS[1:]) -> None:
        self.name, self.nodes, self.operations = name, nodes, operations
        choices: list[Choice] = []
        for cell in CELL_NAMES:
            for node in range(2, nodes + 2):
                owner = f"{cell}.{node}"
                pairs = tuple(combinations(range(node), 2))
                choices.append(Choice(f"{owner}.inputs", pairs, node=owner, kind="inputs", cell=cell))
                for slot in range(2):
                    choices.append(Choice(f"{owner}.op{slot}", operations, node=owner, kind="op", cell=cell))
        self.choices = tuple(choices)

    def decode(self, genotype: Genotype, size: Size) -> CellStack:
        """Twenty cells and 36 channels give the network of DARTS' evaluation."""
        options = self.options(genotype)
        normal, reduction = (self._cell(options[i * 3 * self.nodes :]) for i in range(2))
        return stacked(normal, reduction, size)

    def _cell(self, options: list[Option]) -> Cell:
        edges = []
        for i in range(self.nodes):
            sources, *ops = options[3 * i : 3 * i + 3]
            assert isinstance(sources, tuple)
            edges += [Edge(source, i + 2, str(op)) for source, op in zip(sources, ops, strict=True)]
        return Cell(2, self.nodes + 2, tuple(edges), tuple(range(2, self.nodes + 2)))

    def from_edges(self, normal: list[tuple[str, int]], reduction: list[tuple[str, int]]) -> Genotype:
        """The genotype of a cell pair in DARTS' notation: two ``(operation, input)`` entries per node, in order.

        The order of a node's two entries does not change the function; the genotype has them sorted by input.
        """
        picks: list[int] = []
        for i, cell in enumerate((normal, reduction)):
            for node in range(self.nodes):
                pair = sorted(cell[2 * node : 2 * node + 2], key=lambda entry: entry[1])
                position = (i * self.nodes + node) * 3
                picks.append(self.choices[position].options.index(tuple(source for _, source in pair)))
                picks += [self.operations.index(op) for op, _ in pair]
        return self.genotype(tuple(picks))
