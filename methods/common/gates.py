"""Bernoulli gates on edges, and REINFORCE on their logits: what a budgeted super network learns its structure with.

Everything here is NumPy, with the numbers of one batch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def probabilities(logits: Floats) -> Floats:
    """Probabilities of open gates: the sigmoid."""
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def drawn(logits: Floats, images: int, rng: np.random.Generator) -> Floats:
    """Gates of each image, 0 or 1, (images, edges)."""
    return (rng.random((images, len(logits))) < probabilities(logits)).astype(np.float64)


def expected_cost(logits: Floats, costs: Floats) -> float:
    """Mean cost of the open gates: the sum of sigmoid(logit) times cost."""
    return float(probabilities(logits) @ costs)


def rewards(losses: Floats, gates: Floats, costs: Floats, *, price: float, budget: float) -> Floats:
    """Reward of each image: minus its loss, and minus ``price`` times what its open gates cost beyond the budget."""
    beyond = np.maximum(0.0, gates @ costs - budget)
    return np.asarray(-(losses + price * beyond))


def surrogate_gradient(logits: Floats, gates: Floats, returns: Floats) -> Floats:
    """Gradient of the loss - sum of advantage times log probability; the advantage is the reward minus its mean.

    Args:
        gates: (images, edges).
        returns: rewards (images,).
    """
    advantages = returns - returns.mean()
    return np.asarray(-(advantages @ (gates - probabilities(logits))))
