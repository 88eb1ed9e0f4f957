"""Hierarchical representations (Liu et al., ICLR 2018): a cell is a graph of motifs, which are graphs of primitives.

Level 1 is six primitives, level 2 six motifs of four nodes whose edges carry primitives, level 3 one graph of five
nodes whose edges carry motifs: the cell. Every pair of nodes of a graph is one choice, and ``none`` leaves the edge
out: 46 choices, 7^46 cells. Node 1 is a graph's input and the last node its output; what meets in a node is
concatenated, and a 1x1 convolution restores the width behind each motif. Every edge has weights of its own, also where
two edges carry the same motif.

What is not said in the paper, chosen here: a node that no edge enters does not exist, nor do the edges that leave it; a
motif without an output is ``none``; a cell without one passes its input on. Where widths are restored is a reading that
gives the published network's count (see :mod:`harness.spaces.zoo.hierarchical`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.core.graph import LayerGraph, Layers
from harness.core.primitives import Conv, Depthwise, Norm, Pool, Primitive, Relu
from harness.core.space import Choice, Genotype, Size, Space

PRIMITIVES = ("skip_connect", "conv_1x1", "sep_conv_3x3", "dep_conv_3x3", "max_pool_3x3", "avg_pool_3x3")
NONE = "none"
STAGES = 3


@dataclass(frozen=True)
class Motif:
    """A directed acyclic graph; node 1 is its input, the last node its output.

    Args:
        nodes: how many there are.
        edges: (source, target, what the edge carries), nodes counted from 1, in the order of their targets.
    """

    nodes: int
    edges: tuple[tuple[int, int, str], ...]

    def into(self, target: int) -> tuple[tuple[int, str], ...]:
        """Source and label of each edge that enters a node."""
        return tuple((source, label) for source, end, label in self.edges if end == target)


class HierarchicalSpace(Space):
    """The motifs' edges, motif by motif, then the cell's.

    Args:
        name: the space's name in genotypes.
        motifs: number of motifs.
        nodes: of a motif, input and output included.
        cell_nodes: of the cell.

    Attributes:
        graphs: per motif, and last for the cell, the choices that are its edges: (source, target) to choice number.
    """

    def __init__(self, name: str = "hierarchical", motifs: int = 6, nodes: int = 4, cell_nodes: int = 5) -> None:
        self.name = name
        self._nodes = (*[nodes] * motifs, cell_nodes)
        of_motifs = tuple(f"motif{number}" for number in range(1, motifs + 1))
        kinds = [*((motif, "op", (NONE, *PRIMITIVES)) for motif in of_motifs), ("cell", "motif", (NONE, *of_motifs))]
        choices: list[Choice] = []
        graphs: list[dict[tuple[int, int], int]] = []
        for (graph, kind, options), count in zip(kinds, self._nodes, strict=True):
            graphs.append({})
            for target in range(2, count + 1):
                for source in range(1, target):
                    graphs[-1][source, target] = len(choices)
                    name, node = f"{graph}.{kind}{source}{target}", f"{graph}.{target}"
                    choices.append(Choice(name, options, node=node, kind=kind, cell=graph))
        self.choices, self.graphs = tuple(choices), tuple(graphs)

    def decode(self, genotype: Genotype, size: Size) -> LayerGraph:
        """Three stages of ``size.layers // 3`` cells, at least one; the paper searches with one and ends with two."""
        motifs, cell = self.read(genotype)
        return network(cell, motifs, size.channels, max(1, size.layers // STAGES), size.stem_stride)

    def read(self, genotype: Genotype) -> tuple[dict[str, Motif], Motif]:
        """The motifs by name, and the cell."""
        found = []
        for graph, nodes in zip(self.graphs, self._nodes, strict=True):
            labels = ((*edge, str(self.option(genotype, place))) for edge, place in graph.items())
            found.append(Motif(nodes, tuple(edge for edge in labels if edge[2] != NONE)))
        *motifs, cell = found
        return {f"motif{number}": motif for number, motif in enumerate(motifs, start=1)}, cell

    def write(self, motifs: Mapping[str, Motif], cell: Motif) -> Genotype:
        """The genotype of these graphs; motifs that are not named are empty."""
        picks = [0] * len(self.choices)
        named = [*(motifs.get(f"motif{number}") for number in range(1, len(self.graphs))), cell]
        for graph, motif in zip(self.graphs, named, strict=True):
            for source, target, label in motif.edges if motif else ():
                place = graph[source, target]
                picks[place] = self.choices[place].options.index(label)
        return self.genotype(tuple(picks))

    def identity(self) -> Genotype:
        """Every motif a chain of identities, the cell a chain of first motifs: where the paper's mutations start."""

        def chain(nodes: int, label: str) -> Motif:
            return Motif(nodes, tuple((node, node + 1, label) for node in range(1, nodes)))

        *motifs, cell = self._nodes
        named = {f"motif{number}": chain(nodes, "skip_connect") for number, nodes in enumerate(motifs, start=1)}
        return self.write(named, chain(cell, "motif1"))


def network(cell: Motif, motifs: Mapping[str, Motif], channels: int, repeats: int, stem_stride: int) -> LayerGraph:
    """The network around a cell: cells joined by separable convolutions, which halve the image twice.

    Args:
        cell: its edges carry names of motifs.
        motifs: their edges carry primitives.
        channels: of the first of three stages, doubled at each next one.
        repeats: cells per stage.
        stem_stride: of the first convolution.
    """
    layers, filters = Layers(), channels
    node = layers.add(0, Conv(3, 3, filters, (stem_stride,) * 2), Norm())
    for stage in range(STAGES):
        for place in range(repeats):
            if stage > 0 or place > 0:
                strided = place == 0
                filters *= 2 if strided else 1
                node = layers.add(node, *_separable(filters, 2 if strided else 1))
            node = _cell(layers, node, filters, cell, motifs)
    return layers.graph(node)


def _cell(layers: Layers, node: int, filters: int, cell: Motif, motifs: Mapping[str, Motif]) -> int:
    """The cell's output; its input where it has none."""
    nodes = {1: node}
    for target in range(2, cell.nodes + 1):
        entering = [(source, name) for source, name in cell.into(target) if source in nodes]
        parts = [_motif(layers, nodes[source], filters, motifs[name]) for source, name in entering]
        if reached := [part for part in parts if part is not None]:
            nodes[target] = layers.merged(reached, "concat")
    return nodes.get(cell.nodes, node)


def _motif(layers: Layers, node: int, filters: int, motif: Motif) -> int | None:
    """The motif's output, brought back to the width by a 1x1 convolution; None where nothing reaches its last node."""
    nodes = {1: node}
    for target in range(2, motif.nodes + 1):
        parts = []
        for source, label in motif.into(target):
            if source in nodes:
                steps = _primitive(label, filters)
                parts.append(layers.add(nodes[source], *steps) if steps else nodes[source])
        if parts:
            nodes[target] = layers.merged(parts, "concat")
    return layers.add(nodes[motif.nodes], *_conv(filters)) if motif.nodes in nodes else None


def _conv(filters: int) -> tuple[Primitive, ...]:
    return (Conv(1, 1, filters), Norm(), Relu())


def _separable(filters: int, stride: int = 1) -> tuple[Primitive, ...]:
    return (Depthwise(3, stride), Norm(), Relu(), *_conv(filters))


def _primitive(name: str, filters: int) -> tuple[Primitive, ...]:
    primitives: dict[str, tuple[Primitive, ...]] = {
        "skip_connect": (),
        "conv_1x1": _conv(filters),
        "sep_conv_3x3": _separable(filters),
        "dep_conv_3x3": (Depthwise(3), Norm(), Relu()),
        "max_pool_3x3": (Pool("max", 3, 1),),
        "avg_pool_3x3": (Pool("avg", 3, 1),),
    }
    return primitives[name]
