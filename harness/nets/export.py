"""Export: a trained model of stock Keras layers only, which opens without this project."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from harness.nets.count import main_path
from harness.nets.depthwise import FastDepthwiseConv2D
from harness.nets.fast_layers import FAST
from harness.nets.layers import DropPath, Shake
from harness.nets.norm import FusedBatchNormalization


def plain(model: keras.Model, mean: Sequence[float], std: Sequence[float]) -> keras.Model:
    """The same function with stock layers, on images as they are stored.

    Args:
        model: a model of :func:`harness.nets.build.build_model`, trained.
        mean, std: per channel on the 0..255 scale; they become the first layer.

    Returns:
        A model from images ``(n, h, w, c)`` with values 0..255 to class probabilities; the auxiliary head is dropped.
    """

    main = main_path(model)
    image = keras.Input(main.input_shape[1:], name="image")
    variance = [float(value) ** 2 for value in std]
    normalised = keras.layers.Normalization(mean=list(map(float, mean)), variance=variance)(image)
    return keras.Model(image, keras.layers.Softmax()(_stock(main)(normalised)))


def _stock(model: keras.Model) -> keras.Model:
    """A copy with stock layers, those of the members of an ensemble included."""

    def stock(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.Model):
            return _stock(layer)
        if isinstance(layer, (FusedBatchNormalization, FastDepthwiseConv2D, *FAST)):
            return layer.to_plain()
        if isinstance(layer, DropPath):
            return keras.layers.Activation("linear", name=layer.name)
        if isinstance(layer, Shake):
            return keras.layers.Average(name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=stock)
    for source, target in zip(model.layers, copy.layers, strict=True):
        if not isinstance(source, DropPath | keras.Model):
            target.set_weights(_stock_weights(source))
    copy.name = model.name
    return copy


def _stock_weights(layer: keras.layers.Layer) -> list[np.ndarray]:
    if isinstance(layer, FusedBatchNormalization):
        return layer.plain_weights()
    return layer.get_weights()
