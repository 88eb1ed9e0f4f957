"""Replacing a file at once: a reader, or a process after a crash, sees the old or the new content and never a part."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A path beside ``path``, with the same suffix, to write a file to; when the block ends, it replaces ``path``.

    If the block raises, ``path`` stays as it was and the new file is removed.

    Args:
        path: of the file; its directory exists.
        durable: whether the new content survives a power cut: it is on the disk before the rename, and so is the new
            name afterwards, where the system allows that. Without, a process that is killed still leaves no half file.

    Raises:
        OSError: the directory is missing or not writable, or the disk is full.
    """
    new = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        new.unlink(missing_ok=True)  # a link that somebody has put there would be written through
        yield new
        if durable:
            _sync_file(new)
        new.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    if durable:
        _sync_directory(path.parent)


def replace_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Replaces a file by ``text``, in UTF-8 and with line ends as they are; see :func:`replacing`."""
    with replacing(path, durable=durable) as new:
        new.write_text(text, encoding="utf-8", newline="")


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    """Brings the names in a directory to the disk; where a directory cannot be opened or synced, it does nothing."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
