"""The space of MetaQNN (Baker et al., ICLR 2017): plain chains of convolutions, poolings and fully connected layers.

A chain has at most eighteen layers. There are 20 layers to choose from: convolutions (size 1, 3, 5; 64 to 512 filters),
max poolings (size 5, 3, 2 with stride 3, 2, 2), fully connected layers (512, 256, 128 units), global average pooling,
and the end. Which of them are legal depends on the layers before and on the size of the image. Illegal layers of a
genotype are left out of its network, so that every genotype has a network; a method that asks for the legal layers
never needs this rule.

Deviations: batch normalisation after every convolution and fully connected layer, because all networks are trained by
one recipe, and no dropout. The rules start from the size of a CIFAR image whatever the data set; a pooling leaves at
least one pixel. A pooling of size k with stride t leaves floor((s - k + 1) / t) of s rows: with this rule the five
networks of the paper's appendix have the published numbers of parameters. The authors' code rounds up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.core.graph import LayerGraph, Layers
from harness.core.measure import floor_pooled
from harness.core.primitives import Conv, Flatten, FloorPool, Norm, Relu
from harness.core.space import Choice, Genotype, Size, Space

SIDE = 32
"""Height and width at the start of a chain, in the rules; the data set does not matter, so the rules are the same."""
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
    """A state of MetaQNN's decision process; it knows the size of the image only as one of three classes.

    Args:
        depth: layers so far.
        last: the last layer.
        dense: fully connected layers so far.
        bucket: the class of the size: 8 for more than 7 pixels, 4 for more than 3, else 1. The rules compare the size
            of a window with this number.
        side: height and width in pixels; states that differ only in this are equal.
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
        """The state after ``layer``."""
        side = floor_pooled(self.side, layer.size, layer.amount) if layer.kind == "pool" else self.side
        return ChainState(self.depth + 1, layer, self.dense + (layer.kind == "dense"), _bucket(side), side)


def _bucket(side: int) -> int:
    return 8 if side > 7 else 4 if side > 3 else 1


class LayerChainSpace(Space):
    """MetaQNN's chains, and the decision process of the legal ones.

    Args:
        layers: the most that a chain can have.
    """

    start = ChainState(0, ChainLayer("start"), 0, _bucket(SIDE), SIDE)

    def __init__(self, name: str = "qchain", layers: int = 18) -> None:
        self.name = name
        self.choices = tuple(Choice(str(layer), tuple(LAYERS), kind="layer") for layer in range(1, layers + 1))

    def actions(self, state: ChainState) -> Sequence[int]:
        """The legal options of the next layer; the end is always one."""
        return [number for number, layer in enumerate(_OPTIONS) if state.allows(layer)]

    def after(self, state: ChainState, action: int) -> ChainState | None:
        """The state after a legal option, or None if the chain is complete."""
        following = state.then(_OPTIONS[action])
        return None if following.last.kind == "end" or following.depth == len(self.choices) else following

    def complete(self, actions: Sequence[int]) -> Genotype:
        """The genotype of a complete chain."""
        end = len(_OPTIONS) - 1
        return self.genotype((*actions, *[end] * (len(self.choices) - len(actions))))

    def effective(self, genotype: Genotype) -> Sequence[int]:
        """All layers up to the end, also illegal ones: another one in their place may be legal."""
        end = len(_OPTIONS) - 1
        return range((*genotype.picks, end).index(end) + 1)[: len(self.choices)]

    def read(self, genotype: Genotype) -> Iterator[ChainLayer]:
        """The layers of the network: those before the end, without the illegal ones."""
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
        layers, widen = Layers(), min(1.0, size.channels / FULL_CHANNELS)
        x = layers.image(size.stem_stride)
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
        # The classifier averages over the image, which does not change a single pixel.
        return layers.graph(x if last in ("dense", "global") else layers.add(x, Flatten()))
