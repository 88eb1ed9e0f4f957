"""Raw kernels for steps: what the supernets are made of.

:mod:`harness.core.steps` describes the operations; :mod:`harness.nets.make` makes Keras layers of the same description.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from harness.core.steps import Conv, Depthwise, Halve, Norm, Pool, Relu, Step, weight_shapes


def initial_values(steps: Sequence[Step], channels: int, rng: np.random.Generator) -> list[np.ndarray]:
    """He-normal kernels, unit scales and zero offsets, in the order of :func:`~harness.core.steps.weight_shapes`."""
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
    steps: Sequence[Step],
    x: tf.Tensor,
    weights: Sequence[tf.Tensor],
    *,
    rectified: tf.Tensor | None = None,
    gain: tf.Tensor | None = None,
) -> tf.Tensor:
    """Applies ``steps`` to ``x`` (n, h, w, c) with raw kernels; normalisations use the batch's own statistics.

    Args:
        weights: variables or tensors in the order of :func:`~harness.core.steps.weight_shapes`.
        rectified: ``relu(x)`` if the caller has it already: edges that leave one node share it.
        gain: a scalar factor on the result; ``steps`` must then end in a normalisation without weights, whose scale it
            becomes.
    """
    remaining = iter(weights)
    final = len(steps) - 1
    for place, step in enumerate(steps):
        match step:
            case Relu():
                x = rectified if place == 0 and rectified is not None else tf.nn.relu(x)
            case Conv(height, width, _, (vertical, horizontal)):
                if (height, width) == (1, 1) and (vertical, horizontal) != (1, 1):
                    x, vertical, horizontal = x[:, ::vertical, ::horizontal, :], 1, 1
                x = tf.nn.conv2d(x, next(remaining), strides=[1, vertical, horizontal, 1], padding="SAME")
            case Depthwise(_, stride, dilation):
                strides = [1, stride, stride, 1]
                x = tf.nn.depthwise_conv2d(x, next(remaining), strides, "SAME", dilations=[dilation] * 2)
            case Norm(affine):
                channels = int(x.shape[-1])
                if affine:
                    scale, offset = next(remaining), next(remaining)
                else:
                    plain = gain is None or place < final
                    scale = tf.constant(1.0, shape=[channels]) if plain else tf.fill([channels], gain)
                    offset = tf.constant(0.0, shape=[channels])
                x = normalise(x, scale, offset)
            case Pool(kind, size, stride):
                x = _pool(x, kind, size, stride)
            case Halve():
                halves = (x[:, ::2, ::2, :], shift(x)[:, ::2, ::2, :])
                x = tf.concat([tf.nn.conv2d(half, next(remaining), 1, "SAME") for half in halves], -1)
    return x


def normalise(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    """Batch normalisation by the batch's own statistics, in one fused kernel."""
    y, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=scale, offset=offset, mean=[], variance=[], epsilon=1e-5, is_training=True
    )
    return y


def shift(x: tf.Tensor) -> tf.Tensor:
    """The image moved by one pixel up and left, filled with zeros, same size."""
    return tf.pad(x, [[0, 0], [0, 1], [0, 1], [0, 0]])[:, 1:, 1:, :]


def _pool(x: tf.Tensor, kind: str, size: int, stride: int) -> tf.Tensor:
    pool = tf.nn.max_pool2d if kind == "max" else tf.nn.avg_pool2d
    return pool(x, size, stride, "SAME")
