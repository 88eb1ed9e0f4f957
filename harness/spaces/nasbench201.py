"""NAS-Bench-201 (Dong & Yang, ICLR 2020): one cell of four nodes and six edges with five operations, 15,625 cells."""

from __future__ import annotations

import re

from harness.core.architecture import Cell, Edge, ResidualStages
from harness.core.errors import InputError
from harness.core.space import Choice, Genotype, Size, Space

NB201_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NB201_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source, target) in the benchmark's order: 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2."""


class NasBench201Space(Space):
    """The cell of NAS-Bench-201: every node sums its incoming edges, node 3 is the output."""

    name = "nasbench201"
    choices = tuple(
        Choice(f"{target}<-{source}", NB201_OPERATIONS, node=str(target), kind="op") for source, target in NB201_EDGES
    )

    def decode(self, genotype: Genotype, size: Size) -> ResidualStages:
        """Three stages of ``size.layers // 3`` cells (at least one); the benchmark has 15 layers and 16 channels."""
        edges = tuple(
            Edge(source, target, str(op))
            for op, (source, target) in zip(self.options(genotype), NB201_EDGES, strict=True)
            if op != "none"
        )
        return ResidualStages(Cell(1, 4, edges, (3,)), size.channels, max(1, size.layers // 3), size.stem_stride)

    def to_official(self, genotype: Genotype) -> str:
        """The benchmark's own string, ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``."""
        nodes: dict[int, list[str]] = {1: [], 2: [], 3: []}
        for op, (source, target) in zip(self.options(genotype), NB201_EDGES, strict=True):
            nodes[target].append(f"{op}~{source}")
        return "+".join(f"|{'|'.join(words)}|" for words in nodes.values())

    def from_official(self, text: str) -> Genotype:
        """The genotype of an official string.

        Raises:
            InputError: not such a string.
        """
        entries = re.findall(r"([a-z_0-9]+)~(\d)", text)
        if len(entries) != len(NB201_EDGES) or any(op not in NB201_OPERATIONS for op, _ in entries):
            raise InputError(f"'{text}' is no NAS-Bench-201 architecture string")
        genotype = self.genotype(tuple(NB201_OPERATIONS.index(op) for op, _ in entries))
        if self.to_official(genotype) != text:
            raise InputError(f"'{text}' is no NAS-Bench-201 architecture string")
        return genotype
