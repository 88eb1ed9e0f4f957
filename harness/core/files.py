"""Replacing a file at once: a reader, or a process after a crash, sees the old or the new content and never a part.

And looking at a file before it is read, and removing whatever there is: in a run's directory a search may have put
anything in its place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.core.errors import InputError

MOST_TEXT = 256 * 2**20
"""Bytes of a file of text in a run's directory that are read: the command has to live with what a search has left."""
_NOTHING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What the system says where there is nothing."""


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """An empty file beside ``path``, with the same suffix, to write to; when the block ends, it replaces ``path``.

    If the block raises, ``path`` stays as it was and the new file is removed. Any number of processes may replace the
    same file at the same time, on any number of machines: the last one's is there in the end.

    Args:
        path: of the file; its directory exists.
        durable: whether the new content survives a power cut: it is on the disk before the rename, and so is the new
            name afterwards, where the system allows that. Without, a process that is killed still leaves no half file.

    Raises:
        OSError: the directory is missing or not writable, or the disk is full.
    """
    new = _created_beside(path)
    try:
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


def _created_beside(path: Path) -> Path:
    """A new file beside ``path``, which no other process writes to.

    The number of a process is not enough for that: containers that share a directory count them from 1 each. A link
    that somebody has put there would be written through, so what there is already is left alone.
    """
    while True:
        new = path.with_name(f".{os.getpid()}-{os.urandom(6).hex()}-{path.name}")
        with contextlib.suppress(FileExistsError):
            new.open("xb").close()
            return new


def remove_torn(directory: Path) -> None:
    """Removes the new files that killed processes were writing in a directory, in which none is writing now."""
    for torn in directory.glob(".[0-9]*-*"):
        torn.unlink(missing_ok=True)


def replace_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Replaces a file by ``text``, in UTF-8 and with line ends as they are; see :func:`replacing`."""
    with replacing(path, durable=durable) as new:
        new.write_text(text, encoding="utf-8", newline="")


def readable(path: Path, most: int = 0) -> Path:
    """The path, if it is to be opened; also if there is nothing, which whoever opens it will say.

    Args:
        path: of a file.
        most: bytes that are read; 0 for any number.

    Raises:
        ValueError: it is something else, as a pipe, which would be waited for, or too long; the message is a sentence.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path.name} is no file")
    if most and path.exists() and (size := path.stat().st_size) > most:
        raise ValueError(f"{path.name} holds {size / 2**20:,.0f} MiB, and {most // 2**20} are read")
    return path


def there(path: Path) -> bool:
    """Whether there is something; a link to nothing is nothing.

    ``Path.exists`` raises where a directory on the way is closed, or says that there is nothing: it depends on Python.

    Raises:
        InputError: nobody can tell.
    """
    try:
        path.stat()
    except OSError as error:
        if error.errno in _NOTHING:
            return False
        raise unreadable(path, error) from error
    return True


def walk(directory: Path, closed: list[OSError]) -> Iterator[tuple[Path, list[str], list[str]]]:
    """As ``os.walk``, which leaves out what it cannot read without a word; without a directory, nothing.

    Args:
        directory: to begin with.
        closed: gets the error of each directory that cannot be read, with its name.
    """

    def note(error: OSError) -> None:
        if error.errno not in _NOTHING:  # another command may have removed it meanwhile
            closed.append(error)

    for where, folders, files in os.walk(directory, onerror=note):
        yield Path(where), folders, files


def unreadable(path: Path, error: OSError) -> InputError:
    """The sentence about something that cannot be read."""
    return InputError(
        f"{path} cannot be read ({error.strerror}); give yourself the right to read it, or move it out of the way"
    )


def read_text(path: Path, most: int = MOST_TEXT) -> str:
    """What a file of text holds, in UTF-8.

    Raises:
        OSError, ValueError: it cannot be read, or is longer than ``most`` bytes; the message is a sentence.
    """
    return readable(path, most).read_text(encoding="utf-8")


def remove(path: Path) -> None:
    """Removes a file or a link, or a directory with all that is in it, where directories are closed as well.

    What another process removes at the same time is removed, and no error.

    Raises:
        OSError, RecursionError: something cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        _open_up(path)
        shutil.rmtree(path, ignore_errors=True)  # goes on where something is gone by then
        if os.path.lexists(path):
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(path)  # says what cannot be removed
    else:
        path.unlink(missing_ok=True)


def _open_up(directory: Path) -> None:
    """Makes a directory and those in it ones that can be removed; what belongs to others stays as it is."""
    with contextlib.suppress(PermissionError, FileNotFoundError):
        directory.chmod(0o700)
    with contextlib.suppress(FileNotFoundError):
        for path in directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                _open_up(path)


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
