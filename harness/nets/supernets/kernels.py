"""Raw kernels for steps: what the supernets are made of.

:mod:`harness.core.primitives` describes the operations; :mod:`harness.nets.make` makes Keras layers of the same
description."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from harness.core.measure import floor_pooled
from harness.core.primitives import (
    BiasedConv,
    Conv,
    Depthwise,
    Flatten,
    FloorPool,
    Halve,
    Norm,
    Pool,
    Primitive,
    Relu,
    ShakeShortcut,
    Unpool,
    Zero,
    weight_shapes,
)
from harness.nets.constants import Constants
from harness.nets.depthwise import depthwise
from harness.nets.norm import EPSILON, is_slow, training_in_pairs
from harness.nets.pixels import convolved, cropped, pooled, shifted, subsampled

Normaliser = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
"""From images, scale and offset per channel to normalised images."""


def initial_values(steps: Sequence[Primitive], channels: int, rng: np.random.Generator) -> list[np.ndarray]:
    """He-normal kernels, unit scales and zero offsets, in the order of :func:`.weight_shapes`."""
    values: list[np.ndarray] = []
    scale_next = True
    for shape in weight_shapes(steps, channels):
        if len(shape) == 1:
            values.append(np.ones(shape, np.float32) if scale_next else np.zeros(shape, np.float32))
            scale_next = not scale_next
        else:
            values.append(rng.normal(0.0, he_deviation(shape), shape).astype(np.float32))
    return values


def he_deviation(shape: tuple[int, ...]) -> float:
    """Standard deviation of He initialisation for a kernel of shape (height, width, in, out).

    A depthwise kernel (last axis 1) reads one channel only.
    """
    height, width, channels, filters = shape
    return float(np.sqrt(2.0 / (height * width * (1 if filters == 1 else channels))))


def run(
    steps: Sequence[Primitive],
    x: tf.Tensor,
    weights: Sequence[tf.Tensor],
    *,
    rectified: tf.Tensor | None = None,
    scale: tf.Tensor | None = None,
    constants: Constants | None = None,
    normaliser: Normaliser | None = None,
) -> tf.Tensor:
    """Applies ``steps`` to ``x`` (n, h, w, c) with raw kernels. All primitives but dropout are known.

    Args:
        weights: variables or tensors in the order of :func:`~harness.core.primitives.weight_shapes`.
        rectified: ``relu(x)`` if the caller has it already: edges that leave one node share it.
        scale: of the last step, a normalisation without weights, per channel: a factor on the result.
        constants: of the graph, if several calls are to share them.
        normaliser: how to normalise; None: by the batch's own statistics.
    """
    shared = constants or Constants()
    normal = normaliser or (lambda x, scale, offset: normalise(x, scale, offset, shared.filled(0.0, 0)))
    remaining = iter(weights)
    final = len(steps) - 1
    for place, step in enumerate(steps):
        if isinstance(step, Norm):
            channels = int(x.shape[-1])
            if step.affine:
                own, offset = next(remaining), next(remaining)
            else:
                own = shared.filled(1.0, channels) if scale is None or place < final else scale
                offset = shared.filled(0.0, channels)
            x = normal(x, own, offset)
        elif isinstance(step, Relu) and place == 0 and rectified is not None:
            x = rectified
        else:
            count = len(weight_shapes((step,), 1))
            x = _applied(step, x, [next(remaining) for _ in range(count)], shared)
    return x


def _applied(step: Primitive, x: tf.Tensor, weights: Sequence[tf.Tensor], constants: Constants) -> tf.Tensor:
    """Any step but a normalisation."""
    match step:
        case Relu():
            return tf.raw_ops.Relu(features=x)
        case Conv(_, _, _, (vertical, horizontal)):
            return convolved(x, weights[0], vertical, horizontal)
        case BiasedConv(_, _, stride):
            return tf.nn.bias_add(convolved(x, weights[0], stride, stride), weights[1])
        case Depthwise(_, stride, dilation):
            return depthwise(x, weights[0], stride, dilation, constants)
        case Pool(kind, size, stride):
            return pooled(kind, x, size, (stride, stride))
        case FloorPool(size, stride):
            return _floor_pooled(x, size, stride)
        case Halve():
            halves = (subsampled(x, 2, 2), subsampled(shifted(x), 2, 2))
            return tf.concat([convolved(half, kernel) for half, kernel in zip(halves, weights, strict=True)], -1)
        case ShakeShortcut(_, stride):
            moved = cropped(tf.pad(x, [[0, 0], [1, 0], [1, 0], [0, 0]]), 0, 1, 0, 1)
            parts = zip((x, moved), weights, strict=True)
            return tf.concat([convolved(part, kernel, stride, stride) for part, kernel in parts], -1)
        case Unpool():
            _, height, width, channels = x.shape
            spread = tf.pad(
                tf.reshape(x, [-1, height, 1, width, 1, channels]), [[0, 0], [0, 0], [0, 1], [0, 0], [0, 1], [0, 0]]
            )
            return tf.reshape(spread, [-1, 2 * height, 2 * width, channels])
        case Flatten():
            return tf.reshape(x, [-1, 1, 1, int(np.prod(x.shape[1:]))])
        case Zero():
            return tf.zeros_like(x)
    raise ValueError(f"there is no kernel for {step}")


def _floor_pooled(x: tf.Tensor, size: int, stride: int) -> tf.Tensor:
    """Max pooling without padding; a window larger than the image is cut to it."""
    lengths = [int(length) for length in x.shape[1:3]]
    height, width = (min(size, length) for length in lengths)
    used = [(floor_pooled(length, size, stride) - 1) * stride for length in lengths]
    below, right = lengths[0] - used[0] - height, lengths[1] - used[1] - width
    x = cropped(x, 0, below, 0, right) if below or right else x
    return tf.raw_ops.MaxPool(input=x, ksize=[1, height, width, 1], strides=[1, stride, stride, 1], padding="VALID")


def normalise(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, nothing: tf.Tensor) -> tf.Tensor:
    """Batch normalisation by the batch's own statistics, in one fused kernel.

    The first version of the operation: for outputs of the third that nobody reads the tape makes gradients of zeros, a
    fifth of a supernet's nodes.

    Args:
        scale, offset: per channel.
        nothing: an empty float vector, which a graph needs only once.
    """
    if is_slow(x):
        return training_in_pairs(x, scale, offset, EPSILON)[0]
    y, *_ = tf.raw_ops.FusedBatchNorm(
        x=x, scale=scale, offset=offset, mean=nothing, variance=nothing, epsilon=EPSILON, is_training=True
    )
    return y
