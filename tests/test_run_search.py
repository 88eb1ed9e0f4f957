"""What a search makes of a method: its settings, its proposal."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from fakes import VectorSpace, make_task
from plugin_files import GOOD, write_method
from test_run_plan import request_for

from harness.core.evaluation import Evaluation, KerasConfig
from harness.core.proposals import proposal_from_json, proposal_to_json
from harness.core.space import Genotype
from harness.run import search as searching
from harness.run.job import Failure, Job, Unsupported, guarded
from harness.run.journal import DiskJournal, Progress
from harness.run.plan import make_plan
from harness.run.scoring.fields import numbers
from harness.run.store import RunDirectory, read_json, read_lines, write_json


def job_of(tmp_path: Path) -> Job:
    job = make_plan(request_for(tmp_path)).jobs[0]
    job.directory.path.mkdir(parents=True)
    return job


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
        assert searching.checked(task, space) == [fit]
        assert proposal_from_json(proposal_to_json(fit), space) == fit


def test_numpys_numbers_get_into_the_log_and_the_record(tmp_path: Path) -> None:
    """A plug-in computes with NumPy; its row has to come out all the same."""
    directory = RunDirectory(tmp_path)
    journal = DiskJournal(directory, Progress(directory.progress, "search"))
    task = make_task(VectorSpace(3), "100macs", journal=journal)  # type: ignore[arg-type]
    task.plan(population=np.int64(20), rate=np.float32(0.5))
    task.step(np.int32(2), macs=np.array([10, 20]).sum())
    half, two = np.float32(0.5), np.int64(2)
    task.record("a", lambda: Evaluation("a", half, (half,), half, two, macs=two))  # type: ignore[arg-type]
    task.propose(task.space.sample(task.rng), half)
    journal.close()
    [row] = read_lines(directory.evaluations)
    assert (row["accuracy"], row["curve"], row["seconds"], row["steps"], row["macs"]) == (0.5, [0.5], 0.5, 2, 2)
    write_json(directory.search, searching.summary(task, 1))
    stored = numbers(read_json(directory.search))
    assert stored == searching.summary(task, 1)
    assert (stored["charged"], stored["planned_population"], stored["planned_rate"]) == (30, 20, 0.5)


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


@pytest.mark.parametrize("kind", [ValueError, Failure, Unsupported, SystemExit])
def test_half_a_character_in_an_exception_is_a_row_like_any_other(
    tmp_path: Path, kind: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """No file takes half a character, and no report would ever be made again beside such a record."""

    def body() -> None:
        raise kind("half of a character: \udcff, and \x00")

    outcome = guarded(job_of(tmp_path), "search", body)
    assert outcome.status == ("unsupported" if kind is Unsupported else "failed")
    assert "half of a character" in outcome.reason
    assert outcome.reason.encode("utf-8")
    capsys.readouterr()
