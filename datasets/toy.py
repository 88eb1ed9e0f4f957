"""Toy: five kinds of noisy stripes in 16x16 grey pixels, made by a seeded generator; no files.

For trying out code, not for results. A class is the direction of a grating (or two crossed gratings); phase, frequency,
contrast, shading and noise vary from image to image. The phase is uniform, so all classes have the same mean image and
a linear model learns next to nothing, while a convolution with a few filters, a rectifier and pooling reads the
direction off. A mirrored rising diagonal is a falling one, so images may not be flipped.

Measured on the test images (chance 20 %): ridge regression on pixels 20 %, one hidden layer of 64 units 56 %, five
nearest neighbours 69 %, two convolutions with 1,533 weights 95 % after 10 epochs (seconds), with 5,365 weights 97 %.

The set is made, not kept: there is no file to hide, and a search process could make the test images again. Do not
compare methods on it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.dataset import Dataset, DatasetSource
from harness.core.seeds import rng

from .common.statistics import mean_and_std

SIDE = 16
CLASSES = ("horizontal", "rising", "vertical", "falling", "crossed")
TRAIN_PER_CLASS = 300
TEST_PER_CLASS = 100

_ANGLES = (90.0, 45.0, 0.0, 135.0)  # direction in which the brightness changes, degrees; crossed gratings take any two
_JITTER = 10.0  # degrees to either side
_CYCLES = (2.0, 5.0)  # over the width of the image
_CONTRAST = (0.5, 1.0)
_SHADING = 0.5
_NOISE = 0.9  # standard deviation, in amplitudes of a grating at full contrast


def _grating(generator: np.random.Generator, angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """One grating of unit amplitude and random phase per angle (radians): shape ``(n, SIDE, SIDE)``."""
    n = len(angles)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    cycles = generator.uniform(*_CYCLES, n)
    phase = generator.uniform(0.0, 2 * np.pi, n)
    across = np.cos(angles)[:, None, None] * columns + np.sin(angles)[:, None, None] * rows
    return np.sin(2 * np.pi * cycles[:, None, None] * across + phase[:, None, None])


def _images(generator: np.random.Generator, labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """One image per label, ``uint8`` of shape ``(n, SIDE, SIDE, 1)``."""
    n = len(labels)
    crossed = labels == CLASSES.index("crossed")
    angles = np.deg2rad(np.array([*_ANGLES, 0.0])[labels] + generator.uniform(-_JITTER, _JITTER, n))
    angles = np.where(crossed, generator.uniform(0.0, np.pi, n), angles)
    first, second = _grating(generator, angles), _grating(generator, angles + np.pi / 2)
    pattern = np.where(crossed[:, None, None], (first + second) / np.sqrt(2), first)

    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1) - 0.5
    slope = generator.uniform(-_SHADING, _SHADING, (2, n, 1, 1)) * 2
    contrast = generator.uniform(*_CONTRAST, (n, 1, 1))
    noise = generator.normal(0.0, _NOISE, (n, SIDE, SIDE))
    bright = contrast * pattern + slope[0] * rows + slope[1] * columns + noise
    return np.clip(np.rint(127.5 + 50.0 * bright), 0, 255).astype(np.uint8)[..., None]


def _part(part: str, per_class: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    generator = rng(0, f"toy/{part}")
    labels = generator.permutation(np.repeat(np.arange(len(CLASSES), dtype=np.int64), per_class))
    return _images(generator, labels), labels


def load(root: Path) -> Dataset:
    """The same 1,500 training and 500 test images on every call; ``root`` is not looked at."""
    x_train, y_train = _part("train", TRAIN_PER_CLASS)
    x_test, y_test = _part("test", TEST_PER_CLASS)
    mean, std = mean_and_std(x_train)
    return Dataset(
        name="toy",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        classes=CLASSES,
        mean=mean,
        std=std,
        flip=False,
        crop_padding=2,
    )


def _nothing_missing(root: Path) -> str | None:
    return None


def _nothing_to_hide(root: Path) -> tuple[Path, ...]:
    return ()


DATASET = DatasetSource(
    name="toy",
    summary="noisy stripes, made on the spot for trying things out: 1,500 + 500 grey images of 16x16, 5 classes",
    load=load,
    missing=_nothing_missing,
    fetch=None,
    hidden=_nothing_to_hide,
)
