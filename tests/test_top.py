"""The best proposals of a search, trained finally: which they are, which one counts, and that it is never the test set
that chooses."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import test_run_grid as grid
import test_run_tables as tables
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task
from plugin_files import write_method
from report_records import counted
from test_run_images import make as little_images
from test_run_plan import pretend
from test_run_plan import request_for as planned

from harness.commands.show import lines, show
from harness.core.errors import InputError
from harness.core.evaluation import Evaluation, KerasConfig, Proposal
from harness.core.home import CHECKOUT as ROOT
from harness.core.space import Genotype
from harness.core.table import Signal, Table
from harness.core.task import Task
from harness.report.forms.html import report_html
from harness.report.forms.markdown import markdown
from harness.report.forms.networks import networks
from harness.report.model.groups import blocks
from harness.report.model.performance import performance
from harness.report.model.results import result_of
from harness.report.model.table import Table as PartTable
from harness.report.stats.verdict import verdicts
from harness.run.final import _chosen
from harness.run.final.trainings import Network, Trainings, Unreadable
from harness.run.images import final_data, locate, search_data, write
from harness.run.job import Failure
from harness.run.journal import Progress
from harness.run.plan import make_plan
from harness.run.request import MOST_TOP, make_request
from harness.run.scoring import HiddenScores
from harness.spaces import get_space

SPACE = VectorSpace(4, 3)


def at(pick: int) -> Genotype:
    return SPACE.genotype((pick % 3, pick // 3 % 3, 0, 0))


def task_of(accuracies: dict[int, float], top: int = 3, **changes: object) -> Task:
    scores = {str(at(pick)): accuracy for pick, accuracy in accuracies.items()}
    return make_task(SPACE, score=lambda one: scores[str(one)], top=top, **changes)  # type: ignore[arg-type]


class TestRanking:
    def test_evaluated_proposals_come_by_accuracy_the_earlier_of_equal_ones_first(self) -> None:
        task = task_of({0: 0.2, 1: 0.7, 2: 0.9, 3: 0.7, 4: 0.1})
        task.evaluate([at(pick) for pick in range(5)])
        assert task.handed_over() == [at(2), at(1), at(3)]

    def test_each_comes_once_with_the_best_of_its_trainings(self) -> None:
        results = iter([0.5, 0.4, 0.3, 0.6, 0.2])
        task = make_task(SPACE, score=lambda _: next(results), top=3)
        for pick in (0, 1, 2, 2, 0):
            task.evaluate([at(pick)], again=True)
        assert task.handed_over() == [at(2), at(0), at(1)]

    def test_a_complete_training_comes_before_a_part(self) -> None:
        scores = {str(at(0)): 0.3, str(at(1)): 0.9, str(at(2)): 0.4}
        evaluator = FakeEvaluator(lambda one: scores[str(one)], gradient_steps=10)
        task = make_task(SPACE, evaluator=evaluator, top=3)
        task.evaluate([at(1)], share=0.5)
        task.evaluate([at(0), at(2)])
        assert task.handed_over() == [at(2), at(0), at(1)]

    def test_of_named_proposals_the_later_comes_first(self) -> None:
        task = task_of({})
        for pick in (0, 1, 2, 1, 3):
            task.propose(at(pick), 0.5)
        assert task.handed_over() == [at(3), at(1), at(2)]

    def test_what_made_the_result_comes_first_and_the_other_kind_last(self) -> None:
        named_last = task_of({0: 0.4, 1: 0.3})
        named_last.evaluate([at(0), at(1)])
        named_last.propose(at(5), 0.1)
        assert named_last.handed_over() == [at(5), at(0), at(1)]
        measured_last = task_of({0: 0.4, 1: 0.3})
        measured_last.propose(at(5), 0.1)
        measured_last.evaluate([at(0), at(1)])
        assert measured_last.handed_over() == [at(0), at(1), at(5)]

    def test_failures_and_trainings_of_the_methods_own_are_not_handed_over(self) -> None:
        def train(text: str, failure: str = "") -> Evaluation:
            return Evaluation(text, 0.0 if failure else 0.99, (), 1.0, 1, failure)

        class Failing(FakeEvaluator):
            def evaluate(self, proposal: Proposal, number: int, meter: object) -> Evaluation:
                return train(str(proposal), "no" if proposal == at(1) else "")

        task = make_task(SPACE, evaluator=Failing(), top=5)
        task.evaluate([at(1), at(0)])
        task.record("a text that no space reads", lambda: train("a text that no space reads"))
        assert task.handed_over() == [at(0)]

    def test_keras_models_are_handed_over_too(self) -> None:
        task = make_task(SPACE, top=2)
        models = [KerasConfig(str(number), "{}") for number in range(3)]
        for model in models:
            task.propose(model)
        assert task.handed_over() == [models[2], models[1]]
        task = make_task(SPACE, score=lambda one: int(str(one)[-1]) / 9, top=2)
        task.evaluate(models)
        assert task.handed_over() == [models[2], models[1]]

    def test_usually_there_is_one(self) -> None:
        task = task_of({0: 0.4, 1: 0.3}, top=1)
        assert task.handed_over() == []
        task.evaluate([at(0), at(1)])
        assert task.handed_over() == [at(0)] == [task.proposal]

    def test_what_came_too_late_is_not_handed_over(self) -> None:
        clock = iter(range(0, 1000, 4))
        task = make_task(SPACE, "10s", clock=lambda: float(next(clock)), top=3)
        for pick in range(6):
            task.propose(at(pick))
        assert task.discarded
        assert len(task.handed_over()) == min(3, 6 - task.discarded)
        assert task.handed_over()[0] == task.proposal

    def test_a_resumed_search_knows_the_keras_models_that_it_has_evaluated(self) -> None:
        models, journal = [KerasConfig(str(number), "{}") for number in range(3)], MemoryJournal()
        first = make_task(SPACE, score=lambda one: int(str(one)[-1]) / 9, top=2, journal=journal)
        first.evaluate(models)
        first.checkpoint(dict)
        again = make_task(SPACE, top=2, journal=journal)
        assert again.restored() is not None
        again.propose(at(0), 0.1)
        first.propose(at(0), 0.1)
        assert again.handed_over() == first.handed_over() == [at(0), models[2]]

    def test_a_resumed_search_hands_over_the_same(self) -> None:
        journal = MemoryJournal()
        first = task_of({0: 0.4, 1: 0.3, 2: 0.6}, journal=journal)
        first.propose(at(7), 0.2)
        first.propose(KerasConfig("net", "{}"), 0.2)
        first.evaluate([at(0), at(1), at(2)])
        first.checkpoint(dict)
        again = task_of({}, journal=journal)
        assert again.restored() is not None
        assert again.handed_over() == first.handed_over() == [at(2), at(0), at(1)]
        for task in (first, again):
            task.propose(at(8))
        assert again.handed_over() == first.handed_over() == [at(8), KerasConfig("net", "{}"), at(7)]


class TestRequest:
    @pytest.mark.parametrize("top", [0, -1, MOST_TOP + 1])
    def test_nonsense_is_one_sentence(self, top: int) -> None:
        with pytest.raises(InputError, match="--top"):
            make_request(methods="random_search", top=top)

    def test_one_directory_holds_one_kind(self, tmp_path: Path) -> None:
        request = planned(tmp_path)
        pretend(make_plan(request).jobs[0])
        several = dataclasses.replace(request, profile=dataclasses.replace(request.profile, top=3))
        with pytest.raises(InputError, match="the best 1 of each search, here it is the best 3; name another"):
            make_plan(several)
        other = dataclasses.replace(several, out=tmp_path / "other")
        pretend(make_plan(other).jobs[0])
        with pytest.raises(InputError, match="the best 3 of each search, here it is the best 1; name another"):
            make_plan(dataclasses.replace(request, out=tmp_path / "other"))
        assert len(make_plan(other).records) == 1

    def test_each_training_has_its_time(self, tmp_path: Path) -> None:
        request = planned(tmp_path)
        job = make_plan(dataclasses.replace(request, profile=dataclasses.replace(request.profile, top=3))).jobs[0]
        assert job.cap("final") == job.profile.final_seconds, "nothing is known of the search"
        job.directory.path.mkdir(parents=True)
        for text, times in (('{"others": [1, 2, 3, 4]}', 3), ('{"others": [1]}', 2), ('{"others": 5}', 1), ("x", 1)):
            job.directory.search.write_text(text)
            assert job.cap("final") == times * job.profile.final_seconds


def test_final_trainings_leave_the_validation_images_out(tmp_path: Path) -> None:
    data = little_images()
    prepared = locate(data, 0.2, tmp_path)
    write(data, prepared, [3])
    seen, test = final_data(prepared, held_out=3)
    searched, whole = search_data(prepared, 3), final_data(prepared)[0]
    assert np.array_equal(seen.x_train, searched.x_train)
    assert np.array_equal(seen.x_valid, searched.x_valid)
    assert len(seen.x_train) + len(seen.x_valid) == len(whole.x_train)
    assert len(whole.x_valid) == 0
    assert np.array_equal(test, data.x_test)


CLIMBER = """
for row in range(4):
    task.propose(task.space.sample(task.rng), 0.1 * row)
"""
SAMPLER = "while True: task.evaluate([task.space.sample(task.rng)])"
FORGER = """
import os, json
os.mkdir("../networks")
for number in (1, 2, 3):
    with open(f"../networks/{number}.json", "w") as file: file.write("{}")
    with open(f"../networks/{number}.keras", "w") as file: file.write("forged")
task.propose(task.space.sample(task.rng))
task.propose(task.space.sample(task.rng))
"""

_PROGRAM = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
import test_top, pathlib
if __name__ == "__main__":
    test_top.run_grid(pathlib.Path({here!r}), pathlib.Path({out!r}), {names!r}, {best!r})
"""


def run_grid(folder: Path, out: Path, names: tuple[str, ...], best: int) -> None:
    methods = {name: folder / "methods" / f"{name}.py" for name in names}
    grid.run(grid.request_for(folder, methods, out=out, profile=dataclasses.replace(grid.PATIENT, top=best)))


def start(folder: Path, out: Path, *names: str, best: int = 3) -> subprocess.Popen[bytes]:
    program = folder / f"{out.name}.py"
    tests = str(Path(__file__).parent)
    where = {"root": str(ROOT), "tests": tests, "here": str(folder), "out": str(out)}
    program.write_text(_PROGRAM.format(**where, names=names, best=best))
    return subprocess.Popen([sys.executable, str(program)], start_new_session=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("top")
    (folder / "methods").mkdir()
    for name, body in (("climber", CLIMBER), ("sampler", SAMPLER), ("forger", FORGER)):
        write_method(folder / "methods", name, body)
    assert start(folder, folder / "calm", "climber", "sampler", "forger").wait(timeout=500) == 0
    return folder


def test_the_best_on_the_validation_images_is_the_row(trained: Path) -> None:
    records = {value["method"]: value for value in grid.numbers(trained / "calm")}
    assert [len(records[name]["networks"]) for name in ("climber", "sampler", "forger")] == [3, 3, 2]
    for record in records.values():
        assert record["status"] == "ok", record["reason"]
        networks = record["networks"]
        assert [network["rank"] for network in networks] == list(range(1, len(networks) + 1))
        assert len({network["genotype"] for network in networks}) == len(networks)
        best = max(networks, key=lambda network: network["validation_accuracy"])
        assert record["final"]["chosen"] == best["rank"]
        names = ("proposal", "test_accuracy", "parameters", "macs")
        assert [record[name] for name in names] == [best[name.replace("proposal", "genotype")] for name in names]
        assert record["final"]["steps"] == 12 * len(networks)
        assert record["recipes"]["final"]["top"] == 3
    climber = records["climber"]
    later = [genotype for genotype, _, _ in reversed(climber["proposals"])]
    assert [network["genotype"] for network in climber["networks"]] == later[:3]
    measured = sorted(records["sampler"]["evaluations"], key=lambda row: -row[1])
    assert [network["genotype"] for network in records["sampler"]["networks"]] == [row[0] for row in measured[:3]]


def test_the_network_that_is_kept_is_the_chosen_one(trained: Path) -> None:
    for name in ("climber", "sampler"):
        directory = trained / "calm" / "tiny" / "squares" / "macro-3" / name / "0"
        record = json.loads((directory / "record.json").read_text())
        with np.load(directory / "predictions.npz") as stored:
            shown = stored["probabilities"]
            assert set(stored) == {"probabilities", *(f"network {rank}" for rank in (1, 2, 3))}
            assert np.array_equal(shown, stored[f"network {record['final']['chosen']}"])
        from harness.nets import training
        from harness.nets.runtime import load

        facts = json.loads((directory / "final.json").read_text())
        images = np.load(next((trained / "calm" / "prepared").glob("squares-*/x_test.npy")))
        again = training.predict(load(directory / "model.keras"), images, facts["mean"], facts["std"])
        np.testing.assert_allclose(again, shown, atol=1e-5)
        assert not (directory / "networks").exists()


@pytest.mark.slow
def test_a_command_killed_between_final_trainings_ends_with_the_same_numbers(trained: Path) -> None:
    out = trained / "killed"
    moment = out / "tiny" / "squares" / "macro-3" / "climber" / "0" / "networks" / "1.json"
    process = start(trained, out, "climber")
    deadline = time.monotonic() + 300
    while not moment.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert moment.exists()
    assert grid.killed(process), "it was over before it could be killed"
    before = moment.stat().st_mtime_ns
    second = start(trained, out, "climber")
    while (there := moment.exists()) and second.poll() is None and time.monotonic() < deadline:
        assert not there or moment.stat().st_mtime_ns == before, "what was trained is trained again"
        time.sleep(0.1)
    assert second.wait(timeout=500) == 0
    assert grid.numbers(out) == [one for one in grid.numbers(trained / "calm") if one["method"] == "climber"]


def test_a_network_never_goes_on_from_the_checkpoint_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is killed after a network was stored and before its checkpoint is removed."""
    from harness.nets import build, runtime, training

    class Model:
        def save(self, path: Path) -> None:
            path.write_bytes(b"")

    [job] = make_plan(planned(tmp_path, methods=("good",), seeds=(0,))).jobs
    job.directory.path.mkdir(parents=True)
    write(little_images(), locate(little_images(), 0.1, tmp_path), [0])
    space = get_space("macro-3")
    networks = [Network(space.sample(np.random.default_rng(number)), 5) for number in range(2)]
    data = search_data(locate(little_images(), 0.1, tmp_path), 0)
    began_with: list[bytes] = []

    def train(model: object, data: object, recipe: object, *, checkpoint: Path, **_: object) -> training.Training:
        began_with.append(checkpoint.read_bytes() if checkpoint.exists() else b"")
        checkpoint.write_bytes(b"%d" % len(began_with))
        return training.Training(0.5, (0.5,), 1, 1.0, 1.0, 1.0, False)

    unlink = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path != first._checkpoint(0):
            return unlink(path, missing_ok)
        raise KeyboardInterrupt(path)

    monkeypatch.setattr(build, "build_model", lambda *_, **__: Model())
    monkeypatch.setattr(runtime, "load", lambda _: Model())
    monkeypatch.setattr(training, "train", train)
    first = Trainings(job, space, data, networks, Progress(tmp_path / "progress.json", "final"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            first.kept(0)
    second = Trainings(job, space, data, networks, Progress(tmp_path / "progress.json", "final"))
    second.kept(0)
    second.kept(1)
    assert began_with == [b"", b""]


def test_a_network_whose_predictions_are_no_numbers_counts_as_not_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.nets import count, training

    [job] = make_plan(planned(tmp_path, methods=("good",), seeds=(0,))).jobs
    networks = [Network(get_space("macro-3").sample(np.random.default_rng(number)), 5) for number in range(2)]
    write(little_images(), locate(little_images(), 0.1, tmp_path), [0])
    data = search_data(locate(little_images(), 0.1, tmp_path), 0)
    trainings = Trainings(job, get_space("macro-3"), data, networks, Progress(tmp_path / "progress.json", "final"))
    monkeypatch.setattr(trainings, "kept", lambda number: (None, {"final": {}}))
    monkeypatch.setattr(training, "accuracy", lambda *_: 0.5)
    monkeypatch.setattr(training, "predict", lambda *_: np.full((30, 3), np.nan))
    for what in ("parameters", "macs"):
        monkeypatch.setattr(count, what, lambda _: 1)
    predictions: dict[str, np.ndarray] = {}
    with pytest.raises(Failure, match="not finite"):
        trainings.measured(0, np.zeros((30, 4, 4, 1), np.uint8), {}, predictions)
    assert not predictions


@pytest.mark.parametrize("kept", ["1.json", "1.keras"])
def test_a_network_of_which_half_has_arrived_is_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    """Of a node that was lost."""
    from harness.nets import runtime

    class Model:
        def save(self, path: Path) -> None:
            path.write_bytes(b"")

    [job] = make_plan(planned(tmp_path, methods=("good",), seeds=(0,))).jobs
    job.directory.networks.mkdir(parents=True)
    (job.directory.networks / kept).write_text("{}")
    network = Network(get_space("macro-3").sample(np.random.default_rng(0)), 5)
    trainings = Trainings(job, get_space("macro-3"), None, [network], None)  # type: ignore[arg-type]
    monkeypatch.setattr(trainings, "train", lambda _: (Model(), {"trained": "again"}))
    monkeypatch.setattr(runtime, "load", lambda path: path.read_bytes())
    assert trainings.kept(0) == (b"", {"trained": "again"})
    monkeypatch.setattr(trainings, "train", lambda _: pytest.fail("it was trained before"))
    assert trainings.kept(0) == (b"", {"trained": "again"})
    (job.directory.networks / "1.json").write_text("{")
    with pytest.raises(Unreadable, match=r"1\.json"):
        trainings.kept(0)


@pytest.mark.parametrize("error", [Failure("it diverged"), InputError("no such layer"), ValueError("too deep")])
def test_only_what_is_the_fault_of_a_network_leaves_the_choice_to_the_others(error: Exception) -> None:
    def measured(number: int, images: object, line: dict[str, Any], predictions: object) -> dict[str, Any]:
        raise errors[number]

    network = Network(get_space("macro-3").sample(np.random.default_rng(0)), 5)
    trainings: Any = SimpleNamespace(networks=[network, network], measured=measured)
    errors = [error, Unreadable("its file is damaged")]
    with pytest.raises(Unreadable):
        _chosen(trainings, np.zeros((1, 4, 4, 1), np.uint8))
    errors = [error, error]
    with pytest.raises(Failure, match="no proposal could be trained"):
        _chosen(trainings, np.zeros((1, 4, 4, 1), np.uint8))


class TestTables:
    def test_the_choice_is_by_validation_in_the_table(self, tmp_path: Path) -> None:
        profile = dataclasses.replace(tables.QUICK, top=4)
        request = tables.request_for(tmp_path, ("random_search", "random_sampling"), profile=profile)
        records, _ = tables.run(request)
        table = tables.table_of(request)
        valid = table.validation(next(iter(table.signals)))
        assert {record.status for record in records} == {"ok"}
        for record in records:
            rows = [table.rows[network["genotype"]] for network in record.networks]
            assert len(set(rows)) == 4
            assert [network["validation_accuracy"] for network in record.networks] == valid[rows].tolist()
            assert [network["test_accuracy"] for network in record.networks] == table.score[rows].tolist()
            assert table.rows[record.proposal] == rows[int(np.argmax(valid[rows]))]
            assert record.test_accuracy == table.score[table.rows[record.proposal]]
            assert record.parameters == table.parameters[table.rows[record.proposal]]  # type: ignore[index]
        chosen = [record.final["chosen"] for record in records if record.method == "random_sampling"]
        assert set(chosen) != {1}, "the draws come in no order, so that the first cannot always be the best"
        again, _ = tables.run(dataclasses.replace(request, profile=tables.QUICK, out=tmp_path / "one"))
        assert all(record.networks == [] and "chosen" not in record.final for record in again)

    def test_the_validation_accuracy_of_the_final_trainings_counts_where_it_is_known(self, tmp_path: Path) -> None:
        space = VectorSpace(1, 3)
        texts = tuple(str(space.genotype((pick,))) for pick in range(3))
        early, late = (Signal(np.array(values), np.ones(3)) for values in ([0.9, 0.5, 0.1], [0.2, 0.8, 0.3]))
        score = np.array([0.3, 0.6, 0.99])
        table = Table("t", space, texts, {"12": early, "200": late}, score, final_signal="200")
        assert table.validation("12").tolist() == [0.2, 0.8, 0.3]
        assert dataclasses.replace(table, final_signal="").validation("12").tolist() == [0.9, 0.5, 0.1]
        with pytest.raises(InputError, match="no signal '3'"):
            dataclasses.replace(table, final_signal="3")
        [job, *_] = make_plan(tables.request_for(tmp_path, ("random_search",))).jobs
        job = dataclasses.replace(job, dataset="t", profile=dataclasses.replace(job.profile, top=3))
        job.directory.path.mkdir(parents=True)
        handed = {"proposal": {"text": texts[0]}, "others": [{"text": texts[1]}, {"text": "toy:9"}, {"text": texts[2]}]}
        job.directory.search.write_text(json.dumps(handed))
        record = counted("random_search", None, status="ok", reason="", proposal=texts[0]).record
        scored = HiddenScores({"t": table}, {"t": "12"}).score(job, record)
        assert (scored.proposal, scored.test_accuracy, scored.final["chosen"]) == (texts[1], 0.6, 2)
        assert [network.get("failure", "") for network in scored.networks] == ["", "", "it is not in the table"]


def test_reports_say_what_was_chosen_and_from_what() -> None:
    lines_of = [
        {"rank": 1, "genotype": "cell:7", "validation_accuracy": 0.7, "test_accuracy": 0.9123},
        {"rank": 2, "genotype": "cell:8", "validation_accuracy": 0.8, "test_accuracy": 0.6321},
        {"rank": 3, "genotype": "cell:9", "failure": "the loss was nan"},
    ]
    recipes = {"final": {"steps": 60, "top": 3}}
    final = {"chosen": 2, "trainings": 2, "steps": 120, "limit": "steps"}
    run = counted("darts", 0.6321, networks=lines_of, recipes=recipes, final=final, proposal="cell:8")
    usual = counted("darts", 0.7)
    assert [block.top for block in blocks([run, usual])] == [1, 3], "they do not stand in one table"
    text = markdown(performance([run]))
    assert "the best 3 of each search" in text
    assert "without the validation images" in text
    assert "the best" not in markdown(performance([usual]))
    page = report_html([run], Path(), lambda _: None, verdicts([run]), [], [])
    assert "91.23" in page
    assert "63.21" in page
    assert "cell:9" in page
    assert "the loss was nan" in page
    assert "each on its own scale.The" not in page
    [block] = blocks([run])
    [table] = networks(result_of(block, run.record.dataset, block.methods[0]))
    assert isinstance(table, PartTable)
    told = {column.key: [row[index].value.text for row in table.rows] for index, column in enumerate(table.columns)}
    assert told["chosen"] == ["–", "yes", "–"]
    assert told["failure"] == ["–", "–", "the loss was nan"]
    assert "member" not in told
    shown = "\n".join(lines(show(run), None))
    assert "1. validation 70.00 %, test 91.23 %: cell:7" in shown
    assert "2. validation 80.00 %, test 63.21 %, chosen: cell:8" in shown
    assert "3. the loss was nan: cell:9" in shown
