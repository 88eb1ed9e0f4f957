"""What the processor is, as far as the choice of kernels depends on it."""

from __future__ import annotations

import functools
from pathlib import Path

import tensorflow as tf


def has_graphics_card() -> bool:
    """Whether TensorFlow computes on a graphics card."""
    return bool(tf.config.get_visible_devices("GPU"))


@functools.cache
def has_avx512() -> bool:
    """Whether oneDNN uses vectors of sixteen numbers; False where Linux' list of processors is missing."""
    path = Path("/proc/cpuinfo")
    return path.exists() and " avx512bw " in path.read_text(encoding="utf-8")
