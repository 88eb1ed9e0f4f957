"""NASNet: an LSTM controller proposes cells and learns from the trained children by proximal policy optimisation.

Paper: Zoph, Vasudevan, Shlens & Le, *Learning transferable architectures for scalable image recognition*, CVPR 2018.
One LSTM layer of 100 units, one softmax per decision, weights U(-0.1, 0.1). Reward: the child's validation accuracy.
After every 20 children the policy takes several steps of Adam (rate 3.5e-4) up the clipped objective of PPO (Schulman
et al. 2017), whose ratio is that of the whole architecture's probabilities, plus 1e-5 times the entropy; the advantage
is the reward minus a moving average (0.95 per reward) of the rewards of earlier minibatches.

Open in the paper, chosen here: the clip, 0.2; the passes, 5; the first minibatch is compared with its own mean; an
embedding of the picked option is the next input; no biases. Deviations: one worker instead of a queue of 500, so that
updates are synchronous; the best trained child is returned, without training the best 250 longer; ScheduledDropPath
belongs to the final recipe, which is the same for all methods. Small profiles: fewer children per minibatch and a
larger rate.
Expected: C10 error 3.41 %, 2.65 % with cutout (NASNet-A, 20,000 children). Cost: one proxy training per child.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.core.errors import InputError
from harness.core.method import Method
from harness.core.task import Task

from .common.ppo import LstmPolicy, Ppo


@dataclass(frozen=True)
class NasNet(Method):
    """PPO over the choices of any space.

    Args:
        children: architectures per minibatch.
        passes: steps per minibatch.
        learning_rate: Adam's.
        clip: of the ratio of probabilities.
        entropy: weight of the entropy.
        baseline_decay: share of the old moving average kept per reward.
        units: of the LSTM.
        bound: weights start in U(-bound, bound).
    """

    name = "nasnet"
    title = "NASNet (PPO)"
    space = "nasnet"
    position = 100
    look = 9
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"children": 2, "learning_rate": 0.01},
        "quick": {"children": 4, "learning_rate": 0.01},
        "hour": {"children": 5, "learning_rate": 0.005},
        "nb201": {"children": 10, "learning_rate": 0.005},
    }

    children: int = 20
    passes: int = 5
    learning_rate: float = 3.5e-4
    clip: float = 0.2
    entropy: float = 1e-5
    baseline_decay: float = 0.95
    units: int = 100
    bound: float = 0.1

    def __post_init__(self) -> None:
        if min(self.children, self.passes, self.units) < 1:
            raise InputError("nasnet needs at least one child, pass and unit")
        if min(self.learning_rate, self.clip, self.bound) <= 0 or not 0 <= self.baseline_decay < 1:
            raise InputError("nasnet needs learning_rate, clip and bound > 0 and baseline_decay in [0, 1)")

    def unsupported(self, task: Task) -> str | None:
        """A policy needs something to choose."""
        return None if task.space.choices else f"the space '{task.space.name}' has no choices"

    def search(self, task: Task) -> None:
        """Samples, trains and learns in turn. An interrupted run learns again from its log."""
        from threadpoolctl import ThreadpoolController

        threads = ThreadpoolController()
        policy = LstmPolicy(task.space, task.rng, units=self.units, bound=self.bound)
        ppo = Ppo(policy, learning_rate=self.learning_rate, clip=self.clip, entropy_weight=self.entropy)
        baseline = Baseline(self.baseline_decay)
        while True:
            with threads.limit(limits=1):  # the matrices are small: more threads only get into each other's way
                walk = policy.sample(task.rng.random((self.children, policy.decisions)))
            evaluations = task.evaluate(task.space.genotype(tuple(row)) for row in walk.picks.tolist())
            rewards = np.array([evaluation.accuracy for evaluation in evaluations])
            with threads.limit(limits=1):
                ppo.improve(walk, baseline.advantages(rewards), self.passes)


class Baseline:
    """Exponential moving average of the rewards of earlier minibatches, which the present one does not touch.

    The first minibatch has none and is compared with its own mean.

    Args:
        decay: share of the old average kept per reward.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self.value: float | None = None

    def advantages(self, rewards: np.ndarray) -> np.ndarray:
        """Rewards ``(n,)`` minus the average, which then takes them in one by one."""
        before = float(rewards.mean()) if self.value is None else self.value
        self.value = before
        for reward in rewards.tolist():
            self.value = self._decay * self.value + (1 - self._decay) * reward
        return rewards - before


METHOD = NasNet
