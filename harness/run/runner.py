"""The grid: starts the phases of all jobs on a few processes, and turns each job into a record."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from harness.core.record import Record
from harness.run.execute import WORDS, execute, outcome_of, wait_for_children
from harness.run.final import finish
from harness.run.job import Job, Outcome, Phase
from harness.run.plan import Plan
from harness.run.store import RunDirectory, read_json, write_json

START_UP = 10.0  # seconds a process needs before it works, for the estimate of the time left
_TICK = 0.5


@dataclass(frozen=True)
class Bar:
    """One running job on the screen: ``share`` 0..1 of its phase, and words."""

    label: str
    phase: Phase
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


@dataclass(frozen=True)
class _Running:
    job: Job
    phase: Phase


class Runner:
    """Works off a plan.

    Args:
        plan: what to do.
        provenance: of the command; every record gets it with the facts of its own run.
        screen: where progress goes.
    """

    def __init__(self, plan: Plan, provenance: dict[str, Any], screen: Screen) -> None:
        self._plan, self._provenance, self._screen = plan, provenance, screen
        self._waiting: deque[_Running] = deque()
        self._running: dict[Future[Outcome], _Running] = {}
        self._started: dict[RunDirectory, str] = {}
        self._records: list[Record] = list(plan.records)
        self._began = time.monotonic()
        self._share_before = 0.0

    def run(self) -> list[Record]:
        """Does everything; the records of the whole grid, those of earlier commands included.

        Raises:
            KeyboardInterrupt: passed on after the processes were stopped; the same command continues.
        """
        for job in self._plan.jobs:
            self._go_on(job, self._waiting.append)
        self._share_before = self._share()
        try:
            while self._waiting or self._running:
                while self._waiting and len(self._running) < self._plan.workers:
                    self._start(self._waiting.popleft())
                done, _ = wait(self._running, timeout=_TICK, return_when=FIRST_COMPLETED)
                for future in done:
                    self._end(future)
                self._screen.show(self.view())
        finally:
            for future in self._running:
                future.cancel()
            wait_for_children()
        return self._records

    def view(self) -> View:
        """The state of things, for the screen."""
        bars = []
        for running in self._running.values():
            share, words = _progress(running)
            bars.append(Bar(running.job.label, running.phase, share, words))
        total = len(self._plan.jobs) + len(self._plan.records)
        return View(tuple(bars), len(self._records), total, self._share(), self._time_left())

    def _go_on(self, job: Job, queue: Callable[[_Running], None]) -> None:
        """Queues the first phase that is not over yet, or finishes the job."""
        if job.directory.final.exists():
            self._finish(job, Outcome("ok"))
        else:
            queue(_Running(job, "final" if job.directory.search.exists() else "search"))

    def _start(self, running: _Running) -> None:
        job = running.job
        job.directory.path.mkdir(parents=True, exist_ok=True)
        write_json(job.directory.inputs, job.inputs)
        self._started.setdefault(job.directory, _now())
        self._running[execute(job, running.phase)] = running

    def _end(self, future: Future[Outcome]) -> None:
        running = self._running.pop(future)
        outcome = outcome_of(future, running.job, running.phase)
        over = running.job.directory.search if running.phase == "search" else running.job.directory.final
        if outcome.status == "ok" and not over.exists():
            outcome = Outcome("failed", f"the {WORDS[running.phase]} left no result behind")
        if outcome.status == "ok":
            self._go_on(running.job, self._waiting.appendleft)
        else:
            self._finish(running.job, outcome)

    def _finish(self, job: Job, outcome: Outcome) -> None:
        times = {"started": self._started.get(job.directory, ""), "ended": _now()}
        record = finish(job, outcome, self._plan.labels, {**self._provenance, **times})
        self._records.append(record)
        if record.status == "ok":
            self._screen.say(f"{job.label}: {100 * (record.test_accuracy or 0.0):.2f} % test accuracy")
        else:
            self._screen.say(f"{job.label}: {record.status}: {record.reason}")

    def _share(self) -> float:
        """Done part of the whole work, 0..1, in units of runs."""
        done = float(len(self._records) - len(self._plan.records))
        for waiting in self._waiting:
            done += _before(waiting)
        for running in self._running.values():
            done += _before(running) + _progress(running)[0] * _weight(running)
        return done / max(1, len(self._plan.jobs))

    def _time_left(self) -> float | None:
        """Seconds to go: from the profile's times if it has any, else from the rate so far."""
        jobs = self._plan.jobs
        if not jobs:
            return 0.0
        profile, share = jobs[0].profile, self._share()
        if not profile.budget.counted and profile.final.seconds:
            each = profile.budget.amount + profile.final.seconds + 2 * START_UP
            return (1 - share) * len(jobs) * each / min(self._plan.workers, len(jobs))
        gained = share - self._share_before
        if gained <= 0.0:
            return None
        return (time.monotonic() - self._began) * (1 - share) / gained


def _progress(running: _Running) -> tuple[float, str]:
    """Share of the phase and words, as the child process tells them."""
    path = running.job.directory.progress
    if path.exists():
        told = read_json(path)
        if told.get("phase") == running.phase:
            return float(told["share"]), str(told["words"])
    return 0.0, "starting"


def _weight(running: _Running) -> float:
    """Part of a run that a phase takes."""
    profile = running.job.profile
    if profile.budget.counted or not profile.final.seconds:
        search = 0.5
    else:
        search = profile.budget.amount / (profile.budget.amount + profile.final.seconds)
    return search if running.phase == "search" else 1 - search


def _before(running: _Running) -> float:
    """Part of a run that was over before its present phase."""
    return 0.0 if running.phase == "search" else 1 - _weight(running)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
