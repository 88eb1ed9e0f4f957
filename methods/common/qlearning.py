"""Tabular Q-learning over the decisions of a search space: what MetaQNN and BlockQNN share.

An episode decides one architecture step by step. Each decision is epsilon-greedy: with probability epsilon uniform over
the legal actions, else one of the best. What an episode was worth teaches the table, from its last step to its first,

    target = reward + gamma * max Q(next state), or the reward alone at the end
    Q(state, action) += alpha * (target - Q(state, action)),

again and again, because stored episodes are replayed; epsilon falls from episode to episode. Going backwards carries
the end's reward to the first decision in one pass; going forwards takes a pass per step.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NoReturn, Protocol, TypeVar

import numpy as np

from harness.core.budget import Meter
from harness.core.evaluation import Evaluation
from harness.core.space import Genotype, Space
from harness.core.task import Task
from harness.spaces.blockqnn import BlockSpace
from harness.spaces.metaqnn import LayerChainSpace

STALE = 100
"""Rounds without a new architecture after which old ones are charged again: a learner that has settled has to end."""

State = TypeVar("State", bound=Hashable)


class Walk(Protocol[State]):
    """A space as a decision process without chance."""

    @property
    def start(self) -> State:
        """The state before the first decision."""

    def actions(self, state: State) -> Sequence[int]:
        """The legal actions, at least one; equal states have the same."""

    def after(self, state: State, action: int) -> State | None:
        """The state that an action leads to, or None where the architecture is complete."""

    def complete(self, actions: Sequence[int]) -> Genotype:
        """The genotype that the actions of a finished walk name."""


class Picks:
    """The walk through independent choices: a state is a position and the last picks.

    Args:
        space: has at least one choice.
        memory: how many picks a state holds. One is what MetaQNN's and BlockQNN's hold. With none, the target of each
            decision but the last is the same whatever was picked, and nothing is learned about it.
    """

    start: tuple[int, ...] = (0,)

    def __init__(self, space: Space, memory: int = 1) -> None:
        self._space, self._memory = space, memory

    def actions(self, state: tuple[int, ...]) -> Sequence[int]:
        """All options of the choice at this position."""
        return range(len(self._space.choices[state[0]]))

    def after(self, state: tuple[int, ...], action: int) -> tuple[int, ...] | None:
        """The next position, if there is one."""
        position, *picks = state
        if position + 1 == len(self._space.choices):
            return None
        picks.append(action)
        return (position + 1, *picks[max(0, len(picks) - self._memory) :])

    def complete(self, actions: Sequence[int]) -> Genotype:
        """The actions are the picks."""
        return self._space.genotype(tuple(actions))


def walk_of(space: Space) -> Walk[Any]:
    """The space's own walk, where some of its options end an architecture or forbid others, else :class:`Picks`."""
    return space if isinstance(space, LayerChainSpace | BlockSpace) else Picks(space)


@dataclass(frozen=True)
class Step:
    """One decision of an episode, as places in the table.

    Args:
        values: Q of all legal actions of the state, a row of the table.
        place: of the action in it.
        following: the row of the next state; None at the end.
    """

    values: list[float]
    place: int
    following: list[float] | None


@dataclass(frozen=True)
class Episode:
    """A finished walk."""

    genotype: Genotype
    steps: tuple[Step, ...]


class QLearner:
    """The table and its rule.

    Args:
        walk: the decisions.
        alpha: step size of an update.
        gamma: discount.
        initial: Q of an action that was never tried.
    """

    def __init__(self, walk: Walk[Any], *, alpha: float, gamma: float, initial: float) -> None:
        self._walk, self._alpha, self._gamma, self._initial = walk, alpha, gamma, initial
        self._rows: dict[Hashable, tuple[Sequence[int], list[float]]] = {}

    def row(self, state: Hashable) -> tuple[Sequence[int], list[float]]:
        """The legal actions of a state and their Q, which may be changed in place."""
        if state not in self._rows:
            actions = self._walk.actions(state)
            self._rows[state] = actions, [self._initial] * len(actions)
        return self._rows[state]

    def episode(self, epsilon: float, rng: np.random.Generator) -> Episode:
        """Walks from the start to an end."""
        state, taken, steps = self._walk.start, [], []
        while state is not None:
            actions, values = self.row(state)
            place = choose(values, epsilon, rng)
            taken.append(actions[place])
            state = self._walk.after(state, actions[place])
            steps.append(Step(values, place, None if state is None else self.row(state)[1]))
        return Episode(self._walk.complete(taken), tuple(steps))

    def update(self, step: Step, reward: float) -> None:
        """Moves one Q towards its target."""
        target = reward if step.following is None else reward + self._gamma * max(step.following)
        step.values[step.place] += self._alpha * (target - step.values[step.place])

    def learn(self, episode: Episode, rewards: Sequence[float]) -> None:
        """Updates all steps of an episode, the last one first; one reward per step."""
        for step, reward in zip(reversed(episode.steps), reversed(rewards), strict=True):
            self.update(step, reward)


def choose(values: Sequence[float], epsilon: float, rng: np.random.Generator) -> int:
    """A place among ``values``: any with probability ``epsilon``, else one of the largest."""
    if rng.random() < epsilon:
        return int(rng.integers(len(values)))
    largest = max(values)
    best = [place for place, value in enumerate(values) if value == largest]
    return best[int(rng.integers(len(best)))]


class Schedule:
    """A falling epsilon: pairs of an epsilon and for how many rounds the paper keeps it, stretched over the budget."""

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
    """What the evaluations have cost, as a share of the budget.

    Without the method's own time, so that an interrupted run finds the same epsilon when it learns again from its log.
    """
    return (meter.steps if meter.budget.counted else meter.charged) / meter.limit


def explore(
    task: Task,
    learner: QLearner,
    *,
    schedule: Schedule,
    rewards: Callable[[Episode, Evaluation], Sequence[float]],
    batch: int,
    replay: int,
) -> NoReturn:
    """Walks, trains and learns in turn until the budget is spent.

    An architecture that was trained before is not trained, and not charged, again, as in both papers; see
    :data:`STALE`.

    Args:
        task: where to search.
        learner: knows the walk.
        schedule: epsilon over the budget.
        rewards: what each step of an episode was worth.
        batch: episodes per round.
        replay: stored episodes that are learned from after each round, drawn with replacement.
    """
    known: set[Genotype] = set()
    stored: list[tuple[Episode, Sequence[float]]] = []
    stale = 0
    while True:
        epsilon = schedule.epsilon(share_spent(task.meter))
        walked = {episode.genotype: episode for episode in (learner.episode(epsilon, task.rng) for _ in range(batch))}
        fresh = [episode for genotype, episode in walked.items() if genotype not in known]
        stale = 0 if fresh else stale + 1
        if stale == STALE:
            fresh, stale = list(walked.values()), 0
        evaluations = task.evaluate(episode.genotype for episode in fresh)
        for episode, evaluation in zip(fresh, evaluations, strict=True):
            known.add(episode.genotype)
            stored.append((episode, rewards(episode, evaluation)))
        for place in task.rng.integers(len(stored), size=replay):
            learner.learn(*stored[place])
