"""The networks that are timed, in Keras with the project's layers, and one step of the project's training."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from harness.core.dataset import SearchData
from harness.core.recipe import Recipe
from harness.core.space import Size
from harness.nets.batches import Order
from harness.nets.depthwise import FastDepthwiseConv2D
from harness.nets.norm import FusedBatchNormalization
from harness.nets.sgd import TrainingStep

WIDTHS = (24, 24, 48, 48, 96, 96)
SHAPES = {"28x28": (28, 28, 1), "32x32": (32, 32, 3)}
BATCH = 128
RECIPE = Recipe(size=Size(8, 3, 2), steps=100, batch=BATCH, cutout=True)
Shape = tuple[int, int, int]
Step = Callable[[], object]


def noise(shape: Shape, images: int = 4096) -> SearchData:
    """Noise of a data set's shape, with crops and flips."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (images, *shape)).astype(np.uint8), rng.integers(0, 10, images)
    statistics = (72.9,) * shape[2], (90.0,) * shape[2]
    return SearchData("noise", x, y, x[:0], y[:0], 10, *statistics, True, 4, 8)


def plain(
    shape: Shape,
    norm: Callable[[], keras.layers.Layer] = FusedBatchNormalization,
    widths: tuple[int, ...] = WIDTHS,
) -> keras.Model:
    """3x3 convolutions, usually of 24-48-96 channels."""
    return _stack(shape, norm, lambda place, filters, x: _conv(filters, 3)(x), widths)


def separable(shape: Shape, norm: Callable[[], keras.layers.Layer] = FusedBatchNormalization) -> keras.Model:
    """As :func:`plain`; all convolutions but the first are depthwise 3x3, then pointwise."""

    def layer(place: int, filters: int, x: keras.KerasTensor) -> keras.KerasTensor:
        if place == 0:
            return _conv(filters, 3)(x)
        return _conv(filters, 1)(FastDepthwiseConv2D(3, padding="same", use_bias=False)(x))

    return _stack(shape, norm, layer)


def _conv(filters: int, size: int) -> keras.layers.Layer:
    return keras.layers.Conv2D(filters, size, padding="same", use_bias=False)


def _stack(
    shape: Shape,
    norm: Callable[[], keras.layers.Layer],
    layer: Callable[[int, int, keras.KerasTensor], keras.KerasTensor],
    widths: tuple[int, ...] = WIDTHS,
) -> keras.Model:
    image = x = keras.Input(shape)
    for place, filters in enumerate(widths):
        x = keras.layers.ReLU()(norm()(layer(place, filters, x)))
        if place in (1, 3):
            x = keras.layers.MaxPooling2D(2)(x)
    return keras.Model(image, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x)))


def bare(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> Step:
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


def loop(model: keras.Model, data: SearchData) -> Step:
    """One turn of the project's training loop: the batch, augmentation, the step with everything."""
    step, order, done = TrainingStep(model, data, RECIPE, seed=0), Order(len(data.x_train), BATCH, seed=0), [0]

    def turn() -> float:
        batch = order.batch(done[0])
        done[0] += 1
        return step(data.x_train[batch], data.y_train[batch], done[0], 0.01, 0.0)

    return turn
