"""How the phases end, each in a process of its own, without TensorFlow."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import VectorSpace, make_task
from pebble import ProcessExpired
from plugin_files import GOOD, write_method
from test_run_plan import request_for

from harness.core.evaluation import KerasConfig
from harness.core.space import Genotype
from harness.plugins.catalogue import BrokenPlugin
from harness.run import searching, worker
from harness.run.backends import local as execute
from harness.run.job import Job, Outcome
from harness.run.plan import make_plan
from harness.run.searching import Failure, Unsupported
from harness.run.store import read_json


def fine(job: Job) -> dict[str, Any]:
    Path("left behind").write_text("in the scratch directory")
    return {"cwd": str(Path.cwd()), "scratch": str(job.directory.scratch)}


def prints(job: Job) -> dict[str, Any]:
    print("to standard output")
    os.write(2, b"to standard error\n")
    return {}


def raises(job: Job) -> dict[str, Any]:
    raise ValueError("with\na message")


def leaves_by_exception(job: Job) -> dict[str, Any]:
    sys.exit(7)


def fails(job: Job) -> dict[str, Any]:
    raise Failure("a reason")


def is_broken(job: Job) -> dict[str, Any]:
    raise BrokenPlugin("another reason")


def declines(job: Job) -> dict[str, Any]:
    raise Unsupported("not this")


def hoards(job: Job) -> dict[str, Any]:
    kept = []
    while True:
        kept.append(np.ones(2**24))


def waits(job: Job) -> dict[str, Any]:
    (job.directory.path / "started").write_text("")
    time.sleep(60)
    return {}


def job_of(tmp_path: Path) -> Job:
    job = make_plan(request_for(tmp_path)).jobs[0]
    job.directory.path.mkdir(parents=True)
    return dataclasses.replace(job, profile=dataclasses.replace(job.profile, memory=1.5))


def end(job: Job, body: Callable[[Job], dict[str, Any]]) -> Outcome:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(worker._guarded, (job, "search", body))


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (raises, "failed", "the search raised ValueError: with a message (test_run_worker.py, line"),
        (leaves_by_exception, "failed", "the search raised SystemExit: 7"),
        (fails, "failed", "a reason"),
        (is_broken, "failed", "another reason"),
        (declines, "unsupported", "not this"),
        (hoards, "failed", "the search needs more than its 1.5 GiB of memory"),
    ],
)
def test_whatever_a_phase_raises_becomes_a_sentence(
    tmp_path: Path, body: Callable[[Job], dict[str, Any]], status: str, reason: str
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
    assert outcome.details["cwd"] == outcome.details["scratch"]
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


def test_two_processes_do_not_work_on_one_run(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    context = multiprocessing.get_context("spawn")
    first = context.Process(target=worker._guarded, args=(job, "search", waits))
    first.start()
    while not (job.directory.path / "started").exists():
        time.sleep(0.05)
    with context.Pool(1, initializer=impatient) as pool:
        assert pool.apply(worker._guarded, (job, "search", fine)).status == "busy"
        first.kill()
        first.join()
        assert pool.apply(worker._guarded, (job, "search", fine)).status == "ok"


def impatient() -> None:
    from harness.run import sandbox

    sandbox.LOCK_PATIENCE = 0.5


@pytest.mark.parametrize(
    ("code", "words"), [(0, "exit code 0"), (3, "exit code 3"), (-signal.SIGSEGV, "SIGSEGV"), (-9, "SIGKILL; perhaps")]
)
def test_a_process_that_ends_early_is_a_failure(tmp_path: Path, code: int, words: str) -> None:
    future: Future[Outcome] = Future()
    future.set_exception(ProcessExpired("gone", code=code))
    outcome = execute.outcome_of(future, job_of(tmp_path), "search")
    assert outcome.status == "failed"
    assert words in outcome.reason


def test_a_time_out_and_nonsense_are_failures(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    slow, odd = Future[Outcome](), Future[Outcome]()
    slow.set_exception(TimeoutError())
    odd.set_result(42)  # type: ignore[arg-type]
    assert "hard cap of 600 s" in execute.outcome_of(slow, job, "final").reason
    assert "returned a int" in execute.outcome_of(odd, job, "search").reason


def test_only_proposals_of_the_space_are_taken() -> None:
    space = VectorSpace(3)
    task = make_task(space)
    with pytest.raises(Failure, match="proposed nothing"):
        searching.checked(task, space)
    for nonsense in (42, "toy:0,0,0", Genotype("toy", (0, 0, 7), "toy:0,0,7"), VectorSpace(4).genotype((0,) * 4)):
        task.proposal = nonsense  # type: ignore[assignment]
        with pytest.raises(Failure, match="not in space 'toy'"):
            searching.checked(task, space)
    for fit in (space.genotype((0, 1, 0)), KerasConfig("net", "{}")):
        task.proposal = fit
        assert searching.checked(task, space) == fit
        assert searching.proposal_of(searching.to_json(fit), space) == fit


def test_a_method_gets_its_settings_and_keeps_them(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    method, settings = searching.make_method(job)
    assert settings == {"draws": 1} == read_json(job.directory.settings)
    assert method.title == "Good"
    changed = write_method(tmp_path, "good", GOOD)
    changed.write_text(changed.read_text().replace("draws: int = 1", "draws: int = 2"))
    source = dataclasses.replace(job.method, file=str(changed), module="changed_plugin")
    with pytest.raises(Failure, match="settings of 'good' changed"):
        searching.make_method(dataclasses.replace(job, method=source))
    with pytest.raises(Failure, match="space"):
        searching.make_method(dataclasses.replace(job, native=""))
