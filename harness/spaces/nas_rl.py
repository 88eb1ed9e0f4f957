"""The space of Zoph & Le (ICLR 2017): a chain of convolutions with skip connections by anchor points.

The choices of a layer are filter height, filter width, number of filters, optionally the two strides, and one bit per
earlier layer. Fifteen layers without strides have 2^195 networks, about 5e58. Section 3.3 of the paper repairs them: a
layer without inputs reads the image; outputs that no layer reads are concatenated before the classifier; smaller inputs
are padded with zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.architecture import Cell, ConvChain, Edge
from harness.core.space import Choice, Genotype, Size, Space

SIZES = (1, 3, 5, 7)
FILTERS = (24, 36, 48, 64)
STRIDES = (1, 2, 3)
FULL_CHANNELS = 32
"""The ``size.channels`` at which a chain has the paper's filters; below it, they shrink in proportion."""


@dataclass(frozen=True)
class ConvLayer:
    """One layer of a chain, before the repair; ``inputs`` are the numbers of earlier layers, from 1."""

    height: int
    width: int
    filters: int
    strides: tuple[int, int]
    inputs: tuple[int, ...]


class ConvChainSpace(Space):
    """The chain.

    Args:
        layers: depth.
        strides: whether strides are searched (the paper's second experiment) or all 1.
        pools: layers after which a fixed 2x2 max pooling follows (the paper's third experiment).
    """

    def __init__(
        self, name: str = "chain", layers: int = 15, *, strides: bool = False, pools: tuple[int, ...] = ()
    ) -> None:
        self.name, self.layers, self.strides, self.pools = name, layers, strides, pools
        choices: list[Choice] = []
        plain: dict[str, tuple[int, ...]] = {"height": SIZES, "width": SIZES, "filters": FILTERS}
        if strides:
            plain |= {"stride_height": STRIDES, "stride_width": STRIDES}
        for layer in range(1, layers + 1):
            choices += [
                Choice(f"{layer}.{kind}", options, node=str(layer), kind=kind) for kind, options in plain.items()
            ]
            choices += [
                Choice(f"{layer}.skip{earlier}", (0, 1), node=str(layer), kind="skip") for earlier in range(1, layer)
            ]
        self.choices = tuple(choices)

    def read(self, genotype: Genotype) -> list[ConvLayer]:
        """The layers of a genotype, before the repair."""
        values = iter(int(str(option)) for option in self.options(genotype))
        layers = []
        for layer in range(1, self.layers + 1):
            height, width, filters = next(values), next(values), next(values)
            stride = (next(values), next(values)) if self.strides else (1, 1)
            inputs = tuple(earlier for earlier in range(1, layer) if next(values) == 1)
            layers.append(ConvLayer(height, width, filters, stride, inputs))
        return layers

    def decode(self, genotype: Genotype, size: Size) -> ConvChain:
        """Below 32 channels the filter numbers shrink in proportion; else they are the paper's; with ``size.more``."""
        edges: list[Edge] = []
        output_of = {0: 0}
        unread: set[int] = set()
        node = 0
        for number, layer in enumerate(self.read(genotype), start=1):
            gather, out = node + 1, node + 2
            for source in layer.inputs or (0,):
                edges.append(Edge(output_of[source], gather, "concat"))
                unread.discard(source)
            vertical, horizontal = layer.strides
            op = f"conv_{layer.height}x{layer.width}_{layer.filters}_s{vertical}x{horizontal}"
            edges.append(Edge(gather, out, op))
            node = out
            if number in self.pools:
                node += 1
                edges.append(Edge(out, node, "max_pool_2x2"))
            output_of[number] = node
            unread.add(number)
        graph = Cell(1, node + 1, tuple(edges), tuple(output_of[number] for number in sorted(unread)))
        return ConvChain(graph, min(1.0, size.channels / FULL_CHANNELS), size.stem_stride, size.more)
