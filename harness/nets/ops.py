"""Candidate operations as short lists of primitive steps.

One description serves two interpreters: :mod:`harness.nets.build` makes Keras layers of it (the standalone network that
is trained, counted and exported) and :func:`run` below applies raw TensorFlow kernels to given weights (the supernets,
where Keras layers by the hundred would take minutes to trace). Both take their weights in the same order, which is what
lets a child be cut out of a supernet.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Relu:
    """Rectifier."""


@dataclass(frozen=True)
class Conv:
    """Convolution without bias, padding ``same``.

    A strided 1x1 convolution is computed as a plain one on the subsampled image: the same function, and TensorFlow
    2.21's oneDNN kernel for its weight gradient writes outside its buffer when there are fewer than eight channels.
    """

    height: int
    width: int
    filters: int
    strides: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Depthwise:
    """Depthwise convolution without bias, padding ``same``."""

    size: int
    stride: int = 1
    dilation: int = 1


@dataclass(frozen=True)
class Norm:
    """Batch normalisation; without ``affine`` it has no weights (DARTS' search network)."""

    affine: bool = True


@dataclass(frozen=True)
class Pool:
    """Pooling with padding ``same``; the average leaves the padding out, as DARTS and NAS-Bench-201 do."""

    kind: Literal["max", "avg"]
    size: int
    stride: int


@dataclass(frozen=True)
class Halve:
    """Factorised reduction: two 1x1 convolutions of stride 2, the second on the image shifted by one pixel."""

    filters: int


Step = Relu | Conv | Depthwise | Norm | Pool | Halve

_CONV = re.compile(r"^(nor_conv|conv|sep_conv|dil_conv)_(\d)x\2$")
_POOL = re.compile(r"^(max|avg)_pool_(\d)x\2$")


def relu_conv_norm(filters: int, size: int = 1, stride: int = 1, affine: bool = True) -> tuple[Step, ...]:
    """ReLU, convolution, normalisation: the usual adapter between two widths."""
    return (Relu(), Conv(size, size, filters, (stride, stride)), Norm(affine))


def halve(filters: int, affine: bool = True) -> tuple[Step, ...]:
    """ReLU, factorised reduction, normalisation: the usual adapter between two resolutions."""
    return (Relu(), Halve(filters), Norm(affine))


def steps_of(
    op: str, filters: int, stride: int = 1, *, affine: bool = True, search: bool = False
) -> tuple[Step, ...] | None:
    """The primitive steps of a cell operation, or None for ``none``.

    Args:
        op: DARTS', ENAS micro's or NAS-Bench-201's name of it.
        filters: channels of the cell; input and output have as many.
        stride: 1, or 2 on an edge that halves the image.
        affine: whether normalisations have a scale and an offset.
        search: in DARTS' search network a pooling is followed by a normalisation.

    Raises:
        ValueError: unknown operation.
    """
    if op == "none":
        return None
    if op == "skip_connect":
        return () if stride == 1 else halve(filters, affine)
    pool, conv = _POOL.match(op), _CONV.match(op)
    if pool:
        steps: tuple[Step, ...] = (Pool("max" if pool[1] == "max" else "avg", int(pool[2]), stride),)
        return (*steps, Norm(affine=False)) if search else steps
    if conv is None:
        raise ValueError(f"unknown operation '{op}'")
    kind, size = conv[1], int(conv[2])
    if kind in ("nor_conv", "conv"):
        return relu_conv_norm(filters, size, stride, affine)
    pointwise = Conv(1, 1, filters)
    if kind == "dil_conv":
        if stride == 1:
            return (Relu(), Depthwise(size, dilation=2), pointwise, Norm(affine))
        # With dilation 2 and stride 2 only every second pixel is read: the same function as a plain convolution on the
        # subsampled image, which TensorFlow has a kernel for.
        return (Relu(), Pool("max", 1, 2), Depthwise(size), pointwise, Norm(affine))
    return (
        *(Relu(), Depthwise(size, stride), pointwise, Norm(affine)),
        *(Relu(), Depthwise(size), pointwise, Norm(affine)),
    )


def macro_steps_of(op: str, filters: int) -> tuple[Step, ...]:
    """ENAS macro's operations: a 1x1 convolution first, then the operation; normalised and rectified after each."""
    first: tuple[Step, ...] = (Conv(1, 1, filters), Norm(), Relu())
    if op.endswith("pool_3x3"):
        return (*first, Pool("max" if op.startswith("max") else "avg", 3, 1))
    size = int(op[-1])
    if op.startswith("sep"):
        return (*first, Depthwise(size), Conv(1, 1, filters), Norm(), Relu())
    return (*first, Conv(size, size, filters), Norm(), Relu())


def weight_shapes(steps: Sequence[Step], channels: int) -> list[tuple[int, ...]]:
    """Shapes of the trainable weights of ``steps`` on an input of ``channels`` channels, in order."""
    shapes: list[tuple[int, ...]] = []
    for step in steps:
        match step:
            case Conv(height, width, filters):
                shapes.append((height, width, channels, filters))
                channels = filters
            case Depthwise(size):
                shapes.append((size, size, channels, 1))
            case Norm(affine) if affine:
                shapes += [(channels,), (channels,)]
            case Halve(filters):
                shapes += [(1, 1, channels, filters // 2), (1, 1, channels, filters - filters // 2)]
                channels = filters
    return shapes


def initial_values(steps: Sequence[Step], channels: int, rng: np.random.Generator) -> list[np.ndarray]:
    """He-normal kernels, unit scales and zero offsets, in the order of :func:`weight_shapes`."""
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
        weights: variables or tensors in the order of :func:`weight_shapes`.
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
