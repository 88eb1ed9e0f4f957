from __future__ import annotations

import json
from pathlib import Path

import pytest
from report_records import examples, make, save, with_logs

from harness.core.errors import InputError
from harness.report.model.load import load_run, load_runs


def test_reads_back_what_a_run_wrote_at_any_depth(tmp_path: Path):
    runs = [with_logs(make("darts", 0.9), (1.0, 0.5), (2.0, 0.6)), make("random_search", None)]
    for run in runs:
        save(run, tmp_path / "some" / "where")
    read = load_runs(tmp_path)
    assert [run.record for run in read] == [run.record for run in runs]
    assert read[0].evaluations == runs[0].evaluations
    assert read[0].proposals == runs[0].proposals
    assert load_run(read[0].path) == read[0]


def test_order_does_not_depend_on_directories(tmp_path: Path):
    runs = examples()
    for root, ordered in (("a", runs), ("b", runs[::-1])):
        for number, run in enumerate(ordered):
            save(run, tmp_path / root / str(number))
    first, second = (load_runs(tmp_path / root) for root in ("a", "b"))
    assert [run.record for run in first] == [run.record for run in second]
    assert len(first) == len(runs)


@pytest.mark.parametrize("name", ["evaluations.jsonl", "proposals.jsonl"])
def test_half_a_last_line_is_left_out(tmp_path: Path, name: str):
    run = with_logs(make("darts", None), (1.0, 0.5), (2.0, 0.6))
    log = save(run, tmp_path) / name
    whole = log.read_bytes()
    last = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    for cut in range(last, len(whole) - 1):
        log.write_bytes(whole[:cut])
        [read] = load_runs(tmp_path)
        assert len(read.evaluations) + len(read.proposals) == 3
    log.write_bytes(whole[:-1])
    assert load_runs(tmp_path)[0].evaluations == run.evaluations, "a row that lacks only its newline is whole"


@pytest.mark.parametrize("line", ["{", "[]", '{"number": 1}'])
def test_a_broken_line_inside_a_log_is_named(tmp_path: Path, line: str):
    log = save(with_logs(make("darts", 0.9), (1.0, 0.5)), tmp_path) / "evaluations.jsonl"
    log.write_text(line + "\n" + log.read_text())
    with pytest.raises(InputError, match=r"line 1 of .*evaluations\.jsonl"):
        load_runs(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 99},
        {"status": "fine"},
        {"search": None},
        {"search": {"seconds": "many"}},
        {"test_accuracy": None},
        {"test_accuracy": float("nan")},
        {"seed": "0"},
        {"title": 3},
        {"unknown": 1},
    ],
)
def test_a_damaged_record_is_named(tmp_path: Path, change: dict[str, object]):
    path = save(make("darts", 0.9), tmp_path) / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=r"record\.json"):
        load_runs(tmp_path)


def test_half_a_record_is_named(tmp_path: Path):
    path = save(make("darts", 0.9), tmp_path) / "record.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(InputError, match=r"darts/0/record\.json"):
        load_runs(tmp_path)


def test_a_directory_without_records_is_no_input(tmp_path: Path):
    for directory in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match=r"no record\.json"):
            load_runs(directory)


def test_a_run_that_has_not_ended_is_left_out(tmp_path: Path):
    save(make("darts", 0.9), tmp_path)
    (save(make("darts", 0.9, 1), tmp_path) / "record.json").unlink()
    assert [run.record.seed for run in load_runs(tmp_path)] == [0]


def test_the_same_run_twice_would_count_its_seed_twice(tmp_path: Path):
    for root in ("first", "second"):
        save(make("darts", 0.9), tmp_path / root)
    with pytest.raises(InputError, match="hold the same run"):
        load_runs(tmp_path)
