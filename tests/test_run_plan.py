"""Planning: everything is looked at before any work, and nothing made otherwise is mixed in."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from claimed import elsewhere
from plugin_files import GOOD, write_method, write_squares
from ruined import closed

from harness.core.budget import Budget
from harness.core.errors import InputError
from harness.core.files import replace_text
from harness.core.home import CHECKOUT as ROOT
from harness.core.limits import Limits
from harness.core.record import Record
from harness.report.model.load import load_runs
from harness.run.backends.base import Capacity, locked
from harness.run.job import Job
from harness.run.plan import check_writable, make_plan
from harness.run.plan.jobs import ONE_CORE
from harness.run.profiles import HOUR, SMOKE
from harness.run.request import Request
from harness.run.store import SOURCE, write_json, write_lines


def request_for(tmp_path: Path, **changes: object) -> Request:
    files = tmp_path / "plugins"
    files.mkdir(exist_ok=True)
    plugins = (
        write_squares(files, tmp_path / "data"),
        write_method(files, "good", GOOD),
        write_method(files, "b", GOOD),
    )
    request = Request(
        methods=("good", "b"),
        datasets=("squares",),
        profile=SMOKE,
        seeds=(0, 1),
        out=tmp_path / "out",
        data_root=tmp_path / "data",
        baselines=False,
        plugins=plugins,
    )
    return dataclasses.replace(request, **changes)  # type: ignore[arg-type]


def pretend(job: Job, **changes: object) -> Record:
    """Leaves in a job's directory what a finished run leaves."""
    job.directory.path.mkdir(parents=True, exist_ok=True)
    write_json(job.directory.inputs, job.inputs)
    write_json(job.directory.settings, {"draws": 1})
    write_lines(job.directory.proposals, [{"genotype": "x", "accuracy": None, "spent": 0.0, "shared_weights": False}])
    record = Record(
        "ok", "", job.profile.name, job.dataset, job.space, job.method.name, job.title, job.seed, "40 steps"
    )
    record = dataclasses.replace(record, **{"test_accuracy": 0.5, **changes})  # type: ignore[arg-type]
    replace_text(job.directory.record, record.to_json())
    return record


def refuse_each_other(usual: Request, other: Request, usual_there: str, other_there: str) -> None:
    """Of requests with the method ``good``: a directory that the one has made refuses the other, whatever the method,
    and goes on with its own. The sentences say what is there.
    """
    pretend(make_plan(usual).jobs[0])
    for mixed in (other, dataclasses.replace(other, methods=("b",))):
        with pytest.raises(InputError, match=usual_there):
            make_plan(mixed)
    elsewhere = dataclasses.replace(other, out=other.out.with_name("elsewhere"))
    pretend(make_plan(elsewhere).jobs[0])
    with pytest.raises(InputError, match=other_there):
        make_plan(dataclasses.replace(usual, methods=("b",), out=elsewhere.out))
    assert len(make_plan(elsewhere).records) == 1


def test_the_grid_is_planned_seed_by_seed(tmp_path: Path) -> None:
    plan = make_plan(request_for(tmp_path))
    assert [(job.seed, job.method.name) for job in plan.jobs] == [(0, "good"), (0, "b"), (1, "good"), (1, "b")]
    job = plan.jobs[0]
    assert (job.space, job.native, job.title, job.threads) == ("macro-3", "macro-3", "Good", 1)
    assert job.directory.path == tmp_path / "out" / "smoke" / "squares" / "macro-3" / "good" / "0"
    assert not list((tmp_path / "out").rglob("inputs.json")), "planning starts no run"


def test_native_spaces_are_scaled_by_the_profile_and_one_space_can_stand_for_all(tmp_path: Path) -> None:
    files = tmp_path / "plugins"
    files.mkdir()
    layered = write_method(files, "layered", GOOD, space="macro")
    request = request_for(tmp_path)
    request = dataclasses.replace(request, plugins=(*request.plugins, layered), methods=("layered", "good"), seeds=(0,))
    assert [job.space for job in make_plan(request).jobs] == [SMOKE.space_for("macro"), "macro-3"]
    assert SMOKE.space_for("macro") != "macro"
    one = make_plan(dataclasses.replace(request, space="nasbench201"))
    assert [job.space for job in one.jobs] == ["nasbench201", "nasbench201"]
    assert [job.native for job in one.jobs] == ["macro", "macro-3"]


def test_what_a_search_may_not_touch(tmp_path: Path) -> None:
    job = make_plan(request_for(tmp_path)).jobs[0]
    names = {path.name for path in job.forbidden.paths}
    assert {"y_test.npy", "x_test.npy", "squares.py", "datasets"} <= names
    assert "good.py" not in names
    assert "harness.datasets" in job.forbidden.modules
    assert {tmp_path / "out", ROOT / "results", ROOT} == set(job.forbidden.closed)
    assert {job.directory.path, *job.prepared.opened} <= set(job.forbidden.opened)
    assert tmp_path / "out" / "prepared" not in job.forbidden.opened
    assert not any(ROOT.is_relative_to(path) for path in job.forbidden.opened)
    assert not any(path.is_relative_to(ROOT / "results") for path in job.forbidden.opened)


def test_code_and_data_inside_of_a_closed_directory_stay_open(tmp_path: Path) -> None:
    """Somebody may say ``--out .`` where the plug-ins and the data are."""
    plugins = tmp_path / "plugins"
    opened = make_plan(request_for(tmp_path, out=tmp_path)).jobs[0].forbidden.opened
    assert {plugins, plugins / "good.py", tmp_path / "data"} <= set(opened)
    opened = make_plan(request_for(tmp_path, out=plugins)).jobs[0].forbidden.opened
    assert plugins / "good.py" in opened
    assert plugins not in opened


def test_threads_share_the_cores_unless_the_budget_counts(tmp_path: Path) -> None:
    timed = dataclasses.replace(HOUR, datasets=("squares",))
    for workers in (1, 2, 64):
        capacity = Capacity(workers=3, cores=16)
        plan = make_plan(request_for(tmp_path, profile=timed, workers=workers), capacity)
        assert plan.jobs[0].threads == max(1, capacity.cores // workers)
        assert make_plan(request_for(tmp_path, workers=workers), capacity).jobs[0].threads == 1
    unasked = make_plan(request_for(tmp_path, profile=timed), Capacity(workers=4, cores=16))
    assert (unasked.workers, unasked.jobs[0].threads) == (4, 4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"methods": ("god",)}, "no method 'god'; did you mean good"),
        ({"datasets": ("sqares",)}, "no data set 'sqares'; did you mean squares"),
        ({"datasets": ("folder",)}, "folder:PATH"),
        ({"datasets": ("folder:/nowhere/at/all",)}, "missing"),
        ({"space": "spaaace"}, "no space 'spaaace'"),
        ({"space": "macro-2"}, "no space 'macro-2'"),
        ({"data_root": Path("/nowhere")}, "make it"),
    ],
)
def test_what_does_not_exist_is_bad_input(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        make_plan(request_for(tmp_path, **changes))
    assert not (tmp_path / "out" / "prepared").exists()


def test_a_directory_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="--out"):
        check_writable(blocked / "below")


def test_broken_data_is_bad_input(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    (tmp_path / "data" / "squares" / "x_test.npy").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="does not load"):
        make_plan(request)


def test_runs_that_are_over_are_not_planned_again(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    first = make_plan(request).jobs[0]
    records = [pretend(first, status=status) for status in ("failed", "unsupported", "ok")]
    plan = make_plan(request)
    assert [job.directory for job in plan.jobs if job.directory == first.directory] == []
    assert list(plan.records) == records[-1:]
    assert len(plan.jobs) == 3


def test_failed_runs_are_thrown_away_only_when_asked(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    first, second = make_plan(request).jobs[:2]
    failed = pretend(first, status="failed", reason="it crashed", test_accuracy=None)
    pretend(second)
    assert failed in make_plan(request).records
    plan = make_plan(dataclasses.replace(request, retry_failed=True))
    assert first.directory in [job.directory for job in plan.jobs]
    assert not first.directory.path.exists()
    assert second.directory.record.exists()


UNLIKE = Capacity(devices=("one kind", "another kind"))


def _block(prepared: Path) -> None:
    shutil.rmtree(prepared)
    prepared.write_text("no directory")


REFUSALS: dict[str, tuple[str, Capacity, Callable[[Path], object]]] = {
    "other data": ("another data", ONE_CORE, lambda root: np.save(root / "y_test.npy", np.zeros(60, np.int64))),
    "broken data": ("does not load", ONE_CORE, lambda root: (root / "x_test.npy").write_bytes(b"nonsense")),
    "cards": ("graphics card", Capacity(cards=(1,)), lambda root: None),
    "devices": ("unlike devices", UNLIKE, lambda root: None),
    "no place": ("cannot be written", ONE_CORE, lambda root: _block(root.parents[1] / "out" / "prepared")),
}
"""What is wrong, by name: what is said, the capacity of the back end, and what happens in the directory of the data."""


def _files(out: Path) -> set[Path]:
    return {path for path in (out / "timed").rglob("*") if path.is_file()}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("again", [{"redo": ("good",)}, {"retry_failed": True}])
def test_a_command_that_is_refused_has_thrown_nothing_away(
    tmp_path: Path, refusal: str, again: dict[str, object]
) -> None:
    told, capacity, spoil = REFUSALS[refusal]
    timed = dataclasses.replace(HOUR, name="timed", datasets=("squares",))
    request = request_for(tmp_path, profile=timed)
    for job in make_plan(request).jobs:
        failed = {"status": "failed", "test_accuracy": None} if job.method.name == "good" else {}
        pretend(job, **failed)
    before = _files(request.out)
    spoil(tmp_path / "data" / "squares")
    changes = {**again, "children": 2 if refusal == "cards" else 1}
    with pytest.raises(InputError, match=told):
        make_plan(dataclasses.replace(request, **changes), capacity)  # type: ignore[arg-type]
    assert _files(request.out) == before


def test_runs_on_other_data_can_be_done_again(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    for job in make_plan(request).jobs:
        pretend(job)
    np.save(tmp_path / "data" / "squares" / "y_test.npy", np.zeros(60, np.int64))
    plan = make_plan(dataclasses.replace(request, redo=("good", "b")))
    assert len(plan.jobs) == 4
    assert not any(job.directory.path.exists() for job in plan.jobs)


@pytest.mark.parametrize("how", ["claimed", "locked"])
def test_what_another_command_works_on_is_not_thrown_away_nor_is_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It may be between two phases of a run, or a process of it may have outlived it."""
    monkeypatch.setattr("harness.run.plan.again._PATIENCE", 0.1)
    request = request_for(tmp_path, seeds=(0, 1, 2))
    jobs = [job for job in make_plan(request).jobs if job.method.name == "good"]
    for job in jobs:
        pretend(job)
    run = jobs[1].directory.path
    at_work = elsewhere(request.out, run) if how == "claimed" else locked(run, 1)
    with at_work, pytest.raises(InputError, match=f"another command is working on {run}"):
        make_plan(dataclasses.replace(request, redo=("good",)))
    assert len(load_runs(request.out)) == 3
    assert not list(request.out.rglob("*.removed"))
    make_plan(dataclasses.replace(request, redo=("good",)))
    assert not any(job.directory.path.exists() for job in jobs)


def test_a_run_that_cannot_be_removed_is_one_sentence_and_all_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it belongs to somebody else; root can remove anything, so that the refusal is made by hand."""
    request = request_for(tmp_path, methods=("good",))
    jobs = make_plan(request).jobs
    for job in jobs:
        pretend(job)
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self == jobs[1].directory.path:
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InputError, match=f"{jobs[1].directory.path} .*cannot be removed.*Permission denied"):
        make_plan(dataclasses.replace(request, redo=("good",)))
    assert len(load_runs(request.out)) == 2
    assert not list(request.out.rglob("*removed*"))


def _set_aside(run: Path) -> Path:
    """As a command with ``--redo`` does before it removes a run."""
    aside = run.with_name(f".{run.name}.removed")
    aside.with_name(f".{aside.name}.phase").write_text("removed")
    return run.rename(aside)


def test_what_another_command_has_set_aside_is_left_to_it(tmp_path: Path) -> None:
    """It puts a run back when it finds that another one cannot be removed."""
    request = request_for(tmp_path, methods=("good",))
    jobs = make_plan(request).jobs
    for job in jobs:
        pretend(job)
    theirs, left = [_set_aside(job.directory.path) for job in jobs]
    with elsewhere(request.out, jobs[0].directory.path):
        assert len(make_plan(request).jobs) == 2
        assert (theirs / "record.json").exists()
        assert not left.exists(), "the command that has set it aside was killed"
    make_plan(request)
    assert not list(request.out.rglob("*removed*"))
    with elsewhere(request.out, jobs[0].directory.path) as claimed:
        assert claimed, "a plan keeps no claim"


def test_all_runs_that_can_be_put_back_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = request_for(tmp_path, methods=("good",), seeds=(0, 1, 2, 3))
    runs = [job.directory.path for job in make_plan(request).jobs]
    for job in make_plan(request).jobs:
        pretend(job)
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self == runs[3]:
            shutil.rmtree(runs[0].with_name(".0.removed"))  # somebody else does
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InputError) as told:
        make_plan(dataclasses.replace(request, redo=("good",)))
    assert f"{runs[3]} is to be done again and cannot be removed" in str(told.value)
    assert f"{runs[0].with_name('.0.removed')} cannot be put back" in str(told.value)
    assert [loaded.path for loaded in load_runs(request.out)] == runs[1:]


def test_what_is_removed_by_somebody_else_at_the_same_time_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for(tmp_path, methods=("good",), seeds=(0,))
    [job] = make_plan(request).jobs
    pretend(job)
    for name in ("first", "second"):
        (job.directory.path / name).mkdir()
        (job.directory.path / name / "file").write_text("")
    unlink, chmod = os.unlink, Path.chmod

    def late(path: str, *, dir_fd: int | None = None) -> None:
        unlink(path, dir_fd=dir_fd)
        if dir_fd is not None:  # in a directory that is removed
            unlink(path, dir_fd=dir_fd)

    def later(self: Path, mode: int) -> None:
        if self.name == "second":
            (self / "file").unlink()
            self.rmdir()
        chmod(self, mode)

    monkeypatch.setattr(os, "unlink", late)
    monkeypatch.setattr(Path, "chmod", later)
    make_plan(dataclasses.replace(request, redo=("good",)))
    assert list(job.directory.path.parent.iterdir()) == []


def test_closed_directories_in_a_run_do_not_keep_it(tmp_path: Path) -> None:
    request = request_for(tmp_path, methods=("good",), seeds=(0,))
    [job] = make_plan(request).jobs
    pretend(job)
    (job.directory.path / "closed" / "inner").mkdir(parents=True)
    (job.directory.path / "closed" / "inner").chmod(0)
    (job.directory.path / "closed").chmod(0o500)
    job.directory.path.chmod(0o500)
    make_plan(dataclasses.replace(request, redo=("good",)))
    assert not job.directory.path.exists()


@pytest.mark.parametrize("again", [{"redo": ("good",)}, {}])
def test_a_command_that_is_killed_while_it_throws_away_leaves_no_half_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: dict[str, object]
) -> None:
    request = request_for(tmp_path, seeds=(0,))
    jobs = {job.method.name: job for job in make_plan(request).jobs}
    for job in jobs.values():
        pretend(job)
    run = jobs["good"].directory.path

    def killed(path: Path) -> None:
        (next(path.glob("inputs.json"))).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("harness.run.plan.again.remove", killed)
        with pytest.raises(KeyboardInterrupt):
            make_plan(dataclasses.replace(request, redo=("good",)))
    assert not run.exists()
    assert [loaded.record.method for loaded in load_runs(request.out)] == ["b"]
    plan = make_plan(dataclasses.replace(request, **again))  # type: ignore[arg-type]
    assert [job.method.name for job in plan.jobs] == ["good"]
    assert list(run.parent.iterdir()) == [], "nothing is left of the old run"


@pytest.mark.parametrize(
    "changes",
    [
        {"top": 2},
        {"corruptions": True},
        {"limits": Limits(parameters=1000)},
        {"final": dataclasses.replace(SMOKE.final, steps=0, seconds=9.0)},
        {"proxy": dataclasses.replace(SMOKE.proxy, signal="balanced_accuracy")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_a_killed_command_has_set_aside_refuses_nobody(tmp_path: Path, changes: dict[str, object]) -> None:
    request = request_for(tmp_path, methods=("good",), seeds=(0,))
    other = dataclasses.replace(request, profile=dataclasses.replace(SMOKE, **changes))  # type: ignore[arg-type]
    [job] = make_plan(request).jobs
    pretend(job)
    with pytest.raises(InputError, match=f"{job.directory.path} was made"):
        make_plan(dataclasses.replace(other, methods=("b",)))
    _set_aside(job.directory.path)
    assert len(make_plan(dataclasses.replace(other, methods=("b",))).jobs) == 1
    assert len(make_plan(other).jobs) == 1


def test_longer_runs_go_first_once_durations_are_known(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    jobs = make_plan(request).jobs
    pretend(jobs[0], search={"seconds": 5.0}, final={"seconds": 5.0})
    pretend(jobs[1], search={"seconds": 50.0})
    assert [job.method.name for job in make_plan(request).jobs] == ["b", "good"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (dataclasses.replace(SMOKE, budget=Budget(80, "steps")), "another budget .40 steps there, 80 steps here"),
        (dataclasses.replace(SMOKE, proxy=dataclasses.replace(SMOKE.proxy, batch=16)), "another proxy recipe"),
        (dataclasses.replace(SMOKE, final=dataclasses.replace(SMOKE.final, steps=41)), "another final recipe"),
        (dataclasses.replace(SMOKE, validation_share=0.2), "another validation share"),
    ],
)
@pytest.mark.parametrize("over", [True, False])
def test_other_settings_in_the_same_directory_are_refused(
    tmp_path: Path, changed: object, reason: str, over: bool
) -> None:
    request = request_for(tmp_path)
    job = make_plan(request).jobs[0]
    pretend(job)
    if not over:
        job.directory.record.unlink()
    make_plan(request)
    with pytest.raises(InputError, match=reason):
        make_plan(dataclasses.replace(request, profile=changed))  # type: ignore[type-var]


def test_other_data_is_refused_and_the_prepared_data_stays(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    job = make_plan(request).jobs[0]
    pretend(job)
    job.directory.record.unlink()
    before = {path: path.stat().st_ino for path in (tmp_path / "out" / "prepared").rglob("*")}
    np.save(tmp_path / "data" / "squares" / "y_test.npy", np.zeros(60, np.int64))
    with pytest.raises(InputError, match="another data"):
        make_plan(request)
    assert {path: path.stat().st_ino for path in (tmp_path / "out" / "prepared").rglob("*")} == before


def test_other_hyperparameters_in_the_source_are_refused(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    pretend(make_plan(request).jobs[0])
    good = tmp_path / "plugins" / "good.py"
    good.write_text(good.read_text().replace("draws: int = 1", "draws: int = 2"))
    with pytest.raises(InputError, match="draws=1 of 'good', now 2"):
        make_plan(request)


@pytest.mark.parametrize("pending", [True, False])
def test_other_data_is_refused_beside_runs_that_are_over(tmp_path: Path, pending: bool) -> None:
    """Rows of two data sets would stand in one table, even averaged."""
    request = request_for(tmp_path, methods=("good",), seeds=(0,))
    pretend(make_plan(request).jobs[0])
    if pending:
        request = dataclasses.replace(request, seeds=(0, 1))
    make_plan(request)
    np.save(tmp_path / "data" / "squares" / "y_test.npy", np.zeros(60, np.int64))
    with pytest.raises(InputError, match="was made with another data"):
        make_plan(request)


def test_all_methods_that_were_edited_are_named_at_once(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    for job in make_plan(request).jobs:
        pretend(job)
        inputs = job.directory.path / "inputs.json"
        inputs.write_text(inputs.read_text().replace(job.inputs["method source"], "0" * 64))
    with pytest.raises(
        InputError, match=r"4 runs in .* were done by another version of b\.py, good\.py; .*--redo b,good,"
    ):
        make_plan(request)


@pytest.mark.parametrize("edited", ["good.py", "helper.py", "deeper/one.py"])
def test_results_of_an_edited_method_are_not_shown(tmp_path: Path, edited: str) -> None:
    request = request_for(tmp_path, seeds=(0, 1))
    plugins = tmp_path / "plugins"
    (plugins / "deeper").mkdir()
    (plugins / "deeper" / "one.py").write_text("")
    (plugins / "helper.py").write_text("from deeper import one\n")
    good = plugins / "good.py"
    good.write_text(good.read_text().replace("import gc, os, sys", "import gc, os, sys\nimport helper"))
    for job in make_plan(request).jobs:
        pretend(job)
    assert len(make_plan(request).records) == 4
    (plugins / "unrelated.py").write_text("1")
    assert len(make_plan(request).records) == 4
    with (plugins / edited).open("a") as file:
        file.write("raise ValueError('edited')\n")
    with pytest.raises(InputError, match=r"2 runs in .* another version of good\.py; .*--redo good"):
        make_plan(request)
    assert len(make_plan(dataclasses.replace(request, methods=("b",))).records) == 2
    plan = make_plan(dataclasses.replace(request, redo=("good",)))
    assert [job.method.name for job in plan.jobs] == ["good", "good"]
    assert not any(job.directory.path.exists() for job in plan.jobs)
    with pytest.raises(InputError, match="no method of this command 'goood'"):
        make_plan(dataclasses.replace(request, redo=("goood",)))


def test_runs_that_do_not_know_the_version_of_their_method_count(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    job = make_plan(request).jobs[0]
    pretend(job)
    write_json(job.directory.inputs, {name: value for name, value in job.inputs.items() if name != SOURCE})
    assert len(make_plan(request).records) == 1


def test_a_damaged_record_is_bad_input(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    job = make_plan(request).jobs[0]
    pretend(job)
    job.directory.record.write_text('{"schema": 1}')
    with pytest.raises(InputError, match=r"record\.json"):
        make_plan(request)


@pytest.mark.parametrize("retry_failed", [False, True])
def test_runs_of_which_a_power_cut_has_left_empty_files_are_done_again(tmp_path: Path, retry_failed: bool) -> None:
    """Runs on a table are not forced to the disk one by one, so that there may be many."""
    request = request_for(tmp_path, retry_failed=retry_failed)
    jobs = make_plan(request).jobs
    for job in jobs:
        pretend(job)
    for path in (
        jobs[0].directory.record,
        jobs[1].directory.record,
        jobs[1].directory.inputs,
        jobs[2].directory.inputs,
    ):
        path.write_text("")
    jobs[2].directory.note.write_text("search")
    with pytest.raises(InputError):  # what is refused has thrown nothing away
        make_plan(dataclasses.replace(request, methods=("good", "b", "none")))
    assert jobs[0].directory.record.exists()
    plan = make_plan(request)
    assert {job.directory for job in plan.jobs} == {job.directory for job in jobs[:3]}
    assert len(plan.records) == 1
    assert not any(job.directory.path.exists() for job in plan.jobs)
    first = jobs[0].directory.path
    assert [note for note in plan.notes if "empty" in note] == [
        f"files of 3 runs are empty, as after a power cut, the first in {first}; these are done again"
    ]
    assert not any("empty" in note for note in make_plan(request).notes)


def test_a_method_that_hides_its_space_is_planned_as_unknown(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    odd = tmp_path / "plugins" / "odd.py"
    odd.write_text("METHOD = 42")
    plan = make_plan(dataclasses.replace(request, plugins=(*request.plugins, odd), methods=("odd",), seeds=(0,)))
    assert [(job.space, job.title) for job in plan.jobs] == [("unknown", "odd")]


@pytest.mark.parametrize("above", range(5))
@pytest.mark.parametrize("method", ["good", "b"])
def test_a_directory_that_is_closed_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, above: int
) -> None:
    """Also that of a run which the command does not name: the report at its end would refuse it."""
    request = request_for(tmp_path, seeds=(0,))
    jobs = {job.method.name: job for job in make_plan(request).jobs}
    for job in jobs.values():
        pretend(job)
    shut = [(path := jobs[method].directory.path), *path.parents][above]
    closed(monkeypatch, shut)
    with pytest.raises(InputError, match=f"{re.escape(str(shut))}.* cannot be read .Permission denied.; "):
        make_plan(dataclasses.replace(request, methods=("good",)))


@pytest.mark.parametrize("method", ["good", "b"])
def test_a_damaged_record_is_refused_before_any_work(tmp_path: Path, method: str) -> None:
    """Also that of a run which the command does not name."""
    request = request_for(tmp_path, seeds=(0,))
    jobs = {job.method.name: job for job in make_plan(request).jobs}
    pretend(jobs[method])
    record = jobs[method].directory.record
    record.write_text(record.read_text().replace('"seed": 0', '"seed": "x"'))
    with pytest.raises(InputError, match=f"{re.escape(str(record))} is damaged: .*; move its directory elsewhere"):
        make_plan(dataclasses.replace(request, methods=("good",)))


@pytest.mark.parametrize(
    "change", [{"profile": "quick"}, {"dataset": "toy"}, {"space": "cell"}, {"method": "darts"}, {"seed": 8}]
)
def test_a_record_of_another_run_is_not_taken(tmp_path: Path, change: dict[str, object]) -> None:
    request = request_for(tmp_path, methods=("good",), seeds=(0,))
    [job] = make_plan(request).jobs
    pretend(job)
    assert len(make_plan(request).records) == 1
    pretend(job, **change)
    with pytest.raises(InputError, match=r"record\.json says .*, and its directory is of .*; put it back"):
        make_plan(request)


def test_a_record_without_what_it_was_made_with_is_not_taken(tmp_path: Path) -> None:
    request = request_for(tmp_path, methods=("good",), seeds=(0,))
    [job] = make_plan(request).jobs
    pretend(job)
    job.directory.inputs.unlink()
    with pytest.raises(InputError, match=r"inputs\.json is missing; move its directory elsewhere to run it again"):
        make_plan(request)
    assert len(make_plan(dataclasses.replace(request, redo=("good",))).jobs) == 1
