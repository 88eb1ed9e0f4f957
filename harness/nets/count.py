"""Parameters and multiply-accumulates of a model, without training it."""

from __future__ import annotations

import keras
import numpy as np


def main_path(model: keras.Model) -> keras.Model:
    """The model without its auxiliary head."""
    return keras.Model(model.inputs[0], model.outputs[0]) if len(model.outputs) > 1 else model


def parameters(model: keras.Model) -> int:
    """Number of trainable weights, auxiliary head excluded, as papers count them (moving statistics excluded)."""
    return int(sum(np.prod(weight.shape) for weight in main_path(model).trainable_weights))


def macs(model: keras.Model) -> int:
    """Multiply-accumulates of one image's forward pass: convolutions and dense layers, auxiliary head excluded.

    This is how DARTS' published counts were made; normalisations, additions and poolings are left out.
    """
    total = 0
    for layer in main_path(model)._flatten_layers(include_self=False):
        if not layer.weights:
            continue
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            _, height, width, _ = layer.output.shape
            total += int(np.prod(layer.kernel.shape)) * int(height) * int(width)
        elif isinstance(layer, keras.layers.SeparableConv2D):
            _, height, width, _ = layer.output.shape
            kernels = int(np.prod(layer.depthwise_kernel.shape)) + int(np.prod(layer.pointwise_kernel.shape))
            total += kernels * int(height) * int(width)
        elif isinstance(layer, keras.layers.Dense):
            total += int(np.prod(layer.kernel.shape))
    return total
