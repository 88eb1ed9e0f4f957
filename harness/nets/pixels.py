"""Kernels that convolve, pool and move pixels, by the detours that :mod:`harness.nets.processor` chooses.

Supernets, proxy networks and Keras layers share them. All images are (n, h, w, c) with known height, width, channels.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import tensorflow as tf

from harness.nets import processor
from harness.nets.gradients import OwnGradient


def convolved(x: tf.Tensor, kernel: tf.Tensor, vertical: int = 1, horizontal: int = 1) -> tf.Tensor:
    """Convolution with padding ``same``; ``kernel`` is (height, width, channels, filters)."""
    height, width, channels, filters = map(int, kernel.shape)
    pointwise = (height, width) == (1, 1)
    if pointwise and (vertical, horizontal) != (1, 1) and processor.subsamples_by_pooling():
        x, vertical, horizontal = subsampled(x, vertical, horizontal), 1, 1
    if pointwise and (vertical, horizontal) == (1, 1) and processor.pointwise_as_product(channels, filters):
        return _product(x, kernel)
    return tf.raw_ops.Conv2D(input=x, filter=kernel, strides=[1, vertical, horizontal, 1], padding="SAME")


def _product(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    _, height, width, channels = x.shape
    filters = int(kernel.shape[-1])
    rows = tf.raw_ops.Reshape(tensor=x, shape=[-1, channels])
    product = tf.raw_ops.MatMul(a=rows, b=tf.raw_ops.Reshape(tensor=kernel, shape=[channels, filters]))
    return tf.raw_ops.Reshape(tensor=product, shape=[-1, height, width, filters])


def subsampled(x: tf.Tensor, vertical: int, horizontal: int) -> tf.Tensor:
    """Every ``vertical``-th row and ``horizontal``-th column.

    On a CPU a pooling of one pixel, because slicing with strides takes ten times as long (19.9 ms instead of 1.9 ms
    forward and backward for 64 images of 32x32x48).
    """
    if not processor.subsamples_by_pooling():
        return x[:, ::vertical, ::horizontal]
    return tf.raw_ops.AvgPool(value=x, ksize=[1, 1, 1, 1], strides=[1, vertical, horizontal, 1], padding="SAME")


def shifted(x: tf.Tensor) -> tf.Tensor:
    """The image moved by one pixel up and left, as far as every second pixel of it is read.

    What moves in is zeros; where a side is even, it is left out, because it would never be read.
    """
    odd = [[0, int(length) % 2] for length in x.shape[1:3]]
    return cropped(tf.pad(x, [[0, 0], *odd, [0, 0]]) if np.any(odd) else x, 1, 0, 1, 0)


def cropped(x: tf.Tensor, top: int, bottom: int, left: int, right: int) -> tf.Tensor:
    """The image without so many rows and columns. By ``slice``, whose gradient is a padding and not slow."""
    height, width = int(x.shape[1]) - top - bottom, int(x.shape[2]) - left - right
    return tf.slice(x, [0, top, left, 0], [-1, height, width, -1])


def pooled(
    kind: Literal["max", "avg"], x: tf.Tensor, size: int, strides: tuple[int, int], *, branch: bool = False
) -> tf.Tensor:
    """Pooling with padding ``same``; the average leaves the padding out.

    Args:
        kind, x, size: of the pooling.
        strides: of rows, of columns.
        branch: whether this is a branch of a ``switch_case``.
    """
    vertical, horizontal = strides
    if size == 1:
        return x if strides == (1, 1) else subsampled(x, vertical, horizontal)
    if branch and processor.takes_maxima_again(kind):
        return _largest_in_branch(x, size, vertical, horizontal)
    if not processor.pools_apart(kind, size, int(x.shape[3])):
        return _pooled(kind, x, _window(size, size, vertical, horizontal))
    x = _pooled(kind, x, _window(1, size, 1, horizontal))
    _, height, width, channels = x.shape
    rows = _pooled(kind, tf.reshape(x, [-1, height, 1, width * channels]), _window(size, 1, vertical, 1))
    return tf.reshape(rows, [-1, rows.shape[1], width, channels])


def _gradient_in_branch(
    upstream: tf.Tensor, x: tf.Tensor, size: tf.Tensor, vertical: tf.Tensor, horizontal: tf.Tensor
) -> list[tf.Tensor | None]:
    length, *strides = (int(tf.get_static_value(number)) for number in (size, vertical, horizontal))
    # Otherwise TensorFlow takes the forward pass's maxima for the same node.
    with tf.control_dependencies([upstream]):
        window = _window(length, length, *strides)
        again = tf.raw_ops.MaxPool(input=x, **window)
    gradient = tf.raw_ops.MaxPoolGrad(orig_input=x, orig_output=again, grad=upstream, **window)
    return [gradient, None, None, None]


_BRANCH = OwnGradient("LargestInBranch", _gradient_in_branch)


@tf.function(autograph=False)
def _largest_in_branch(x: tf.Tensor, size: int, vertical: int, horizontal: int) -> tf.Tensor:
    y = tf.raw_ops.MaxPool(input=tf.stop_gradient(x), **_window(size, size, vertical, horizontal))
    return _BRANCH.tie(y, x, *map(tf.constant, (size, vertical, horizontal)))


def _pooled(kind: Literal["max", "avg"], x: tf.Tensor, window: dict[str, Any]) -> tf.Tensor:
    if kind == "avg":
        return tf.raw_ops.AvgPool(value=x, **window)
    return tf.raw_ops.MaxPool(input=x, **window)


def _window(height: int, width: int, vertical: int, horizontal: int) -> dict[str, Any]:
    return {"ksize": [1, height, width, 1], "strides": [1, vertical, horizontal, 1], "padding": "SAME"}
