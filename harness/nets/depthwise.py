"""Depthwise convolution on TensorFlow's kernels, with two things mended.

The kernels know no dilation in their gradients, so a dilated convolution is a plain one on every second pixel. And the
gradient for a kernel is slow on a CPU if it has more than three columns (7.7 ms for 5x5, batch 64, 32x32, 16 channels,
one thread, where 5x3 takes 0.8 ms) or more rows than the image (5.9 ms for 3x3 on 2x2, batch 256, 64 channels, where
4x4 take 0.2 ms). It is put together from strips of three columns of a padded image here, with the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from harness.nets.constants import Constants
from harness.nets.gradients import OwnGradient
from harness.nets.processor import STRIP, depthwise_in_strips


@keras.saving.register_keras_serializable(package="harness")
class FastDepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """Keras' layer on :func:`depthwise`.

    Raises:
        ValueError: asked for anything but padding ``same``, channels last, no bias, one output per channel, odd sizes,
            and one stride and one dilation for both directions, of which one is 1.
    """

    def __init__(self, kernel_size: int | tuple[int, int], *args: Any, **kwargs: Any) -> None:
        super().__init__(kernel_size, *args, **kwargs)
        usual = (self.padding, self.data_format, self.use_bias, self.depth_multiplier)
        if usual != ("same", "channels_last", False, 1) or self.activation is not keras.activations.linear:
            raise ValueError(
                f"'{self.name}' needs padding 'same', channels last, no bias, no activation, one output per channel"
            )
        if not all(length % 2 for length in self.kernel_size):
            raise ValueError(f"'{self.name}' needs a kernel of odd sizes, not {self.kernel_size}")
        strides, dilations = set(self.strides), set(self.dilation_rate)
        if len(strides) > 1 or len(dilations) > 1 or 1 not in strides | dilations:
            raise ValueError(
                f"'{self.name}' needs one stride and one dilation for both directions, one of the two being 1; "
                f"not {self.strides} and {self.dilation_rate}"
            )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        [stride], [dilation] = set(self.strides), set(self.dilation_rate)
        return depthwise(inputs, tf.convert_to_tensor(self.kernel), stride, dilation, Constants())

    def to_plain(self) -> keras.layers.DepthwiseConv2D:
        """A new layer of Keras' own that computes the same, with the same name; its weights are not set yet."""
        return keras.layers.DepthwiseConv2D.from_config(self.get_config())


def depthwise(x: tf.Tensor, kernel: tf.Tensor, stride: int, dilation: int, constants: Constants) -> tf.Tensor:
    """Depthwise convolution, padding ``same``.

    Args:
        x: (n, h, w, c) with known height and width.
        kernel: (height, width, c, 1), odd lengths.
        stride: must be 1 with dilation.
        dilation: distance between the pixels that are read.
        constants: of the graph.
    """
    assert stride == 1 or dilation == 1
    if dilation > 1:
        height, width = map(int, x.shape[1:3])
        parts = depthwise(scattered(x, dilation, constants), kernel, 1, 1, constants)
        return assembled(parts, dilation, height, width, constants)
    rows, columns, channels, _ = map(int, kernel.shape)
    if depthwise_in_strips(rows, columns, int(x.shape[1]), channels):
        return _wide(x, kernel, stride)
    return tf.raw_ops.DepthwiseConv2dNative(input=x, filter=kernel, strides=[1, stride, stride, 1], padding="SAME")


def scattered(x: tf.Tensor, dilation: int, constants: Constants) -> tf.Tensor:
    """Every ``dilation``-th pixel as an image of its own: (n, h, w, c) to (dilation² n, h / dilation, w / dilation, c).

    Where ``dilation`` does not divide a length, zeros are added at its end.
    """
    rest = tuple((0, -int(length) % dilation) for length in x.shape[1:3])
    block = constants.of((dilation, dilation))
    return tf.raw_ops.SpaceToBatchND(input=x, block_shape=block, paddings=constants.of(rest))


def assembled(parts: tf.Tensor, dilation: int, height: int, width: int, constants: Constants) -> tf.Tensor:
    """The image whose :func:`scattered` pixels are ``parts``."""
    rest = tuple((0, -length % dilation) for length in (height, width))
    block = constants.of((dilation, dilation))
    return tf.raw_ops.BatchToSpaceND(input=parts, block_shape=block, crops=constants.of(rest))


@dataclass(frozen=True)
class Passed:
    """What a part of a kernel passes over along one side of an image, zeros around it included.

    Args:
        before, after: zeros there; negative for so many pixels that it does not reach.
    """

    before: int
    after: int

    @property
    def cropped(self) -> tuple[int, int]:
        """Pixels to be taken away at both ends."""
        return max(-self.before, 0), max(-self.after, 0)

    @property
    def padded(self) -> tuple[int, int]:
        """Zeros to be added at both ends."""
        return max(self.before, 0), max(self.after, 0)


def passed(length: int, size: int, stride: int, start: int, part: int) -> Passed:
    """With padding ``same``, and so that padding ``valid`` has the same output for the part alone.

    Args:
        length: of the image.
        size: of the whole kernel.
        stride: of it.
        start, part: where the part begins, and how long it is.
    """
    reach = (-(-length // stride) - 1) * stride
    edge = max(reach + size - length, 0) // 2
    return Passed(edge - start, start + reach + part - edge - length)


def strips(columns: int) -> list[tuple[int, int, int]]:
    """Of a kernel of so many columns: the first of each strip, its width, and how many columns are there already."""
    width = min(STRIP, columns)
    starts = [min(first, columns - width) for first in range(0, columns, width)]
    return [(start, width, place * width - start) for place, start in enumerate(starts)]


def _wide_gradient(upstream: tf.Tensor, x: tf.Tensor, kernel: tf.Tensor, stride: tf.Tensor) -> list[tf.Tensor | None]:
    step = int(tf.get_static_value(stride))
    strides = [1, step, step, 1]
    for_x = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
        input_sizes=tf.shape(x), filter=kernel, out_backprop=upstream, strides=strides, padding="SAME"
    )
    rows, columns, channels, _ = map(int, kernel.shape)
    parts: list[tf.Tensor] = []
    for start, width, known in strips(columns):
        # Otherwise the padded copies of x are made with x and lie there until the gradient comes.
        with tf.control_dependencies([upstream]):
            over = _passed_over(
                x, passed(int(x.shape[1]), rows, step, 0, rows), passed(int(x.shape[2]), columns, step, start, width)
            )
        part = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=over,
            filter_sizes=[rows, width, channels, 1],
            out_backprop=upstream,
            strides=strides,
            padding="VALID",
        )
        parts.append(part[:, known:] if known else part)
    return [for_x, tf.concat(parts, 1) if len(parts) > 1 else parts[0], None]


def _passed_over(x: tf.Tensor, vertical: Passed, horizontal: Passed) -> tf.Tensor:
    (top, bottom), (left, right) = vertical.cropped, horizontal.cropped
    if top or bottom or left or right:
        x = x[:, top : -bottom or None, left : -right or None]
    return tf.pad(x, [[0, 0], vertical.padded, horizontal.padded, [0, 0]])


_WIDE = OwnGradient("WideDepthwise", _wide_gradient)


@tf.function(autograph=False)
def _wide(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    y = tf.raw_ops.DepthwiseConv2dNative(input=x, filter=kernel, strides=[1, stride, stride, 1], padding="SAME")
    # The gradient is given tensors, so the stride is one.
    return _WIDE.tie(y, x, kernel, tf.constant(stride))
