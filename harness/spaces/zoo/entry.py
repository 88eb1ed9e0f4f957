"""A published network, and one whose definition was never published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.core.architecture import Architecture
from harness.core.measure import Sizes
from harness.core.space import Genotype, Size

FULL = Size(channels=36, layers=20)
"""The profile size at which every network has its published size; with half the channels it has half its own."""
_MULTIPLE = 8


@dataclass(frozen=True)
class ZooNetwork:
    """A published network, the numbers its paper prints, and how to build it at any size.

    Args:
        name: as given on the command line.
        title: as printed in tables.
        row: its row of the published CIFAR-10 table; empty if it has none.
        paper: where it was published.
        build: makes the network at a size; at ``size`` it is the published one.
        size: ``channels`` and ``layers`` of the published network.
        parameters: weights of the definition followed here, on CIFAR-10 without auxiliary head, from the authors' code
            or computed layer by layer.
        sources: where the definition is from.
        channels_are, layers_are: what is counted as channels and layers of this network.
        least: the fewest layers that make sense; the layers of ``size`` if the depth is part of the definition.
        millions: parameters as the paper prints them; None if it prints none.
        error: published CIFAR-10 test error in percent.
        open: what the sources do not say or contradict, and which reading is followed; empty if there is nothing.
        also_counted: what ``parameters`` contains besides the trainable weights that the output depends on: moving
            averages of the normalisations, or weights of layers whose output is not used.
        genotype: the network as a genotype of a search space, if it is one.
        cutout: whether the row is that of a training with cutout, which it then has under every profile.
    """

    name: str
    title: str
    row: str
    paper: str
    build: Callable[[Size], Architecture]
    size: Size
    parameters: int
    sources: tuple[str, ...]
    channels_are: str = "filters of the first stage"
    layers_are: str = "cells"
    least: int = 3
    millions: float | None = None
    error: float | None = None
    open: str = ""
    also_counted: tuple[Literal["statistics", "idle"], ...] = ()
    genotype: Genotype | None = None
    cutout: bool = False

    @property
    def channels(self) -> int:
        """Channels of the published network."""
        return self.size.channels

    @property
    def layers(self) -> int:
        """Layers of the published network."""
        return self.size.layers

    def count(self, sizes: Sizes) -> int:
        """Weights of a network of this definition, counted as :attr:`parameters` were."""
        return sizes.parameters + sum(getattr(sizes, part) for part in self.also_counted)

    def scaled(self, size: Size) -> Size:
        """This network's own size under a profile that trains networks of ``size``.

        Channels and layers shrink by the factors by which ``size`` is smaller than :data:`FULL`; channels to multiples
        of eight.
        """
        width, depth = (min(1.0, part) for part in (size.channels / FULL.channels, size.layers / FULL.layers))
        channels = self.channels if width == 1.0 else multiple(width * self.channels)
        return Size(channels, max(self.least, round(depth * self.layers)), size.stem_stride)


@dataclass(frozen=True)
class NeverPublished:
    """A row of the published table whose network cannot be built from what was published.

    Args:
        name, title, row, paper, millions, error: as of :class:`ZooNetwork`.
        why: what is known and what is missing.
    """

    name: str
    title: str
    row: str
    paper: str
    why: str
    millions: float | None = None
    error: float | None = None


def multiple(width: float) -> int:
    """The nearest multiple of eight, at least eight, for which TensorFlow's kernels are fast."""
    return max(_MULTIPLE, _MULTIPLE * round(width / _MULTIPLE))
