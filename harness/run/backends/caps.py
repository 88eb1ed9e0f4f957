"""What a process may print, leave on the disk and take of the memory: looked at from outside, so that nobody waits."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

LOG_MOST = 10 * 2**20
"""Bytes that a log may hold; of a longer one the beginning and the end are kept."""
LOG_END = 2**20
"""Bytes that are kept of the end."""
DISK_MOST = 20 * 2**30
"""Bytes that the directory of an item may hold: checkpoints, stopped trainings and scratch files together."""
_TRIES = 20
_CUT = b"\n[output was cut here: a log holds %d MB, the first and the last part of what was printed]\n"


def open_log(path: Path) -> int:
    """A descriptor that appends to a log; what is no file of its own there, such as a link, is removed before.

    An earlier process had the directory to itself, and may have put a link to somebody else's file there.

    Raises:
        OSError: it cannot be opened.
    """
    clear(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)


def clear(path: Path) -> None:
    """Removes what is neither a regular file without a second name nor a directory.

    Raises:
        OSError: it cannot be removed.
    """
    with contextlib.suppress(FileNotFoundError):
        facts = path.lstat()
        if not _is_own(facts) and not stat.S_ISDIR(facts.st_mode):
            path.unlink()


def cut_log(path: Path) -> bool:
    """Takes the middle out of a log of more than :data:`LOG_MOST` bytes, also while a process appends to it.

    The process does not notice: each of its writes goes to what is the end of the file then. What it prints in
    the moment of the cut is lost. The beginning and the end that are kept are half of :data:`LOG_MOST` together.

    Returns:
        Whether it was cut.
    """
    try:
        if path.lstat().st_size <= LOG_MOST:
            return False
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # there is none, or it is a link
        return False
    try:
        facts = os.fstat(descriptor)
        if not _is_own(facts):
            return False
        first, cut = LOG_MOST // 2 - LOG_END, _CUT % (LOG_MOST // 10**6)
        for _ in range(_TRIES):  # until nothing has come while the end was copied
            size = os.fstat(descriptor).st_size
            kept = cut + os.pread(descriptor, LOG_END, size - LOG_END)
            os.pwrite(descriptor, kept, first)
            if os.fstat(descriptor).st_size == size:
                break
        os.ftruncate(descriptor, first + len(kept))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def on_disk(directory: Path) -> int:
    """Bytes that the files below a directory take on the disk; what cannot be seen counts nothing."""
    total, waiting = 0, [os.fspath(directory)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return total


def in_memory(processes: Iterable[int]) -> int:
    """Bytes of memory that no file lies behind, of some processes together: their own and what they share; Linux only.

    What several of them share counts once. A limit of one process's own memory holds neither that nor its children.
    """
    total = 0
    for process in processes:
        with contextlib.suppress(OSError, ValueError):
            for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines():
                if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                    total += 1024 * int(line.split()[1])
    return total


def _is_own(facts: os.stat_result) -> bool:
    """Whether a file is a regular one without a second name."""
    return stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1
