"""Keras' own convolution, pooling and cropping on the kernels of :mod:`harness.nets.pixels`.

Each has ``to_plain``: Keras' layer that computes the same, for the export.
"""

from __future__ import annotations

from typing import Any, Literal

import keras
import tensorflow as tf

from harness.nets.pixels import convolved, cropped, pooled


@keras.saving.register_keras_serializable(package="harness")
class FastConv2D(keras.layers.Conv2D):
    """Keras' layer on :func:`~harness.nets.pixels.convolved`.

    Raises:
        ValueError: asked for anything but padding ``same``, channels last, no activation, no dilation, no groups.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usual = (self.padding, self.data_format, self.groups, set(self.dilation_rate))
        if usual != ("same", "channels_last", 1, {1}) or self.activation is not keras.activations.linear:
            raise ValueError(
                f"'{self.name}' needs padding 'same', channels last, no activation, no dilation, no groups"
            )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        output = convolved(inputs, tf.convert_to_tensor(self.kernel), *self.strides)
        return tf.nn.bias_add(output, tf.convert_to_tensor(self.bias)) if self.use_bias else output

    def to_plain(self) -> keras.layers.Conv2D:
        """A new layer of Keras' own that computes the same, with the same name; its weights are not set yet."""
        return keras.layers.Conv2D.from_config(self.get_config())


@keras.saving.register_keras_serializable(package="harness")
class FastPooling2D(keras.layers.Layer):
    """Pooling of images (n, h, w, c) with padding ``same``; the average leaves the padding out.

    Args:
        kind: ``max`` or ``avg``.
        size, strides: of the window, rows and columns; a window of one pixel only moves pixels.
    """

    def __init__(self, kind: Literal["max", "avg"], size: int, strides: tuple[int, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind, self.size, self.strides = kind, size, (strides[0], strides[1])

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return pooled(self.kind, inputs, self.size, self.strides)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        count, height, width, channels = input_shape
        return count, -(-height // self.strides[0]), -(-width // self.strides[1]), channels

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind, "size": self.size, "strides": self.strides}

    def to_plain(self) -> keras.layers.Layer:
        """A new layer of Keras' own that computes the same, with the same name."""
        plain = keras.layers.MaxPooling2D if self.kind == "max" else keras.layers.AveragePooling2D
        return plain(self.size, self.strides, "same", name=self.name)


@keras.saving.register_keras_serializable(package="harness")
class FastCropping2D(keras.layers.Cropping2D):
    """Keras' layer with a gradient that is not slow."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        (top, bottom), (left, right) = self.cropping
        return cropped(inputs, top, bottom, left, right)

    def to_plain(self) -> keras.layers.Cropping2D:
        """A new layer of Keras' own that computes the same, with the same name."""
        return keras.layers.Cropping2D.from_config(self.get_config())


FAST = (FastConv2D, FastPooling2D, FastCropping2D)
