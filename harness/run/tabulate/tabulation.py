"""The parent of a table's trainings: keeps the back end busy, scores what has ended, writes rows, shows how far it is.

Test labels stay here. A training that has ended lies in its directory below ``FILE.csv.work`` until its row is written;
what a killed command left there is scored when the next one starts.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import shutil
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.dataset import Labels
from harness.core.errors import InputError
from harness.core.lowering import lower
from harness.core.measure import Shape, measure
from harness.core.names import sentence
from harness.core.room import check_room, going_on_later
from harness.core.space import Genotype, Space
from harness.run.backends.base import Backend, Call, Handle, Item, Outcome
from harness.run.progress import Bar, Screen, View
from harness.run.store import read_json
from harness.run.tabulate.architectures import Architectures
from harness.run.tabulate.sheet import FAILURE, TEST, Sheet
from harness.run.tabulate.work import LABELS, RESULT, WRITES, Entry, train_entry

TOGETHER = 10
"""Trainings with one seed that share a process and the images that it has read."""
_TICK = 0.5


@dataclass(frozen=True)
class Tabulation:
    """What is to be done, and what every row has to say.

    Args:
        dataset: its name, for people.
        entries: trainings that are to be done or scored.
        found: architectures of the whole table.
        space: theirs.
        image, classes, labels: of the data set; the labels are those of the test images.
        workers: processes at the same time.
    """

    dataset: str
    entries: tuple[Entry, ...]
    found: Architectures
    space: Space
    image: Shape
    classes: int
    labels: Labels
    workers: int


@dataclass(eq=False)
class _Batch:
    entries: Sequence[Entry]
    scored: int = 0  # of the entries, in order


@dataclass
class Tally:
    """How the trainings of a command ended."""

    done: int = 0
    failures: list[str] = field(default_factory=list)
    busy: int = 0


class Tabulator:
    """Works off a tabulation.

    Args:
        task: what to do.
        sheet: where rows go.
        backend: where the work is done; it is closed at the end.
        screen: where progress goes.
    """

    def __init__(self, task: Tabulation, sheet: Sheet, backend: Backend, screen: Screen) -> None:
        self._task, self._sheet, self._backend, self._screen = task, sheet, backend, screen
        self._genotypes = {genotype.text: genotype for genotype in task.found.genotypes}
        self._running: dict[Handle, _Batch] = {}
        self._began, self._before = time.monotonic(), 0
        self.tally = Tally()

    def run(self) -> Tally:
        """Does everything.

        Raises:
            KeyboardInterrupt: passed on after the processes were stopped; the same command continues.
            InputError: the table cannot be written any more.
            StorageError: there is no room for more; the same command continues.
        """
        with going_on_later(self._sheet.path.parent, self._stored), contextlib.closing(self._backend):
            left = [entry for entry in self._task.entries if not self._is_over(entry)]
            self._before = self.tally.done
            waiting = deque(_batches(left))
            while waiting or self._running:
                while waiting and len(self._running) < self._task.workers:
                    batch = waiting.popleft()
                    for entry in batch.entries:
                        entry.directory.mkdir(parents=True, exist_ok=True)
                    self._running[self._backend.submit(_call(batch.entries))] = batch
                ended = self._backend.wait(_TICK)
                for handle, batch in self._running.items():
                    self._score(batch, handle.position.item)
                for handle in ended:
                    waiting.extendleft(self._end(self._running.pop(handle), handle.outcomes))
                self._screen.show(self._view())
        return self.tally

    def _stored(self) -> str:
        return f"{self.tally.done} of {len(self._task.entries)} trainings are stored"

    def _is_over(self, entry: Entry) -> bool:
        """Whether an earlier command has left a training to be scored."""
        if not (entry.directory / RESULT).exists():
            return False
        self._add(entry, Outcome("ok"))
        _remove(entry)
        return True

    def _score(self, batch: _Batch, ended: int) -> None:
        """Writes the rows of trainings that have ended inside a process that goes on."""
        for entry in batch.entries[batch.scored : ended]:
            if not (entry.directory / RESULT).exists():
                return  # it has failed: the process says why when it ends
            self._add(entry, Outcome("ok"))
            batch.scored += 1

    def _end(self, batch: _Batch, outcomes: Sequence[Outcome]) -> Iterator[_Batch]:
        """Takes note of how a process has ended; what it did not come to is started again."""
        outcomes = outcomes or (Outcome("failed", "the training was lost"),)
        for entry, outcome in list(zip(batch.entries, outcomes, strict=False))[batch.scored :]:
            if outcome.status == "ok" and not (entry.directory / RESULT).exists():
                outcome = Outcome("failed", "the training left no result behind")
            self._add(entry, outcome)
        for entry, outcome in zip(batch.entries, outcomes, strict=False):
            if outcome.status != "busy":  # a process of a killed command is still at work there
                _remove(entry)
        if rest := batch.entries[len(outcomes) :]:
            yield _Batch(rest)

    def _add(self, entry: Entry, outcome: Outcome) -> None:
        """A row, or a part of one."""
        if outcome.status == "busy":
            self.tally.busy += 1
            return
        if outcome.status == "failed":
            check_room(entry.directory, outcome.reason)
        try:
            values = self._values(entry) if outcome.status == "ok" else {FAILURE: outcome.reason}
        except (InputError, OSError, ValueError, KeyError, TypeError) as error:
            values = {FAILURE: f"what the training left behind cannot be used: {sentence(error)}"}
        genotype = self._genotypes[entry.genotype]
        self._sheet.add(entry.genotype, self._facts(genotype, entry), entry.seed, values)
        self._sheet.write()
        self.tally.done += 1
        if reason := values.get(FAILURE):
            self.tally.failures.append(reason)
            self._screen.say(f"{entry.genotype} #{entry.seed}: failed: {reason}")

    def _facts(self, genotype: Genotype, entry: Entry) -> dict[str, Any]:
        """What a row says of its network: that of the score."""
        task, size = self._task, entry.profile.final_for(entry.space).size
        sizes = measure(lower(task.space.decode(genotype, size)), task.image, task.classes)
        many = task.found.stands_for.get(genotype)
        facts = {"parameters": sizes.parameters, "macs": sizes.macs}
        return facts if many is None else {"genotypes": many, **facts}

    def _values(self, entry: Entry) -> dict[str, Any]:
        """The cells of a training that went well; the only reader of the test labels."""
        result = read_json(entry.directory / RESULT)
        labels = np.load(entry.directory / LABELS, allow_pickle=False)
        if labels.shape != self._task.labels.shape:
            raise ValueError(f"there are {labels.shape} predictions for {self._task.labels.shape} test images")
        curve = [float(value) for value in result.pop("curve")]
        points = self._sheet.points
        if len(curve) != len(points) or not all(math.isfinite(value) for value in (*curve, *result.values())):
            raise ValueError(f"it has the validation accuracies {curve}")
        told = {f"valid_{point}": value for point, value in zip(points, curve, strict=True)}
        return {**told, TEST: float(np.mean(labels == self._task.labels)), **result}

    def _view(self) -> View:
        bars, part = [], 0.0
        for handle, batch in self._running.items():
            position = handle.position
            entry = batch.entries[min(position.item, len(batch.entries) - 1)]
            number = list(self._genotypes).index(entry.genotype) + 1
            bars.append(
                Bar(f"{self._task.dataset} architecture {number} #{entry.seed}", position.share, position.words)
            )
            part += position.item - batch.scored + position.share
        total = len(self._task.entries)
        now = self.tally.done - self._before + part
        elapsed = time.monotonic() - self._began
        left = elapsed * (total - self._before - now) / now if now > 0 else None
        return View(tuple(bars), self.tally.done, total, (self._before + now) / max(1, total), left, "trainings")


@contextlib.contextmanager
def alone(work: Path) -> Iterator[None]:
    """Holds the lock of a table; the system lets go of it when this process ends, however it ends.

    Raises:
        InputError: another command holds it, or the directory cannot be written.
    """
    with contextlib.ExitStack() as held:
        try:
            work.mkdir(parents=True, exist_ok=True)
            file = held.enter_context((work / "lock").open("w", encoding="utf-8"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another command is writing {work.with_suffix('')}; wait for it, or make a --part with an --out of "
                "its own"
            ) from error
        except OSError as error:
            raise InputError(
                f"cannot work in {work} ({error.strerror or error}); remove it, or name another file with --out"
            ) from error
        yield


def _batches(entries: Sequence[Entry]) -> Iterator[_Batch]:
    """The seeds of some architectures after each other, so that the first whole rows are there early."""
    genotypes = list(dict.fromkeys(entry.genotype for entry in entries))
    for first in range(0, len(genotypes), TOGETHER):
        some = set(genotypes[first : first + TOGETHER])
        for seed in sorted({entry.seed for entry in entries}):
            if mine := [entry for entry in entries if entry.seed == seed and entry.genotype in some]:
                yield _Batch(mine)


def _call(entries: Sequence[Entry]) -> Call:
    profile = entries[0].profile
    return Call(
        words="training",
        function=train_entry,
        items=tuple(
            Item(
                entry,
                entry.directory,
                (*entry.prepared.reads(entry.seed, "search"), *entry.prepared.reads(entry.seed, "final")),
            )
            for entry in entries
        ),
        writes=WRITES,
        seconds=profile.search_seconds + profile.final_seconds,
        memory=profile.memory,
        threads=1,
        tensorflow=True,
    )


def _remove(entry: Entry) -> None:
    shutil.rmtree(entry.directory, ignore_errors=True)


def described(entry: Mapping[str, Any]) -> dict[str, str]:
    """Code and machine of a command, from its provenance, as short texts."""
    versions = entry["versions"]
    return {
        "commit": f"{entry['commit']}{' with changes' if entry['dirty'] else ''}",
        "cpu": str(entry["cpu"]),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "command": str(entry["command"]),
    }
