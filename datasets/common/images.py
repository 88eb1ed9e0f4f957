"""Image files read to one size: upright, on a white ground, eight bits per channel.

- **Orientation**: an image is turned as its EXIF entry says, before its size is looked at.
- **Transparency**: transparent parts show :data:`GROUND`, in every mode that has them.
- **Sixteen bits**: values are divided by 256, so that the full range stays the full range.
- More than four channels and floating-point values are refused with a sentence.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import InputError

from .listing import Sample

if TYPE_CHECKING:
    from PIL.Image import Image

GROUND = (255, 255, 255)
"""What transparent pixels are laid on: white, as paper is."""
_GREY = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"})
_SIXTEEN_BITS = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})
_ORIENTATION, _TURNED = 0x0112, frozenset({5, 6, 7, 8})
_SAMPLES_PER_PIXEL = 277


def image_size(path: Path) -> tuple[int, int]:
    """``(height, width)`` in pixels of the upright image."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return upright.height, upright.width
    except Exception as error:  # see _pixels
        raise _broken(path, error) from error


def read_images(paths: Sequence[Path], height: int, width: int) -> tuple[NDArray[np.uint8], bool]:
    """All images at one size: ``uint8`` of shape ``(n, height, width, 3)``, and whether every one of them is grey.

    An image is scaled until it covers the size and cropped around its centre, so nothing is distorted. Decoding runs
    on a few threads (Pillow frees the interpreter meanwhile); the result does not depend on their number.

    Raises:
        InputError: names the first file that is no image, is cut short, or has values that eight bits cannot hold.
    """
    pixels = np.empty((len(paths), height, width, 3), dtype=np.uint8)

    def read(number: int) -> bool:
        pixels[number], grey = _pixels(paths[number], height, width)
        return grey

    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        grey = list(pool.map(read, range(len(paths))))
    return pixels, all(grey)


def read_samples(found: Sequence[Sample], height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], bool]:
    """Images, labels and greyness of ``found``, see :func:`read_images`."""
    pixels, grey = read_images([sample.path for sample in found], height, width)
    return pixels, np.array([sample.label for sample in found], dtype=np.int64), grey


def refuse_one_colour(pixels: NDArray[np.uint8], directory: Path) -> None:
    """Raises :class:`InputError` if all pixels of all images have one and the same colour."""
    if len(pixels) and (pixels == pixels[0, 0, 0]).all():
        red, green, blue = (int(value) for value in pixels[0, 0, 0])
        raise InputError(
            f"all images in {directory} have the one colour ({red}, {green}, {blue}) at this size, so there is nothing "
            "to learn from; drawings in white on a transparent ground need another ground, since it is read as white"
        )


def _pixels(path: Path, height: int, width: int) -> tuple[NDArray[np.uint8], bool]:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            turned = image.getexif().get(_ORIENTATION) in _TURNED
            across, down = (height, width) if turned else (width, height)
            image.draft(None, (2 * across, 2 * down))  # a large JPEG is decoded at a fraction of its size
            mode = image.mode
            upright = ImageOps.exif_transpose(image)
            fitted = ImageOps.fit(_as_rgb(upright, path), (width, height), Image.Resampling.BILINEAR)
            return np.asarray(fitted, dtype=np.uint8), mode in _GREY
    except InputError:
        raise
    except Exception as error:  # on damaged files Pillow raises OSError, SyntaxError, ValueError, struct.error and more
        raise _broken(path, error) from error


def _as_rgb(image: Image, path: Path) -> Image:
    from PIL import Image as Module

    if image.mode in _SIXTEEN_BITS:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65_535:
            raise InputError(f"{path} has values outside 0..65,535; save it with 8 or 16 bits per channel")
        return Module.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise InputError(f"{path} has floating-point values; save it with 8 or 16 bits per channel")
    if image.has_transparency_data:
        ground = Module.new("RGBA", image.size, (*GROUND, 255))
        return Module.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _broken(path: Path, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path} is missing")
    if type(error).__name__ != "UnidentifiedImageError":
        reason = str(error) or type(error).__name__
        return InputError(f"{path} cannot be read as an image ({reason}); replace or delete it")
    channels = _channels_of_tiff(path)
    if channels > 4:
        return InputError(f"{path} has {channels} channels; one to four can be read, so save it with three")
    return InputError(f"{path} cannot be read as an image (not an image); replace or delete it")


def _channels_of_tiff(path: Path) -> int:
    """Channels that a TIFF file states, 0 if it is none; of more than four, Pillow only says that it is no image."""
    from PIL import TiffImagePlugin

    try:
        with path.open("rb") as file:
            directory = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
            file.seek(directory.next)
            directory.load(file)
            return int(directory.get(_SAMPLES_PER_PIXEL, 0))
    except Exception:  # no TIFF, or a damaged one
        return 0
