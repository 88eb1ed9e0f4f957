"""Damaged, foreign and shortened files of runs: one sentence that names the file, or a report; never anything else."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_records import PROVENANCE, counted, save, tabular, with_logs

from harness.commands.inspection import proposed
from harness.core.errors import InputError
from harness.core.seeds import rng
from harness.report.forms.csv_files import records_csv
from harness.report.forms.html import report_html
from harness.report.forms.markdown import markdown
from harness.report.gate.baseline import rows_of
from harness.report.model.cost import cost
from harness.report.model.load import load_runs
from harness.report.model.performance import performance
from harness.report.stats.page import statistics
from harness.report.stats.verdict import verdicts
from harness.spaces import get_space

JUNK: tuple[Any, ...] = (None, True, -7, 1e400, 0.5, "", "word", [], [1, "a"], {}, {"a": {"b": 1}})


@pytest.fixture(autouse=True)
def _without_plotly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "")


def read_and_report(directory: Path) -> str:
    """What the command does, without the plots; "reported", or the sentence."""
    try:
        runs = load_runs(directory)
        parts = [*performance(runs), *cost(runs), *statistics(runs)]
        markdown(parts)
        records_csv(runs)
        report_html(runs, directory, proposed, verdicts(runs), parts, [])
        rows_of(runs)
    except InputError as error:
        return str(error)
    return "reported"


def spoilt(value: Any) -> Iterator[Any]:
    """Copies of a nested value, each with one part of it removed, or replaced by junk."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            for junk in JUNK:
                other = copy.deepcopy(value)
                other[key] = junk
                yield other
            less = copy.deepcopy(value)
            del less[key]
            yield less
            for inner in spoilt(value[key]):
                other = copy.deepcopy(value)
                other[key] = inner
                yield other


@pytest.fixture(params=["images", "table"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    size = {"channels": 16, "layers": 6, "stem_stride": 2}
    recipes = {"proxy": {"steps": 8, "seconds": 0.0}, "final": {"steps": 60, "seconds": 0.0, "size": size}}
    proposal = str(get_space("cell").sample(rng(0, "test")))
    provenance = {**PROVENANCE, "nodes": {"search": "a (x)", "children": "b (x)", "final": "c (x)"}}
    run = counted("random_search", 0.9, recipes=recipes, proposal=proposal, provenance=provenance)
    if request.param == "table":
        proposal = str(get_space("nasbench201").sample(rng(0, "test")))
        run = tabular("darts", 0.9, proposal=proposal, provenance=provenance)
    return save(with_logs(run, (1.0, 0.5)), tmp_path) / "record.json"


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_a_record_with_any_part_spoilt(file: Path, every: int) -> None:
    """By default with every fifth copy: a part has twelve, so that each kind of junk comes to some parts."""
    whole = json.loads(file.read_text(encoding="utf-8"))
    told = []
    for number, record in enumerate([*list(spoilt(whole))[::every], *JUNK]):
        file.write_text(json.dumps(record), encoding="utf-8")
        sentence = read_and_report(file.parent)
        told.append(sentence)
        assert sentence == "reported" or str(file) in sentence, (number, record)
        assert "\n" not in sentence
        assert sentence == "reported" or "move its directory elsewhere" in sentence
    least = 50 // every
    assert least < told.count("reported") < len(told) - least, "some fields may hold anything, others not"


@pytest.mark.parametrize("name", ["evaluations.jsonl", "proposals.jsonl"])
def test_a_log_with_any_part_of_a_row_spoilt(file: Path, name: str) -> None:
    log = file.with_name(name)
    line = log.read_text(encoding="utf-8")
    whole = json.loads(file.read_text(encoding="utf-8"))
    whole["search"]["evaluations"] = 2 if name == "evaluations.jsonl" else 1
    file.write_text(json.dumps(whole), encoding="utf-8")
    told = []
    for row in [*spoilt(json.loads(line)), *JUNK]:
        log.write_text(json.dumps(row) + "\n" + line, encoding="utf-8")
        sentence = read_and_report(file.parent)
        told.append(sentence)
        assert sentence == "reported" or f"{log} cannot be read (line 1 of {name} is no row" in sentence, row
    assert told.count("reported") < len(told) / 2


@pytest.mark.parametrize("name", ["record.json", "evaluations.jsonl", "proposals.jsonl"])
@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe\n\n", b"[" * 100_000 + b"\n\n", b"{}\n{}\n", b"<html>\n</html>\n", b"1\n2\n"]
)
def test_a_file_that_is_something_else(file: Path, name: str, content: bytes) -> None:
    file.with_name(name).write_bytes(content)
    sentence = read_and_report(file.parent)
    assert str(file.with_name(name)) in sentence or (content == b"" and name != "record.json")


@pytest.mark.parametrize("name", ["record.json", "evaluations.jsonl", "proposals.jsonl"])
def test_a_directory_in_the_place_of_a_file(file: Path, name: str) -> None:
    file.with_name(name).unlink()
    file.with_name(name).mkdir()
    assert str(file.with_name(name)) in read_and_report(file.parent)


def test_a_record_cut_anywhere(file: Path) -> None:
    whole = file.read_bytes()
    for length in range(0, len(whole) - 2, 37):
        file.write_bytes(whole[:length])
        assert str(file) in read_and_report(file.parent)


@pytest.mark.parametrize("name", ["evaluations.jsonl", "proposals.jsonl"])
def test_a_pipe_in_the_place_of_a_log_holds_nobody_up(file: Path, name: str) -> None:
    file.with_name(name).unlink()
    os.mkfifo(file.with_name(name))
    assert str(file.with_name(name)) in read_and_report(file.parent)


def test_a_shortened_log_is_one_sentence(tmp_path: Path) -> None:
    run = with_logs(counted("random_search", 0.9), *((float(spent), 0.5) for spent in range(1, 6)))
    log = save(run, tmp_path) / "evaluations.jsonl"
    rows = log.read_bytes().splitlines(keepends=True)
    assert read_and_report(tmp_path) == "reported"
    for kept in [*(rows[:number] for number in range(5)), rows[1:], [*rows, rows[0]]]:
        log.write_bytes(b"".join(kept))
        told = (
            f"record.json counts 5 evaluations, and evaluations.jsonl holds {len(kept)}; move its directory elsewhere"
        )
        assert told in read_and_report(tmp_path)
    log.write_bytes(b"".join(rows)[:-9])
    assert "evaluations.jsonl holds 4" in read_and_report(tmp_path), "half a row is none"


@pytest.mark.parametrize("counted_in_record", [True, False])
def test_lost_proposals_are_one_sentence(tmp_path: Path, counted_in_record: bool) -> None:
    """Older records do not say how many there were, but a search with a result has proposed it."""
    run = with_logs(tabular("random_search", 0.9), *((float(spent), 0.5) for spent in range(1, 6)))
    log = save(run, tmp_path) / "proposals.jsonl"
    record = log.with_name("record.json")
    if counted_in_record:
        whole = json.loads(record.read_text(encoding="utf-8"))
        whole["search"]["proposals"] = 5
        record.write_text(json.dumps(whole), encoding="utf-8")
    rows = log.read_bytes().splitlines(keepends=True)
    assert read_and_report(tmp_path) == "reported"
    for kept in [*(rows[:number] for number in range(5)), rows[1:], [*rows, rows[0]]]:
        log.write_bytes(b"".join(kept))
        told = f"record.json counts 5 proposals, and proposals.jsonl holds {len(kept)}; move its directory elsewhere"
        told = told if counted_in_record else "" if kept else "says 'ok', and there is no proposal in proposals.jsonl"
        assert told in read_and_report(tmp_path)
    log.unlink()
    assert "proposal" in read_and_report(tmp_path)


def test_refused_proposals_are_no_evaluations(tmp_path: Path) -> None:
    run = with_logs(counted("random_search", 0.9), (1.0, 0.5))
    log = save(run, tmp_path) / "evaluations.jsonl"
    beyond = json.loads(log.read_text()) | {"failure": "refused: 7 parameters, 6 at most"}
    log.write_text(log.read_text() + json.dumps(beyond) + "\n")
    assert read_and_report(tmp_path) == "reported"
