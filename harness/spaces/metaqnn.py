"""The space of MetaQNN (Baker et al., ICLR 2017): plain chains of convolutions, poolings and fully connected layers.

Eighteen layers at most; each is one of 20: a convolution (size 1, 3, 5; 64 to 512 filters), a max pooling (size 5, 3, 2
with stride 3, 2, 2), a fully connected layer (512, 256, 128 units), global average pooling, or the end. Which of them
may follow depends on the layers before and on how small the image has become. What may not is left out of the network,
so that every genotype names one; a learner that asks for the legal layers never meets this rule.

Deviations: batch normalisation behind every convolution and fully connected layer, because all networks are trained by
one recipe, and no dropout. The image's size is that of a CIFAR image whatever the data set; a pooling never goes below
one pixel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.core.graph import LayerGraph, Layers
from harness.core.measure import floor_pooled
from harness.core.primitives import Conv, Flatten, FloorPool, Norm, Pool, Relu
from harness.core.space import Choice, Genotype, Size, Space

SIDE = 32
"""Pixels that the rules think of at the start of a chain; a genotype is legal or not whatever the data set."""
FULL_CHANNELS = 64
"""Size at which a chain has its full numbers of filters and units: those of its narrowest convolution."""
MOST_DENSE = 2


@dataclass(frozen=True)
class ChainLayer:
    """One kind of layer.

    Args:
        kind: what it is.
        size: of a convolution's or a pooling's window.
        amount: filters, stride or units.
    """

    kind: Literal["start", "conv", "pool", "dense", "global", "end"]
    size: int = 0
    amount: int = 0


LAYERS = {
    **{f"conv_{k}x{k}_{n}": ChainLayer("conv", k, n) for k in (1, 3, 5) for n in (64, 128, 256, 512)},
    **{f"max_pool_{k}x{k}_s{s}": ChainLayer("pool", k, s) for k, s in ((5, 3), (3, 2), (2, 2))},
    **{f"dense_{n}": ChainLayer("dense", 0, n) for n in (512, 256, 128)},
    "global_pool": ChainLayer("global"),
    "end": ChainLayer("end"),
}
"""The layers by the words of a genotype."""
_OPTIONS = tuple(LAYERS.values())


@dataclass(frozen=True)
class ChainState:
    """What is known between two layers, as MetaQNN's learner knows it: the image's size only roughly.

    Args:
        depth: layers so far.
        last: the last one.
        dense: fully connected layers so far.
        bucket: 8, 4 or 1 for a side above 7, above 3, or below. The rules compare windows with this number.
        side: pixels; states that differ in nothing else are the same one.
    """

    depth: int
    last: ChainLayer
    dense: int
    bucket: int
    side: int = field(compare=False)

    def allows(self, layer: ChainLayer) -> bool:
        """Whether ``layer`` may come next."""
        before = self.last.kind
        spatial = before in ("start", "conv", "pool")
        match layer.kind:
            case "conv":
                return spatial and layer.size < self.bucket
            case "pool":
                return before == "conv" and layer.size < self.bucket
            case "dense":
                if before == "dense":
                    return self.dense < MOST_DENSE and layer.amount <= self.last.amount
                return spatial and self.bucket <= 4
            case "global":
                return spatial
            case _:
                return True

    def then(self, layer: ChainLayer) -> ChainState:
        """The state behind ``layer``."""
        side = floor_pooled(self.side, layer.size, layer.amount) if layer.kind == "pool" else self.side
        return ChainState(self.depth + 1, layer, self.dense + (layer.kind == "dense"), _bucket(side), side)


def _bucket(side: int) -> int:
    return 8 if side > 7 else 4 if side > 3 else 1


class LayerChainSpace(Space):
    """MetaQNN's chains, and the walk through the legal ones.

    Args:
        layers: the most that a chain can have.
    """

    start = ChainState(0, ChainLayer("start"), 0, _bucket(SIDE), SIDE)

    def __init__(self, name: str = "qchain", layers: int = 18) -> None:
        self.name = name
        self.choices = tuple(Choice(str(layer), tuple(LAYERS), kind="layer") for layer in range(1, layers + 1))

    def actions(self, state: ChainState) -> Sequence[int]:
        """The options that may come next; the end always may."""
        return [number for number, layer in enumerate(_OPTIONS) if state.allows(layer)]

    def after(self, state: ChainState, action: int) -> ChainState | None:
        """The state behind a legal option, or None where the chain is over."""
        following = state.then(_OPTIONS[action])
        return None if following.last.kind == "end" or following.depth == len(self.choices) else following

    def complete(self, actions: Sequence[int]) -> Genotype:
        """The genotype of a chain that is over."""
        end = len(_OPTIONS) - 1
        return self.genotype((*actions, *[end] * (len(self.choices) - len(actions))))

    def read(self, genotype: Genotype) -> Iterator[ChainLayer]:
        """The layers of the network: up to the end, without those that may not stand where they do."""
        state = self.start
        for pick in genotype.picks:
            layer = _OPTIONS[pick]
            if layer.kind == "end":
                return
            if state.allows(layer):
                state = state.then(layer)
                yield layer

    def decode(self, genotype: Genotype, size: Size) -> LayerGraph:
        """Below 64 channels the numbers of filters and units shrink in proportion; otherwise they are the paper's.

        A ``size.stem_stride`` of 2 halves the image by averaging; ``size.layers`` is ignored.
        """
        layers, widen, stride = Layers(), min(1.0, size.channels / FULL_CHANNELS), size.stem_stride
        x = layers.add(0, Pool("avg", stride, stride)) if stride > 1 else 0
        last = self.start.last.kind
        for layer in self.read(genotype):
            width = round(layer.amount * widen)
            match layer.kind:
                case "conv":
                    x = layers.add(x, Conv(layer.size, layer.size, width), Norm(), Relu())
                case "pool":
                    x = layers.add(x, FloorPool(layer.size, layer.amount))
                case "dense":
                    x = x if last == "dense" else layers.add(x, Flatten())
                    x = layers.add(x, Conv(1, 1, width), Norm(), Relu())
            last = layer.kind
        # The classifier averages over the image, so that a single pixel is left as it is.
        return layers.graph(x if last in ("dense", "global") else layers.add(x, Flatten()))
