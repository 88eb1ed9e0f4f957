"""Scoring: the only place where test labels are read."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from fakes import VectorSpace
from report_records import counted
from test_run_plan import request_for

from harness.core.errors import InputError
from harness.core.evaluation import ENSEMBLE
from harness.core.record import Record, Status
from harness.core.table import Measure, Signal, Table
from harness.run.job import Job, Outcome
from harness.run.plan import make_plan
from harness.run.scoring import HiddenLabels, HiddenScores, fields, finish
from harness.run.scoring.labels import accuracy
from harness.run.store import read_json, write_json, write_lines
from harness.stored.fields import read_record

COMMAND = {"command": "python -m harness run", "cpu": "a processor"}


def test_accuracy_is_the_share_of_right_answers() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)
    assert accuracy(probabilities, np.array([0, 1, 1])) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("probabilities", "reason"),
    [(np.ones((2, 2)), "shape"), (np.ones(3), "shape"), (np.full((3, 2), np.nan), "diverged")],
)
def test_predictions_that_say_nothing_have_no_accuracy(probabilities: np.ndarray, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        accuracy(probabilities, np.array([0, 1, 1]))


def trained(tmp_path: Path) -> Job:
    """A job whose two phases have left their results."""
    job = make_plan(request_for(tmp_path)).jobs[0]
    job.directory.path.mkdir(parents=True)
    write_json(job.directory.settings, {"draws": 1})
    found = {"proposal": {"text": "macro-3:x"}, "search": {"steps": 4}, "title": "Good", "process": {"device": "CPU"}}
    write_json(job.directory.search, found)
    proposal = {"genotype": "macro-3:x", "accuracy": None, "spent": 4.0, "shared_weights": False}
    write_lines(job.directory.proposals, [proposal] * 2)
    result = {"final": {"steps": 9, "limit": "steps"}, "parameters": 10, "macs": 20, "process": {"device": "CPU"}}
    write_json(job.directory.final, result)
    labels = np.load(tmp_path / "data" / "squares" / "y_test.npy")
    labels[:15] = 1 - labels[:15]
    np.savez(job.directory.predictions, probabilities=np.eye(2, dtype=np.float32)[labels])
    return job


def labels_of(tmp_path: Path) -> HiddenLabels:
    return HiddenLabels(lambda name: np.load(tmp_path / "data" / name / "y_test.npy"))


def test_a_record_is_written_and_says_everything(tmp_path: Path) -> None:
    job = trained(tmp_path)
    record = finish(job, Outcome("ok"), labels_of(tmp_path), COMMAND)
    assert record.test_accuracy == 0.75
    assert (record.parameters, record.macs, record.settings, record.proposal) == (10, 20, {"draws": 1}, "macro-3:x")
    assert record.provenance["device"] == "a processor"
    assert record.provenance["data"] == job.prepared.checksum
    assert Record.read(job.directory.record) == record


def test_what_only_an_interrupted_run_needs_is_gone(tmp_path: Path) -> None:
    job = trained(tmp_path)
    for folder in (job.directory.stopped, job.directory.networks):
        (folder / "0").mkdir(parents=True)
    job.directory.note.write_text("final")
    finish(job, Outcome("ok"), labels_of(tmp_path), COMMAND)
    assert not job.directory.stopped.exists()
    assert not job.directory.networks.exists()
    assert not job.directory.note.exists()


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("search", {"search": {"steps": 1e308}}),
        ("search", {"search": {"steps": None}}),
        ("final", {"parameters": 2**63}),
        ("final", {"macs": -1}),
        ("final", {"learning": {"loss": [1e308]}}),
        ("settings", {"draws": "\ud800"}),
    ],
)
@pytest.mark.parametrize("status", ["ok", "failed"])
def test_no_record_is_written_that_the_report_refuses(
    tmp_path: Path, file: str, part: dict[str, object], status: Status
) -> None:
    job = trained(tmp_path)
    path = getattr(job.directory, file)
    write_json(path, read_json(path) | part)
    record = finish(job, Outcome(status, "it crashed" if status == "failed" else ""), labels_of(tmp_path), COMMAND)
    assert read_record(job.directory.record) == record
    if status == "ok" or file != "final":
        assert record.status == "failed"
        assert "what the run left behind cannot be used" in record.reason


def test_a_record_counts_its_proposals_and_a_result_has_one(tmp_path: Path) -> None:
    job = trained(tmp_path)
    assert finish(job, Outcome("ok"), labels_of(tmp_path), COMMAND).search["proposals"] == 2
    for lost in (lambda: write_lines(job.directory.proposals, []), job.directory.proposals.unlink):
        lost()
        record = finish(job, Outcome("ok"), labels_of(tmp_path), COMMAND)
        assert record.status == "failed"
        assert "proposals.jsonl holds no proposal" in record.reason


def test_both_processes_are_in_the_provenance(tmp_path: Path) -> None:
    job = trained(tmp_path)
    record = finish(job, Outcome("ok"), labels_of(tmp_path), COMMAND)
    assert record.provenance["processes"] == {"search": {"device": "CPU"}, "final": {"device": "CPU"}}
    job.directory.final.unlink()
    record = finish(job, Outcome("failed", "it crashed"), labels_of(tmp_path), COMMAND)
    assert record.provenance["processes"] == {"search": {"device": "CPU"}}


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.mark.parametrize("at", ["putting a log aside", "removing", "removing the note"])
def test_a_kill_while_a_run_is_ended_leaves_one_that_is_not_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Else a log that cannot be read would block all reports, and what only an interrupted run needs would stay."""
    job = trained(tmp_path)
    write_json(job.directory.inputs, job.inputs)
    job.directory.evaluations.write_text("{}\n{}\n")
    job.directory.stopped.mkdir()
    job.directory.note.write_text("final")

    def killed(*arguments: object, **named: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        match at:
            case "putting a log aside":
                patch.setattr("harness.run.scoring.records._put_aside", killed)
            case "removing":
                patch.setattr(shutil, "rmtree", killed)
            case _:
                patch.setattr(Path, "unlink", killed)
        with pytest.raises(Killed):
            finish(job, Outcome("ok"), labels_of(tmp_path), COMMAND)
    assert job.directory.record.exists()
    assert job.directory.stored_record() is None
    finish(job, Outcome("failed", "it was ended"), labels_of(tmp_path), COMMAND)
    assert job.directory.stored_record() is not None
    assert not job.directory.stopped.exists()
    assert not job.directory.evaluations.exists()


@pytest.mark.parametrize("there", ["nothing", "a file", "a directory", "a link"])
def test_only_damaged_logs_of_failed_runs_are_put_aside(tmp_path: Path, there: str) -> None:
    job = trained(tmp_path)
    log, aside = job.directory.evaluations, job.directory.path / "evaluations.jsonl.damaged"
    other = tmp_path / "other"
    other.mkdir()
    log.write_text("{}\n{}\n")
    match there:
        case "a file":
            aside.write_text("before")
        case "a directory":
            (aside / "deep").mkdir(parents=True)
        case "a link":
            aside.symlink_to(other)
    job.directory.proposals.write_text("")
    record = finish(job, Outcome("ok"), labels_of(tmp_path), COMMAND)
    assert record.status == "failed"
    assert not log.exists()
    assert aside.read_text() == "{}\n{}\n"
    assert job.directory.proposals.exists(), "a log that can be read stays"
    assert other.is_dir()


def test_each_of_several_networks_has_its_accuracy_and_the_chosen_one_is_the_row(tmp_path: Path) -> None:
    job = trained(tmp_path)
    labels = np.load(tmp_path / "data" / "squares" / "y_test.npy")
    right, wrong = np.eye(2, dtype=np.float32)[labels], np.eye(2, dtype=np.float32)[1 - labels]
    lines = [
        {"genotype": "macro-3:a", "rank": 1, "validation_accuracy": 0.5},
        {"genotype": "macro-3:b", "rank": 2, "failure": "it diverged"},
        {"genotype": "macro-3:c", "rank": 3, "validation_accuracy": 0.9},
    ]
    told = {**read_json(job.directory.final), "networks": lines}
    arrays = {"probabilities": right, "network 1": wrong, "network 3": right}
    np.savez(job.directory.predictions, **arrays)
    for chosen, proposal in (({"chosen": 3}, "macro-3:c"), ({}, "macro-3:x")):
        write_json(job.directory.final, {**told, "final": {**told["final"], **chosen}})
        record = finish(job, Outcome("ok"), labels_of(tmp_path), COMMAND)
        assert (record.status, record.test_accuracy, record.proposal) == ("ok", 1.0, proposal), record.reason
        assert [line.get("test_accuracy") for line in record.networks] == [0.0, None, 1.0]
        assert [line.get("failure") for line in record.networks] == [None, "it diverged", None]
        assert [line.get("validation_accuracy") for line in record.networks] == [0.5, None, 0.9]


def test_a_failure_keeps_what_is_known(tmp_path: Path) -> None:
    job = trained(tmp_path)
    record = finish(job, Outcome("failed", "it crashed"), labels_of(tmp_path), COMMAND)
    assert (record.status, record.reason, record.test_accuracy) == ("failed", "it crashed", None)
    assert record.search == {"steps": 4}
    assert Record.read(job.directory.record) == record


def test_predictions_that_diverged_are_a_failed_row(tmp_path: Path) -> None:
    job = trained(tmp_path)
    np.savez(job.directory.predictions, probabilities=np.full((60, 2), np.nan, np.float32))
    record = finish(job, Outcome("ok"), labels_of(tmp_path), COMMAND)
    assert record.status == "failed"
    assert "diverged" in record.reason


def test_predictions_that_no_process_could_have_made_are_not_unpacked(tmp_path: Path) -> None:
    """Zeros take a thousandth of their room in a file, and all of it in the memory of the command."""
    job = trained(tmp_path)
    job = dataclasses.replace(job, profile=dataclasses.replace(job.profile, memory=0.01))
    np.savez_compressed(job.directory.predictions, probabilities=np.zeros((60, 2)), more=np.zeros(2**21))
    assert job.directory.predictions.stat().st_size < 2**20
    record = finish(job, Outcome("ok"), labels_of(tmp_path), COMMAND)
    assert record.status == "failed"
    assert "its process had 0.01 GiB" in record.reason


def test_a_run_that_another_process_has_leaves_no_record(tmp_path: Path) -> None:
    job = trained(tmp_path)
    record = finish(job, Outcome("busy", "another process"), labels_of(tmp_path), COMMAND)
    assert record.status == "failed"
    assert not job.directory.record.exists()


def test_labels_that_cannot_be_read_are_a_failed_row(tmp_path: Path) -> None:
    def broken(name: str) -> np.ndarray:
        raise InputError(f"{name} is gone")

    record = finish(trained(tmp_path), Outcome("ok"), HiddenLabels(broken), COMMAND)
    assert (record.status, record.reason) == ("failed", "squares is gone")


def test_labels_are_loaded_once() -> None:
    calls: list[str] = []

    def load(name: str) -> np.ndarray:
        calls.append(name)
        return np.zeros(3, np.int64)

    labels = HiddenLabels(load)
    labels.of("a")
    labels.of("a")
    labels.keep("b", np.ones(3, np.int64))
    assert labels.of("b").sum() == 3
    assert calls == ["a"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1", [1], {}])
def test_what_is_no_number_is_refused(value: object) -> None:
    for read in (fields.number, fields.count, lambda one: fields.numbers({"name": one})):
        with pytest.raises(ValueError, match="is no number"):
            read(value)


def test_numbers_are_taken_as_they_are() -> None:
    assert [fields.number(value) for value in (None, 0, -1.5, 3)] == [None, 0, -1.5, 3]
    assert [fields.count(value) for value in (None, 2.0, 7)] == [None, 2, 7]
    assert fields.numbers({"a": 1, "b": None}) == {"a": 1, "b": None}


@pytest.mark.parametrize(("many", "fine"), [(999, True), (1000, True), (1001, False), (5000, False)])
def test_a_record_holds_a_thousand_counts(many: int, fine: bool) -> None:
    value = {f"planned_{number}": number for number in range(many)}
    with contextlib.nullcontext() if fine else pytest.raises(ValueError, match=f"there are {many} numbers"):
        assert len(fields.numbers(value)) == many


@pytest.mark.parametrize(
    ("value", "fine"), [("x" * 5, True), ("", True), ("x" * 6, False), ("a\nb", False), (3, False)]
)
def test_a_line_is_printed_in_a_line(value: object, fine: bool) -> None:
    with contextlib.nullcontext() if fine else pytest.raises(ValueError, match=r"its title is no line|is no text"):
        assert fields.line(value, "title", 5) == value


def test_what_a_training_was_counted_in_is_one_of_three() -> None:
    for limit in ("epochs", "seconds", "steps"):
        assert fields.counts({"limit": limit, "steps": 4}) == {"limit": limit, "steps": 4}
    with pytest.raises(ValueError, match="'hours' is nothing"):
        fields.counts({"limit": "hours"})


def test_a_process_says_texts_and_the_cpu_by_default() -> None:
    assert fields.process({"fence": "audit"}) == {"device": "CPU", "fence": "audit"}
    assert fields.process({"device": "a card"}) == {"device": "a card"}
    with pytest.raises(ValueError, match="is no text"):
        fields.process({"fence": 3})


@pytest.mark.parametrize(("top", "entry"), [(1, {}), (2, {"top": 2}), (3, {"top": 3})])
def test_several_final_trainings_are_an_entry(tmp_path: Path, top: int, entry: dict[str, int]) -> None:
    job = make_plan(request_for(tmp_path)).jobs[0]
    assert fields.several(dataclasses.replace(job, profile=dataclasses.replace(job.profile, top=top))) == entry


SPACE = VectorSpace(1)
TEXTS = tuple(str(SPACE.genotype((pick,))) for pick in (0, 1))
TABLE = Table("t", SPACE, TEXTS, {"only": Signal(np.array([0.5, 0.25]), np.ones(2))}, np.array([0.75, 0.25]))


def scored(tmp_path: Path, proposal: str, table: Table = TABLE) -> Record:
    job = dataclasses.replace(make_plan(request_for(tmp_path)).jobs[0], dataset="t")
    record = counted("random_search", None, status="ok", reason="", proposal=proposal).record
    return HiddenScores({"t": table}, {"t": "only"}).score(job, record)


def test_a_proposal_has_the_score_of_its_row(tmp_path: Path) -> None:
    for text, score in zip(TEXTS, (0.75, 0.25), strict=True):
        record = scored(tmp_path, text)
        assert (record.status, record.test_accuracy, record.parameters) == ("ok", score, None)
        assert record.final == {"optimum": 0.75, "chance": 0.5}
    repeated = dataclasses.replace(TABLE, scores=tuple(TABLE.score + sign * np.array([0.01, 0.02]) for sign in (-1, 1)))
    # Of two trainings that are 0.02 apart the deviation is 0.02 / sqrt(2), of their mean 0.01.
    assert scored(tmp_path, TEXTS[0], repeated).final["noise"] == pytest.approx(((0.01**2 + 0.02**2) / 2) ** 0.5)
    alone = dataclasses.replace(repeated, representatives=(1,))
    assert scored(tmp_path, TEXTS[0], alone).final["noise"] == pytest.approx(0.02)
    sized = dataclasses.replace(TABLE, parameters=np.array([10, 20]))
    assert scored(tmp_path, TEXTS[1], sized).parameters == 20


@pytest.mark.parametrize(
    ("proposal", "words"),
    [("toy:9", "toy:9, which is not in the table"), (f"{ENSEMBLE}toy:0", "no predictions to average")],
)
def test_what_a_table_does_not_have_is_a_failed_row(tmp_path: Path, proposal: str, words: str) -> None:
    record = scored(tmp_path, proposal)
    assert (record.status, record.test_accuracy) == ("failed", None)
    assert words in record.reason


MANY = tuple(str(VectorSpace(1, 4).genotype((pick,))) for pick in range(4))
TOLD = Signal(np.array([0.3, 0.9, 0.6, 0.9]), np.ones(4))
LARGER = Table("t", VectorSpace(1, 4), MANY, {"only": TOLD}, np.array([0.1, 0.2, 0.3, 0.4]))


def handed_over(tmp_path: Path, top: int, *proposals: str) -> Record:
    """The record of a search that handed those over, of which ``top`` are looked up."""
    [job, *_] = make_plan(request_for(tmp_path)).jobs
    job = dataclasses.replace(job, dataset="t", profile=dataclasses.replace(job.profile, top=top))
    job.directory.path.mkdir(parents=True, exist_ok=True)
    first, *others = ({"text": text} for text in proposals)
    write_json(job.directory.search, {"proposal": first, "others": others})
    record = counted("random_search", None, status="ok", reason="", proposal=proposals[0]).record
    return HiddenScores({"t": LARGER}, {"t": "only"}).score(job, record)


@pytest.mark.parametrize(
    ("top", "proposals", "rank"),
    [
        (2, (0, 1), 2),
        (2, (1, 0), 1),
        (3, (0, 3, 1), 2),
        (3, (0, 1, 3), 2),
        (2, (0, 2, 1), 2),
        (4, (0, 2), 2),
    ],
)
def test_of_several_the_first_of_the_best_by_validation_is_scored(
    tmp_path: Path, top: int, proposals: tuple[int, ...], rank: int
) -> None:
    texts = [MANY[pick] for pick in proposals]
    record = handed_over(tmp_path, top, *texts)
    looked_up = texts[:top]
    assert [line["rank"] for line in record.networks] == list(range(1, len(looked_up) + 1))
    assert [line["genotype"] for line in record.networks] == looked_up
    assert record.proposal == texts[rank - 1]
    assert record.test_accuracy == LARGER.score[proposals[rank - 1]]
    assert record.final == {"optimum": 0.4, "chance": 0.25, "trainings": len(looked_up), "chosen": rank}


def test_what_the_table_does_not_have_of_several_is_a_line_with_its_reason(tmp_path: Path) -> None:
    record = handed_over(tmp_path, 2, "toy:9", MANY[2])
    assert [line.get("failure") for line in record.networks] == ["it is not in the table", None]
    assert (record.proposal, record.final["trainings"], record.final["chosen"]) == (MANY[2], 1, 2)
    none = handed_over(tmp_path, 2, "toy:8", "toy:9")
    assert (none.status, none.test_accuracy, none.proposal) == ("failed", None, "toy:8")


@pytest.mark.parametrize("top", [1, 3])
def test_the_recipes_of_a_table_say_what_is_scored_and_what_chooses(tmp_path: Path, top: int) -> None:
    [job, *_] = make_plan(request_for(tmp_path)).jobs
    job = dataclasses.replace(job, dataset="t", profile=dataclasses.replace(job.profile, top=top))
    own = Measure("loss", "nats", 2.0, 0.0)
    for table, score, chooser in (
        (TABLE, {"score": "test accuracy"}, "only"),
        (dataclasses.replace(TABLE, measure="validation accuracy"), {"score": "validation accuracy"}, "only"),
        (dataclasses.replace(TABLE, scored=own), {"score": own.words(), "measure": dataclasses.asdict(own)}, "only"),
        (
            dataclasses.replace(TABLE, signals={**TABLE.signals, "late": TABLE.signals["only"]}, final_signal="late"),
            {},
            "late",
        ),
    ):
        told = HiddenScores({"t": table}, {"t": "only"}).recipes(job)
        assert told["proxy"] == {"table": "t", "signal": "only"}
        expected = {"table": "t", "score": "test accuracy"} | score
        assert told["final"] == expected | ({"top": top, "chosen_by": chooser} if top > 1 else {})
