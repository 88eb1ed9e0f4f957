"""Runs on images: starts the two phases of each job, the search and the final training."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from harness.run.backends.local import WORDS, execute, outcome_of
from harness.run.grid import Bar, Grid, View
from harness.run.job import Job, Outcome, Phase
from harness.run.store import read_json

START_UP = 10.0  # seconds a process needs before it works, for the estimate of the time left


@dataclass(frozen=True)
class _Running:
    job: Job
    phase: Phase


class Runner(Grid[_Running]):
    """Works off a plan of searches and trainings on images."""

    _share_before = 0.0

    def queue(self) -> None:
        """The first phase of each job that is not over yet."""
        for job in self.plan.jobs:
            self._go_on(job, self.waiting.append)
        self._share_before = self._share()

    def view(self) -> View:
        """The state of things, for the screen."""
        bars = []
        for running in self.running.values():
            share, words = _progress(running)
            bars.append(Bar(f"{running.job.label} {WORDS[running.phase]}", share, words))
        total = len(self.plan.jobs) + len(self.plan.records)
        return View(tuple(bars), len(self.records), total, self._share(), self._time_left())

    def _go_on(self, job: Job, queue: Callable[[_Running], None]) -> None:
        """Queues the first phase that is not over yet, or finishes the job."""
        if job.directory.final.exists():
            self._finish(job, Outcome("ok"))
        else:
            queue(_Running(job, "final" if job.directory.search.exists() else "search"))

    def start(self, work: _Running) -> Future[Outcome]:
        """Starts a phase."""
        self.note_start(work.job)
        return execute(work.job, work.phase)

    def end(self, future: Future[Outcome], work: _Running) -> None:
        """Goes on to the next phase, or finishes the job."""
        outcome = outcome_of(future, work.job, work.phase)
        over = work.job.directory.search if work.phase == "search" else work.job.directory.final
        if outcome.status == "ok" and not over.exists():
            outcome = Outcome("failed", f"the {WORDS[work.phase]} left no result behind")
        if outcome.status == "ok":
            self._go_on(work.job, self.waiting.appendleft)
        else:
            self._finish(work.job, outcome)

    def _finish(self, job: Job, outcome: Outcome) -> None:
        record = self.finish(job, outcome)
        if record.status == "ok":
            self.screen.say(f"{job.label}: {100 * (record.test_accuracy or 0.0):.2f} % test accuracy")
        else:
            self.screen.say(f"{job.label}: {record.status}: {record.reason}")

    def _share(self) -> float:
        """Done part of the whole work, 0..1, in units of runs."""
        done = float(len(self.records) - len(self.plan.records))
        for waiting in self.waiting:
            done += _before(waiting)
        for running in self.running.values():
            done += _before(running) + _progress(running)[0] * _weight(running)
        return done / max(1, len(self.plan.jobs))

    def _time_left(self) -> float | None:
        """Seconds to go: from the profile's times if it has any, else from the rate so far."""
        jobs = self.plan.jobs
        if not jobs:
            return 0.0
        profile, share = jobs[0].profile, self._share()
        if not profile.budget.counted and profile.final.seconds:
            each = profile.budget.amount + profile.final.seconds + 2 * START_UP
            return (1 - share) * len(jobs) * each / min(self.plan.workers, len(jobs))
        gained = share - self._share_before
        if gained <= 0.0:
            return None
        return (time.monotonic() - self.began) * (1 - share) / gained


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
