"""Image files read to one size: upright, on a white ground, eight bits per channel.

- **Orientation**: an image is turned as its EXIF entry says, before its size is looked at.
- **Transparency**: transparent parts show :data:`GROUND`, in every mode that has them.
- **Sixteen bits**: a file does not say how many of them are used: cameras and scanners fill ten, twelve or all. The
  largest value in the training images of a set does, and all its images are divided by the same power of two, so that
  the values that occur fill eight bits. A note says so.
- More than four channels and floating-point values are refused with a sentence.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

GROUND = (255, 255, 255)
"""What transparent pixels are laid on: white, as paper is."""
_GREY = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"})
_SIXTEEN_BITS = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})
_SIXTEEN = re.compile(";16[BLN]")
"""In the raw mode of a file's pixels: sixteen bits of each channel. Those of BGR;16 are of all three together."""
_ORIENTATION, _TURNED = 0x0112, frozenset({5, 6, 7, 8})
_SAMPLES_PER_PIXEL = 277
Item = TypeVar("Item")
Answer = TypeVar("Answer")


def image_size(path: Path) -> tuple[int, int]:
    """``(height, width)`` in pixels of the upright image."""
    from PIL import ImageOps

    with _opened(path) as image:
        upright = ImageOps.exif_transpose(image)
        return upright.height, upright.width


@dataclass(frozen=True)
class Pixels:
    """The images of a set at one size.

    Args:
        train, test: as of :func:`read_images`.
        grey: whether every image is grey.
        note: how sixteen bits were scaled, a clause; "" if no image has them.
    """

    train: NDArray[np.uint8]
    test: NDArray[np.uint8]
    grey: bool
    note: str


def read_parts(train: Sequence[Path], test: Sequence[Path], height: int, width: int) -> Pixels:
    """The images of a set, all by one scale, that of the training images; see :func:`read_images`.

    Raises:
        InputError: as there, or the test images have more bits than the training images.
    """
    parts = [(paths, *_read(paths, height, width)) for paths in (train, test)]
    [(_, x_train, grey_train, deep_train), (_, x_test, grey_test, deep_test)] = parts
    grey, note = grey_train and grey_test, ""
    if deep_test and not deep_train:
        raise InputError(f"{test[deep_test[0]]} has 16 bits and the training images have 8; save all with equally many")
    if deep_train:
        largest, others = (_each(_largest_value, [paths[number] for number in deep]) for paths, _, _, deep in parts)
        bits = max(8, max(largest).bit_length())
        if bits < 16:  # as 16 they are read already
            for paths, pixels, _, deep in parts:
                _read_again(paths, pixels, deep, bits)
        note = _scale(max(largest), bits, sum(value >= 1 << bits for value in others))
    return Pixels(x_train, x_test, grey, note)


def _scale(largest: int, bits: int, beyond: int) -> str:
    """How values of sixteen bits were scaled."""
    how = f"divided by {1 << bits - 8}" if bits > 8 else "taken as they are"
    words = f"values of 16-bit images go up to {largest:,} in training and are {how}"
    return f"{words}, larger ones in {beyond:,} test images are cut off" if beyond else words


def read_images(paths: Sequence[Path], height: int, width: int) -> tuple[NDArray[np.uint8], bool]:
    """All images at one size: ``uint8`` of shape ``(n, height, width, 3)``, and whether every one of them is grey.

    An image is scaled until it covers the size and cropped around its centre, so nothing is distorted. Decoding runs
    on a few threads (Pillow frees the interpreter meanwhile); the result does not depend on their number.

    Args:
        paths: of the files.
        height, width: of the result.

    Raises:
        InputError: names the first file that is no image, is cut short, or has values that eight bits cannot hold.
    """
    pixels, grey, _ = _read(paths, height, width)
    return pixels, grey


def _read(paths: Sequence[Path], height: int, width: int) -> tuple[NDArray[np.uint8], bool, tuple[int, ...]]:
    """As :func:`read_images`, and which of the files have sixteen bits."""
    pixels = np.empty((len(paths), height, width, 3), dtype=np.uint8)

    def read(number: int) -> tuple[bool, bool]:
        pixels[number], grey, deep = _pixels(paths[number], height, width)
        return grey, deep

    told = _each(read, range(len(paths)))
    return pixels, all(grey for grey, _ in told), tuple(number for number, (_, deep) in enumerate(told) if deep)


def _read_again(paths: Sequence[Path], pixels: NDArray[np.uint8], numbers: Sequence[int], bits: int) -> None:
    """Reads the images of these numbers as of so many bits."""

    def read(number: int) -> None:
        pixels[number] = _pixels(paths[number], pixels.shape[1], pixels.shape[2], bits)[0]

    _each(read, numbers)


def _each(function: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, items))


def refuse_one_colour(pixels: NDArray[np.uint8], directory: Path) -> None:
    """Raises :class:`InputError` if all pixels of all images have one and the same colour."""
    if len(pixels) and (pixels == pixels[0, 0, 0]).all():
        red, green, blue = (int(value) for value in pixels[0, 0, 0])
        drawn = "; drawings in white on a transparent ground need another ground, since it is read as white"
        raise InputError(
            f"all images in {directory} have the one colour ({red}, {green}, {blue}) at this size, so there is nothing "
            f"to learn from{drawn if (red, green, blue) == GROUND else ''}"
        )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[ImageFile]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            yield image
    except InputError:
        raise
    except Exception as error:  # on damaged files Pillow raises OSError, SyntaxError, ValueError, struct.error and more
        raise _broken(path, error) from error


def _pixels(path: Path, height: int, width: int, bits: int = 16) -> tuple[NDArray[np.uint8], bool, bool]:
    """An image, whether it is grey, and whether its file has sixteen bits, of which so many are filled; larger values
    are cut off."""
    from PIL.Image import Resampling
    from PIL.ImageOps import exif_transpose, fit

    with _opened(path) as image:
        colour = _in_deep_colour(image)
        if bits < 16 and colour:
            raise InputError(
                f"{path} has several channels of 16 bits, of which the upper 8 can be read, and the values of the "
                f"training images fill the lower {bits}; save all with 8 bits per channel"
            )
        turned = image.getexif().get(_ORIENTATION) in _TURNED
        across, down = (height, width) if turned else (width, height)
        image.draft(None, (2 * across, 2 * down))  # a large JPEG is decoded at a fraction of its size
        mode = image.mode
        fitted = fit(_as_rgb(exif_transpose(image), path, bits), (width, height), Resampling.BILINEAR)
        return np.asarray(fitted, dtype=np.uint8), mode in _GREY, colour or mode in _SIXTEEN_BITS


def _largest_value(path: Path) -> int:
    """The largest value of a file of sixteen bits; of several channels that which has the same upper bits, since Pillow
    leaves the others out."""
    with _opened(path) as image:
        if image.mode in _SIXTEEN_BITS:
            return int(_values(image, path).max())
        bands = [np.asarray(image.getchannel(band)) for band in image.getbands() if band != "A"]
        return max(int(band.max()) << 8 | 255 for band in bands)


def _in_deep_colour(image: ImageFile) -> bool:
    """Whether a file that is not yet decoded has several channels of sixteen bits."""
    return image.mode not in _SIXTEEN_BITS and any(_SIXTEEN.search(str(tile[3])) for tile in image.tile)


def _values(image: Image, path: Path) -> NDArray[np.int64]:
    """Of an image of one channel of sixteen bits."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65_535:
        raise InputError(f"{path} has values outside 0..65,535; save it with 8 or 16 bits per channel")
    return values


def _as_rgb(image: Image, path: Path, bits: int) -> Image:
    from PIL import Image as Module

    if image.mode in _SIXTEEN_BITS:
        values = np.minimum(_values(image, path) >> bits - 8, 255)
        return Module.fromarray(values.astype(np.uint8)).convert("RGB")
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
