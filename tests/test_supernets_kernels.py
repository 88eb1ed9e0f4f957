"""Operations: what they are made of, and that both interpreters of a description compute the same."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness.core.primitives import Conv, macro_primitives_of, primitives_of, weight_shapes
from harness.core.seeds import rng
from harness.nets.make import Maker
from harness.nets.pixels import pooled
from harness.nets.supernets.kernels import initial_values, run

CHANNELS = 8
SIZES = {"conv": (1, 3, 5), "sep_conv": (3, 5, 7), "dil_conv": (3, 5), "max_pool": (2, 3, 5, 7), "avg_pool": (2, 3, 5)}
OPERATIONS = [
    *(f"{kind}_{size}x{size}" for kind, sizes in SIZES.items() for size in sizes),
    *("nor_conv_3x3", "conv_1x3_3x1", "conv_1x7_7x1", "skip_connect"),
]


def weights_of(op: str) -> int:
    return sum(int(np.prod(shape)) for shape in weight_shapes(primitives_of(op, CHANNELS) or (), CHANNELS))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("op", OPERATIONS)
def test_keras_layers_and_raw_kernels_compute_the_same(op: str, stride: int) -> None:
    steps = primitives_of(op, CHANNELS, stride)
    assert steps is not None
    images = tf.constant(rng(0, "images").normal(size=(4, 9, 8, CHANNELS)).astype(np.float32))
    image = keras.Input(images.shape[1:])
    model = keras.Model(image, Maker(3, drop_path=False).apply(steps, image))
    assert [tuple(weight.shape) for weight in model.trainable_weights] == weight_shapes(steps, CHANNELS)
    for weight, value in zip(model.trainable_weights, initial_values(steps, CHANNELS, rng(1, op)), strict=True):
        weight.assign(value)
    found = run(steps, images, model.trainable_weights)
    assert found.shape == ((4, 9, 8, CHANNELS) if stride == 1 else (4, 5, 4, CHANNELS))
    np.testing.assert_allclose(model(images, training=True), found, atol=1e-4)


@pytest.mark.parametrize(
    ("op", "kernels", "normalisations"),
    [
        ("conv_1x1", 64, 1),
        ("conv_3x3", 9 * 64, 1),
        ("conv_1x3_3x1", 2 * 3 * 64, 2),
        ("conv_1x7_7x1", 2 * 7 * 64, 2),
        ("sep_conv_7x7", 2 * (49 * 8 + 64), 2),
        ("dil_conv_5x5", 25 * 8 + 64, 1),
        ("max_pool_7x7", 0, 0),
        ("skip_connect", 0, 0),
    ],
)
def test_an_operation_has_the_weights_of_its_definition(op: str, kernels: int, normalisations: int) -> None:
    assert weights_of(op) == kernels + normalisations * 2 * CHANNELS


def test_a_pair_of_convolutions_goes_along_the_row_first() -> None:
    kernels = [
        (step.height, step.width, step.strides)
        for step in primitives_of("conv_1x7_7x1", 8, 2) or ()
        if isinstance(step, Conv)
    ]
    assert kernels == [(1, 7, (1, 2)), (7, 1, (2, 1))]


def test_none_and_nonsense() -> None:
    assert primitives_of("none", CHANNELS) is None
    for wrong in ("conv_1x3_1x3", "sep_conv_3x5", "pool_3x3", ""):
        with pytest.raises(ValueError, match="unknown operation"):
            primitives_of(wrong, CHANNELS)


def test_macro_operations_begin_with_a_convolution_of_one_pixel() -> None:
    for op in ("conv_3x3", "sep_conv_5x5", "max_pool_3x3"):
        assert macro_primitives_of(op, 16)[0] == Conv(1, 1, 16)


@pytest.mark.parametrize(("size", "strides"), [(3, (1, 1)), (3, (2, 2)), (5, (1, 1)), (2, (2, 2))])
def test_maxima_in_a_branch_are_those_outside_and_so_are_their_gradients(size: int, strides: tuple[int, int]) -> None:
    images = rng(0, "images").normal(size=(5, 9, 8, 8)).astype(np.float32)

    @tf.function(autograph=False)
    def both(x: tf.Tensor, op: tf.Tensor) -> list[list[tf.Tensor]]:
        found = []
        for again in (True, False):
            with tf.GradientTape() as tape:
                tape.watch(x)
                taken = partial(pooled, "max", x, size, strides, branch=again)
                y = tf.switch_case(op, [lambda: tf.zeros_like(pooled("max", x, size, strides)), taken])
                loss = tf.reduce_sum(y * tf.sin(y))
            found.append([y, tape.gradient(loss, x)])
        return found

    ours, theirs = both(tf.constant(images), tf.constant(1))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)
        assert np.abs(other).max() > 0.1
