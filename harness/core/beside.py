"""Evaluations that a method begins now and asks for later, so that their trainings go on beside each other.

Where one training goes on at a time, and in every counted budget, they come in the order in which they were begun: a
search that can be repeated must not depend on which process was faster. In a budget of seconds whose trainings go on in
several processes they may come as they end.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.core.ahead import Look, Pool
from harness.core.evaluation import Evaluation, Proposal


@dataclass(frozen=True, eq=False)
class Begun:
    """An evaluation that was begun.

    Args:
        proposal: what is evaluated.
        number: of its training; the one that was begun before has one less.
        cost: in units of the meter's limit; 0 in seconds, which nobody knows before.
    """

    proposal: Proposal
    number: int
    cost: float


class Beside(Protocol):
    """Evaluations that were begun. Until the last of them was handed over, the method evaluates nothing else."""

    def begin(self, proposal: Proposal) -> Begun:
        """Begins a complete evaluation; a proposal that was evaluated before is charged again and not trained again.

        Raises:
            BudgetSpent: in a counted budget, it does not fit beside what was begun; this was evaluated before.
        """

    def next(self) -> tuple[Begun, Evaluation]:
        """Waits for the next evaluation, which is charged and logged now.

        Raises:
            BudgetSpent: it does not fit into the budget. Let it pass.
            IndexError: none was begun.
        """


@dataclass(frozen=True)
class Desk:
    """What is needed of a task.

    Args:
        evaluated: how many evaluations there are.
        left: of the budget, in units of the meter's limit.
        look: at a proposal, the number of evaluations that come before it and are not there yet, and whether one of
            these is of the same architecture.
        evaluate: a proposal, with the number of its training.
        logged: the evaluation that an interrupted search has logged under a number.
        at_hand: whether evaluating a proposal takes no training.
        wait: calls, and does not count the time as the method's.
    """

    evaluated: Callable[[], int]
    left: Callable[[], float]
    look: Callable[[Proposal, int, bool], Look]
    evaluate: Callable[[Proposal, int], Evaluation]
    logged: Callable[[int], Evaluation | None]
    at_hand: Callable[[Proposal], bool]
    wait: Callable[[Callable[[], int]], int]


class InOrder:
    """Evaluations come in the order in which they were begun.

    Args:
        desk: of the task.
        pool: trains ahead; None: each is trained when it is asked for.
    """

    def __init__(self, desk: Desk, pool: Pool | None) -> None:
        self._desk, self._pool = desk, pool
        self._waiting, self._texts, self._costs = deque[Begun](), Counter[str](), 0.0
        self._ready = deque[tuple[Begun, Evaluation]]()

    def begin(self, proposal: Proposal) -> Begun:
        """See :class:`Beside`."""
        desk, text, ahead = self._desk, str(proposal), len(self._waiting)
        seen = desk.look(proposal, ahead, self._texts[text] > 0)
        begun = Begun(proposal, desk.evaluated() + ahead, seen.cost)
        self._waiting.append(begun)
        self._texts[text] += 1
        self._costs += begun.cost
        left = desk.left()
        if self._costs > left:
            while self._waiting:
                self._ready.append(self._evaluated())
        elif self._pool is not None and seen.number is not None and left > 0:
            self._pool.begin(proposal, seen.number, left)
        return begun

    def next(self) -> tuple[Begun, Evaluation]:
        """See :class:`Beside`."""
        return self._ready.popleft() if self._ready else self._evaluated()

    def _evaluated(self) -> tuple[Begun, Evaluation]:
        begun = self._waiting.popleft()
        self._texts[str(begun.proposal)] -= 1
        self._costs -= begun.cost
        return begun, self._desk.evaluate(begun.proposal, begun.number)


class AsTheyEnd:
    """Evaluations come as their trainings end, those that take no training first.

    A search that goes on is given them in the order of its log, so that it comes to where it was.

    Args:
        desk: of the task.
        pool: trains.
    """

    def __init__(self, desk: Desk, pool: Pool) -> None:
        self._desk, self._pool = desk, pool
        self._waiting: list[Begun] = []
        self._training: dict[int, Begun] = {}
        self._log = Counter[str]()
        number = desk.evaluated()
        while (logged := desk.logged(number)) is not None:
            self._log[logged.genotype] += 1
            number += 1

    def begin(self, proposal: Proposal) -> Begun:
        """See :class:`Beside`."""
        desk, text, left = self._desk, str(proposal), self._desk.left()
        begun = Begun(proposal, desk.evaluated() + len(self._waiting), 0.0)
        twin = any(str(one.proposal) == text for one in self._waiting)
        if self._log[text]:
            self._log[text] -= 1
        elif left > 0 and not twin and not desk.at_hand(proposal):
            self._pool.begin(proposal, begun.number, left)
            self._training[begun.number] = begun
        self._waiting.append(begun)
        return begun

    def next(self) -> tuple[Begun, Evaluation]:
        """See :class:`Beside`."""
        begun = self._first()
        self._waiting.remove(begun)
        self._training.pop(begun.number, None)
        return begun, self._desk.evaluate(begun.proposal, begun.number)

    def _first(self) -> Begun:
        logged = self._desk.logged(self._desk.evaluated())
        if logged is not None:
            # If there is none, evaluating says that the log is not of this search.
            return next((one for one in self._waiting if str(one.proposal) == logged.genotype), self._waiting[0])
        there = next((one for one in self._waiting if self._desk.at_hand(one.proposal)), None)
        if there is None and not self._training:  # nothing of the budget is left
            return self._waiting[0]
        # One that waits for the training of the same architecture comes after it.
        return there or self._training[self._desk.wait(lambda: self._pool.first(list(self._training)))]
