"""Keras layers for steps and merges, with names and initial weights that depend only on their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import keras
import numpy as np

from harness.core.graph import Layer, Merge
from harness.core.measure import floor_window
from harness.core.primitives import (
    BiasedConv,
    Conv,
    Depthwise,
    Dropout,
    FactorizedReduce,
    Flatten,
    FloorPool,
    Norm,
    Pool,
    Primitive,
    Relu,
    ShakeShortcut,
    Unpool,
    Zero,
)
from harness.core.seeds import derive_seed
from harness.nets.depthwise import FastDepthwiseConv2D
from harness.nets.fast_layers import FastConv2D, FastCropping2D, FastPooling2D
from harness.nets.initial import he_deviation
from harness.nets.layers import DropPath, Shake
from harness.nets.norm import FusedBatchNormalization

Tensor: TypeAlias = keras.KerasTensor


class Maker:
    """Makes the layers of one network.

    Args:
        seed: of the initial weights, of dropout and of drop path.
        drop_path: whether layers that drop path may switch off get a :class:`DropPath`.
    """

    def __init__(self, seed: int, drop_path: bool) -> None:
        self.seed, self.drop_path, self.count, self.weighted = seed, drop_path, 0, 0
        self._light: dict[tuple[int, tuple[Primitive, ...]], Tensor] = {}

    def _next_seed(self) -> int:
        self.count += 1
        return derive_seed(self.seed, f"layer {self.count}")

    def _name(self, kind: str) -> str:
        self.weighted += 1
        return f"{kind}_{self.weighted}"

    def dense(self, x: Tensor, units: int, name: str, *, bias: bool = True) -> Tensor:
        """A classifier."""
        limit = float(np.sqrt(6.0 / (int(x.shape[-1]) + units)))
        initializer = keras.initializers.RandomUniform(-limit, limit, seed=self._next_seed())
        return keras.layers.Dense(units, use_bias=bias, kernel_initializer=initializer, name=name)(x)

    def kernel(self, height: int, width: int, channels: int, filters: int) -> keras.initializers.Initializer:
        """He-normal initial weights with a seed of their own."""
        deviation = he_deviation((height, width, channels, filters))
        return keras.initializers.RandomNormal(0.0, deviation, seed=self._next_seed())

    def node(self, layer: Layer, nodes: Sequence[Tensor]) -> Tensor:
        """A layer of a graph whose earlier nodes are ``nodes``."""
        steps = layer.primitives
        if len(layer.inputs) == 1:
            light = next((place for place, step in enumerate(steps) if not isinstance(step, Relu | Pool)), len(steps))
            x = self._without_weights(layer.inputs[0], steps[:light], nodes)
            steps = steps[light:]
        else:
            x = self._merged([nodes[source] for source in layer.inputs], layer.merge)
        x = self.apply(steps, x)
        return DropPath(seed=self._next_seed())(x) if self.drop_path and layer.drop_path else x

    def _without_weights(self, node: int, steps: tuple[Primitive, ...], nodes: Sequence[Tensor]) -> Tensor:
        """A node with steps that have no weights; the same ones of the same node are taken once."""
        if not steps:
            return nodes[node]
        if (node, steps) not in self._light:
            self._light[node, steps] = self._step(steps[-1], self._without_weights(node, steps[:-1], nodes))
        return self._light[node, steps]

    def apply(self, steps: Sequence[Primitive], x: Tensor) -> Tensor:
        """The steps, one after the other."""
        for step in steps:
            x = self._step(step, x)
        return x

    def _step(self, step: Primitive, x: Tensor) -> Tensor:
        match step:
            case Relu():
                return keras.layers.ReLU()(x)
            case Conv(height, width, filters, strides):
                return self._conv(x, height, width, filters, strides)
            case BiasedConv(size, filters, stride):
                return self._conv(x, size, size, filters, (stride, stride), bias=True)
            case Depthwise(size, stride, dilation):
                initializer = self.kernel(size, size, int(x.shape[-1]), 1)
                return FastDepthwiseConv2D(
                    size,
                    stride,
                    "same",
                    dilation_rate=dilation,
                    use_bias=False,
                    depthwise_initializer=initializer,
                    name=self._name("depthwise"),
                )(x)
            case Norm(affine):
                return FusedBatchNormalization(affine=affine, name=self._name("norm"))(x)
            case Pool(kind, size, stride):
                return FastPooling2D(kind, size, (stride, stride))(x)
            case FactorizedReduce(filters):
                # Moved up and left; where a side is even, what moves in would never be read.
                odd = tuple((0, int(length) % 2) for length in x.shape[1:3])
                moved = keras.layers.ZeroPadding2D(odd)(x) if np.any(odd) else x
                return self._side_by_side(x, FastCropping2D(((1, 0), (1, 0)))(moved), filters, 2)
            case ShakeShortcut(filters, stride):
                moved = keras.layers.ZeroPadding2D(((1, 0), (1, 0)))(x)
                return self._side_by_side(x, FastCropping2D(((0, 1), (0, 1)))(moved), filters, stride)
            case Unpool():
                return _unpool(x)
            case FloorPool(size, stride):
                return _floor_pool(x, size, stride)
            case Flatten():
                return keras.layers.Reshape((1, 1, int(np.prod(x.shape[1:]))))(x)
            case Dropout(rate):
                return keras.layers.Dropout(rate, seed=self._next_seed())(x)
            case Zero():
                return keras.layers.Rescaling(0.0)(x)

    def _conv(
        self, x: Tensor, height: int, width: int, filters: int, strides: tuple[int, int] = (1, 1), *, bias: bool = False
    ) -> Tensor:
        initializer = self.kernel(height, width, int(x.shape[-1]), filters)
        if (height, width) == (1, 1) and strides != (1, 1):
            x, strides = FastPooling2D("max", 1, strides)(x), (1, 1)  # see harness.core.primitives.Conv
        return FastConv2D(
            filters,
            (height, width),
            strides,
            "same",
            use_bias=bias,
            kernel_initializer=initializer,
            name=self._name("conv"),
        )(x)

    def _side_by_side(self, x: Tensor, moved: Tensor, filters: int, stride: int) -> Tensor:
        first = self._conv(x, 1, 1, filters // 2, (stride, stride))
        second = self._conv(moved, 1, 1, filters - filters // 2, (stride, stride))
        return keras.layers.Concatenate()([first, second])

    def _merged(self, inputs: list[Tensor], merge: Merge) -> Tensor:
        if len(inputs) == 1:
            return inputs[0]
        match merge:
            case "concat":
                return keras.layers.Concatenate()(_padded(inputs))
            case "sum":
                return keras.layers.Add()(_cut(inputs))
            case "mean":
                return keras.layers.Average()(_cut(inputs))
            case "shake":
                return Shake(seed=self._next_seed())(inputs)


def _padded(parts: list[Tensor]) -> list[Tensor]:
    """Brings all parts to the largest height and width with zeros at the bottom and at the right."""
    height, width = (max(int(part.shape[axis]) for part in parts) for axis in (1, 2))
    out = []
    for part in parts:
        below, right = height - int(part.shape[1]), width - int(part.shape[2])
        out.append(keras.layers.ZeroPadding2D(((0, below), (0, right)))(part) if below or right else part)
    return out


def _cut(parts: list[Tensor]) -> list[Tensor]:
    """Brings all parts to the smallest height and width by leaving out rows at the bottom and columns at the right."""
    height, width = (min(int(part.shape[axis]) for part in parts) for axis in (1, 2))
    return [_top_left(part, height, width) for part in parts]


def _top_left(x: Tensor, height: int, width: int) -> Tensor:
    below, right = int(x.shape[1]) - height, int(x.shape[2]) - width
    return FastCropping2D(((0, below), (0, right)))(x) if below or right else x


def _unpool(x: Tensor) -> Tensor:
    """Zeros between the pixels, with stock layers."""
    _, height, width, channels = x.shape
    x = keras.layers.Reshape((height, 1, width, channels))(x)
    x = keras.layers.ZeroPadding3D(((0, 0), (0, 1), (0, 0)))(x)
    x = keras.layers.Reshape((2 * height, width, 1, channels))(x)
    x = keras.layers.ZeroPadding3D(((0, 0), (0, 0), (0, 1)))(x)
    return keras.layers.Reshape((2 * height, 2 * width, channels))(x)


def _floor_pool(x: Tensor, size: int, stride: int) -> Tensor:
    """Max pooling without padding; a window larger than the image is cut to it."""
    windows, used = zip(*(floor_window(int(length), size, stride) for length in x.shape[1:3]), strict=True)
    return keras.layers.MaxPooling2D(windows, stride, "valid")(_top_left(x, *used))
