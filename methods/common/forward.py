"""The output of one layer of a chain, computed with raw kernels: building a Keras model for it takes far longer.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from harness.core.graph import LayerGraph
from harness.core.primitives import Conv, Dropout, Flatten, Pool, Primitive, Relu
from harness.nets.norm import EPSILON
from harness.nets.pixels import convolved, pooled
from harness.spaces.morphism import Part, Skip

from .morphism import Key, Weights


def rectified_output(
    graph: LayerGraph, parts: Sequence[Part], weights: Weights, key: Key, images: tf.Tensor
) -> np.ndarray:
    """A layer's output (n, h, w, c) in inference, as the next layer reads it: skips that end at it are merged into it.

    Args:
        graph, parts: of a chain, see :meth:`harness.spaces.morphism.MorphSpace.lay_out`.
        weights: by key, as :class:`harness.methods.common.inheriting.Inheriting` keeps them.
        key: of the layer: ``("conv", number)`` or ``("dense", number)``.
        images: normalised.

    Raises:
        KeyError: the chain has no such layer.
    """
    nodes, remaining = [images], iter(parts)
    missing = {part.key for part in parts if key in (part.key, _end(part.key))}
    if not missing:
        raise KeyError(key)
    for layer in graph.layers:
        x = _merged([nodes[source] for source in layer.inputs], layer.merge)
        steps = list(layer.primitives)
        while steps:
            step = steps.pop(0)
            if isinstance(step, Conv):
                part = next(remaining)
                own = weights[part.key]
                x = convolved(x, tf.constant(own[0]))
                if part.normalised:
                    steps.pop(0)
                    x = _normalised(x, own)
                missing.discard(part.key)
            else:
                x = _applied(step, x)
        nodes.append(x)
        # An added skip ends with its normalisation; the layer behind it adds, and rectifies the sum.
        if not missing and isinstance(layer.primitives[-1], Relu):
            break
    return np.asarray(nodes[-1].numpy())


def _end(key: Key) -> Key | None:
    """The convolution that a skip is merged into; None for other layers."""
    return ("conv", key.target) if isinstance(key, Skip) else None


def _merged(inputs: list[tf.Tensor], merge: str) -> tf.Tensor:
    if len(inputs) == 1:
        return inputs[0]
    return tf.concat(inputs, -1) if merge == "concat" else tf.add_n(inputs)


def _normalised(x: tf.Tensor, own: Sequence[np.ndarray]) -> tf.Tensor:
    """Kernel, scale, offset, moving mean and variance are the layer's arrays."""
    _, gamma, beta, mean, variance = own
    return (x - mean) * (gamma / np.sqrt(variance + EPSILON)) + beta


def _applied(step: Primitive, x: tf.Tensor) -> tf.Tensor:
    match step:
        case Relu():
            return tf.nn.relu(x)
        case Pool(kind, size, stride):
            return pooled(kind, x, size, (stride, stride))
        case Flatten():
            return tf.reshape(x, [x.shape[0], 1, 1, -1])
        case Dropout():
            return x
        case _:
            raise ValueError(f"a chain has no {step}")
