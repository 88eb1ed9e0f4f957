"""The prior mean of a warm-started Gaussian process: what a process on earlier tasks expects, and its weight.

Importing this module imports scikit-learn; the method does so inside ``search``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor

from .hamming import HammingKernel

Numbers = NDArray[np.float64]
_MOST = 500
"""Architectures that it is learned from, evenly spaced in the order of their scores: the cost grows with the cube."""
_NOISE = 0.1
"""Variance of a score on another data set around what the data sets have in common, which has variance 1."""


class PriorMean:
    """A Gaussian process on other data sets' scores.

    Args:
        picks: architectures, shape ``(n, d)``.
        scores: of each, shape ``(n,)``.
        length: of the kernel.
        trust: observations that confirm it, before there are any.
    """

    def __init__(self, picks: Numbers, scores: Numbers, length: float, trust: float) -> None:
        order = np.argsort(scores, kind="stable")
        kept = order[np.unique(np.linspace(0, len(order) - 1, _MOST).round().astype(int))]
        self._process = GaussianProcessRegressor(HammingKernel(length), alpha=_NOISE, optimizer=None)
        self._process.fit(picks[kept], scores[kept])
        self._trust = trust

    def expected(self, picks: Numbers) -> Numbers:
        """The scores that the other data sets let expect, shape ``(n,)``."""
        expected: Numbers = self._process.predict(picks)
        return expected

    def weight(self, expected: Numbers, scores: Numbers) -> float:
        """How much of the expectation holds here: 1 without scores, 0 where they contradict it.

        Args:
            expected, scores: of the architectures that were trained here, shape ``(n,)``.
        """
        together = float(expected @ scores) + self._trust
        return float(np.clip(together / (float(expected @ expected) + self._trust), 0.0, 1.0))
