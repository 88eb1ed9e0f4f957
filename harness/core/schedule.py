"""The cosine schedule that trainings and searches share."""

from __future__ import annotations

import math


def cosine(high: float, low: float, share: float) -> float:
    """The rate that falls from ``high`` at share 0 to ``low`` at share 1 along half a cosine.

    Source: Loshchilov & Hutter, *SGDR: stochastic gradient descent with warm restarts*, ICLR 2017.
    """
    return low + 0.5 * (high - low) * (1.0 + math.cos(math.pi * share))
