"""The budget of a search: in seconds, for people, or in counted work, for exact repetition."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

from harness.core.errors import InputError

Unit = Literal["s", "evals", "steps", "macs"]
_PATTERN = re.compile(r"^\s*(\d+(?:\.\d+)?(?:e\+?\d{1,2})?)\s*(s|evals|steps|macs|m|h|d)\s*$", re.ASCII)
PASSES_PER_STEP = 3
"""Forward passes that a gradient step costs on the same images: one forward, two for the backward pass."""
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_MOST: dict[Unit, float] = {"s": 1e12, "evals": 1e9, "steps": 1e12, "macs": 1e24}
"""What nobody can mean; on a table seconds are simulated, and papers have spent thousands of days of graphics cards."""


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
            shared weights and methods that train children get the same amount of work. ``"macs"``: multiply-accumulates
            of training, the same amount of arithmetic on any machine and in any space. A forward pass of an image costs
            the network's multiply-accumulates, a gradient step three times that (:data:`PASSES_PER_STEP`).
    """

    amount: float
    unit: Unit

    def __str__(self) -> str:
        short = f"{self.amount:g}".replace("e+", "e")
        exact = float(short) == self.amount and self.unit == "macs"
        return f"{short if exact else f'{self.amount:.15g}'}{'' if self.unit == 's' else ' '}{self.unit}"

    @property
    def counted(self) -> bool:
        """Whether the budget counts work and not time; then a run can be repeated exactly."""
        return self.unit != "s"

    @staticmethod
    def parse(text: str) -> Budget:
        """The budget of a text like ``60s``, ``2m``, ``1h``, ``2d``, ``50evals``, ``500steps`` or ``2e12macs``.

        Raises:
            InputError: the text is no budget, or the budget is zero, less than one evaluation, or larger than
                anybody can mean.
        """
        match = _PATTERN.match(text)
        if match is None:
            raise InputError(f"'{text}' is no budget; write one like 60s, 10m, 2h, 50evals, 500steps or 2e12macs")
        amount, unit = float(match[1]), match[2]
        if amount <= 0:
            raise InputError("a budget must be larger than zero")
        found = Budget(amount * _SECONDS.get(unit, 1.0), "s" if unit in _SECONDS else _counted(unit))
        if found.unit == "evals" and found.amount < 1:
            raise InputError(f"'{text}' is less than one evaluation, and no search ends without; write 1evals or more")
        if found.amount > _MOST[found.unit]:
            raise InputError(
                f"'{text}' is more than any search can spend; {_MOST[found.unit]:.0e}{found.unit} is the most"
            )
        return found


def _counted(unit: str) -> Unit:
    return "evals" if unit == "evals" else "macs" if unit == "macs" else "steps"


def whole(count: float) -> int:
    """A count as Python's integer: JSON takes no NumPy numbers. A fraction counts as one, so that nothing is free."""
    return int(count) if isinstance(count, Integral) else math.ceil(count)


class Meter:
    """Counts what a search has spent, and stops the search when the budget is spent.

    In budgets of seconds, ``spent`` is the wall-clock time outside evaluators plus the cost that the evaluators report.
    In counted budgets it is the number of gradient steps or of multiply-accumulates. All are counted in any case.

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
        self.steps = self.macs = 0
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
    def own(self) -> float:
        """Seconds of the method itself, outside of evaluators."""
        return self._clock() - self._started - self._excluded

    @property
    def spent(self) -> float:
        """Units of the limit used so far: seconds, gradient steps or multiply-accumulates."""
        if self.budget.counted:
            return float(self._work)
        return self.own + self.charged

    @property
    def reported(self) -> float:
        """:attr:`spent` without the method's own time: the same again when an interrupted search replays its log."""
        return float(self._work) if self.budget.counted else self.charged

    @property
    def share(self) -> float:
        """Share of the limit that is spent, 0 to 1."""
        return min(1.0, self.spent / self.limit)

    @property
    def _work(self) -> int:
        return self.macs if self.budget.unit == "macs" else self.steps

    def price(self, *, seconds: float, steps: int, macs: int) -> float:
        """What this much work costs in units of the limit."""
        if not self.budget.counted:
            return seconds
        return float(macs if self.budget.unit == "macs" else steps)

    @property
    def left(self) -> float:
        """Units of the limit that remain; never negative."""
        return max(0.0, self.limit - self.spent)

    def check(self) -> None:
        """Raises :class:`BudgetSpent` if nothing is left."""
        if self.spent >= self.limit:
            raise BudgetSpent

    def afford(self, steps: int, macs: int = 0) -> None:
        """Raises :class:`BudgetSpent` unless this much more work fits (counted budgets), or time is left."""
        if self.budget.counted and self.spent + self.price(seconds=0.0, steps=steps, macs=macs) > self.limit:
            raise BudgetSpent
        self.check()

    def charge(self, *, seconds: float, steps: int, macs: int = 0) -> None:
        """Adds the reported cost of an evaluation.

        Raises:
            ValueError: a cost is negative, infinite, or no number.
        """
        if not all(0 <= cost < math.inf for cost in (seconds, steps, macs)):
            raise ValueError(
                f"nothing costs {seconds} s, {steps} steps and {macs} macs: costs are finite and not negative"
            )
        self.charged += float(seconds)
        self.steps += whole(steps)
        self.macs += whole(macs)

    def exclude(self, seconds: float) -> None:
        """Takes seconds inside an evaluator, or in the harness' own book-keeping, off the method's clock."""
        self._excluded += seconds

    def restore(self, *, seconds: float, steps: int, macs: int = 0, own: float = 0.0) -> None:
        """Continues from what an interrupted run had spent; ``seconds`` were charged, ``own`` are the method's own."""
        self.charged, self.steps, self.macs = seconds, steps, macs
        self._started, self._excluded = self._clock() - own, 0.0
