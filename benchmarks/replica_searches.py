"""Searches by controller replicas on a table, for :mod:`benchmarks.replicas`."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

import numpy as np
from harness.methods.common.baseline import RewardBaseline
from harness.methods.common.ppo import LstmPolicy
from harness.methods.common.replicas import Replicas, Rules
from harness.methods.common.scaling import between
from harness.methods.common.served_policy import ServedPolicy

from benchmarks.additive import Deaf
from harness.core.budget import Budget, BudgetSpent, Meter
from harness.core.dataset import SearchData
from harness.core.recipe import Recipe
from harness.core.seeds import rng
from harness.core.space import Size
from harness.core.table import Signal, Table
from harness.core.task import Task
from harness.run.tables import TableEvaluator

CHILDREN = 8
"""Of a replica, the paper's m."""
UNITS, BOUND, DECAY = 35, 0.08, 0.95
"""NAS-RL's settings."""
WINDOW = 400
"""Children whose mean accuracy tells what the controller proposes."""
POLICY_GOAL, BEST_GOAL = 0.9, 0.999
"""Goals for that mean and for the best child, as quantiles of the accuracies in the table."""
POINTS = 120
"""Of a curve."""


@dataclass(frozen=True)
class Setup:
    """A number of devices, and how their gradients are applied."""

    devices: int
    synchronous: bool = False

    @property
    def replicas(self) -> int:
        """Of the controller; one device trains the children of one replica in turn."""
        return max(1, self.devices // CHILDREN)

    @property
    def name(self) -> str:
        """For tables and legends."""
        kind = "" if self.replicas == 1 else ", synchronous" if self.synchronous else ", asynchronous"
        return f"{self.devices} device{'s' if self.devices > 1 else ''}{kind}"


SETUPS = (Setup(1), Setup(8), Setup(80, True), Setup(80), Setup(800, True), Setup(800))


@dataclass(frozen=True)
class Search:
    """What a search was told, and when.

    Args:
        ends: simulated seconds of each child's end, ``(n,)``.
        accuracies: that the search was told, ``(n,)``.
        scores: of the architectures, which the search was not told, ``(n,)``; 0 where the table has none.
        seconds: of each child, ``(n,)``.
        different: how many different architectures they are.
        facts: of the clock.
    """

    ends: np.ndarray
    accuracies: np.ndarray
    scores: np.ndarray
    seconds: np.ndarray
    different: int
    facts: dict[str, float]

    def serial(self) -> Search:
        """The same search on one device: of one replica only the clock changes."""
        wall = {"simulated_wall": float(self.seconds.sum()), "busy": 1.0}
        return replace(self, ends=np.cumsum(self.seconds), facts=self.facts | wall)

    def told(self, signal: Signal) -> Told:
        """What is kept of it."""
        order = np.argsort(self.ends, kind="stable")
        ends, accuracies = self.ends[order], self.accuracies[order]
        recent = np.convolve(accuracies, np.full(WINDOW, 1 / WINDOW), "valid")
        later = ends[WINDOW - 1 :]
        goals = np.quantile(signal.accuracy, [POLICY_GOAL, BEST_GOAL])
        points = np.linspace(0, len(recent) - 1, POINTS).astype(int)
        return Told(
            {
                **self.facts,
                "children": len(ends),
                "different": self.different,
                "policy_seconds": _first(later, recent >= goals[0]),
                "best_seconds": _first(ends, accuracies >= goals[1]),
                "recent": float(recent[-1]),
                "score": float(self.scores[np.argmax(self.accuracies)]),
            },
            later[points].tolist(),
            recent[points].tolist(),
        )


@dataclass(frozen=True)
class Told:
    """What is kept of a search.

    Args:
        facts: of the clock; how many children, and different ones; simulated seconds until the goals, nan where they
            were not reached; the mean accuracy of the last :data:`WINDOW` children, and the score of the best.
        seconds, recent: :data:`POINTS` points of the mean accuracy of the last :data:`WINDOW` children over simulated
            time, equally far apart in children.
    """

    facts: dict[str, float]
    seconds: list[float]
    recent: list[float]


def _first(ends: np.ndarray, there: np.ndarray) -> float:
    return float(ends[np.argmax(there)]) if there.any() else float("nan")


def search(table: Table, signal: Signal, setup: Setup, children: int, rate: float, seed: int) -> Search:
    """One search.

    Args:
        table, signal: what is looked up.
        setup: of devices, a whole replica at least.
        children: that the device time buys at the mean of the table.
        rate: Adam's; 0: NAS-RL's for so many children.
        seed: of the search.
    """
    task = Task(
        space=table.space,
        data=SearchData.of_table(table.name),
        recipe=Recipe(size=Size(4, 3), steps=1),
        rng=rng(seed, "replicas"),
        seed=seed,
        meter=Meter(Budget(children * float(np.mean(signal.seconds)), "s"), 1, clock=lambda: 0.0),
        evaluator=TableEvaluator(table.rows, signal, 1, seed=seed),
        journal=Deaf(),
    )
    speed = rate or between(children, (20, 0.03), (12_800, 6e-4))
    policy = ServedPolicy(LstmPolicy(table.space, task.rng, units=UNITS, bound=BOUND))
    rules = Rules(setup.replicas, setup.synchronous, lambda: CHILDREN, lambda: speed, lambda e: e.accuracy**3)
    replicas = Replicas(task, policy, RewardBaseline(DECAY, "before"), rules)
    with contextlib.suppress(BudgetSpent):
        replicas.search()
    scores = {text: float(table.score[row]) for text, row in table.rows.items()}
    return Search(
        np.array(replicas.clock.ends),
        np.array([e.accuracy for e in task.evaluations]),
        np.array([scores.get(e.genotype, 0.0) for e in task.evaluations]),
        np.array([e.seconds for e in task.evaluations]),
        len({e.genotype for e in task.evaluations}),
        replicas.clock.facts(),
    )
