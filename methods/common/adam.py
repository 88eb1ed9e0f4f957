"""Adam for NumPy arrays (Kingma & Ba, ICLR 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Sequence[NDArray[Any]]


class Adam:
    """Adam, minimising.

    Args:
        values: the arrays that every step changes.
        beta1, beta2: decay of the mean and of the mean square, by default the usual ones.
    """

    def __init__(self, values: Arrays, beta1: float = 0.9, beta2: float = 0.999) -> None:
        self._values, self._beta1, self._beta2, self._steps = values, beta1, beta2, 0
        # 1 - 0.9 is not the number that 0.1 is.
        self._new1, self._new2 = round(1 - beta1, 12), round(1 - beta2, 12)
        self._means = [np.zeros_like(value) for value in values]
        self._squares = [np.zeros_like(value) for value in values]

    def descend(self, gradients: Arrays, rate: float) -> None:
        """One gradient step with learning rate ``rate``; ``gradients`` have the shapes of the values."""
        self._steps += 1
        shrink_mean, shrink_square = 1 - self._beta1**self._steps, 1 - self._beta2**self._steps
        moments = zip(self._values, gradients, self._means, self._squares, strict=True)
        for value, gradient, mean, square in moments:
            mean += self._new1 * (gradient - mean)
            square += self._new2 * (gradient**2 - square)
            value -= (rate / shrink_mean) * mean / (np.sqrt(square / shrink_square) + 1e-8)

    def state(self) -> dict[str, np.ndarray]:
        """The moments and the number of steps, for a checkpoint; the values are the caller's."""
        moments = {f"mean{i}": mean.copy() for i, mean in enumerate(self._means)}
        moments |= {f"square{i}": square.copy() for i, square in enumerate(self._squares)}
        return {**moments, "steps": np.array(self._steps)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Takes over what :meth:`state` returned."""
        self._steps = int(state["steps"])
        for i, (mean, square) in enumerate(zip(self._means, self._squares, strict=True)):
            mean[...], square[...] = state[f"mean{i}"], state[f"square{i}"]
