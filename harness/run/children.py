"""Processes that train children of one search at the same time, behind the fence of the search.

They are copies of the search's process from before it has used TensorFlow or loaded the method. Each trains what it is
handed as the search itself would: a training's numbers follow from the proposal and the number of its evaluation. They
end with the search's process, or are killed with what else that leaves behind.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pipe, connection
from multiprocessing.connection import Connection

from harness.core.budget import Budget, BudgetSpent, Meter
from harness.core.evaluation import Evaluation, Proposal
from harness.core.names import sentence
from harness.run.images import PreparedImages
from harness.run.job import Failure, Job


@dataclass(eq=False)
class _Order:
    """A training that was asked for.

    Args:
        proposal, number, left: see :class:`~harness.core.ahead.Pool`.
        keep: whether its predictions are kept.
        result: None until it is over; a text says what went wrong.
    """

    proposal: Proposal
    number: int
    left: float
    keep: bool
    result: Evaluation | BudgetSpent | str | None = None


@dataclass(eq=False)
class _Child:
    """A process, and what it is at."""

    pid: int
    pipe: Connection
    order: _Order | None = None


class Children:
    """A pool of processes; see :class:`harness.core.ahead.Pool`.

    Args:
        job: of the search.
        prepared: its data.
    """

    def __init__(self, job: Job, prepared: PreparedImages) -> None:
        self.size, self._keep = job.children, False
        self._orders: dict[int, _Order] = {}
        self._queue: deque[_Order] = deque()
        self._children: list[_Child] = []
        for _ in range(job.children):
            ours, theirs = Pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    for pipe in (ours, *(child.pipe for child in self._children)):
                        pipe.close()  # or the others would not notice that the search has ended
                    _serve(job, prepared, theirs)
                finally:
                    os._exit(0)
            theirs.close()
            self._children.append(_Child(pid, ours))

    def keep_predictions(self) -> None:
        """Trainings that begin from now on keep them."""
        self._keep = True

    def begin(self, proposal: Proposal, number: int, left: float) -> None:
        """Hands a training to an idle process, or has it wait for one."""
        self._orders[number] = _Order(proposal, number, left, self._keep)
        self._queue.append(self._orders[number])
        self._hand_out()

    def taken(self, proposal: Proposal, number: int) -> Evaluation | None:
        """Waits for a training; None if none was begun.

        Raises:
            BudgetSpent: the budget in seconds ended on the way.
            Failure: it broke, or its process ended.
        """
        order = self._orders.get(number)
        if order is None or order.proposal != proposal:
            return None
        while order.result is None:
            self._listen()
        del self._orders[number]
        match order.result:
            case BudgetSpent():
                raise order.result
            case str(reason):
                raise Failure(f"a child's training {reason}")
            case evaluation:
                return evaluation

    def drop(self) -> None:
        """Forgets what has not begun; what has is finished, and nobody is told."""
        self._orders.clear()
        self._queue.clear()

    def close(self) -> None:
        """Ends the processes."""
        for child in self._children:
            child.pipe.close()
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
        self._children.clear()

    def _hand_out(self) -> None:
        for child in self._children:
            if child.order is None and self._queue:
                order = child.order = self._queue.popleft()
                with contextlib.suppress(OSError):  # it has ended, which is heard of next
                    child.pipe.send((order.proposal, order.number, order.left, order.keep))

    def _listen(self) -> None:
        """Takes in what processes have done, and hands them more."""
        busy = {child.pipe: child for child in self._children if child.order is not None}
        for ready in connection.wait(list(busy)):
            child = busy[ready]  # type: ignore[index]
            assert child.order is not None
            try:
                child.order.result = child.pipe.recv()
            except (EOFError, OSError):
                self._children.remove(child)
                child.order.result = "lost its process; perhaps the machine's memory was used up"
            child.order = None
        self._hand_out()


def _serve(job: Job, prepared: PreparedImages, pipe: Connection) -> None:
    """Trains what comes through a pipe until it is closed."""
    evaluator = None
    while True:
        try:
            proposal, number, left, keep = pipe.recv()
        except EOFError:
            return
        if evaluator is None:  # not before: many searches never train two at a time
            prepared.start(job)
            _, _, evaluator = prepared.evaluator(job)
            gc.collect()
            gc.freeze()
        if keep:
            evaluator.keep_predictions()
        budget = job.profile.budget if job.profile.budget.counted else Budget(left, "s")
        result: Evaluation | BudgetSpent | str
        try:
            result = evaluator.evaluate(proposal, number, Meter(budget, evaluator.steps()))
        except BudgetSpent as spent:
            result = spent
        except Exception as error:
            result = f"raised {sentence(error)}"
        pipe.send(result)


@contextlib.contextmanager
def beside(job: Job) -> Iterator[Children | None]:
    """The pool of a search, if the command wants one and there is something to train."""
    if job.children == 1 or not isinstance(job.prepared, PreparedImages):
        yield None
        return
    with contextlib.closing(Children(job, job.prepared)) as pool:
        yield pool
