"""Whether there is room to write: a disk that is full, or can no longer be written, is nobody's failure."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.core.errors import StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_PROBE = 16 * 2**20
"""Bytes; a file of a run is seldom larger."""


def is_full(error: BaseException) -> bool:
    """Whether an error says that the disk is full, or the quota, or that nothing may be written there any more."""
    return isinstance(error, OSError) and error.errno in _FULL


def check_room(directory: Path, reason: str) -> None:
    """Looks whether a process has failed because there is no room, so that it would fail again, and others too.

    Args:
        directory: where the process wrote.
        reason: that it gave. A method may say anything, so the directory is tried as well.

    Raises:
        OSError: there is no room.
    """
    if any(os.strerror(number) in reason for number in _FULL):
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(bytes(_PROBE))
            file.flush()


@contextmanager
def going_on_later(directory: Path, stored: Callable[[], str]) -> Iterator[None]:
    """Says what is stored, and how to go on, where there is no room any more; other errors pass.

    Args:
        directory: that is written into.
        stored: what is, like "3 of 7 runs are stored".

    Raises:
        StorageError: there is no room.
    """
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise StorageError(
            f"{directory} takes no more ({error.strerror}): {stored()}; make room, and the same command continues"
        ) from error
