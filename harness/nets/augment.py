"""Images as a network takes them: normalised float32, in training randomly cropped, mirrored and cut out.

All randomness is stateless: the same seed gives the same images, so that a resumed training goes on exactly as if
it had not been interrupted. Everything runs inside the traced training step.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from harness.nets import replicas


def normalise(images: tf.Tensor, mean: Sequence[float], std: Sequence[float]) -> tf.Tensor:
    """``(images - mean) / std`` as float32.

    Args:
        images: ``(n, h, w, c)``, values 0..255, any number type.
        mean, std: per channel, on the same scale.
    """
    factor = [1.0 / value for value in std]
    offset = [-m / s for m, s in zip(mean, std, strict=True)]
    images = tf.cast(images, tf.float32)
    if not images.shape[1:].is_fully_defined():
        return images * tf.constant(factor) + tf.constant(offset)
    # A factor for every number of an image: on a CPU a factor of few channels is spread three to five times as slowly.
    height, width, channels = images.shape[1:]
    rows = tf.reshape(images, [-1, height * width * channels])
    rows = rows * tf.constant(factor * (height * width)) + tf.constant(offset * (height * width))
    return tf.reshape(rows, [-1, height, width, channels])


def augment(
    images: tf.Tensor,
    seed: tf.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    padding: int = 0,
    flip: bool = False,
    cutout: int = 0,
) -> tf.Tensor:
    """Random training images, normalised.

    As in the usual CIFAR recipe, the image is padded with black before it is cropped, and the cutout square is filled
    with the mean colour: 0 after normalisation. With nothing switched on this is :func:`normalise`.

    Args:
        images: uint8, ``(n, h, w, c)``.
        seed: two integers; every pair gives other images.
        mean, std: per channel, on the 0..255 scale.
        padding: pixels added on every side before a crop of the original size; 0 for no crop.
        flip: mirror half of the images.
        cutout: side of the square in pixels; 0 for none. Its centre is uniform over all pixels, so that part of it may
            fall outside (DeVries & Taylor 2017).

    Returns:
        float32, the same shape.
    """
    if not (padding or flip or cutout):
        return normalise(images, mean, std)
    draws = replicas.own(tf.random.stateless_uniform([5, replicas.whole_batch_size(images)], seed), axis=1)
    if padding or flip:
        images = _crop(images, draws[:3], padding, flip)
    images = normalise(images, mean, std)
    return _cut(images, draws[3:], cutout) if cutout else images


def _crop(images: tf.Tensor, draws: tf.Tensor, padding: int, flip: bool) -> tf.Tensor:
    """Shifts by up to ``padding`` pixels and mirrors: one gather of pixels from the padded images."""
    height, width, channels = images.shape[1:]
    edges = [padding, padding]
    pixels = tf.reshape(tf.pad(images, [[0, 0], edges, edges, [0, 0]]), [-1, channels])
    tall, wide = height + 2 * padding, width + 2 * padding
    left, top = tf.unstack(tf.cast(tf.floor(draws[:2] * (2 * padding + 1)), tf.int32))
    columns = tf.range(width)[None, :]
    if flip:
        columns = tf.where((draws[2] >= 0.5)[:, None], width - 1 - columns, columns)
    first = (tf.range(tf.shape(images)[0]) * tall + top) * wide + left
    rows = first[:, None] + tf.range(height) * wide
    return tf.gather(pixels, rows[:, :, None] + columns[:, None, :])


def _cut(images: tf.Tensor, draws: tf.Tensor, side: int) -> tf.Tensor:
    """Zeroes the rows and columns ``centre - side // 2 <= i < centre - side // 2 + side``."""

    def inside(draw: tf.Tensor, length: int) -> tf.Tensor:
        first = tf.floor(draw * length)[:, None] - side // 2
        place = tf.range(length, dtype=tf.float32)[None, :]
        return tf.logical_and(place >= first, place < first + side)

    height, width, channels = images.shape[1:]
    rows = tf.cast(inside(draws[0], height), tf.float32)[:, :, None]
    columns = tf.cast(inside(draws[1], width), tf.float32)[:, None, :]
    # As a product over rows of numbers, which a CPU does in a quarter of the time of a choice per pixel.
    kept = 1.0 - tf.matmul(rows, tf.repeat(columns, channels, axis=2))
    return tf.reshape(tf.reshape(images, [-1, height, width * channels]) * kept, [-1, height, width, channels])
