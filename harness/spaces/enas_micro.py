"""ENAS' micro space (Pham et al., ICML 2018): two cells of five nodes.

Each node adds the results of two of five operations on two earlier nodes, which may be the same one. The outputs of
nodes that no node reads are concatenated.
"""

from __future__ import annotations

from dataclasses import replace

from harness.core.architecture import CellStack
from harness.core.space import Genotype, Size
from harness.spaces.cell import PairCellSpace, stacked

ENAS_OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip_connect")
"""ENAS micro's five operations, in the order of its codes 0 to 4."""


class EnasCellSpace(PairCellSpace):
    """ENAS micro's cells: 20 integers per cell, 40 in all."""

    def __init__(self, name: str = "enas_cell", nodes: int = 5, operations: tuple[str, ...] = ENAS_OPERATIONS) -> None:
        super().__init__(name, nodes, operations)

    def decode(self, genotype: Genotype, size: Size) -> CellStack:
        """The fixed network that the authors train: no projection, and edges of stride 2 in a reduction cell.

        Their best cells have 4.59 M weights at 36 channels, as ``published/enas_micro``.
        """
        return replace(stacked(*self.cells(genotype), size), style="enas")

    def searched(self, genotype: Genotype, size: Size) -> CellStack:
        """The same cells as a path of the shared network.

        Reductions halve the inputs of the cell, which then runs with stride 1; the output is projected.
        """
        return replace(stacked(*self.cells(genotype), size), reduce="inputs", project=True)
