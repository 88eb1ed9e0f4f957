"""The log of a search on images: what a task writes, and what an interrupted search reads back.

It is on disk, because an evaluation costs minutes. That of a search on a table is :mod:`harness.run.tables.journal`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from harness.core.errors import InputError
from harness.core.evaluation import Ensemble, Evaluation, KerasConfig, Proposal
from harness.core.files import read_text, readable, replacing
from harness.core.journal import EVALUATIONS, State
from harness.core.names import sentence
from harness.core.space import Genotype
from harness.run.backends.base import Tell
from harness.run.job import Failure
from harness.run.store import MOST_JSON, RunDirectory, line, read_lines, write_json, write_lines

_PROPOSALS = "_proposals"
_FIELDS = tuple(field.name for field in dataclasses.fields(Evaluation))
_NEEDED = {*_FIELDS} - {"share"}
"""Logs of versions that knew no shares hold complete trainings."""
MOST_LOGGED = 128 * 2**20
"""Characters that a search may log: proposals cost no budget, so nothing else would end a search that only proposes."""
_PAUSE = 0.5  # seconds between two progress files


class Progress:
    """Tells how far a phase is, and adds up its wall and CPU seconds over interrupted attempts, to half a second.

    Where the file cannot be read, earlier attempts count nothing, and the log says so: it holds times and no result.

    Args:
        path: of the file that keeps the seconds.
        phase: ``search`` or ``final``.
        tell: passes the progress on.
    """

    def __init__(self, path: Path, phase: str, tell: Tell = lambda share, words: None) -> None:
        self._path, self._phase, self._tell = path, phase, tell
        self._wall, self._cpu = self._before() if os.path.lexists(path) else (0.0, 0.0)
        self._began, self._cpu_began = time.perf_counter(), _cpu_seconds()
        self._next = 0.0

    def _before(self) -> tuple[float, float]:
        """Wall and CPU seconds of earlier attempts of this phase."""
        try:
            stored = json.loads(read_text(self._path, MOST_JSON))
            if stored["phase"] != self._phase:
                return 0.0, 0.0
            wall, cpu = float(stored["seconds"]), float(stored["cpu_seconds"])
            if not (0 <= wall < math.inf and 0 <= cpu < math.inf):
                raise ValueError("it holds no times")
        except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
            told = f"{self._path.name} cannot be used ({sentence(error)}); the times of earlier attempts count as 0"
            print(told, file=sys.stderr)
            return 0.0, 0.0
        return wall, cpu

    def times(self) -> dict[str, float]:
        """Wall and CPU seconds of this phase, interrupted attempts included."""
        return {
            "seconds": round(self._wall + time.perf_counter() - self._began, 3),
            "cpu_seconds": round(self._cpu + _cpu_seconds() - self._cpu_began, 3),
        }

    def tell(self, share: float, words: str) -> None:
        """Passes progress on and writes the file, at most twice a second."""
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + _PAUSE
            self._tell(share, words)
            now_there = {"phase": self._phase, "share": share, "words": words, **self.times()}
            write_json(self._path, now_there, durable=False)


class DiskJournal:
    """The journal of one search on images, kept in its run directory.

    Opening it makes the logs consistent with the checkpoint: without one the proposals start anew, because the search
    replays its evaluations from the beginning and proposes again; with one, everything that came after it is dropped,
    because the search does it again. A log that has lost what the checkpoint knows, after a power cut, say, begins a
    search from scratch: what the method has trained itself is in no log, so that its log alone may not fit what it does
    in another attempt.

    Args:
        directory: of the run.
        progress: of the search.

    Raises:
        InputError: the checkpoint is damaged.
    """

    def __init__(self, directory: RunDirectory, progress: Progress) -> None:
        self._directory, self._progress = directory, progress
        self._state = self._read_checkpoint()
        self._rows = list(_whole(read_lines(directory.evaluations)))
        kept: list[dict[str, Any]] = []
        if self._state is not None:
            kept = self._known(read_lines(directory.proposals))
        write_lines(directory.evaluations, self._rows)
        write_lines(directory.proposals, kept)
        if self._state is None:  # gone after the logs: they do not reach as far until they are empty
            directory.checkpoint.unlink(missing_ok=True)
        self._judged = dict(_judgements(read_lines(directory.judgements)))
        self._proposals, self._unsynced = len(kept), set[IO[str]]()
        self._logged = Allowance()
        self._evaluations_file = directory.evaluations.open("a", encoding="utf-8")
        self._proposals_file = directory.proposals.open("a", encoding="utf-8")
        self._judgements_file: IO[str] | None = None

    def times(self) -> dict[str, float]:
        """Wall and CPU seconds of the search, interrupted attempts included."""
        return self._progress.times()

    def close(self, evaluations: int | None = None) -> None:
        """Closes the logs, which are on the disk then: what counts their rows is written afterwards.

        Args:
            evaluations: how many the search has made. An interrupted attempt may have come further in a budget of
                seconds, where the method's own time counts; its other evaluations are dropped. None: all are kept.
        """
        self._sync()
        self._evaluations_file.close()
        self._proposals_file.close()
        if self._judgements_file is not None:
            self._judgements_file.close()
        if evaluations is not None and evaluations < len(self._rows):
            write_lines(self._directory.evaluations, self._rows[:evaluations])

    def _read_checkpoint(self) -> State | None:
        path = self._directory.checkpoint
        if not path.exists():
            return None
        try:
            with np.load(readable(path), allow_pickle=False) as stored:
                state = {name: stored[name] for name in stored.files}
            int(state[EVALUATIONS]), int(state[_PROPOSALS])
            return state
        except Exception as error:  # np.load has many ways to fail
            raise InputError(f"{path} is damaged; move its directory away to run it again") from error

    def _known(self, proposals: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of the logged proposals that the checkpoint knows; of the evaluations the others are dropped.

        Where the logs do not reach as far as the checkpoint, nothing is left of all three.
        """
        assert self._state is not None
        evaluations, proposed = int(self._state[EVALUATIONS]), int(self._state.pop(_PROPOSALS))
        if len(self._rows) >= evaluations and len(proposals) >= proposed:
            self._rows = self._rows[:evaluations]
            return proposals[:proposed]
        print(
            f"the checkpoint knows {evaluations} evaluations and {proposed} proposals, and the logs hold "
            f"{len(self._rows)} and {len(proposals)}; the search starts from scratch",
            file=sys.stderr,
        )
        self._state, self._rows = None, []
        shutil.rmtree(self._directory.stopped, ignore_errors=True)
        return []

    def replay(self, number: int) -> Evaluation | None:
        """The logged evaluation with this number, if there is one."""
        if number >= len(self._rows):
            return None
        row = self._rows[number]
        fields = {name: row[name] for name in _FIELDS if name in row}
        return Evaluation(**{**fields, "curve": tuple(row["curve"])})

    def evaluated(self, number: int, evaluation: Evaluation, spent: float) -> None:
        """Appends an evaluation."""
        row = {"number": number, **dataclasses.asdict(evaluation), "spent": spent}
        self._append(self._evaluations_file, row)

    def proposed(self, proposal: Proposal, accuracy: float | None, spent: float, shared_weights: bool) -> None:
        """Appends a proposal.

        Raises:
            TypeError: it is no genotype, no Keras model and no ensemble, or its accuracy is no number.
            Failure: too much was logged.
        """
        if not isinstance(proposal, Genotype | KerasConfig | Ensemble):
            raise TypeError(f"proposed a {type(proposal).__name__}, which is no Genotype, KerasConfig or Ensemble")
        row = proposal_row(proposal, None if accuracy is None else float(accuracy), spent, shared_weights)
        self._append(self._proposals_file, row)
        self._proposals += 1

    def judged(self, text: str) -> str | None:
        """What was found beyond the limits of the proposal with this identity; a checkpoint drops none of it."""
        return self._judged.get(text)

    def judge(self, text: str, words: str) -> None:
        """Appends what was found beyond the limits of a proposal."""
        if self._judgements_file is None:
            self._judgements_file = self._directory.judgements.open("a", encoding="utf-8")
        self._append(self._judgements_file, {"proposal": text, "beyond": words})

    def _append(self, file: IO[str], row: dict[str, Any]) -> None:
        file.write(self._logged.of(line(row)))
        file.flush()
        self._unsynced.add(file)

    def _sync(self) -> None:
        for file in self._unsynced:
            os.fsync(file.fileno())
        self._unsynced.clear()

    def save(self, state: State) -> None:
        """Replaces the checkpoint, atomically, and notes which proposals it knows; the logs are on the disk before."""
        self._sync()
        arrays: dict[str, Any] = {**state, _PROPOSALS: np.array(self._proposals)}
        with replacing(self._directory.checkpoint) as new:
            np.savez(new, **arrays)

    def load(self) -> State | None:
        """The checkpoint, if there was one when the journal was opened."""
        return self._state

    def progress(self, share: float, words: str) -> None:
        """Passes it on."""
        self._progress.tell(share, words)


def _cpu_seconds() -> float:
    """Of this process, and of those that it has started and seen end."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


class Allowance:
    """What a search may still log in this process."""

    def __init__(self) -> None:
        self._left = MOST_LOGGED

    def of(self, text: str) -> str:
        """The text, if it may be logged.

        Raises:
            Failure: too much was logged.
        """
        self._left -= len(text)
        if self._left < 0:
            raise Failure(f"the search has logged more than {MOST_LOGGED // 2**20} MiB of evaluations and proposals")
        return text


def proposal_row(proposal: Proposal, accuracy: float | None, spent: float, shared_weights: bool) -> dict[str, Any]:
    """A row of ``proposals.jsonl``."""
    return {"genotype": str(proposal), "accuracy": accuracy, "spent": spent, "shared_weights": shared_weights}


def _judgements(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Of rows that are such."""
    for row in rows:
        match row:
            case {"proposal": str(text), "beyond": str(words)}:
                yield text, words


def _whole(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of evaluations up to the first that is not the next one, or lacks something."""
    for number, row in enumerate(rows):
        if row.get("number") != number or not isinstance(row.get("curve"), list) or _NEEDED - set(row):
            return
        yield row
