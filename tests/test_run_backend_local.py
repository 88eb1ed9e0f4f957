"""The back end of this machine: how calls end, each in a process of its own, without TensorFlow."""

from __future__ import annotations

import dataclasses
import functools
import json
import multiprocessing
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path

import numpy as np
import pytest
from backends import items
from test_run_plan import request_for

from harness.core.home import CHECKOUT as ROOT
from harness.plugins.catalogue import BrokenPlugin
from harness.run.backends import local as execute
from harness.run.backends.base import Call, Handle, Item, Outcome, Position, Tell
from harness.run.backends.local import Local
from harness.run.backends.process import ending
from harness.run.backends.telling import MOST_REASON, understood
from harness.run.job import Failure, Job, Unsupported, guarded
from harness.run.plan import make_plan


def fine(job: Job) -> None:
    Path("left behind").write_text("in the scratch directory")
    (job.directory.path / "cwd").write_text(str(Path.cwd()))


def prints(job: Job) -> None:
    print("to standard output")
    os.write(2, b"to standard error\n")


def raises(job: Job) -> None:
    raise ValueError("with\na message")


def leaves_by_exception(job: Job) -> None:
    sys.exit(7)


def fails(job: Job) -> None:
    raise Failure("a reason")


def is_broken(job: Job) -> None:
    raise BrokenPlugin("another reason")


def declines(job: Job) -> None:
    raise Unsupported("not this")


def hoards(job: Job) -> None:
    kept = []
    while True:
        kept.append(np.ones(2**24))


def waits(job: Job) -> None:
    (job.directory.path / "started").write_text("")
    time.sleep(60)


def job_of(tmp_path: Path) -> Job:
    job = make_plan(request_for(tmp_path)).jobs[0]
    job.directory.path.mkdir(parents=True)
    return dataclasses.replace(job, profile=dataclasses.replace(job.profile, memory=1.5))


def phase(body: Callable[[Job], None], job: Job, tell: Tell) -> Outcome:
    return guarded(job, "search", lambda: body(job))


def call_of(job: Job, body: Callable[[Job], None]) -> Call:
    item = Item(job, job.directory.path)
    return Call("search", functools.partial(phase, body), (item,), (), 100, job.profile.memory, 1, False)


def finished(backend: Local, handle: Handle) -> tuple[Outcome, ...]:
    """Waits for one call."""
    while handle not in backend.wait(0.1):
        pass
    return handle.outcomes


def end(job: Job, body: Callable[[Job], None]) -> Outcome:
    backend = Local()
    [outcome] = finished(backend, backend.submit(call_of(job, body)))
    backend.close()
    return outcome


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (raises, "failed", "the search raised ValueError: with a message (test_run_backend_local.py, line"),
        (leaves_by_exception, "failed", "the search raised SystemExit: 7"),
        (fails, "failed", "a reason"),
        (is_broken, "failed", "another reason"),
        (declines, "unsupported", "not this"),
        (hoards, "failed", "the search needs more than its 1.5 GiB of memory"),
    ],
)
def test_whatever_a_phase_raises_becomes_a_sentence(
    tmp_path: Path, body: Callable[[Job], None], status: str, reason: str
) -> None:
    outcome = end(job_of(tmp_path), body)
    assert outcome.status == status
    assert outcome.reason.startswith(reason)
    assert "\n" not in outcome.reason


def test_a_phase_runs_in_a_scratch_directory_that_goes_away(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    torn = job.directory.path / ".123-checkpoint.npz"
    torn.write_bytes(b"half of it")
    outcome = end(job, fine)
    assert outcome.status == "ok"
    assert (job.directory.path / "cwd").read_text() == str(job.directory.scratch)
    assert not job.directory.scratch.exists()
    assert not torn.exists()


def test_what_a_phase_prints_is_in_its_log(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    end(job, prints)
    end(job, raises)
    log = job.directory.log.read_text()
    assert "to standard output" in log
    assert "to standard error" in log
    assert "Traceback" in log


def test_two_processes_do_not_work_on_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(tmp_path)
    first = Local()
    handle = first.submit(call_of(job, waits))
    while not (job.directory.path / "started").exists():
        time.sleep(0.05)
    with monkeypatch.context() as patch:
        patch.setattr(execute, "PATIENCE", 0.5)
        assert end(job, fine).status == "busy"
    first.cancel(handle)
    assert end(job, fine).status == "ok"


def leaves_a_number(directory: str, tell: Tell) -> Outcome:
    number = Path(directory).name
    (Path(directory) / "pid").write_text(str(os.getpid()))
    tell(0.5, f"half of {number}")
    match number:
        case "breaks":
            os._exit(3)
        case "loops":
            time.sleep(60)
        case "kills":
            os.kill(os.getpid(), signal.SIGKILL)
        case "slow":
            time.sleep(2)
    return Outcome("ok", number)


def numbers(tmp_path: Path, *names: str, seconds: float = 30.0) -> Call:
    return Call("search", leaves_a_number, items(tmp_path / name for name in names), (), seconds, 4, 1, False)


def test_items_are_worked_off_in_one_process(tmp_path: Path) -> None:
    backend = Local()
    outcomes = finished(backend, backend.submit(numbers(tmp_path, "a", "b", "c")))
    assert [(outcome.status, outcome.reason) for outcome in outcomes] == [("ok", "a"), ("ok", "b"), ("ok", "c")]
    assert len({(tmp_path / name / "pid").read_text() for name in "abc"}) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *[("breaks", "exit code 3"), ("kills", "SIGKILL")],
        pytest.param("loops", "time-out: the search was stopped", marks=pytest.mark.slow),
    ],
)
def test_the_item_that_breaks_its_process_is_the_last_with_an_outcome(tmp_path: Path, name: str, words: str) -> None:
    backend = Local()
    # The cap begins with the process, which takes a starved machine many seconds to start.
    seconds = 12 if name == "loops" else 120
    outcomes = finished(backend, backend.submit(numbers(tmp_path, "a", name, "c", seconds=seconds)))
    assert [outcome.status for outcome in outcomes] == ["ok", "failed"]
    assert words in outcomes[1].reason


def test_the_cap_is_one_of_each_item(tmp_path: Path) -> None:
    backend = Local()
    call = numbers(tmp_path, *(f"{number}/slow" for number in range(5)), seconds=9)
    assert [outcome.status for outcome in finished(backend, backend.submit(call))] == ["ok"] * 5


def leaves_a_thread(directory: str, tell: Tell) -> Outcome:
    """An item whose process would not end by itself."""
    threading.Thread(target=time.sleep, args=(600,)).start()
    return Outcome("ok")


def says_much(directory: str, tell: Tell) -> Outcome:
    return Outcome("unsupported", "x" * 200_000)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("function", "status"), [(leaves_a_thread, "ok"), (says_much, "unsupported")])
def test_a_process_that_has_told_everything_is_over(
    tmp_path: Path, function: Callable[[str, Tell], Outcome], status: str, apart: bool
) -> None:
    call = dataclasses.replace(numbers(tmp_path, "one", seconds=120.0), function=function, apart=apart)
    backend, began = Local(), time.monotonic()
    [outcome] = finished(backend, backend.submit(call))
    assert outcome.status == status
    assert len(outcome.reason) <= MOST_REASON
    assert time.monotonic() - began < 60.0


@pytest.mark.parametrize("error", [EOFError("unexpected EOF"), OSError(24, "Too many open files")])
@pytest.mark.parametrize("where", ["Pipe", "Process"])
def test_a_process_that_cannot_be_started_is_a_failure(
    tmp_path: Path, error: Exception, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(type(multiprocessing.get_context("spawn")), where, raises)
    backend = Local()
    [outcome] = finished(backend, backend.submit(numbers(tmp_path, "one")))
    assert outcome.status == "failed"
    assert "no process could be started" in outcome.reason


def test_progress_comes_through_the_handle(tmp_path: Path) -> None:
    backend = Local()
    handle = backend.submit(numbers(tmp_path, "a", "loops"))
    assert handle.position == Position()
    while handle.position.item == 0 or handle.position.words == "starting":
        assert backend.wait(0.1) == []
    assert handle.position == Position(1, 0.5, "half of loops")
    backend.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "loops" / "pid").read_text()), 0)


def lies(directory: str, tell: Tell) -> Outcome:
    """Writes nonsense and half a line into every pipe it finds, then waits."""
    for descriptor in range(3, 40):
        for words in (b"nonsense\n", b'{"item": 7, "outcome": {"status": "ok", "reason": ""}}\n', b'{"item": 0, "outc'):
            try:
                os.write(descriptor, words)
            except OSError:
                break
    time.sleep(60)
    return Outcome("ok")


def test_nonsense_in_the_pipe_neither_counts_nor_holds_anybody_up(tmp_path: Path) -> None:
    backend = Local()
    call = dataclasses.replace(numbers(tmp_path, "a", seconds=5), function=lies)
    began = time.monotonic()
    [outcome] = finished(backend, backend.submit(call))
    assert outcome.status == "failed"
    backend.close()
    assert time.monotonic() - began < 30
    assert subprocess.run(["flock", "-n", str(tmp_path / "a" / ".lock"), "true"], check=False).returncode == 0


@pytest.mark.parametrize(
    ("code", "words"), [(0, "exit code 0"), (3, "exit code 3"), (-signal.SIGSEGV, "SIGSEGV"), (-9, "SIGKILL; perhaps")]
)
def test_a_process_that_ends_early_is_a_failure(code: int, words: str) -> None:
    assert words in ending(code)


class Planted:
    """Writes a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return exec, (f"import os, pathlib; pathlib.Path({self.path!r}).write_text(str(os.getpid()))",)


def plants(directory: str, tell: Tell) -> Outcome:
    """Writes a pickle, as multiprocessing frames it, into every pipe that it finds."""
    text = pickle.dumps(Planted(str(Path(directory) / "unpickled")))
    for descriptor in range(3, 40):
        try:
            os.set_blocking(descriptor, False)
            os.write(descriptor, struct.pack("!i", len(text)) + text + b"\n")
        except OSError:
            continue
    return Outcome("ok")


def test_nothing_that_a_process_sends_is_unpickled(tmp_path: Path) -> None:
    """The command has the test labels in its memory and no fence around it."""
    backend = Local()
    call = dataclasses.replace(numbers(tmp_path, "a", seconds=60), function=plants)
    assert len(finished(backend, backend.submit(call))) == 1
    assert not (tmp_path / "a" / "unpickled").exists()
    apart = dataclasses.replace(numbers(tmp_path, "b", "c", seconds=60), function=plants, apart=True)
    for outcome in finished(backend, backend.submit(apart)):
        assert (outcome.status, outcome.reason) == (
            "failed",
            "the search's process wrote something else than its outcome",
        )
    backend.close()


@pytest.mark.parametrize(
    "line",
    [
        b"42", b"{", b"\xff", b'{"item": 0}', b'{"item": 1, "outcome": {"status": "ok", "reason": ""}}',
        b'{"item": 0, "outcome": {"status": "fine", "reason": ""}}', b'{"item": 0, "share": "much", "words": ""}',
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_not_understood(line: bytes) -> None:
    assert understood(line, 0) is None


def test_a_reason_is_a_line_of_bounded_length() -> None:
    told = understood(json.dumps({"item": 0, "outcome": {"status": "failed", "reason": "a\nb" * 10**5}}).encode(), 0)
    assert isinstance(told, Outcome)
    assert told.reason.isprintable()
    assert len(told.reason) <= 1000


def test_a_directory_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    backend, call = Local(), numbers(tmp_path, "a")
    (tmp_path / "a").rmdir()
    [outcome] = finished(backend, backend.submit(call))
    assert "is gone" in outcome.reason


@pytest.mark.parametrize("tensorflow", [False, True])
def test_a_killed_command_leaves_no_process_and_no_lock(tmp_path: Path, tensorflow: bool) -> None:
    """A copy of the server process holds what keeps the server alive: neither may wait for the other to end."""
    program = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]\n"
        "import dataclasses, pathlib, test_run_backend_local as tests\n"
        f"call = tests.numbers(pathlib.Path({str(tmp_path)!r}), 'loops')\n"
        f"backend = tests.Local(); backend.submit(dataclasses.replace(call, tensorflow={tensorflow}))\n"
        "while True: backend.wait(1)\n"
    )  # without a guard: the process must not run it again
    script = tmp_path / "script.py"
    script.write_text(program)
    command = subprocess.Popen([sys.executable, str(script)])
    pid = tmp_path / "loops" / "pid"
    while not (pid.exists() and pid.read_text()):
        assert command.poll() is None
        time.sleep(0.05)
    command.kill()
    command.wait()
    lock = ["flock", "-w", "10", str(tmp_path / "loops" / ".lock"), "true"]
    assert subprocess.run(lock, check=False).returncode == 0, "the process is still there"


_ASK = """
import os, sys
from multiprocessing import forkserver
from multiprocessing.connection import wait
forkserver._forkserver.ensure_running = lambda: None
forkserver._forkserver._forkserver_address, alive = sys.argv[1], os.pipe()
forkserver._forkserver._forkserver_alive_fd = alive[1]
try:
    status, _ = forkserver._forkserver.connect_to_new_process([])
    print("started" if wait([status], 20) and os.read(status, 8) else "refused")
except OSError:
    print("refused")
"""


def test_the_server_starts_processes_for_its_parent_only(tmp_path: Path) -> None:
    """A search knows the server's address; what it would start there has no fence."""
    backend = Local()
    call = dataclasses.replace(numbers(tmp_path, "a", "b", seconds=300), tensorflow=True)
    assert [outcome.status for outcome in finished(backend, backend.submit(call))] == ["ok", "ok"]
    address = forkserver._forkserver._forkserver_address  # type: ignore[attr-defined]
    asked = subprocess.run(
        [sys.executable, "-c", _ASK, address], capture_output=True, text=True, timeout=60, check=True
    )
    assert asked.stdout.strip() == ("refused" if sys.platform == "linux" else "started")
    again = dataclasses.replace(numbers(tmp_path, "c", seconds=300), tensorflow=True)
    assert [outcome.status for outcome in finished(backend, backend.submit(again))] == ["ok"]
    backend.close()


def leaves_a_daemon(directory: str, tell: Tell) -> Outcome:
    """A process in a session of its own that goes on when this one has ended."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            (Path(directory) / "pid").write_text(str(os.getpid()))
            time.sleep(300)
        os._exit(0)
    while not (Path(directory) / "pid").exists():
        time.sleep(0.05)
    return Outcome("ok")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has processes adopted")
def test_a_daemon_ends_with_its_search(tmp_path: Path) -> None:
    backend = Local()
    call = dataclasses.replace(numbers(tmp_path, "a", seconds=300), tensorflow=True, function=leaves_a_daemon)
    [outcome] = finished(backend, backend.submit(call))
    assert outcome.status == "ok"
    backend.close()
    pid = int((tmp_path / "a" / "pid").read_text())
    status = Path(f"/proc/{pid}/status")
    assert not status.exists() or "State:\tZ" in status.read_text()
    again = dataclasses.replace(numbers(tmp_path, "c", seconds=300), tensorflow=True)
    assert [outcome.status for outcome in finished(backend, backend.submit(again))] == ["ok"]
    backend.close()


def test_an_interrupt_while_a_process_starts_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Handle] = []
    backend, context = Local(), execute._without_main

    def interrupted() -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return context()

    monkeypatch.setattr(execute, "_without_main", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is deaf to Ctrl-C
    try:
        with pytest.raises(KeyboardInterrupt):
            started.append(backend.submit(numbers(tmp_path, "loops")))
    finally:
        signal.signal(signal.SIGINT, before)
    assert not started
    assert len(backend._running) == 1, "it was started, and is known"
    backend.close()
    assert not backend._running


_FRESH = """
import dataclasses, os, signal, sys
from multiprocessing import forkserver
from pathlib import Path

from test_run_backend_local import Local, numbers

Local().submit(dataclasses.replace(numbers(Path(sys.argv[1]), "a"), tensorflow=True))
server = forkserver._forkserver._forkserver_pid
print(Path(f"/proc/{server}/status").read_text(), flush=True)
os.kill(server, signal.SIGKILL)  # nobody waits until it has imported TensorFlow
os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_server_never_hears_ctrl_c(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _FRESH, str(tmp_path)]
    status = subprocess.run(words, cwd=ROOT / "tests", text=True, capture_output=True, timeout=100, check=True).stdout
    [blocked] = [line.partition(":")[2] for line in status.splitlines() if line.startswith("SigBlk")]
    assert int(blocked, 16) >> (signal.SIGINT - 1) & 1, "it imports TensorFlow for seconds before it ignores the signal"
