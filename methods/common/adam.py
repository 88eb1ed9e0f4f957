"""Adam for NumPy arrays (Kingma & Ba, ICLR 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Sequence[NDArray[Any]]


class Adam:
    """Adam with its usual constants, minimising.

    Args:
        values: the arrays that every step changes.
    """

    def __init__(self, values: Arrays) -> None:
        self._values, self._steps = values, 0
        self._means = [np.zeros_like(value) for value in values]
        self._squares = [np.zeros_like(value) for value in values]

    def descend(self, gradients: Arrays, rate: float) -> None:
        """One gradient step with learning rate ``rate``; ``gradients`` have the shapes of the values."""
        self._steps += 1
        shrink_mean, shrink_square = 1 - 0.9**self._steps, 1 - 0.999**self._steps
        moments = zip(self._values, gradients, self._means, self._squares, strict=True)
        for value, gradient, mean, square in moments:
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            value -= (rate / shrink_mean) * mean / (np.sqrt(square / shrink_square) + 1e-8)
