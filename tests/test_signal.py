"""``run --signal``: a search may be told another number than the accuracy of its trainings on the validation images."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from fakes import VectorSpace, make_task, tiny_data
from report_records import make, save, with_logs
from test_run_plan import refuse_each_other, request_for

from harness.commands.experience import write_experience
from harness.commands.show import lines, show
from harness.core.errors import InputError
from harness.core.home import CHECKOUT
from harness.core.method import Method, needs_accuracy
from harness.core.recipe import Recipe
from harness.core.signal import SIGNALS
from harness.core.space import Size
from harness.core.task import Task
from harness.plugins.catalogue import Catalogue, load_method
from harness.report.forms.charts import chart
from harness.report.forms.markdown import markdown
from harness.report.model.groups import blocks
from harness.report.model.load import load_runs
from harness.report.model.performance import performance
from harness.run.job import Unsupported
from harness.run.profiles import SMOKE
from harness.run.request import make_request
from harness.run.scoring.metrics import metrics
from harness.run.search import let_search

OTHERS = [name for name in SIGNALS if name != "accuracy"]
RECIPE = Recipe(size=Size(4, 1), steps=12, batch=32, validations=2)
METHODS = Catalogue().names("method")


class TestNumbers:
    @pytest.mark.parametrize("seed", range(20))
    def test_they_are_those_of_the_record(self, seed: int) -> None:
        """The classes of the labels may lack some, and those of the predictions others."""
        rng = np.random.default_rng(seed)
        labels = rng.choice(rng.permutation(7)[: rng.integers(1, 7)], 30)
        probabilities = rng.dirichlet(np.ones(7) / 2, 30)
        predicted, scored = probabilities.argmax(-1), metrics(probabilities, labels)
        for name in OTHERS:
            assert SIGNALS[name].measure(predicted, labels) == pytest.approx(scored[name], abs=1e-12)
        assert SIGNALS["accuracy"].measure(predicted, labels) == float(np.mean(predicted == labels))

    def test_they_are_shares_and_right_is_best(self) -> None:
        labels = np.array([0, 0, 0, 2])
        for told in SIGNALS.values():
            assert told.measure(labels, labels) == 1
            assert told.measure(labels + 1, labels) == 0
        always = np.zeros(4, np.int64)
        assert [SIGNALS[name].measure(always, labels) for name in ("accuracy", "balanced_accuracy")] == [0.75, 0.5]


class TestTrainings:
    @pytest.mark.parametrize("name", OTHERS)
    def test_an_evaluation_has_the_number_in_place_of_its_accuracy_and_nothing_else_differs(self, name: str) -> None:
        from harness.core.budget import Budget, Meter
        from harness.nets.evaluator import ProxyEvaluator
        from harness.spaces import get_space

        space, data = get_space("nasbench201"), tiny_data(images=64)
        rare = np.where(np.arange(len(data.y_valid)) < len(data.y_valid) - 3, 0, data.y_valid)
        data, model = dataclasses.replace(data, y_valid=rare), space.sample(np.random.default_rng(0))
        found = {}
        for signal in ("accuracy", name):
            trains = ProxyEvaluator(space, data, dataclasses.replace(RECIPE, signal=signal), 0)
            evaluation = trains.evaluate(model, 0, Meter(Budget.parse("5evals"), RECIPE.steps))
            predicted = trains.predictions(model, 0)
            found[signal] = evaluation, predicted
            assert evaluation.accuracy == SIGNALS[signal].measure(predicted.argmax(-1), rare)
            assert evaluation.curve[-1] == evaluation.accuracy
        (usual, before), (other, after) = found.values()
        assert np.array_equal(before, after)
        assert (usual.steps, usual.macs, usual.share) == (other.steps, other.macs, other.share)


class TestRecipe:
    def test_the_usual_one_is_written_as_it_was(self) -> None:
        assert "signal" not in RECIPE.values()
        assert "signal" not in repr(RECIPE), "a checkpoint knows its training by this text"
        assert dataclasses.replace(RECIPE, signal="macro_f1").values()["signal"] == "macro_f1"

    def test_a_plain_one_counts_steps_and_has_only_what_every_training_has(self) -> None:
        """Nesterov momentum, decay, augmentation and the clip of DARTS; whatever else has to be asked for."""
        plain = Recipe(size=Size(4, 1), steps=12)
        assert (plain.limit, plain.steps_on(1000), plain.validations) == ("steps", 12, 1)
        asked = ("epochs", "seconds", "final_learning_rate", "warmup", "label_smoothing", "drop_path", "auxiliary")
        assert not any(getattr(plain, name) for name in (*asked, "cutout", "validation_images", "train_images"))
        assert (plain.momentum, plain.weight_decay, plain.gradient_clip, plain.augment) == (0.9, 3e-4, 5.0, True)

    def test_a_command_changes_the_trainings_of_searches_only(self) -> None:
        told = make_request(profile="smoke", signal="macro_f1").profile
        assert told == dataclasses.replace(SMOKE, proxy=dataclasses.replace(SMOKE.proxy, signal="macro_f1"))
        assert (
            make_request(profile="smoke", signal="accuracy").profile == make_request(profile="smoke").profile == SMOKE
        )

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            ({"profile": "smoke", "signal": "macro_f"}, "did you mean macro_f1"),
            ({"profile": "smoke", "signal": "nll"}, "there is no signal 'nll'"),
            ({"datasets": "nasbench201/cifar10", "profile": "nb201", "signal": "macro_f1"}, "leave --signal out"),
            ({"datasets": "table:mine.csv", "signal": "macro_f1"}, "a column of its table; leave --signal out"),
            ({"profile": "smoke", "top": 2, "signal": "macro_f1"}, "leave --top or --signal out"),
        ],
    )
    def test_what_cannot_be_told_is_one_sentence(self, words: dict[str, object], sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            make_request(**words)  # type: ignore[arg-type]


def test_one_directory_holds_one_kind(tmp_path: Path) -> None:
    usual = request_for(tmp_path, methods=("good",), seeds=(0,))
    refuse_each_other(
        usual,
        dataclasses.replace(usual, profile=SMOKE.with_signal("macro_f1")),
        "was told accuracy, here it is macro_f1; name another directory",
        "was told macro_f1, here it is accuracy",
    )


def told_task(signal: str) -> Task:
    task = make_task(VectorSpace(4))
    task.recipe = dataclasses.replace(task.recipe, signal=signal)
    return task


def mentions(module: Path, word: str) -> bool:
    """Whether a method's file, or one that it imports from the shared ones, has ``word``."""
    seen: set[Path] = set()
    todo = [module]
    while todo:
        path = todo.pop()
        if path in seen or not path.exists():
            continue
        seen.add(path)
        text = path.read_text(encoding="utf-8")
        if word in text:
            return True
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.level:
                folder = path.parent / (node.module or "").replace(".", "/")
                todo += [folder.with_suffix(".py"), *(folder / f"{one.name}.py" for one in node.names)]
    return False


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_reads_validation_labels_itself_does_not_pass_for_one_that_follows(name: str) -> None:
    cls = load_method(Catalogue().source("method", name))
    method = cls()
    assert needs_accuracy(method, told_task("accuracy")) is None
    refused = needs_accuracy(method, told_task("macro_f1"))
    if mentions(CHECKOUT / "methods" / f"{name}.py", "y_valid"):
        assert refused is not None
        assert "judges networks itself, by another number than the macro F1" in refused


def test_a_supernet_is_refused_and_those_that_only_ask_for_evaluations_are_not() -> None:
    refused = {
        name
        for name in METHODS
        if needs_accuracy(load_method(Catalogue().source("method", name))(), told_task("macro_f1"))
    }
    assert refused >= {"darts", "enas_micro", "rs_ws", "smash", "nes_rs", "autokeras"}
    assert not refused & {"random_search", "random_sampling", "regularized_evolution", "eas", "morphism_bo", "asha"}


class Own(Method):
    name, title, space = "own", "Own", "cell"

    def search(self, task: Task) -> None:
        task.propose(task.sample())


@pytest.mark.parametrize(
    ("trains", "follows", "refused"),
    [(False, None, False), (True, None, True), (True, True, False), (False, False, True)],
)
def test_a_method_that_trains_has_to_say_that_it_follows(trains: bool, follows: bool | None, refused: bool) -> None:
    kind = type("Kind", (Own,), {"trains": trains, "follows_signal": follows})
    if refused:
        with pytest.raises(Unsupported, match="macro F1 that --signal asks for"):
            let_search(kind(), told_task("macro_f1"))
    else:
        let_search(kind(), told_task("macro_f1"))
    let_search(kind(), told_task("accuracy"))


TOLD = {"proxy": {"steps": 8, "signal": "macro_f1"}, "final": {"steps": 60}}
USUAL = {"proxy": {"steps": 8}, "final": {"steps": 60}}


class TestReport:
    def test_tables_and_plots_name_it_and_never_mix_two(self) -> None:
        runs = [with_logs(make("darts", 0.9, recipes=one), (1.0, 0.5)) for one in (TOLD, USUAL)]
        assert [block.signal for block in blocks(runs)] == ["accuracy", "macro_f1"]
        usual, told = (chart(block, "fashion_mnist", lambda _: "")["told"] for block in blocks(runs))
        assert (usual, told) == ("validation accuracy", "validation macro F1")
        assert "searches told the validation macro F1" in markdown(performance(runs[:1]))
        assert "searches told" not in markdown(performance(runs[1:]))
        assert any("incumbent's validation macro F1 after" in line for line in lines(show(runs[0]), None))

    def test_a_table_whose_column_has_a_name_of_its_own_is_no_other_kind(self) -> None:
        recipes = {"proxy": {"table": "t", "signal": "hp12"}, "final": {"table": "t", "score": "test accuracy"}}
        assert [block.signal for block in blocks([make("darts", 0.9, recipes=recipes)])] == ["accuracy"]

    @pytest.mark.parametrize("damaged", ["f1", 3, None, ["macro_f1"]])
    def test_a_record_with_an_unknown_one_is_damaged(self, tmp_path: Path, damaged: object) -> None:
        save(make("darts", 0.9, recipes={"proxy": {"signal": damaged}}), tmp_path)
        with pytest.raises(InputError, match=r"record\.json is damaged"):
            load_runs(tmp_path)

    def test_experience_is_of_accuracies(self, tmp_path: Path) -> None:
        save(with_logs(make("darts", 0.9, recipes=TOLD), (1.0, 0.5)), tmp_path)
        with pytest.raises(InputError, match="were told macro_f1"):
            write_experience(tmp_path / "runs", tmp_path / "experience.csv")
