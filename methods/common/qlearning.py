"""Tabular Q-learning over the decisions of a search space: what MetaQNN and BlockQNN share.

An episode is the decisions of one architecture. Each decision is epsilon-greedy: with probability epsilon uniform over
the legal actions, else one of the best. After the training each decision has a reward, and the table learns:

    target = reward + gamma * max Q(next state), or the reward alone at the last decision
    Q(state, action) += alpha * (target - Q(state, action))

The last decision is updated first, so that the last reward reaches the first decision in one pass over the episode.
Stored episodes are replayed after every round, and epsilon falls during the search.

An architecture that comes up again is not stored again. MetaQNN looks its accuracy up, stores it once more and then
replays; here a round of repeats is followed by replays too, but of architectures that were stored once each.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NoReturn, Protocol, TypeVar

import numpy as np

from harness import Evaluation, Genotype, Meter, Space, Task
from harness.spaces.blockqnn import BlockSpace
from harness.spaces.metaqnn import LayerChainSpace

STALE = 100
"""After so many rounds without a new architecture, known ones are evaluated and charged again.

Without this, a learner that always chooses the same architectures would spend nothing and never end.
"""

ProcessState = TypeVar("ProcessState", bound=Hashable)


class DecisionProcess(Protocol[ProcessState]):
    """A space as a deterministic decision process."""

    @property
    def start(self) -> ProcessState:
        """The state before the first decision."""

    def actions(self, state: ProcessState) -> Sequence[int]:
        """The legal actions, at least one; equal states have the same ones."""

    def after(self, state: ProcessState, action: int) -> ProcessState | None:
        """The state after an action, or None if the architecture is complete."""

    def complete(self, actions: Sequence[int]) -> Genotype:
        """The genotype of the actions from the start to the end."""


class IndependentChoices:
    """The process that decides a space's choices one after the other: a state is a position and the last pick.

    As in MetaQNN and BlockQNN. Without the pick the target of every decision but the last would not depend on it, and
    nothing could be learned about it.

    Args:
        space: has at least one choice.
    """

    start: tuple[int, ...] = (0,)

    def __init__(self, space: Space) -> None:
        self._space = space

    def actions(self, state: tuple[int, ...]) -> Sequence[int]:
        """All options of the choice at this position."""
        return range(len(self._space.choices[state[0]]))

    def after(self, state: tuple[int, ...], action: int) -> tuple[int, ...] | None:
        """The next position, if there is one."""
        following = state[0] + 1
        return (following, action) if following < len(self._space.choices) else None

    def complete(self, actions: Sequence[int]) -> Genotype:
        """The actions are the picks."""
        return self._space.genotype(tuple(actions))


def process_of(space: Space) -> DecisionProcess[Any]:
    """The decision process of a space: its own if some options end an architecture or forbid others."""
    return space if isinstance(space, LayerChainSpace | BlockSpace) else IndependentChoices(space)


@dataclass(frozen=True)
class Decision:
    """One decision of an episode, as cells of the table of Q.

    Args:
        values: Q of all legal actions of the state, a row of the table.
        column: of the chosen action in that row.
        following: the row of the next state; None at the last decision.
    """

    values: list[float]
    column: int
    following: list[float] | None


@dataclass(frozen=True)
class Episode:
    """The decisions of one architecture."""

    genotype: Genotype
    decisions: tuple[Decision, ...]


class QLearner:
    """The table of Q and its update rule.

    Args:
        process: the decisions.
        alpha: step size of an update; an attribute that may be changed.
        gamma: discount.
        initial: Q of an action that was never tried.
    """

    def __init__(self, process: DecisionProcess[Any], *, alpha: float, gamma: float, initial: float) -> None:
        self._process, self.alpha, self._gamma, self._initial = process, alpha, gamma, initial
        self._rows: dict[Hashable, tuple[Sequence[int], list[float]]] = {}

    def row(self, state: Hashable) -> tuple[Sequence[int], list[float]]:
        """The legal actions of a state and their Q; the caller may change the values."""
        if state not in self._rows:
            actions = self._process.actions(state)
            self._rows[state] = actions, [self._initial] * len(actions)
        return self._rows[state]

    def episode(self, epsilon: float, rng: np.random.Generator) -> Episode:
        """Decides from the start to the end."""
        state, taken, decisions = self._process.start, [], []
        while state is not None:
            actions, values = self.row(state)
            column = choose(values, epsilon, rng)
            taken.append(actions[column])
            state = self._process.after(state, actions[column])
            decisions.append(Decision(values, column, None if state is None else self.row(state)[1]))
        return Episode(self._process.complete(taken), tuple(decisions))

    def update(self, decision: Decision, reward: float) -> None:
        """Moves one Q towards its target."""
        target = reward if decision.following is None else reward + self._gamma * max(decision.following)
        decision.values[decision.column] += self.alpha * (target - decision.values[decision.column])

    def learn(self, episode: Episode, rewards: Sequence[float]) -> None:
        """Updates all decisions of an episode, the last one first; one reward per decision."""
        for decision, reward in zip(reversed(episode.decisions), reversed(rewards), strict=True):
            self.update(decision, reward)


def choose(values: Sequence[float], epsilon: float, rng: np.random.Generator) -> int:
    """An index of ``values``: any with probability ``epsilon``, else one of the largest values."""
    if rng.random() < epsilon:
        return int(rng.integers(len(values)))
    largest = max(values)
    best = [index for index, value in enumerate(values) if value == largest]
    return best[int(rng.integers(len(best)))]


class EpsilonSchedule:
    """A falling epsilon: pairs of an epsilon and its number of rounds in the paper, stretched over the budget."""

    def __init__(self, stages: Sequence[tuple[float, int]]) -> None:
        self._epsilons = [epsilon for epsilon, _ in stages]
        self._ends = list(accumulate(rounds for _, rounds in stages))

    @property
    def rounds(self) -> int:
        """The paper's number of rounds."""
        return self._ends[-1]

    def epsilon(self, share: float) -> float:
        """Epsilon after a share of the budget, 0 to 1."""
        done = round(share * self.rounds, 6)  # 1500 / 2700 * 2700 is less than 1500
        return next((e for e, end in zip(self._epsilons, self._ends, strict=True) if done < end), self._epsilons[-1])


def share_spent(meter: Meter) -> float:
    """The cost of all evaluations, as a share of the budget.

    The method's own time is left out: a resumed run learns again from its log and has to get the same epsilons.
    """
    return meter.reported / meter.limit


def explore(
    task: Task,
    learner: QLearner,
    *,
    schedule: EpsilonSchedule,
    rewards: Callable[[Episode, Evaluation], Sequence[float]],
    batch: int,
    replay: int,
) -> NoReturn:
    """Decides, trains and learns in turn until the budget is spent.

    An architecture that was trained before is neither trained nor charged again, as in both papers, nor stored again,
    unlike in MetaQNN; but see :data:`STALE`.

    Args:
        task: of the search.
        learner: with the task's decision process.
        schedule: epsilon over the budget.
        rewards: the reward of each decision of an episode.
        batch: episodes per round.
        replay: stored episodes that are replayed after each round, also one of repeats only; drawn with replacement.
    """
    known: set[Genotype] = set()
    stored: list[tuple[Episode, Sequence[float]]] = []
    stale = 0
    while True:
        epsilon = schedule.epsilon(share_spent(task.meter))
        episodes = [learner.episode(epsilon, task.rng) for _ in range(batch)]
        by_genotype = {episode.genotype: episode for episode in episodes}
        fresh = [episode for genotype, episode in by_genotype.items() if genotype not in known]
        stale = 0 if fresh else stale + 1
        if stale == STALE:
            fresh, stale = list(by_genotype.values()), 0
        evaluations = task.evaluate(episode.genotype for episode in fresh)
        for episode, evaluation in zip(fresh, evaluations, strict=True):
            known.add(episode.genotype)
            stored.append((episode, rewards(episode, evaluation)))
        for drawn in task.rng.integers(len(stored), size=replay):
            learner.learn(*stored[drawn])
