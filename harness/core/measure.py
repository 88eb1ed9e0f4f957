"""Parameters and multiply-accumulates of a layer graph, counted in milliseconds and without building it.

The numbers equal those of the built Keras model (:mod:`harness.nets.count`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.graph import Layer, LayerGraph
from harness.core.primitives import (
    BiasedConv,
    Conv,
    Depthwise,
    FactorizedReduce,
    Flatten,
    FloorPool,
    Norm,
    Pool,
    Primitive,
    ShakeShortcut,
    Unpool,
    weight_shapes,
)

Shape = tuple[int, int, int]
"""Height, width, channels."""


@dataclass(frozen=True)
class Sizes:
    """How large a network is, without its auxiliary head.

    Args:
        parameters: trainable weights that the output depends on.
        idle: trainable weights of layers that nothing reads; a built model does not have them.
        statistics: moving averages of the normalisations.
        macs: multiply-accumulates of the forward pass of one image, in convolutions and classifier only.
    """

    parameters: int
    idle: int
    statistics: int
    macs: int


def measure(graph: LayerGraph, image: Shape, classes: int) -> Sizes:
    """Counts the layers of ``graph`` on an image of shape ``image``, and its classifier."""
    shapes, live = [image], graph.live()
    parameters = idle = statistics = macs = 0
    for node, layer in enumerate(graph.layers, start=1):
        shape = merged_shape(layer, shapes)
        for primitive in layer.primitives:
            before, shape = shape, shape_after(primitive, shape)
            weights = weight_shapes((primitive,), before[2])
            size = sum(math.prod(weight) for weight in weights)
            if live[node]:
                parameters += size
                macs += shape[0] * shape[1] * sum(math.prod(weight) for weight in weights if len(weight) == 4)
                statistics += 2 * shape[2] if isinstance(primitive, Norm) else 0
            else:
                idle += size
        shapes.append(shape)
    width = shapes[graph.output][2]
    return Sizes(parameters + (width + graph.bias) * classes, idle, statistics, macs + width * classes)


def macs_of(primitives: Sequence[Primitive], shape: Shape) -> tuple[int, Shape]:
    """Multiply-accumulates of ``primitives`` on one image of ``shape``, and the shape of their output."""
    macs = 0
    for primitive in primitives:
        channels, shape = shape[2], shape_after(primitive, shape)
        kernels = [math.prod(weight) for weight in weight_shapes((primitive,), channels) if len(weight) == 4]
        macs += shape[0] * shape[1] * sum(kernels)
    return macs, shape


def shape_after(primitive: Primitive, shape: Shape) -> Shape:
    """The shape of a primitive's output for an input of ``shape``."""
    height, width, channels = shape
    match primitive:
        case Conv(_, _, filters, (vertical, horizontal)):
            return _ceil_div(height, vertical), _ceil_div(width, horizontal), filters
        case Depthwise(_, stride) | Pool(_, _, stride):
            return _ceil_div(height, stride), _ceil_div(width, stride), channels
        case BiasedConv(_, filters, stride) | ShakeShortcut(filters, stride):
            return _ceil_div(height, stride), _ceil_div(width, stride), filters
        case FactorizedReduce(filters):
            return _ceil_div(height, 2), _ceil_div(width, 2), filters
        case Unpool():
            return 2 * height, 2 * width, channels
        case FloorPool(size, stride):
            return floor_pooled(height, size, stride), floor_pooled(width, size, stride), channels
        case Flatten():
            return 1, 1, height * width * channels
        case _:
            return shape


def floor_pooled(length: int, size: int, stride: int) -> int:
    """Rows or columns behind a :class:`~harness.core.primitives.FloorPool`."""
    return max(1, (length - size + 1) // stride)


def floor_window(length: int, size: int, stride: int) -> tuple[int, int]:
    """Length of its window, which is cut to the image, and how many of the ``length`` pixels all windows cover."""
    window = min(size, length)
    return window, (floor_pooled(length, size, stride) - 1) * stride + window


def _ceil_div(length: int, stride: int) -> int:
    """Pixels of an output with padding ``same``."""
    return -(-length // stride)


def merged_shape(layer: Layer, shapes: list[Shape]) -> Shape:
    """The shape of a layer's merged inputs; ``shapes`` are those of the nodes before it."""
    heights, widths, channels = zip(*(shapes[source] for source in layer.inputs), strict=True)
    if layer.merge == "concat":
        return max(heights), max(widths), sum(channels)
    return min(heights), min(widths), channels[0]
