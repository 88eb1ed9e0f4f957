"""What happens in a process that :mod:`harness.run.backends.local` has started: the items of one call."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from typing import Any

from harness.core.names import one_line, sentence
from harness.run.backends import machine, sandbox
from harness.run.backends.base import Busy, Call, Outcome
from harness.run.backends.mailbox import open_mailbox
from harness.run.backends.telling import MOST_REASON, Teller, tell_outcome

_MOST = 2**20  # bytes of an answer


def work_off(call: Call, pipe: Connection, patience: float, cards: Sequence[str]) -> None:
    """Works the items of a call off, one after the other.

    Args:
        call: what to do.
        pipe: to the parent.
        patience: seconds to wait for the lock of a directory before it counts as busy.
        cards: the graphics cards that it may use, by name; none: nothing is said about that.
    """
    if cards:
        os.environ[machine.VISIBLE] = ",".join(cards)  # read when TensorFlow first looks for devices
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which ends this process
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    sandbox.end_with_parent()
    locks, home = [], None
    for number, item in enumerate(call.items):
        try:
            locks.append(sandbox.lock(item.directory, patience))
            if home is None:
                sandbox.settle(item.directory, call.memory)
                home = item.directory
                _get_ready(call)
            Teller(pipe, number)(0.0, "starting")
            work = _in_a_copy if call.apart else _here
            outcome = work(call, item.value, pipe, number)
        except Busy:
            outcome = Outcome("busy", "another process is working on the same run")
        except (OSError, ValueError) as error:
            outcome = Outcome("failed", f"the {call.words} could not start: {sentence(error)}")
        tell_outcome(pipe, number, outcome)
    sandbox.end_children()
    if home is not None:
        sandbox.leave(home)
    # Everything is told. A usual exit would still wait for threads that a method has left behind and call its exit
    # handlers, so the process ends at once, without them.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def _get_ready(call: Call) -> None:
    """Does what all items need. A failure is not told here: the items that need it fail by themselves, and say why."""
    if call.ready is not None:
        with contextlib.suppress(BaseException):
            call.ready()


def _here(call: Call, value: Any, pipe: Connection, number: int) -> Outcome:
    if call.far:
        open_mailbox(call.items[number].directory, call.far)
    return call.function(value, Teller(pipe, number))


def _in_a_copy(call: Call, value: Any, pipe: Connection, number: int) -> Outcome:
    """Works an item off in a copy of this process; whatever it leaves behind is ended.

    Raises:
        OSError: there can be no copy.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    answer, theirs = os.pipe()
    copy = os.fork()
    if copy == 0:
        try:
            sandbox.end_with_parent()
            outcome = _here(call, value, pipe, number)
            sys.stdout.flush()
            sys.stderr.flush()
            # More than a pipe holds would wait for a reader, who waits for this process to end.
            outcome = replace(outcome, reason=one_line(outcome.reason, MOST_REASON))
            os.write(theirs, json.dumps(asdict(outcome)).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    code = os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
    sandbox.end_children()
    with open(answer, "rb", buffering=0) as file:
        told = file.read(_MOST)
    if code or not told:
        return Outcome("failed", f"the {call.words}'s process {ending(code)}")
    try:
        return Outcome(**json.loads(told))
    except (ValueError, TypeError, RecursionError):
        return Outcome("failed", f"the {call.words}'s process wrote something else than its outcome")


def ending(code: int | None) -> str:
    """How a process ended, in words that go on with its name; ``code`` is its exit code."""
    if code is not None and code < 0:
        names = {number.value: number.name for number in signal.Signals}
        hint = "; perhaps the machine's memory was used up" if -code == signal.SIGKILL else ""
        return f"was ended by {names.get(-code, f'signal {-code}')}{hint}"
    return f"ended itself with exit code {code}"
