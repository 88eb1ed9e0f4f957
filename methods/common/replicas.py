"""Controller replicas around a parameter server, on a simulated clock (Fig. 8 of Zoph & Le, ICLR 2017).

A *replica* fetches the controller's parameters, draws m architectures and has each trained on a device of its own. When
the last of them has ended it computes REINFORCE's gradient at the parameters that it fetched, sends it to the
*parameter server* and begins again. The server applies each gradient as it comes, to parameters that other replicas
have moved meanwhile; or, if updates are synchronous, it waits for one of every replica and applies their mean. The
*staleness* of a gradient is the number of updates between its fetch and its application.

What is simulated is the order of events and the time; everything is computed in this process, one child after the
other, and the budget is charged for each as always. A child takes the time that it costs, in the budget's unit.
Gradients, updates and messages take none. Events of the same time come in the order of the replicas' numbers. The
replicas' draws come from the task's generator in that order, so that the log alone resumes a search.

The reward baseline lies with the parameters: it takes rewards in the order in which gradients arrive, so that a reward
is compared with rewards that arrived before.

Nothing here imports TensorFlow.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np

from harness import Evaluation, Task

from .baseline import RewardBaseline

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
    """How many replicas there are, and what they do.

    Args:
        replicas: K, at least 1.
        synchronous: whether the server waits for a gradient of every replica.
        minibatch: the number of architectures m that a replica draws now.
        rate: the learning rate now.
        reward: of an evaluation.
        devices: of each replica, which trains its architectures in their order, each on the device that is free
            first; None: m.
    """

    replicas: int
    synchronous: bool
    minibatch: Callable[[], int]
    rate: Callable[[], float]
    reward: Callable[[Evaluation], float]
    devices: int | None = None


@dataclass
class Clock:
    """What has happened in simulated time, in the budget's unit.

    Attributes:
        ends: of each evaluation, in the order of the evaluations.
        busy: the sum of what they cost.
        devices: that the replicas have together, at most.
        staleness: of each gradient, in the order of their application.
        updates: of the parameters.
    """

    ends: list[float] = field(default_factory=list)
    busy: float = 0.0
    devices: int = 0
    staleness: list[int] = field(default_factory=list)
    updates: int = 0

    def facts(self) -> dict[str, float]:
        """For the record: simulated wall time, share of the devices' time that was used, updates, staleness."""
        wall = max(self.ends, default=0.0)
        facts: dict[str, float] = {"simulated_wall": wall, "updates": self.updates}
        if wall:
            facts["busy"] = self.busy / (wall * self.devices)
        if self.staleness:
            facts |= {"staleness": float(np.mean(self.staleness)), "most_staleness": max(self.staleness)}
        return facts


@dataclass(frozen=True, order=True)
class _Batch(Generic[D]):
    """The architectures of a replica, and what it will send when the last one has ended."""

    end: float
    replica: int
    version: int = field(compare=False)  # updates before it fetched
    fetched: Arrays = field(compare=False)
    drawn: D = field(compare=False)
    rewards: np.ndarray = field(compare=False)


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
        self.clock = Clock()

    def search(self) -> None:
        """Works off events until the budget is spent; lets ``BudgetSpent`` pass."""
        replicas = self._rules.replicas
        awaited = replicas if self._rules.synchronous else 1
        running = [self._begun(replica, 0.0) for replica in range(replicas)]
        heapq.heapify(running)
        while True:
            arrived = [heapq.heappop(running) for _ in range(awaited)]
            self._update(arrived)
            for batch in arrived:
                heapq.heappush(running, self._begun(batch.replica, arrived[-1].end))

    def _begun(self, replica: int, now: float) -> _Batch[D]:
        """A replica fetches, draws and trains; the results are known here at once, but used when their time comes."""
        task, served, rules = self._task, self._served, self._rules
        minibatch = rules.minibatch()
        fetched, version = served.fetch(), self.clock.updates
        drawn = served.draw(task.rng.random((minibatch, served.decisions), np.float32))
        free = [now] * (rules.devices or minibatch)
        self.clock.devices = max(self.clock.devices, len(free) * rules.replicas)
        rewards = []
        for evaluation in task.evaluate_each(task.space.genotype(tuple(row)) for row in drawn.picks.tolist()):
            cost = self._cost(evaluation)
            end = heapq.heappop(free) + cost
            heapq.heappush(free, end)
            self.clock.ends.append(end)
            self.clock.busy += cost
            rewards.append(rules.reward(evaluation))
        return _Batch(max(free), replica, version, fetched, drawn, np.array(rewards))

    def _cost(self, evaluation: Evaluation) -> float:
        price = self._task.meter.price(seconds=evaluation.seconds, steps=evaluation.steps, macs=evaluation.macs)
        return price / self._unit

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
