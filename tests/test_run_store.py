"""Files of a run: atomic, and readable after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import InputError
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
