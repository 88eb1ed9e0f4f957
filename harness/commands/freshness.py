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

from harness.core.home import PACKAGE, folder
from harness.run.store import write_json

_MARK = ".report.json"
_READ = ("record.json", "evaluations.jsonl", "proposals.jsonl")
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
    write_json(directory / _MARK, {"state": state, "files": _files(directory, [path.name for path in files])})


def state_of(directory: Path) -> str:
    """A digest of what a report depends on: runs, all code of the harness (a drawing comes through spaces, core and
    commands), methods, published numbers, versions of libraries."""
    digest = hashlib.sha256()
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    for home in (PACKAGE, folder("methods"), folder("results/published")):
        for line in sorted(_lines(home)):
            digest.update(line.encode())
    for line in sorted(_lines(directory, _READ)):
        digest.update(line.encode())
    return digest.hexdigest()


def _lines(directory: Path, names: Sequence[str] = ()) -> Iterator[str]:
    """One line per file below ``directory``, or per file of these names."""
    for where, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names or files:
            if name in files:
                with contextlib.suppress(FileNotFoundError):  # a link to nothing
                    found = os.stat(os.path.join(where, name))
                    yield f"{os.path.relpath(where, directory)}/{name} {found.st_size} {found.st_mtime_ns}\n"


def _files(directory: Path, names: Sequence[str]) -> dict[str, list[int]]:
    found = {name: (directory / name).stat() for name in names}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in found.items()}
