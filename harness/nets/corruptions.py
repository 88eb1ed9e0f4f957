"""Corrupted copies of test images: noise, blur, contrast and JPEG at five strengths each.

Definitions and strengths are those of Hendrycks & Dietterich, *Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations*, ICLR 2019: four of theirs that need nothing but the image itself, one of each kind.
Their CIFAR-10-C has the strengths of small images, ImageNet-64-C those of medium ones, ImageNet-C those of large ones.
The images are made here, with other random numbers, so figures are near to those on the authors' files and not equal.
Results are whole numbers 0..255, as an image file holds them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from harness.core.dataset import Images, seeded_by
from harness.core.seeds import rng

STRENGTHS = range(1, 6)
SIDES = (32, 64)
"""Longer sides, pixels, up to which an image is small or medium."""
_CHUNK = 500
"""Images that are worked on at a time."""
Floats = NDArray[np.float32]

_STRENGTHS: Mapping[str, tuple[tuple[float, ...], ...]] = MappingProxyType(
    {
        "noise": ((0.04, 0.06, 0.08, 0.09, 0.10), (0.04, 0.08, 0.12, 0.15, 0.18), (0.08, 0.12, 0.18, 0.26, 0.38)),
        "blur": ((0.4, 0.6, 0.7, 0.8, 1.0), (0.5, 0.75, 1.0, 1.25, 1.5), (1.0, 2.0, 3.0, 4.0, 6.0)),
        "contrast": ((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05), (0.4, 0.3, 0.2, 0.1, 0.05)),
        "jpeg": ((80, 65, 58, 50, 40), (65, 58, 50, 40, 25), (25, 18, 15, 10, 7)),
    }
)
"""By corruption: of small, medium and large images, weakest first."""
CORRUPTIONS = tuple(_STRENGTHS)


def corrupted(images: Images, name: str, strength: int, dataset: str) -> Images:
    """The images with a corruption; the same ones in every run on a data set.

    Args:
        images: ``(n, height, width, channels)``, 0..255.
        name: of :data:`CORRUPTIONS`.
        strength: of :data:`STRENGTHS`.
        dataset: names the random numbers, wherever it is.
    """
    size = int(np.searchsorted(SIDES, max(images.shape[1:3])))
    amount = _STRENGTHS[name][size][strength - 1]
    generator = rng(0, f"corruption/{seeded_by(dataset)}/{name}/{strength}")
    result = np.empty(images.shape, np.uint8)
    for first in range(0, len(images), _CHUNK):
        part = slice(first, first + _CHUNK)
        result[part] = _FUNCTIONS[name](np.asarray(images[part]), amount, generator)
    return result


def all_corrupted(images: Images, dataset: str) -> Iterator[tuple[str, Images]]:
    """Every corruption at every strength, one after the other, each with its name, ``noise-1`` to ``jpeg-5``."""
    for name in CORRUPTIONS:
        for strength in STRENGTHS:
            yield f"{name}-{strength}", corrupted(images, name, strength, dataset)


def _noise(images: Images, deviation: float, generator: np.random.Generator) -> Images:
    """Normal noise on every number, of this share of the range."""
    drawn = generator.standard_normal(images.shape, np.float32)
    return _whole(images + np.float32(255 * deviation) * drawn)


def _blur(images: Images, deviation: float, _: np.random.Generator) -> Images:
    """A Gaussian filter of this standard deviation in pixels; the border is continued."""
    floats = images.astype(np.float32)
    return _whole(gaussian_filter(floats, (0, deviation, deviation, 0), mode="nearest"))


def _contrast(images: Images, share: float, _: np.random.Generator) -> Images:
    """This share of every number's distance to its channel's mean over the image."""
    floats = images.astype(np.float32)
    mean = floats.mean(axis=(1, 2), keepdims=True)
    return _whole((floats - mean) * np.float32(share) + mean)


def _jpeg(images: Images, quality: float, _: np.random.Generator) -> Images:
    """Written and read again as JPEG; channels that are no RGB each as a grey image."""
    return np.stack([_as_jpeg(image, int(quality)) for image in images])


def _as_jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    if image.shape[2] != 3:
        channels = [_through_file(channel, quality) for channel in np.moveaxis(image, 2, 0)]
        return np.stack(channels, axis=2)
    return _through_file(image, quality)


def _through_file(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    with io.BytesIO() as file:
        Image.fromarray(np.ascontiguousarray(image)).save(file, "JPEG", quality=quality)
        with Image.open(file) as stored:
            return np.asarray(stored)


def _whole(numbers: Floats) -> Images:
    return np.clip(np.rint(numbers), 0, 255).astype(np.uint8)


_FUNCTIONS: Mapping[str, Callable[[Images, float, np.random.Generator], Images]] = MappingProxyType(
    {"noise": _noise, "blur": _blur, "contrast": _contrast, "jpeg": _jpeg}
)
