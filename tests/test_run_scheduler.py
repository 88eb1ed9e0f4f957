"""The scheduler, on a back end without processes."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from backends import Fake, leave, succeed
from claimed import elsewhere
from rich.console import Console
from tables_on_disk import write_table
from test_run_plan import request_for

from harness.core.budget import Budget
from harness.core.errors import InputError, StorageError
from harness.core.files import MOST_TEXT, replace_text
from harness.core.record import Record
from harness.report.model.load import load_runs
from harness.run.backends.base import Call, Capacity, Handle, Outcome, Position
from harness.run.job import SMALLEST, Job, Phase
from harness.run.plan import Plan, make_plan
from harness.run.profiles import NB201
from harness.run.progress import Bar, PlainScreen, View, duration, screen_for
from harness.run.request import Request
from harness.run.scheduler import Scheduler
from harness.run.store import read_json, write_json, write_lines

COMMAND = {"command": "a test", "cpu": "none"}


class Lines:
    """A screen that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.views: list[View] = []

    def show(self, view: View) -> None:
        self.views.append(view)

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def phases() -> Fake:
    return Fake()


def run(plan: Plan, backend: Fake) -> tuple[list[Record], Lines]:
    screen = Lines()
    records = Scheduler(plan, backend, COMMAND, screen).run()
    assert backend.closed
    return records, screen


def test_every_run_searches_then_trains_then_is_scored(tmp_path: Path, phases: Fake) -> None:
    records, screen = run(make_plan(request_for(tmp_path, workers=1)), phases)
    assert [(r.method, r.seed, r.status) for r in records] == [
        ("good", 0, "ok"), ("b", 0, "ok"), ("good", 1, "ok"), ("b", 1, "ok"),
    ]  # fmt: skip
    assert phases.started[:4] == [("good", 0, "search"), ("good", 0, "final"), ("b", 0, "search"), ("b", 0, "final")]
    assert all(record.test_accuracy == 0.5 for record in records)
    assert len(screen.lines) == 4
    shares = [view.share for view in screen.views]
    assert shares == sorted(shares)
    assert (screen.views[-1].share, screen.views[-1].done) == (1, 4)
    again, _ = run(make_plan(request_for(tmp_path, workers=1)), phases)
    assert again == records
    assert len(phases.started) == 8, "what is over is not done again"


def test_what_another_command_has_done_since_the_plan_was_made_is_not_done_again(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    first, second = make_plan(request), make_plan(request)
    done, _ = run(first, Fake())
    backend = Fake()
    records, screen = run(second, backend)
    assert backend.started == []
    assert sorted(records, key=str) == sorted(done, key=str)
    assert screen.lines == ["good: 2 runs over", "b: 2 runs over"]


def test_a_run_that_another_command_has_begun_since_goes_on_where_it_is(tmp_path: Path) -> None:
    request = request_for(tmp_path, methods=("good",), seeds=(0,))
    plan, early = make_plan(request), make_plan(request)
    dying = Fake()

    def die(call: Call) -> tuple[Outcome, ...]:
        if call.words == "search":
            return succeed(call)
        call.items[0].value.directory.final_checkpoint.write_text("half of a training")
        raise KeyboardInterrupt

    dying.instead = {"good": die}

    def whole(call: Call) -> tuple[Outcome, ...]:
        assert call.items[0].value.directory.final_checkpoint.read_text() == "half of a training"
        return succeed(call)

    backend = Fake()
    backend.instead = {"good": whole}
    scheduler = Scheduler(early, backend, COMMAND, Lines())
    queue = scheduler._queue

    def queue_and_wait() -> None:
        """The other command begins when this one has planned and queued, and is killed before its turn comes."""
        queue()
        with pytest.raises(KeyboardInterrupt):
            run(plan, dying)

    scheduler._queue = queue_and_wait  # type: ignore[method-assign]
    [record] = scheduler.run()
    assert backend.started == [("good", 0, "final")]
    assert record.status == "ok"


def half_done(request: Request, *phases: Phase) -> tuple[Plan, Job]:
    """A plan, and its run of ``good`` whose final training another command has begun, with results of phases."""
    plan = make_plan(request)
    mine = {job.method.name: job for job in plan.jobs}["good"]
    mine.directory.path.mkdir(parents=True)
    for phase in phases:
        leave(mine, phase)
    mine.directory.note.write_text("final")
    return plan, mine


def test_a_run_that_another_command_is_working_on_is_left_alone(tmp_path: Path) -> None:
    request = request_for(tmp_path, seeds=(0,))
    plan, mine = half_done(request, "search")
    mine.directory.final_checkpoint.write_text("half of a training")
    backend = Fake()
    with elsewhere(request.out, mine.directory.path):
        records, _ = run(plan, backend)
    assert {record.method: record.status for record in records} == {"good": "failed", "b": "ok"}
    assert {method for method, *_ in backend.started} == {"b"}, "the others are done"
    assert [record.reason for record in records if record.method == "good"] == [
        "another command is working on the same run"
    ]
    assert mine.directory.note.read_text() == "final"
    assert mine.directory.final_checkpoint.exists()
    assert not mine.directory.record.exists()
    again = Fake()
    run(make_plan(request), again)
    assert again.started == [("good", 0, "final")]


def test_a_run_whose_results_are_all_there_and_that_another_command_still_has_is_a_row(tmp_path: Path) -> None:
    request = request_for(tmp_path, seeds=(0,))
    plan, mine = half_done(request, "search", "final")
    with elsewhere(request.out, mine.directory.path):
        records, screen = run(plan, Fake())
    assert {record.method: (record.status, record.reason) for record in records} == {
        "good": ("failed", "another command is working on the same run"),
        "b": ("ok", ""),
    }
    assert screen.views[-1].share == 1
    assert mine.directory.final.exists()
    [record], _ = run(make_plan(dataclasses.replace(request, methods=("good",))), again := Fake())
    assert (record.status, again.started) == ("ok", [])


def test_a_run_is_claimed_from_its_search_to_its_record(tmp_path: Path, phases: Fake) -> None:
    claimed: list[bool] = []

    def ask(call: Call) -> tuple[Outcome, ...]:
        with elsewhere(tmp_path / "out", call.items[0].directory) as theirs:
            claimed.append(not theirs)
        return succeed(call)

    phases.instead = {"good": ask}
    plan = make_plan(request_for(tmp_path, methods=("good",), seeds=(0,)))
    run(plan, phases)
    assert claimed == [True, True]
    with elsewhere(tmp_path / "out", plan.jobs[0].directory.path) as theirs:
        assert theirs


@pytest.mark.parametrize("over", [True, False])
def test_what_another_command_has_made_otherwise_since_is_neither_shown_nor_touched(tmp_path: Path, over: bool) -> None:
    request = request_for(tmp_path, methods=("good",), seeds=(0,))
    other = dataclasses.replace(request, profile=dataclasses.replace(request.profile, budget=Budget(8, "steps")))
    first, second = make_plan(request), make_plan(other)
    run(first, Fake())
    directory = first.jobs[0].directory
    if not over:
        directory.record.unlink()
    before = {path: path.read_bytes() for path in directory.path.iterdir()}
    backend = Fake()
    [record], _ = run(second, backend)
    assert backend.started == []
    assert "another budget" in record.reason
    assert {path: path.read_bytes() for path in directory.path.iterdir()} == before


def test_what_a_search_makes_of_the_inputs_is_no_matter(tmp_path: Path, phases: Fake) -> None:
    def spoil(call: Call) -> tuple[Outcome, ...]:
        if call.words == "search":
            call.items[0].value.directory.inputs.write_text("{}")
        return succeed(call)

    phases.instead = {"good": spoil}
    [record], _ = run(make_plan(request_for(tmp_path, methods=("good",), seeds=(0,))), phases)
    assert record.status == "ok"


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, phases: Fake) -> None:
    plan = make_plan(request_for(tmp_path, seeds=(0,)))
    searched, trained = plan.jobs
    for job in plan.jobs:
        job.directory.path.mkdir(parents=True)
        leave(job, "search")
    trained.directory.note.write_text("final")
    leave(trained, "final")
    records, _ = run(plan, phases)
    assert phases.started == [(searched.method.name, 0, "final")]
    assert {record.status for record in records} == {"ok"}


def test_a_final_result_that_a_search_left_is_not_taken_after_a_kill(tmp_path: Path, phases: Fake) -> None:
    """The parent was killed between the end of the search and the start of the final training."""
    request = request_for(tmp_path, methods=("good",), seeds=(0,))

    def forge_and_die(call: Call) -> tuple[Outcome, ...]:
        [job] = (item.value for item in call.items)
        leave(job, "search")
        leave(job, "final")
        job.directory.record.write_text(forged.to_json())
        raise KeyboardInterrupt

    [forged], _ = run(make_plan(dataclasses.replace(request, out=tmp_path / "forger")), Fake())
    forged = dataclasses.replace(forged, test_accuracy=1.0)
    phases.instead = {"good": forge_and_die}
    with pytest.raises(KeyboardInterrupt):
        run(make_plan(request), phases)
    with pytest.raises(InputError, match="has ended; the same run command"):
        load_runs(tmp_path / "out")
    again = Fake()
    [record], _ = run(make_plan(request), again)
    assert again.started == [("good", 0, "final")], "the training is done, whatever lies there"
    assert record.test_accuracy == 0.5
    assert [loaded.record for loaded in load_runs(tmp_path / "out")] == [record]


@pytest.mark.parametrize(
    ("charged", "steps", "reason"),
    [(8, [4, 4], ""), (9, [4], "9 steps"), (0, [4, 4, 4], "12 steps"), (-8, [4], "-8 steps"), (4, [9, -5], "4 steps")],
)
def test_a_search_that_was_charged_more_than_its_budget_has_failed(
    tmp_path: Path, phases: Fake, charged: float, steps: list[int], reason: str
) -> None:
    """As after ``task.meter.limit = 1e9``, ``task.meter.steps = 0`` or ``task.step(-8)``."""

    def overrun(call: Call) -> tuple[Outcome, ...]:
        [job] = (item.value for item in call.items)
        outcomes = succeed(call)
        if call.words == "search":
            stored = read_json(job.directory.search)
            write_json(job.directory.search, {**stored, "search": {"charged": charged}})
            rest = {"genotype": "x", "accuracy": 0.5, "curve": [0.5], "failure": "", "spent": 1.0}
            costs = [{"steps": count, "seconds": 1.0, "macs": 0} for count in steps]
            rows = [{"number": number, **rest, **cost} for number, cost in enumerate(costs)]
            write_lines(job.directory.evaluations, rows)
        return outcomes

    request = request_for(tmp_path, methods=("good",), seeds=(0,))
    request = dataclasses.replace(request, profile=dataclasses.replace(request.profile, budget=Budget(8, "steps")))
    phases.instead = {"good": overrun}
    [record], _ = run(make_plan(request), phases)
    assert record.status == ("failed" if reason else "ok")
    assert (f"charged {reason}, and its budget is 8 steps" in record.reason) == bool(reason)
    assert (record.test_accuracy is None) == bool(reason)


def test_a_record_below_the_directory_of_a_run_is_nobodys(tmp_path: Path, phases: Fake) -> None:
    request = request_for(tmp_path, methods=("good",), seeds=(0,))
    [record], _ = run(plan := make_plan(request), phases)
    forged = plan.jobs[0].directory.path / "deep" / "inside" / "record.json"
    forged.parent.mkdir(parents=True)
    forged.write_text(dataclasses.replace(record, method="b", test_accuracy=0.0).to_json())
    assert [loaded.record for loaded in load_runs(tmp_path / "out")] == [record]


def test_failures_are_rows_and_a_busy_run_leaves_no_record(tmp_path: Path, phases: Fake) -> None:
    phases.instead = {
        "good": lambda call: (Outcome("failed", "it broke"),),
        "b": lambda call: (Outcome("busy", "not mine"),),
    }
    plan = make_plan(request_for(tmp_path, seeds=(0,)))
    records, screen = run(plan, phases)
    assert {(r.method, r.status, r.reason) for r in records} == {
        ("good", "failed", "it broke"), ("b", "failed", "not mine"),
    }  # fmt: skip
    assert any("it broke" in line for line in screen.lines)
    assert [job.directory.record.exists() for job in plan.jobs] == [True, False]


def test_a_phase_that_says_ok_but_leaves_nothing_has_failed(tmp_path: Path, phases: Fake) -> None:
    phases.instead = {"good": lambda call: (Outcome("ok"),)}
    records, _ = run(make_plan(request_for(tmp_path, methods=("good",), seeds=(0,))), phases)
    assert "left no result behind" in records[0].reason


def test_an_interrupt_stops_what_runs(tmp_path: Path, phases: Fake) -> None:
    class Interrupting(Lines):
        def show(self, view: View) -> None:
            assert len(phases.live) == 2
            raise KeyboardInterrupt

    phases.instead = {"good": None, "b": None}
    plan = make_plan(request_for(tmp_path), phases.capacity)
    with pytest.raises(KeyboardInterrupt):
        Scheduler(plan, phases, COMMAND, Interrupting()).run()
    assert len(phases.started) == 2
    assert phases.closed
    assert not phases.live
    assert not any(job.directory.record.exists() for job in plan.jobs)


@pytest.mark.parametrize(("where", "words"), [("", "half"), ("node-7 (a kind of processor)", "half, on node-7")])
def test_progress_of_a_running_phase_is_shown(tmp_path: Path, phases: Fake, where: str, words: str) -> None:
    class Interrupting(Lines):
        def show(self, view: View) -> None:
            super().show(view)
            if len(self.views) == 2:
                raise KeyboardInterrupt
            phases.live[0].position, phases.live[0].where = Position(0, 0.5, "half"), where

    phases.instead = {"good": None}
    plan = make_plan(request_for(tmp_path, seeds=(0,), methods=("good",)), phases.capacity)
    screen = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        Scheduler(plan, phases, COMMAND, screen).run()
    before, after = screen.views
    assert before.bars == (Bar("squares good in macro-3 #0 search", 0.0, "starting"),)
    assert after.bars == (Bar("squares good in macro-3 #0 search", 0.5, words),)
    assert (before.share, after.share) == (0, pytest.approx(0.25))


def test_records_name_the_nodes_of_both_phases_and_of_children_elsewhere(tmp_path: Path, phases: Fake) -> None:
    submit = phases.submit

    def submit_on_nodes(call: Call) -> Handle:
        handle = submit(call)
        handle.where = "a (x)" if call.words == "search" else "b (x)"
        handle.helpers = ("b (x)", "c (x)") if call.words == "search" else ()
        return handle

    phases.submit = submit_on_nodes  # type: ignore[method-assign]
    [record], _ = run(make_plan(request_for(tmp_path, seeds=(0,), methods=("good",))), phases)
    assert record.provenance["nodes"] == {"search": "a (x)", "children": "b (x); c (x)", "final": "b (x)"}
    [local], _ = run(make_plan(request_for(tmp_path, seeds=(1,), methods=("good",), out=tmp_path / "local")), Fake())
    assert "nodes" not in local.provenance


def test_the_capacity_of_the_back_end_decides_how_many_run(tmp_path: Path) -> None:
    for workers, asked, most in ((1, None, 1), (3, None, 3), (3, 2, 2)):
        backend = Fake(Capacity(workers=workers, cores=8))
        request = request_for(tmp_path, out=tmp_path / f"{workers} {asked}", workers=asked)
        run(make_plan(request, backend.capacity), backend)
        assert backend.most == most


def test_a_call_names_what_it_reads_and_may_write(tmp_path: Path, phases: Fake) -> None:
    run(make_plan(request_for(tmp_path, methods=("good",), seeds=(0,))), phases)
    searching, training = phases.calls
    read = [{path.name for path in call.items[0].reads} for call in phases.calls]
    assert read == [
        {"meta.json", "x_train.npy", "y_train.npy", "split-0.1-0.npz", "good.py"},
        {"meta.json", "x_train.npy", "y_train.npy", "x_test.npy"},
    ]
    assert all(path.is_file() for call in phases.calls for path in call.items[0].reads)
    assert {"search.json", "evaluations.jsonl"} <= set(searching.writes)
    assert {"final.json", "predictions.npz"} <= set(training.writes)
    several = dataclasses.replace(searching.items[0].value.profile, top=2)
    job = dataclasses.replace(searching.items[0].value, profile=several)
    assert {path.name for path in job.reads("final")} == read[1] | {"split-0.1-0.npz"}
    assert {path.name for path in job.reads("search")} == read[0]
    assert not {"final.json", "predictions.npz", "record.json"} & set(searching.writes)


def test_a_final_training_is_never_taken_from_the_search(tmp_path: Path, phases: Fake) -> None:
    def forge(call: Call) -> tuple[Outcome, ...]:
        job = call.items[0].value
        leave(job, "search")
        if call.words == "search":
            leave(job, "final")
            job.directory.final_checkpoint.write_text("forged")
            job.directory.model.write_text("forged")
            job.directory.networks.mkdir()
            (job.directory.networks / "1.json").write_text("forged")
        else:
            mine = {path.name for path in job.directory.path.iterdir()}
            assert not mine & {"final.json", "predictions.npz", "model.keras", "final.checkpoint", "networks"}
            leave(job, "final")
        return (Outcome("ok"),)

    phases.instead = {"good": forge}
    records, _ = run(make_plan(request_for(tmp_path, methods=("good",), seeds=(0,))), phases)
    assert [record.status for record in records] == ["ok"]
    assert [phase for *_, phase in phases.started] == ["search", "final"]


@pytest.mark.parametrize("removable", [True, False])
@pytest.mark.parametrize("killed", [True, False])
def test_closed_directories_that_a_search_left_are_removed_or_fail_the_row(
    tmp_path: Path, phases: Fake, monkeypatch: pytest.MonkeyPatch, removable: bool, killed: bool
) -> None:
    """Root can remove any directory, so that one that cannot be is made by hand."""

    def plant(call: Call) -> tuple[Outcome, ...]:
        job = call.items[0].value
        if call.words != "search":
            assert not job.directory.networks.exists()
            return succeed(call)
        leave(job, "search")
        inner = job.directory.networks / "inner"
        inner.mkdir(parents=True)
        (job.directory.networks / "1.json").write_text("forged")
        inner.chmod(0)
        job.directory.networks.chmod(0o500)
        if killed:
            raise KeyboardInterrupt
        return (Outcome("ok"),)

    remove = shutil.rmtree

    def refuse(path: Path, ignore_errors: bool = False) -> None:
        if path.name != "networks":
            remove(path, ignore_errors=ignore_errors)
        elif not ignore_errors:
            raise PermissionError(path)

    phases.instead = {"good": plant}
    if not removable:
        monkeypatch.setattr(shutil, "rmtree", refuse)
    request = request_for(tmp_path, methods=("good",), seeds=(0,))
    if killed:
        with pytest.raises(KeyboardInterrupt):
            run(make_plan(request), phases)
    [record], _ = run(make_plan(request), phases)
    if removable:
        assert (record.status, record.reason) == ("ok", "")
    else:
        assert (record.status, record.test_accuracy) == ("failed", None)
        assert "left networks behind, which cannot be removed" in record.reason
        assert "final" not in [phase for *_, phase in phases.started]


def _grow(log: Path) -> None:
    log.touch()
    os.truncate(log, MOST_TEXT + 1)  # takes no room on the disk


def _told(job: Job, **facts: object) -> None:
    write_json(job.directory.search, {**read_json(job.directory.search), **facts})


DAMAGE: dict[str, Callable[[Job], object]] = {
    "settings.json": lambda job: job.directory.settings.write_text("{"),
    "search.json": lambda job: job.directory.search.write_text("[]"),
    "a search without a proposal": lambda job: write_json(job.directory.search, {"proposal": 3}),
    "a count that is none": lambda job: write_json(
        job.directory.search,
        {"proposal": {"text": "x"}, "search": {"steps": float("nan")}, "title": "", "process": {"device": "CPU"}},
    ),
    "a title without end": lambda job: _told(job, title="x" * 10_000),
    "a proposal of two rows": lambda job: _told(job, proposal={"text": "macro-3:0\nmacro-3:1"}),
    "a title of two rows": lambda job: _told(job, title="Random search\n| 99 |"),
    "counts without end": lambda job: _told(job, search={f"planned_{n}": n for n in range(10_000)}),
    "final.json": lambda job: job.directory.final.write_bytes(b"\xff\xfe"),
    "predictions.npz": lambda job: job.directory.predictions.write_bytes(b""),
    "predictions without probabilities": lambda job: np.savez(job.directory.predictions, other=np.ones(3)),
    "predictions as a directory": lambda job: (job.directory.predictions.unlink(), job.directory.predictions.mkdir()),
    "a search.json that nobody can read": lambda job: os.truncate(job.directory.search, MOST_TEXT + 1),
    "evaluations beyond what is read": lambda job: _grow(job.directory.evaluations),
    "proposals beyond what is read": lambda job: _grow(job.directory.proposals),
    "evaluations as a pipe": lambda job: (job.directory.evaluations.unlink(), os.mkfifo(job.directory.evaluations)),
    "proposals as a pipe": lambda job: (job.directory.proposals.unlink(), os.mkfifo(job.directory.proposals)),
    "search.json as a pipe": lambda job: (job.directory.search.unlink(), os.mkfifo(job.directory.search)),
    "record.json as a directory": lambda job: job.directory.record.mkdir(),
    "inputs.json as a directory": lambda job: (job.directory.inputs.unlink(), job.directory.inputs.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_whatever_a_run_leaves_ruined_is_one_failed_row(tmp_path: Path, phases: Fake, damage: str) -> None:
    def ruin(call: Call) -> tuple[Outcome, ...]:
        job = call.items[0].value
        leave(job, "search" if call.words == "search" else "final")
        if (call.words != "search") == (not damage.startswith("inputs")):
            DAMAGE[damage](job)
        return (Outcome("ok"),)

    phases.instead = {"good": ruin}
    records, _ = run(make_plan(request_for(tmp_path, seeds=(0,))), phases)
    status = {record.method: record.status for record in records}
    assert status == {"good": "failed", "b": "ok"}
    [reason] = [record.reason for record in records if record.method == "good"]
    assert reason
    assert "\n" not in reason
    logs = list((tmp_path / "out").rglob("*.jsonl"))
    assert all(log.is_file() and log.stat().st_size <= MOST_TEXT for log in logs), "the report would read it"


def test_a_directory_that_is_gone_is_one_failed_row(tmp_path: Path, phases: Fake) -> None:
    def vanish(call: Call) -> tuple[Outcome, ...]:
        succeed(call)
        directory = call.items[0].directory
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()
        return (Outcome("ok"),)

    phases.instead = {"good": vanish}
    records, _ = run(make_plan(request_for(tmp_path, seeds=(0,))), phases)
    assert {record.method: record.status for record in records} == {"good": "failed", "b": "ok"}


def table_request(tmp_path: Path, seeds: int) -> Request:
    profile = dataclasses.replace(NB201, name="table", budget=Budget(200, "s"))
    return Request(
        methods=("random_search",),
        datasets=(f"table:{write_table(tmp_path)}",),
        profile=profile,
        seeds=tuple(range(seeds)),
        out=tmp_path / "out",
        data_root=tmp_path / "data",
        baselines=False,
    )


def test_searches_on_tables_share_calls_and_a_broken_one_loses_one_run(tmp_path: Path, phases: Fake) -> None:
    def breaks_at_the_third(call: Call) -> tuple[Outcome, ...]:
        for item in call.items:
            found = {"proposal": {"text": "table:0,0,0"}, "search": {}, "title": "", "process": {"device": "CPU"}}
            if item.value.seed == 2:
                return (*(Outcome("ok"),) * call.items.index(item), Outcome("failed", "its process broke"))
            write_json(item.value.directory.search, found)
        return (Outcome("ok"),) * len(call.items)

    phases.instead = {"random_search": breaks_at_the_third}
    seeds = SMALLEST + 5
    records, screen = run(make_plan(table_request(tmp_path, seeds)), phases)
    assert [len(call.items) for call in phases.calls] == [SMALLEST, SMALLEST - 3, 5]
    reasons = {record.seed: record.reason for record in records}
    assert len(reasons) == seeds
    assert reasons[2] == "its process broke"
    assert all("not in the table" in reason for seed, reason in reasons.items() if seed != 2)
    shares = [view.share for view in screen.views]
    assert shares == sorted(shares)
    assert screen.views[-1].share == 1


@pytest.mark.parametrize("let_go", [True, False])
def test_a_batch_of_which_another_command_has_one_search_is_done_but_for_that(
    tmp_path: Path, phases: Fake, let_go: bool
) -> None:
    """The other command keeps its claims until its whole batch is over, and each search that ends leaves its result."""
    request = table_request(tmp_path, 10)
    plan = make_plan(request)
    first = plan.jobs[0]
    write = {"proposal": {"text": "table:0,0,0"}, "search": {}, "title": "", "process": {"device": "CPU"}}

    def search_all(call: Call) -> tuple[Outcome, ...]:
        for item in call.items:
            write_json(item.value.directory.search, write)
        return (Outcome("ok"),) * len(call.items)

    phases.instead = {"random_search": search_all}
    first.directory.path.mkdir(parents=True)
    write_json(first.directory.inputs, first.inputs)
    write_json(first.directory.search, write)
    first.directory.note.write_text("search")
    screen = Lines()
    scheduler = Scheduler(plan, phases, COMMAND, screen)
    queue = scheduler._queue
    with contextlib.ExitStack() as theirs:
        theirs.enter_context(elsewhere(request.out, first.directory.path))

        def queue_and_wait() -> None:
            queue()
            if let_go:
                theirs.close()

        scheduler._queue = queue_and_wait  # type: ignore[method-assign]
        records = scheduler.run()
    assert sorted(record.seed for record in records) == list(range(10))
    assert sorted(seed for _, seed, _ in phases.started) == list(range(1, 10))
    [its] = [record.reason for record in records if record.seed == 0]
    assert ("another command is working on the same run" in its) != let_go
    assert screen.lines
    assert (screen.views[-1].share, screen.views[-1].done) == (1, 10)


def test_a_back_end_that_loses_a_call_makes_failed_rows(tmp_path: Path, phases: Fake) -> None:
    phases.instead = {"good": lambda call: ()}
    records, _ = run(make_plan(request_for(tmp_path, seeds=(0,))), phases)
    assert {record.method: record.status for record in records} == {"good": "failed", "b": "ok"}


@pytest.mark.parametrize(("seconds", "text"), [(None, "-"), (5, "0:05"), (65.4, "1:05"), (7384, "2:03:04")])
def test_durations_are_readable(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_without_a_terminal_there_are_lines_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    view = View((Bar("toy darts #0 search", 0.25, "10 steps"),), 1, 4, 0.3, 65.0)
    with screen_for(Console(file=out)) as screen:
        assert isinstance(screen, PlainScreen)
        for now[0] in (1.0, 31.0, 32.0):
            screen.show(view)
        screen.say("[a line] with brackets")
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert "1 of 4 runs, 1:05 left; toy darts #0 search 25 % (10 steps)" in lines[0]
    assert lines[1] == "[a line] with brackets"


def test_on_a_terminal_bars_come_and_go() -> None:
    out = io.StringIO()
    with screen_for(Console(file=out, force_terminal=True, width=120)) as screen:
        screen.show(View((Bar("toy darts #0 search", 0.25, "10 steps"),), 0, 2, 0.1, None))
        screen.show(View((Bar("toy enas #0 final training", 0.5, "step 3"),), 1, 2, 0.7, 9.0))
        screen.say("toy darts #0: 50 %")
    text = out.getvalue()
    assert "toy enas #0 final training" in text
    assert "toy darts #0: 50 %" in text


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def no_room(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", FULL)
@pytest.mark.parametrize("where", ["the inputs", "the record", "a search", "a final training"])
def test_a_disk_that_takes_no_more_ends_the_command_and_the_same_one_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phases: Fake, where: str, number: int
) -> None:
    """The second run of four meets it; no run is a failed row, and nothing is begun after it."""
    full = [True]

    def meets(path: object) -> bool:
        return full[0] and "/good/1" in str(path)

    def unless_full(write: Callable[..., None]) -> Callable[..., None]:
        def written(path: Path, *words: object, **more: object) -> None:
            if meets(path):
                raise no_room(number)
            write(path, *words, **more)

        return written

    if where == "the inputs":
        monkeypatch.setattr("harness.run.scheduler.write_json", unless_full(write_json))
    elif where == "the record":
        monkeypatch.setattr("harness.run.scoring.records.replace_text", unless_full(replace_text))
    else:
        words = "search" if where == "a search" else "final training"
        told = f"OSError: [Errno {number}] {os.strerror(number)}"
        phases.instead["good"] = lambda call: (
            (Outcome("failed", told),) if meets(call.items[0].directory) and call.words == words else succeed(call)
        )
        monkeypatch.setattr("harness.core.room.tempfile.TemporaryFile", lambda dir: Broken(number))
    plan = make_plan(request_for(tmp_path, workers=1))
    with pytest.raises(
        StorageError, match=rf"out takes no more \({os.strerror(number)}\): 2 of 4 runs are stored; make"
    ):
        Scheduler(plan, phases, COMMAND, Lines()).run()
    assert phases.closed
    assert ("b", 1, "search") not in phases.started, "nothing is begun where there is no room"
    assert [run.record.status for run in load_runs(tmp_path / "out")] == ["ok", "ok"]
    full[0] = False
    records, _ = run(make_plan(request_for(tmp_path, workers=1)), Fake())
    assert [record.status for record in records] == ["ok"] * 4


class Broken(io.BytesIO):
    """A file on a full disk."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, _: object) -> int:
        raise no_room(self.number)


def test_a_method_that_says_that_the_disk_is_full_holds_nobody_up(tmp_path: Path, phases: Fake) -> None:
    """It may say anything; there is room."""
    phases.instead["good"] = lambda call: (Outcome("failed", f"OSError: {os.strerror(errno.ENOSPC)}"),)
    records, _ = run(make_plan(request_for(tmp_path)), phases)
    assert sorted(record.status for record in records) == ["failed", "failed", "ok", "ok"]
