"""NAO's space (Luo et al., NeurIPS 2018): ENAS micro's cells with eleven operations, in the network of NAO's paper."""

from __future__ import annotations

from dataclasses import replace

from harness.core.architecture import CellStack
from harness.core.space import Genotype, Size
from harness.spaces.cell import PairCellSpace, stacked

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


class NaoCellSpace(PairCellSpace):
    """NAO's cells, 40 integers: the kernel's size is part of the operation."""

    def __init__(self, name: str = "nao_cell", nodes: int = 5) -> None:
        super().__init__(name, nodes, NAO_OPERATIONS)

    def decode(self, genotype: Genotype, size: Size) -> CellStack:
        """Twenty cells and 36 channels give the smaller NAONet."""
        return replace(stacked(*self.cells(genotype), size), style="nao")
