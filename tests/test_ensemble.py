"""Ensembles as proposals: what they are, how they are trained and put together, and what their row says."""

from __future__ import annotations

import json
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import test_run_grid as grid
import test_run_tables as tables
import test_top as top
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task, tiny_data
from plugin_files import write_method
from report_records import counted

from harness.commands.export import export
from harness.commands.show import lines, show
from harness.core.budget import Budget, Meter
from harness.core.evaluation import MOST_MEMBERS, Ensemble, KerasConfig, Part
from harness.core.limits import Limits
from harness.core.proposals import proposal_from_json, proposal_to_json
from harness.core.recipe import Recipe
from harness.core.space import Genotype, Size
from harness.nets import count, training
from harness.nets import evaluator as evaluator_module
from harness.nets.build import build_model
from harness.nets.ensemble import averaged
from harness.nets.evaluator import ProxyEvaluator
from harness.nets.export import plain
from harness.nets.footprint import Sizer
from harness.nets.runtime import load
from harness.report.forms.markdown import markdown
from harness.report.model.cost import cost
from harness.report.model.performance import performance
from harness.run.scoring.metrics import metrics
from harness.run.search import checked
from harness.spaces import get_space

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""NumPy 2 says of TensorFlow's variables that they do not take a keyword; Keras converts them when it saves a model."""
TOY = VectorSpace(4, 3)
A, B = TOY.genotype((0, 1, 2, 0)), TOY.genotype((2, 2, 2, 2))
CELLS = get_space("cell-2")
SIZE = Size(channels=4, layers=3)


def cells(many: int, seed: int = 0) -> tuple[Genotype, ...]:
    rng = np.random.default_rng(seed)
    return tuple(CELLS.sample(rng) for _ in range(many))


class TestProposal:
    def test_it_has_members_and_not_too_many(self) -> None:
        for members in ((), (A,) * (MOST_MEMBERS + 1)):
            with pytest.raises(ValueError, match="1 to 30 members"):
                Ensemble(members)
        assert str(Ensemble((A, B, A))) == f"ensemble:{A} & {B} & {A}"

    def test_it_comes_back_from_json(self) -> None:
        for proposal in (Ensemble((A, B, A)), A, KerasConfig("net", "{}")):
            stored = json.loads(json.dumps(proposal_to_json(proposal)))
            assert stored["text"] == str(proposal)
            assert proposal_from_json(stored, TOY) == proposal

    def test_its_members_are_of_the_space(self) -> None:
        task, elsewhere = make_task(TOY), VectorSpace(5, 3).genotype((0,) * 5)
        with pytest.raises(ValueError, match="not in space"):
            task.propose(Ensemble((A, elsewhere)))
        task.propose(Ensemble((A, B)), 0.5)
        assert checked(task, TOY) == [Ensemble((A, B))]
        task.proposal = Ensemble((A, elsewhere))
        with pytest.raises(Exception, match="not in space 'toy'"):
            checked(task, TOY)

    def test_it_is_proposed_and_not_evaluated(self) -> None:
        task = make_task(TOY)
        with pytest.raises(TypeError, match="evaluate its members"):
            task.evaluate([Ensemble((A,))])
        assert task.meter.spent == 0
        task.propose(Ensemble((A,)), 0.1)
        task.evaluate([B])
        assert task.proposal == Ensemble((A,)), "a single network does not replace it"
        task.propose(B, 0.9)
        assert task.proposal == B

    def test_it_is_handed_over_alone_and_survives_a_checkpoint(self) -> None:
        journal = MemoryJournal()
        task = make_task(TOY, journal=journal, top=3)
        task.evaluate([A, B])
        task.propose(Ensemble((A, B)))
        task.checkpoint(dict)
        assert task.handed_over() == [Ensemble((A, B))]
        again = make_task(TOY, journal=journal, top=3)
        again.restored()
        assert again.handed_over() == [Ensemble((A, B))]
        again.propose(B)
        assert Ensemble((A, B)) not in again.handed_over()


class TestModel:
    def test_probabilities_are_the_mean_of_the_members(self, tmp_path: Path) -> None:
        members = [
            build_model(one, CELLS, SIZE, (8, 8, 3), 5, seed=seed, auxiliary=bool(seed))
            for seed, one in enumerate(cells(2))
        ]
        together = averaged(members)
        images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3)).astype(np.uint8)
        normal = ((100.0,) * 3, (60.0,) * 3)
        mean = np.mean([training.predict(member, images, *normal) for member in members], axis=0)
        np.testing.assert_allclose(training.predict(together, images, *normal), mean, atol=1e-6)
        together.save(tmp_path / "model.keras")
        again = training.predict(load(tmp_path / "model.keras"), images, *normal)
        np.testing.assert_allclose(again, mean, atol=1e-6)
        stock = plain(together, *normal)
        layers = [type(layer).__module__ for layer in stock._flatten_layers()]
        assert not [name for name in layers if name.startswith("harness")]
        np.testing.assert_allclose(stock.predict(images.astype(np.float32), verbose=0), mean, atol=1e-5)

    def test_sizes_are_sums_counted_and_built(self) -> None:
        first, second = cells(2)
        ensemble = Ensemble((first, second, second))
        built = build_model(ensemble, CELLS, SIZE, (8, 8, 3), 5, seed=0)
        single = [build_model(one, CELLS, SIZE, (8, 8, 3), 5, seed=0) for one in ensemble.members]
        for counts in (count.parameters, count.macs):
            assert counts(built) == sum(map(counts, single))
        for most, words in ((count.parameters(built), ""), (count.parameters(built) - 1, "parameters")):
            assert words in Sizer(CELLS, SIZE, (8, 8, 3), 5, Limits(parameters=most))(ensemble)
        assert Sizer(CELLS, SIZE, (8, 8, 3), 5, Limits(parameters=count.parameters(built)))(ensemble) == ""
        weights = [layer.get_weights() for layer in built.layers if isinstance(layer, keras.Model)]
        assert not all(np.array_equal(a, b) for a, b in zip(*weights[1:], strict=True)), "a twin has other weights"


@pytest.mark.usefixtures("untraced")
class TestPredictions:
    """What the proxy evaluator keeps of its trainings."""

    def evaluator(self, folder: Path | None) -> ProxyEvaluator:
        recipe = Recipe(size=SIZE, steps=6, batch=16, validation_images=40)
        return ProxyEvaluator(CELLS, tiny_data(images=60), recipe, 3, folder)

    def test_they_are_those_that_measured_the_accuracy_and_come_back(self, tmp_path: Path) -> None:
        evaluator, meter = self.evaluator(tmp_path / "kept"), Meter(Budget(100, "steps"), 6)
        evaluator.keep_predictions()
        first, second = cells(2)
        found = [evaluator.evaluate(one, number, meter) for number, one in enumerate((first, second, first))]
        labels = tiny_data(images=60).y_valid[:40]
        told = [evaluator.predictions(one, number) for number, one in enumerate((first, second, first))]
        for evaluation, predicted in zip(found, told, strict=True):
            assert predicted.shape == (40, 4)
            np.testing.assert_allclose(predicted.sum(1), 1, atol=1e-5)
            assert np.mean(predicted.argmax(1) == labels) == evaluation.accuracy
        assert not np.array_equal(told[0], told[2]), "another training of the same network"
        elsewhere = self.evaluator(tmp_path / "kept")
        assert np.array_equal(elsewhere.predictions(second, 1), told[1])

    @pytest.mark.parametrize("kept", [True, False])
    def test_what_is_lost_is_trained_again(self, tmp_path: Path, kept: bool) -> None:
        evaluator, meter = self.evaluator(tmp_path / "kept" if kept else None), Meter(Budget(100, "steps"), 6)
        evaluator.keep_predictions()
        [one] = cells(1)
        evaluator.evaluate(one, 0, meter)
        before = evaluator.predictions(one, 0)
        for file in (tmp_path / "kept").glob("*"):
            file.unlink()
        np.testing.assert_array_equal(self.evaluator(tmp_path / "kept").predictions(one, 0), before)

    @pytest.mark.parametrize("drop_path", [0.0, 0.1], ids=["written", "of Keras layers"])
    def test_they_cost_no_second_pass_and_are_what_one_would_give(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drop_path: float
    ) -> None:
        """Budgets of multiply-accumulates count the validations of a training and nothing behind it."""
        recipe = Recipe(size=SIZE, steps=6, batch=16, validations=2, validation_images=40, drop_path=drop_path)
        data, [one], kept = tiny_data(images=60), cells(1), list[np.ndarray]()
        passes, logits = list[int](), training._logits

        def counting(network: object, images: np.ndarray, *others: int) -> np.ndarray:
            passes.append(len(images))
            return logits(network, images, *others)  # type: ignore[arg-type]

        def trained(*args: object, **kwargs: object) -> training.Training:
            done = training.train(*args, **kwargs)  # type: ignore[arg-type]
            before = list(passes)
            kept.append(training.predict(args[0], data.x_valid[:40], data.mean, data.std))  # type: ignore[arg-type]
            passes[:] = before
            return done

        monkeypatch.setattr(training, "_logits", counting)
        monkeypatch.setattr(evaluator_module, "train", trained)
        evaluator = ProxyEvaluator(CELLS, data, recipe, 3, tmp_path / "kept")
        evaluator.keep_predictions()
        evaluator.evaluate(one, 0, Meter(Budget(100, "steps"), 6))
        assert passes == [40, 40]
        np.testing.assert_array_equal(evaluator.predictions(one, 0), kept[0])

    def test_of_a_part_that_was_over_before_they_are_computed(self, tmp_path: Path) -> None:
        """A kill after the last checkpoint, before the predictions were written."""
        data, [one] = tiny_data(images=60), cells(1)
        recipe = Recipe(size=SIZE, steps=6, batch=16, validation_images=40)
        first, again = (ProxyEvaluator(CELLS, data, recipe, 3, tmp_path / name) for name in ("a", "b"))
        for evaluator in (first, again):
            evaluator.keep_predictions()
        meter, rest = Meter(Budget(100, "steps"), 6), Part(3, 6)
        for evaluator in (first, again):
            evaluator.evaluate_part(one, 0, meter, Part(0, 3))
        first.evaluate_part(one, 0, meter, rest)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(np, "save", lambda *args, **kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
            patch.setattr(Path, "unlink", lambda *args, **kwargs: None)
            with pytest.raises(KeyboardInterrupt):
                again.evaluate_part(one, 0, meter, rest)
        assert (tmp_path / "b" / "0.npz").exists()
        again.evaluate_part(one, 0, meter, rest)
        np.testing.assert_array_equal(again.predictions(one, 0), first.predictions(one, 0))

    def test_nothing_is_kept_unless_it_is_asked_for(self, tmp_path: Path) -> None:
        self.evaluator(tmp_path / "kept").evaluate(cells(1)[0], 0, Meter(Budget(100, "steps"), 6))
        assert not list(tmp_path.rglob("*.npy"))

    def test_a_task_gives_those_of_complete_evaluations_only(self) -> None:
        task = make_task(TOY, evaluator=FakeEvaluator(gradient_steps=4))
        task.evaluate([A], share=0.5)
        task.evaluate([A])
        task.evaluate([A])
        with pytest.raises(ValueError, match="no complete one"):
            task.predictions(0)
        assert np.array_equal(task.predictions(1), task.predictions(2)), "a repeat is the same training"
        before = task.meter.spent
        task.predictions(1)
        assert task.meter.spent == before


TWINS = """
from harness import Ensemble
first, second = (task.space.sample(task.rng) for _ in range(2))
task.propose(Ensemble((first, second, first)), 0.5)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ensemble")
    (folder / "methods").mkdir()
    write_method(folder / "methods", "twins", TWINS)
    assert top.start(folder, folder / "calm", "twins", best=1).wait(timeout=500) == 0
    return folder


RUN = Path("tiny", "squares", "macro-3", "twins", "0")


def test_the_row_is_the_mean_of_the_members(trained: Path, tmp_path: Path) -> None:
    directory = trained / "calm" / RUN
    [record] = grid.numbers(trained / "calm")
    assert record["status"] == "ok", record["reason"]
    members = record["networks"]
    assert [(one["rank"], one["member"]) for one in members] == [(1, 1), (1, 2), (1, 3)]
    assert record["proposal"] == "ensemble:" + " & ".join(one["genotype"] for one in members)
    assert len({one["training_seed"] for one in members}) == 3
    assert "chosen" not in record["final"]
    assert record["final"]["steps"] == 3 * 12
    for name in ("parameters", "macs"):
        assert record[name] == sum(one[name] for one in members)
    labels = np.load(trained / "data" / "squares" / "y_test.npy")
    with np.load(directory / "predictions.npz") as stored:
        single = [stored[f"network {number}"] for number in (1, 2, 3)]
        mean = stored["probabilities"]
    np.testing.assert_allclose(mean, np.mean(single, axis=0), atol=1e-7)
    assert not np.array_equal(single[0], single[2]), "twins are trained from other first weights"
    assert record["test_accuracy"] == np.mean(mean.argmax(1) == labels)
    assert [one["test_accuracy"] for one in members] == [np.mean(one.argmax(1) == labels) for one in single]
    assert record["metrics"]["nll"] <= np.mean([metrics(one, labels)["nll"] for one in single])
    assert all("validation_accuracy" not in one for one in members), "they were trained on all images"
    export(directory, tmp_path / "net.keras")
    images = np.load(trained / "data" / "squares" / "x_test.npy")
    exported = keras.models.load_model(tmp_path / "net.keras").predict(images.astype(np.float32), verbose=0)
    np.testing.assert_allclose(exported, mean, atol=1e-5)


@pytest.mark.slow
def test_a_command_killed_between_members_ends_with_the_same_numbers(trained: Path) -> None:
    out = trained / "killed"
    moment, process = out / RUN / "networks" / "1.json", top.start(trained, out, "twins", best=1)
    deadline = time.monotonic() + 300
    while not moment.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert moment.exists()
    assert grid.killed(process), "it was over before it could be killed"
    assert top.start(trained, out, "twins", best=1).wait(timeout=500) == 0
    assert grid.numbers(out) == grid.numbers(trained / "calm")


def test_a_table_says_that_it_cannot_average(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    body = "from harness import Ensemble\ntask.propose(Ensemble((task.sample(), task.sample())))"
    plugin = write_method(tmp_path / "plugins", "twins", body)
    request = tables.request_for(tmp_path, ("twins", "nes_rs", "nes_re"), plugins=(plugin,), seeds=(0,))
    records = {record.method: record for record in tables.run(request)[0]}
    assert records["twins"].status == "failed"
    assert "no predictions to average" in records["twins"].reason
    for name in ("nes_rs", "nes_re"):
        assert records[name].status == "unsupported"
        assert "averages predictions" in records[name].reason


def test_reports_and_show_tell_the_members() -> None:
    members = [
        {"rank": 1, "member": 1, "genotype": "cell:7", "test_accuracy": 0.7},
        {"rank": 1, "member": 2, "genotype": "cell:8", "test_accuracy": 0.6},
    ]
    run = counted("nes_rs", 0.8, networks=members, proposal="ensemble:cell:7 & cell:8")
    for parts in (performance([run, counted("darts", 0.7)]), cost([run])):
        assert "averaged: nes_rs (2 networks). Their parameters" in markdown(parts)
    assert "averaged" not in markdown(performance([counted("darts", 0.7)]))
    shown = "\n".join(lines(show(run), None))
    assert "1. test 70.00 %: cell:7" in shown
    assert "2. test 60.00 %: cell:8" in shown
    assert "chosen" not in shown
