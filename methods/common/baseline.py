"""The reward baseline of policy gradients: an exponential moving average of rewards."""

from __future__ import annotations

from typing import Literal

import numpy as np


class RewardBaseline:
    """A moving average, and the rewards minus that average: their advantages.

    Args:
        decay: share of the old average that is kept per reward.
        when: which average a reward is compared with: the one that already holds it (``after``), the one before it
            (``before``), or the one before its whole batch (``batch``).
        start: the first average. None: the first reward; with ``batch`` the mean of the first batch.
        corrected: whether the average is corrected for the bias of its start, as Adam corrects its averages: the first
            reward counts in full.
    """

    def __init__(
        self,
        decay: float,
        when: Literal["after", "before", "batch"],
        *,
        start: float | None = None,
        corrected: bool = False,
    ) -> None:
        self._decay, self._when, self._corrected = decay, when, corrected
        self._weight = 0.0  # of all rewards so far in an average that started at 0
        self.value = start

    def advantages(self, rewards: np.ndarray) -> np.ndarray:
        """Rewards ``(n,)`` minus their averages, as float64; the average takes them in one by one."""
        if self.value is None:
            self.value = float(rewards.mean() if self._when == "batch" else rewards[0])
        averages = [self.value]
        for reward in rewards.tolist():
            averages.append(self._updated(averages[-1], reward))
        self.value = averages[-1]
        match self._when:
            case "after":
                return rewards - np.array(averages[1:])
            case "before":
                return rewards - np.array(averages[:-1])
            case "batch":
                return rewards - averages[0]

    def _updated(self, average: float, reward: float) -> float:
        if not self._corrected:
            return self._decay * average + (1 - self._decay) * reward
        self._weight = self._decay * self._weight + 1 - self._decay
        # Equal to the corrected quotient of two averages, but exact where all rewards are the same.
        return average + (1 - self._decay) / self._weight * (reward - average)
