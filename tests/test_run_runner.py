"""The grid's loop, with phases that end when the test says so instead of processes."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from test_run_plan import request_for

from harness.core.record import Record
from harness.run import runner
from harness.run.grid import Bar, View
from harness.run.job import Job, Outcome, Phase
from harness.run.plan import Plan, make_plan
from harness.run.runner import Runner
from harness.run.screen import PlainScreen, duration, screen_for
from harness.run.store import write_json

Execute = Callable[[Job, Phase], Future[Outcome]]
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


def leave(job: Job, phase: Phase) -> None:
    """What a phase leaves behind."""
    process = {"device": "CPU"}
    if phase == "search":
        found = {"proposal": {"text": f"macro-3:{job.seed}"}, "search": {"steps": 4}, "title": job.title}
        write_json(job.directory.search, {**found, "process": process})
    else:
        write_json(job.directory.final, {"final": {"steps": 9}, "parameters": 1, "macs": 2, "process": process})
        np.savez(job.directory.predictions, probabilities=np.ones((60, 2), np.float32))


class Phases:
    """Stands for :func:`harness.run.backends.local.execute`: every phase succeeds at once, unless told otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: list[tuple[str, int, Phase]] = []
        self.futures: list[Future[Outcome]] = []
        self.instead: dict[str, Callable[[], Outcome]] = {}
        monkeypatch.setattr(runner, "execute", self.execute)

    def execute(self, job: Job, phase: Phase) -> Future[Outcome]:
        self.started.append((job.method.name, job.seed, phase))
        future: Future[Outcome] = Future()
        self.futures.append(future)
        if job.method.name in self.instead:
            future.set_result(self.instead[job.method.name]())
        else:
            leave(job, phase)
            future.set_result(Outcome("ok"))
        return future


@pytest.fixture
def phases(monkeypatch: pytest.MonkeyPatch) -> Phases:
    return Phases(monkeypatch)


def run(plan: Plan) -> tuple[list[Record], Lines]:
    screen = Lines()
    return Runner(plan, COMMAND, screen).run(), screen


def test_every_run_searches_then_trains_then_is_scored(tmp_path: Path, phases: Phases) -> None:
    records, screen = run(make_plan(request_for(tmp_path, workers=1)))
    assert [(r.method, r.seed, r.status) for r in records] == [
        ("good", 0, "ok"), ("b", 0, "ok"), ("good", 1, "ok"), ("b", 1, "ok"),
    ]  # fmt: skip
    assert phases.started[:4] == [("good", 0, "search"), ("good", 0, "final"), ("b", 0, "search"), ("b", 0, "final")]
    assert all(record.test_accuracy == 0.5 for record in records)
    assert len(screen.lines) == 4
    shares = [view.share for view in screen.views]
    assert shares == sorted(shares)
    assert (screen.views[-1].share, screen.views[-1].done) == (1, 4)
    again, _ = run(make_plan(request_for(tmp_path, workers=1)))
    assert again == records
    assert len(phases.started) == 8, "what is over is not done again"


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, phases: Phases) -> None:
    plan = make_plan(request_for(tmp_path, seeds=(0,)))
    searched, trained = plan.jobs
    for job in plan.jobs:
        job.directory.path.mkdir(parents=True)
        leave(job, "search")
    leave(trained, "final")
    records, _ = run(plan)
    assert phases.started == [(searched.method.name, 0, "final")]
    assert {record.status for record in records} == {"ok"}


def test_failures_are_rows_and_a_busy_run_leaves_no_record(tmp_path: Path, phases: Phases) -> None:
    phases.instead = {"good": lambda: Outcome("failed", "it broke"), "b": lambda: Outcome("busy", "not mine")}
    plan = make_plan(request_for(tmp_path, seeds=(0,)))
    records, screen = run(plan)
    assert {(r.method, r.status, r.reason) for r in records} == {
        ("good", "failed", "it broke"), ("b", "failed", "not mine"),
    }  # fmt: skip
    assert any("it broke" in line for line in screen.lines)
    assert [job.directory.record.exists() for job in plan.jobs] == [True, False]


def test_a_phase_that_says_ok_but_leaves_nothing_has_failed(tmp_path: Path, phases: Phases) -> None:
    phases.instead = {"good": lambda: Outcome("ok")}
    records, _ = run(make_plan(request_for(tmp_path, methods=("good",), seeds=(0,))))
    assert "left no result behind" in records[0].reason


def test_an_interrupt_stops_what_runs(tmp_path: Path, phases: Phases, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[Future[Outcome]] = []

    def never(job: Job, phase: Phase) -> Future[Outcome]:
        waiting.append(Future())
        return waiting[-1]

    class Interrupting(Lines):
        def show(self, view: View) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(runner, "execute", never)
    plan = make_plan(request_for(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        Runner(plan, COMMAND, Interrupting()).run()
    assert len(waiting) == 2
    assert all(future.cancelled() for future in waiting)
    assert not any(job.directory.record.exists() for job in plan.jobs)


def test_progress_of_a_running_phase_is_shown(tmp_path: Path) -> None:
    plan = make_plan(request_for(tmp_path, seeds=(0,)))
    job = plan.jobs[0]
    job.directory.path.mkdir(parents=True)
    running = runner._Running(job, "search")
    assert runner._progress(running) == (0.0, "starting")
    write_json(
        job.directory.progress, {"phase": "search", "share": 0.5, "words": "half", "seconds": 1, "cpu_seconds": 1}
    )
    assert runner._progress(running) == (0.5, "half")
    assert runner._progress(runner._Running(job, "final")) == (0.0, "starting")
    whole = Runner(plan, COMMAND, Lines())
    whole.running[Future()] = running
    view = whole.view()
    assert view.bars == (Bar("squares good #0 search", 0.5, "half"),)
    assert view.share == pytest.approx(0.125)


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
