"""EAS: a controller widens and deepens a trained network, and what it makes of it begins with its weights.

Paper: Cai, Chen, Zhang, Yu & Wang, *Efficient architecture search by network transformation*, AAAI 2018. An embedding
of 16 and a bidirectional LSTM of 50 units read the layers of the network. A wider actor decides for every layer by one
sigmoid whether it goes to the next width; a deeper actor, an LSTM that starts from the last encoder state, draws a
block, a layer in it and the kernel of the layer that is put behind it. An episode starts ten networks from the current
one; each gets four steps of the wider and five of the deeper actor, is trained, and earns one reward for all its steps:
tan(accuracy pi / 2), minus a moving average in which the present batch has the weight 0.95. REINFORCE with Adam, rate
2e-3, entropy 1e-5. What comes up again is looked up and not trained.

Deviations: each network trains by the proxy recipe (paper: 20 epochs); children per episode follow the budget, two to
ten, a tenth of what it affords; after each third of the budget the best network becomes the new start (paper: once,
after 300 of 450 networks and 100 more epochs); dense layers are normalised too; the bounds of
:mod:`harness.spaces.morphism`; the proposal is trained from scratch at the end. Small profiles: rate 0.01. Expected:
C10 error 4.23 % (plain networks, 23.4M weights). Cost: one proxy training per new network, and one for the start, on
top of the steps that its weights inherit, which were charged to its ancestors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from harness import InputError, Method, State, Task, needs_images, rng, space_is
from harness.spaces.morphism import Chain, MorphSpace

from .common.morph_moves import Child
from .common.morph_trainer import Trainer

if TYPE_CHECKING:
    from .common.eas_controller import Controller

STAGES = 3
"""Parts of the budget; at the end of each the best network becomes the start of the following episodes."""
CERTAIN = 1 - 1e-3
"""Accuracies above this count as this: the tangent has no end."""


STALE = 20
"""Episodes in a row without a new network until the space counts as exhausted."""
FEWEST, MOST = 2, 10


class Policy(Protocol):
    """A policy that transforms networks and learns which transformations pay."""

    def sample(self, chain: Chain, count: int, rng: np.random.Generator) -> Sequence[Child]:
        """Draws ``count`` children of one network."""

    def learn(self, advantages: np.ndarray) -> None:
        """One step on the children of the last :meth:`sample`."""

    def state(self) -> State:
        """Weights, for a checkpoint."""


@dataclass(frozen=True)
class Eas(Method):
    """Works in the spaces of :mod:`harness.spaces.morphism` only, because it inherits weights.

    Args:
        children: per episode; 0 for a tenth of what the budget affords, 2 to 10.
        wider, deeper: steps of the two actors per child.
        learning_rate: Adam's.
        entropy: its weight.
        baseline: weight of the present batch in the moving average.
        units, embedding: of the encoder.
        noise: of inherited weights that would otherwise be equal, relative to their deviation.
    """

    name = "eas"
    title = "EAS (network transformation)"
    space = "eas"
    families = ("morphism", "reinforcement learning")
    trains = True
    follows_signal = True
    position = 162
    look = 20
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"units": 16, "learning_rate": 0.01},
        "quick": {"learning_rate": 0.01},
        "hour": {"learning_rate": 0.01},
    }

    children: int = 0
    wider: int = 4
    deeper: int = 5
    learning_rate: float = 2e-3
    entropy: float = 1e-5
    baseline: float = 0.95
    units: int = 50
    embedding: int = 16
    noise: float = 0.01

    def __post_init__(self) -> None:
        if min(self.children, self.wider, self.deeper) < 0 or self.wider + self.deeper < 1:
            raise InputError("eas needs children, wider and deeper >= 0, and one step at least")
        if min(self.units, self.embedding) < 1 or self.learning_rate <= 0 or min(self.entropy, self.noise) < 0:
            raise InputError("eas needs units and embedding of at least 1, learning_rate > 0, entropy and noise >= 0")
        if not 0 < self.baseline <= 1:
            raise InputError("eas needs baseline in (0, 1]")

    def unsupported(self, task: Task) -> str | None:
        """It inherits weights, so that it needs images, and chains that it knows how to transform."""
        return space_is(task, MorphSpace) or needs_images(task)

    def search(self, task: Task) -> None:
        """Samples, trains and learns in turn; saved at the end of each episode."""
        from .common.morphism_training import MorphingTrainer

        policy, trainer = self.controller(task), MorphingTrainer(task, self.noise, kept=10)
        state, baseline, at = trainer.restored(), Baseline(self.baseline), (0, 0)
        if state is not None:
            policy.restore(state)
            baseline.value, at = float(state["baseline"]), (int(state["at"][0]), int(state["at"][1]))
        self.episodes(task, trainer, policy, baseline, at)

    def controller(self, task: Task) -> Controller:
        """A new controller; its first weights follow from the task's seed."""
        from .common.eas_controller import Controller

        assert isinstance(task.space, MorphSpace)
        return Controller(
            task.space,
            rng(task.seed, "controller weights"),
            steps=(self.wider, self.deeper),
            units=self.units,
            embedding=self.embedding,
            rate=self.learning_rate,
            entropy=self.entropy,
        )

    def episodes(
        self, task: Task, trainer: Trainer, policy: Policy, baseline: Baseline, at: tuple[int, int] = (0, 0)
    ) -> None:
        """The search with any trainer and policy; ends where nothing is new any more, or the first network has failed.

        Args:
            task: gives budget and randomness.
            trainer, policy: see there.
            baseline: of the rewards.
            at: number of the network that episodes start from, and of the part of the budget.
        """
        assert isinstance(task.space, MorphSpace)
        if not trainer.known():
            trainer.start(task.space.start)
        stale, (start, stage) = 0, at
        while stale < STALE and trainer.ancestors():
            part = int(STAGES * task.meter.spent / task.meter.limit)
            if part > stage:
                stage, known = part, trainer.known()
                start = max(trainer.ancestors(), key=lambda number: known[number][1])
            trainer.hold(start)
            before = len(trainer.known())
            children = policy.sample(trainer.known()[start][0], self.planned_children(task), task.rng)
            accuracies = np.array([self._accuracy(trainer, start, child) for child in children])
            policy.learn(baseline.advantages(np.array([reward(accuracy) for accuracy in accuracies])))
            stale = 0 if len(trainer.known()) > before else stale + 1
            extra = {"baseline": np.array(baseline.value), "at": np.array([start, stage])}
            trainer.save(lambda extra=extra: {**policy.state(), **extra})  # type: ignore[misc]

    def planned_children(self, task: Task) -> int:
        """Children of the next episode."""
        return self.children or int(np.clip(task.children() // 10, FEWEST, MOST))

    def _accuracy(self, trainer: Trainer, start: int, child: Child) -> float:
        """The accuracy of a child, which is trained now or was before."""
        known = dict(trainer.known())
        return known[child.chain] if child.chain in known else trainer.descend(start, child.moves, child.chain)


class Baseline:
    """Moving average of the batches' mean rewards, which has the present batch in it before it is subtracted.

    :class:`~harness.methods.common.baseline.RewardBaseline` takes rewards one by one.

    Args:
        weight: of the present batch; 0.95 in the authors' code.
    """

    def __init__(self, weight: float) -> None:
        self._weight, self.value = weight, 0.0

    def advantages(self, rewards: np.ndarray) -> np.ndarray:
        """Rewards ``(n,)`` minus the average."""
        self.value += self._weight * (float(rewards.mean()) - self.value)
        return rewards - self.value


def reward(accuracy: float) -> float:
    """EAS' reward: a point near the top is worth more than one below."""
    return math.tan(min(accuracy, CERTAIN) * math.pi / 2)


METHOD = Eas
