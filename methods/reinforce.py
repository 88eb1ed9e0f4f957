"""REINFORCE without a network: one softmax per choice of the space, moved by the accuracy of one cell at a time.

Paper: Dong & Yang, *NAS-Bench-201: extending the scope of reproducible neural architecture search*, ICLR 2020, which
compares with Williams' REINFORCE (Machine Learning 1992) in this form. The logits start at 0.001 N(0, 1). Each gradient
step draws a cell, trains it, and follows (R - b) grad log P by Adam. R is the validation accuracy in percent; b is a
moving average of rewards, corrected for the bias of its start, which already contains R. The first advantage is
therefore 0. Each later one is R minus the average before it, times a factor that depends only on the number of rewards,
so that the direction of the gradient stays unbiased. There is no entropy term. The result is the best cell observed,
not the policy's most probable one.

Learning rate: which one is behind the published figures is not known. The authors have documented 0.001, 0.01
(NATS-Bench) and 0.5; with a hundred cells the first two hardly learn and the last settles too early, so none of them
gives these figures. Here it follows from the budget: 10 divided by the number of children, between 0.01 and 0.3.
docs/methods/reinforce.md has the figures for all.
Deviations: a cell whose training would exceed the budget is not trained; the authors' script may return it.
Expected: 93.85 +- 0.37 % test accuracy on CIFAR-10 in NAS-Bench-201 within 12,000 s, published; measured (500 seeds)
93.96 +- 0.35 with the default, which is a rate of about 0.1 there, and 93.80 +- 0.33 with NATS-Bench's 0.01. Cost: one
proxy training per cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness import InputError, Method, Task, needs_choices

from .common.adam import Adam
from .common.baseline import RewardBaseline
from .common.softmax import softmax

Numbers = NDArray[np.float64]
SLOWEST, FASTEST = 0.01, 0.3
"""Bounds of the learning rate. The lower one is NATS-Bench's, for searches of a thousand cells."""
PATH = 10.0
"""How far a logit can get in a whole search: Adam moves it by about the learning rate per step."""


@dataclass(frozen=True)
class Reinforce(Method):
    """Policy gradient over independent choices; works in every space with genotypes.

    Args:
        learning_rate: Adam's; 0: from the budget (see the module).
        momentum: share of the old baseline kept per reward.
        spread: standard deviation of the first logits.
    """

    name = "reinforce"
    title = "REINFORCE"
    space = "nasbench201"
    families = ("reinforcement learning",)
    position = 60
    look = 5
    seen = ("nasbench201",)

    learning_rate: float = 0.0
    momentum: float = 0.9
    spread: float = 0.001

    def __post_init__(self) -> None:
        if self.learning_rate < 0 or not 0 < self.momentum < 1 or self.spread < 0:
            raise InputError("reinforce needs learning_rate >= 0, momentum in (0, 1) and spread >= 0")

    def unsupported(self, task: Task) -> str | None:
        """It needs choices."""
        return needs_choices(task)

    def search(self, task: Task) -> None:
        """Draws, trains and learns in turn. An interrupted run learns again from its log."""
        policy = Policy([len(choice) for choice in task.space.choices], task.rng, self.spread)
        adam, baseline = Adam([policy.logits]), RewardBaseline(self.momentum, "after", start=0.0, corrected=True)
        while True:
            # What is beyond a limit is drawn again: it would teach the policy what is allowed and nothing else.
            genotype = task.draw(lambda: task.space.genotype(policy.sample(task.rng)))
            [evaluation] = task.evaluate([genotype])
            [advantage] = baseline.advantages(np.array([100 * evaluation.accuracy]))
            rate = self.rate(task.children())
            task.plan(learning_rate=rate)
            adam.descend([-advantage * policy.gradient(genotype.picks)], rate)

    def rate(self, children: int) -> float:
        """Adam's rate in a search of so many children."""
        return self.learning_rate or min(FASTEST, max(SLOWEST, PATH / children))


class Policy:
    """Independent categorical distributions.

    Args:
        options: number of options of each choice.
        rng: draws the first logits.
        spread: their standard deviation.

    Attributes:
        logits: shape ``(choices, most options)``; minus infinity where a choice has fewer options, so that those have
            probability 0 and gradient 0.
    """

    def __init__(self, options: Sequence[int], rng: np.random.Generator, spread: float) -> None:
        self.logits = np.full((len(options), max(options)), -np.inf)
        for row, count in zip(self.logits, options, strict=True):
            row[:count] = spread * rng.standard_normal(count)

    def probabilities(self) -> Numbers:
        """The softmax of each choice's logits, shape of :attr:`logits`."""
        return softmax(self.logits)

    def sample(self, rng: np.random.Generator) -> tuple[int, ...]:
        """One option per choice; the largest logit after adding Gumbel noise has the softmax's distribution."""
        return tuple(np.argmax(self.logits + rng.gumbel(size=self.logits.shape), axis=1).tolist())

    def gradient(self, picks: tuple[int, ...]) -> Numbers:
        """Gradient of the log-probability of ``picks`` with respect to the logits."""
        gradient = -self.probabilities()
        gradient[np.arange(len(picks)), picks] += 1
        return gradient


METHOD = Reinforce
