"""A search of one method in a process of its own: ``python -m harness.testing.child REQUEST.json``.

The data is tiny random images, and evaluations are looked up instead of trained, because the checks are about the
method. The fence of a real search stands, and everything that a real search logs is logged. Written into the request's
directory: ``outcome.json``, which holds nothing that depends on the clock.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.beside import Begun, Beside
from harness.core.budget import BudgetSpent, Meter, whole
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


_WALL_CLOCK = ("seconds", "times", "pace")
"""Last words of the names of what a checkpoint holds of wall-clock time, which differs from search to search."""
_TORN = '{"number": 3, "geno'
"""What a kill leaves of a row."""
Stop = Callable[[int, Path | None], None]
"""Called before each write, with its number and the log that the row goes to; None: it is a checkpoint."""


class Killed(BaseException):
    """Stands for SIGKILL."""


class CountingJournal(DiskJournal):
    """Counts writes, and calls before each."""

    def __init__(self, directory: RunDirectory, before: Stop = lambda number, log: None) -> None:
        super().__init__(directory, Progress(directory.progress, "search"))
        self.writes = 0
        self._before, self._files = before, directory

    def _write(self, log: Path | None) -> None:
        self._before(self.writes, log)
        self.writes += 1

    def evaluated(self, number: int, evaluation: Evaluation, spent: float) -> None:
        """Counts and appends."""
        self._write(self._files.evaluations)
        super().evaluated(number, evaluation, spent)

    def proposed(self, proposal: Proposal, accuracy: float | None, spent: float, shared_weights: bool) -> None:
        """Counts and appends."""
        self._write(self._files.proposals)
        super().proposed(proposal, accuracy, spent, shared_weights)

    def save(self, state: State) -> None:
        """Counts and saves."""
        self._write(None)
        super().save(state)


def dying(at: int) -> Stop:
    """Dies in a write: a part of the row is there, while a checkpoint is replaced as a whole or not at all."""

    def before(number: int, log: Path | None) -> None:
        if number == at:
            _tear(log)
            raise Killed

    return before


def copying(directory: RunDirectory, folder: Path) -> Stop:
    """Leaves a directory as a kill in each write would have left it, named after the number of the write."""

    def before(number: int, log: Path | None) -> None:
        shutil.copytree(directory.path, folder / str(number))
        _tear(None if log is None else folder / str(number) / log.name)

    return before


def _tear(log: Path | None) -> None:
    if log is not None:
        with log.open("a", encoding="utf-8") as file:
            file.write(_TORN)


class WatchedBeside:
    """Hands everything on, and watches.

    Args:
        beside: what the task gave.
        watched: each call is made within one.
    """

    def __init__(self, beside: Beside, watched: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        self._beside, self._watched = beside, watched

    def begin(self, proposal: Proposal) -> Begun:
        """See the base class."""
        with self._watched():
            return self._beside.begin(proposal)

    def next(self) -> tuple[Begun, Evaluation]:
        """See the base class."""
        with self._watched():
            return self._beside.next()


class WatchedTask(Task):
    """Counts what goes by it, and notices a method that goes on after :class:`BudgetSpent`."""

    charged = 0
    """Gradient steps that the method has announced."""
    recorded = 0
    """Gradient steps of the trainings that it has logged as its own."""
    late = 0
    """Calls after the budget had ended."""
    give_up: Callable[[], None]
    """Called when the method does not stop."""
    _over = False

    def evaluate_each(
        self, proposals: Iterable[Proposal], *, again: bool = False, share: float = 1.0
    ) -> Iterator[Evaluation]:
        """Evaluates, and watches; ``evaluate`` comes by here too."""
        evaluations = super().evaluate_each(proposals, again=again, share=share)
        while True:
            with self._watched():
                evaluation = next(evaluations, None)
            if evaluation is None:
                return
            yield evaluation

    def beside(self, *, as_they_end: bool = False) -> Beside:
        """What it gives is watched."""
        return WatchedBeside(super().beside(as_they_end=as_they_end), self._watched)

    def record(self, text: str, train: Callable[[], Evaluation], proposal: Proposal | None = None) -> Evaluation:
        """Logs, and watches."""
        with self._watched():
            evaluation = super().record(text, train, proposal)
        self.recorded += evaluation.steps
        return evaluation

    def step(self, steps: int = 1, *, macs: int = 0) -> None:
        """Charges, and watches."""
        with self._watched():
            super().step(steps, macs=macs)
            self.charged += whole(steps)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
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
    method: Method, space: Space, directory: RunDirectory, before: Stop = lambda number, log: None
) -> dict[str, Any]:
    """One attempt: a fresh task on the same data, seed and directory. What it did, without what depends on the clock.

    Args:
        before: called before each write.

    Raises:
        Killed: `before` has raised it.
    """
    directory.path.mkdir(parents=True, exist_ok=True)
    journal = CountingJournal(directory, before)
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
    return outcome(task, directory) | told(task, journal, evaluator, error)


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
        "checkpoint": digests(directory),
    }


def digests(directory: RunDirectory) -> dict[str, str]:
    """Of each entry of the last checkpoint, but of those that hold wall-clock time."""
    if not directory.checkpoint.exists():
        return {}
    with np.load(directory.checkpoint, allow_pickle=False) as stored:
        state: dict[str, np.ndarray] = {name: stored[name] for name in stored.files}
    task = json.loads(str(state.pop("_task")))
    del task["own"]
    values = {name: f"{value.dtype}{value.shape}".encode() + value.tobytes() for name, value in state.items()}
    values |= {f"task.{name}": json.dumps(value, sort_keys=True).encode() for name, value in task.items()}
    return {
        name: hashlib.sha256(value).hexdigest()[:16]
        for name, value in values.items()
        if re.split("[^a-z]", name)[-1] not in _WALL_CLOCK
    }


def told(task: WatchedTask, journal: CountingJournal, evaluator: FakeEvaluator, error: str) -> dict[str, Any]:
    """What was watched from outside."""
    return {
        **{"error": error, "writes": journal.writes, "trained": len(evaluator.trained)},
        **{"charged": task.charged, "recorded": task.recorded, "late": task.late},
        "changed_limit": task.meter.limit != BUDGET.amount,
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
        "checkpoint": {},
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
    """Searches, and tells what happened: undisturbed, killed once, or killed in every write."""
    from harness.nets import runtime

    folder = Path(request.directory)
    folder.mkdir(parents=True)
    if request.strict:
        warnings.simplefilter("error", category=DeprecationWarning)
    method = make_method(request.method, request.plugins)
    space = space_of(method, request)
    fence(Forbidden(tuple(Path(path).absolute() for path in request.hidden), HIDDEN_MODULES))
    runtime.start(threads=1, deterministic=True, seed=0)
    random.seed(request.globals_seed)
    np.random.seed(request.globals_seed)  # noqa: NPY002
    before = global_generators()
    if request.everywhere:
        done = {"searches": killed_everywhere(method, space, folder)}
    elif request.dies_at is None:
        done = search(method, space, RunDirectory(folder)) | {"died": False}
    else:
        done = killed(method, space, folder, request.dies_at)
    return done | {"generators": before == global_generators()}


def killed(method: Method, space: Space, folder: Path, at: int) -> dict[str, Any]:
    """A search that was killed in a write and resumed; in its last one, if it made no more than `at`."""
    try:
        undisturbed = search(method, space, RunDirectory(folder), dying(at))
    except Killed:
        return search(method, space, RunDirectory(folder)) | {"died": True}
    if undisturbed["writes"] < 2:
        return undisturbed | {"died": False}
    return killed(method, space, folder / "shorter", undisturbed["writes"] - 1)


def killed_everywhere(method: Method, space: Space, folder: Path) -> list[dict[str, Any]]:
    """An undisturbed search, and one for each of its writes, which goes on from what a kill in it would have left.

    Args:
        folder: where each has its directory.
    """
    calm = RunDirectory(folder / "calm")
    first = search(method, space, calm, copying(calm, folder))
    return [first, *(search(method, space, RunDirectory(folder / str(at))) for at in range(first["writes"]))]


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
