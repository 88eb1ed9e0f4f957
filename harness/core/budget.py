"""The budget of a search: in seconds, for people, or in counted work, for exact repetition."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.core.errors import InputError

Unit = Literal["s", "evals", "steps"]
_PATTERN = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(s|evals|steps|m|h|d)\s*$")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class BudgetSpent(BaseException):
    """The search's budget is used up.

    Derives from ``BaseException`` because libraries that run user code inside trials (Keras Tuner) swallow
    ``Exception``. A method lets it pass; the harness catches it.
    """


@dataclass(frozen=True)
class Budget:
    """How much a search may spend.

    Args:
        amount: a positive number.
        unit: ``"s"``: seconds of the device; ``"steps"``: gradient steps; ``"evals"``: evaluations, that is proxy
            trainings. One evaluation counts as the gradient steps of one proxy training, so that methods that train
            shared weights and methods that train children get the same amount of work.
    """

    amount: float
    unit: Unit

    def __str__(self) -> str:
        return f"{self.amount:g}{'' if self.unit == 's' else ' '}{self.unit}"

    @property
    def counted(self) -> bool:
        """Whether the budget counts work and not time; then a run can be repeated exactly."""
        return self.unit != "s"

    @staticmethod
    def parse(text: str) -> Budget:
        """The budget of a text like ``60s``, ``2m``, ``1h``, ``2d``, ``50evals`` or ``500steps``.

        Raises:
            InputError: the text is no budget, or the budget is zero.
        """
        match = _PATTERN.match(text)
        if match is None:
            raise InputError(f"'{text}' is no budget; write one like 60s, 10m, 2h, 50evals or 500steps")
        amount, unit = float(match[1]), match[2]
        if amount <= 0:
            raise InputError("a budget must be larger than zero")
        if unit in _SECONDS:
            return Budget(amount * _SECONDS[unit], "s")
        return Budget(amount, "evals" if unit == "evals" else "steps")


class Meter:
    """Counts what a search has spent, and stops the search when the budget is spent.

    In budgets of seconds, ``spent`` is the wall-clock time outside evaluators plus the cost that the evaluators report.
    In counted budgets it is the number of gradient steps.

    Args:
        budget: the limit.
        steps_per_evaluation: gradient steps of one proxy training, the exchange rate of ``evals``.
        clock: seconds, monotonic; a test passes its own.
    """

    def __init__(
        self, budget: Budget, steps_per_evaluation: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.budget = budget
        self.limit = budget.amount * steps_per_evaluation if budget.unit == "evals" else budget.amount
        self.charged = 0.0
        self.steps = 0
        self._clock = clock
        self._started = clock()
        self._excluded = 0.0

    def __deepcopy__(self, memo: dict[int, object]) -> Meter:
        """Itself: Keras Tuner deep-copies callbacks, and nobody would read what a copy has counted."""
        return self

    def now(self) -> float:
        """Seconds on the meter's clock, to measure a time that :meth:`exclude` then takes off."""
        return self._clock()

    @property
    def spent(self) -> float:
        """Units of the limit used so far: seconds, or gradient steps."""
        if self.budget.counted:
            return float(self.steps)
        return self._clock() - self._started - self._excluded + self.charged

    @property
    def left(self) -> float:
        """Units of the limit that remain; never negative."""
        return max(0.0, self.limit - self.spent)

    def check(self) -> None:
        """Raises :class:`BudgetSpent` if nothing is left."""
        if self.spent >= self.limit:
            raise BudgetSpent

    def afford(self, steps: int) -> None:
        """Raises :class:`BudgetSpent` unless ``steps`` more gradient steps fit (counted budgets), or time is left."""
        if self.budget.counted and self.steps + steps > self.limit:
            raise BudgetSpent
        self.check()

    def charge(self, *, seconds: float, steps: int) -> None:
        """Adds the reported cost of an evaluation."""
        self.charged += seconds
        self.steps += steps

    def exclude(self, seconds: float) -> None:
        """Takes seconds inside an evaluator, or in the harness' own book-keeping, off the method's clock."""
        self._excluded += seconds

    def restore(self, *, seconds: float, steps: int) -> None:
        """Continues from what an interrupted run had spent."""
        self.charged, self.steps = seconds, steps
        self._started, self._excluded = self._clock(), 0.0
