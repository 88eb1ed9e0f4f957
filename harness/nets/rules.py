"""Kernels for written graphs, each with its gradient, by the detours that :mod:`harness.nets.processor` chooses.

Images are (n, h, w, c); n is -1 in a function for any number of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

from harness.core.graph import Merge
from harness.core.measure import floor_window
from harness.nets import processor
from harness.nets.depthwise import passed, strips
from harness.nets.norm import EPSILON
from harness.nets.written import Backward, Graph, Value

F = tf.float32
Strides = tuple[int, int]


def relu(graph: Graph, x: Value) -> Value:
    """Rectified."""
    [name] = graph.node("Relu", [x], T=F)

    def backward(upstream: Value) -> list[Value | None]:
        [gradient] = graph.node("ReluGrad", [upstream, name], T=F)
        return [Value(gradient, x.shape, False)]

    return graph.result(name, x.shape, [x], backward)


def reshaped(graph: Graph, x: Value, shape: tuple[int, ...]) -> Value:
    """The same numbers in another shape."""
    [name] = graph.node("Reshape", [x, graph.constant(shape)], T=F, Tshape=tf.int32)
    return graph.result(name, shape, [x], lambda upstream: [reshaped(graph, upstream, x.shape)])


def product(graph: Graph, a: Value, b: Value) -> Value:
    """Matrix product, (n, k) times (k, m)."""
    attributes = {"T": F, "transpose_a": False, "transpose_b": False}
    [name] = graph.node("MatMul", [a, b], **attributes)

    def backward(upstream: Value) -> list[Value | None]:
        found: list[Value | None] = [None, None]
        if a.varies:
            [for_a] = graph.node("MatMul", [upstream, b], **{**attributes, "transpose_b": True})
            found[0] = Value(for_a, a.shape, False)
        if b.varies:
            [for_b] = graph.node("MatMul", [a, upstream], **{**attributes, "transpose_a": True})
            found[1] = Value(for_b, b.shape, False)
        return found

    return graph.result(name, (a.shape[0], b.shape[1]), [a, b], backward)


def convolved(graph: Graph, x: Value, kernel: Value, strides: Strides = (1, 1)) -> Value:
    """Convolution with padding ``same``; ``kernel`` is (height, width, channels, filters)."""
    height, width, channels, filters = kernel.shape
    if (height, width) == (1, 1):
        if strides != (1, 1) and processor.subsamples_by_pooling():
            x, strides = pooled(graph, "avg", x, 1, strides), (1, 1)
        if strides == (1, 1) and processor.pointwise_as_product(channels, filters):
            rows = reshaped(graph, x, (-1 if x.shape[0] < 0 else x.shape[0] * x.shape[1] * x.shape[2], channels))
            result = product(graph, rows, reshaped(graph, kernel, (channels, filters)))
            return reshaped(graph, result, (*x.shape[:3], filters))
    attributes = {"T": F, "strides": (1, *strides, 1), "padding": "SAME"}
    [name] = graph.node("Conv2D", [x, kernel], **attributes)

    def backward(upstream: Value) -> list[Value | None]:
        for_x = None
        if x.varies:
            inputs = [graph.constant(x.shape), kernel, upstream]
            for_x = Value(graph.node("Conv2DBackpropInput", inputs, **attributes)[0], x.shape, False)
        inputs = [x, graph.constant(kernel.shape), upstream]
        return [for_x, Value(graph.node("Conv2DBackpropFilter", inputs, **attributes)[0], kernel.shape, False)]

    return graph.result(name, (*_shrunk(x, strides), filters), [x, kernel], backward)


def depthwise(graph: Graph, x: Value, kernel: Value, stride: int, dilation: int) -> Value:
    """Depthwise convolution with padding ``same``; ``kernel`` is (height, width, channels, 1)."""
    if dilation > 1:
        apart = scattered(graph, x, dilation)
        return assembled(graph, depthwise(graph, apart, kernel, 1, 1), dilation, x.shape)
    attributes = {"T": F, "strides": (1, stride, stride, 1), "padding": "SAME"}
    [name] = graph.node("DepthwiseConv2dNative", [x, kernel], **attributes)

    def backward(upstream: Value) -> list[Value | None]:
        for_x = None
        if x.varies:
            inputs = [graph.constant(x.shape), kernel, upstream]
            for_x = Value(graph.node("DepthwiseConv2dNativeBackpropInput", inputs, **attributes)[0], x.shape, False)
        if processor.depthwise_in_strips(kernel.shape[0], kernel.shape[1], x.shape[1], kernel.shape[2]):
            return [for_x, _in_strips(graph, x, kernel, upstream, stride)]
        inputs = [x, graph.constant(kernel.shape), upstream]
        [for_kernel] = graph.node("DepthwiseConv2dNativeBackpropFilter", inputs, **attributes)
        return [for_x, Value(for_kernel, kernel.shape, False)]

    return graph.result(name, (*_shrunk(x, (stride, stride)), x.shape[3]), [x, kernel], backward)


def _in_strips(graph: Graph, x: Value, kernel: Value, upstream: Value, stride: int) -> Value:
    """The gradient of a wide or tall depthwise kernel, see :mod:`harness.nets.depthwise`."""
    rows, columns, channels, _ = kernel.shape
    vertical = passed(x.shape[1], rows, stride, 0, rows)
    parts: list[Value] = []
    for start, width, known in strips(columns):
        horizontal = passed(x.shape[2], columns, stride, start, width)
        # Otherwise the padded copies of x are made with x and lie there until the gradient comes.
        inside = cropped(graph, x, *vertical.cropped, *horizontal.cropped, after=upstream.name)
        over = padded(graph, inside, ((0, 0), vertical.padded, horizontal.padded, (0, 0)), after=upstream.name)
        [name] = graph.node(
            "DepthwiseConv2dNativeBackpropFilter",
            [over, graph.constant((rows, width, channels, 1)), upstream],
            T=F,
            strides=(1, stride, stride, 1),
            padding="VALID",
        )
        part = Value(name, (rows, width, channels, 1), False)
        parts.append(sliced(graph, part, (0, known, 0, 0), (rows, width - known, channels, 1)))
    return joined(graph, parts, 1)


def scattered(graph: Graph, x: Value, dilation: int) -> Value:
    """Every ``dilation``-th pixel as an image of its own; see :func:`harness.nets.depthwise.scattered`."""
    rest = tuple((0, -length % dilation) for length in x.shape[1:3])
    lengths = tuple(-(-length // dilation) for length in x.shape[1:3])
    inputs = [x, graph.constant((dilation, dilation)), graph.constant(rest)]
    [name] = graph.node("SpaceToBatchND", inputs, T=F, Tblock_shape=tf.int32, Tpaddings=tf.int32)
    count = x.shape[0] if x.shape[0] < 0 else x.shape[0] * dilation**2
    shape = (count, *lengths, x.shape[3])
    return graph.result(name, shape, [x], lambda upstream: [assembled(graph, upstream, dilation, x.shape)])


def assembled(graph: Graph, parts: Value, dilation: int, shape: tuple[int, ...]) -> Value:
    """The image of ``shape`` whose scattered pixels are ``parts``."""
    rest = tuple((0, -length % dilation) for length in shape[1:3])
    inputs = [parts, graph.constant((dilation, dilation)), graph.constant(rest)]
    [name] = graph.node("BatchToSpaceND", inputs, T=F, Tblock_shape=tf.int32, Tcrops=tf.int32)
    return graph.result(name, shape, [parts], lambda upstream: [scattered(graph, upstream, dilation)])


def pooled(graph: Graph, kind: Literal["max", "avg"], x: Value, size: int, strides: Strides) -> Value:
    """Pooling with padding ``same``; the average leaves the padding out."""
    if size == 1:
        return x if strides == (1, 1) else _averaged(graph, x, (1, 1), strides)
    kernel = _averaged if kind == "avg" else _largest
    if not processor.pools_apart(kind, size, x.shape[3]):
        return kernel(graph, x, (size, size), strides)
    x = kernel(graph, x, (1, size), (1, strides[1]))
    count, height, width, channels = x.shape
    rows = kernel(graph, reshaped(graph, x, (count, height, 1, width * channels)), (size, 1), (strides[0], 1))
    return reshaped(graph, rows, (count, rows.shape[1], width, channels))


def _averaged(graph: Graph, x: Value, window: Strides, strides: Strides) -> Value:
    attributes = {"T": F, "ksize": (1, *window, 1), "strides": (1, *strides, 1), "padding": "SAME"}
    [name] = graph.node("AvgPool", [x], **attributes)

    def backward(upstream: Value) -> list[Value | None]:
        return [Value(graph.node("AvgPoolGrad", [graph.constant(x.shape), upstream], **attributes)[0], x.shape, False)]

    return graph.result(name, (*_shrunk(x, strides), x.shape[3]), [x], backward)


def _largest(graph: Graph, x: Value, window: Strides, strides: Strides, padding: str = "SAME") -> Value:
    attributes = {"T": F, "ksize": (1, *window, 1), "strides": (1, *strides, 1), "padding": padding}
    [name] = graph.node("MaxPool", [x], **attributes)

    def backward(upstream: Value) -> list[Value | None]:
        return [Value(graph.node("MaxPoolGrad", [x, name, upstream], **attributes)[0], x.shape, False)]

    sides = _shrunk(x, strides)[1:]
    if padding == "VALID":
        height, width = x.shape[1:3]
        sides = (height - window[0]) // strides[0] + 1, (width - window[1]) // strides[1] + 1
    return graph.result(name, (x.shape[0], *sides, x.shape[3]), [x], backward)


def floor_pool(graph: Graph, x: Value, size: int, stride: int) -> Value:
    """Max pooling without padding; a window larger than the image is cut to it."""
    height, width = x.shape[1:3]
    (tall, rows), (wide, columns) = floor_window(height, size, stride), floor_window(width, size, stride)
    x = cropped(graph, x, 0, height - rows, 0, width - columns)
    return _largest(graph, x, (tall, wide), (stride, stride), "VALID")


def halved(graph: Graph, x: Value, kernels: Sequence[Value]) -> Value:
    """Factorised reduction: see :class:`harness.core.primitives.FactorizedReduce`."""
    first = pooled(graph, "avg", x, 1, (2, 2))
    # The image moved by one pixel up and left. Where a side is even, nothing of what moves in is ever read.
    odd = tuple((0, length % 2) for length in x.shape[1:3])
    moved = cropped(graph, padded(graph, x, ((0, 0), *odd, (0, 0))), 1, 0, 1, 0)
    second = pooled(graph, "avg", moved, 1, (2, 2))
    parts = zip((first, second), kernels, strict=True)
    return joined(graph, [convolved(graph, part, kernel) for part, kernel in parts], 3)


def padded(graph: Graph, x: Value, edges: tuple[tuple[int, int], ...], after: str = "") -> Value:
    """With zeros around it."""
    if not np.any(edges):
        return x
    [name] = graph.node("Pad", [x, graph.constant(edges)], after=after, T=F, Tpaddings=tf.int32)
    shape = (x.shape[0], *(length + sum(edge) for length, edge in zip(x.shape[1:], edges[1:], strict=True)))
    start = tuple(before for before, _ in edges)
    return graph.result(name, shape, [x], lambda upstream: [sliced(graph, upstream, start, x.shape)])


def sliced(graph: Graph, x: Value, start: tuple[int, ...], shape: tuple[int, ...], after: str = "") -> Value:
    """The part of ``shape`` that begins at ``start``."""
    if shape == x.shape:
        return x
    inputs = [x, graph.constant(start), graph.constant(shape)]
    [name] = graph.node("Slice", inputs, after=after, T=F, Index=tf.int32)
    lengths = zip(start, shape, x.shape, strict=True)
    edges = tuple((first, 0 if whole < 0 else whole - first - length) for first, length, whole in lengths)
    return graph.result(name, shape, [x], lambda upstream: [padded(graph, upstream, edges)])


def cropped(graph: Graph, x: Value, top: int, bottom: int, left: int, right: int, after: str = "") -> Value:
    """The image without so many rows and columns."""
    count, height, width, channels = x.shape
    shape = (count, height - top - bottom, width - left - right, channels)
    return sliced(graph, x, (0, top, left, 0), shape, after)


def joined(graph: Graph, parts: Sequence[Value], axis: int) -> Value:
    """Side by side along an axis."""
    if len(parts) == 1:
        return parts[0]
    inputs = [*parts, graph.constant(axis)]
    [name] = graph.node("ConcatV2", inputs, N=len(parts), T=F, Tidx=tf.int32)
    sizes = tuple(part.shape[axis] for part in parts)
    shape = (*parts[0].shape[:axis], sum(sizes), *parts[0].shape[axis + 1 :])

    def backward(upstream: Value) -> list[Value | None]:
        inputs = [upstream, graph.constant(sizes), graph.constant(axis)]
        names = graph.node("SplitV", inputs, len(parts), T=F, Tlen=tf.int32, num_split=len(parts))
        return [Value(name, part.shape, False) for name, part in zip(names, parts, strict=True)]

    return graph.result(name, shape, parts, backward)


def total(graph: Graph, parts: Sequence[Value]) -> Value:
    """The sum of values of one shape."""
    if len(parts) == 1:
        return parts[0]
    [name] = graph.node("AddN", parts, N=len(parts), T=F)
    return graph.result(name, parts[0].shape, parts, lambda upstream: [upstream] * len(parts))


def times(graph: Graph, x: Value, factor: float) -> Value:
    """Every number times a constant."""
    [name] = graph.node("Mul", [x, graph.constant(factor, F)], T=F)
    return graph.result(name, x.shape, [x], lambda upstream: [times(graph, upstream, factor)])


def zeros(graph: Graph, x: Value) -> Value:
    """Zeros of the same shape."""
    return Value(graph.node("ZerosLike", [x], T=F)[0], x.shape, False)


def biased(graph: Graph, x: Value, bias: Value) -> Value:
    """With a number per channel added."""
    [name] = graph.node("BiasAdd", [x, bias], T=F)

    def backward(upstream: Value) -> list[Value | None]:
        return [upstream, Value(graph.node("BiasAddGrad", [upstream], T=F)[0], bias.shape, False)]

    return graph.result(name, x.shape, [x, bias], backward)


def scaled(graph: Graph, x: Value, scale: Value) -> Value:
    """Times a number per channel; no gradient."""
    return Value(graph.node("Mul", [x, scale], T=F)[0], x.shape, False)


def averaged_pixels(graph: Graph, x: Value) -> Value:
    """(n, h, w, c) to (n, c)."""
    count, height, width, channels = x.shape
    [name] = graph.node("Mean", [x, graph.constant((1, 2))], T=F, Tidx=tf.int32, keep_dims=False)

    def backward(upstream: Value) -> list[Value | None]:
        share = reshaped(graph, times(graph, upstream, 1.0 / (height * width)), (count, 1, 1, channels))
        inputs = [share, graph.constant(x.shape)]
        return [Value(graph.node("BroadcastTo", inputs, T=F, Tidx=tf.int32)[0], x.shape, False)]

    return graph.result(name, (count, channels), [x], backward)


def merged(graph: Graph, parts: Sequence[Value], merge: Merge) -> Value:
    """Inputs as one: see :data:`harness.core.graph.Merge`; not for ``shake``."""
    if len(parts) == 1:
        return parts[0]
    heights, widths = ([part.shape[axis] for part in parts] for axis in (1, 2))
    if merge == "concat":
        height, width = max(heights), max(widths)
        fitted = [
            padded(graph, part, ((0, 0), (0, height - part.shape[1]), (0, width - part.shape[2]), (0, 0)))
            for part in parts
        ]
        return joined(graph, fitted, 3)
    height, width = min(heights), min(widths)
    fitted = [cropped(graph, part, 0, part.shape[1] - height, 0, part.shape[2] - width) for part in parts]
    result = total(graph, fitted)
    return times(graph, result, 1.0 / len(parts)) if merge == "mean" else result


def normalised(graph: Graph, x: Value, scale: Value, offset: Value) -> tuple[Value, str, str, float]:
    """Batch normalisation by the batch's statistics.

    Returns:
        The images, names of the batch's mean and variance, and the factor that makes that variance a biased one.
    """
    if processor.normalises_in_pairs(*x.shape[1:]):
        return _normalised_in_pairs(graph, x, scale, offset)
    if processor.normalises_in_rows(*x.shape[1:]):
        return _normalised_in_rows(graph, x, scale, offset)
    nothing = graph.filled(0.0, (0,))
    y, mean, variance, first, second = graph.node(
        "FusedBatchNorm", [x, scale, offset, nothing, nothing], T=F, epsilon=EPSILON, is_training=True
    )
    count = x.shape[0] * x.shape[1] * x.shape[2]
    factor = max(count - 1.0, 1.0) / count
    return (
        graph.result(y, x.shape, [x, scale, offset], _normal_gradient(graph, x, scale, first, second)),
        mean,
        variance,
        factor,
    )


def _normal_gradient(graph: Graph, x: Value, scale: Value, mean: str, variance: str) -> Backward:
    def backward(upstream: Value) -> list[Value | None]:
        inputs = [upstream, x, scale, mean, variance]
        names = graph.node("FusedBatchNormGrad", inputs, T=F, epsilon=EPSILON, is_training=True)
        return [
            Value(name, shape, False) for name, shape in zip(names, (x.shape, scale.shape, scale.shape), strict=True)
        ]

    return backward


def _normalised_in_pairs(graph: Graph, x: Value, scale: Value, offset: Value) -> tuple[Value, str, str, float]:
    """By two passes over pairs of pixels, see :mod:`harness.nets.norm`."""
    count, height, width, channels = x.shape
    pairs = reshaped(graph, x, (count, height * width // 2, 1, 2 * channels))
    nothing, ones, none = (
        graph.filled(0.0, (0,)),
        graph.filled(1.0, (2 * channels,)),
        graph.filled(0.0, (2 * channels,)),
    )
    _, means, variances, *_ = graph.node(
        "FusedBatchNorm", [pairs, ones, none, nothing, nothing], T=F, epsilon=EPSILON, is_training=True
    )
    number = count * height * width // 2
    two, first = graph.constant((2, channels)), graph.constant(0)

    def rows(name: str) -> str:
        return graph.node("Reshape", [name, two], T=F, Tshape=tf.int32)[0]

    def average(name: str) -> str:
        return graph.node("Mean", [name, first], T=F, Tidx=tf.int32, keep_dims=False)[0]

    both = rows(means)
    mean = average(both)
    [away] = graph.node("Sub", [both, mean], T=F)
    [between] = graph.node("Mul", [away, away], T=F)
    factor = max(number - 1.0, 1.0) / number
    [within] = graph.node("Mul", [rows(variances), graph.constant(factor, F)], T=F)
    variance = average(graph.node("AddV2", [within, between], T=F)[0])

    def twice(value: Value | str) -> str:
        return graph.node("Tile", [value, graph.constant((2,))], T=F, Tmultiples=tf.int32)[0]

    y, *_ = graph.node(
        "FusedBatchNorm",
        [pairs, twice(scale), twice(offset), twice(mean), twice(variance)],
        T=F,
        epsilon=EPSILON,
        is_training=False,
    )
    [y] = graph.node("Reshape", [y, graph.constant(x.shape)], T=F, Tshape=tf.int32)
    backward = _normal_gradient(graph, x, scale, mean, variance)
    return graph.result(y, x.shape, [x, scale, offset], backward), mean, variance, 1.0


def _normalised_in_rows(graph: Graph, x: Value, scale: Value, offset: Value) -> tuple[Value, str, str, float]:
    """By sums and products over an image's numbers in a row, see :mod:`harness.nets.norm`."""
    count, height, width, channels = x.shape
    pixels, first = graph.constant((height * width,)), graph.constant(0)
    by_pixel, share = graph.constant((height * width, channels)), graph.filled(1.0 / count, (1, count))
    [rows] = graph.node("Reshape", [x, graph.constant((count, height * width * channels))], T=F, Tshape=tf.int32)

    def average(name: str) -> str:
        [sums] = graph.node("MatMul", [share, name], T=F, transpose_a=False, transpose_b=False)
        [sums] = graph.node("Reshape", [sums, by_pixel], T=F, Tshape=tf.int32)
        return graph.node("Mean", [sums, first], T=F, Tidx=tf.int32, keep_dims=False)[0]

    def repeated(value: Value | str) -> str:
        return graph.node("Tile", [value, pixels], T=F, Tmultiples=tf.int32)[0]

    mean = average(rows)
    [away] = graph.node("Sub", [rows, repeated(mean)], T=F)
    variance = average(graph.node("Square", [away], T=F)[0])
    [steadied] = graph.node("AddV2", [variance, graph.constant(EPSILON, F)], T=F)
    [factor] = graph.node("Mul", [scale, graph.node("Rsqrt", [steadied], T=F)[0]], T=F)
    [scaled_rows] = graph.node("Mul", [away, repeated(factor)], T=F)
    [y] = graph.node("AddV2", [scaled_rows, repeated(offset)], T=F)
    [y] = graph.node("Reshape", [y, graph.constant(x.shape)], T=F, Tshape=tf.int32)
    return (
        graph.result(y, x.shape, [x, scale, offset], _normal_gradient(graph, x, scale, mean, variance)),
        mean,
        variance,
        1.0,
    )


def cross_entropy(graph: Graph, logits: Value, targets: Value) -> tuple[Value, Value]:
    """Mean loss of an image, and the gradient of it for the logits. ``targets`` are (n, classes)."""
    losses, away = graph.node("SoftmaxCrossEntropyWithLogits", [logits, targets], T=F)
    [mean] = graph.node("Mean", [losses, graph.constant(0)], T=F, Tidx=tf.int32, keep_dims=False)
    return Value(mean, (), False), times(graph, Value(away, logits.shape, False), 1.0 / logits.shape[0])


def _shrunk(x: Value, strides: Strides) -> tuple[int, int, int]:
    count, height, width, _ = x.shape
    return count, -(-height // strides[0]), -(-width // strides[1])
