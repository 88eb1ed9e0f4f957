"""The published networks as a space of one choice, so that each can be trained like the result of a search."""

from __future__ import annotations

from harness.core.architecture import Architecture
from harness.core.space import Choice, Genotype, Size, Space
from harness.spaces.zoo import PUBLISHED
from harness.spaces.zoo.entry import ZooNetwork


class PublishedSpace(Space):
    """Which network it is; there is nothing else to choose."""

    name = "published"
    choices = (Choice("network", tuple(PUBLISHED), kind="network"),)

    def entry(self, genotype: Genotype) -> ZooNetwork:
        """The network that a genotype names."""
        return PUBLISHED[str(self.option(genotype, 0))]

    def decode(self, genotype: Genotype, size: Size) -> Architecture:
        """The published network; under a ``size`` below 36 channels and 20 layers, smaller in proportion."""
        entry = self.entry(genotype)
        return entry.build(entry.scaled(size))
