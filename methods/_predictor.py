"""An ensemble of small networks that ranks architectures by their features, in NumPy; PNAS' predictor.

Each member is a perceptron with two hidden layers, trained by Adam on four fifths of the data to the least mean
absolute error of the rank. All members are trained together: their weights are slices of one array.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods._adam import Adam

Numbers = NDArray[np.float32]
CHUNK = 4096


class Ensemble:
    """The mean of several perceptrons.

    Args:
        rng: draws the first weights and who sees what.
        members: number of networks; each example is hidden from one of them.
        units: of each of the two hidden layers.
        steps: of Adam per fit, each on all data.
        rate: Adam's.
    """

    def __init__(
        self, rng: np.random.Generator, *, members: int = 5, units: int = 100, steps: int = 50, rate: float = 0.01
    ) -> None:
        self._rng, self._members, self._units, self._steps, self._rate = rng, members, units, steps, rate
        self.weights: list[Numbers] = []
        self.hidden_from = np.zeros(0, np.intp)

    def fit(self, features: Numbers, values: Numbers) -> None:
        """Trains new members.

        Args:
            features: ``(n, features)``.
            values: ``(n,)``, of which the members learn the ranks.
        """
        targets = ranks(values)
        self._begin(features.shape[1])
        self.hidden_from = self._rng.permutation(len(targets)) % self._members
        shown = (self.hidden_from != np.arange(self._members)[:, None]).astype(np.float32)
        shown /= np.maximum(1, shown.sum(axis=1, keepdims=True))
        adam = Adam(self.weights)
        for _ in range(self._steps):
            layers = self._layers(features)
            error = layers[-1][..., 0] - targets
            adam.descend(self._gradients(layers, (np.sign(error) * shown)[..., None]), self._rate)

    def predict(self, features: Numbers) -> Numbers:
        """The members' mean for ``features`` ``(n, features)``, shape ``(n,)``, between about -1 and 1."""
        parts = [features[begin : begin + CHUNK] for begin in range(0, len(features), CHUNK)]
        return np.concatenate([self._layers(part)[-1][..., 0].mean(axis=0) for part in parts])

    def _begin(self, features: int) -> None:
        self.weights = []
        sizes = (features, self._units, self._units, 1)
        for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
            kernel = np.sqrt(2 / inputs) * self._rng.standard_normal((self._members, inputs, outputs))
            self.weights += [kernel.astype(np.float32), np.zeros((self._members, 1, outputs), np.float32)]

    def _layers(self, features: Numbers) -> list[Numbers]:
        """The features and the output of each layer, ``(members, n, units)``."""
        first, first_bias, second, second_bias, last, last_bias = self.weights
        below = np.maximum(features @ first + first_bias, 0)
        above = np.maximum(below @ second + second_bias, 0)
        return [features, below, above, above @ last + last_bias]

    def _gradients(self, layers: list[Numbers], upstream: Numbers) -> list[Numbers]:
        """Gradients of the weights, given that of the output ``(members, n, 1)``."""
        found: list[Numbers] = []
        for kernel, below in zip(self.weights[-2::-2], reversed(layers[:-1]), strict=True):
            found = [np.swapaxes(below, -1, -2) @ upstream, upstream.sum(axis=1, keepdims=True), *found]
            upstream = (upstream @ np.swapaxes(kernel, -1, -2)) * (below > 0)
        return found


def ranks(values: Numbers) -> Numbers:
    """From near -1 for the smallest of ``values`` ``(n,)`` to near 1 for the largest; equal ones share their mean."""
    below, equal = values[:, None] > values, values[:, None] == values
    return ((2 * below.sum(axis=1) + equal.sum(axis=1)) / len(values) - 1).astype(np.float32)
