"""AutoKeras under the harness' budget: what it proposes, what it charges, what it leaves behind."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
from fakes import MemoryJournal, make_task, run, tiny_data
from harness.methods.autokeras import METHOD, AutoKeras

from harness.core.dataset import SearchData
from harness.core.errors import InputError
from harness.core.evaluation import KerasConfig
from harness.core.recipe import Recipe
from harness.core.space import Size
from harness.core.task import Task
from harness.nets.build import build_model
from harness.spaces import get_space
from harness.spaces.keras import KerasSpace

SMALL = AutoKeras(epochs=2, images=64, max_model_size=60_000)
RECIPE = Recipe(size=Size(4, 3), steps=1, validation_images=48)
BUDGET = 7  # steps: a trial of two epochs of two batches, and another one that is cut off after three steps
ROOT = Path(__file__).parents[1]
GENERATED = "__autograph_generated"  # TensorFlow's own files, which it removes at the end of the process


def task_of(steps: int, *, journal: MemoryJournal | None = None, data: SearchData | None = None) -> Task:
    budget = f"{steps}steps"
    return make_task(KerasSpace(), budget, data=data or tiny_data(80), recipe=RECIPE, journal=journal, seed=3)


def digest(task: Task) -> str:
    assert isinstance(task.proposal, KerasConfig)
    return hashlib.sha256((task.proposal.name + task.proposal.json).encode()).hexdigest()


@dataclass(frozen=True)
class Whole:
    """A search that ran to the end of its budget, and what it might have changed around it."""

    task: Task
    journal: MemoryJournal
    printed: str
    generators: bool
    left_behind: set[Path]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    with pytest.MonkeyPatch.context() as patch:
        scratch = tmp_path_factory.mktemp("scratch")
        patch.setattr(tempfile, "tempdir", str(scratch))
        patch.chdir(scratch)
        journal, plain, legacy = MemoryJournal(), random.getstate(), np.random.get_state()  # noqa: NPY002
        captured = tmp_path_factory.mktemp("out") / "stdout"
        with captured.open("w") as file:
            patch.setattr(sys, "stdout", file)
            task = run(SMALL, task_of(BUDGET, journal=journal))
        now = np.random.get_state()  # noqa: NPY002
        same = random.getstate() == plain and now[2:] == legacy[2:] and np.array_equal(now[1], legacy[1])
        return Whole(
            task,
            journal,
            captured.read_text(),
            same,
            # TensorFlow's own: what it writes down of a function, and Python's bytecode of that.
            {path for path in scratch.rglob("*") if path.is_file() and not path.name.startswith(GENERATED)},
        )


def test_the_proposal_is_the_best_trials_network_and_the_harness_can_build_it(whole: Whole) -> None:
    best = max((e for e in whole.task.evaluations if not e.failure), key=lambda e: e.accuracy)
    assert whole.task.best == best
    proposal, accuracy, _, shared_weights = whole.journal.proposals[-1]
    assert whole.task.proposal is proposal
    assert (str(proposal), accuracy) == (best.genotype, best.accuracy)
    assert not shared_weights
    data = whole.task.data
    models = [build_model(proposal, KerasSpace(), RECIPE.size, data.image_shape, 4, seed=seed) for seed in (1, 1, 2)]
    x = np.random.default_rng(0).normal(size=(3, *data.image_shape)).astype(np.float32)
    first, again, other = (np.asarray(model(x)) for model in models)
    assert first.shape == (3, 4)
    assert not np.allclose(first.sum(axis=1), 1.0)  # logits, no softmax left
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_starts_come_first_and_those_that_cannot_run_are_logged_and_do_not_end_the_search(whole: Whole) -> None:
    names = [e.genotype.rpartition("-")[0] for e in whole.task.evaluations]
    assert names[:3] == ["keras:vanilla", "keras:resnet50", "keras:efficientnet-b7"]
    reasons = [e.failure for e in whole.task.evaluations]
    assert reasons[0] == ""
    assert "Oversized" in reasons[1]
    assert "pretrained" in reasons[2]
    assert "" in reasons[3:]
    assert whole.journal.evaluations == whole.task.evaluations


def test_the_budget_is_used_up_and_not_exceeded(whole: Whole) -> None:
    assert whole.task.meter.spent == BUDGET
    assert [e.steps for e in whole.task.evaluations if not e.failure] == [4, 3]
    assert not any(e.steps for e in whole.task.evaluations if e.failure)
    assert all(spent <= BUDGET for _, _, spent, _ in whole.journal.proposals)


def test_curves_end_at_the_best_epoch_and_incumbents_rise(whole: Whole) -> None:
    for evaluation in whole.task.evaluations:
        if not evaluation.failure:
            assert evaluation.accuracy == evaluation.curve[-1] == max(evaluation.curve)
    incumbents = [accuracy for _, accuracy, _, _ in whole.journal.proposals]
    assert incumbents == sorted(set(incumbents))


def test_it_leaves_nothing_behind(whole: Whole) -> None:
    assert whole.generators
    assert whole.printed == ""
    assert whole.left_behind == set()


def test_an_interrupted_search_trains_no_trial_again(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = MemoryJournal()
    journal.evaluations = whole.journal.evaluations[:-1]
    fits: list[object] = []
    original = keras.Model.fit
    monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: (fits.append(a), original(*a, **k))[1])
    resumed = run(SMALL, task_of(BUDGET, journal=journal))
    assert len(fits) == 1
    assert resumed.evaluations[:-1] == whole.task.evaluations[:-1]
    assert resumed.evaluations[-1].curve == whole.task.evaluations[-1].curve
    assert resumed.meter.spent == BUDGET
    assert journal.proposals == whole.journal.proposals
    assert digest(resumed) == digest(whole.task)


@pytest.mark.slow
def test_another_process_finds_the_same(whole: Whole) -> None:
    program = "import test_autokeras as t; task = t.run(t.SMALL, t.task_of(t.BUDGET)); print(t.digest(task))"
    paths = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]; "
    done = subprocess.run([sys.executable, "-c", paths + program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest(whole.task)


@pytest.mark.slow
def test_an_error_is_the_trials_reason_and_later_trials_stop_at_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = keras.Model.fit, list[object]()

    def fit(*args: object, **kwargs: object) -> object:
        calls.append(args)
        if len(calls) == 1:
            raise MemoryError("no room\nat all")
        return original(*args, **kwargs)

    monkeypatch.setattr(keras.Model, "fit", fit)
    data = tiny_data(80, classes=2)
    task = run(AutoKeras(images=64, trial_share=0.75, max_model_size=60_000), task_of(4, data=data))
    assert task.evaluations[0].failure == "MemoryError: no room"
    trained = [e for e in task.evaluations if not e.failure]
    assert [e.steps for e in trained] == [3, 1]  # three quarters of four, of a thousand epochs of two; the last one
    assert len(trained[0].curve) <= 2
    assert task.proposal is not None
    model = build_model(task.proposal, KerasSpace(), RECIPE.size, data.image_shape, 2, seed=0)
    assert model.output_shape == (None, 2)


@pytest.mark.slow
def test_a_budget_in_seconds_that_ends_in_the_first_trial_leaves_its_model() -> None:
    ticks = iter(range(100))
    task = make_task(KerasSpace(), "30s", data=tiny_data(80), recipe=RECIPE, clock=lambda: float(next(ticks)))
    run(AutoKeras(images=64), task)
    assert task.evaluations == []
    assert str(task.proposal) == "keras:vanilla-1"
    assert task.meter.spent <= 34  # every look at this clock takes a second, those for the proposal too


def test_it_works_in_its_own_space_and_on_choices() -> None:
    """Any space of choices is searched by its tuner alone."""
    assert METHOD().unsupported(make_task(KerasSpace())) is None
    assert METHOD().unsupported(make_task(get_space("cell"), data=SearchData.of_table("some table"))) is None
    reason = METHOD().unsupported(make_task(KerasSpace(), data=SearchData.of_table("some table")))
    assert "takes the images" in (reason or "")


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"images": -1}, {"trial_share": 0.0}, {"trial_share": 1.1}])
def test_wrong_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="autokeras needs"):
        AutoKeras(**wrong)  # type: ignore[arg-type]


def test_its_space_has_no_genotypes() -> None:
    space = get_space("keras")
    assert space.name == METHOD.space
    assert not space.contains(space.genotype(()))
    with pytest.raises(InputError, match="no genotypes"):
        space.sample(np.random.default_rng(0))
    with pytest.raises(InputError, match="no genotypes"):
        space.decode(space.genotype(()), Size(4, 3))
