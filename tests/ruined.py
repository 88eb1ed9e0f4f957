"""What may lie in the place of a file in a run's directory."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.run.store import RunDirectory

KINDS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a directory": lambda path: path.mkdir(),
    "a link to nothing": lambda path: path.symlink_to(path.with_name("nothing")),
    "an empty file": lambda path: path.write_bytes(b""),
    "brackets": lambda path: path.write_text("[" * 100_000 + "\n"),
    "garbage": lambda path: path.write_bytes(b"\x00\xff\xfe{[\n\n" * 9),
}
FILES = sorted(
    name
    for name, value in vars(RunDirectory).items()
    if isinstance(value, property) and name not in ("scratch", "stopped", "networks")
)
"""Names of the properties of :class:`RunDirectory` that are paths of files."""


def ruin(path: Path, kind: str) -> None:
    """Puts something else in the place of ``path``."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    KINDS[kind](path)


def closed(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """Lets a directory look as one that nobody may read or enter does: to root, no directory is closed."""
    listed, looked_at = os.scandir, os.stat

    def refuse(path: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def scandir(path: Any = ".") -> Any:
        shut = not isinstance(path, int) and directory in (Path(path), *Path(path).parents)
        return refuse(path) if shut else listed(path)

    def look(path: Any, *args: Any, **more: Any) -> os.stat_result:
        if not isinstance(path, int) and directory in Path(os.fsdecode(path)).parents:
            refuse(path)
        return looked_at(path, *args, **more)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "stat", look)
