"""NASNet: an LSTM controller proposes cells and learns from the trained children by proximal policy optimisation.

Paper: Zoph, Vasudevan, Shlens & Le, *Learning transferable architectures for scalable image recognition*, CVPR 2018.
The LSTM has one layer of 100 units and a softmax per decision; weights start in U(-0.1, 0.1). The reward is the child's
validation accuracy. After every 20 children Adam (rate 3.5e-4) takes several steps that increase the clipped objective
of PPO (Schulman et al. 2017), with the ratio of the probabilities of the whole architecture, plus 1e-5 times the
entropy. The advantage is the reward minus a moving average (decay 0.95 per reward) of the rewards of earlier
minibatches.

Not in the paper, and chosen here: the clip (0.2), the passes (5), the baseline of the first minibatch (its own mean),
the next input (an embedding of the picked option), biases (none). Deviations: one worker instead of a queue of 500, so
that updates are synchronous; the best trained child is returned, without a longer training of the best 250;
ScheduledDropPath belongs to the final recipe, which is the same for all methods.

Schedule: minibatch and rate follow from the number of children that the budget buys, by power laws from 4 and 0.06 for
20 children to the paper's settings for its 20,000. ``nb201`` and ``table`` have 10 and 0.005: with six decisions
instead of fifty the policy would settle too early.
Expected: C10 error 3.41 %, 2.65 % with cutout (NASNet-A, 20,000 children). Cost: one proxy training per child.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness import InputError, Method, Task, needs_choices

from .common.baseline import RewardBaseline
from .common.ppo import LstmPolicy, Ppo
from .common.scaling import between, nearest_positive
from .common.threads import one_thread
from .common.within import uniforms


@dataclass(frozen=True)
class NasNet(Method):
    """PPO over the choices of any space.

    Args:
        children: architectures per minibatch; 0: from the budget.
        passes: gradient steps per minibatch.
        learning_rate: Adam's; 0: from the budget.
        clip: of the ratio of probabilities.
        entropy: weight of the entropy.
        baseline_decay: share of the old moving average kept per reward.
        units: of the LSTM.
        bound: weights start in U(-bound, bound).
        cutout: ``+``: the final training has cutout, as in the paper's best row, whatever the profile says.
    """

    name = "nasnet"
    title = "NASNet (PPO)"
    space = "nasnet"
    families = ("reinforcement learning",)
    position = 100
    look = 9
    seen = ("nasbench201",)

    extras: ClassVar[Mapping[str, Mapping[str, float]]] = {"cutout": {"cutout": 1}}
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "table": {"children": 10, "learning_rate": 0.005},
        "nb201": {"children": 10, "learning_rate": 0.005},
    }

    children: int = 0
    passes: int = 5
    learning_rate: float = 0.0
    clip: float = 0.2
    entropy: float = 1e-5
    baseline_decay: float = 0.95
    units: int = 100
    bound: float = 0.1
    cutout: str = ""

    def __post_init__(self) -> None:
        if self.children < 0 or min(self.passes, self.units) < 1:
            raise InputError("nasnet needs children >= 0 and at least one pass and unit")
        if self.learning_rate < 0 or min(self.clip, self.bound) <= 0 or not 0 <= self.baseline_decay < 1:
            raise InputError("nasnet needs learning_rate >= 0, clip and bound > 0 and baseline_decay in [0, 1)")

    def unsupported(self, task: Task) -> str | None:
        """It needs choices."""
        return needs_choices(task)

    def search(self, task: Task) -> None:
        """Samples, trains and learns in turn. An interrupted run learns again from its log."""
        policy = LstmPolicy(task.space, task.rng, units=self.units, bound=self.bound)
        ppo = Ppo(policy, clip=self.clip, entropy_weight=self.entropy)
        baseline = RewardBaseline(self.baseline_decay, "batch")
        while True:
            with one_thread():
                count, decisions = self.minibatch(task.children()), policy.decisions
                walk = policy.sample(uniforms(task, count, decisions, lambda rows: policy.sample(rows).picks))
            evaluations = task.evaluate(task.space.genotype(tuple(row)) for row in walk.picks.tolist())
            rewards = np.array([evaluation.accuracy for evaluation in evaluations])
            rate = self.rate(task.children())
            task.plan(children=len(rewards), learning_rate=rate)
            with one_thread():
                ppo.improve(walk, baseline.advantages(rewards), self.passes, rate)

    def minibatch(self, children: int) -> int:
        """Architectures per minibatch in a search of so many children."""
        return self.children or nearest_positive(between(children, (20, 4), (20_000, 20)))

    def rate(self, children: int) -> float:
        """Adam's rate in a search of so many children."""
        return self.learning_rate or between(children, (20, 0.06), (20_000, 3.5e-4))


METHOD = NasNet
