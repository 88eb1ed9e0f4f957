"""BlockQNN: tabular Q-learning decides a block, layer by layer, and the network repeats the block.

Paper: Zhong, Yan, Wu, Shao & Liu, *Practical block-wise neural network architecture generation*, CVPR 2018. A state is
the last layer's code, an action the next layer's. The reward of a block corrects the accuracy of a short training:

    R = accuracy - mu * log(FLOPs) - rho * log(density),

where density is the number of edges per node of the block. The last decision gets R and each earlier one R / T, so that
early decisions get a reward at once. Alpha is 0.01, gamma 1, and Q starts at 0.5; 128 replays. There are 178 rounds of
64 blocks: 95 with epsilon 1, which then falls to 0.1.

T is taken as the largest number of layers of a block. The rewards of a block of n layers
then sum up to R * (1 + (n - 1) / T), which favours long blocks. With ``even`` each of the n decisions gets R / n, which
sums up to R; the small profiles use it.
Deviations: mu and rho are not in the sources at hand, 0.01 each here; FLOPs are millions of multiply-accumulates of the
proxy network; outside the block space, R is the accuracy. Blocks are trained one after the other, not by a master and
asynchronous workers. A block that comes up again is not stored again; a round of such blocks is followed by replays all
the same. The schedule of epsilon is stretched over the budget. Small profiles learn after each block, with 8 replays.
Alpha follows from the number of blocks that the budget buys: 0.3 up to 200, then a power law to the paper's 0.01 for
11,392. Expected: C10 error 3.54 % after 11,392 blocks. Cost: one proxy training per new block.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness import Cell, Evaluation, Genotype, InputError, Method, Task, needs_choices
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.spaces.blockqnn import BlockSpace

from .common.qlearning import Episode, EpsilonSchedule, QLearner, explore, process_of
from .common.scaling import between

SCHEDULE = EpsilonSchedule(
    (
        (1.0, 95),
        *((epsilon, 7) for epsilon in (0.9, 0.8, 0.7)),
        *((epsilon, 10) for epsilon in (0.6, 0.5, 0.4, 0.3, 0.2)),
        (0.1, 12),
    )
)
"""Epsilons and their numbers of rounds in the paper."""


@dataclass(frozen=True)
class BlockQnn(Method):
    """Q-learning with a reward at each decision; works in every space with genotypes.

    Args:
        alpha: step size of an update; 0: from the budget.
        gamma: discount.
        initial: Q of an action that was never tried.
        blocks: per round.
        replay: stored blocks that are replayed after each round, also one of repeats only.
        mu, rho: weights of the logarithms of FLOPs and density.
        even: whether each decision gets the same reward, R in all.
    """

    name = "blockqnn"
    title = "BlockQNN"
    space = "block"
    families = ("reinforcement learning",)
    position = 90
    look = 8
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"blocks": 1, "replay": 8, "even": True},
        "quick": {"blocks": 1, "replay": 8, "even": True},
        "hour": {"blocks": 1, "replay": 8, "even": True},
        "table": {"blocks": 1, "replay": 8},
        "nb201": {"blocks": 1, "replay": 8},
    }

    alpha: float = 0.0
    gamma: float = 1.0
    initial: float = 0.5
    blocks: int = 64
    replay: int = 128
    mu: float = 0.01
    rho: float = 0.01
    even: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1 or not 0 <= self.gamma <= 1 or min(self.blocks, self.replay) < 1:
            raise InputError("blockqnn needs alpha in [0, 1], gamma in [0, 1], blocks >= 1 and replay >= 1")

    def unsupported(self, task: Task) -> str | None:
        """It needs choices."""
        return needs_choices(task)

    def search(self, task: Task) -> None:
        """Round by round. An interrupted run learns again from its log."""

        def rewards(episode: Episode, evaluation: Evaluation) -> list[float]:
            learner.alpha = self.step_size(task.children())
            task.plan(alpha=learner.alpha)
            total = self.total(task, episode.genotype, evaluation.accuracy)
            return self.shaped(total, len(episode.decisions), len(task.space.choices))

        learner = QLearner(process_of(task.space), alpha=self.alpha, gamma=self.gamma, initial=self.initial)
        explore(task, learner, schedule=SCHEDULE, rewards=rewards, batch=self.blocks, replay=self.replay)

    def step_size(self, children: int) -> float:
        """Alpha in a search of so many children."""
        return self.alpha or between(children, (200, 0.3), (11_392, 0.01))

    def total(self, task: Task, genotype: Genotype, accuracy: float) -> float:
        """R of a block; elsewhere the accuracy."""
        if not isinstance(task.space, BlockSpace):
            return accuracy
        network = task.space.decode(genotype, task.recipe.size)
        macs = measure(lower(network), task.data.image_shape, task.data.classes).macs
        return accuracy - self.penalty(macs, density(network.normal))

    def penalty(self, macs: int, density: float) -> float:
        """The part of R that is subtracted from the accuracy."""
        return self.mu * math.log(macs / 1e6) + self.rho * math.log(density)

    def shaped(self, total: float, decisions: int, longest: int) -> list[float]:
        """The reward of each decision.

        Args:
            total: R.
            decisions: how many the episode has.
            longest: T.
        """
        if self.even:
            return [total / decisions] * decisions
        return [total / longest] * (decisions - 1) + [total]


def density(block: Cell) -> float:
    """Edges per node of a block.

    The block's input and output count as nodes, and a layer that no layer reads has an edge to the output. A cell has
    no output node but an input 0, which a block does not read, so that the number of nodes is the same.
    """
    return (len(block.edges) + len(block.output)) / block.nodes


METHOD = BlockQnn
