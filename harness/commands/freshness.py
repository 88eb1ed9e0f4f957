"""Whether a report's files still say what the records say, so that asking again costs no reading and no plotting.

Files are told from changed ones by size and time of change, as ``make`` does; nothing is read for that.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from harness.core.files import there
from harness.core.home import PACKAGE, folder
from harness.run.store import write_json
from harness.stored.runs import INPUTS, RECORD, Found, find_runs

_MARK = ".report.json"
_READ = (RECORD, INPUTS, "evaluations.jsonl", "proposals.jsonl")
_LIBRARIES = ("jinja2", "matplotlib", "numpy", "plotly", "scipy")
"""What tables and drawings are made with, besides the code of the harness."""


def is_fresh(directory: Path, state: str) -> bool:
    """Whether :func:`mark` was called with this state, and nobody has touched its files since."""
    try:
        stored = json.loads((directory / _MARK).read_text(encoding="utf-8"))
        return bool(stored["state"] == state and stored["files"] == _files(directory, stored["files"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return False


def mark(directory: Path, state: str, files: Sequence[Path]) -> None:
    """Notes that ``files`` in ``directory`` tell about the runs that :func:`state_of` saw before they were read."""
    with contextlib.suppress(OSError):  # without it the next report is made again
        write_json(directory / _MARK, {"state": state, "files": _files(directory, [path.name for path in files])})


def state_of(directory: Path, found: Found | None = None) -> str:
    """A digest of what a report depends on: runs, all code of the harness (a drawing comes through spaces, core and
    commands), methods, published numbers, versions of libraries.

    Args:
        directory: of the runs.
        found: what lies there; None: it is looked up.
    """
    digest = hashlib.sha256()
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    for home in (PACKAGE, folder("methods"), folder("results/published")):
        for line in sorted(_lines(home)):
            digest.update(line.encode())
    for line in sorted(_run_lines(directory, found or find_runs(directory))):
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _lines(directory: Path) -> Iterator[str]:
    """One line per file below ``directory``."""
    for where, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from filter(None, (_line(directory, Path(where, name)) for name in files))


def _run_lines(directory: Path, found: Found) -> Iterator[str]:
    """One line per file that a report reads of the runs below ``directory``, and per run that it leaves out."""
    yield from filter(None, (_line(directory, run / name) for run in found.ended for name in _READ))
    yield from (f"{run.relative_to(directory)} has not ended\n" for run in found.unended)


def _line(directory: Path, path: Path) -> str:
    """Name, size and time of change of a file; "" if there is nothing.

    Raises:
        InputError: it is in a directory that is closed.
    """
    try:
        found = os.stat(path)
    except OSError:
        there(path)  # raises where it is closed
        return ""
    return f"{path.relative_to(directory)} {found.st_size} {found.st_mtime_ns}\n"


def _files(directory: Path, names: Sequence[str]) -> dict[str, list[int]]:
    found = {name: (directory / name).stat() for name in names}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in found.items()}
