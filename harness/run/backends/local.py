"""Runs one phase of one job, or many searches on tables, somewhere: here, in a process of its own on this machine.

The process is a copy of a server process that was started empty and has imported TensorFlow but used nothing of it: no
graph, no thread, no memory of an earlier run and no test label is in it, and the import, which costs as much as a small
training, is done once per command.

This is the seam for a cluster: whoever replaces :func:`execute` and :func:`execute_lookups` by functions that submit to
another machine (and share the output directory with it) changes nothing else.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any

import pebble.concurrent
from pebble import ProcessExpired

from harness.core.names import sentence
from harness.run import lookup, worker
from harness.run.job import Job, Outcome, Phase

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
WORDS: dict[Phase, str] = {"search": "search", "final": "final training"}


def cap(job: Job, phase: Phase) -> float:
    """Seconds after which a phase is stopped."""
    return job.profile.search_cap() if phase == "search" else job.profile.final_seconds


def execute(job: Job, phase: Phase) -> Future[Outcome]:
    """Starts a phase; cancelling the future stops its process."""
    function = worker.search if phase == "search" else worker.final
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["harness.run.backends.server"])
    start = pebble.concurrent.process(timeout=cap(job, phase), context=context)(function)
    with _environment(job.threads), _deaf_to_interrupts():
        future: Future[Outcome] = start(job)
    return future


def execute_lookups(jobs: tuple[Job, ...], started: Path) -> Future[tuple[Outcome, ...]]:
    """Starts the searches of one method on tables, see :func:`harness.run.lookup.search_all`.

    The process is a new one without TensorFlow: its searches take less time together than that import.
    """
    start = pebble.concurrent.process(context=multiprocessing.get_context("spawn"))(lookup.search_all)
    with _environment(1), _deaf_to_interrupts():
        future: Future[tuple[Outcome, ...]] = start(jobs, started)
    return future


def outcome_of(future: Future[Outcome], job: Job, phase: Phase) -> Outcome:
    """How a phase ended, also if its process was stopped, crashed or returned nonsense."""
    outcome = result_of(future, WORDS[phase], cap(job, phase))
    if not isinstance(outcome, Outcome):
        return Outcome("failed", f"the {WORDS[phase]}'s process returned a {type(outcome).__name__}, not its outcome")
    return outcome


def result_of(future: Future[Any], what: str, seconds: float) -> Any:
    """What a process returned, or the outcome "failed" if it was stopped or crashed.

    Args:
        future: which is done.
        what: the process was doing.
        seconds: its hard cap.
    """
    try:
        return future.result()
    except FutureTimeoutError:
        return timed_out(what, seconds)
    except CancelledError:
        return Outcome("failed", f"the {what} was cancelled")
    except ProcessExpired as error:
        return Outcome("failed", f"the {what}'s process {_ending(error.exitcode)}")
    except Exception as error:
        return Outcome("failed", f"the {what} did not report back: {sentence(error)}")


def timed_out(what: str, seconds: float) -> Outcome:
    """The outcome of a process that was stopped after ``seconds``."""
    return Outcome("failed", f"time-out: the {what} was stopped at its hard cap of {seconds:.0f} s")


def wait_for_children(seconds: float = 10.0) -> None:
    """Waits until the processes of cancelled futures are gone."""
    deadline = time.monotonic() + seconds
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.1)


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        names = {number.value: number.name for number in signal.Signals}
        hint = "; perhaps the machine's memory was used up" if -code == signal.SIGKILL else ""
        return f"was ended by {names.get(-code, f'signal {-code}')}{hint}"
    return f"ended itself with exit code {code}"


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """A process started inside ignores Ctrl-C from its first moment on; this one only for a moment."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


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
