"""Every file of a run's directory that anybody reads, replaced by every kind of thing: nobody waits, nothing breaks."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import tiny_data
from report_records import counted, save, with_logs
from ruined import FILES, KINDS, ruin
from test_report_damage import JUNK, spoilt
from test_run_plan import pretend, request_for
from test_run_scheduler import Fake, leave, run

from harness.commands.freshness import state_of
from harness.core.errors import InputError
from harness.core.recipe import Recipe
from harness.core.record import EvaluationRow, ProposalRow
from harness.core.space import Size
from harness.report.model.load import load_runs
from harness.run.backends.base import Call, Outcome
from harness.run.journal import DiskJournal, Progress
from harness.run.plan import make_plan
from harness.run.store import RunDirectory, read_json, read_lines, write_lines
from harness.stored.logs import read_rows

REGULAR = ("an empty file", "brackets", "garbage")
pytestmark = pytest.mark.timeout(300)


def sentence_of(act: Callable[[], object]) -> str:
    """What an action says when it refuses; "" if it does not."""
    try:
        act()
    except InputError as error:
        told = str(error)
    else:
        return ""
    assert told
    assert "\n" not in told
    return told


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FILES)
def test_a_report_is_made_or_one_sentence_names_the_file(tmp_path: Path, name: str, kind: str) -> None:
    for seed in range(2):
        save(with_logs(counted("random_search", 0.9, seed), (1.0, 0.5)), tmp_path)
    directory = next(path.parent for path in tmp_path.rglob("record.json") if path.parent.name == "0")
    path: Path = getattr(RunDirectory(directory), name)
    ruin(path, kind)
    state_of(tmp_path)
    told = sentence_of(lambda: load_runs(tmp_path))
    if name not in ("record", "evaluations", "proposals"):
        assert told == "", "the others are not read"
    elif kind not in (*REGULAR, "a link to nothing"):
        assert str(path) in told


@pytest.mark.parametrize("over", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_command_goes_on_or_one_sentence_names_the_directory(tmp_path: Path, kind: str, over: bool) -> None:
    request = request_for(tmp_path, methods=("good",), seeds=(0,))
    [job] = make_plan(request).jobs
    for name in FILES:
        pretend(job)
        leave(job, "search")
        if not over:
            job.directory.record.unlink()
        ruin(getattr(job.directory, name), kind)
        told = sentence_of(lambda: make_plan(request))
        assert told == "" or str(job.directory.path) in told
        for other in FILES:
            ruin(getattr(job.directory, other), "an empty file")
            getattr(job.directory, other).unlink()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_phase_left_is_a_row_and_no_other_run_notices(tmp_path: Path, kind: str, name: str) -> None:
    phases = Fake()

    def leave_ruined(call: Call) -> tuple[Outcome, ...]:
        job = call.items[0].value
        leave(job, "search" if call.words == "search" else "final")
        if call.words != "search":
            ruin(getattr(job.directory, name), kind)
        return (Outcome("ok"),)

    phases.instead = {"good": leave_ruined}
    records, _ = run(make_plan(request_for(tmp_path, seeds=(0,))), phases)
    status = {record.method: record.status for record in records}
    assert status["b"] == "ok"
    needed = ("search", "final", "predictions")
    logs = ("settings", "evaluations", "proposals")
    fine = ("an empty file", "a link to nothing") if name == "settings" else ()
    if name in needed or (name in logs and kind not in fine):
        assert status["good"] == "failed"
    assert len(records) == 2
    assert all("\n" not in record.reason for record in records)
    assert {loaded.record.method for loaded in load_runs(tmp_path / "out")} >= {"b"}, "the report is not held up"


@pytest.mark.parametrize("rows", [0, 2])
def test_a_log_that_has_lost_or_won_rows_is_one_failed_row(tmp_path: Path, rows: int) -> None:
    phases = Fake()

    def other_log(call: Call) -> tuple[Outcome, ...]:
        job = call.items[0].value
        leave(job, "search" if call.words == "search" else "final")
        lines = read_lines(job.directory.evaluations)
        write_lines(job.directory.evaluations, (2 * lines)[:rows])
        return (Outcome("ok"),)

    phases.instead = {"good": other_log}
    records, _ = run(make_plan(request_for(tmp_path, seeds=(0,))), phases)
    assert {record.method: record.status for record in records} == {"good": "failed", "b": "ok"}
    assert any(f"the search counted 1 evaluations, and its log holds {rows}" in record.reason for record in records)
    assert len(load_runs(tmp_path / "out")) == 2


def _journal_with_checkpoint(at: RunDirectory) -> None:
    np.savez(at.checkpoint, evaluations=np.array(0), _evaluations=np.array(0), _proposals=np.array(0))
    DiskJournal(at, Progress(at.progress, "search")).close()


def _train(path: Path) -> None:
    from harness.nets.training import _Checkpoint

    _Checkpoint(path, "label", None, None).load()  # type: ignore[arg-type]


def _predictions(at: RunDirectory) -> None:
    from harness.nets.evaluator import ProxyEvaluator
    from harness.spaces import get_space

    space, recipe = get_space("nasbench201"), Recipe(size=Size(4, 1), steps=1)
    at.stopped.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (at.stopped / "0 predictions.npy").symlink_to(at.predictions)
    if at.predictions.exists():  # a lost one is trained again
        ProxyEvaluator(space, tiny_data(), recipe, 0, at.stopped).predictions(space.sample(np.random.default_rng(0)), 0)


def _load(path: Path) -> None:
    from harness.nets.runtime import load

    load(path)


READERS: dict[str, tuple[str, Callable[[RunDirectory], object]]] = {
    "log of evaluations": ("evaluations", lambda at: DiskJournal(at, Progress(at.progress, "search")).close()),
    "checkpoint": ("checkpoint", lambda at: DiskJournal(at, Progress(at.progress, "search")).close()),
    "log of proposals": ("proposals", _journal_with_checkpoint),
    "result of the search": ("search", lambda at: read_json(at.search)),
    "settings": ("settings", lambda at: read_json(at.settings)),
    "checkpoint of a training": ("final_checkpoint", lambda at: _train(at.final_checkpoint)),
    "predictions": ("predictions", _predictions),
    "network": ("model", lambda at: _load(at.model)),
}
"""By what is read: the name of the file, and who reads it in the process of a search or of a final training."""


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_process_that_goes_on_says_what_is_wrong(tmp_path: Path, reader: str, kind: str) -> None:
    name, read = READERS[reader]
    at = RunDirectory(tmp_path)
    ruin(getattr(at, name), kind)
    told = sentence_of(lambda: read(at))
    assert told == "" or str(tmp_path) in told
    assert told or kind in (*REGULAR, "a link to nothing"), "a thing that is no file is never taken for one"


@pytest.mark.parametrize("kind", KINDS)
def test_times_that_are_no_file_count_as_none(tmp_path: Path, kind: str) -> None:
    at = RunDirectory(tmp_path)
    ruin(at.progress, kind)
    assert Progress(at.progress, "search").times()["seconds"] < 10


def test_all_files_are_among_them() -> None:
    assert {"record", "evaluations", "inputs", "predictions", "note", "final", "log", "model"} <= set(FILES)


def count_in_record(record: Path, evaluations: int) -> None:
    told = json.loads(record.read_text(encoding="utf-8"))
    told["search"]["evaluations"] = evaluations
    record.write_text(json.dumps(told), encoding="utf-8")


@pytest.mark.parametrize(("name", "kind"), [("evaluations", EvaluationRow), ("proposals", ProposalRow)])
def test_what_the_parent_lets_pass_the_report_can_read(tmp_path: Path, name: str, kind: type) -> None:
    """A search may have put anything into its logs, and a row that the report refuses would hold up all others."""
    log = save(with_logs(counted("random_search", 0.9), (1.0, 0.5)), tmp_path) / f"{name}.jsonl"
    line = log.read_text(encoding="utf-8")
    passed = 0
    good = json.loads(line)
    odd = [json.dumps({**good, "more": value}) for value in ("\ud800", float("nan"), {"\udcff": 1})]
    odd += [json.dumps({**good, "genotype": "\ud800"}), "\u00a0", "\x1c", " \t\r", "\x0b"]
    for text in [*odd, *(json.dumps(row) for row in [good, *spoilt(good), *JUNK])]:
        log.write_text(text + "\n" + line, encoding="utf-8")
        with contextlib.suppress(ValueError):  # an InputError is none
            rows = read_rows(log, kind)
            passed += 1
            if name == "evaluations":
                count_in_record(log.with_name("record.json"), len(rows))
            load_runs(tmp_path)
    assert passed > 1
    log.write_text("{}\n" + line, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"line 1 of {log.name} is no row of this log"):
        read_rows(log, kind)
    log.write_text(line + line[:20], encoding="utf-8")
    read_rows(log, kind)
