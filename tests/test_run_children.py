"""Children of a search in processes of their own: the same record as without, also where some of them die."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from plugin_files import write_method
from tables_on_disk import write_table
from test_run_grid import PATIENT, Silent, request_for, run

from harness.core.budget import Budget
from harness.core.errors import InputError
from harness.core.evaluation import Evaluation, KerasConfig
from harness.core.record import Record
from harness.run.backends import helpers
from harness.run.backends.base import WAITING, Backend, Call, Capacity, Copies, Handle, Position, Question
from harness.run.backends.copies import TRIES
from harness.run.backends.helpers import Helpers
from harness.run.backends.local import Local
from harness.run.children import Children
from harness.run.plan import make_plan
from harness.run.profile import Profile
from harness.run.profiles import HOUR, SMOKE, get_profile
from harness.run.request import Request, make_request
from harness.run.scheduler import Batch, Scheduler

DRAWS = """
from itertools import count
task.keep_predictions()
for number, _ in enumerate(task.evaluate_each(task.sample() for _ in count())):
    task.predictions(number)
"""
KILLS = """
import os, signal
from itertools import count
pool = task._pool
if pool is not None:
    pids = sorted(int(pid) for pid in os.popen(f"pgrep -P {os.getpid()}").read().split())[:MANY]
    for pid in pids:
        try: os.kill(pid, signal.SIGSTOP)
        except ProcessLookupError: pass
    taken = pool.taken
    def kills(*words):
        for pid in pids:
            try: os.kill(pid, signal.SIGKILL)
            except ProcessLookupError: pass
        pool.taken = taken
        return taken(*words)
    pool.taken = kills
for _ in task.evaluate_each(task.sample() for _ in count()):
    pass
"""
"""Kills children that have been handed a training and have not begun with it."""
CLOCKED = ("seconds", "cpu_seconds", "images_per_second", "latency", "device_seconds", "restarts")


def counted(record: Record) -> dict[str, object]:
    """A record without what a clock has measured."""
    told = {**dataclasses.asdict(record), "provenance": None}
    for part in ("search", "final"):
        told[part] = {name: value for name, value in told[part].items() if name not in CLOCKED}
    return told


@pytest.mark.parametrize("top", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_two_children_at_the_same_time_give_the_record_of_one(tmp_path: Path, top: int) -> None:
    records, rows = [], []
    for children in (1, 2):
        folder = tmp_path / str(children)
        folder.mkdir()
        profile = dataclasses.replace(PATIENT, budget=Budget(15, "steps"), top=top)
        methods = {"draws": write_method(tmp_path, "draws", DRAWS)}
        request = request_for(folder, methods, profile=profile, children=children)
        records.append(run(request)["draws"])
        log = next(folder.rglob("evaluations.jsonl")).read_text()
        rows.append([{**json.loads(row), "seconds": 0} for row in log.splitlines()])
    assert records[0].status == "ok", records[0].reason
    assert counted(records[0]) == counted(records[1])
    assert rows[0] == rows[1]
    assert records[0].search["evaluations"] == 7
    assert ["device_seconds" in record.search for record in records] == [False, True]
    assert ["children" in record.provenance for record in records] == [False, True]


def test_children_that_are_killed_are_trained_again_with_the_same_numbers(tmp_path: Path) -> None:
    records = []
    for children in (1, 2):
        folder = tmp_path / str(children)
        folder.mkdir()
        profile = dataclasses.replace(PATIENT, budget=Budget(15, "steps"))
        methods = {"kills": write_method(tmp_path, "kills", KILLS.replace("MANY", "2"))}
        records.append(run(request_for(folder, methods, profile=profile, children=children))["kills"])
    assert [record.status for record in records] == ["ok", "ok"], records[1].reason
    assert counted(records[0]) == counted(records[1])
    assert [record.search.get("restarts") for record in records] == [None, 2]


def test_a_search_all_of_whose_children_are_killed_is_a_failed_row(tmp_path: Path) -> None:
    methods = {"kills": write_method(tmp_path, "kills", KILLS.replace("MANY", "99"))}
    record = run(request_for(tmp_path, methods, profile=PATIENT, children=2))["kills"]
    # One training may have been at three of them before the last is gone.
    told = any(words in record.reason for words in ("lost all its processes", f"lost its process {TRIES} times"))
    assert (record.status, told) == ("failed", True), record.reason


class OneElsewhere(Local):
    """Has one of the children trained by what would be another machine."""

    def __init__(self, other: Backend | None = None) -> None:
        super().__init__()
        self.helpers: dict[Handle, Helpers] = {}
        self.asked, self._other = 0, other or Local()

    def submit(self, call: Call) -> Handle:
        call = dataclasses.replace(call, far=1) if call.helps else call
        handle = super().submit(call)
        if call.far:
            self.helpers[handle] = Helpers(call, self._other)
        return handle

    def wait(self, seconds: float) -> list[Handle]:
        ended = super().wait(min(seconds, 0.1))
        for handle, helping in list(self.helpers.items()):
            helping.turn()
            self.asked = max(self.asked, len(helping._over))
            if handle in ended:
                self.helpers.pop(handle).close()
        return ended


def alone_and_helped(tmp_path: Path, methods: dict, profile: Profile, helped: Backend) -> list[Record]:
    """The record of one search with one child at a time, and with two on ``helped``, which have to be the same."""
    records = []
    for children, backend in ((1, Local()), (2, helped)):
        folder = tmp_path / str(children)
        folder.mkdir()
        request = request_for(folder, methods, profile=profile, children=children)
        plan = make_plan(request, backend.capacity)
        records += Scheduler(plan, backend, {"command": "a test", "cpu": "this one"}, Silent()).run()
    assert records[0].status == "ok", records[0].reason
    assert counted(records[0]) == counted(records[1])
    return records


@pytest.mark.slow
def test_children_on_another_machine_give_the_record_of_one(tmp_path: Path) -> None:
    body = "from itertools import count\nfor _ in task.evaluate_each(task.sample() for _ in count()): pass"
    profile = dataclasses.replace(PATIENT, budget=Budget(15, "steps"))
    methods = {"draws": write_method(tmp_path, "draws", body)}
    helped = OneElsewhere()
    records = alone_and_helped(tmp_path, methods, profile, helped)
    assert helped.asked > 0
    assert "restarts" not in records[1].search


class Full(Backend):
    """What would be another machine is busy, for the first so many questions; later it is not."""

    def __init__(self, questions: int) -> None:
        self._free, self._questions, self.asked = Local(), questions, 0

    @property
    def capacity(self) -> Capacity:
        return Capacity()

    def submit(self, call: Call) -> Handle:
        self.asked += 1
        return self._free.submit(call) if self.asked > self._questions else Handle(call, Position(words=WAITING))

    def wait(self, seconds: float) -> list[Handle]:
        return self._free.wait(seconds)

    def cancel(self, handle: Handle) -> None:
        self._free.cancel(handle)

    def close(self) -> None:
        self._free.close()


@pytest.mark.slow
def test_a_machine_that_is_busy_for_a_while_helps_later_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helpers, "PATIENCE", 0.2)
    body = """
from itertools import count
from harness.run.backends import mailbox
mailbox.REST = 0.1
for _ in task.evaluate_each(task.sample() for _ in count()): pass
"""
    profile = dataclasses.replace(PATIENT, budget=Budget(21, "steps"))
    methods = {"draws": write_method(tmp_path, "draws", body)}
    full = Full(1)
    alone_and_helped(tmp_path, methods, profile, OneElsewhere(full))
    assert full.asked > 1, "it was asked again"


class Answered(Copies):
    """Has answered every question with this before it was asked."""

    def __init__(self, **facts: Any) -> None:
        self._facts = facts

    def ask(self, value: Any, *, near: bool = False) -> Question:
        return Question(value, near, answered=True, **self._facts)

    def answer(self, question: Question) -> Any:
        return question.answer

    def first(self, questions: Sequence[Question]) -> Question:
        return questions[0]

    def forget(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


def test_a_training_that_was_begun_again_costs_the_seconds_of_both() -> None:
    proposal = KerasConfig("x", "")
    job: Any = SimpleNamespace(children=2)
    pool = Children(job, Answered(answer=Evaluation("x", 0.5, (0.5,), 2.0, 8), lost=1.5, losses=1))
    pool.begin(proposal, 0, 10.0)
    evaluation = pool.taken(proposal, 0)
    assert evaluation is not None
    assert (evaluation.seconds, evaluation.steps, pool.restarts) == (3.5, 8, 1)


def test_children_share_the_cores_and_no_card(tmp_path: Path) -> None:
    methods = {"draws": write_method(tmp_path, "draws", DRAWS)}
    request = request_for(tmp_path, methods, children=3)
    assert make_plan(request, Capacity(workers=8, cores=8)).workers == 2
    assert make_plan(request, Capacity(workers=2, cores=2)).workers == 1
    with pytest.raises(InputError, match="graphics card"):
        make_plan(request, Capacity(workers=1, cores=8, cards=(1,)))
    for children in (0, 65):
        with pytest.raises(InputError, match="--children"):
            make_request(datasets="toy", profile="smoke", children=children)


def test_final_trainings_have_the_cores_of_all_children_where_the_clock_decides(tmp_path: Path) -> None:
    methods = {"draws": write_method(tmp_path, "draws", DRAWS)}
    threads = {}
    for profile in (HOUR, SMOKE):
        request = request_for(tmp_path, methods, profile=profile, children=3, out=tmp_path / profile.name)
        plan = make_plan(request, Capacity(workers=1, cores=8))
        search, final = (Batch(phase, plan.jobs).call() for phase in ("search", "final"))
        threads[profile.name] = (search.threads, search.cores, final.threads, final.cores)
    assert threads == {"hour": (2, 6, 6, 6), "smoke": (1, 3, 1, 1)}


def test_children_take_no_cores_of_searches_on_tables(tmp_path: Path) -> None:
    table = f"table:{write_table(tmp_path)}"
    for profile in ("nb201", "table"):
        chosen = get_profile(profile)
        request = Request(("random_search",), (table,), chosen, (0,), tmp_path / profile, tmp_path, children=4)
        plan = make_plan(request, Capacity(workers=8, cores=8))
        assert plan.workers == 8
        assert {Batch("search", plan.jobs).call().cores} == {1}


def test_latency_is_not_measured_while_children_train() -> None:
    words = {"datasets": "toy", "profile": "smoke", "max_latency": "5ms"}
    make_request(**words, children=1)
    make_request(datasets="toy", profile="smoke", max_macs="5m", children=2)
    with pytest.raises(InputError, match=r"--max-latency is measured.*leave --children 2 out"):
        make_request(**words, children=2)
