"""The back end of this machine: every call is a process.

A process with TensorFlow is a copy of a server process that was started empty and has imported TensorFlow but used
nothing of it: no graph, no thread, no memory of an earlier run and no test label is in it, and the import, which costs
as much as a small training, is done once per command. A process without TensorFlow starts from nothing.

What happens in a process is in :mod:`~harness.run.backends.process`, and what it tells in
:mod:`~harness.run.backends.telling`. Nothing else is read of it but its exit code: a process pool would unpickle what
comes back, and a pickle of a search could run any code here, where the test labels are.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from harness.core.names import sentence
from harness.run.backends import caps, machine, sandbox
from harness.run.backends.base import LOG, Backend, Call, Capacity, Handle, Outcome, Position
from harness.run.backends.interrupts import interrupts_wait
from harness.run.backends.process import ending, work_off
from harness.run.backends.telling import understood

PATIENCE = 20.0  # seconds that a process waits for the lock of a directory before it calls it busy
_PAUSE = 5.0  # seconds between two looks at what a process has on the disk and in the memory
_GRACE = 10.0  # seconds for a process to end that has told everything
_MOST = 2**20  # bytes read of a pipe at a time
_NAME = "harness-"
_NUMBERS = itertools.count()
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


@dataclass
class _Process:
    """The parent's view of a process.

    Attributes:
        child: the process itself.
        pipe: what it tells.
        since: when it began with its present item, or was started itself.
        at: the number of the item that it has begun with; -1 before the first.
        outcomes: of the items before that.
        cards: the graphics cards that it may use.
        unread: the beginning of a line.
        weighed: when its directory and its memory were last looked at.
    """

    child: BaseProcess
    pipe: Connection
    since: float
    cards: tuple[str, ...]
    outcomes: list[Outcome] = field(default_factory=list)
    at: int = -1
    unread: bytes = b""
    weighed: float = field(default_factory=time.monotonic)

    def kill(self) -> None:
        """Ends it and what it has started, at once."""
        if self.child.pid is not None and self.child.is_alive():
            sandbox.kill(self.child.pid)
            self.child.kill()


class Local(Backend):
    """Processes of this machine."""

    def __init__(self) -> None:
        self._running: dict[Handle, _Process] = {}
        self._stillborn: list[Handle] = []
        self._cards = machine.cards()

    @property
    def capacity(self) -> Capacity:
        """The machine's."""
        cards = (len(self._cards),) if self._cards else ()
        return Capacity(machine.default_workers(), machine.cores(), machine.memory(), cards)

    def submit(self, call: Call) -> Handle:
        """Starts a process."""
        handle, cards = Handle(call), self._cards_for(call)
        context: Any = multiprocessing.get_context("forkserver" if call.tensorflow else "spawn")
        if call.tensorflow:
            context.set_forkserver_preload(["harness.run.backends.server"])
        resource_tracker.ensure_running()  # starting it lets Ctrl-C through again, which a server must not inherit
        with interrupts_wait(), _environment(call.threads), _without_main():
            try:
                with contextlib.ExitStack() as opened:
                    pipe, theirs = map(opened.enter_context, context.Pipe(duplex=False))
                    os.set_blocking(pipe.fileno(), False)
                    words = (call, theirs, PATIENCE, cards)
                    child = context.Process(target=work_off, args=words, name=f"{_NAME}{next(_NUMBERS)}", daemon=True)
                    child.start()
                    self._running[handle] = _Process(child, pipe, time.monotonic(), cards)
                    opened.pop_all()
                    theirs.close()
            except (OSError, EOFError) as error:  # the latter where the server could make no copy of itself
                handle.outcomes = (Outcome("failed", f"no process could be started: {sentence(error)}"),)
                self._stillborn.append(handle)
        return handle

    def wait(self, seconds: float) -> list[Handle]:
        """Waits, listens to the processes, and stops those that are at one item for too long, or take too much."""
        ended, self._stillborn = self._stillborn, []
        sentinels = [process.child.sentinel for process in self._running.values()]
        if sentinels and not ended:
            wait_for(sentinels, timeout=seconds)
        for handle, process in list(self._running.items()):
            over = not process.child.is_alive()  # before listening: what it told last is in the pipe then
            _listen(handle, process)
            caps.cut_log(handle.call.items[0].directory / LOG)
            if over:
                if len(process.outcomes) < len(handle.call.items):
                    how = f"the {handle.call.words}'s process {ending(process.child.exitcode)}"
                    process.outcomes.append(Outcome("failed", how))
            elif len(process.outcomes) >= len(handle.call.items):
                if time.monotonic() - process.since <= _GRACE:
                    continue
                process.kill()
            elif time.monotonic() - process.since > handle.call.seconds:
                process.kill()
                process.outcomes.append(_timed_out(handle.call))
            elif (much := _hoards(handle, process)) is not None:
                process.kill()
                process.outcomes.append(
                    Outcome("failed", f"the {handle.call.words} was stopped: it had more than {much}")
                )
            else:
                continue
            ended.append(self._forget(handle))
        _end_orphans()
        return ended

    def cancel(self, handle: Handle) -> None:
        """Stops its process."""
        if handle in self._running:
            self._running[handle].kill()
            self._forget(handle)

    def close(self) -> None:
        """Stops all processes and waits until they are gone, ten seconds at most; Ctrl-C does not cut that short."""
        with interrupts_wait():
            for handle in list(self._running):
                self.cancel(handle)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                ours = any(map(_is_ours, multiprocessing.active_children()))
                if not _end_orphans() and not ours:
                    break
                time.sleep(0.05)

    def _cards_for(self, call: Call) -> tuple[str, ...]:
        """The graphics cards of a new process, those that the fewest others have: nobody's, unless the user wants more
        runs at the same time than the cards suffice for."""
        taken = Counter(card for process in self._running.values() for card in process.cards)
        return tuple(sorted(self._cards, key=lambda card: taken[card])[: call.cards]) if call.tensorflow else ()

    def _forget(self, handle: Handle) -> Handle:
        process = self._running.pop(handle)
        process.pipe.close()
        caps.cut_log(handle.call.items[0].directory / LOG)
        handle.outcomes = tuple(process.outcomes)
        return handle


def _end_orphans() -> int:
    """Ends what searches have left running below the server; how many there were."""
    server = getattr(forkserver, "_forkserver")._forkserver_pid  # noqa: B009 - it is private
    if server is None:
        return 0
    known = {child.pid for child in multiprocessing.active_children()}
    return sandbox.end_orphans(server, known)


def _is_ours(child: BaseProcess) -> bool:
    return child.name.startswith(_NAME)


def _listen(handle: Handle, process: _Process) -> None:
    """Takes in what a process has told; what makes no sense is left out."""
    for line in _lines(process):
        message = understood(line, len(process.outcomes))
        if isinstance(message, Outcome) and len(process.outcomes) < len(handle.call.items):
            process.outcomes.append(message)
            handle.position = Position(len(process.outcomes))
        elif isinstance(message, Position):
            handle.position = message
        if len(process.outcomes) > process.at and message is not None:
            process.at, process.since = len(process.outcomes), time.monotonic()


def _lines(process: _Process) -> list[bytes]:
    """The whole lines in the pipe; at most :data:`_MOST` bytes at a time, and none of a line that is longer."""
    text = process.unread
    with contextlib.suppress(OSError):  # nothing there yet
        while len(text) < _MOST and (more := os.read(process.pipe.fileno(), 2**16)):
            text += more
    *lines, process.unread = text.split(b"\n")
    if len(process.unread) >= _MOST:
        process.unread = b""
    return lines


def _timed_out(call: Call) -> Outcome:
    return Outcome("failed", f"time-out: the {call.words} was stopped at its hard cap of {call.seconds:.0f} s")


def _hoards(handle: Handle, process: _Process) -> str | None:
    """What a process has more of than it may, on the disk or in the memory; looks every few seconds."""
    now, call = time.monotonic(), handle.call
    if now - process.weighed < _PAUSE or len(process.outcomes) >= len(call.items):
        return None
    process.weighed = now
    places = {call.items[0].directory, call.items[len(process.outcomes)].directory}
    if sum(map(caps.on_disk, places)) > caps.DISK_MOST:
        return f"the allowed {caps.DISK_MOST / 2**30:g} GiB on the disk"
    memory = call.memory * call.here
    if process.child.pid and caps.in_memory(sandbox.family(process.child.pid)) > memory * 2**30:
        return f"its {memory:g} GiB of memory, with what it shares and what it has started"
    return None


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """A process started inside does not run the caller's script again.

    Python would, to find functions that the script defines. A call's function is in a module of its own, so nothing is
    missed, and a script needs no ``if __name__ == "__main__"``.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _environment(threads: int) -> Iterator[None]:
    """What libraries read while they are imported; the new process inherits it."""
    wanted = {
        **dict.fromkeys(_THREAD_VARIABLES, str(threads)),
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "KERAS_BACKEND": "tensorflow",
        "PYTHONHASHSEED": "0",
        sandbox.COMMAND: str(os.getpid()),
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
