"""Images as a network takes them: normalised float32, in training randomly cropped, mirrored and cut out.

All randomness is stateless: the same seed gives the same images, so that a resumed training goes on exactly as if
it had not been interrupted. Everything runs inside the traced training step; crop and mirror are one kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def normalise(images: tf.Tensor, mean: Sequence[float], std: Sequence[float]) -> tf.Tensor:
    """``(images - mean) / std`` as float32.

    Args:
        images: ``(n, h, w, c)``, values 0..255, any number type.
        mean, std: per channel, on the same scale.
    """
    factor = tf.constant([1.0 / value for value in std], tf.float32)
    offset = tf.constant([-m / s for m, s in zip(mean, std, strict=True)], tf.float32)
    return tf.cast(images, tf.float32) * factor + offset


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
    draws = tf.random.stateless_uniform([5, tf.shape(images)[0]], seed)
    if padding or flip:
        images = _crop(images, draws[:3], padding, flip)
    images = normalise(images, mean, std)
    return _cut(images, draws[3:], cutout) if cutout else images


def _crop(images: tf.Tensor, draws: tf.Tensor, padding: int, flip: bool) -> tf.Tensor:
    """Shifts by up to ``padding`` pixels and mirrors, in one gather: output (x, y) is input (sign x + dx, y + dy)."""
    height, width = images.shape[1], images.shape[2]
    shift = tf.floor(draws[:2] * (2 * padding + 1)) - padding
    zero, one = tf.zeros_like(draws[0]), tf.ones_like(draws[0])
    mirrored = tf.floor(draws[2] * 2.0) if flip else zero
    rows = [one - 2.0 * mirrored, zero, shift[0] + (width - 1.0) * mirrored, zero, one, shift[1], zero, zero]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(rows, axis=1),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )


def _cut(images: tf.Tensor, draws: tf.Tensor, side: int) -> tf.Tensor:
    """Zeroes the rows and columns ``centre - side // 2 <= i < centre - side // 2 + side``."""

    def inside(draw: tf.Tensor, length: int) -> tf.Tensor:
        first = tf.floor(draw * length)[:, None] - side // 2
        place = tf.range(length, dtype=tf.float32)[None, :]
        return tf.logical_and(place >= first, place < first + side)

    rows, columns = inside(draws[0], images.shape[1]), inside(draws[1], images.shape[2])
    hole = tf.logical_and(rows[:, :, None, None], columns[:, None, :, None])
    return tf.where(hole, 0.0, images)
