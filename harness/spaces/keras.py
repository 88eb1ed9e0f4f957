"""The space of methods that propose Keras models instead of genotypes: it has no choices.

AutoKeras has a search space of its own and proposes :class:`~harness.core.evaluation.KerasConfig` values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from harness.core.errors import InputError
from harness.core.space import Genotype, Size, Space

if TYPE_CHECKING:
    import numpy as np


class KerasSpace(Space):
    """A space without genotypes."""

    name = "keras"
    choices = ()

    def sample(self, rng: np.random.Generator) -> NoReturn:
        """Raises InputError: there are no genotypes."""
        raise InputError(f"the space '{self.name}' has no genotypes to draw; it is for methods that bring Keras models")

    def decode(self, genotype: Genotype, size: Size) -> NoReturn:
        """Raises InputError: there are no genotypes."""
        raise InputError(f"the space '{self.name}' has no genotypes, so that there is nothing to decode")
