"""Convolutional neural fabrics (Saxena & Verbeek, NeurIPS 2016) and what is left of them when edges are pruned.

A fabric is a trellis of layers times scales. Node (l, s) has images of 1/2^s of the side. It reads its neighbours in
the layer before: the finer scale by a convolution of stride 2, the same scale, and the coarser one, upsampled with
zeros between the pixels and then convolved. In the first layer the image enters at the finest scale and runs down a
chain of strided convolutions; in the last one a second such chain ends at the coarsest node, which is the output. All
convolutions are 3x3 and as wide as the fabric; a node is ReLU(normalisation(sum)). There are (L - 1)(3 S - 2) + 2 (S -
1) edges, 122 for 8 layers and 6 scales.

Every edge is one choice, on or off: a genotype is a sub-fabric. Nodes that lie on no path from image to output are left
out. Where no path is left, which is chosen here, the output is the last node that the image reaches: of the last layer,
and there the coarsest. Chosen here too: convolutions have no bias, because a normalisation follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.core.graph import LayerGraph, Layers
from harness.core.primitives import Conv, Norm, Relu, Unpool, Zero
from harness.core.space import Choice, Genotype, Size, Space

Node = tuple[int, int]
"""Layer and scale, both counted from 0; scale 0 is the finest."""
FIRST: Node = (0, 0)


@dataclass(frozen=True)
class FabricEdge:
    """A convolution between two neighbouring nodes."""

    source: Node
    target: Node

    @property
    def step(self) -> int:
        """By how many scales the target is coarser: 1, 0 or -1."""
        return self.target[1] - self.source[1]


def fabric_edges(layers: int, scales: int) -> tuple[FabricEdge, ...]:
    """All edges of a fabric, in an order in which every source comes before its targets."""
    found = [FabricEdge((0, scale - 1), (0, scale)) for scale in range(1, scales)]
    for layer in range(1, layers):
        for scale in range(scales):
            sources = (source for source in (scale, scale - 1, scale + 1) if 0 <= source < scales)
            found += [FabricEdge((layer - 1, source), (layer, scale)) for source in sources]
            if layer == layers - 1 and scale > 0:
                found.append(FabricEdge((layer, scale - 1), (layer, scale)))
    return tuple(found)


class FabricSpace(Space):
    """Sub-fabrics.

    Args:
        name: in genotypes.
        layers: of the trellis, at least two.
        scales: at least two; six for images of 32 pixels.
    """

    def __init__(self, name: str = "fabric", layers: int = 8, scales: int = 6) -> None:
        self.name, self.layers, self.scales = name, layers, scales
        self.edges = fabric_edges(layers, scales)
        self.last: Node = (layers - 1, scales - 1)
        self.choices = tuple(
            Choice(f"{_text(edge.target)}<{_text(edge.source)}", (0, 1), node=_text(edge.target), kind="edge")
            for edge in self.edges
        )

    def whole(self) -> Genotype:
        """The fabric with all its edges."""
        return self.genotype((1,) * len(self.edges))

    def of_edges(self, numbers: Iterable[int]) -> Genotype:
        """The sub-fabric of the edges with these numbers."""
        on = set(numbers)
        return self.genotype(tuple(int(number in on) for number in range(len(self.edges))))

    def output(self, picks: Sequence[int]) -> Node:
        """The node that the classifier reads."""
        reached = {FIRST}
        for edge, on in zip(self.edges, picks, strict=True):
            if on and edge.source in reached:
                reached.add(edge.target)
        return self.last if self.last in reached else max(reached)

    def live(self, picks: Sequence[int]) -> list[int]:
        """Numbers of the edges on a path from the image to the output, in the order of :attr:`edges`."""
        on = [number for number, pick in enumerate(picks) if pick]
        reached, needed = {FIRST}, {self.output(picks)}
        forwards = []
        for number in on:
            if self.edges[number].source in reached:
                reached.add(self.edges[number].target)
                forwards.append(number)
        kept = []
        for number in reversed(forwards):
            if self.edges[number].target in needed:
                needed.add(self.edges[number].source)
                kept.append(number)
        return kept[::-1]

    def widest_path(self, strengths: Sequence[float], through: int | None = None) -> list[int]:
        """Numbers of the edges of the path from image to output whose weakest edge is strongest, in order.

        Args:
            strengths: of the edges.
            through: number of an edge that the path has to have; None for any path.
        """
        best: dict[Node, tuple[float, list[int]]] = {FIRST: (float("inf"), [])}
        for number, edge in enumerate(self.edges):
            if edge.source in best:
                weakest, path = best[edge.source]
                strength = min(weakest, float(strengths[number]))
                if number == through:
                    best = {edge.target: (strength, [*path, number])}
                elif edge.target not in best or strength > best[edge.target][0]:
                    best[edge.target] = (strength, [*path, number])
        return best[self.last][1]

    def decode(self, genotype: Genotype, size: Size) -> LayerGraph:
        """``size.channels`` filters at every node; ``size.layers`` is not read. A stem stride of 2 halves the image by
        averaging."""
        layers = Layers()
        image = layers.image(size.stem_stride)
        outputs: dict[Node, int] = {FIRST: layers.add(image, Conv(3, 3, size.channels), Norm(), Relu())}
        at_scale = {0: outputs[FIRST]}
        live = [self.edges[number] for number in self.live(genotype.picks)]
        for target in dict.fromkeys(edge.target for edge in live):
            entering = [edge for edge in live if edge.target == target]
            parts = [layers.add(outputs[edge.source], *_primitives(edge, size.channels)) for edge in entering]
            if all(edge.step < 0 for edge in entering):
                # An odd side is rounded up by halving: upsampled again, it is a pixel too long. A sum is cut to its
                # smallest part, and there is an earlier node of that size, through which the image came down.
                parts.append(layers.add(at_scale[target[1]], Zero()))
            outputs[target] = layers.add(parts, Norm(), Relu())
            at_scale.setdefault(target[1], outputs[target])
        return layers.graph(outputs[self.output(genotype.picks)])


def _primitives(edge: FabricEdge, channels: int) -> tuple[Unpool | Conv, ...]:
    stride = 2 if edge.step > 0 else 1
    convolution = Conv(3, 3, channels, (stride, stride))
    return (Unpool(), convolution) if edge.step < 0 else (convolution,)


def _text(node: Node) -> str:
    return f"{node[0] + 1}.{node[1] + 1}"
