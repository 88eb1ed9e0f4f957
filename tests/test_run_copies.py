"""Copies of a process: they end with it, whatever they are at, and closing them never raises."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import pytest

from harness.run.backends import sandbox
from harness.run.backends.copies import Copies
from harness.run.fence import Refused

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process that cannot watch anything")


def sleeps() -> None:
    time.sleep(100)


def holds_pythons_lock() -> None:
    re.match(r"(a+)+$", "a" * 50 + "b")  # the matcher never lets a thread run


def begun(work: Callable[[], None]) -> tuple[Copies, Connection, list[int]]:
    """Two copies at work; a pipe that is at its end when both have ended; their processes."""
    reads, writes = Pipe(duplex=False)

    def serve() -> Callable[[Any], Any]:
        def answer(value: Any) -> None:
            writes.send(os.getpid())
            work()

        return answer

    copies = Copies(2, serve)
    writes.close()
    for number in range(2):
        copies.ask(number)
    return copies, reads, [reads.recv(), reads.recv()]


def ended(pipe: Connection) -> bool:
    """Whether those that hold the pipe's other end have ended, or do so within seconds."""
    try:
        return pipe.poll(10) and pipe.recv() is None
    except EOFError:
        return True


@pytest.mark.parametrize(
    ("work", "kernel"),
    [(sleeps, True), (sleeps, False), pytest.param(holds_pythons_lock, True, marks=LINUX)],
)
def test_busy_copies_end_when_their_owner_is_killed(
    monkeypatch: pytest.MonkeyPatch, work: Callable[[], None], kernel: bool
) -> None:
    if not kernel:
        monkeypatch.setattr(sandbox, "signal_at_parents_end", lambda number: None)
    ours, theirs = Pipe()
    owner = os.fork()
    if owner == 0:
        try:
            ours.close()
            _, pipe, pids = begun(work)
            theirs.send(pids)
            theirs.poll(100)
            pipe.close()
        finally:
            os._exit(0)
    # The copies have inherited this end, so that it is closed when the last of them is.
    theirs.close()
    pids = ours.recv()
    os.kill(owner, signal.SIGKILL)
    os.waitpid(owner, 0)
    try:
        assert ended(ours)
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_closing_ends_busy_copies_where_the_fence_refuses_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    copies, pipe, pids = begun(sleeps)

    def refuses(pid: int, number: int) -> None:
        raise Refused(f"a search may not reach for process {pid}")

    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", refuses)
        copies.close()
    assert ended(pipe)
    for pid in pids:
        os.waitpid(pid, 0)
