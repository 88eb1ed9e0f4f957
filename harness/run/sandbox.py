"""Surroundings of a child process: output, lock, scratch directory, memory cap, and an end when the parent ends."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

from harness.run.store import RunDirectory

LOCK_PATIENCE = 20.0  # seconds: a killed process may take a moment to let go


class Busy(Exception):
    """Another process is working on the same run."""


def move_in(directory: RunDirectory, memory: float) -> None:
    """Settles this process into a run directory, for good.

    Args:
        directory: of the run; must exist.
        memory: cap of the process's private memory, GiB.

    Raises:
        Busy: another process holds the directory.
    """
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    lock(directory)
    _log_to(directory.log)
    for torn in directory.path.glob(".[0-9]*-*"):  # a killed process was writing them
        torn.unlink(missing_ok=True)
    shutil.rmtree(directory.scratch, ignore_errors=True)
    directory.scratch.mkdir()
    os.chdir(directory.scratch)
    os.environ["TMPDIR"] = str(directory.scratch)
    tempfile.tempdir = None
    cap = int(memory * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (cap, cap))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def move_out(directory: RunDirectory) -> None:
    """Removes the scratch directory."""
    os.chdir(directory.path)
    shutil.rmtree(directory.scratch, ignore_errors=True)


def _end_with(parent: int) -> None:
    """Ends this process when its parent is gone, so that a killed command leaves nothing running."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def lock(directory: RunDirectory) -> None:
    """Takes a run's lock, which the system lets go when this process ends, however it ends.

    Raises:
        Busy: another process holds it.
    """
    descriptor = os.open(directory.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise Busy from None
            time.sleep(0.2)


def _log_to(path: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
