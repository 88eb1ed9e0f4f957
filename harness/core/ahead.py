"""Trainings that go on beside each other: a task reads proposals ahead, and a pool begins with them.

What a search is told, is charged and logs is as without: results come in the order asked, and nothing is read ahead
that would not have been read in a counted budget.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.core.budget import BudgetSpent
from harness.core.evaluation import Evaluation, Proposal


class Pool(Protocol):
    """Trains several proposals at the same time, as the task's evaluator would."""

    @property
    def size(self) -> int:
        """How many."""

    def keep_predictions(self) -> None:
        """As the evaluator's."""

    def begin(self, proposal: Proposal, number: int, left: float) -> None:
        """Begins a complete training, now or when another one has ended.

        Args:
            proposal, number: as for :meth:`~harness.core.evaluation.Evaluator.evaluate`.
            left: of the budget, in its unit; in seconds, a training that takes longer is stopped.
        """

    def taken(self, proposal: Proposal, number: int) -> Evaluation | None:
        """Waits for a training that was begun with this proposal and number; None if none was.

        Raises:
            BudgetSpent: the budget in seconds ended on the way.
        """

    def first(self, numbers: Sequence[int]) -> int:
        """Waits until one of these trainings, which were begun and not taken, has ended: the one that ended first."""

    def drop(self) -> None:
        """Forgets what was begun and not taken."""


@dataclass(frozen=True)
class Look:
    """What a task sees of a proposal before its turn.

    Args:
        cost: of its evaluation, in the unit of the meter's limit; 0 in seconds, which nobody knows before.
        number: of the evaluation, if there is something to train that a pool can do.
    """

    cost: float
    number: int | None


def read_ahead(
    proposals: Iterable[Proposal],
    pool: Pool,
    left: Callable[[], float],
    look: Callable[[Proposal, int, bool], Look],
) -> Iterator[Proposal]:
    """The proposals, each when its turn comes; by then the pool is at work on those that follow.

    Args:
        proposals: may be endless; as many are read as the pool has places, and in a counted budget none after the first
            that does not fit.
        pool: trains.
        left: of the budget, in units of the meter's limit.
        look: at a proposal, the number of those that are read and come before it, and whether it is one of them.

    Raises:
        BudgetSpent: reading has raised it; after those that were read before.
    """
    source, waiting, costs = iter(proposals), deque[Proposal](), deque[float]()
    spent: BudgetSpent | None = None
    over = False
    try:
        while True:
            while not over and len(waiting) < pool.size and (not waiting or sum(costs) <= left()):
                try:
                    proposal = next(source, None)
                except BudgetSpent as error:
                    proposal, spent = None, error
                if proposal is None:
                    over = True
                    break
                seen = look(proposal, len(waiting), proposal in waiting)
                waiting.append(proposal)
                costs.append(seen.cost)
                if seen.number is not None and 0 < left() >= sum(costs):
                    pool.begin(proposal, seen.number, left())
            if not waiting:
                if spent is not None:
                    raise spent
                return
            costs.popleft()
            yield waiting.popleft()
    finally:
        pool.drop()
