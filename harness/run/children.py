"""Processes that train children of one search at the same time, behind the fence of the search.

They are copies of the search's process from before it has used TensorFlow or loaded the method. Each trains what it is
handed as the search itself would: a training's numbers follow from the proposal and the number of its evaluation.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.core.budget import Budget, BudgetSpent, Meter
from harness.core.evaluation import Evaluation, Proposal
from harness.run.backends.base import Broken, Copies, Question, copies
from harness.run.fence import fence
from harness.run.images import PreparedImages, evaluator_of
from harness.run.job import Failure, Job
from harness.run.store import RunDirectory

_Order = tuple[Proposal, int, float, bool]
"""A proposal, the number of its training, what is left of the budget, and whether predictions are kept."""


class Children:
    """Trains in copies of this process; see :class:`harness.core.ahead.Pool`.

    Args:
        job: of the search.
        processes: the copies.

    Attributes:
        restarts: processes that have ended at a training which was done again.
    """

    def __init__(self, job: Job, processes: Copies) -> None:
        self.size, self._keep, self.restarts = job.children, False, 0
        self._processes = processes
        self._begun: dict[int, tuple[Proposal, Question]] = {}

    def keep_predictions(self) -> None:
        """Trainings that begin from now on keep them."""
        self._keep = True

    def begin(self, proposal: Proposal, number: int, left: float) -> None:
        """Hands a training to an idle process, or has it wait for one."""
        order: _Order = proposal, number, left, self._keep
        self._begun[number] = proposal, self._processes.ask(order, near=self._keep)

    def taken(self, proposal: Proposal, number: int) -> Evaluation | None:
        """Waits for a training; None if none was begun.

        One whose process has ended is done again, with the same numbers. Its seconds are those of both.

        Raises:
            BudgetSpent: the budget in seconds ended on the way.
            Failure: it broke, or its processes ended.
        """
        known, question = self._begun.get(number, (None, None))
        if question is None or known != proposal:
            return None
        del self._begun[number]
        try:
            evaluation: Evaluation | None = self._processes.answer(question)
        except Broken as broken:
            raise Failure(f"a child's training {broken}") from broken
        self.restarts += question.losses
        if evaluation is None:
            raise BudgetSpent
        return replace(evaluation, seconds=evaluation.seconds + question.lost)

    def first(self, numbers: Sequence[int]) -> int:
        """Waits for one of these trainings, which were begun: the number of the one that has ended first."""
        questions = {self._begun[number][1]: number for number in numbers}
        return questions[self._processes.first(list(questions))]

    def drop(self) -> None:
        """Forgets everything; what has begun on this machine is finished, and nobody is told."""
        self._begun.clear()
        self._processes.forget()


def _trainer(job: Job, prepared: PreparedImages) -> Callable[[_Order], Evaluation | None]:
    """What trains in a process; its answer is None if the budget in seconds ends on the way."""
    prepared.start(job)
    _, _, evaluator = evaluator_of(prepared, job)

    def train(order: _Order) -> Evaluation | None:
        proposal, number, left, keep = order
        if keep:
            evaluator.keep_predictions()
        budget = job.profile.budget if job.profile.budget.counted else Budget(left, "s")
        try:
            return evaluator.evaluate(proposal, number, Meter(budget, evaluator.steps()))
        except BudgetSpent:
            return None

    return train


def help_out(job: Job, order: bytes, directory: Path) -> bytes:
    """Trains a child of a search that is on another machine, behind a fence of its own.

    Args:
        job: of the search.
        order, directory: see :attr:`harness.run.backends.base.Call.helps`.
    """
    prepared = job.prepared
    assert isinstance(prepared, PreparedImages)
    opened = (*job.forbidden.opened, directory)
    forbidden = replace(job.forbidden, opened=opened, writable=(directory,))
    job = replace(job, directory=RunDirectory(directory), forbidden=forbidden)
    fence(job.forbidden)  # before anything is unpickled that the search has written
    return pickle.dumps(_trainer(job, prepared)(pickle.loads(order)))


@contextlib.contextmanager
def beside(job: Job) -> Iterator[Children | None]:
    """The pool of a search, if the command wants one and there is something to train; to be entered behind the fence,
    and before anything else."""
    prepared = job.prepared
    if job.children == 1 or not isinstance(prepared, PreparedImages):
        yield None
        return
    with contextlib.closing(copies(job.children, lambda: _trainer(job, prepared))) as processes:
        yield Children(job, processes)
