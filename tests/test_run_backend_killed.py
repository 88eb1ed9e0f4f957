"""A command that is killed leaves no process, whatever its searches do: nothing that it has started is there a moment
later."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from backends import items

from harness.core.home import CHECKOUT as ROOT
from harness.run.backends.base import Call, Outcome, Tell
from harness.run.backends.local import Local

LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux has processes adopted, and ended with their parent"
)
MARK = "HARNESS_TEST_MARK"
_PROGRAM = """
import sys; sys.path[:0] = [{root!r}, {tests!r}]
import pathlib, test_run_backend_killed as tests
from harness.run.backends.local import Local
backend = Local(); backend.submit(tests.call_of(pathlib.Path({path!r}), {body!r}, {tensorflow}))
while True: backend.wait(1)
"""


def holds_the_lock(directory: str, tell: Tell) -> Outcome:
    """Python's: no other thread of this process does anything from now on."""
    _started(directory)
    ctypes.PyDLL(None).sleep(300)
    return Outcome("ok")


def leaves_daemons(directory: str, tell: Tell) -> Outcome:
    """In sessions of their own, one below the other; then it waits."""
    if os.fork() == 0:
        for _ in range(2):
            os.setsid()
            if os.fork() != 0:
                time.sleep(300)
                os._exit(0)
        _started(directory)
        time.sleep(300)
        os._exit(0)
    subprocess.Popen(["sleep", "300"], start_new_session=True)
    time.sleep(300)
    return Outcome("ok")


def leaves_a_daemon_and_ends(directory: str, tell: Tell) -> Outcome:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            _started(directory)
            time.sleep(300)
        os._exit(0)
    while not (Path(directory) / "started").exists():
        time.sleep(0.05)
    return Outcome("ok")


BODIES = {body.__name__: body for body in (holds_the_lock, leaves_daemons, leaves_a_daemon_and_ends)}


def _started(directory: str) -> None:
    (Path(directory) / "started").write_text(str(os.getpid()))


def call_of(path: Path, body: str, tensorflow: bool) -> Call:
    return Call("search", BODIES[body], items([path / "a"]), (), 500, 4, 1, tensorflow)


def marked(mark: str) -> list[str]:
    """Running processes that have inherited a mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            alive = ") Z" not in (process / "stat").read_text(errors="replace")
            if alive and f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200])
        except OSError:
            continue
    return found


def gone(mark: str, seconds: float = 60.0) -> list[str]:
    """What is left of the marked processes after a while."""
    until = time.monotonic() + seconds
    while (left := marked(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    return left


@LINUX
@pytest.mark.parametrize(
    ("body", "tensorflow", "while_it_starts"),
    [
        ("holds_the_lock", True, False),
        ("leaves_daemons", True, False),
        ("leaves_daemons", False, False),
        ("holds_the_lock", True, True),
    ],
)
def test_nothing_is_left_of_a_killed_command(
    tmp_path: Path, body: str, tensorflow: bool, while_it_starts: bool
) -> None:
    script = _PROGRAM.format(
        root=str(ROOT), tests=str(Path(__file__).parent), path=str(tmp_path), body=body, tensorflow=tensorflow
    )
    mark = str(tmp_path)
    command = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, MARK: mark})
    started = tmp_path / "a" / "started"
    while not (started.exists() and started.read_text()):
        assert command.poll() is None
        if while_it_starts and any("forkserver" in words for words in marked(mark)):
            break
        time.sleep(0.05)
    assert len(marked(mark)) >= 2
    command.kill()
    command.wait()
    assert gone(mark) == []


@LINUX
@pytest.mark.parametrize("ended", ["by itself", "by the command"])
def test_daemons_of_a_process_without_a_server_end_with_it(tmp_path: Path, ended: str) -> None:
    """Searches on tables have no server that adopts what they leave behind."""
    backend = Local()
    body = "leaves_a_daemon_and_ends" if ended == "by itself" else "leaves_daemons"
    handle = backend.submit(call_of(tmp_path, body, False))
    started = tmp_path / "a" / "started"
    while not (started.exists() and started.read_text()):
        assert backend.wait(0.05) == [] or handle.outcomes
    if ended == "by itself":
        while not handle.outcomes:
            backend.wait(0.05)
        assert handle.outcomes[0].status == "ok"
    else:
        backend.cancel(handle)
    backend.close()
    stat = Path("/proc") / started.read_text() / "stat"
    until = time.monotonic() + 10
    while stat.exists() and ") Z" not in stat.read_text() and time.monotonic() < until:
        time.sleep(0.05)
    assert not stat.exists() or ") Z" in stat.read_text()
