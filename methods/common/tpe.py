"""Tree-structured Parzen estimator over categorical choices: where good architectures are denser than the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Picks = NDArray[np.int64]
_FACTOR = 1.06
"""Factor of the normal-reference rule: bandwidth = 1.06 sigma n^(-1 / (4 + d))."""


class Density:
    """A kernel density with the kernel of Aitchison and Aitken (1976), a product over the choices.

    In a choice of c options with bandwidth h the kernel is 1 - h for the same option and h / (c - 1) for another one.
    The bandwidth is the normal-reference rule's, with the deviation of a choice taken as the root of half the
    probability that two points differ in it: the same rule for any order of the options.

    Args:
        points: picks, one row per architecture, shape ``(n, d)``.
        options: how many each choice has.
        smallest: bandwidth, at least.
    """

    def __init__(self, points: Picks, options: Picks, smallest: float) -> None:
        self._points, self._options = points, options
        self._first = np.concatenate([[0], np.cumsum(options)[:-1]])
        count, choices = points.shape
        shares = [np.bincount(column) / count for column in points.T]
        deviation = np.sqrt([(1.0 - float(np.sum(share**2))) / 2.0 for share in shares])
        rule = _FACTOR * deviation * count ** (-1.0 / (4 + choices))
        most = (options - 1) / options  # there the kernel is uniform
        self.bandwidth = np.minimum(np.maximum(rule, smallest), most)

    def of(self, candidates: Picks) -> NDArray[np.float64]:
        """The logarithm of the density of each row."""
        # A choice of one option never differs, and its kernel is 1.
        other = np.log(np.where(self._options > 1, self.bandwidth / np.maximum(self._options - 1, 1), 1.0))
        gained = np.log(1.0 - self.bandwidth) - other
        kernels = other.sum() + self._coded(candidates) * np.repeat(gained, self._options) @ self._coded(self._points).T
        highest = kernels.max(axis=1)
        density: NDArray[np.float64] = highest + np.log(np.exp(kernels - highest[:, None]).mean(axis=1))
        return density

    def _coded(self, rows: Picks) -> NDArray[np.float64]:
        """One-hot: a column per option of each choice."""
        coded = np.zeros((len(rows), int(self._options.sum())))
        np.put_along_axis(coded, rows + self._first, 1.0, axis=1)
        return coded

    def draw(self, rng: np.random.Generator, count: int, factor: float) -> Picks:
        """Random architectures: points, each pick of which is drawn anew with ``factor`` times its bandwidth."""
        around = self._points[rng.integers(len(self._points), size=count)]
        anew = rng.random(around.shape) < np.minimum(1.0, factor * self.bandwidth)
        return np.where(anew, rng.integers(self._options, size=around.shape), around)
