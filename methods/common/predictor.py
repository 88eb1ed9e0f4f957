"""PNAS' predictor: an ensemble of small networks, in NumPy, that ranks architectures by their features.

Each member is a perceptron with two hidden layers. Adam trains it on four fifths of the data for the mean absolute
error of the rank. All members are trained together: their weights are slices of one array.

Processors add up matrix products in different orders. All numbers are therefore of double precision, and predictions
are rounded to :data:`DIGITS` digits, far above what the order changes: the same data give the same ranking everywhere.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .adam import Adam
from .ranks import levels

Numbers = NDArray[Any]
"""Double precision throughout."""
CHUNK = 4096
DIGITS = 6


class PerceptronEnsemble:
    """The mean of several perceptrons.

    Args:
        rng: draws the first weights, and which example is hidden from which member.
        members: number of networks, at least 2; each example is hidden from one of them.
        units: of each of the two hidden layers.
        steps: gradient steps of Adam per fit, each on all data.
        rate: Adam's.
    """

    def __init__(
        self, rng: np.random.Generator, *, members: int = 5, units: int = 100, steps: int = 50, rate: float = 0.01
    ) -> None:
        self._rng, self._members, self._units = rng, members, (units, units)
        self._steps, self._rate = steps, rate
        self.weights: list[Numbers] = []
        self.hidden_from, self._varied = np.zeros(0, np.intp), np.zeros(0, np.intp)

    def fit(self, features: Numbers, values: Numbers) -> None:
        """Trains new members on the features that differ between examples.

        Args:
            features: ``(n, features)``.
            values: ``(n,)``, of which the members learn the ranks, from near -1 for the smallest to near 1.
        """
        targets = 2 * levels(values) - 1
        self._varied = np.flatnonzero(np.ptp(features, axis=0))
        features = features[:, self._varied].astype(np.float64)
        sizes = (len(self._varied), *self._units, 1)
        self.weights = [weight for ends in pairwise(sizes) for weight in self._new(*ends)]
        self.hidden_from = self._rng.permutation(len(targets)) % self._members
        shown = (self.hidden_from != np.arange(self._members)[:, None]).astype(np.float64)
        shown /= np.maximum(1, shown.sum(axis=1, keepdims=True))
        adam = Adam(self.weights)
        for _ in range(self._steps):
            layers = self._layers(features)
            error = layers[-1][..., 0] - targets
            adam.descend(self._gradients(layers, (np.sign(error) * shown)[..., None]), self._rate)

    def predict(self, features: Numbers) -> Numbers:
        """The members' mean for ``features`` ``(n, features)``, shape ``(n,)``, between about -1 and 1, rounded."""
        known = features[:, self._varied].astype(np.float64)
        parts = [known[begin : begin + CHUNK] for begin in range(0, len(known), CHUNK)]
        means = np.concatenate([self._layers(part)[-1][..., 0].mean(axis=0) for part in parts])
        return np.round(means, DIGITS)

    def _new(self, inputs: int, outputs: int) -> tuple[Numbers, Numbers]:
        """A layer's kernels and biases, He's normal distribution and zeros."""
        kernels = np.sqrt(2 / max(1, inputs)) * self._rng.standard_normal((self._members, inputs, outputs))
        return kernels, np.zeros((self._members, 1, outputs))

    def _layers(self, features: Numbers) -> list[Numbers]:
        """The features and the output of each layer, ``(members, n, units)``."""
        first, first_bias, second, second_bias, last, last_bias = self.weights
        below = np.maximum(features @ first + first_bias, 0)
        above = np.maximum(below @ second + second_bias, 0)
        return [features, below, above, above @ last + last_bias]

    def _gradients(self, layers: list[Numbers], upstream: Numbers) -> list[Numbers]:
        """Gradients of the weights, given that of the output ``(members, n, 1)``."""
        _, _, second, _, last, _ = self.weights
        features, below, above, _ = layers
        into_above = (upstream @ np.swapaxes(last, 1, 2)) * np.sign(above)
        into_below = (into_above @ np.swapaxes(second, 1, 2)) * np.sign(below)
        gradients: list[Numbers] = []
        for source, change in ((features, into_below), (below, into_above), (above, upstream)):
            gradients += [np.swapaxes(source, -1, -2) @ change, change.sum(axis=1, keepdims=True)]
        return gradients
