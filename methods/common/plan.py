"""How a budget is divided: cycles of a learning rate, and what is kept for training candidates from scratch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import Genotype, Task, rng
from harness.core.schedule import cosine

MOST_KEPT = 0.3
"""Share of the budget that may be kept for training candidates from scratch."""
EXAMPLES = 10
"""Random architectures whose mean cost stands for that of any."""
MARGIN = 1.2
"""Factor on that mean for finalists, where trainings differ in cost: the best may be dearer than random ones."""


@dataclass(frozen=True)
class Cycles:
    """Cosine annealing with warm restarts (Loshchilov & Hutter 2017), laid out as shares of the budget.

    The papers count epochs: with a first cycle of 10 and a factor of 2, five cycles are the 310 epochs of ENAS. Here
    the same cycles fill the budget, whatever it is.

    Args:
        high, low: the rate after and before a restart.
        count: of the cycles.
        factor: by which each cycle is longer than the one before.
        end: share of the budget at which the last cycle ends.
    """

    high: float
    low: float
    count: int
    factor: float
    end: float = 1.0

    def place(self, share: float) -> tuple[int, float]:
        """The cycle, counted from 0, and the share of it that is over; ``(count, 0)`` behind the last one."""
        first = self.end / sum(self.factor**number for number in range(self.count))
        begin = 0.0
        for number in range(self.count):
            length = first * self.factor**number
            if share < begin + length - 1e-12:
                return number, max(0.0, (share - begin) / length)
            begin += length
        return self.count, 0.0

    def rate(self, share: float) -> float:
        """The learning rate when ``share`` of the budget is spent."""
        number, done = self.place(share)
        done = 1.0 if number == self.count else done
        return cosine(self.high, self.low, done)


class Reserve:
    """The share of the budget that is kept for training the best candidates, before these are known.

    Their cost is guessed from the same few random architectures all the time, so that the plan does not sway with the
    candidates of the moment.

    Args:
        task: of the search.
    """

    def __init__(self, task: Task) -> None:
        self._task, self._examples = task, examples(task)

    def kept(self, wanted: int, step_seconds: float, batch: int) -> tuple[int, float]:
        """Number of candidates that can be trained from scratch at the end, and the share of the budget for that.

        At most :data:`MOST_KEPT` of the budget is kept; a single candidate needs no comparison, so it is none or at
        least two.

        Args:
            wanted: how many at most.
            step_seconds: of a gradient step of the method's own, from which a training's time is guessed where the
                budget is in seconds and nothing has been evaluated.
            batch: images per step.
        """
        if not wanted:
            return 0, 0.0
        meter, recipe = self._task.meter, self._task.recipe
        cost = float(np.mean([self._task.cost(example) for example in self._examples]))
        if cost == 0.0:
            cost = step_seconds * recipe.steps * recipe.batch / batch
        if meter.budget.unit not in ("evals", "steps"):
            cost *= MARGIN
        if cost <= 0.0:
            return 0, 0.0
        count = min(wanted, int(MOST_KEPT * meter.limit / cost))
        return (count, count * cost / meter.limit) if count > 1 else (0, 0.0)


def examples(task: Task) -> list[Genotype]:
    """The random architectures whose mean cost stands for that of a finalist, the same ones throughout a search."""
    draws = rng(task.seed, "plan of trainings")
    return [task.space.sample(draws) for _ in range(EXAMPLES)]
