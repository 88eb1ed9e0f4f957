"""MetaQNN: tabular Q-learning decides a chain of layers; the reward is the trained network's accuracy.

Paper: Baker, Gupta, Naik & Raskar, *Designing neural network architectures using reinforcement learning*, ICLR 2017.
A state is the last layer, its depth and the size of the image in three classes; an action is the next layer. The reward
of the last decision is the best validation accuracy of the training, that of all others is 0. Alpha is 0.01, gamma 1,
and Q starts at 0.5. After each network that is drawn, new or not, 128 stored ones are replayed, each from its last
decision to its first. Epsilon is 1 for the first 1,500 of 2,700 networks, then falls to 0.1. A network that is drawn
again is not trained again and does not count.

Deviations: the schedule of epsilon is stretched over the budget; in spaces without a decision process of their own a
state is the position and the last pick; a network that is drawn again is not stored again (paper: its accuracy is
looked up and stored once more); a network that fails has reward 0; those of :mod:`harness.spaces.metaqnn`; one
recipe for all networks, without the paper's trials of smaller learning rates; no ensemble at the end. Alpha follows
from the number of networks that the budget buys: 0.3 up to 200, then a power law to the paper's 0.01 for 2,700.
Expected: C10 error 6.92 % after 2,700 networks. Cost: one proxy training per new network.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness import Evaluation, InputError, Method, Task, needs_choices

from .common.qlearning import Episode, EpsilonSchedule, QLearner, explore, process_of
from .common.scaling import between

SCHEDULE = EpsilonSchedule(
    (
        (1.0, 1500),
        *((epsilon, 100) for epsilon in (0.9, 0.8, 0.7)),
        *((epsilon, 150) for epsilon in (0.6, 0.5, 0.4, 0.3, 0.2, 0.1)),
    )
)
"""Epsilons and their numbers of new networks in the paper."""


@dataclass(frozen=True)
class MetaQnn(Method):
    """Q-learning with the reward at the end; works in every space with genotypes.

    Args:
        alpha: step size of an update; 0: from the budget.
        gamma: discount.
        initial: Q of an action that was never tried; the authors advise the accuracy of an average network, or less.
        replay: stored networks that are replayed after each one that is drawn, new or not.
    """

    name = "metaqnn"
    title = "MetaQNN"
    space = "qchain"
    families = ("reinforcement learning",)
    position = 80
    look = 7

    alpha: float = 0.0
    gamma: float = 1.0
    initial: float = 0.5
    replay: int = 128

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1 or not 0 <= self.gamma <= 1 or self.replay < 1:
            raise InputError("metaqnn needs alpha in [0, 1], gamma in [0, 1] and replay >= 1")

    def unsupported(self, task: Task) -> str | None:
        """It needs choices."""
        return needs_choices(task)

    def search(self, task: Task) -> None:
        """Trains one network after the other. An interrupted run learns again from its log."""

        def rewards(episode: Episode, evaluation: Evaluation) -> list[float]:
            learner.alpha = self.step_size(task.children())
            task.plan(alpha=learner.alpha)
            return self.rewards(episode, evaluation)

        learner = QLearner(
            process_of(task.space), alpha=self.step_size(task.children()), gamma=self.gamma, initial=self.initial
        )
        explore(task, learner, schedule=SCHEDULE, rewards=rewards, batch=1, replay=self.replay)

    def step_size(self, children: int) -> float:
        """Alpha in a search of so many children."""
        return self.alpha or between(children, (200, 0.3), (2_700, 0.01))

    def rewards(self, episode: Episode, evaluation: Evaluation) -> list[float]:
        """0 for each decision but the last."""
        return [0.0] * (len(episode.decisions) - 1) + [max(evaluation.curve, default=0.0)]


METHOD = MetaQnn
