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
import time
from collections.abc import Container, Iterator
from multiprocessing import connection
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from harness.core.files import remove_torn
from harness.run.backends import caps
from harness.run.backends.base import LOCK, LOG, SCRATCH, Busy

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
COMMAND = "NAS_HARNESS_COMMAND"
"""Variable of the environment: the process that a server belongs to."""
_PATIENCE = 30.0  # seconds that killed processes may take to end


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
    caps.clear(directory / LOCK)  # a link that an earlier process has left: the file behind it would be emptied
    held = FileLock(directory / LOCK, timeout=patience)
    try:
        held.acquire(poll_interval=0.2)
    except Timeout:
        raise Busy from None
    remove_torn(directory)
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
    """From now on this process, and what it has started, ends when the command that wanted it is gone.

    A pipe from the command is watched. A process that holds Python's lock all the time cannot watch anything: on Linux,
    the kernel ends a copy of a server with the server, which ends with the command (:func:`end_with_command`).
    """
    parent = multiprocessing.parent_process()
    assert parent is not None, "nobody has started this process"
    adopt_orphans()
    if parent.pid != os.getppid():
        signal_at_parents_end(signal.SIGKILL)
    threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def end_with_command() -> None:
    """Makes this process, a server, end with the command that has started it, and take its children along; Linux only.

    Without, it ends when all copies have closed a pipe, which is never if one has left a daemon behind; and not before
    its imports are done, which takes minutes on a machine that is short of memory.
    """
    server, command = os.getpid(), int(os.environ.get(COMMAND) or os.getppid())

    def end(number: int, frame: object) -> None:
        # The signal also comes when a thread of the command ends. A copy of the server may inherit this function.
        if os.getpid() == server and os.getppid() != command:
            end_children()
            os._exit(1)

    signal.signal(signal.SIGUSR1, end)
    signal_at_parents_end(signal.SIGUSR1)
    end(signal.SIGUSR1, None)  # the command may have ended before


def signal_at_parents_end(number: int) -> None:
    """Has the kernel send this process a signal when the thread that has started it ends; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, number, 0, 0, 0)


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


def end_children() -> None:
    """Kills the children of this process, and theirs, which it adopts as they lose their parents.

    A child is gone when it was waited for and not before: of a process with threads the first one may be over while its
    children still belong to the others.
    """
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        end_orphans(os.getpid(), ())
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.02)


def kill(pid: int) -> None:
    """Kills a process and all that descends from it, as far as the system tells."""
    for member in family(pid):
        with contextlib.suppress(OSError):
            os.kill(member, signal.SIGKILL)


def family(pid: int) -> list[int]:
    """A process and all that descends from it, as far as the system tells."""
    members = [pid]
    for member in members:
        members += _children(member)
    return members


def _children(parent: int) -> Iterator[int]:
    """Running processes with this parent, as far as the system tells."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, above = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:2]
            if int(above) == parent and state != "Z":
                yield int(path.parent.name)


def _watch(parent: int) -> None:
    """Ends this process and its children when the other end of a pipe is closed."""
    connection.wait([parent])
    end_children()
    os._exit(1)


def _log_to(path: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = caps.open_log(path)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
