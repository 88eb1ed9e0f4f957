from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from report_records import examples, make, save, with_logs
from ruined import closed

from harness.commands.freshness import state_of
from harness.commands.report import tables
from harness.commands.show import show_run
from harness.core.errors import InputError
from harness.report.forms.html import report_html
from harness.report.forms.markdown import markdown
from harness.report.gate.baseline import write_baseline
from harness.report.model.load import load_run, load_runs
from harness.report.model.performance import performance
from harness.report.model.table import Text
from harness.report.stats.page import statistics
from harness.report.stats.verdict import verdicts


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


@pytest.mark.parametrize(
    ("change", "told"), [({"schema": 99}, "schema 99"), ({"later": 1, "also": 2}, "fields also, later")]
)
def test_a_record_of_another_version_is_no_damage(tmp_path: Path, change: dict[str, object], told: str):
    path = save(make("darts", 0.9), tmp_path) / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    words = rf"record\.json was written by another version of this harness \({told}\); use that version, or move its"
    with pytest.raises(InputError, match=words):
        load_runs(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 1}', '{"schema": "1"}'])
def test_nobody_is_told_to_delete_what_could_be_results(tmp_path: Path, text: str):
    (save(make("darts", 0.9), tmp_path) / "record.json").write_text(text)
    with pytest.raises(InputError, match=r"record\.json .*; move its directory elsewhere to run it again$"):
        load_runs(tmp_path)


@pytest.mark.parametrize("text", ["60s", "0.5s", "2e12 macs", "1e-05s", "50 evals", "40 steps"])
def test_budgets_of_records_are_what_the_core_writes(tmp_path: Path, text: str):
    save(make("darts", 0.9, budget=text), tmp_path)
    assert load_runs(tmp_path)[0].record.budget == text


def test_a_terminal_acts_upon_nothing_in_a_title_or_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    saved = save(make("darts", 0.9, title="A\x1b[2J title\nin two lines", dataset="a\x1b]0;b"), tmp_path)
    assert load_runs(tmp_path)[0].record.title == "A [2J title in two lines"
    told = markdown([*performance(load_runs(tmp_path)), Text("\x9b2J")])
    show_run(saved, None, as_json=False)
    for text in (told, capsys.readouterr().out):
        assert "A [2J title in two lines" in text
        assert "".join(text.split("\n")).isprintable()


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


@pytest.mark.parametrize("above", range(5))
def test_what_cannot_be_read_is_not_left_out_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, above: int
) -> None:
    save(make("random_search", 0.9), tmp_path)
    run = save(make("darts", 0.9), tmp_path)
    shut = [run, *run.parents][above]
    closed(monkeypatch, shut)
    for read in (load_runs, state_of):
        with pytest.raises(InputError) as told:
            read(tmp_path)
        assert str(told.value).startswith(f"{shut} cannot be read (Permission denied); ")


def test_what_is_closed_and_holds_no_run_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--out`` may be the root of a disk, where there is a directory that nobody may read."""
    save(make("darts", 0.9), tmp_path)
    (tmp_path / "runs" / "lost+found").mkdir()
    closed(monkeypatch, tmp_path / "runs" / "lost+found")
    assert len(load_runs(tmp_path / "runs")) == 1
    tables(tmp_path / "runs")
    assert capsys.readouterr().err == f"{tmp_path / 'runs' / 'lost+found'} cannot be read, left out\n"


def test_what_a_search_has_closed_in_its_own_directory_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = save(make("darts", 0.9), tmp_path)
    (run / "scratch").mkdir()
    closed(monkeypatch, run / "scratch")
    assert len(load_runs(tmp_path)) == 1
    state_of(tmp_path)


FIELDS = {"profile": "smoke", "dataset": "cifar10", "space": "cell-2", "method": "enas", "seed": 7}
NOTED = {"profile": "profile", "dataset": "data set", "space": "space", "method": "method", "seed": "seed"}


@pytest.mark.parametrize("field", FIELDS)
def test_a_record_of_another_run_than_its_directory_is_named(tmp_path: Path, field: str) -> None:
    run = save(make("darts:order=2", 0.9), tmp_path)
    assert load_runs(tmp_path)
    other = dataclasses.replace(make("darts:order=2", 0.9).record, **{field: FIELDS[field]})
    (run / "record.json").write_text(other.to_json(), encoding="utf-8")
    told = rf"record\.json says {NOTED[field]} {FIELDS[field]}, and its directory is of {NOTED[field]} "
    with pytest.raises(InputError, match=told):
        load_runs(tmp_path)
    # below the directory that was given, fewer parts of the path are told
    parts = [*FIELDS].index(field)
    with pytest.raises(InputError, match=told):
        load_runs([run, *run.parents][5 - parts])
    if field != "seed":
        assert load_runs([run, *run.parents][4 - parts])
    # wherever it lies, it says itself what it was begun as
    begun = {NOTED[name]: getattr(make("darts:order=2", 0.9).record, name) for name in FIELDS}
    (run / "inputs.json").write_text(json.dumps(begun), encoding="utf-8")
    moved = run.rename(tmp_path / "by another name")
    for read in (load_runs, load_run):
        with pytest.raises(InputError, match=told):
            read(moved)


def test_a_run_by_another_name_is_told_by_its_inputs_only(tmp_path: Path) -> None:
    run = save(make("darts", 0.9), tmp_path)
    run.rename(tmp_path / "mine")
    assert len(load_runs(tmp_path)) == 1


def unended(root: Path, seeds: int) -> None:
    """One run that has ended, and others that have not: some have no record, of some a phase is under way."""
    save(make("darts", 0.9, seeds), root)
    for seed in range(seeds):
        run = save(make("darts", 0.9, seed), root)
        (run / "inputs.json").write_text(json.dumps({"method": "darts", "seed": seed}) if seed else "{", "utf-8")
        if seed % 2:
            run.with_name(f".{run.name}.phase").write_text("search", encoding="utf-8")
        else:
            (run / "record.json").unlink()


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        (1, "1 run has not ended and is left out (darts seed 0); the same run command continues it"),
        (2, "2 runs have not ended and are left out (darts seed 0, darts seed 1); the same run command continues them"),
        (7, "7 runs have not ended and are left out (darts seed 0, darts seed 1, darts seed 2, darts seed 3, darts"),
    ],
)
def test_runs_that_have_not_ended_are_named_everywhere(tmp_path: Path, seeds: int, words: str) -> None:
    before = state_of(tmp_path)
    unended(tmp_path, seeds)
    runs = load_runs(tmp_path)
    assert [run.record.seed for run in runs] == [seeds]
    page = report_html(runs, tmp_path, lambda _: None, verdicts(runs), [], [])
    for text in (markdown(performance(runs)), markdown(statistics(runs)), page):
        assert words in text.replace("\\", "")
        assert "and 2 more)" in text or seeds < 7
    _, notes = write_baseline(runs, "x", tmp_path / "baselines")
    assert words in notes[0]
    assert before != state_of(tmp_path)
    whole = state_of(tmp_path)
    next(tmp_path.rglob("0/inputs.json")).unlink()
    assert state_of(tmp_path) != whole


def test_where_no_run_has_ended_it_says_so(tmp_path: Path) -> None:
    unended(tmp_path, 1)
    next(tmp_path.rglob("1/record.json")).unlink()
    with pytest.raises(InputError, match=r"no run below .* has ended; the same run command continues them"):
        load_runs(tmp_path)
