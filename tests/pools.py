"""Pools that train children beside each other, without processes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any

from fakes import make_task

from harness.core.evaluation import Evaluation, Proposal
from harness.core.task import Task


def task_with_pool(kind: type[Eager] | None, size: int, *words: Any, **more: Any) -> tuple[Task, Eager | None]:
    """A task whose children train in a pool of this kind, as :func:`fakes.make_task` makes it; None for no pool."""
    made: list[Task] = []
    pool = kind(size, lambda: made[0]) if kind else None
    made.append(make_task(*words, pool=pool, **more))
    return made[0], pool


class Eager:
    """Trains at once, and remembers.

    Attributes:
        begun: numbers of the trainings, in their order.
        most: so many were there at the same time.
    """

    def __init__(self, size: int, task: Callable[[], Task]) -> None:
        self.size, self._task = size, task
        self.begun: list[int] = []
        self.most = 0
        self._there: dict[int, tuple[Proposal, Evaluation]] = {}

    def keep_predictions(self) -> None:
        """Nothing to keep."""

    def begin(self, proposal: Proposal, number: int, left: float) -> None:
        task = self._task()
        self._there[number] = proposal, task._evaluator.evaluate(proposal, number, task.meter)
        self.begun.append(number)
        self.most = max(self.most, len(self._there))

    def taken(self, proposal: Proposal, number: int) -> Evaluation | None:
        known, evaluation = self._there.pop(number, (None, None))
        return evaluation if known == proposal else None

    def first(self, numbers: Sequence[int]) -> int:
        return numbers[0]

    def drop(self) -> None:
        self._there.clear()


class Race(Eager):
    """Trains on a clock of its own: each training takes its seconds, on the process that is free first.

    Attributes:
        now: seconds.
    """

    def __init__(self, size: int, task: Callable[[], Task]) -> None:
        super().__init__(size, task)
        self.now, self._free = 0.0, [0.0] * size
        self._ends: dict[int, float] = {}

    def begin(self, proposal: Proposal, number: int, left: float) -> None:
        super().begin(proposal, number, left)
        began = max(self.now, heapq.heappop(self._free))
        self._ends[number] = began + self._there[number][1].seconds
        heapq.heappush(self._free, self._ends[number])

    def first(self, numbers: Sequence[int]) -> int:
        number = min(numbers, key=lambda one: self._ends[one])
        self.now = max(self.now, self._ends[number])
        return number
