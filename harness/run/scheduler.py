"""Works off a plan on a back end: keeps its workers busy, shows how far they are, turns each job into a record.

A batch is one phase of some jobs of one method, and one call of the back end. On images it holds one job; searches on
tables take milliseconds each, so that many of them share a batch.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.core.errors import InputError
from harness.core.files import remove, replace_text
from harness.core.names import sentence
from harness.core.record import Record
from harness.core.room import check_room, going_on_later, is_full
from harness.run import children, final, search
from harness.run.backends.base import Backend, Call, Handle, Item, Outcome, Tell
from harness.run.claims import Claims
from harness.run.fence import Forbidden
from harness.run.job import WORDS, Job, Phase, together
from harness.run.plan import Plan
from harness.run.progress import Bar, Screen, View, lines_of, time_left
from harness.run.scoring import finish
from harness.run.store import RunDirectory, write_json

_TICK = 0.5
_BUSY = Outcome("busy", "another command is working on the same run")
_FUNCTIONS: dict[Phase, Callable[[Job, Tell], Outcome]] = {"search": search.search, "final": final.train_finally}
_WRITES: dict[Phase, tuple[str, ...]] = {"search": search.WRITES, "final": final.WRITES}


@dataclass(frozen=True)
class Batch:
    """Jobs of one method at the same phase."""

    phase: Phase
    jobs: tuple[Job, ...]

    def call(self) -> Call:
        """The batch as the back end gets it.

        The searches of a process share a fence, unless their code is foreign: then each has a copy of the process and a
        fence of its own around that, so that none reads or writes what is another's.
        """
        first = self.jobs[0]
        whole = dataclasses.replace(first, forbidden=Forbidden.union(job.forbidden for job in self.jobs))
        apart = first.prepared.together > 1 and first.foreign
        fenced = self.jobs if apart else [dataclasses.replace(job, forbidden=whole.forbidden) for job in self.jobs]
        return Call(
            words=WORDS[self.phase],
            function=_FUNCTIONS[self.phase],
            items=tuple(Item(job, job.directory.path, job.reads(self.phase)) for job in fenced),
            writes=_WRITES[self.phase],
            seconds=first.cap(self.phase),
            memory=first.profile.memory,
            threads=first.threads_of(self.phase),
            cards=first.profile.cards,
            tensorflow=first.prepared.tensorflow,
            ready=functools.partial(search.get_ready, whole) if apart else None,
            apart=apart,
            processes=first.children if self.phase == "search" else 1,
            helps=children.help_out if self.phase == "search" and first.children > 1 else None,
        )


class Scheduler:
    """Works off a plan.

    Args:
        plan: what to do.
        backend: where; it is closed at the end.
        provenance: of the command; every record gets it with the facts of its own run.
        screen: where progress goes.
    """

    def __init__(self, plan: Plan, backend: Backend, provenance: dict[str, Any], screen: Screen) -> None:
        self.plan, self.backend, self.screen = plan, backend, screen
        self.records: list[Record] = list(plan.records)
        self._waiting: deque[Batch] = deque()
        self._running: dict[Handle, Batch] = {}
        self._provenance = provenance
        self._started: dict[RunDirectory, str] = {}
        self._nodes: dict[RunDirectory, dict[str, str]] = {}
        self._began, self._share_before = time.monotonic(), 0.0

    def run(self) -> list[Record]:
        """Does everything; the records of the whole plan, those of earlier commands included.

        Raises:
            KeyboardInterrupt: passed on after the processes were stopped; the same command continues.
            InputError: there can be no locks in the directory of the records.
            StorageError: there is no room for more; what runs was stopped, and the same command continues.
        """
        with (
            contextlib.closing(Claims(self.plan.out)) as self._claims,
            going_on_later(self.plan.out, self._stored),
            contextlib.closing(self.backend),
        ):
            self._queue()
            while self._waiting or self._running:
                while self._waiting and len(self._running) < self.plan.workers:
                    self._start(self._waiting.popleft())
                for handle in self.backend.wait(_TICK):
                    batch = self._running.pop(handle)
                    for job in batch.jobs:
                        self._nodes.setdefault(job.directory, {}).update(handle.places(batch.phase))
                    self._end(batch, handle.outcomes)
                self.screen.show(self.view())
        assert len(self.records) == len(self.plan.records) + len(self.plan.jobs), "every run ends with a row"
        return self.records

    def _stored(self) -> str:
        done = len(self.plan.records) + sum(map(_is_stored, self.plan.jobs))
        return f"{done} of {len(self.plan.records) + len(self.plan.jobs)} runs are stored"

    def _queue(self) -> None:
        """The next phase of each job; a job whose phases are all over needs no more than its record.

        One that another command is working on waits like the others, and is looked at when its turn comes.
        """
        found: dict[RunDirectory, Record | None] = {}
        for job in self.plan.jobs:
            found[job.directory] = self._settled(job) if self._claims.take(job.directory.path) else None
            self._claims.leave(job.directory.path)
        pending = [job for job in self.plan.jobs if found[job.directory] is None]
        self._waiting.extend(Batch(*some) for some in together(pending, self.plan.workers))
        self._tell([record for record in found.values() if record is not None])
        self._share_before = self._share()

    def _settled(self, job: Job) -> Record | None:
        """The record of a job that was claimed and needs no process; None if it has a phase to do.

        Since the plan was made, another command may have done it, or some of it. A result of a phase that was never
        begun is what the search has left under its name, and does not count.
        """
        try:
            job.check_inputs()
            record = job.directory.stored_record()
        except InputError as error:
            return self._finish(job, Outcome("busy", str(error)))
        if record is not None:
            self._claims.leave(job.directory.path)
            self.records.append(record)
            return record
        first = job.prepared.phases[0]
        if job.directory.noted() in ("", first) and (left := _discard_later(job, first)):
            return self._finish(job, _stuck(left))
        return self._finish(job, Outcome("ok")) if job.next_phase() is None else None

    def _start(self, batch: Batch) -> None:
        """Starts a batch, without jobs that another command has, or has done, or whose directory cannot be made."""
        ready: dict[Phase, list[Job]] = {}
        over: list[Record] = []
        for job in batch.jobs:
            found = self._next(job, batch.phase)
            if isinstance(found, Record):
                over.append(found)
                continue
            try:
                job.directory.path.mkdir(parents=True, exist_ok=True)
                replace_text(job.directory.note, found, durable=job.durable)
                write_json(job.directory.inputs, job.inputs, durable=job.durable)
            except OSError as error:
                if is_full(error):
                    raise
                reason = f"its directory cannot be written: {sentence(error)}"
                over.append(self._finish(job, Outcome("failed", reason)))
                continue
            self._started.setdefault(job.directory, _now())
            ready.setdefault(found, []).append(job)
        self._tell(over)
        for phase, jobs in ready.items():
            batch = Batch(phase, tuple(jobs))
            self._running[self.backend.submit(batch.call())] = batch

    def _next(self, job: Job, planned: Phase) -> Phase | Record:
        """The phase of a job that is to be started, or its record if there is none; the job is claimed then."""
        if job.directory in self._started:
            return planned
        if not self._claims.take(job.directory.path):
            return self._finish(job, _BUSY)
        return self._settled(job) or job.next_phase() or planned

    def _end(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Takes note of how the jobs of a batch have ended; what a broken process took with it is started again."""
        outcomes = outcomes[: len(batch.jobs)] or (Outcome("failed", f"the {WORDS[batch.phase]} was lost"),)
        records = []
        for job, outcome in zip(batch.jobs, outcomes, strict=False):
            if outcome.status == "ok" and not job.result(batch.phase).exists():
                outcome = Outcome("failed", f"the {WORDS[batch.phase]} left no result behind")
            if outcome.status == "ok" and (left := _discard_later(job, batch.phase)):
                outcome = _stuck(left)
            if outcome.status == "ok" and self._goes_on(job, batch.phase):
                continue
            records.append(self._finish(job, outcome))
        if rest := batch.jobs[len(outcomes) :]:
            self._waiting.appendleft(Batch(batch.phase, rest))
        self._tell(records)

    def _goes_on(self, job: Job, phase: Phase) -> bool:
        """Queues the phase after this one, if there is one."""
        later = job.prepared.phases[job.prepared.phases.index(phase) + 1 :]
        if not later:
            return False
        self._waiting.appendleft(Batch(later[0], (job,)))
        return True

    def _finish(self, job: Job, outcome: Outcome) -> Record:
        """Turns a job that is over into its record; raises an OSError where there is no room for it, or was none."""
        if outcome.status == "failed":
            check_room(self.plan.out, outcome.reason)
        own: dict[str, Any] = {"started": self._started.get(job.directory, ""), "ended": _now()}
        if nodes := self._nodes.pop(job.directory, None):
            own["nodes"] = nodes
        record = finish(job, outcome, self.plan.scorer, {**self._provenance, **own})
        self._claims.leave(job.directory.path)
        self.records.append(record)
        return record

    def _tell(self, records: Sequence[Record]) -> None:
        """Says which runs are over."""
        for line in lines_of(records):
            self.screen.say(line)

    def view(self) -> View:
        """The state of things, for the screen."""
        bars = []
        for handle, batch in self._running.items():
            position, many = handle.position, len(batch.jobs)
            words = position.words if many == 1 else f"{WORDS[batch.phase]} {position.item + 1} of {many}"
            label = f"{batch.jobs[0].label} {WORDS[batch.phase]}"
            words += f", on {handle.where.partition(' (')[0]}" if handle.where else ""  # without its device
            bars.append(Bar(label, (position.item + position.share) / many, words))
        total = len(self.plan.jobs) + len(self.plan.records)
        return View(tuple(bars), len(self.records), total, self._share(), self._time_left())

    def _share(self) -> float:
        """Done part of the whole work, 0..1, in units of runs."""
        done = float(len(self.records) - len(self.plan.records))
        for batch in self._waiting:
            done += len(batch.jobs) * _before(batch)
        for handle, batch in self._running.items():
            done += len(batch.jobs) * _before(batch)
            done += (handle.position.item + handle.position.share) * batch.jobs[0].weight(batch.phase)
        return done / max(1, len(self.plan.jobs))

    def _time_left(self) -> float | None:
        if not (jobs := self.plan.jobs):
            return 0.0
        share, elapsed = self._share(), time.monotonic() - self._began
        rounds = len(jobs) / min(self.plan.workers, len(jobs))
        return time_left(jobs[0].profile, rounds, share, share - self._share_before, elapsed)


def _discard_later(job: Job, phase: Phase) -> list[str]:
    """Removes what phases after this one may leave, and this one may not; the names of what cannot be removed.

    A search may have put anything there, also directories that are closed to everybody.
    """
    later = job.prepared.phases[job.prepared.phases.index(phase) + 1 :]
    names = {name for after in later for name in _WRITES[after]} - set(_WRITES[phase])
    for path in (job.directory.path / name for name in names):
        with contextlib.suppress(OSError, RecursionError):  # looked at below
            remove(path)
    return sorted(name for name in names if os.path.lexists(job.directory.path / name))


def _is_stored(job: Job) -> bool:
    return job.directory.record.exists() and not job.directory.note.exists()


def _stuck(names: Sequence[str]) -> Outcome:
    return Outcome("failed", f"an earlier phase left {', '.join(names)} behind, which cannot be removed")


def _before(batch: Batch) -> float:
    """Part of a run that was over before its present phase."""
    return 0.0 if batch.phase == "search" else 1 - batch.jobs[0].weight(batch.phase)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
