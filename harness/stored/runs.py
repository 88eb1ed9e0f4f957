"""Which runs lie below a directory, which of them have ended, and whether a record is that of its directory."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

from harness.core.errors import InputError
from harness.core.files import read_text, there, unreadable, walk
from harness.core.names import directory_name
from harness.core.record import Record, phase_note
from harness.stored.fields import AGAIN

_NAMES = {"profile": "profile", "dataset": "data set", "space": "space", "method": "method", "seed": "seed"}
"""What tells runs apart in a directory of records: by the record's field, the name in ``inputs.json``."""
RECORD = "record.json"
INPUTS = "inputs.json"


@dataclass(frozen=True)
class Found:
    """The directories of runs.

    Args:
        ended: those of runs that are over.
        unended: those of runs that were begun and are not.
        closed: directories that nobody may look into, and that no run is beside of.
    """

    ended: tuple[Path, ...]
    unended: tuple[Path, ...]
    closed: tuple[Path, ...]


def find_runs(directory: Path, without: Collection[Path] = ()) -> Found:
    """The directories of runs below a directory, at any depth, in the order of their paths.

    A run has ended if it has a record and no phase of it is under way. What lies in the directory of a run is not
    looked at: a search may have put anything there. One that was set aside to be done again is none; its name begins
    with a point, as those of directories that are not looked at.

    Args:
        directory: to look below; it need not be there.
        without: directories of runs that are left out.

    Raises:
        InputError: a directory cannot be read, and runs lie beside it, or none were found.
    """
    ended, unended, closed = list[Path](), list[Path](), list[OSError]()
    for where, folders, files in walk(directory, closed):
        if not {RECORD, INPUTS} & {*folders, *files}:
            folders[:] = [name for name in folders if name[:1] != "." and where / name not in without]
            continue
        folders.clear()
        if not there(phase_note(where)) and there(where / RECORD):
            ended.append(where)
        elif not where.name.startswith("."):
            unended.append(where)
    # Below the same profile as runs there may be others. What else is closed there, lost+found, say, is nobody's run.
    known = {_top(path, directory) for path in (*ended, *unended, *without)}
    shut = {Path(error.filename): error for error in closed}
    for path, error in shut.items():
        if not known or _top(path, directory) in (*known, ()):
            raise unreadable(path, error) from error
    return Found(tuple(sorted(ended)), tuple(sorted(unended)), tuple(shut))


def _top(path: Path, directory: Path) -> tuple[str, ...]:
    """The first part of a path below a directory."""
    return path.relative_to(directory).parts[:1]


def check_place(record: Record, run: Path, parts: Sequence[str]) -> None:
    """Looks whether a record is that of its directory: one that was changed or put there gives another run's row.

    Args:
        record: of a run.
        run: its directory.
        parts: the end of its path, the seed last: as many of the five names as there are.

    Raises:
        InputError: it is not.
    """
    own = [str(getattr(record, field)) for field in _NAMES]
    for name, value, part in zip(reversed(_NAMES.values()), reversed(own), reversed(parts), strict=False):
        if directory_name(value) != part:
            _refuse_place(run, name, value, part)


def check_inputs_are_of(record: Record, run: Path) -> None:
    """Looks whether a record is of the run that was begun in its directory, wherever that lies by now.

    Older runs do not say what they are, and what nobody can read says nothing.

    Raises:
        InputError: it is not.
    """
    begun = begun_as(run)
    for field, name in _NAMES.items():
        if name in begun and begun[name] != (value := getattr(record, field)):
            _refuse_place(run, name, value, begun[name])


def begun_as(run: Path) -> dict[str, Any]:
    """What the run in a directory was started with; nothing where nobody can read it."""
    try:
        begun = json.loads(read_text(run / INPUTS))
    except (OSError, ValueError, RecursionError):
        return {}
    return begun if isinstance(begun, dict) else {}


def _refuse_place(run: Path, name: str, value: object, other: object) -> Never:
    raise InputError(
        f"{run / RECORD} says {name} {value}, and its directory is of {name} {other}; put it back to where it "
        f"belongs, or {AGAIN}"
    )
