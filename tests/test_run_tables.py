"""Grids of searches on tables in real child processes: good and bad methods, the fence, kills and repetition."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import VectorSpace, make_task
from harness.datasets.table import source
from plugin_files import write_method
from tables_on_disk import write_table
from test_run_scheduler import COMMAND, Lines

from harness.core.budget import Budget, BudgetSpent, Meter
from harness.core.errors import InputError
from harness.core.home import CHECKOUT as ROOT
from harness.core.record import Record
from harness.core.space import Size
from harness.core.table import Signal, Table, Trained
from harness.report.model.load import load_runs
from harness.run.backends.base import Capacity
from harness.run.backends.local import Local
from harness.run.plan import make_plan
from harness.run.profiles import NB201, SMOKE
from harness.run.request import Request
from harness.run.scheduler import Batch, Scheduler
from harness.run.tables import PreparedTable, TableEvaluator, locate, read, write
from harness.spaces import get_space

QUICK = dataclasses.replace(NB201, name="table", budget=Budget(200, "s"))
IMPATIENT = dataclasses.replace(QUICK, search_seconds=15)


def request_for(tmp_path: Path, methods: tuple[str, ...], **changes: object) -> Request:
    path = write_table(tmp_path)
    request = Request(
        methods=methods,
        datasets=(f"table:{path}",),
        profile=QUICK,
        seeds=tuple(range(6)),
        out=tmp_path / "out",
        data_root=tmp_path / "data",
        baselines=False,
    )
    return dataclasses.replace(request, **changes)  # type: ignore[arg-type]


def run(request: Request) -> tuple[list[Record], Lines]:
    screen = Lines()
    backend = Local()
    records = Scheduler(make_plan(request, backend.capacity), backend, COMMAND, screen).run()
    return sorted(records, key=lambda record: (record.method, record.seed)), screen


def table_of(request: Request) -> Table:
    table = source(Path(request.datasets[0].removeprefix("table:"))).load(request.data_root)
    assert isinstance(table, Table)
    return table


def test_records_say_what_the_table_says(tmp_path: Path) -> None:
    request = request_for(tmp_path, ("random_search", "regularized_evolution"))
    records, screen = run(request)
    table = table_of(request)
    assert [(r.method, r.seed, r.status) for r in records] == [
        (method, seed, "ok") for method in ("random_search", "regularized_evolution") for seed in range(6)
    ]
    for record in records:
        row = table.rows[record.proposal]
        assert record.test_accuracy == table.score[row]
        assert table.parameters is not None
        assert record.parameters == table.parameters[row]
        assert record.final == {"optimum": table.score.max(), "chance": table.score.mean()}
        assert record.recipes["final"]["score"] == "test accuracy"
        assert record.search["charged"] <= 200
        assert 200 / 15 - 1 <= record.search["evaluations"] <= 200 / 5
        assert (record.space, record.native) == ("table", {"random_search": "table"}.get(record.method, "cell"))
    shares = [view.share for view in screen.views]
    assert shares == sorted(shares)
    assert screen.views[-1].share == 1
    stored = load_runs(request.out)
    assert [run.record for run in stored] == records
    for one in stored:
        assert one.proposals[-1]["genotype"] == one.record.proposal
        accuracies = [row["accuracy"] for row in one.proposals]
        assert accuracies == sorted(accuracies)
    assert run(request)[0] == records, "what is over is not done again"


def test_children_are_no_matter_to_a_table_with_or_without_a_graphics_card(tmp_path: Path) -> None:
    plan = make_plan(request_for(tmp_path, ("random_search",), children=4), Capacity(workers=2, cards=(1,)))
    assert {job.children for job in plan.jobs} == {1}
    assert plan.workers == 2


def test_a_table_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    request = request_for(tmp_path, ("random_search",))
    request.out.mkdir()
    (request.out / "prepared").write_text("no directory")
    with pytest.raises(InputError, match="cannot be written"):
        make_plan(request)


def test_a_result_depends_on_the_seed_and_not_on_how_the_work_was_divided(tmp_path: Path) -> None:
    methods = ("random_search", "regularized_evolution")
    whole, _ = run(request_for(tmp_path, methods))
    parts = []
    for seed in (5, 0, 3):
        out = tmp_path / f"part {seed}"
        parts += run(request_for(tmp_path, methods, seeds=(seed,), out=out, workers=1))[0]
    known = {(record.method, record.seed): record for record in whole}
    for record in parts:
        same = known[record.method, record.seed]
        for fact in ("proposal", "test_accuracy", "parameters"):
            assert getattr(record, fact) == getattr(same, fact)
        for fact in ("charged", "evaluations", "unique", "steps"):
            assert record.search[fact] == same.search[fact]
    assert len({record.proposal for record in whole}) > 1


BAD = {
    "leaves": ("if self.is_third(task): os._exit(3)", "ended itself with exit code 3"),
    "loops": ("while self.is_third(task): pass", "time-out: the search was stopped at its hard cap of 15 s"),
    "raises": ("if self.is_third(task): raise ValueError('no')", "raised ValueError: no"),
    "elsewhere": ("if self.is_third(task): task.propose('table:d,d,d'); return", "not in space"),
}
_BODY = """
Plugin.is_third = lambda self, task: task.rng.bit_generator.seed_seq.entropy == {third}
{line}
task.evaluate([task.space.sample(task.rng)])
"""


def third_seed() -> int:
    from harness.core.seeds import derive_seed

    return derive_seed(2, "search")


def test_a_method_that_breaks_its_process_loses_one_run_only(tmp_path: Path) -> None:
    files = [
        write_method(tmp_path, name, _BODY.format(third=third_seed(), line=line)) for name, (line, _) in BAD.items()
    ]
    records, screen = run(
        request_for(tmp_path, tuple(BAD), plugins=tuple(files), seeds=(0, 1, 2, 3), profile=IMPATIENT)
    )
    for record in records:
        if record.seed == 2:
            assert record.status == "failed", record.method
            assert BAD[record.method][1] in record.reason
        else:
            assert record.status == "ok", record.reason
    assert len(records) == 4 * len(BAD)
    assert any("1 failed: the search's process ended itself" in line for line in screen.lines)


_THIEF = """
import glob, importlib, pathlib
found = []
for name in [{csv!r}, *glob.glob({out!r} + "/**/record.json", recursive=True)]:
    try:
        found.append(pathlib.Path(name).read_bytes())
    except OSError:
        pass
try:
    found.append(importlib.import_module("harness.datasets.table").__name__)
except (ImportError, OSError):
    pass
if found:
    raise ValueError(f"found {{len(found)}} things")
"""


def test_a_search_reads_neither_the_table_nor_other_results(tmp_path: Path) -> None:
    run(request_for(tmp_path, ("random_search",)))
    looks = _THIEF.format(csv=str(tmp_path / "small.csv"), out=str(tmp_path / "out"))
    with pytest.raises(ValueError, match="found 8 things"):  # outside of a search there is no fence
        exec(looks)
    thief = write_method(tmp_path, "thief", f"{looks}task.evaluate([task.space.sample(task.rng)])")
    records, _ = run(request_for(tmp_path, ("thief",), plugins=(thief,), seeds=(0, 9)))
    assert [record.status for record in records] == ["ok", "ok"], records[0].reason
    with np.load(next((tmp_path / "out" / "prepared").rglob("*.npz"))) as stored:
        assert set(stored.files) == {"genotypes", "accuracy", "seconds"}, "what a search may read has no scores"


@pytest.mark.parametrize("damage", ["accuracy", "torn", "missing"])
def test_a_damaged_signal_is_written_again(tmp_path: Path, damage: str) -> None:
    request = request_for(tmp_path, ("random_search",), seeds=(0,))
    [prepared] = {job.prepared for job in make_plan(request).jobs}
    assert isinstance(prepared, PreparedTable)
    rows, signal = read.__wrapped__(prepared)
    with np.load(prepared.path) as stored:
        columns = dict(stored)
    match damage:
        case "accuracy":
            np.savez(prepared.path, **{**columns, "accuracy": columns["accuracy"][::-1]})
        case "torn":
            prepared.path.write_bytes(prepared.path.read_bytes()[:200])
        case "missing":
            prepared.path.unlink()
    make_plan(request)
    again_rows, again = read.__wrapped__(prepared)
    assert again_rows == rows
    assert np.array_equal(again.accuracy, signal.accuracy)


def test_a_method_that_trains_says_why_it_cannot(tmp_path: Path) -> None:
    records, _ = run(request_for(tmp_path, ("darts",), seeds=(0,)))
    assert records[0].status == "unsupported"
    assert "not search the space 'table'" in records[0].reason


def test_a_query_that_does_not_fit_ends_the_search() -> None:
    rows, signal = {"t:0": 0, "t:1": 1}, Signal(np.array([0.5, 0.6]), np.array([6.0, 3.0]))
    evaluator = TableEvaluator(rows, signal, 7)
    meter = Meter(Budget(10, "s"), 7, clock=lambda: 0.0)
    first = evaluator.evaluate("t:0", 0, meter)  # type: ignore[arg-type]
    assert (first.accuracy, first.curve, first.seconds, first.steps) == (0.5, (0.5,), 6.0, 7)
    meter.charge(seconds=first.seconds, steps=first.steps)
    with pytest.raises(BudgetSpent):
        evaluator.evaluate("t:0", 1, meter)  # type: ignore[arg-type]
    assert evaluator.evaluate("t:1", 1, meter).accuracy == 0.6  # type: ignore[arg-type]
    unknown = TableEvaluator(rows, signal, 7).evaluate("t:2", 2, Meter(Budget(10, "s"), 7, clock=lambda: 0.0))  # type: ignore[arg-type]
    assert unknown.failure
    assert (unknown.accuracy, unknown.seconds) == (0.0, 4.5)


def test_budgets_in_evaluations_count_look_ups(tmp_path: Path) -> None:
    profile = dataclasses.replace(QUICK, budget=Budget(7, "evals"))
    records, _ = run(request_for(tmp_path, ("random_search",), profile=profile, seeds=(0, 1)))
    assert [record.search["evaluations"] for record in records] == [7, 7]
    assert [record.search["charged"] for record in records] == [7, 7]


def test_tables_and_images_do_not_mix(tmp_path: Path) -> None:
    table = request_for(tmp_path, ("random_search",))
    with pytest.raises(InputError, match="is a table and profile 'smoke' trains; use --profile table"):
        make_plan(dataclasses.replace(table, profile=SMOKE))
    with pytest.raises(InputError, match="'toy' is a set of images"):
        make_plan(dataclasses.replace(table, datasets=("toy",)))
    for profile in (SMOKE, QUICK):
        with pytest.raises(InputError, match="is a table and 'toy' is a set of images, which need a command each"):
            make_plan(dataclasses.replace(table, profile=profile, datasets=("toy", *table.datasets)))
    with pytest.raises(InputError, match="is one of space 'table', not of 'cell'"):
        make_plan(dataclasses.replace(table, space="cell"))


def test_another_table_is_not_mixed_in(tmp_path: Path) -> None:
    request = request_for(tmp_path, ("random_search",), seeds=(0, 1))
    run(request)
    for record in request.out.rglob("record.json"):
        if record.parent.name == "1":
            record.unlink()
    path = tmp_path / "small.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], lines[-1].rsplit(",", 1)[0] + ",1001"]) + "\n")
    with pytest.raises(InputError, match="was made with another data"):
        make_plan(dataclasses.replace(request, methods=("random_search",)))


@pytest.mark.parametrize(
    "seconds", [pytest.param(0.4, marks=pytest.mark.slow), 1.2, pytest.param(2.0, marks=pytest.mark.slow)]
)
def test_a_killed_command_continues_with_the_same_numbers(tmp_path: Path, seconds: float) -> None:
    path = write_table(tmp_path)
    slow = write_method(
        tmp_path,
        "slow",
        "import time\nwhile True:\n    time.sleep(0.002)\n    task.evaluate([task.space.sample(task.rng)])",
    )
    words = [sys.executable, "-m", "harness", "run", "--methods", "slow,random_search", "--datasets", f"table:{path}"]
    words += ["--profile", "nb201", "--budget", "200s", "--seeds", "0-29", "--plugin", str(slow)]

    def start(out: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*words, "--out", str(tmp_path / out)], cwd=ROOT, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    killed = start("killed")
    time.sleep(2 + seconds)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    again, calm = start("killed"), start("calm")
    assert (again.wait(timeout=300), calm.wait(timeout=300)) == (0, 0)
    tables = [(tmp_path / out / "performance.md").read_bytes() for out in ("killed", "calm")]
    assert tables[0] == tables[1]
    for record in (tmp_path / "calm").rglob("record.json"):
        other = json.loads((tmp_path / "killed" / record.relative_to(tmp_path / "calm")).read_text())
        mine = json.loads(record.read_text())
        assert (other["proposal"], other["test_accuracy"]) == (mine["proposal"], mine["test_accuracy"])


def test_a_budget_in_multiply_accumulates_needs_networks_to_count(tmp_path: Path) -> None:
    request = request_for(tmp_path, ("random_search",))
    request = dataclasses.replace(request, profile=request.profile.with_budget(Budget.parse("1e12macs")))
    with pytest.raises(InputError, match=r"does not say which networks.*seconds, evals or steps"):
        make_plan(request)


def test_a_known_network_is_paid_for_by_what_its_training_computes() -> None:
    space = get_space("nasbench201")
    genotypes = [space.genotype((op,) * 6) for op in (1, 3)]
    rows = {str(genotype): row for row, genotype in enumerate(genotypes)}
    trained = Trained(Size(16, 15), (32, 32, 3), 10, images=300_000, validated=25_000)
    signal = Signal(np.array([0.5, 0.6]), np.array([6.0, 3.0]), trained)
    for counting in (space, None):
        evaluator = TableEvaluator(rows, signal, 7, counting)
        found = [evaluator.evaluate(genotype, 0, Meter(Budget(1e9, "s"), 7)).macs for genotype in genotypes]
        # All skips: 7.78 M a forward pass; each of the 6 * 15 convolutions of 3x3: 2.36 M.
        own = [7_783_040, 7_783_040 + 90 * 2_359_296]
        assert found == ([macs * (3 * 300_000 + 25_000) for macs in own] if counting else [0, 0])


def test_a_loss_is_minimised_and_a_record_says_what_its_shares_are(tmp_path: Path) -> None:
    request = request_for(tmp_path, ("random_search",), seeds=(0,))
    write_table(
        tmp_path,
        description=(
            'choices = ["first", "second", "third"]\nsignal = { column = "valid", goal = "min" }\n'
            'score = { column = "test", goal = "min", unit = "nats", name = "test loss" }\n'
        ),
    )
    [record] = run(request)[0]
    assert record.test_accuracy is not None
    assert record.test_accuracy > 0.6, "the smallest of the values it has seen is near the smallest of all"
    assert record.recipes["final"]["score"].startswith("test loss as a share, ")
    assert record.recipes["final"]["measure"]["unit"] == "nats"


def test_a_share_is_looked_up_where_the_table_has_it_and_refused_elsewhere(tmp_path: Path) -> None:
    space = VectorSpace(1)
    numbers = {"accuracy": np.array([0.5, 0.6]), "seconds": np.array([9.0, 18.0])}
    signals = {
        "with": Signal(**numbers, stopped={1 / 3: np.array([0.4, 0.3]), 1 / 9: np.array([0.2, 0.1])}),
        "without": Signal(**numbers),
    }
    table = Table("t", space, tuple(str(space.genotype((pick,))) for pick in (0, 1)), signals, np.array([0.5, 0.6]))
    tasks = []
    for name in signals:
        prepared = locate(table, name, tmp_path, Budget(100, "s"))
        write(table, prepared)
        tasks.append(make_task(space, "100s", evaluator=TableEvaluator(*read(prepared), 90)))
    task, without = tasks
    found = [task.evaluate([space.genotype((1,))], share=share)[0] for share in (1 / 9, 1 / 3, 1.0)]
    assert [(e.accuracy, e.seconds, e.steps) for e in found] == [(0.1, 2.0, 10), (0.3, 4.0, 20), (0.6, 12.0, 60)]
    assert task.meter.spent == 18
    with pytest.raises(InputError, match=r"can be stopped at the share 0\.5; there are 0\.111111, 0\.333333, 1$"):
        task.evaluate([space.genotype((0,))], share=0.5)
    with pytest.raises(InputError, match=r"there are 1$"):
        without.evaluate([space.genotype((0,))], share=1 / 3)
    assert (task.can_stop, without.can_stop) == (True, False)


def test_points_of_trainings_are_part_of_the_checksum_and_checked(tmp_path: Path) -> None:
    space = VectorSpace(1)

    def table(stopped: dict[float, np.ndarray]) -> Table:
        signal = Signal(np.array([0.5, 0.6]), np.array([9.0, 18.0]), stopped=stopped)
        texts = tuple(str(space.genotype((pick,))) for pick in (0, 1))
        return Table("t", space, texts, {"only": signal}, np.array([0.5, 0.6]))

    points = [{}, {0.5: np.array([0.1, 0.2])}, {0.25: np.array([0.1, 0.2])}, {0.5: np.array([0.1, 0.3])}]
    sums = {locate(table(stopped), "only", tmp_path, Budget(9, "s")).checksum for stopped in points}
    assert len(sums) == 4
    with pytest.raises(InputError, match="share 1;"):
        table({1.0: np.array([0.1, 0.2])})
    with pytest.raises(InputError, match="outside"):
        table({0.5: np.array([0.1, 1.2])})


def test_what_was_trained_is_part_of_the_checksum(tmp_path: Path) -> None:
    """Prices in multiply-accumulates and limits follow from it: searches before and after an edit are no one row."""
    space = VectorSpace(1)
    texts = tuple(str(space.genotype((pick,))) for pick in (0, 1))

    def checksum(trained: Trained | None, final_signal: str = "") -> str:
        signal = Signal(np.array([0.5, 0.6]), np.array([9.0, 18.0]), trained)
        table = Table("t", space, texts, {"only": signal}, np.array([0.5, 0.6]), final_signal=final_signal)
        return locate(table, "only", tmp_path, Budget(9, "s")).checksum

    usual = Trained(Size(16, 15), (32, 32, 3), 10, images=300_000, validated=25_000)
    edits: list[dict[str, Any]] = [
        {"size": Size(16, 14)}, {"image": (28, 28, 3)}, {"classes": 9}, {"images": 30_000}, {"validated": 0},
    ]  # fmt: skip
    others = [None, usual, *(dataclasses.replace(usual, **edit) for edit in edits)]
    assert len({*map(checksum, others), checksum(usual, "only")}) == len(others) + 1
    assert checksum(usual) == checksum(dataclasses.replace(usual))


_REMEMBERS = """
SEEN.append(1)
task.plan(seen=len(SEEN))
task.evaluate([task.space.sample(task.rng)])
"""


def test_searches_of_foreign_code_see_nothing_of_each_other(tmp_path: Path) -> None:
    """They share the import and no more: what one leaves in the module is not there for the next."""
    remembers = write_method(tmp_path, "remembers", _REMEMBERS, before="SEEN = []")
    records, _ = run(request_for(tmp_path, ("remembers",), plugins=(remembers,), workers=1))
    assert [record.status for record in records] == ["ok"] * 6, records[0].reason
    assert [record.search["planned_seen"] for record in records] == [1] * 6


_FORGES = """
import json, pathlib
from harness.core.seeds import derive_seed
number = next(seed for seed in range(6) if derive_seed(seed, "search") == task.rng.bit_generator.seed_seq.entropy)
others = [pathlib.Path({out!r}, str(seed)) for seed in range(6) if seed != number]
refused = 0
for other in others:
    for act in (lambda: (other / "search.json").write_text("{{}}"), lambda: (other / "inputs.json").read_text()):
        try:
            act()
        except PermissionError:
            refused += 1
pathlib.Path({out!r}, str(number), "mine").write_text("mine")
task.plan(refused=refused)
task.evaluate([task.space.sample(task.rng)])
"""


def test_searches_of_foreign_code_write_in_their_own_directories_only(tmp_path: Path) -> None:
    [job, *_] = make_plan(request_for(tmp_path, ("random_search",))).jobs
    out = str(job.directory.path.parent).replace("random_search", "forges")
    forges = write_method(tmp_path, "forges", _FORGES.format(out=out), space="table")
    records, _ = run(request_for(tmp_path, ("forges",), plugins=(forges,), workers=1))
    assert [record.status for record in records] == ["ok"] * 6, records[0].reason
    assert [record.search["planned_refused"] for record in records] == [10] * 6


def test_methods_of_the_project_share_a_process(tmp_path: Path) -> None:
    """Their tests have looked whether they remember anything; a copy costs as much as a search."""
    plugin = write_method(tmp_path, "plugin", "task.evaluate([task.space.sample(task.rng)])")
    jobs = make_plan(request_for(tmp_path, ("random_search", "plugin"), plugins=(plugin,))).jobs
    calls = {job.method.name: Batch("search", (job,)).call() for job in jobs}
    assert {name: call.apart for name, call in calls.items()} == {"random_search": False, "plugin": True}
