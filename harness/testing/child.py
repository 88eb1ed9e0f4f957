"""A search of one method in a process of its own: ``python -m harness.testing.child REQUEST.json``.

The data is tiny random images, and evaluations are looked up instead of trained, because the checks are about the
method. The fence of a real search stands, and everything that a real search logs is logged. Written into the request's
directory: ``outcome.json``, which holds nothing that depends on the clock.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.budget import BudgetSpent, Meter
from harness.core.evaluation import ENSEMBLE, Ensemble, Evaluation, Proposal
from harness.core.journal import State
from harness.core.method import Method
from harness.core.names import sentence
from harness.core.seeds import rng
from harness.core.space import Genotype, Space
from harness.core.task import Task
from harness.plugins.catalogue import Catalogue, load_method, named_space
from harness.run.fence import Forbidden, fence
from harness.run.journal import DiskJournal, Progress
from harness.run.profiles import SMOKE
from harness.run.search import summary
from harness.run.store import RunDirectory, read_lines, write_json
from harness.testing.fakes import FakeEvaluator, by_hash, tiny_data
from harness.testing.request import BUDGET, STEPS, Request
from harness.testing.scenarios import all_scenarios

_PATIENCE = 20
"""Calls after the end of the budget before the search is ended by force."""
HIDDEN_MODULES = ("harness.datasets",)


class Killed(BaseException):
    """Stands for SIGKILL."""


class MortalJournal(DiskJournal):
    """Counts writes and dies before one of them."""

    def __init__(self, directory: RunDirectory, dies_at: int | None) -> None:
        super().__init__(directory, Progress(directory.progress, "search"))
        self.dies_at, self.writes = dies_at, 0

    def _write(self) -> None:
        if self.writes == self.dies_at:
            raise Killed
        self.writes += 1

    def evaluated(self, number: int, evaluation: Evaluation, spent: float) -> None:
        """Appends, or dies."""
        self._write()
        super().evaluated(number, evaluation, spent)

    def proposed(self, proposal: Proposal, accuracy: float | None, spent: float, shared_weights: bool) -> None:
        """Appends, or dies."""
        self._write()
        super().proposed(proposal, accuracy, spent, shared_weights)

    def save(self, state: State) -> None:
        """Saves, or dies."""
        self._write()
        super().save(state)


class WatchedTask(Task):
    """Counts what goes by it, and notices a method that goes on after :class:`BudgetSpent`."""

    charged = 0
    """Gradient steps that the method has announced."""
    late = 0
    """Calls after the budget had ended."""
    give_up: Callable[[], None]
    """Called when the method does not stop."""
    _over = False

    def evaluate(self, proposals: Iterable[Proposal], *, again: bool = False, share: float = 1.0) -> list[Evaluation]:
        """Evaluates, and watches."""
        with self._watched():
            return super().evaluate(proposals, again=again, share=share)

    def step(self, steps: int = 1, *, macs: int = 0) -> None:
        """Charges, and watches."""
        with self._watched():
            super().step(steps, macs=macs)
            self.charged += steps

    @contextlib.contextmanager
    def _watched(self) -> Any:
        if self._over:
            self.late += 1
            if self.late > _PATIENCE:
                self.give_up()
        try:
            yield
        except BudgetSpent:
            self._over = True
            raise


def make_method(name: str, plugins: Iterable[str] = ()) -> Method:
    """The method as the smoke profile has it."""
    cls = load_method(Catalogue([Path(path) for path in plugins]).source("method", name))
    return cls(**cls.scaled.get(SMOKE.name, {}))


def space_of(method: Method, request: Request) -> Space:
    """The small version of the method's own space, or the one that the request names."""
    catalogue = Catalogue([Path(path) for path in request.plugins])
    return named_space(request.space or SMOKE.space_for(method.space), catalogue)


def search(
    method: Method, space: Space, directory: RunDirectory, dies_at: int | None
) -> tuple[WatchedTask, MortalJournal, FakeEvaluator, str]:
    """One attempt: a fresh task on the same data, seed and directory; the last value is why the search failed."""
    journal = MortalJournal(directory, dies_at)
    data = tiny_data(images=96, side=8, channels=1, classes=3)
    evaluator = FakeEvaluator(by_hash, gradient_steps=STEPS, labels=data.y_valid)
    task = WatchedTask(
        space=space,
        data=data,
        recipe=SMOKE.proxy,
        rng=rng(0, "search"),
        seed=11,
        meter=Meter(BUDGET, STEPS),
        evaluator=evaluator,
        journal=journal,
    )
    task.give_up = lambda: _end(directory, told(task, journal, evaluator, ""))
    error = ""
    try:
        if reason := method.unsupported(task):
            error = f"it says of its own space '{space.name}' that it cannot work there: {reason}"
        else:
            with contextlib.suppress(BudgetSpent):
                method.search(task)
    except Exception as caught:
        error = f"{sentence(caught)}{_where(caught, type(method).__module__)}"
        traceback.print_exc()
    finally:
        journal.close()
    return task, journal, evaluator, error


def _where(error: BaseException, module: str) -> str:
    """The last line of the method's own file that the exception came through."""
    file = getattr(sys.modules.get(module), "__file__", None)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" ({Path(file).name}, line {lines[-1]})" if file and lines else ""


def outcome(task: WatchedTask, directory: RunDirectory) -> dict[str, Any]:
    """What the search did, without anything that depends on the clock."""
    evaluations = [
        {name: row[name] for name in ("number", "genotype", "accuracy", "steps", "failure", "spent")}
        for row in read_lines(directory.evaluations)
    ]
    proposals = read_lines(directory.proposals)
    proposed = task.proposal.members if isinstance(task.proposal, Ensemble) else (task.proposal,)
    inside = [isinstance(p, Genotype) and task.space.contains(p) for p in proposed if p is not None]
    return {
        "proposal": None if task.proposal is None else str(task.proposal),
        "genotype": isinstance(task.proposal, Genotype | Ensemble),
        "inside": all(inside),
        "parsed": all(_parses(task, row["genotype"]) for row in proposals),
        "spent": task.meter.spent,
        "limit": task.meter.limit,
        "evaluations": evaluations,
        "proposals": proposals,
        "summary": summary(task, STEPS),
    }


def told(task: WatchedTask, journal: MortalJournal, evaluator: FakeEvaluator, error: str) -> dict[str, Any]:
    """What was watched from outside."""
    return {
        **{"error": error, "writes": journal.writes, "trained": len(evaluator.trained)},
        **{"charged": task.charged, "late": task.late, "changed_limit": task.meter.limit != BUDGET.amount},
    }


def _end(directory: RunDirectory, some: dict[str, Any]) -> None:
    """Ends a process whose method does not stop; it may catch every exception."""
    task_is_lost: dict[str, Any] = {
        "proposal": None,
        "genotype": False,
        "inside": True,
        "parsed": True,
        "proposals": [],
        "summary": {},
    }
    rest = {"evaluations": [], "spent": 0.0, "limit": BUDGET.amount, "generators": True, "died": False}
    write_json(directory.path / "outcome.json", {**task_is_lost, **rest, **some})
    os._exit(0)


def _parses(task: Task, text: str) -> bool:
    if text.startswith("keras:"):
        return True
    members = text.removeprefix(ENSEMBLE).split(" & ") if text.startswith(ENSEMBLE) else [text]
    return all(str(task.space.parse(member)) == member for member in members)


def global_generators() -> tuple[Any, ...]:
    """The state of the generators that no method may touch."""
    words = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    return random.getstate(), words["key"].tolist(), words["pos"]


def perform(request: Request) -> dict[str, Any]:
    """Searches, twice if the first search was killed, and tells what happened."""
    from harness.nets import runtime

    directory = RunDirectory(Path(request.directory))
    directory.path.mkdir(parents=True)
    if request.strict:
        warnings.simplefilter("error", category=DeprecationWarning)
    method = make_method(request.method, request.plugins)
    space = space_of(method, request)
    fence(Forbidden(tuple(Path(path).absolute() for path in request.hidden), HIDDEN_MODULES))
    runtime.start(threads=1, deterministic=True, seed=0)
    random.seed(request.globals_seed)
    np.random.seed(request.globals_seed)  # noqa: NPY002
    before = global_generators()
    died = False
    try:
        task, journal, evaluator, error = search(method, space, directory, request.dies_at)
    except Killed:
        died = True
        task, journal, evaluator, error = search(method, space, directory, None)
    generators = before == global_generators()
    return outcome(task, directory) | told(task, journal, evaluator, error) | {"generators": generators, "died": died}


def scenarios(request: Request) -> dict[str, Any]:
    """Takes the method through the scenarios; nothing is trained, so that TensorFlow is not needed."""
    Path(request.directory).mkdir(parents=True)
    method = make_method(request.method, request.plugins)
    return dict(all_scenarios(type(method), space_of(method, request)))


def main(path: str | None = None) -> None:
    """Does what the request in a file asks for and ends the process.

    Args:
        path: of the file; by default it is the command's only word.
    """
    request = Request.read(Path(path or sys.argv[1]))
    result = scenarios(request) if request.scenarios else perform(request)
    write_json(Path(request.directory, "outcome.json"), result)
    sys.stdout.flush()
    os._exit(0)  # not even a thread that the method has left behind keeps this process


if __name__ == "__main__":
    main()
