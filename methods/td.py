"""TD search: a table of values, an epsilon-greedy choice per decision, one temporal-difference update per decision.

No paper: the algorithm that this project began with, which is one-step Q-learning (Watkins 1989) over the choices of a
space. With probability epsilon a decision takes any option, else one of the best. The update follows at once,

    td_target = reward + gamma * max theta(next decision), or the reward alone at the last one
    theta[action] += alpha * (td_target - theta[action]),

where every decision but the last earns 0 and the last one the validation accuracy. Epsilon falls once per episode.

The algorithm leaves the state open. ``none``: one value per option, wherever it is chosen, as the rule is written.
``position``: one table row per decision. ``previous``: one per decision and last pick, as in MetaQNN. With ``position``
the target of all options of a decision but the last is the same number, so nothing is learned about them; with ``none``
the rule learns which option is good everywhere. docs/methods/td.md has the figures.

Open, chosen here: alpha 0.5, gamma 1, first values 0, epsilon from 1 to 0.05 after 70 % of the budget; in NAS-Bench-201
alpha 0.3 and a decay of 0.99, which leaves epsilon above 0.35. No replay, no backward order: that is what MetaQNN adds.
Expected: measured only, 93.92 +- 0.46 % test accuracy on CIFAR-10 in NAS-Bench-201 within 12,000 s, random search
93.75. Cost: one proxy training per episode, repeats included.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness import InputError, Method, Task, needs_choices
from harness.core.names import one_of
from harness.core.space import Genotype, Space, option_text

from .common.qlearning import choose, share_spent

STATES = ("none", "position", "previous")
SETTLED = 0.7
"""Share of the budget after which epsilon is at its floor, unless ``decay`` is given."""


@dataclass(frozen=True)
class TdSearch(Method):
    """One-step Q-learning; works in every space with genotypes.

    Args:
        state: what a value belongs to, see the module.
        alpha: step size of an update.
        gamma: discount.
        initial: value of what was never tried.
        epsilon: probability of a random option in the first episode.
        decay: factor of epsilon per episode; 0 for the one that reaches the floor after 70 % of the budget.
        floor: of epsilon.
    """

    name = "td"
    title = "TD search"
    space = "nasbench201"
    families = ("reinforcement learning",)
    position = 65
    look = 17
    seen = ("tables/fashion_mnist",)
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {"nb201": {"alpha": 0.3, "decay": 0.99}}

    state: str = "none"
    alpha: float = 0.5
    gamma: float = 1.0
    initial: float = 0.0
    epsilon: float = 1.0
    decay: float = 0.0
    floor: float = 0.05

    def __post_init__(self) -> None:
        one_of("state of td", self.state, STATES)
        if not 0 < self.alpha <= 1 or not 0 <= self.gamma <= 1 or not 0 <= self.decay <= 1:
            raise InputError("td needs alpha in (0, 1], gamma in [0, 1] and decay in [0, 1]")
        if not 0 < self.floor <= self.epsilon <= 1:
            raise InputError("td needs 0 < floor <= epsilon <= 1")

    def unsupported(self, task: Task) -> str | None:
        """A learner needs something to choose."""
        return needs_choices(task)

    def search(self, task: Task) -> None:
        """One architecture per episode. An interrupted run learns again from its log."""
        learner = TdLearner(task.space, self.state, alpha=self.alpha, gamma=self.gamma, initial=self.initial)
        while True:
            epsilon = self.epsilon_after(len(task.evaluations), share_spent(task.meter))
            genotype, last = learner.walk(epsilon, task.rng)
            [evaluation] = task.evaluate([genotype])
            learner.learn(last, evaluation.accuracy)

    def epsilon_after(self, episodes: int, share: float) -> float:
        """Epsilon after a number of episodes, which have cost a share of the budget."""
        fallen = self.decay**episodes if self.decay else (self.floor / self.epsilon) ** (share / SETTLED)
        return max(self.floor, self.epsilon * fallen)


class TdLearner:
    """The table and its rule.

    Args:
        space: its choices are the decisions, in order.
        state: one of :data:`STATES`.
        alpha, gamma, initial: see :class:`TdSearch`.

    Attributes:
        theta: the values that differ from the initial one, by key of :meth:`keys`.
    """

    def __init__(self, space: Space, state: str, *, alpha: float, gamma: float, initial: float) -> None:
        self._space, self._state = space, state
        self._alpha, self._gamma, self._initial = alpha, gamma, initial
        self._words = [[(c.kind, option_text(option)) for option in c.options] for c in space.choices]
        self.theta: dict[Hashable, float] = {}

    def keys(self, position: int, previous: int) -> list[Hashable]:
        """The places of a decision's options in the table.

        Args:
            position: number of the decision.
            previous: what was picked at the one before; of no meaning at the first.
        """
        if self._state == "none":
            return list(self._words[position])
        before = previous if self._state == "previous" and position else -1
        return [(position, before, option) for option in range(len(self._words[position]))]

    def values(self, keys: list[Hashable]) -> list[float]:
        """The present values at ``keys``."""
        return [self.theta.get(key, self._initial) for key in keys]

    def walk(self, epsilon: float, rng: np.random.Generator) -> tuple[Genotype, Hashable]:
        """Decides everything once and learns on the way; returns the architecture and the last decision's key."""
        picks: list[int] = []
        keys = self.keys(0, 0)
        for position in range(len(self._words)):
            picks.append(choose(self.values(keys), epsilon, rng))
            taken = keys[picks[-1]]
            if position + 1 < len(self._words):
                keys = self.keys(position + 1, picks[-1])
                self.learn(taken, self._gamma * max(self.values(keys)))
        return self._space.genotype(tuple(picks)), taken

    def learn(self, key: Hashable, target: float) -> None:
        """Moves one value towards its target; at an architecture's end the target is the reward alone."""
        value = self.theta.get(key, self._initial)
        self.theta[key] = value + self._alpha * (target - value)


METHOD = TdSearch
