"""Parameters and multiply-accumulates of a model, without training it."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import keras
import numpy as np

from harness.core.errors import InputError
from harness.nets.layers import DropPath
from harness.nets.norm import FusedBatchNormalization

_CONVOLUTIONS = (
    *(keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D),
    *(keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D),
)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
_FREE = (
    *(keras.layers.BatchNormalization, FusedBatchNormalization, keras.layers.LayerNormalization),
    *(keras.layers.GroupNormalization, keras.layers.RMSNormalization, keras.layers.Normalization),
    *(keras.layers.PReLU, DropPath),
)
"""Layers with weights that multiply no matrix."""


def main_path(model: keras.Model) -> keras.Model:
    """The model without its auxiliary head."""
    return keras.Model(model.inputs[0], model.outputs[0]) if len(model.outputs) > 1 else model


def parameters(model: keras.Model) -> int:
    """Number of trainable weights, auxiliary head excluded, as papers count them (moving statistics excluded)."""
    return int(sum(np.prod(weight.shape) for weight in main_path(model).trainable_weights))


def macs(model: keras.Model) -> int:
    """Multiply-accumulates of one image's forward pass: convolutions and dense layers, auxiliary head excluded.

    This is how DARTS' published counts were made; normalisations, additions and poolings are left out. A layer counts
    at each of its calls, a dense one at each place of a map, a transposed convolution as the one that it turns round.

    Raises:
        InputError: a layer has weights and is none of these, or its map has no fixed size.
    """
    return _of_graph(main_path(model))


def _of_graph(model: keras.Model) -> int:
    graph = model._functional if isinstance(model, keras.Sequential) else model
    nodes = chain.from_iterable(graph._nodes_by_depth.values())
    return sum(_of_call(node.operation, node.input_tensors, node.output_tensors) for node in nodes)


def _of_call(layer: Any, inputs: list[Any], outputs: list[Any]) -> int:
    """Of one call of a layer, of a nested model, or of an operation without weights."""
    if not isinstance(layer, keras.layers.Layer) or not layer.weights or isinstance(layer, _FREE):
        return 0
    if type(layer) is keras.layers.Embedding:  # its subclass, Keras' reversible embedding, multiplies
        return 0
    if isinstance(layer, keras.Model):
        return _of_graph(layer)
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape) * _places(layer, outputs[0].shape[1:-1])
    if isinstance(layer, _CONVOLUTIONS):
        return math.prod(layer.kernel.shape) * _places(layer, _map(layer, outputs[0]))
    if isinstance(layer, _TRANSPOSED):
        return math.prod(layer.kernel.shape) * _places(layer, _map(layer, inputs[0]))
    if isinstance(layer, _SEPARABLE):
        kernels = math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape)
        return kernels * _places(layer, _map(layer, outputs[0]))
    kind = type(layer).__name__
    raise InputError(f"layer '{layer.name}' of the Keras model is a {kind}, whose multiply-accumulates nobody counts")


def _map(layer: Any, tensor: Any) -> tuple[int | None, ...]:
    """Lengths of the map in a convolution's input or output."""
    lengths: tuple[int | None, ...] = tensor.shape[2:] if layer.data_format == "channels_first" else tensor.shape[1:-1]
    return lengths


def _places(layer: Any, lengths: tuple[int | None, ...]) -> int:
    """How many places a map of these lengths has."""
    known = [length for length in lengths if length is not None]
    if len(known) < len(lengths):
        raise InputError(f"the map of layer '{layer.name}' of the Keras model has no fixed size")
    return math.prod(known)
