"""Children of a search in processes of their own: the same record as without, and nothing is left of them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from plugin_files import write_method
from tables_on_disk import write_table
from test_run_grid import PATIENT, request_for, run

from harness.core.budget import Budget
from harness.core.errors import InputError
from harness.core.record import Record
from harness.run.backends.base import Capacity
from harness.run.plan import make_plan
from harness.run.profiles import HOUR, SMOKE, get_profile
from harness.run.request import Request, make_request
from harness.run.scheduler import Batch

DRAWS = """
from itertools import count
task.keep_predictions()
for number, _ in enumerate(task.evaluate_each(task.sample() for _ in count())):
    task.predictions(number)
"""
CRASHES = """
import os, signal
children = [int(pid) for pid in os.popen(f"pgrep -P {os.getpid()}").read().split()]
for _ in task.evaluate_each(task.sample() for _ in range(3)):
    for pid in children:
        try: os.kill(pid, signal.SIGKILL)
        except ProcessLookupError: pass
"""
CLOCKED = ("seconds", "cpu_seconds", "images_per_second", "latency", "device_seconds")


def counted(record: Record) -> dict[str, object]:
    """A record without what a clock has measured."""
    told = {**dataclasses.asdict(record), "provenance": None}
    for part in ("search", "final"):
        told[part] = {name: value for name, value in told[part].items() if name not in CLOCKED}
    return told


@pytest.mark.parametrize("top", [1, 2])
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


def test_a_child_that_is_killed_is_a_failed_row(tmp_path: Path) -> None:
    methods = {"crashes": write_method(tmp_path, "crashes", CRASHES)}
    record = run(request_for(tmp_path, methods, profile=PATIENT, children=2))["crashes"]
    assert (record.status, "lost its process" in record.reason) == ("failed", True), record.reason


def test_children_share_the_cores_and_no_card(tmp_path: Path) -> None:
    methods = {"draws": write_method(tmp_path, "draws", DRAWS)}
    request = request_for(tmp_path, methods, children=3)
    assert make_plan(request, Capacity(workers=8, cores=8)).workers == 2
    assert make_plan(request, Capacity(workers=2, cores=2)).workers == 1
    with pytest.raises(InputError, match="graphics card"):
        make_plan(request, Capacity(workers=1, cores=8, cards=1))
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
