"""Runs on tables: many searches of one method share a process, because each takes milliseconds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.run.backends.local import execute_lookups, result_of, timed_out
from harness.run.grid import Bar, Grid, View
from harness.run.job import Job, Outcome
from harness.run.store import read_json

LARGEST = 250  # searches per process: a start costs as much as some twenty of them
SMALLEST = 25
_PER_WORKER = 4  # processes per worker and method, so that the work spreads evenly


@dataclass
class _Batch:
    """Jobs of one method that share a process, and when it was last seen to get on."""

    jobs: tuple[Job, ...]
    at: int | None = None
    since: float = 0.0

    @property
    def started(self) -> Path:
        """Where the process tells which job it is at."""
        return self.jobs[0].directory.progress

    @property
    def cap(self) -> float:
        """Seconds that one search may take."""
        return self.jobs[0].profile.search_cap()

    def look(self) -> None:
        """Reads which job the process is at."""
        if self.started.exists():
            number = int(read_json(self.started)["number"])
            if number != self.at:
                self.at, self.since = number, time.monotonic()


class TableRunner(Grid[_Batch]):
    """Works off a plan of searches on tables."""

    def queue(self) -> None:
        """Batches, method by method; searches that an interrupted command has done need no more than a record."""
        pending = []
        for job in self.plan.jobs:
            if job.directory.search.exists():
                self.finish(job, Outcome("ok"))
            else:
                pending.append(job)
        self.waiting.extend(_batches(pending, self.plan.workers))

    def start(self, work: _Batch) -> Future[tuple[Outcome, ...]]:
        """Starts a process."""
        for job in work.jobs:
            self.note_start(job)
        work.started.unlink(missing_ok=True)
        work.since = time.monotonic()
        return execute_lookups(work.jobs, work.started)

    def look_after(self) -> None:
        """Stops a process that has been at one search for too long."""
        for future, batch in list(self.running.items()):
            batch.look()
            if time.monotonic() - batch.since > batch.cap:
                future.cancel()
                self._settle(self.running.pop(future), timed_out("search", batch.cap))

    def end(self, future: Future[Any], work: _Batch) -> None:
        """Finishes what was searched."""
        work.look()
        told = result_of(future, "search", work.cap)
        if not _is_complete(told, work.jobs) and not isinstance(told, Outcome):
            told = Outcome("failed", f"the search's process returned a {type(told).__name__}, not its outcomes")
        self._settle(work, told)

    def _settle(self, work: _Batch, told: tuple[Outcome, ...] | Outcome) -> None:
        """Makes records; if the process broke, the job it was at has failed and those after it wait.

        Args:
            work: what the process had to do.
            told: how each job ended, or how the process broke.
        """
        rest, failed = [], Counter[str]()
        for number, job in enumerate(work.jobs):
            if isinstance(told, tuple):
                outcome = told[number]
            elif job.directory.search.exists():
                outcome = Outcome("ok")
            elif work.at in (None, number):
                outcome = told
            else:
                rest.append(job)
                continue
            if outcome.status == "ok" and not job.directory.search.exists():
                outcome = Outcome("failed", "the search left no result behind")
            record = self.finish(job, outcome)
            if record.status != "ok":
                failed[f"{record.status}: {record.reason}"] += 1
        if rest:
            self.waiting.appendleft(_Batch(tuple(rest)))
        self._tell(work, len(work.jobs) - len(rest), failed)

    def view(self) -> View:
        """The state of things, for the screen."""
        bars = []
        for batch in self.running.values():
            done = batch.at or 0
            words = f"search {done + 1} of {len(batch.jobs)}"
            bars.append(Bar(_label(batch), done / len(batch.jobs), words))
        done = len(self.records) - len(self.plan.records) + sum(batch.at or 0 for batch in self.running.values())
        share = done / max(1, len(self.plan.jobs))
        left = (time.monotonic() - self.began) * (1 - share) / share if share else None
        total = len(self.plan.jobs) + len(self.plan.records)
        return View(tuple(bars), len(self.records), total, share, left)

    def _tell(self, batch: _Batch, done: int, failed: Counter[str]) -> None:
        self.screen.say(f"{batch.jobs[0].method.name}: {done} searches over")
        for reason, count in failed.items():
            self.screen.say(f"{batch.jobs[0].method.name}: {count} {reason}")


def _label(batch: _Batch) -> str:
    """Unique within a command: batches share no job."""
    return batch.jobs[0].label


def _is_complete(told: object, jobs: Sequence[Job]) -> bool:
    """Whether a process told how each of its jobs ended."""
    return isinstance(told, tuple) and len(told) == len(jobs) and all(isinstance(part, Outcome) for part in told)


def _batches(jobs: Sequence[Job], workers: int) -> Iterator[_Batch]:
    """Jobs by method, in the order in which the methods come first."""
    by_method: dict[str, list[Job]] = {}
    for job in jobs:
        by_method.setdefault(job.method.name, []).append(job)
    for mine in by_method.values():
        size = min(LARGEST, max(SMALLEST, -(-len(mine) // (_PER_WORKER * workers))))
        for first in range(0, len(mine), size):
            yield _Batch(tuple(mine[first : first + size]))
