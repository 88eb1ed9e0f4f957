"""The size of initial weights."""

from __future__ import annotations

import numpy as np


def he_deviation(shape: tuple[int, ...]) -> float:
    """Standard deviation of He initialisation for a kernel of shape (height, width, in, out).

    A depthwise kernel (last axis 1) reads one channel only.
    """
    height, width, channels, filters = shape
    return float(np.sqrt(2.0 / (height * width * (1 if filters == 1 else channels))))
