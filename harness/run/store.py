"""The directory of a run: where its files are, how they are written so that a kill at any moment leaves it usable.

``runs/<profile>/<dataset>/<space>/<method>/<seed>/`` holds, in order of appearance: ``inputs.json`` (what the run is,
to refuse a mixture), ``evaluations.jsonl``, ``proposals.jsonl`` and, under a limit of latency, ``judgements.jsonl``
(appended), ``checkpoint.npz`` (replaced),
``search.json`` (the search is over), ``predictions.npz``, ``model.keras``, ``final.json`` (the final training is over)
and ``record.json`` (all is over). Beside the directory, where a search cannot write, lies a note of the phase that is
under way, until the record is written. Every file that is not appended to is written under another name and renamed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import InputError
from harness.core.files import read_text, readable, replace_text, there
from harness.core.names import directory_name
from harness.core.record import Record, phase_note
from harness.run.backends.base import LOG, SCRATCH
from harness.stored.fields import AGAIN, read_record
from harness.stored.runs import INPUTS, RECORD, check_place

MOST_JSON = 16 * 2**20
"""Bytes of a JSON file of a run that are read: as values they take some twenty times that in the memory."""
SOURCE = "method source"
"""Entry of ``inputs.json``: SHA-256 of the method's code."""


@dataclass(frozen=True)
class RunDirectory:
    """Paths inside the directory of one run."""

    path: Path

    @staticmethod
    def of(out: Path, profile: str, dataset: str, space: str, method: str, seed: int) -> RunDirectory:
        """The directory of a run below ``out``."""
        names = (profile, dataset, space, method, str(seed))
        return RunDirectory(out.joinpath(*(directory_name(name) for name in names)))

    @property
    def inputs(self) -> Path:
        """What the run was started with."""
        return self.path / INPUTS

    @property
    def settings(self) -> Path:
        """The method's hyper-parameters, written by the search process that created the method."""
        return self.path / "settings.json"

    @property
    def evaluations(self) -> Path:
        """One line per evaluation."""
        return self.path / "evaluations.jsonl"

    @property
    def proposals(self) -> Path:
        """One line per proposal."""
        return self.path / "proposals.jsonl"

    @property
    def judgements(self) -> Path:
        """One line per proposal that was looked at, where there is a limit of latency."""
        return self.path / "judgements.jsonl"

    @property
    def checkpoint(self) -> Path:
        """The state of a method that saves any."""
        return self.path / "checkpoint.npz"

    @property
    def stopped(self) -> Path:
        """A directory with the weights of trainings that were stopped and may go on, and predictions of trained
        networks that a search has asked for; gone when the run is over."""
        return self.path / "stopped"

    @property
    def progress(self) -> Path:
        """Adds up the time of interrupted attempts."""
        return self.path / "progress.json"

    @property
    def search(self) -> Path:
        """The search's result: exists when the search is over."""
        return self.path / "search.json"

    @property
    def final_checkpoint(self) -> Path:
        """Where an interrupted final training continues."""
        return self.path / "final.checkpoint"

    @property
    def networks(self) -> Path:
        """A directory with the networks that are trained already, where there are several; gone when all are."""
        return self.path / "networks"

    @property
    def model(self) -> Path:
        """The trained network."""
        return self.path / "model.keras"

    @property
    def predictions(self) -> Path:
        """Class probabilities of the test images, float32 ``(n, classes)``, under the key ``probabilities``.

        Where several networks were trained, also those of each, under ``network 1`` and so on, as the record lists
        them. Where the command asks for it, the predicted classes of corrupted test images, uint16 ``(n,)``, under
        ``corrupted noise-1`` and so on.
        """
        return self.path / "predictions.npz"

    @property
    def final(self) -> Path:
        """Counts of the final training: exists when it is over."""
        return self.path / "final.json"

    @property
    def record(self) -> Path:
        """The result: exists when the run is over."""
        return self.path / RECORD

    @property
    def note(self) -> Path:
        """The parent's note of the phase that is under way."""
        return phase_note(self.path)

    def noted(self) -> str:
        """The phase that was under way when the last command ended; "" if none was."""
        try:
            return read_text(self.note)
        except (OSError, ValueError):
            return ""

    @property
    def log(self) -> Path:
        """What the child processes printed."""
        return self.path / LOG

    @property
    def scratch(self) -> Path:
        """Working directory of the child processes; emptied before each."""
        return self.path / SCRATCH

    def stored_record(self) -> Record | None:
        """The record, if the run is over: while a phase is under way, what lies there is not the parent's.

        Raises:
            InputError: the file is damaged, or of another run, or nothing says what the run was made with.
        """
        if there(self.note) or not there(self.record):
            return None
        record = read_record(self.record)
        check_place(record, self.path, self.path.parts)
        if not there(self.inputs):
            raise InputError(f"{self.inputs} is missing; {AGAIN}")
        return record

    def emptied(self) -> bool:
        """Whether a power cut has left an empty record, or nothing of what the run was started with: it is not over,
        and cannot go on."""
        return is_emptied(self.inputs) or (is_emptied(self.record) and not there(self.note))

    def check_inputs(self, wanted: dict[str, Any]) -> None:
        """Compares what the run was started with, if it was.

        Raises:
            InputError: one of ``wanted`` was another, or the file is damaged.
        """
        if not there(self.inputs):
            return
        stored = read_json(self.inputs)
        for name, value in plain(wanted).items():
            if stored.get(name) != value:
                change = (
                    f"{stored.get(name)} there, {value} here" if isinstance(value, str | int | float) else "changed"
                )
                raise InputError(
                    f"{self.path} was made with another {name} ({change}); name another directory with --out"
                )

    def made_by(self, source: str) -> bool:
        """Whether the run, if there is one, was started with this version of its method; older ones do not say.

        Raises:
            InputError: the file is damaged.
        """
        return not there(self.inputs) or read_json(self.inputs).get(SOURCE, source) == source

    def check_settings(self, method: str, stated: dict[str, Any]) -> None:
        """Compares the hyper-parameters that a method's source states with those that the run has, if it has any.

        Raises:
            InputError: one has changed, or the file is damaged.
        """
        if not there(self.settings):
            return
        stored = read_json(self.settings)
        for name, value in plain(stated).items():
            if name in stored and stored[name] != value:
                raise InputError(
                    f"{self.path} was made with {name}={stored[name]} of '{method}', now {value}; "
                    "name another directory with --out"
                )


def is_emptied(path: Path) -> bool:
    """Whether a file holds nothing, as a power cut leaves one that was not forced to the disk.

    Raises:
        InputError: nobody can tell.
    """
    return there(path) and path.is_file() and path.stat().st_size == 0


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Replaces a JSON file at once; what JSON does not know is written as text."""
    replace_text(path, json.dumps(value, indent=1, sort_keys=True, default=str) + "\n", durable=durable)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: unreadable, or not a JSON object.
    """
    try:
        value = json.loads(read_text(path, MOST_JSON))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}); move its directory away to run it again") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no JSON object; move its directory away to run it again")
    return value


def plain(value: Any) -> Any:
    """A value as it comes back from JSON, for comparison with what was stored."""
    return json.loads(json.dumps(value, default=str))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file up to the first damaged one; the rest, which a kill has torn, is cut off.

    Raises:
        InputError: it is no file.
    """
    if not path.exists():
        return []
    try:
        readable(path)
    except ValueError as error:
        raise InputError(f"{path} cannot be read ({error}); move its directory away to run it again") from error
    rows: list[dict[str, Any]] = []
    good = 0
    with path.open("r+b") as file:
        for line in file:
            try:
                row = json.loads(line) if line.endswith(b"\n") else None
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                break
            rows.append(row)
            good += len(line)
        file.truncate(good)
    return rows


def write_lines(path: Path, rows: list[dict[str, Any]], *, durable: bool = True) -> None:
    """Replaces a JSON-lines file."""
    replace_text(path, "".join(line(row) for row in rows), durable=durable)


def line(row: dict[str, Any]) -> str:
    """One row as a line.

    Raises:
        ValueError: a number in it is infinite or none, which JSON does not have.
    """
    return json.dumps(row, sort_keys=True, allow_nan=False) + "\n"
