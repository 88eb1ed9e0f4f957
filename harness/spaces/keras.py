"""The space of methods that propose Keras models and not genotypes: it has no choices.

AutoKeras brings a search space of its own. Its proposals are :class:`~harness.core.evaluation.KerasConfig` values; this
space only says so, and keeps every genotype out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from harness.core.errors import InputError
from harness.core.space import Genotype, Size, Space

if TYPE_CHECKING:
    import numpy as np


class KerasSpace(Space):
    """Nothing to sample and nothing to decode."""

    name = "keras"
    choices = ()

    def sample(self, rng: np.random.Generator) -> NoReturn:
        """Raises InputError: only a method with a space of its own can search here."""
        raise InputError(f"the space '{self.name}' has no genotypes to draw; it is for methods that bring Keras models")

    def decode(self, genotype: Genotype, size: Size) -> NoReturn:
        """Raises InputError: a genotype never comes from here."""
        raise InputError(f"the space '{self.name}' has no genotypes, so that there is nothing to decode")
