"""Files of a run: atomic, and readable after a kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from report_records import make, save, with_logs

from harness.core.errors import InputError
from harness.report.gate.baseline import rows_of
from harness.report.model.load import load_runs
from harness.run.store import RunDirectory, line, plain, read_json, read_lines, write_json, write_lines


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write_lines(path, [{"a": 1}, {"a": 2}])
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        rows = read_lines(path)
        assert rows == [{"a": 1}, {"a": 2}][: whole[:length].count(b"\n")]
        assert path.read_bytes() == whole[: len(rows) * len(whole) // 2]


def test_garbage_ends_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"a": 1}\n\x00\xff\n{"a": 2}\n')
    assert read_lines(path) == [{"a": 1}]
    assert path.read_bytes() == b'{"a": 1}\n'


def test_no_log_has_no_rows(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "none.jsonl") == []


def test_json_comes_back_as_plain_values(tmp_path: Path) -> None:
    value = {"a": (1, 2), "b": tmp_path, "c": 0.1}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == plain(value) == {"a": [1, 2], "b": str(tmp_path), "c": 0.1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", "nonsense"])
def test_a_damaged_json_file_is_bad_input(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"x\.json"):
        read_json(path)


def test_run_directories_of_awkward_names_stay_below_out(tmp_path: Path) -> None:
    directory = RunDirectory.of(tmp_path, "quick", "folder:../../x", "macro-6", "..", 3)
    assert tmp_path in directory.path.resolve().parents
    assert len(directory.path.relative_to(tmp_path).parts) == 5


def test_a_run_that_is_not_over_has_no_record_and_a_damaged_one_is_bad_input(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    assert directory.stored_record() is None
    directory.record.write_text("{")
    with pytest.raises(InputError, match=r"record\.json"):
        directory.stored_record()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_json_has_no_number_for_gets_into_no_line(number: float) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is the standard library's
        line({"accuracy": number})


DAMAGE: dict[str, object] = {
    "search": [1],
    "search.seconds": "x",
    "search.charged": None,
    "search.planned_simulated_wall": 10**400,
    "dataset": [1],
    "seed": "x",
    "final.chance": "x",
    "final.chance ": 1.5,
    "test_accuracy": 1e308,
    "test_accuracy ": -0.1,
    "test_accuracy  ": None,
    "macs": 10**400,
    "parameters": 2**63,
    "parameters ": -1,
    "look": 10**400,
    "metrics.nll": 1e308,
    "learning.loss": [1e308],
    "budget": "\ud800",
    "budget ": "zzz",
    "budget  ": "60s\x1b[2J",
    "dataset ": "\ud800",
    "method": "a\udcff",
    "settings.deep": [{"\ud800": 1}],
    "settings.large": float("inf"),
}
"""What may stand in a record, by field; spaces tell entries of one field apart."""


@pytest.mark.parametrize("field", DAMAGE)
def test_run_and_report_refuse_the_same_records(tmp_path: Path, field: str) -> None:
    path = save(make("darts", 0.9, settings={}), tmp_path) / "record.json"
    outer, _, inner = field.strip().partition(".")
    record = json.loads(path.read_text(encoding="utf-8"))
    record[outer] = {**record[outer], inner: DAMAGE[field]} if inner else DAMAGE[field]
    path.write_text(json.dumps(record).replace("Infinity", "1e400"), encoding="utf-8")
    told = []
    for read in (RunDirectory(path.parent).stored_record, lambda: load_runs(tmp_path)):
        with pytest.raises(InputError, match=r"record\.json is damaged: .*move its directory elsewhere") as error:
            read()
        told.append(str(error.value))
    assert told[0] == told[1]


@pytest.mark.parametrize("change", [{"test_accuracy": 0.0}, {"test_accuracy": 1.0, "macs": 0}, {"macs": 2**63 - 1}])
def test_the_ends_of_the_ranges_are_in_them(tmp_path: Path, change: dict[str, object]) -> None:
    save(make("darts", 0.9, final={"chance": None}, **change), tmp_path)
    assert [row.chance for row in rows_of(load_runs(tmp_path))] == [None]
    save(make("darts", 0.9, 1, final={"chance": 0.1}), tmp_path)
    assert [row.chance for row in rows_of(load_runs(tmp_path))] == [0.1], "of the runs that say it"


@pytest.mark.parametrize(
    ("name", "field"), [("evaluations", "spent"), ("proposals", "spent"), ("evaluations", "curve")]
)
def test_numbers_out_of_range_are_in_no_log(tmp_path: Path, name: str, field: str) -> None:
    log = save(with_logs(make("darts", 0.9), (1.0, 0.5)), tmp_path) / f"{name}.jsonl"
    row = json.loads(log.read_text(encoding="utf-8"))
    for changed in ({field: [1e308] if field == "curve" else 1e308}, {"accuracy": 1.5}):
        log.write_text(json.dumps(row | changed) + "\n", encoding="utf-8")
        with pytest.raises(InputError, match=rf"line 1 of {name}\.jsonl is no row"):
            load_runs(tmp_path)
