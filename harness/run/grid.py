"""The loop of every run: keeps a few processes busy, shows how far they are, and turns each job into a record."""

from __future__ import annotations

import abc
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from harness.core.record import Record
from harness.run.backends.local import wait_for_children
from harness.run.final import finish
from harness.run.job import Job, Outcome
from harness.run.plan import Plan
from harness.run.store import RunDirectory, write_json

Work = TypeVar("Work")
_TICK = 0.5


@dataclass(frozen=True)
class Bar:
    """A running process on the screen: ``share`` 0..1 of what it does, and words."""

    label: str
    share: float
    words: str


@dataclass(frozen=True)
class View:
    """What the screen shows.

    Args:
        bars: running jobs.
        done, total: runs.
        share: of the whole work, 0..1.
        left: seconds, or None while nothing is known.
    """

    bars: tuple[Bar, ...]
    done: int
    total: int
    share: float
    left: float | None


class Screen(Protocol):
    """Where progress goes."""

    def show(self, view: View) -> None:
        """Twice a second."""

    def say(self, line: str) -> None:
        """An event worth a line."""


class Grid(abc.ABC, Generic[Work]):
    """Works off a plan: keeps a few processes busy, and turns each job into a record.

    Args:
        plan: what to do.
        provenance: of the command; every record gets it with the facts of its own run.
        screen: where progress goes.
    """

    def __init__(self, plan: Plan, provenance: dict[str, Any], screen: Screen) -> None:
        self.plan, self.screen = plan, screen
        self.waiting: deque[Work] = deque()
        self.running: dict[Future[Any], Work] = {}
        self.records: list[Record] = list(plan.records)
        self.began = time.monotonic()
        self._provenance = provenance
        self._started: dict[RunDirectory, str] = {}

    @abc.abstractmethod
    def queue(self) -> None:
        """Puts what there is to do into :attr:`waiting`."""

    @abc.abstractmethod
    def start(self, work: Work) -> Future[Any]:
        """Starts a process."""

    @abc.abstractmethod
    def end(self, future: Future[Any], work: Work) -> None:
        """Takes note that a process has ended."""

    @abc.abstractmethod
    def view(self) -> View:
        """The state of things, for the screen."""

    def look_after(self) -> None:
        """Looks at the running processes, twice a second."""

    def run(self) -> list[Record]:
        """Does everything; the records of the whole grid, those of earlier commands included.

        Raises:
            KeyboardInterrupt: passed on after the processes were stopped; the same command continues.
        """
        self.queue()
        try:
            while self.waiting or self.running:
                while self.waiting and len(self.running) < self.plan.workers:
                    work = self.waiting.popleft()
                    self.running[self.start(work)] = work
                done, _ = wait(self.running, timeout=_TICK, return_when=FIRST_COMPLETED)
                for future in done:
                    self.end(future, self.running.pop(future))
                self.look_after()
                self.screen.show(self.view())
        finally:
            for future in self.running:
                future.cancel()
            wait_for_children()
        return self.records

    def note_start(self, job: Job) -> None:
        """Makes the directory of a job that is about to start."""
        job.directory.path.mkdir(parents=True, exist_ok=True)
        write_json(job.directory.inputs, job.inputs)
        self._started.setdefault(job.directory, _now())

    def finish(self, job: Job, outcome: Outcome) -> Record:
        """Turns a job that is over into its record."""
        times = {"started": self._started.get(job.directory, ""), "ended": _now()}
        record = finish(job, outcome, self.plan.scorer, {**self._provenance, **times})
        self.records.append(record)
        return record


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
