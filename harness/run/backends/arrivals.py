"""What a node's slot reports is written where a process of this machine would have left it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from harness.core.files import replacing
from harness.run.backends.base import LOG
from harness.run.backends.node import Report
from harness.run.backends.parcels import files_at


def take_in(writes: Sequence[str], directories: Mapping[str, Path], report: Report) -> None:
    """Makes the items' directories like those of a slot: what the call may leave there, and nothing else.

    Logs come first and results last, so that a head that is killed in between has what a killed process leaves.

    Args:
        writes: names of files, and of directories of files, that the call may leave.
        directories: of the items on this machine, by their paths in the slot's ground.
        report: of the slot.

    Raises:
        OSError: a file cannot be written.
    """
    names = sorted((*writes, LOG), key=lambda name: not name.endswith(".jsonl"))
    for there, here in directories.items():
        for name in names:
            for path, content in report.files.items():
                if _leads_to(path, f"{there}/{name}"):
                    _write(here, PurePosixPath(path).relative_to(there), content)
            if name != LOG:
                _remove(here / name, {path.removeprefix(f"{there}/") for path in report.present})


def _leads_to(path: str, place: str) -> bool:
    """Whether a path is that of a file with this name, or of one in a directory with it."""
    inner = path.removeprefix(place)
    return path.startswith(place) and (not inner or (inner.startswith("/") and inner.count("/") == 1))


def _write(here: Path, path: PurePosixPath, content: bytes) -> None:
    """Writes a file in an item's directory, or in a directory there.

    An earlier search on this machine may have put a link in the place of that: it is removed before.
    """
    parent = (here / path).parent
    if parent != here:
        if parent.is_symlink():
            parent.unlink()
        parent.mkdir(exist_ok=True)
    with replacing(here / path) as new:
        new.write_bytes(content)


def _remove(path: Path, present: set[str]) -> None:
    """Removes what is not there on the slot's side: a file or a link, or files in a directory."""
    if path.is_symlink():
        path.unlink()
    for old in files_at(path):
        if old.relative_to(path.parent).as_posix() not in present:
            old.unlink()
