"""Surroundings of a process on this machine: lock, output, scratch directory, memory cap, an end with its parent."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Container, Iterator
from multiprocessing import connection
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from harness.run.backends import caps
from harness.run.backends.base import LOCK, LOG, SCRATCH

_SET_CHILD_SUBREAPER = 36


class Busy(Exception):
    """Another process is working on the same run."""


def lock(directory: Path, patience: float) -> BaseFileLock:
    """Takes a directory's lock, which the system lets go when this process ends, however it ends.

    Args:
        directory: exists.
        patience: seconds to wait: a killed process may take a moment to let go.

    Raises:
        Busy: another process holds it.
        OSError: the directory is gone, or cannot be written.
    """
    if not directory.is_dir():
        raise FileNotFoundError(f"the directory {directory} is gone")
    held = FileLock(directory / LOCK, timeout=patience)
    try:
        held.acquire(poll_interval=0.2)
    except Timeout:
        raise Busy from None
    for torn in directory.glob(".[0-9]*-*"):  # a killed process was writing them
        torn.unlink(missing_ok=True)
    return held


def settle(directory: Path, memory: float) -> None:
    """Settles this process into a directory that it has locked, for good.

    Args:
        directory: gets the log and the scratch directory.
        memory: cap of the process's private memory, GiB.
    """
    _log_to(directory / LOG)
    scratch = directory / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    os.chdir(scratch)
    os.environ["TMPDIR"] = str(scratch)
    tempfile.tempdir = None
    cap = int(memory * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (cap, cap))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def leave(directory: Path) -> None:
    """Removes the scratch directory."""
    if directory.is_dir():
        os.chdir(directory)
        shutil.rmtree(directory / SCRATCH, ignore_errors=True)


def end_with_parent() -> None:
    """From now on this process ends when the one that has started it is gone: a killed command leaves nothing running.

    That is the command, and not the server whose copy this process may be: the server lives as long as its copies.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None, "nobody has started this process"
    threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def adopt_orphans() -> None:
    """From now on what descends from this process and loses its parent is its child; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans(adopter: int, known: Container[int | None]) -> int:
    """Kills the children of a process that are not ``known``: what ended searches have left running.

    Args:
        adopter: has called :func:`adopt_orphans`.
        known: its children proper.

    Returns:
        How many there were.
    """
    orphans = [pid for pid in _children(adopter) if pid not in known]
    for pid in orphans:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return len(orphans)


def _children(parent: int) -> Iterator[int]:
    """Running processes with this parent, as far as the system tells."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, above = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:2]
            if int(above) == parent and state != "Z":
                yield int(path.parent.name)


def _watch(parent: int) -> None:
    """Ends this process when the other end of a pipe is closed."""
    connection.wait([parent])
    os._exit(1)


def _log_to(path: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = caps.open_log(path)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
