"""Depthwise convolution: values and both gradients equal the definition, whatever way they are put together."""

from __future__ import annotations

from itertools import product

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness.core.seeds import rng
from harness.nets.constants import Constants
from harness.nets.depthwise import FastDepthwiseConv2D, assembled, depthwise, scattered
from harness.nets.processor import has_graphics_card

CASES = [
    (size, stride, dilation, shape)
    for size, (stride, dilation), shape in product(
        (1, 3, 5, 7, 9), ((1, 1), (2, 1), (1, 2), (1, 3)), ((8, 8), (7, 8), (9, 5), (3, 1))
    )
]


def by_definition(
    x: np.ndarray, kernel: np.ndarray, upstream: np.ndarray, stride: int, dilation: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Output and gradients in double precision, pixel by pixel of the kernel."""
    height, width = x.shape[1:3]
    reach = dilation * (len(kernel) - 1)
    starts = [max((-(-length // stride) - 1) * stride + reach + 1 - length, 0) // 2 for length in (height, width)]
    rows, columns = upstream.shape[1:3]
    margin = reach + stride
    padded = np.pad(x.astype(np.float64), ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    y, for_padded, for_kernel = np.zeros(upstream.shape), np.zeros_like(padded), np.zeros(kernel.shape)
    for row, column in np.ndindex(*kernel.shape[:2]):
        top, left = (margin - start + dilation * place for start, place in zip(starts, (row, column), strict=True))
        seen = np.s_[:, top : top + rows * stride : stride, left : left + columns * stride : stride]
        y += padded[seen] * kernel[row, column, :, 0]
        for_padded[seen] += upstream * kernel[row, column, :, 0]
        for_kernel[row, column, :, 0] = (padded[seen] * upstream).sum((0, 1, 2))
    return y, for_padded[:, margin : margin + height, margin : margin + width], for_kernel


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
@pytest.mark.parametrize(("size", "stride", "dilation", "shape"), CASES)
def test_values_and_gradients_equal_the_definition(
    size: int, stride: int, dilation: int, shape: tuple[int, int], traced: bool
) -> None:
    draw = rng(0, f"{size} {stride} {dilation} {shape}").normal
    x, kernel = draw(size=(2, *shape, 8)).astype(np.float32), draw(size=(size, size, 8, 1)).astype(np.float32)
    upstream = draw(size=(2, *(-(-length // stride) for length in shape), 8)).astype(np.float32)

    def run(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = depthwise(x, kernel, stride, dilation, Constants())
        return y, *tape.gradient(y, [x, kernel], output_gradients=tf.constant(upstream))

    found = (tf.function(run, autograph=False) if traced else run)(tf.constant(x), tf.constant(kernel))
    for value, expected in zip(found, by_definition(x, kernel, upstream, stride, dilation), strict=True):
        np.testing.assert_allclose(value, expected, atol=2e-5)


@pytest.mark.parametrize(("height", "width", "dilation"), [(8, 8, 2), (7, 8, 2), (9, 5, 3)])
def test_scattered_pixels_are_every_second_one_and_come_together_again(height: int, width: int, dilation: int) -> None:
    x = rng(0, "pixels").normal(size=(2, height, width, 3)).astype(np.float32)
    parts = scattered(tf.constant(x), dilation, Constants())
    for number, (row, column) in enumerate(np.ndindex(dilation, dilation)):
        picked = x[:, row::dilation, column::dilation]
        image = parts[2 * number : 2 * number + 2, : picked.shape[1], : picked.shape[2]]
        np.testing.assert_array_equal(image, picked)
        rest = np.array(parts[2 * number : 2 * number + 2])
        rest[:, : picked.shape[1], : picked.shape[2]] = 0.0
        assert not rest.any()
    np.testing.assert_array_equal(assembled(parts, dilation, height, width, Constants()), x)


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_layer_equals_keras(stride: int, dilation: int, policy: str) -> None:
    x = tf.constant(rng(0, "images").normal(size=(3, 8, 8, 4)).astype(np.float32))
    ours = FastDepthwiseConv2D(5, stride, "same", dilation_rate=dilation, use_bias=False, dtype=policy)
    ours.build(x.shape)
    theirs = ours.to_plain()
    assert type(theirs) is keras.layers.DepthwiseConv2D
    theirs.build(x.shape)
    theirs.set_weights(ours.get_weights())
    results = []
    for layer in (ours, theirs):
        with tf.GradientTape() as tape:
            y = layer(x)
            loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 2)
        assert y.dtype == ("bfloat16" if policy == "mixed_bfloat16" else "float32")
        results.append([tf.cast(y, tf.float32), tape.gradient(loss, layer.trainable_weights[0].value)])
    for mine, yours in zip(*results, strict=True):
        scale = float(tf.reduce_max(tf.abs(yours)))
        np.testing.assert_allclose(mine, yours, atol=(2e-2 if policy == "mixed_bfloat16" else 1e-5) * scale)
    assert ours.compute_output_shape((None, 8, 8, 4)) == theirs.compute_output_shape((None, 8, 8, 4))


@pytest.mark.parametrize(
    ("size", "settings", "words"),
    [
        (3, {"padding": "valid"}, "padding 'same'"),
        (3, {"use_bias": True}, "padding 'same'"),
        (3, {"activation": "relu"}, "padding 'same'"),
        (2, {"dilation_rate": 2}, "odd sizes"),
        ((3, 4), {}, "odd sizes"),
        (3, {"strides": (1, 2)}, "one stride"),
        (3, {"dilation_rate": (1, 2)}, "one dilation"),
    ],
)
def test_the_layer_refuses_what_it_does_not_compute(
    size: int | tuple[int, int], settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        FastDepthwiseConv2D(size, **{"padding": "same", "use_bias": False, **settings})


def test_the_gradient_keeps_no_second_copy_of_the_images() -> None:
    """What the strips need of an image is made when its gradient comes, not with the image."""
    layers, image = 12, (32, 24, 24, 16)
    kernels = [tf.fill([5, 5, 16, 1], 0.04) for _ in range(layers)]

    @tf.function(autograph=False)
    def gradients(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(kernels)
            for kernel in kernels:
                x = depthwise(x, kernel, 1, 1, Constants())
            loss = tf.reduce_sum(x)
        return tape.gradient(loss, kernels)

    if has_graphics_card():
        pytest.skip("the strips are for CPUs")
    x = tf.ones(image)
    gradients(x)
    try:
        tf.config.experimental.reset_memory_stats("CPU:0")
    except ValueError:
        pytest.skip("this TensorFlow does not count its memory on a CPU")
    before = tf.config.experimental.get_memory_info("CPU:0")["current"]
    gradients(x)
    held = tf.config.experimental.get_memory_info("CPU:0")["peak"] - before
    one = x.numpy().nbytes
    # With the copies it is 3.5 times. On many cores some gradients wait for their turn, so there is room.
    assert layers * one <= held < 2.5 * layers * one
