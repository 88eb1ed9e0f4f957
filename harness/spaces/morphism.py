"""Chains of convolutions with poolings and a few skips: what network morphisms grow networks in.

``morph`` is the space of AutoKeras as of 0.2.18 (Jin, Song & Hu, KDD 2019): three blocks of 3x3 convolutions, each
block ending in a max pooling that halves the image, then dense layers; widths are 64 times a power of two; a skip adds
the output of an earlier convolution to that of a later one, or concatenates them, through a 1x1 convolution. ``eas`` is
the plain space of EAS (Cai et al., AAAI 2018): four blocks, kernels of 1, 3 and 5, thirteen widths (seven where a block
has fewer than five convolutions), no skips.

A genotype has a fixed number of slots; an empty one is no layer, so that several genotypes name one network. The
papers' graphs may grow without end; here a block has four (``eas``: five) convolutions at most, with two dense layers
and four skips.

Every convolution and dense layer is followed by normalisation and a rectifier, in this order, and a merge of a skip by
a rectifier. AutoKeras has the rectifier first, where an inserted identity layer clips negative numbers at the end of
the last block; EAS normalises convolutions only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

from harness.core.graph import LayerGraph, Layers
from harness.core.primitives import Conv, Dropout, Flatten, Norm, Pool, Relu
from harness.core.space import Choice, Genotype, Size, Space

NONE = "none"
ADD, CONCAT = "add", "concat"
MORPH_WIDTHS = (64, 128, 256, 512)
MORPH_UNITS = (64, 128, 256)
EAS_WIDTHS = (16, 32, 64, 96, 128, 192, 256, 320, 384, 448, 512, 576, 640)
EAS_UNITS = (64, 128, 256, 384, 512, 640, 768, 896, 1024, 1152, 1280)
EAS_WHOLE_DEPTH = 5
"""Convolutions per block from which on the space has all widths."""
EAS_NARROW = 7
"""So many widths, up to 256, have spaces of fewer convolutions: those of small profiles. A random network of all widths
costs ten times as much as one of most other spaces: `quick` could afford a single one."""
MOST_DENSE = 2
DROPOUT = 0.25
"""In front of the first dense layer, AutoKeras' rate."""


class Convolution(NamedTuple):
    """Size of the square kernel, and filters at full scale."""

    kernel: int
    width: int


class Skip(NamedTuple):
    """``add`` or ``concat``, and the convolutions it goes from and to, counted from 0 through all blocks."""

    kind: str
    source: int
    target: int

    def behind(self, convolution: int) -> Skip:
        """The same skip after a layer was put behind a convolution."""
        return Skip(self.kind, *(end + (end > convolution) for end in self[1:]))


class Part(NamedTuple):
    """A layer with weights: which one it is, and whether a normalisation belongs to it."""

    key: tuple[str | int, ...]
    normalised: bool


@dataclass(frozen=True)
class Chain:
    """A network of the space, at full scale.

    Args:
        blocks: the convolutions of each block.
        dense: units of the dense layers before the classifier.
        skips: in any order; kept by target, then source, then kind.
    """

    blocks: tuple[tuple[Convolution, ...], ...]
    dense: tuple[int, ...]
    skips: tuple[Skip, ...] = ()

    def __post_init__(self) -> None:
        ordered = sorted(self.skips, key=lambda skip: (skip.target, skip.source, skip.kind))
        object.__setattr__(self, "skips", tuple(ordered))

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """Those of all blocks."""
        return tuple(conv for block in self.blocks for conv in block)

    def block_of(self, convolution: int) -> int:
        """The block of a convolution, counted from 0."""
        ends = 0
        for number, block in enumerate(self.blocks):
            ends += len(block)
            if convolution < ends:
                return number
        raise IndexError(convolution)

    def wider(self, convolution: int, width: int) -> Chain:
        """With another width of a convolution."""
        block, place = self.block_of(convolution), self.place_of(convolution)
        convolutions = list(self.blocks[block])
        convolutions[place] = convolutions[place]._replace(width=width)
        return replace(self, blocks=(*self.blocks[:block], tuple(convolutions), *self.blocks[block + 1 :]))

    def deeper(self, convolution: int, new: Convolution) -> Chain:
        """With a new convolution behind one, in the same block; skips stay between the layers they were between."""
        block, place = self.block_of(convolution), self.place_of(convolution) + 1
        grown = (*self.blocks[block][:place], new, *self.blocks[block][place:])
        skips = tuple(skip.behind(convolution) for skip in self.skips)
        return replace(self, blocks=(*self.blocks[:block], grown, *self.blocks[block + 1 :]), skips=skips)

    def place_of(self, convolution: int) -> int:
        """The place of a convolution in its block, counted from 0."""
        return convolution - sum(map(len, self.blocks[: self.block_of(convolution)]))

    def into(self, target: int) -> tuple[Skip, ...]:
        """The skips that end at a convolution."""
        return tuple(skip for skip in self.skips if skip.target == target)


class MorphSpace(Space):
    """See the module.

    Args:
        name: the space's name in genotypes.
        blocks, depth: blocks, and convolutions per block at most.
        kernels, widths: of the convolutions.
        units: of the two dense layers.
        skips: how many there are at most.
        start: what the searches of the papers start from.
        full: channels of a size at which widths are what they are called; they shrink in proportion below it.
    """

    def __init__(
        self,
        name: str,
        *,
        blocks: int,
        depth: int,
        kernels: Sequence[int],
        widths: Sequence[int],
        units: Sequence[int],
        skips: int,
        start: Chain,
        full: int,
    ) -> None:
        self.name, self.depth, self.most_skips, self.start = name, depth, skips, start
        self.kernels, self.widths, self.units = tuple(kernels), tuple(widths), tuple(units)
        self._blocks, self._full = blocks, full
        convolutions = (NONE, *(f"conv_{k}x{k}_{w}" for k in kernels for w in widths))
        pairs = combinations(range(1, blocks * depth + 1), 2)
        joins = (NONE, *(f"{kind}_{s}_{t}" for s, t in pairs for kind in (ADD, CONCAT)))
        choices = [
            Choice(f"block{b}.{slot}", convolutions, kind="conv")
            for b in range(1, blocks + 1)
            for slot in range(1, depth + 1)
        ]
        choices += [
            Choice(f"dense{i}", (NONE, *(f"dense_{n}" for n in units)), kind="dense") for i in range(1, MOST_DENSE + 1)
        ]
        choices += [Choice(f"skip{i}", joins, kind="skip") for i in range(1, skips + 1)]
        self.choices = tuple(choices)

    def decode(self, genotype: Genotype, size: Size) -> LayerGraph:
        """Widths shrink with ``size.channels``; ``size.layers`` is ignored, a stem stride of 2 halves the image."""
        return self.lay_out(self.read(genotype), size)[0]

    def scaled(self, width: int, size: Size) -> int:
        """A width at a size."""
        return max(1, round(width * min(1.0, size.channels / self._full)))

    def read(self, genotype: Genotype) -> Chain:
        """The network that a genotype names; skips from or to empty slots do not count, nor do repeated ones."""
        words = [str(self.option(genotype, place)) for place in range(len(self.choices))]
        grid = words[: self._blocks * self.depth]
        blocks, number = [], dict[int, int]()
        for slot, word in enumerate(grid):
            if slot % self.depth == 0:
                blocks.append(list[Convolution]())
            if word != NONE:
                _, kernel, width = word.split("_")
                number[slot + 1] = len(number)
                blocks[-1].append(Convolution(int(kernel.partition("x")[0]), int(width)))
        dense = [int(word.partition("_")[2]) for word in words[len(grid) : len(grid) + MOST_DENSE] if word != NONE]
        skips = set[Skip]()
        for word in words[len(grid) + MOST_DENSE :]:
            if word != NONE:
                kind, source, target = word.split("_")
                if int(source) in number and int(target) in number:
                    skips.add(Skip(kind, number[int(source)], number[int(target)]))
        return Chain(tuple(map(tuple, blocks)), tuple(dense), tuple(skips))

    def write(self, chain: Chain) -> Genotype:
        """The genotype of a network, with the first slots filled.

        Raises:
            ValueError: it does not fit into the slots, or has a width that is none of the space's.
        """
        words, slots = list[str](), list[int]()
        for number, block in enumerate(chain.blocks):
            if len(block) > self.depth:
                raise ValueError(f"a block of {len(block)} convolutions does not fit into {self.depth} slots")
            words += [f"conv_{conv.kernel}x{conv.kernel}_{conv.width}" for conv in block]
            words += [NONE] * (self.depth - len(block))
            slots += [number * self.depth + place + 1 for place in range(len(block))]
        for texts, most in (
            ([f"dense_{units}" for units in chain.dense], MOST_DENSE),
            ([f"{s.kind}_{slots[s.source]}_{slots[s.target]}" for s in chain.skips], self.most_skips),
        ):
            words += [*texts, *[NONE] * (most - len(texts))]
        if len(words) != len(self.choices):
            raise ValueError(f"{chain} has more layers or skips than the space '{self.name}' has slots")
        return self.genotype(tuple(c.options.index(word) for c, word in zip(self.choices, words, strict=True)))

    def lay_out(self, chain: Chain, size: Size) -> tuple[LayerGraph, tuple[Part, ...]]:
        """The graph, and its layers with weights in the order in which the builder makes them."""
        layers, parts, outputs = Layers(), list[Part](), list[int]()
        x = layers.image(size.stem_stride)
        for block in chain.blocks:
            for conv in block:
                number, width = len(outputs), self.scaled(conv.width, size)
                x = layers.add(x, Conv(conv.kernel, conv.kernel, width), Norm(), Relu())
                parts.append(Part(("conv", number), True))
                for skip in chain.into(number):
                    x = self._join(layers, x, outputs[skip.source], skip, chain, width)
                    parts.append(Part(skip, skip.kind == ADD))
                outputs.append(x)
            x = layers.add(x, Pool("max", 2, 2))
        x = layers.add(x, Flatten())
        for number, units in enumerate(chain.dense):
            drop = (Dropout(DROPOUT),) if number == 0 else ()
            x = layers.add(x, *drop, Conv(1, 1, self.scaled(units, size)), Norm(), Relu())
            parts.append(Part(("dense", number), True))
        return layers.graph(x), tuple(parts)

    def _join(self, layers: Layers, x: int, source: int, skip: Skip, chain: Chain, width: int) -> int:
        """The output ``x`` of a convolution merged with that of an earlier one, pooled as often as lies between."""
        pools = chain.block_of(skip.target) - chain.block_of(skip.source)
        halved = (Pool("max", 2, 2),) * pools
        if skip.kind == ADD:
            return layers.add((x, layers.add(source, *halved, Conv(1, 1, width), Norm())), Relu())
        side = layers.add(source, *halved) if pools else source
        return layers.add((x, side), Conv(1, 1, width), Relu(), merge="concat")


def morph_space(name: str = "morph", depth: int = 4) -> MorphSpace:
    """AutoKeras' space and its first network; ``depth`` convolutions per block at most."""
    start = Chain(((Convolution(3, 64),),) * 3, (64,))
    return MorphSpace(
        name,
        blocks=3,
        depth=depth,
        skips=4,
        kernels=(3,),
        widths=MORPH_WIDTHS,
        units=MORPH_UNITS,
        start=start,
        full=64,
    )


def eas_space(name: str = "eas", depth: int = 5) -> MorphSpace:
    """EAS' plain space and its first network; ``depth`` convolutions per block at most."""
    start = Chain(tuple((Convolution(3, width),) for width in (16, 32, 64, 128)), (256,))
    widths = EAS_WIDTHS if depth >= EAS_WHOLE_DEPTH else EAS_WIDTHS[:EAS_NARROW]
    return MorphSpace(
        name,
        blocks=4,
        depth=depth,
        skips=0,
        kernels=(1, 3, 5),
        widths=widths,
        units=tuple(units for units in EAS_UNITS if units <= 2 * widths[-1]),
        start=start,
        full=32,
    )
