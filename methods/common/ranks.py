"""Accuracies by their order alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def normal_scores(values: Sequence[float] | Numbers) -> Numbers:
    """Standard normal quantiles at the values' ranks (ties share theirs), so that only the order counts."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores: Numbers = ndtri((rankdata(values) - 0.5) / len(values))
    return scores
