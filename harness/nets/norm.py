"""Batch normalisation on TensorFlow's fused kernel.

Keras 3's own layer computes moments with separate operations, which more than halves the speed of a small convolutional
network on a CPU. This layer calls ``FusedBatchNormV3`` and gives the same numbers: output, gradients and moving
statistics (the kernel reports the unbiased batch variance, Keras averages the biased one).

Where oneDNN has vectors of sixteen numbers, its forward kernel takes five to ten times as long for 24, 40, 56 ...
channels as for a few more. There two pixels are taken for one with twice the channels, which needs a second pass.
Where it has none, the forward kernel is slow for any number of channels but eight, and is put together from sums and
products here. The backward kernel is fast everywhere.

Where a batch is computed in parts on several devices, mean and variance are those of the whole batch, and so are the
gradients that go through them.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from harness.nets import processor, replicas
from harness.nets.gradients import OwnGradient

EPSILON = 1e-5
"""Added to the variance in every normalisation, of layers and supernets alike."""
KEPT = 0.9
"""Share of its old value that a moving statistic keeps per step."""


@keras.saving.register_keras_serializable(package="harness")
class FusedBatchNormalization(keras.layers.Layer):
    """Batch normalisation of images ``(n, h, w, c)`` over all axes but the last; the shape is kept.

    Weights, in order: ``gamma`` and ``beta`` (only with ``affine``), then ``moving_mean`` and ``moving_variance`` (not
    trainable), each of shape ``(c,)`` and always float32. Works under mixed precision. As in Keras, a layer with
    ``trainable = False`` uses its moving statistics in training too.

    Args:
        momentum: share of the old value that a moving average keeps per step.
        epsilon: added to the variance.
        affine: whether there are a scale and an offset.

    Raises:
        ValueError: when built on anything but four dimensions.
    """

    def __init__(self, momentum: float = KEPT, epsilon: float = EPSILON, affine: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum, self.epsilon, self.affine = momentum, epsilon, affine

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) != 4:
            raise ValueError(f"fused batch normalisation needs images (n, h, w, c), not the shape {input_shape}")
        width = (input_shape[-1],)

        def weight(name: str, initializer: str, trainable: bool) -> keras.Variable:
            # The kernel wants its statistics in float32 whatever the images' type.
            return self.add_weight(
                name=name, shape=width, initializer=initializer, trainable=trainable, autocast=False, dtype="float32"
            )

        if self.affine:
            self.gamma = weight("gamma", "ones", True)
            self.beta = weight("beta", "zeros", True)
        self.moving_mean = weight("moving_mean", "zeros", False)
        self.moving_variance = weight("moving_variance", "ones", False)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        width = inputs.shape[-1]
        mean, variance = tf.convert_to_tensor(self.moving_mean), tf.convert_to_tensor(self.moving_variance)
        scale = tf.convert_to_tensor(self.gamma) if self.affine else tf.ones([width])
        offset = tf.convert_to_tensor(self.beta) if self.affine else tf.zeros([width])
        if not (training and self.trainable):
            return inference(inputs, scale, offset, mean, variance, self.epsilon)
        together = replicas.parts() > 1
        if together or is_slow(inputs):
            way = training_together if together else training_around
            output, mean_now, variance_now = way(inputs, scale, offset, self.epsilon)
            self.moving_mean.assign(mean + (1.0 - self.momentum) * (mean_now - mean))
            self.moving_variance.assign(variance + (1.0 - self.momentum) * (variance_now - variance))
            return output
        # The kernel averages old * momentum + new * n / (n - 1) * (1 - momentum). Going in and out of it with the
        # factor n / (n - 1) on the old value takes that factor off the new one: two nodes instead of eight.
        factor = bessel(inputs)
        output, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=scale,
            offset=offset,
            mean=mean,
            variance=variance * factor,
            epsilon=self.epsilon,
            exponential_avg_factor=1.0 - self.momentum,
            is_training=True,
        )
        self.moving_mean.assign(mean)
        self.moving_variance.assign(variance / factor)
        return output

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "affine": self.affine,
        }

    def to_plain(self) -> keras.layers.BatchNormalization:
        """A new layer of Keras' own that computes the same, with the same name; its weights are not set yet."""
        return keras.layers.BatchNormalization(
            momentum=self.momentum, epsilon=self.epsilon, center=self.affine, scale=self.affine, name=self.name
        )

    def plain_weights(self) -> list[np.ndarray]:
        """Values for ``set_weights`` of the built layer of :meth:`to_plain`."""
        affine = [self.gamma, self.beta] if self.affine else []
        return [weight.numpy() for weight in (*affine, self.moving_mean, self.moving_variance)]


def bessel(images: tf.Tensor) -> float | tf.Tensor:
    """``n / (n - 1)`` for ``n`` values per channel, 1 for a single value, as the kernel has it."""
    count = _count(images)
    return count / (max(count - 1.0, 1.0) if isinstance(count, float) else tf.maximum(count - 1.0, 1.0))


def _count(images: tf.Tensor) -> float | tf.Tensor:
    """Values per channel."""
    shape = images.shape[:-1]
    if shape.is_fully_defined():
        return float(np.prod(shape.as_list()))
    return tf.cast(tf.reduce_prod(tf.shape(images)[:-1]), tf.float32)


def is_slow(images: tf.Tensor) -> bool:
    """Whether the forward kernel is slow for ``images`` (n, h, w, c), and there is a way around it."""
    return _in_pairs(images) or _in_rows(images)


def _in_pairs(images: tf.Tensor) -> bool:
    sides = images.shape[1:]
    return sides.is_fully_defined() and processor.normalises_in_pairs(*sides)


def _in_rows(images: tf.Tensor) -> bool:
    sides = images.shape[1:]
    return images.dtype == tf.float32 and sides.is_fully_defined() and processor.normalises_in_rows(*sides)


def _pairs(images: tf.Tensor) -> tf.Tensor:
    _, height, width, channels = images.shape
    return tf.reshape(images, [-1, height * width // 2, 1, 2 * channels])


def inference(
    images: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor, epsilon: float
) -> tf.Tensor:
    """Normalised by given statistics, all of shape (c,)."""
    shape = images.shape
    if _in_rows(images):
        factor = scale * tf.math.rsqrt(variance + epsilon)
        return _scaled(_rows(images), factor, offset - mean * factor, shape)
    slow = _in_pairs(images)
    if slow:
        images = _pairs(images)
        scale, offset, mean, variance = (tf.tile(vector, [2]) for vector in (scale, offset, mean, variance))
    output, *_ = tf.raw_ops.FusedBatchNormV3(
        x=images, scale=scale, offset=offset, mean=mean, variance=variance, epsilon=epsilon, is_training=False
    )
    return tf.reshape(output, [-1, *shape[1:]]) if slow else output


def _rows(images: tf.Tensor) -> tf.Tensor:
    """(n, h, w, c) to (n, h w c): with a number for each of an image's, factors and offsets are applied fast."""
    return tf.reshape(images, [-1, int(np.prod(images.shape[1:]))])


def _scaled(rows: tf.Tensor, factor: tf.Tensor, offset: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    pixels = [shape[1] * shape[2]]
    return tf.reshape(rows * tf.tile(factor, pixels) + tf.tile(offset, pixels), [-1, *shape[1:]])


def _gradient_around(
    upstream: tf.Tensor,
    images: tf.Tensor,
    scale: tf.Tensor,
    offset: tf.Tensor,
    mean: tf.Tensor,
    variance: tf.Tensor,
    epsilon: tf.Tensor,
) -> list[tf.Tensor | None]:
    """The backward kernel, which is fast for any number of channels."""
    for_images, for_scale, for_offset, *_ = tf.raw_ops.FusedBatchNormGradV3(
        y_backprop=upstream,
        x=images,
        scale=scale,
        reserve_space_1=mean,
        reserve_space_2=variance,
        reserve_space_3=tf.zeros([0]),
        epsilon=float(tf.get_static_value(epsilon)),
        is_training=True,
    )
    return [for_images, for_scale, for_offset, None, None, None]


_AROUND = OwnGradient("NormalisationAround", _gradient_around)


@tf.function(autograph=False)
def training_around(
    images: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The normalised images, and mean and biased variance of the batch, without the slow forward kernel."""
    still = tf.stop_gradient(images)
    way = _training_in_pairs if _in_pairs(images) else _training_in_rows
    output, mean, variance = way(still, scale, offset, epsilon)
    # The gradient is given tensors, so epsilon is one.
    return _AROUND.tie(output, images, scale, offset, mean, variance, tf.constant(epsilon)), mean, variance


def _training_in_pairs(
    images: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """By two passes over pairs of pixels."""
    halves = (tf.reshape(one, [2, -1]) for one in _statistics(_pairs(images), epsilon))
    mean, variance = _pooled(*halves)
    return inference(images, scale, offset, mean, variance, epsilon), mean, variance


def _statistics(images: tf.Tensor, epsilon: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and biased variance per channel, by the forward kernel."""
    channels, nothing = int(images.shape[-1]), tf.zeros([0])
    _, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=images,
        scale=tf.ones([channels]),
        offset=tf.zeros([channels]),
        mean=nothing,
        variance=nothing,
        epsilon=epsilon,
        is_training=True,
    )
    return mean, variance / bessel(images)


def _pooled(means: tf.Tensor, variances: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and biased variance of equally large parts together, from those of each along the first axis."""
    mean, between = tf.nn.moments(means, 0)
    return mean, tf.reduce_mean(variances, 0) + between


def _training_in_rows(
    images: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """By sums over images as matrix products, and by factors for every number of an image."""
    _, height, width, channels = images.shape
    rows = _rows(images)
    number = tf.shape(rows)[0]
    share = tf.fill([1, number], 1.0 / tf.cast(number, tf.float32))

    def average(of: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.reshape(tf.matmul(share, of), [height * width, channels]), 0)

    mean = average(rows)
    away = rows - tf.tile(mean, [height * width])
    variance = average(tf.square(away))
    return _scaled(away, scale * tf.math.rsqrt(variance + epsilon), offset, images.shape), mean, variance


def training_together(
    images: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """As :func:`training_around`, by mean and variance of the batch of which ``images`` are a part.

    Its gradient is no :class:`~harness.nets.gradients.OwnGradient`: that is tied inside a function of its own, and
    devices cannot wait for each other inside one. A process trains few networks like that.
    """
    mean, variance = _statistics_together(tf.stop_gradient(images), epsilon)

    @tf.custom_gradient
    def normalised(images: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            # Written out: of the kernel with given statistics there is no deterministic form for graphics cards. This
            # part's gradients for scale and offset are also the sums that lead through mean and variance: over all
            # parts, because each of them was normalised by these.
            factor = tf.math.rsqrt(variance + epsilon)
            away = (tf.cast(images, tf.float32) - mean) * factor
            arriving = tf.cast(upstream, tf.float32)
            for_offset = tf.reduce_sum(arriving, [0, 1, 2])
            for_scale = tf.reduce_sum(arriving * away, [0, 1, 2])
            through_mean, through_variance = tf.unstack(
                replicas.total(tf.stack([for_offset, for_scale])) / (_count(images) * replicas.parts())
            )
            for_images = scale * factor * (arriving - away * through_variance - through_mean)
            return tf.cast(for_images, images.dtype), for_scale, for_offset

        return inference(images, scale, offset, mean, variance, epsilon), gradient

    return normalised(images, scale, offset), mean, variance


def _statistics_together(images: tf.Tensor, epsilon: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and biased variance of the whole batch, from those of its parts, which have equally many images."""
    return _pooled(*tf.unstack(replicas.gathered(tf.stack(_statistics(images, epsilon))), axis=1))
