"""Mean and standard deviation of the training images, per channel, in little memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1024


def mean_and_std(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Per channel over all pixels of ``images`` (``uint8``, ``(n, h, w, c)``), on the 0..255 scale.

    Exact: computed from counts of the 256 values, so no floating-point copy of the images is made. A channel of one
    constant value gets the standard deviation 1, because it is divided by.
    """
    channels = images.shape[3]
    counts = np.zeros((channels, 256), dtype=np.int64)
    for start in range(0, len(images), _CHUNK):
        for channel in range(channels):
            counts[channel] += np.bincount(images[start : start + _CHUNK, :, :, channel].ravel(), minlength=256)
    values = np.arange(256, dtype=np.float64)
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
    return tuple(mean.tolist()), tuple(s or 1.0 for s in std.tolist())
