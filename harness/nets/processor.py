"""What the processor is, and every choice of kernels that depends on it.

On a CPU some of TensorFlow's kernels are slow for no good reason, and the same numbers can be had by other kernels.
Each such detour is asked for here, by a function that is given shapes and nothing else. None is taken on a graphics
card, whose own kernels have other strengths.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

import tensorflow as tf

STRIP = 3
"""The most columns for which the weight gradient of a depthwise convolution is fast on a CPU."""
WIDEST = 7
"""The most rows and columns that are taken in strips; the search spaces have no more."""
_MOST_PRODUCT_NUMBERS = 128 * 128
"""Numbers of a 1x1 kernel up to which a matrix product was faster than a convolution."""

_FEWEST_IN_ROWS = 1500
"""Numbers of an image from which sums and products were faster than the kernel."""


def has_graphics_card() -> bool:
    """Whether TensorFlow computes on a graphics card."""
    return bool(tf.config.get_visible_devices("GPU"))


@functools.cache
def has_avx512() -> bool:
    """Whether oneDNN uses vectors of sixteen numbers; False where Linux' list of processors is missing."""
    path = Path("/proc/cpuinfo")
    return path.exists() and " avx512bw " in path.read_text(encoding="utf-8")


def depthwise_in_strips(rows: int, columns: int, image_rows: int, channels: int) -> bool:
    """Whether the weight gradient of a depthwise kernel is taken in narrow strips of a padded image.

    oneDNN has no fast kernel for more than three columns, nor for more rows than the image has (3x3 on 2x2 pixels, what
    a dilation leaves of 4x4: 5.9 instead of 0.2 ms). With vectors of sixteen numbers, five columns of eight channels
    take as long either way.
    """
    wide = columns > STRIP and channels > (8 if has_avx512() else 4)
    return (wide or rows > image_rows) and max(rows, columns) <= WIDEST and not has_graphics_card()


def normalises_in_pairs(height: int, width: int, channels: int) -> bool:
    """Whether two pixels are normalised as one: oneDNN's forward kernel is slow for 24, 40, 56 ... channels."""
    odd_eights = channels % 16 == 8 and channels > 8
    return odd_eights and height * width % 2 == 0 and has_avx512() and not has_graphics_card()


def normalises_in_rows(height: int, width: int, channels: int) -> bool:
    """Whether a normalisation is put together from sums and products over an image's numbers in a row.

    Without vectors of sixteen numbers oneDNN's forward kernel takes a root and a quotient for every number unless there
    are just eight channels: 1.5 instead of 0.9 ms for 64 images of 14x14 and 64 channels. Of few numbers, calling a
    dozen kernels takes as long.
    """
    many = height * width * channels >= _FEWEST_IN_ROWS
    return many and channels > 8 and not has_avx512() and not has_graphics_card()


def pointwise_as_product(channels: int, filters: int) -> bool:
    """Whether a 1x1 convolution is computed as a matrix product, pixels times channels."""
    return channels * filters <= _MOST_PRODUCT_NUMBERS and not has_graphics_card()


def subsamples_by_pooling() -> bool:
    """Whether every second pixel is taken by a pooling of one pixel: the gradient of a strided slice is slow on a CPU,
    and so is oneDNN's strided 1x1 convolution, which also writes out of bounds below eight channels."""
    return not has_graphics_card()


def pools_apart(kind: Literal["max", "avg"], size: int, channels: int) -> bool:
    """Whether a pooling is one over the columns and one over the rows.

    Gradients are slow where channels do not fill oneDNN's vectors: 2.7 instead of 1.0 ms for 5x5 pixels and 8 instead
    of 16 channels (64 images of 14x14). The pooling over rows can take all numbers of a row for channels. Vectors of
    eight numbers are always filled, but there the gradient of a maximum over 5x5 takes 2.1 ms for 16 channels, and 1.3
    apart.
    """
    if has_graphics_card() or size == 1:
        return False
    if has_avx512():
        return channels % 16 != 0
    return channels % 8 != 0 or (kind == "max" and size >= 5)


def takes_maxima_again(kind: Literal["max", "avg"]) -> bool:
    """Whether a pooling in a branch of a ``switch_case`` is computed a second time beside its gradient.

    The gradient of a branch is a function of its own, where oneDNN's gradient kernel misses the notes of the forward
    one and TensorFlow takes its own, four to ten times as slow. An average needs no notes.
    """
    return kind == "max" and not has_graphics_card()
