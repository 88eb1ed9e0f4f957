"""Raw kernels for steps: what the supernets are made of.

:mod:`harness.core.primitives` describes the operations; :mod:`harness.nets.make` makes Keras layers of the same
description."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from harness.core.primitives import CellPrimitive, Conv, Depthwise, FactorizedReduce, Norm, Pool, Relu, weight_shapes
from harness.nets import processor
from harness.nets.constants import Constants
from harness.nets.depthwise import depthwise
from harness.nets.initial import he_deviation
from harness.nets.norm import EPSILON, training_around
from harness.nets.pixels import convolved, pooled, shifted, subsampled


def initial_values(steps: Sequence[CellPrimitive], channels: int, rng: np.random.Generator) -> list[np.ndarray]:
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


def run(
    steps: Sequence[CellPrimitive],
    x: tf.Tensor,
    weights: Sequence[tf.Tensor],
    *,
    scale: tf.Tensor | None = None,
    constants: Constants | None = None,
    branch: bool = False,
) -> tf.Tensor:
    """Applies ``steps`` to ``x`` (n, h, w, c) with raw kernels; normalisations use the batch's own statistics.

    Args:
        weights: variables or tensors in the order of :func:`~harness.core.primitives.weight_shapes`.
        scale: of the last step, a normalisation without weights, per channel: a factor on the result.
        constants: of the graph, if several calls are to share them.
        branch: whether this is a branch of a ``switch_case``.
    """
    constants = constants or Constants()
    remaining = iter(weights)
    final = len(steps) - 1
    for place, step in enumerate(steps):
        match step:
            case Relu():
                x = tf.raw_ops.Relu(features=x)
            case Conv(_, _, _, (vertical, horizontal)):
                x = convolved(x, next(remaining), vertical, horizontal)
            case Depthwise(_, stride, dilation):
                x = depthwise(x, next(remaining), stride, dilation, constants)
            case Norm(affine):
                channels = int(x.shape[-1])
                if affine:
                    own, offset = next(remaining), next(remaining)
                else:
                    own = constants.filled(1.0, channels) if scale is None or place < final else scale
                    offset = constants.filled(0.0, channels)
                x = normalise(x, own, offset, constants.filled(0.0, 0))
            case Pool(kind, size, stride):
                x = pooled(kind, x, size, (stride, stride), branch=branch)
            case FactorizedReduce():
                halves = (subsampled(x, 2, 2), subsampled(shifted(x), 2, 2))
                x = tf.concat([convolved(half, next(remaining)) for half in halves], -1)
    return x


def normalise(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, nothing: tf.Tensor) -> tf.Tensor:
    """Batch normalisation by the batch's own statistics, in one fused kernel.

    The first version of the operation: for outputs of the third that nobody reads the tape makes gradients of zeros, a
    fifth of a supernet's nodes. For the same reason nothing is put together from sums and products here.

    Args:
        scale, offset: per channel.
        nothing: an empty float vector, which a graph needs only once.
    """
    if processor.normalises_in_pairs(*x.shape[1:]):
        return training_around(x, scale, offset, EPSILON)[0]
    y, *_ = tf.raw_ops.FusedBatchNorm(
        x=x, scale=scale, offset=offset, mean=nothing, variance=nothing, epsilon=EPSILON, is_training=True
    )
    return y
