"""One network on several devices learns as on one. Here they are parts of a CPU, in processes of their own, because
TensorFlow cannot be told of them once it has started.

Sums round otherwise on several devices. Where a value is nought but for rounding, or two are equal, ReLU and maximum
pooling make more of that: a gradient that differs in the third digit. So at full learning rates the networks here are
smooth; one with kinks is trained so slowly that it stays where it is.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from deterministic import refused_on_cards
from fakes import tiny_data
from fresh_process import TESTS, in_fresh_process

from harness.core.errors import InputError
from harness.core.recipe import Recipe
from harness.core.space import Size
from harness.nets import make, norm, replicas, runtime, sgd, training
from harness.nets.build import build_model
from harness.nets.layers import DropPath, Shake
from harness.nets.mirrored import mirrored
from harness.nets.norm import FusedBatchNormalization
from harness.spaces import get_space

SIDE, CLASSES, STEPS = 16, 4, 24
DATA = dataclasses.replace(
    tiny_data(images=80, side=SIDE, channels=3, classes=CLASSES), flip=True, crop_padding=2, cutout=6
)
RECIPE = Recipe(
    size=Size(channels=4, layers=3),
    steps=STEPS,
    batch=32,
    learning_rate=0.025,
    cutout=True,
    drop_path=0.3,
    auxiliary=0.4,
    gradient_clip=1.0,
    validations=2,
)


def kinked() -> keras.Model:
    """A network of DARTS' cells as ``published`` trains it, only smaller."""
    space = get_space("cell-2")
    genotype = space.sample(np.random.default_rng(3))
    return build_model(genotype, space, RECIPE.size, (SIDE, SIDE, 3), CLASSES, seed=0, drop_path=True, auxiliary=True)


def cells() -> keras.Model:
    """The same network without kinks."""
    pooling = make.FastPooling2D
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.layers, "ReLU", lambda: keras.layers.Activation("softplus"))
        patch.setattr(make, "FastPooling2D", lambda _, size, strides: pooling("avg", size, strides))
        return kinked()


def drawn(width: int = 8) -> keras.Model:
    """A network with everything else that draws random numbers."""

    def weights(seed: int) -> keras.initializers.Initializer:
        return keras.initializers.RandomNormal(0.0, 0.2, seed=seed)

    image = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(width, 3, strides=2, kernel_initializer=weights(1))(image)
    x = keras.layers.Dropout(0.3, seed=5)(FusedBatchNormalization()(x))
    branches = [
        FusedBatchNormalization()(keras.layers.Conv2D(width, 1, kernel_initializer=weights(s))(x)) for s in (2, 3)
    ]
    x = keras.layers.Activation("softplus")(Shake(seed=6)(branches))
    x = keras.layers.Dropout(0.5, seed=7)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, keras.layers.Dense(CLASSES, kernel_initializer=weights(4))(x))


def trained(
    network: Callable[[], keras.Model], devices: int, recipe: Recipe = RECIPE
) -> tuple[keras.Model, list[float], training.Training]:
    """The network, the losses of its steps, and what its training told."""
    losses: list[float] = []

    class Told(sgd.TrainingStep):
        def __call__(self, *words: Any) -> float:
            losses.append(super().__call__(*words))
            return losses[-1]

    model, training.TrainingStep = network(), Told  # type: ignore[misc]
    try:
        return model, losses, training.train(model, DATA, recipe, seed=1, devices=devices)
    finally:
        training.TrainingStep = sgd.TrainingStep  # type: ignore[misc]


def apart(losses: Sequence[float], others: Sequence[float]) -> float:
    """The largest difference in proportion."""
    assert len(losses) == len(others) == STEPS
    return float(np.max(np.abs(np.subtract(losses, others)) / np.abs(others)))


def start(devices: int) -> None:
    assert runtime.start(threads=1, deterministic=True, seed=0, devices=devices) == "CPU"


def check_same_training(name: str, devices: int, rate: float) -> None:
    start(devices)
    network: Callable[[], keras.Model] = globals()[name]
    recipe = dataclasses.replace(RECIPE, learning_rate=rate)
    alone, expected, told = trained(network, 1, recipe)
    model, losses, spread = trained(network, devices, recipe)
    print(name, devices, "losses differ by", apart(losses, expected), "and go from", losses[0], "to", losses[-1])
    assert apart(losses, expected) < 1e-5
    assert spread.steps == told.steps == STEPS
    np.testing.assert_allclose(spread.curve, told.curve, atol=1e-6)
    for row in ("epoch", "loss", "accuracy"):
        np.testing.assert_allclose(spread.learning[row], told.learning[row], rtol=1e-5, atol=2e-6)
    assert type(model.variables[0].value) is type(alone.variables[0].value), "it is on one device again"
    for ours, theirs in zip(model.variables, alone.variables, strict=True):
        wanted = theirs.numpy()
        np.testing.assert_allclose(ours.numpy(), wanted, rtol=1e-4, atol=1e-6 + 1e-4 * np.abs(wanted).max())
    predicted = [training.predict(one, DATA.x_valid, DATA.mean, DATA.std) for one in (model, alone)]
    np.testing.assert_allclose(*predicted, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "devices", "rate"),
    [
        ("cells", 2, 0.025),
        pytest.param("drawn", 4, 0.025, marks=pytest.mark.slow),
        pytest.param("kinked", 2, 0.0001, marks=pytest.mark.slow),
    ],
)
def test_losses_weights_and_predictions_are_those_of_one_device(name: str, devices: int, rate: float) -> None:
    in_fresh_process("test_mirrored", f"check_same_training({name!r}, {devices}, {rate})")


def check_one_after_the_other() -> None:
    """As the best proposals of a search are: TensorFlow numbers the sums of a process, and no number comes twice."""
    start(2)
    trained(drawn, 2)
    runtime.forget()
    _, expected, _ = trained(lambda: drawn(12), 1)
    _, losses, _ = trained(lambda: drawn(12), 2)
    assert apart(losses, expected) < 1e-5


@pytest.mark.slow
def test_a_process_trains_one_network_after_the_other() -> None:
    in_fresh_process("test_mirrored", "check_one_after_the_other()")


def check_mistakes_are_seen() -> None:
    """Each of them is what a network in parts does by itself."""
    start(2)
    _, expected, _ = trained(cells, 1)

    def by_part(images: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float) -> Any:
        mean, variance = tf.nn.moments(images, [0, 1, 2])
        return tf.nn.batch_normalization(images, mean, variance, offset, scale, epsilon), mean, variance

    def draws_of_the_part(values: tf.Tensor, axis: int = 0) -> tf.Tensor:
        number = replicas.parts()
        return tf.split(values, number, axis)[0 if values.dtype == tf.float32 else replicas._place()]

    for place, name, mistake in ((norm, "training_together", by_part), (replicas, "own", draws_of_the_part)):
        right = getattr(place, name)
        setattr(place, name, mistake)
        _, losses, _ = trained(cells, 2)
        setattr(place, name, right)
        assert apart(losses, expected) > 1e-3, name


@pytest.mark.slow
def test_normalisation_or_random_numbers_by_part_would_be_seen() -> None:
    in_fresh_process("test_mirrored", "check_mistakes_are_seen()")


def check_repeatable() -> None:
    start(2)
    model = kinked()
    with mirrored(model, 2) as (copy, strategy):
        step = sgd.TrainingStep(copy, DATA, RECIPE, 0, None, strategy)
        step(DATA.x_train[:8], DATA.y_train[:8], 0, 0.1, 0.0)
        arguments = [tf.constant(DATA.x_train[:8]), tf.constant(DATA.y_train[:8]), tf.constant([1, 0])]
        found = step._traced.get_concrete_function(*arguments, tf.constant(0.1), tf.constant(0.0))
        assert not refused_on_cards(found)


def test_a_step_on_several_cards_can_repeat_itself() -> None:
    """Final trainings that are counted in epochs ask for that."""
    in_fresh_process("test_mirrored", "check_repeatable()")


def check_normalisation() -> None:
    """Against Keras' layer on the whole batch, also where the mean is far from nought and the parts are unlike."""
    start(2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    rng = np.random.default_rng(0)
    for affine, shape in ((True, (8, 5, 4, 3)), (False, (8, 6, 4, 24)), (True, (8, 12, 11, 12)), (True, (4, 1, 1, 16))):
        x = rng.normal(50.0, 3.0, shape).astype(np.float32)
        x[shape[0] // 2 :] *= 1.2
        with strategy.scope():
            layer = FusedBatchNormalization(momentum=0.8, affine=affine)
            layer.build(shape)
        for weight in layer.weights:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        plain = layer.to_plain()
        plain.build(shape)
        plain.set_weights(layer.plain_weights())

        def told(layer: keras.layers.Layer, x: tf.Tensor) -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
                loss = tf.reduce_sum(y * tf.sin(3.0 * y))
            return [y, *tape.gradient(loss, [x, *(weight.value for weight in layer.trainable_weights)])]

        @tf.function(autograph=False)
        def in_parts(x: tf.Tensor, layer: FusedBatchNormalization = layer, told: Any = told) -> Any:
            return strategy.run(lambda x: told(layer, replicas.own(x)), (x,))

        found = [strategy.experimental_local_results(one) for one in in_parts(tf.constant(x))]
        whole = told(plain, tf.constant(x))
        joined = [np.concatenate(one) for one in found[:2]] + [np.sum(one, axis=0) for one in found[2:]]
        assert len(joined) == len(whole) == (4 if affine else 2)
        for ours, keras_own in zip(joined, whole, strict=True):
            np.testing.assert_allclose(ours, keras_own, rtol=1e-3, atol=2e-5 * np.abs(keras_own).max())
        for name in ("moving_mean", "moving_variance"):
            copies = strategy.experimental_local_results(getattr(layer, name).value)
            assert len(copies) == 2
            for copy in copies:
                np.testing.assert_allclose(copy, getattr(plain, name), rtol=1e-5)


def test_normalisation_is_over_the_whole_batch_forward_and_backward() -> None:
    in_fresh_process("test_mirrored", "check_normalisation()")


def leave_half_way(checkpoint: str) -> None:
    """Is killed after a third of the steps, when a checkpoint of the step before is there."""
    start(2)

    def on_step(done: int, total: int) -> None:
        if done == total // 3:
            os.kill(os.getpid(), signal.SIGKILL)

    training.CHECKPOINT_SECONDS = 0.0
    training.train(drawn(), DATA, RECIPE, seed=1, devices=2, checkpoint=Path(checkpoint), on_step=on_step)


def check_it_goes_on(checkpoint: str) -> None:
    start(2)
    undisturbed, _, told = trained(drawn, 2)
    left = Path(checkpoint).read_bytes()
    for devices in (2, 1):
        Path(checkpoint).write_bytes(left)
        steps: list[int] = []
        model = drawn()
        resumed = training.train(
            model,
            DATA,
            RECIPE,
            seed=1,
            devices=devices,
            checkpoint=Path(checkpoint),
            on_step=lambda done, total, steps=steps: steps.append(done),
        )
        assert steps == list(range(STEPS // 3 + 1, STEPS + 1))
        pairs = [
            (ours.numpy(), theirs.numpy()) for ours, theirs in zip(model.variables, undisturbed.variables, strict=True)
        ]
        if devices == 2:
            assert all(np.array_equal(*pair) for pair in pairs)
            assert (resumed.curve, resumed.learning) == (told.curve, told.learning)
        for ours, theirs in pairs:
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6 + 1e-4 * np.abs(theirs).max())


@pytest.mark.slow
def test_a_killed_training_goes_on_with_as_many_devices_or_with_one(tmp_path: Path) -> None:
    checkpoint = str(tmp_path / "checkpoint")
    code = f"import test_mirrored; test_mirrored.leave_half_way({checkpoint!r})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr[-3000:]
    in_fresh_process("test_mirrored", f"check_it_goes_on({checkpoint!r})")


def check_refusals() -> None:
    start(2)
    with pytest.raises(InputError, match="batches of 32 images have no 3 equal parts"):
        training.train(drawn(), DATA, RECIPE, seed=0, devices=3)
    with pytest.raises(InputError, match="TensorFlow has 2 devices of kind CPU here, and the training needs 4"):
        training.train(drawn(), DATA, RECIPE, seed=0, devices=4)
    image = keras.Input((SIDE, SIDE, 3))
    for layer in (keras.layers.BatchNormalization(name="culprit"), keras.layers.GaussianNoise(0.1, name="culprit")):
        model = keras.Model(image, layer(image))
        with pytest.raises(InputError, match="layer 'culprit' works on whole batches only"), mirrored(model, 2):
            pass
    model = drawn()
    before = [variable.numpy() for variable in model.variables]

    def on_step(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        training.train(model, DATA, RECIPE, seed=0, devices=2, on_step=on_step)
    changed = [not np.array_equal(old, new.numpy()) for old, new in zip(before, model.variables, strict=True)]
    assert all(changed), "what was learnt until an exception is kept, as on one device"


def test_what_cannot_be_spread_is_refused_and_what_was_learnt_is_kept() -> None:
    in_fresh_process("test_mirrored", "check_refusals()")


@pytest.mark.parametrize(("there", "needed", "fine"), [(0, 4, True), (4, 4, True), (1, 1, True), (3, 4, False)])
def test_a_search_whose_final_training_lacks_cards_does_not_begin(
    monkeypatch: pytest.MonkeyPatch, there: int, needed: int, fine: bool
) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a card"] * there)
    if fine:
        runtime.check_cards(needed)
    else:
        with pytest.raises(InputError, match="TensorFlow finds 3 of the 4 graphics cards"):
            runtime.check_cards(needed)


def test_on_one_device_there_are_no_parts_and_no_nodes_for_them() -> None:
    layer, images = DropPath(seed=1), tf.zeros([4, 2, 2, 3])
    layer.build(images.shape)

    @tf.function
    def nothing(images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return replicas.own(images), replicas.mean(images), replicas.total(images)

    assert replicas.parts() == 1
    assert [node.type for node in nothing.get_concrete_function(images).graph.get_operations()] == [
        "Placeholder",
        *["Identity"] * 3,
    ]
