"""The softmax over the last axis, and its derivative."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def softmax(logits: Numbers) -> Numbers:
    """Shares over the last axis; an option with the logit minus infinity has none."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Numbers = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def through_softmax(shares: Numbers, gradient: Numbers) -> Numbers:
    """The derivative by logits, given that by their softmax."""
    moved: Numbers = shares * (gradient - (shares * gradient).sum(axis=-1, keepdims=True))
    return moved
