"""Accuracies by their order alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def ranks(values: Sequence[float] | Numbers) -> Numbers:
    """Ranks from 1 for the smallest value on, as one row; equal values share the mean of theirs."""
    _, kinds, counts = np.unique(np.ravel(values), return_inverse=True, return_counts=True)
    shared: Numbers = (np.cumsum(counts) - (counts - 1) / 2)[kinds]
    return shared


def levels(values: Sequence[float] | Numbers) -> Numbers:
    """The share of all values that is below each, between 0 and 1: of the value itself and its equals half."""
    return (ranks(values) - 0.5) / np.size(values)


def normal_scores(values: Sequence[float] | Numbers) -> Numbers:
    """Standard normal quantiles at the values' levels, so that only the order counts."""
    from scipy.special import ndtri

    scores: Numbers = ndtri(levels(values))
    return scores
