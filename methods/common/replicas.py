"""Controller replicas around a parameter server (Fig. 8 of Zoph & Le, ICLR 2017).

A *replica* fetches the controller's parameters, draws m architectures and has each trained on a device of its own. When
the last of them has ended it computes REINFORCE's gradient at the parameters that it fetched, sends it to the
*parameter server* and begins again. The server applies each gradient as it comes, to parameters that other replicas
have moved meanwhile; or, if updates are synchronous, it waits for one of every replica and applies their mean. The
*staleness* of a gradient is the number of updates between its fetch and its application.

Replicas and server are objects in the process of the search: what they compute takes milliseconds, and that process is
the one that is fenced, charged and journaled. The children are trained wherever the command says: one after the other,
or side by side (``--children``), those of all replicas together. The order in which gradients arrive is

- of a simulated clock, where a child takes the time that it costs, in the budget's unit, on a device of its own:
  gradients, updates and messages take none, and events of the same time come in the order of the replicas' numbers. In
  a counted budget costs are known before, so that children are trained side by side and the search stays exactly
  repeatable. In a budget of seconds a child's cost is known when it has ended;
- that in which the children really end, in a budget of seconds with several children at the same time.

The replicas' draws come from the task's generator in that order, and evaluations are logged in the order in which they
are used, so that the log alone resumes a search: parameters, optimiser, baseline and staleness are those of before. In
a budget of seconds that takes one child at a time as before, or several as before: the two orders have different draws,
so that neither is taken for the other.

The reward baseline lies with the parameters: it takes rewards in the order in which gradients arrive, so that a reward
is compared with rewards that arrived before.

Nothing here imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np

from harness import Evaluation, Task
from harness.core.beside import Begun

from .baseline import RewardBaseline
from .within import uniforms

Arrays = Sequence[np.ndarray]


class Drawn(Protocol):
    """A batch of architectures, and whatever else the controller wants back for the gradient."""

    @property
    def picks(self) -> np.ndarray:
        """``(n, decisions)``."""


D = TypeVar("D", bound=Drawn)


class Served(Protocol[D]):
    """A controller whose parameters and optimiser lie on the parameter server.

    Attributes:
        decisions: length of an architecture.
    """

    decisions: int

    def draw(self, uniforms: np.ndarray) -> D:
        """An architecture by the present parameters per row of ``uniforms`` ``(n, decisions)``, in [0, 1)."""

    def fetch(self) -> Arrays:
        """Copies of the present parameters."""

    def gradient(self, fetched: Arrays, drawn: D, advantages: np.ndarray) -> Arrays:
        """Gradient of ``mean(-advantage * log P)`` at the parameters ``fetched``; the present ones stay.

        Args:
            fetched: the parameters by which ``drawn`` was drawn.
            drawn: by :meth:`draw`.
            advantages: ``(n,)``.
        """

    def apply(self, gradient: Arrays, rate: float) -> None:
        """One update of the present parameters, downhill, with learning rate ``rate``."""

    def train(self, drawn: D, advantages: np.ndarray, rate: float) -> None:
        """:meth:`gradient` at the present parameters and :meth:`apply` in one."""


@dataclass(frozen=True)
class Rules:
    """The number of replicas, and what they do.

    Args:
        replicas: K, at least 1.
        synchronous: whether the server waits for a gradient of every replica.
        minibatch: the number of architectures m that a replica draws now.
        rate: the learning rate now.
        reward: of an evaluation.
    """

    replicas: int
    synchronous: bool
    minibatch: Callable[[], int]
    rate: Callable[[], float]
    reward: Callable[[Evaluation], float]


@dataclass
class Clock:
    """Simulated time of one search, in the budget's unit.

    Attributes:
        simulated: whether it was that, and not a clock on the wall: then there are no ends.
        ends: of each evaluation, in the order of the evaluations.
        busy: the sum of what they cost.
        devices: that the replicas have together, at most.
        staleness: of each gradient, in the order of their application.
        updates: of the parameters.
    """

    simulated: bool = True
    ends: list[float] = field(default_factory=list)
    busy: float = 0.0
    devices: int = 0
    staleness: list[int] = field(default_factory=list)
    updates: int = 0

    def facts(self) -> dict[str, float]:
        """Simulated wall time, used share of the devices' time, updates and staleness, for the record."""
        wall = max(self.ends, default=0.0)
        facts: dict[str, float] = {"simulated_wall": wall} if self.simulated else {}
        facts["updates"] = self.updates
        if wall:
            facts["busy"] = self.busy / (wall * self.devices)
        if self.staleness:
            facts |= {"staleness": float(np.mean(self.staleness)), "most_staleness": max(self.staleness)}
        return facts


@dataclass(eq=False)
class _Batch(Generic[D]):
    """The architectures of a replica, and what it will send when the last one has ended.

    Args:
        replica: its number.
        version: updates before it fetched.
        fetched: the parameters.
        drawn: by them.
        start: when its children begin, each on a device of its own.
        rewards: of those that have been evaluated.
        missing: how many have not.
        ends: of its children, as far as they are known.
    """

    replica: int
    version: int
    fetched: Arrays
    drawn: D
    start: float
    rewards: np.ndarray
    missing: int
    ends: list[float] = field(default_factory=list)

    @property
    def end(self) -> float:
        """When the last one ends."""
        return max(self.ends, default=self.start)


class Replicas(Generic[D]):
    """A search by several copies of a controller.

    Args:
        task: evaluates.
        served: the controller.
        baseline: of the rewards.
        rules: of the replicas.

    Attributes:
        clock: what has happened so far.
    """

    def __init__(self, task: Task, served: Served[D], baseline: RewardBaseline, rules: Rules) -> None:
        self._task, self._served, self._baseline, self._rules = task, served, baseline, rules
        self._unit = task.meter.limit / task.meter.budget.amount  # a budget of evaluations is metered in steps
        self._counted = task.meter.budget.counted
        # With one replica, or where one waits for all, the order of their children's ends is of no use.
        real = task.at_once > 1 and not self._counted and rules.replicas > 1 and not rules.synchronous
        if real:  # other draws than on the simulated clock, so that a log of one order is never read as the other
            task.rng.random()
        self._beside = task.beside(as_they_end=real)
        self._owners: dict[Begun, tuple[_Batch[D], int]] = {}
        self.clock = Clock(simulated=not real)

    def search(self) -> None:
        """Works off events until the budget is spent; lets ``BudgetSpent`` pass."""
        running = [self._begun(replica, 0.0) for replica in range(self._rules.replicas)]
        while True:
            arrived = self._arrived(running)
            self._update(arrived)
            now = arrived[-1].end
            for batch in arrived:
                running.remove(batch)
                running.append(self._begun(batch.replica, now))

    def _begun(self, replica: int, now: float) -> _Batch[D]:
        """A replica fetches and draws, and its children begin."""
        task, served, rules = self._task, self._served, self._rules
        minibatch = rules.minibatch()
        fetched, version = served.fetch(), self.clock.updates
        rows = uniforms(task, minibatch, served.decisions, lambda some: served.draw(some).picks, np.float32)
        drawn = served.draw(rows)
        self.clock.devices = max(self.clock.devices, minibatch * rules.replicas)
        batch = _Batch(replica, version, fetched, drawn, now, np.zeros(minibatch), minibatch)
        for place, row in enumerate(drawn.picks.tolist()):
            begun = self._beside.begin(task.space.genotype(tuple(row)))
            self._owners[begun] = batch, place
            if self._counted:
                self._place(batch, begun.cost)
        return batch

    def _arrived(self, running: Sequence[_Batch[D]]) -> list[_Batch[D]]:
        """Waits for the batches whose gradients come next, in the order of their ends."""
        if not self.clock.simulated:
            while (batch := self._take()).missing:
                pass
            return [batch]
        if not self._counted:  # only a child that has ended has a place on the clock
            while self._owners:
                self._take()
        awaited = len(running) if self._rules.synchronous else 1
        arrived = sorted(running, key=lambda batch: (batch.end, batch.replica))[:awaited]
        while any(batch.missing for batch in arrived):
            self._take()
        return arrived

    def _take(self) -> _Batch[D]:
        """Takes the next evaluation in; whose it is."""
        begun, evaluation = self._beside.next()
        batch, place = self._owners.pop(begun)
        batch.rewards[place] = self._rules.reward(evaluation)
        batch.missing -= 1
        if self.clock.simulated and not self._counted:
            self._place(batch, evaluation.seconds)
        return batch

    def _place(self, batch: _Batch[D], cost: float) -> None:
        """Notes when a child ends that costs so much, in units of the meter's limit."""
        batch.ends.append(batch.start + cost / self._unit)
        self.clock.ends.append(batch.ends[-1])
        self.clock.busy += cost / self._unit

    def _update(self, arrived: Sequence[_Batch[D]]) -> None:
        """Applies the mean of the gradients of these batches."""
        rate = self._rules.rate()
        self._task.plan(children=len(arrived[0].rewards), learning_rate=rate)
        advantages = [self._baseline.advantages(batch.rewards) for batch in arrived]
        staleness = [self.clock.updates - batch.version for batch in arrived]
        if staleness == [0]:  # the step of a search without replicas, so that one replica equals it to the last bit
            self._served.train(arrived[0].drawn, advantages[0], rate)
        else:
            gradients = [
                self._served.gradient(batch.fetched, batch.drawn, own)
                for batch, own in zip(arrived, advantages, strict=True)
            ]
            self._served.apply([sum(parts) / len(parts) for parts in zip(*gradients, strict=True)], rate)
        self.clock.staleness += staleness
        self.clock.updates += 1
