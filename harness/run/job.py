"""A job: one run that is to be done, and how its phases end. Plain frozen values that travel to the processes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from harness.core.dataset import SearchData
from harness.core.errors import InputError
from harness.core.evaluation import MOST_MEMBERS, Evaluator, Proposal
from harness.core.journal import Journal
from harness.core.names import printable, sentence
from harness.core.recipe import Recipe
from harness.core.space import Space
from harness.plugins.catalogue import PACKAGES, BrokenPlugin, Source
from harness.run.backends.base import Outcome, Tell
from harness.run.fence import Forbidden
from harness.run.profiles import Profile
from harness.run.store import SOURCE, RunDirectory, read_json

CORRUPTED = "corrupted "
"""How the names of predictions for corrupted test images begin; ``noise-1`` or the like follows."""
Phase = Literal["search", "final"]
WORDS: dict[Phase, str] = {"search": "search", "final": "final training"}
SMALLEST = 25
"""Searches on tables that share a process at least: a start costs as much as some twenty of them."""
_PER_WORKER = 4  # processes per worker and method, so that the work spreads evenly


class RunJournal(Journal, Protocol):
    """A journal that a search process opens, and closes at the end."""

    def times(self) -> dict[str, float]:
        """``seconds`` and ``cpu_seconds`` of the search, interrupted attempts included."""

    def close(self, evaluations: int | None = None) -> None:
        """Leaves everything in the run's directory; of the evaluations the first so many, if a number is given."""


@dataclass(frozen=True)
class Workbench:
    """What a search is given: all of a task that depends on where its evaluations come from.

    Args:
        space: to search in.
        data: what a method may see.
        evaluator: trains proposals, or looks them up.
        journal: of the run.
        clock: of the meter, seconds.
        beyond: what of a proposal is beyond the limits of the search, in words.
        recipe: of the trainings behind the evaluations, where it is not the profile's.
    """

    space: Space
    data: SearchData
    evaluator: Evaluator
    journal: RunJournal
    clock: Callable[[], float]
    beyond: Callable[[Proposal], str] = lambda _: ""
    recipe: Recipe | None = None


class Prepared(Protocol):
    """What a search may see of a data set, on disk: images to train on, or a table to look up in."""

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Of each run, in order."""

    @property
    def tensorflow(self) -> bool:
        """Whether they need it."""

    @property
    def together(self) -> int:
        """Searches of one method that may share a process, because each takes milliseconds."""

    @property
    def checksum(self) -> str:
        """SHA-256 of the complete data set, with what no search may see; stored with every run."""

    @property
    def hidden(self) -> tuple[Path, ...]:
        """Prepared files that a search must not open."""

    @property
    def opened(self) -> tuple[Path, ...]:
        """Prepared files, or directories of such, that a search needs; the hidden ones may be among them."""

    def reads(self, seed: int, phase: Phase) -> tuple[Path, ...]:
        """The files that a phase reads."""

    def start(self, job: Job) -> str:
        """Readies the process of a search; the device: a graphics card by name, or ``CPU``."""

    def open(self, job: Job, tell: Tell) -> Workbench:
        """What a search is given."""


@dataclass(frozen=True)
class Job:
    """One method on one data set with one seed.

    Args:
        profile: with the search budget in force.
        method: where to load it from; ``title``, ``native`` (own space), ``position`` and ``look`` are as its source
            states them.
        dataset: as named on the command line.
        space, space_source: to search in, and the plug-in it comes from, if any.
        seed: names every random stream of the run.
        directory: of the run.
        prepared: the data.
        forbidden: what the search may not touch.
        threads: of TensorFlow in each process of the search.
        inputs: everything that the result depends on, besides code and machine; stored in the directory.
        seen: whether test results of the data set had been seen when the method's settings were made.
        extra: what the final training has besides the profile's recipe.
        children: that the search may train at the same time, each with so many threads.
    """

    profile: Profile
    method: Source
    title: str
    native: str
    dataset: str
    space: str
    space_source: Source | None
    seed: int
    directory: RunDirectory
    prepared: Prepared
    forbidden: Forbidden
    threads: int
    inputs: dict[str, Any]
    position: int | None = None
    look: int | None = None
    seen: bool = False
    extra: Mapping[str, float] = field(default_factory=dict)
    children: int = 1

    @property
    def final(self) -> Recipe:
        """The recipe of the final training."""
        return self.profile.final_for(self.space, self.extra)

    def threads_of(self, phase: Phase) -> int:
        """Of TensorFlow in each process of a phase. Where the clock decides, the final training has the cores of all
        children; in a counted budget it has one, as everything has."""
        alone = phase == "final" and not self.profile.budget.counted
        return self.threads * self.children if alone else self.threads

    @property
    def label(self) -> str:
        """Short and unique within a command, for the screen."""
        return f"{self.dataset} {self.method.name} in {self.space} #{self.seed}"

    @property
    def foreign(self) -> bool:
        """Whether its method or its space comes from outside of the project, where no test has looked at it."""
        return self.space_source is not None or not self.method.module.startswith(f"{PACKAGES['method']}.")

    @property
    def durable(self) -> bool:
        """Whether each of its files is forced to the disk: that takes longer than a search on a table."""
        return self.prepared.together == 1

    def reads(self, phase: Phase) -> tuple[Path, ...]:
        """The files outside of its directory that a phase reads; to choose among networks, also the split."""
        phases: list[Phase] = ["final", "search"] if phase == "final" and self.profile.top > 1 else [phase]
        files = [path for one in phases for path in self.prepared.reads(self.seed, one)]
        return (*dict.fromkeys(files), *self.code(phase))

    def code(self, phase: Phase) -> tuple[Path, ...]:
        """The plug-in files that a phase loads, with what they import from their folders."""
        given = [self.method] if phase == "search" else []
        given += [self.space_source] if self.space_source else []
        return tuple(path for source in given if source.single for path in source.files())

    def cap(self, phase: Phase) -> float:
        """Seconds after which a phase is stopped."""
        if phase == "search":
            return self.profile.search_cap()
        # Twenty more passes over the test images may take as long as a short training.
        return self.profile.final_seconds * (self.trainings() + self.profile.corruptions)

    def trainings(self) -> int:
        """How many networks the search has handed over for final training; 1 where nothing can be read."""
        try:
            searched = read_json(self.directory.search)
            if members := searched.get("proposal", {}).get("members"):
                return min(len(members), MOST_MEMBERS)
            return min(1 + len(searched.get("others", ())), self.profile.top)
        except (InputError, TypeError, AttributeError):
            return 1

    def weight(self, phase: Phase) -> float:
        """Part of a run that a phase takes."""
        if len(self.prepared.phases) == 1:
            return 1.0
        profile, searching = self.profile, 0.5
        if not profile.budget.counted and profile.final.limit == "seconds":
            searching = profile.budget.amount / (profile.budget.amount + profile.top * profile.final.seconds)
        return searching if phase == "search" else 1 - searching

    def check_inputs(self) -> None:
        """Compares everything that the run was started with, if it was, since the plan was made, say.

        Raises:
            InputError: something was another.
        """
        self.directory.check_inputs({name: value for name, value in self.inputs.items() if name != SOURCE})
        if not self.directory.made_by(self.inputs[SOURCE]):
            raise InputError(f"{self.directory.path} was started with another version of '{self.method.name}'")

    def next_phase(self) -> Phase | None:
        """The first phase that has left no result yet; None if all have."""
        return next((phase for phase in self.prepared.phases if not self.result(phase).exists()), None)

    def result(self, phase: Phase) -> Path:
        """The file that exists when a phase is over."""
        return self.directory.search if phase == "search" else self.directory.final


class Failure(Exception):
    """A phase cannot go on; the message is the reason in the record."""


class Unsupported(Exception):
    """The method says that it cannot work on this task."""


def guarded(job: Job, phase: Phase, body: Callable[[], object]) -> Outcome:
    """Runs a phase; whatever it raises becomes an outcome with one sentence, and a traceback in the run's log."""
    try:
        body()
    except Unsupported as error:
        return Outcome("unsupported", printable(str(error)))
    except BaseException as error:
        print(printable("".join(traceback.format_exception(error))), file=sys.stderr)
        return Outcome("failed", printable(_reason(error, WORDS[phase], job.profile.memory)))
    return Outcome("ok")


def _reason(error: BaseException, phase: str, memory: float) -> str:
    match error:
        case Failure() | BrokenPlugin():
            return str(error)
        case MemoryError():
            return f"the {phase} needs more than its {memory:g} GiB of memory"
        case _:
            return f"the {phase} raised {sentence(error)}{_raised_at(error)}"


def _raised_at(error: BaseException) -> str:
    """Where an exception was raised: file and line, in brackets."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def together(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Phase, tuple[Job, ...]]]:
    """Jobs that share a process, by method, in the order in which the methods come first; the others one by one.

    Every job is in one: another command may have left all results of a run that it has not let go of yet. What such a
    run needs is looked at when it can be claimed.
    """
    by_method: dict[str, list[Job]] = {}
    for job in jobs:
        key = job.method.name if job.prepared.together > 1 else job.label
        by_method.setdefault(key, []).append(job)
    for mine in by_method.values():
        size = min(mine[0].prepared.together, max(SMALLEST, -(-len(mine) // (_PER_WORKER * workers))))
        for first in range(0, len(mine), size):
            chunk = tuple(mine[first : first + size])
            phases = (phase for job in chunk if (phase := job.next_phase()))
            yield next(phases, chunk[0].prepared.phases[-1]), chunk
