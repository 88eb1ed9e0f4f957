"""The freshness mark: a report is made again when a record, the report's code or one of its files has changed."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from report_records import make, save, with_logs

from harness.commands import freshness as fresh


@pytest.fixture
def report(tmp_path: Path) -> tuple[Path, Path]:
    """A directory with a record and a marked file; returns it and the run's directory."""
    run = save(with_logs(make("darts", 0.9), (1.0, 0.5)), tmp_path)
    file = tmp_path / "performance.md"
    file.write_text("a table")
    fresh.mark(tmp_path, fresh.state_of(tmp_path), [file])
    return tmp_path, run


def is_fresh(directory: Path) -> bool:
    return fresh.is_fresh(directory, fresh.state_of(directory))


def test_nothing_changed_is_fresh(report: tuple[Path, Path]) -> None:
    assert is_fresh(report[0])
    (report[1] / "log.txt").write_text("no part of the report")
    assert is_fresh(report[0])


@pytest.mark.parametrize("name", ["record.json", "evaluations.jsonl", "proposals.jsonl"])
def test_a_changed_or_lost_log_is_noticed(report: tuple[Path, Path], name: str) -> None:
    directory, run = report
    text = (run / name).read_text()
    (run / name).write_text(text + " ")
    assert not is_fresh(directory)
    (run / name).unlink()
    assert not is_fresh(directory)


def test_a_change_that_keeps_the_size_is_noticed(report: tuple[Path, Path]) -> None:
    directory, run = report
    record = run / "record.json"
    before = record.stat().st_mtime_ns
    record.write_text(record.read_text().replace("0.9", "0.8"))
    os.utime(record, ns=(before + 1, before + 1))
    assert not is_fresh(directory)


def test_a_new_run_is_noticed(report: tuple[Path, Path]) -> None:
    directory, _ = report
    save(make("darts", 0.9, 1), directory)
    assert not is_fresh(directory)


def test_a_changed_or_lost_file_of_the_report_is_noticed(report: tuple[Path, Path]) -> None:
    directory, _ = report
    (directory / "performance.md").write_text("somebody's own table")
    assert not is_fresh(directory)
    (directory / "performance.md").unlink()
    assert not is_fresh(directory)


@pytest.mark.parametrize(
    "file",
    [
        "core/architecture.py",
        "spaces/nasbench201.py",
        "commands/inspection.py",
        "report/model/table.py",
        "report/drawing/draw.py",
        "report/forms/page/page.html",
        "report/forms/page/report.css",
    ],
)
def test_a_change_anywhere_that_a_report_comes_through_is_noticed(
    report: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str
) -> None:
    directory, _ = report
    package = tmp_path / "harness"
    shutil.copytree(fresh.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fresh, "PACKAGE", package)
    before = fresh.state_of(directory)
    assert fresh.state_of(directory) == before
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "new.pyc").write_text("")
    assert fresh.state_of(directory) == before
    with (package / file).open("a") as opened:
        opened.write(" ")
    assert fresh.state_of(directory) != before


def test_another_version_of_a_library_is_noticed(report: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    before = fresh.state_of(report[0])
    monkeypatch.setattr(fresh, "version", lambda library: "99" if library == "plotly" else version(library))
    assert fresh.state_of(report[0]) != before


def test_changed_code_is_noticed(report: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    directory, _ = report
    root = tmp_path / "root"
    (root / "report").mkdir(parents=True)
    monkeypatch.setattr(fresh, "PACKAGE", root)
    before = fresh.state_of(directory)
    (root / "report" / "tables.py").write_text("new = 1")
    assert fresh.state_of(directory) != before


@pytest.mark.parametrize("text", ["", "[]", '{"state": 1}', '{"state": "", "files": ["x"]}'])
def test_a_damaged_mark_is_no_mark(report: tuple[Path, Path], text: str) -> None:
    directory, _ = report
    (directory / ".report.json").write_text(text)
    assert not is_fresh(directory)


def test_a_mark_that_cannot_be_written_is_none(report: tuple[Path, Path]) -> None:
    directory, _ = report
    (directory / ".report.json").unlink()
    (directory / ".report.json").mkdir()
    fresh.mark(directory, fresh.state_of(directory), [directory / "performance.md"])
    assert not is_fresh(directory)
