"""Cell spaces: two cells, each a small graph with two inputs, stacked into a network.

``CellSpace`` is DARTS' discrete space (Liu, Simonyan, Yang, ICLR 2019): four nodes, each reading two *different*
earlier nodes through one of seven operations; 1,037,664,180 cells, squared for the pair. ``EnasCellSpace`` is ENAS
micro's (Pham et al., ICML 2018): five nodes, two inputs that may coincide, five operations; what nobody reads is
concatenated. ``NaoCellSpace`` is NAO's (Luo et al., NeurIPS 2018): the same cells with eleven operations, in the
network that the paper trains.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from harness.core.architecture import Cell, CellStack, Edge
from harness.core.space import Choice, Genotype, Option, Size, Space

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

ENAS_OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip_connect")
"""ENAS micro's five operations, in the order of its codes 0 to 4."""

NAO_OPERATIONS = (
    "skip_connect",
    "conv_1x1",
    "conv_3x3",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "max_pool_2x2",
    "max_pool_3x3",
    "max_pool_5x5",
    "avg_pool_2x2",
    "avg_pool_3x3",
    "avg_pool_5x5",
)
"""NAO's eleven operations, in the order of its codes 5 to 15."""

CELLS = ("normal", "reduction")


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


class CellSpace(Space):
    """DARTS' discrete cells.

    Args:
        nodes: computed nodes per cell.
        operations: candidates of an edge; ``none`` is left out, as in DARTS' derived cells.
        name: the space's name in genotypes.
    """

    inputs = 2

    def __init__(self, name: str = "cell", nodes: int = 4, operations: tuple[str, ...] = DARTS_OPERATIONS[1:]) -> None:
        self.name, self.nodes, self.operations = name, nodes, operations
        choices: list[Choice] = []
        for cell in CELLS:
            for node in range(2, nodes + 2):
                owner = f"{cell}.{node}"
                pairs = tuple(combinations(range(node), 2))
                choices.append(Choice(f"{owner}.inputs", pairs, node=owner, kind="inputs", cell=cell))
                for slot in range(2):
                    choices.append(Choice(f"{owner}.op{slot}", operations, node=owner, kind="op", cell=cell))
        self.choices = tuple(choices)

    def decode(self, genotype: Genotype, size: Size) -> CellStack:
        """Twenty cells and 36 channels give the network of DARTS' evaluation."""
        options = [self.option(genotype, place) for place in range(len(self.choices))]
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

        The order of a node's two entries does not matter to the function and is normalised by input.
        """
        picks: list[int] = []
        for i, cell in enumerate((normal, reduction)):
            for node in range(self.nodes):
                pair = sorted(cell[2 * node : 2 * node + 2], key=lambda entry: entry[1])
                place = (i * self.nodes + node) * 3
                picks.append(self.choices[place].options.index(tuple(source for _, source in pair)))
                picks += [self.operations.index(op) for op, _ in pair]
        return self.genotype(tuple(picks))


class PairCellSpace(Space):
    """Cells whose nodes add two operations on any two earlier nodes: per node ``in0, op0, in1, op1``.

    Args:
        nodes: computed nodes per cell.
        operations: candidates.
        name: the space's name in genotypes.
    """

    inputs = 2

    def __init__(self, name: str, nodes: int, operations: tuple[str, ...]) -> None:
        self.name, self.nodes, self.operations = name, nodes, operations
        choices: list[Choice] = []
        for cell in CELLS:
            for node in range(2, nodes + 2):
                owner = f"{cell}.{node}"
                for slot in range(2):
                    earlier = tuple(range(node))
                    choices.append(Choice(f"{owner}.in{slot}", earlier, node=owner, kind="input", cell=cell))
                    choices.append(Choice(f"{owner}.op{slot}", operations, node=owner, kind="op", cell=cell))
        self.choices = tuple(choices)

    def cells(self, genotype: Genotype) -> tuple[Cell, Cell]:
        """The normal and the reduction cell; what nobody reads is concatenated."""
        options = [self.option(genotype, place) for place in range(len(self.choices))]
        half = 4 * self.nodes
        return self._cell(options[:half]), self._cell(options[half:])

    def _cell(self, options: list[Option]) -> Cell:
        edges = []
        for i in range(self.nodes):
            in0, op0, in1, op1 = options[4 * i : 4 * i + 4]
            edges += [Edge(int(str(in0)), i + 2, str(op0)), Edge(int(str(in1)), i + 2, str(op1))]
        return Cell(2, self.nodes + 2, tuple(edges), unread(self.nodes + 2, edges))


class EnasCellSpace(PairCellSpace):
    """ENAS micro's cells: 20 integers per cell, 40 in all."""

    def __init__(self, name: str = "enas_cell", nodes: int = 5, operations: tuple[str, ...] = ENAS_OPERATIONS) -> None:
        super().__init__(name, nodes, operations)

    def decode(self, genotype: Genotype, size: Size) -> CellStack:
        """Reductions halve the inputs of the cell, which then runs with stride 1; the output is projected."""
        return replace(stacked(*self.cells(genotype), size), reduce="inputs", project=True)


class NaoCellSpace(PairCellSpace):
    """NAO's cells, 40 integers: the kernel's size is part of the operation."""

    def __init__(self, name: str = "nao_cell", nodes: int = 5) -> None:
        super().__init__(name, nodes, NAO_OPERATIONS)

    def decode(self, genotype: Genotype, size: Size) -> CellStack:
        """Twenty cells and 36 channels give the smaller NAONet."""
        return replace(stacked(*self.cells(genotype), size), style="nao")


def unread(nodes: int, edges: list[Edge]) -> tuple[int, ...]:
    """Nodes that no edge starts from, inputs included: ENAS micro's loose ends."""
    read = {edge.source for edge in edges}
    return tuple(node for node in range(nodes) if node not in read)
