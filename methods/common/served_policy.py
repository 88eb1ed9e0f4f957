"""The LSTM policy of :mod:`.ppo` on a parameter server, see :mod:`.replicas`; in NumPy."""

from __future__ import annotations

import numpy as np

from .adam import Adam
from .ppo import LstmPolicy, Walks
from .replicas import Arrays


class ServedPolicy:
    """An LSTM policy whose REINFORCE gradient and update are apart.

    Args:
        policy: holds the present parameters.
    """

    def __init__(self, policy: LstmPolicy) -> None:
        self.decisions = policy.decisions
        self._policy, self._adam = policy, Adam(list(policy.weights.values()))

    def draw(self, uniforms: np.ndarray) -> Walks:
        """Architectures by the present parameters, one per row of ``uniforms``."""
        return self._policy.sample(uniforms)

    def fetch(self) -> Arrays:
        """Copies of the present parameters, in the order of their names in the policy."""
        return [weight.copy() for weight in self._policy.weights.values()]

    def gradient(self, fetched: Arrays, drawn: Walks, advantages: np.ndarray) -> Arrays:
        """Gradient of the policy's loss at ``fetched``, which the policy looks at for a moment."""
        present = self._policy.weights
        self._policy.weights = dict(zip(present, fetched, strict=True))
        found = self._policy.gradient(drawn, -advantages / len(advantages), 0.0)
        self._policy.weights = present
        return list(found.values())

    def apply(self, gradient: Arrays, rate: float) -> None:
        """One step of Adam on the present parameters."""
        self._adam.descend(gradient, rate)

    def train(self, drawn: Walks, advantages: np.ndarray, rate: float) -> None:
        """Gradient at the present parameters, and update."""
        self.apply(self.gradient(list(self._policy.weights.values()), drawn, advantages), rate)
