"""The training loop: schedules, order, validation, interruption, failure."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from fakes import tiny_data
from fresh_process import in_fresh_process
from test_sgd import network

from harness.core.budget import BudgetSpent
from harness.core.errors import InputError
from harness.core.recipe import Recipe
from harness.core.space import Size
from harness.nets import training
from harness.nets.training import TrainingFailed, accuracy, learning_rate, predict, train

DATA = tiny_data(images=48, side=6)
RECIPE = Recipe(size=Size(4, 1), steps=6, batch=16, learning_rate=0.1)


def stopping_after(steps: int) -> Callable[[int, int], None]:
    def on_step(done: int, total: int) -> None:
        if done == steps:
            raise BudgetSpent

    return on_step


class TestSchedule:
    def test_cosine_from_the_initial_to_the_final_rate(self) -> None:
        recipe = dataclasses.replace(RECIPE, learning_rate=0.5, final_learning_rate=0.1)
        rates = [learning_rate(recipe, step, 100) for step in range(100)]
        assert rates[0] == 0.5
        assert rates[50] == pytest.approx(0.3)
        assert rates[25] == pytest.approx(0.3 + 0.2 * math.sqrt(0.5))
        assert all(earlier > later for earlier, later in itertools.pairwise(rates))
        assert learning_rate(recipe, 100, 100) == pytest.approx(0.1)

    def test_warmup_rises_linearly_from_nought_and_meets_the_cosine_at_its_top(self) -> None:
        recipe = dataclasses.replace(RECIPE, learning_rate=0.8, warmup=0.2)
        rates = [0.0, *(learning_rate(recipe, step, 100) for step in range(100))]
        np.testing.assert_allclose(np.diff(rates[:22]), 0.8 / 21)
        assert max(rates) == rates[21] == 0.8
        assert rates[21 + 40] == pytest.approx(0.4)

    def test_the_loop_uses_it_and_drop_path_rises_linearly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []

        class Spy(training.TrainingStep):
            def __call__(self, images: object, labels: object, step: int, rate: float, drop_path: float) -> float:
                calls.append((step, rate, drop_path))
                return super().__call__(images, labels, step, rate, drop_path)

        monkeypatch.setattr(training, "TrainingStep", Spy)
        recipe = dataclasses.replace(RECIPE, steps=4, drop_path=0.2)
        train(network(drop_path=True), DATA, recipe, seed=0)
        assert [step for step, *_ in calls] == [0, 1, 2, 3]
        assert [rate for _, rate, _ in calls] == [learning_rate(recipe, step, 4) for step in range(4)]
        np.testing.assert_allclose([drop for *_, drop in calls], [0.0, 0.05, 0.1, 0.15])


def test_it_learns_and_reports() -> None:
    recipe = dataclasses.replace(RECIPE, steps=120, validations=4)
    model, steps = network(), []
    result = train(model, DATA, recipe, seed=0, on_step=lambda done, total: steps.append((done, total)))
    assert steps == [(done, 120) for done in range(1, 121)]
    assert result.steps == 120
    assert len(result.curve) == 4
    assert result.curve[-1] == result.accuracy == accuracy(model, DATA.x_valid, DATA.y_valid, DATA.mean, DATA.std)
    assert result.accuracy > 0.9 > result.curve[0]
    assert result.images_per_second > 0
    assert result.seconds > 0


def test_there_are_no_more_validations_than_steps() -> None:
    result = train(network(), DATA, dataclasses.replace(RECIPE, steps=2, validations=5), seed=0)
    assert len(result.curve) == 2


def test_train_images_and_validation_images_limit_what_is_used() -> None:
    labels = DATA.y_train.copy()
    labels[20:] = 99  # would raise
    wrong = DATA.y_valid.copy()
    wrong[:10] = -1  # cannot be met
    data = dataclasses.replace(DATA, y_train=labels, y_valid=wrong)
    recipe = dataclasses.replace(RECIPE, steps=30, train_images=20, validation_images=10)
    assert train(network(), data, recipe, seed=0).accuracy == 0.0
    assert train(network(), data, dataclasses.replace(recipe, validation_images=0), seed=0).accuracy > 0.0


def test_without_validation_images_there_is_no_accuracy() -> None:
    data = dataclasses.replace(DATA, x_valid=DATA.x_valid[:0], y_valid=DATA.y_valid[:0])
    result = train(network(), data, RECIPE, seed=0)
    assert math.isnan(result.accuracy)
    assert result.curve == ()


def test_the_seed_matters() -> None:
    first, second = network(), network()
    for seed, model in enumerate((first, second)):
        train(model, DATA, RECIPE, seed=seed)
    assert fingerprint(first) != fingerprint(second)


@pytest.mark.parametrize(("part", "recipe"), [("images", RECIPE), ("steps", dataclasses.replace(RECIPE, steps=0))])
def test_nothing_to_train_on_is_refused(part: str, recipe: Recipe) -> None:
    empty = dataclasses.replace(DATA, x_train=DATA.x_train[:0], y_train=DATA.y_train[:0])
    with pytest.raises(InputError, match="at least one"):
        train(network(), empty if part == "images" else DATA, recipe, seed=0)


def test_a_loss_that_is_not_finite_stops_the_training() -> None:
    recipe = dataclasses.replace(RECIPE, steps=50, learning_rate=1e30, gradient_clip=0.0)
    with pytest.raises(TrainingFailed, match=r"the loss was (nan|inf) at step"):
        train(network(), DATA, recipe, seed=0)


def test_what_on_step_raises_passes() -> None:
    with pytest.raises(BudgetSpent):
        train(network(), DATA, RECIPE, seed=0, on_step=stopping_after(2))


def test_time_limited_training_keeps_its_deadline_and_ends_its_schedule() -> None:
    recipe = dataclasses.replace(RECIPE, steps=10**6, seconds=2.0)
    seen: list[tuple[int, int, float]] = []
    began = time.perf_counter()
    result = train(
        network(), DATA, recipe, seed=0, on_step=lambda *counts: seen.append((*counts, time.perf_counter() - began))
    )
    done, total, finished = seen[-1]
    assert done == total == result.steps
    assert 1 < done < 10**6
    # The last validation traces and is not part of the time; before it, only a step or two may be late.
    assert seen[-2][2] < 2.0 + 0.3
    assert finished < 2.0 + 3.0


class TestEpochs:
    """Trainings counted in passes over the images."""

    RECIPE = dataclasses.replace(RECIPE, steps=1, epochs=2.5, seconds=1000.0)

    @pytest.mark.parametrize("images", [16, 32, 48])
    def test_steps_follow_from_the_images(self, images: int) -> None:
        recipe = dataclasses.replace(self.RECIPE, train_images=images)
        result = train(network(), DATA, recipe, seed=0)
        assert result.steps == recipe.steps_on(images) == round(2.5 * images / 16)
        assert result.epochs == result.steps * 16 / images
        assert not result.capped

    def test_the_cap_does_not_change_what_is_learnt(self) -> None:
        def probabilities(recipe: Recipe) -> np.ndarray:
            model = network()
            train(model, DATA, recipe, seed=0)
            return predict(model, DATA.x_valid, DATA.mean, DATA.std)

        counted = dataclasses.replace(RECIPE, steps=self.RECIPE.steps_on(48))
        np.testing.assert_array_equal(probabilities(self.RECIPE), probabilities(counted))

    def test_what_a_cap_has_cut_short_says_so(self) -> None:
        recipe = dataclasses.replace(self.RECIPE, epochs=1e6, seconds=1.0)
        result = train(network(), DATA, recipe, seed=0)
        assert result.capped
        assert result.steps < recipe.steps_on(48)
        assert result.epochs == pytest.approx(result.steps / 3)

    def test_no_other_training_is_capped(self) -> None:
        timed = train(network(), DATA, dataclasses.replace(RECIPE, steps=10**6, seconds=0.5), seed=0)
        counted = train(network(), DATA, RECIPE, seed=0)
        assert not timed.capped
        assert not counted.capped
        assert counted.epochs == 6 * 16 / 48


class TestPrediction:
    def test_probabilities_in_any_batch_size(self) -> None:
        model = network()
        whole = predict(model, DATA.x_valid, DATA.mean, DATA.std)
        assert whole.shape == (48, 4)
        assert whole.dtype == np.float32
        np.testing.assert_allclose(whole.sum(-1), 1.0, rtol=1e-5)
        np.testing.assert_allclose(predict(model, DATA.x_valid, DATA.mean, DATA.std, batch=7), whole, rtol=1e-5)
        hits = np.mean(whole.argmax(-1) == DATA.y_valid)
        assert accuracy(model, DATA.x_valid, DATA.y_valid, DATA.mean, DATA.std) == hits

    def test_the_auxiliary_head_is_left_out(self) -> None:
        two, one = network(auxiliary=True), network()
        np.testing.assert_array_equal(
            predict(two, DATA.x_valid, DATA.mean, DATA.std), predict(one, DATA.x_valid, DATA.mean, DATA.std)
        )

    def test_no_images(self) -> None:
        assert predict(network(), DATA.x_valid[:0], DATA.mean, DATA.std).shape == (0, 4)
        assert math.isnan(accuracy(network(), DATA.x_valid[:0], DATA.y_valid[:0], DATA.mean, DATA.std))


# Below: interruption. Bits are compared, so these run in processes with deterministic operations.


def restless() -> keras.Model:
    """A network with everything that has a state: normalisation, drop path, dropout."""
    image = keras.Input((6, 6, 1))
    features = network(drop_path=True)(image)
    kernel = keras.initializers.RandomNormal(seed=5)
    head = keras.layers.Dense(4, kernel_initializer=kernel)(keras.layers.Dropout(0.3, seed=7)(features))
    return keras.Model(image, head)


RESTLESS_DATA = dataclasses.replace(DATA, crop_padding=1, flip=True, cutout=2)
# 7 steps of 20 images in epochs of 48, under a cap in seconds that is not reached.
RESTLESS = dataclasses.replace(
    RECIPE, steps=1, epochs=7 * 20 / 48, seconds=1e6, batch=20, validations=3, drop_path=0.3, cutout=True, warmup=0.2
)


def fingerprint(model: keras.Model) -> str:
    digest = hashlib.sha256()
    for variable in model.variables:
        digest.update(variable.numpy().tobytes())
    return digest.hexdigest()


def check_resume(directory: str) -> None:
    """An interrupted training, resumed twice, ends like an undisturbed one; then writes what that is."""
    training.CHECKPOINT_SECONDS = 0.0
    path = Path(directory) / "checkpoint.npz"
    undisturbed = restless()
    expected = train(undisturbed, RESTLESS_DATA, RESTLESS, seed=3)
    for steps in (2, 5):
        try:
            train(restless(), RESTLESS_DATA, RESTLESS, seed=3, checkpoint=path, on_step=stopping_after(steps))
        except BudgetSpent:
            continue
        raise AssertionError("was not interrupted")
    resumed, steps_left = restless(), []
    assert fingerprint(resumed) != fingerprint(undisturbed)
    result = train(
        resumed, RESTLESS_DATA, RESTLESS, seed=3, checkpoint=path, on_step=lambda done, _: steps_left.append(done)
    )
    assert steps_left == [6, 7]
    assert fingerprint(resumed) == fingerprint(undisturbed)
    assert (result.curve, result.steps) == (expected.curve, expected.steps)
    assert result.seconds > 0
    (Path(directory) / "fingerprint").write_text(f"{fingerprint(resumed)} {result.curve}")


@pytest.mark.slow
def test_resumed_training_is_bit_identical_and_two_processes_agree(tmp_path: Path) -> None:
    found = []
    for process in ("first", "second"):
        (tmp_path / process).mkdir()
        in_fresh_process("test_training", f"check_resume({str(tmp_path / process)!r})")
        found.append((tmp_path / process / "fingerprint").read_text())
    assert found[0] == found[1]


def test_a_finished_checkpoint_is_not_trained_again(tmp_path: Path) -> None:
    path, model, again = tmp_path / "checkpoint.npz", network(), network(seed=9)
    first = train(model, DATA, RECIPE, seed=0, checkpoint=path)
    second = train(again, DATA, RECIPE, seed=0, checkpoint=path, on_step=stopping_after(1))
    assert (second.accuracy, second.steps) == (first.accuracy, 6)
    assert fingerprint(again) == fingerprint(model)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.npz"], "nothing half-written stays"


def test_a_checkpoint_is_written_only_every_so_often(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    with pytest.raises(BudgetSpent):
        train(network(), DATA, RECIPE, seed=0, checkpoint=path, on_step=stopping_after(3))
    assert not path.exists()


@pytest.mark.parametrize("other", ["seed", "recipe", "model"])
def test_the_checkpoint_of_another_training_is_refused(tmp_path: Path, other: str) -> None:
    path = tmp_path / "checkpoint.npz"
    train(network(), DATA, RECIPE, seed=0, checkpoint=path)
    recipe = dataclasses.replace(RECIPE, momentum=0.5) if other == "recipe" else RECIPE
    model = network(auxiliary=True) if other == "model" else network()
    with pytest.raises(InputError, match="another training"):
        train(model, DATA, recipe, seed=1 if other == "seed" else 0, checkpoint=path)
