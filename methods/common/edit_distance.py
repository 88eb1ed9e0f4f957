"""The edit distance of two chains of convolutions, and a Gaussian process on it: the model of AutoKeras' morphism.

The distance is that of AutoKeras 0.2.18: what it costs to align the widths of the convolutions and of the dense layers,
and to match the skips. The process sees a network as its distances to all trained networks, and two networks are as
correlated as these vectors are close. Such a kernel is positive semi-definite whatever the distance is, which
exp(-distance^2) is not, and it is the same function in training and prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.spaces.morphism import Chain, Skip

Numbers = NDArray[np.float64]
Widths = tuple[int, ...]
Signature = tuple[Widths, Widths, tuple[Skip, ...]]
SKIP_WEIGHT = 0.1
"""Weight of the skips in the distance, AutoKeras' lambda."""
NOISE = 1e-6
"""Variance of an accuracy around the process, whose own variance is 1."""


def signature(chain: Chain) -> Signature:
    """All that the distance knows of a network: equal for networks at distance 0, and for no others."""
    return tuple(conv.width for conv in chain.convolutions), chain.dense, chain.skips


@lru_cache(maxsize=100_000)
def distance(a: Signature, b: Signature) -> float:
    """The edit distance of two networks: 0 for equal ones, symmetric."""
    return alignment(a[0], b[0]) + alignment(a[1], b[1]) + SKIP_WEIGHT * matching(a[2], b[2])


@lru_cache(maxsize=100_000)
def alignment(a: Widths, b: Widths) -> float:
    """The cheapest way from ``a`` to ``b``: a layer more or less costs 1, another width its relative change."""
    costs = [float(j) for j in range(len(b) + 1)]
    for i, one in enumerate(a, start=1):
        diagonal, costs[0] = costs[0], float(i)
        for j, other in enumerate(b, start=1):
            changed = diagonal + abs(one - other) / max(one, other)
            diagonal, costs[j] = costs[j], min(changed, costs[j] + 1, costs[j - 1] + 1)
    return costs[-1]


@lru_cache(maxsize=100_000)
def matching(a: tuple[Skip, ...], b: tuple[Skip, ...]) -> float:
    """The cheapest pairing of skips, plus 1 for each that has no partner.

    A pair of different kind costs 1, another the change of its start and length, relative to the larger ones.
    """
    if not a or not b:
        return float(len(a) + len(b))
    from scipy.optimize import linear_sum_assignment

    costs = np.array([[_pair(one, other) for other in b] for one in a])
    rows, columns = linear_sum_assignment(costs)
    return float(costs[rows, columns].sum()) + abs(len(a) - len(b))


def _pair(a: Skip, b: Skip) -> float:
    if a.kind != b.kind:
        return 1.0
    starts, lengths = (a.source + 1, b.source + 1), (a.target - a.source, b.target - b.source)
    change = abs(starts[0] - starts[1]) + abs(lengths[0] - lengths[1])
    return change / (max(starts) + max(lengths))


class DistanceProcess:
    """A Gaussian process on networks, fitted to accuracies that are brought to mean 0 and deviation 1.

    Args:
        chains: trained networks, all different.
        accuracies: of these.
    """

    def __init__(self, chains: Sequence[Chain], accuracies: Sequence[float]) -> None:
        from scipy.linalg import cho_factor, cho_solve

        self._known, values = [signature(chain) for chain in chains], np.array(accuracies, float)
        self._mean, self._deviation = float(values.mean()), float(values.std()) or 1.0
        self._places = self.places(chains)
        self._factor = cho_factor(self.kernel(self._places, self._places) + NOISE * np.eye(len(values)), lower=True)
        self._weights = cho_solve(self._factor, (values - self._mean) / self._deviation)

    def places(self, chains: Sequence[Chain]) -> Numbers:
        """Each network as its distances to the trained ones, ``(n, trained)``."""
        return np.array([[distance(signature(chain), known) for known in self._known] for chain in chains])

    def kernel(self, a: Numbers, b: Numbers) -> Numbers:
        """exp(-squared distance of places, as a mean over the coordinates)."""
        return np.exp(-((a[:, None] - b) ** 2).mean(axis=2))

    def predict(self, chains: Sequence[Chain]) -> tuple[Numbers, Numbers]:
        """Mean and standard deviation of the accuracies of networks."""
        from scipy.linalg import cho_solve

        across = self.kernel(self.places(chains), self._places)
        variance = 1 - np.einsum("ij,ji->i", across, cho_solve(self._factor, across.T))
        return (
            self._mean + self._deviation * (across @ self._weights),
            self._deviation * np.sqrt(np.maximum(variance, 0.0)),
        )
