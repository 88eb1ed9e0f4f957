"""What the training loop costs besides the arithmetic, and how long a child takes to its first step.

Run with ``pytest benchmarks``. Durations depend on the machine; the assertions are about ratios, taken from steps that
alternate, in CPU seconds, so that other programs on the machine disturb both sides alike.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from pytest_benchmark.fixture import BenchmarkFixture

from harness.core.dataset import SearchData
from harness.core.recipe import Recipe
from harness.core.space import Size
from harness.nets.build import build_model
from harness.nets.norm import FusedBatchNormalization
from harness.nets.sgd import TrainingStep
from harness.nets.training import _Order
from harness.spaces import get_space

BATCH = 128
RECIPE = Recipe(size=Size(8, 3, 2), steps=100, batch=BATCH, cutout=True)


def data() -> SearchData:
    """Noise of Fashion-MNIST's shape, with augmentation."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (4096, 28, 28, 1)).astype(np.uint8), rng.integers(0, 10, 4096)
    return SearchData("noise", x, y, x[:0], y[:0], 10, (72.9,), (90.0,), True, 4, 8)


def plain(norm: Callable[[], keras.layers.Layer] = FusedBatchNormalization) -> keras.Model:
    """A plain convolutional network, 24-48-96 channels, 163,000 parameters."""
    image = x = keras.Input((28, 28, 1))
    for place, filters in enumerate((24, 24, 48, 48, 96, 96)):
        x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(norm()(x))
        if place in (1, 3):
            x = keras.layers.MaxPooling2D(2)(x)
    return keras.Model(image, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x)))


def bare(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> Callable[[], object]:
    """Forward, backward and update on one batch that never changes: no loop, no augmentation, no clipping, no decay."""
    weights = [variable.value for variable in model.trainable_variables]
    buffers = [tf.Variable(tf.zeros_like(weight), trainable=False) for weight in weights]
    x, y = tf.constant(images, tf.float32) / 90.0, tf.constant(labels)

    @tf.function(autograph=False)
    def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
        for weight, buffer, gradient in zip(weights, buffers, tape.gradient(loss, weights), strict=True):
            tf.raw_ops.ResourceApplyMomentum(
                var=weight.handle, accum=buffer.handle, lr=0.01, grad=gradient, momentum=0.9, use_nesterov=True
            )
        return loss

    return lambda: step(x, y).numpy()


def loop(model: keras.Model, noise: SearchData) -> Callable[[], object]:
    """One turn of the training loop: batch, augmentation, step with everything."""
    step, order, done = TrainingStep(model, noise, RECIPE, seed=0), _Order(len(noise.x_train), BATCH, seed=0), [0]

    def turn() -> float:
        batch = order.batch(done[0])
        done[0] += 1
        return step(noise.x_train[batch], noise.y_train[batch], done[0], 0.01, 0.0)

    return turn


def cost(*steps: Callable[[], object], turns: int = 25) -> list[float]:
    """CPU seconds of each function, a low percentile over alternating calls."""
    for step in steps * 2:
        step()
    seconds: list[list[float]] = [[] for _ in steps]
    for _ in range(turns):
        for step, taken in zip(steps, seconds, strict=True):
            began = time.process_time()
            step()
            taken.append(time.process_time() - began)
    return [float(np.percentile(taken, 25)) for taken in seconds]


def test_the_loop_costs_less_than_five_percent() -> None:
    noise, model = data(), plain()
    whole, step = cost(loop(model, noise), bare(model, noise.x_train[:BATCH], noise.y_train[:BATCH]))
    assert whole < 1.05 * step


def test_the_fused_normalisation_is_faster_than_keras() -> None:
    noise = data()
    arrays = noise.x_train[:BATCH], noise.y_train[:BATCH]
    fused, unfused = cost(
        bare(plain(), *arrays), bare(plain(lambda: keras.layers.BatchNormalization(momentum=0.9)), *arrays)
    )
    assert fused < 0.9 * unfused


@pytest.mark.parametrize("kind", ["bare", "loop"])
def test_plain_network(benchmark: BenchmarkFixture, kind: str) -> None:
    noise, model = data(), plain()
    turn = loop(model, noise) if kind == "loop" else bare(model, noise.x_train[:BATCH], noise.y_train[:BATCH])
    benchmark.pedantic(turn, rounds=20, warmup_rounds=2)


def test_child_until_its_first_step(benchmark: BenchmarkFixture) -> None:
    noise, space, rng = data(), get_space("cell"), np.random.default_rng(3)

    def first() -> None:
        model = build_model(space.sample(rng), space, RECIPE.size, noise.image_shape, noise.classes, seed=0)
        loop(model, noise)()
        gc.collect()

    benchmark.pedantic(first, rounds=3)
