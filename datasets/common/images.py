"""Directories of image files: listing, a hold-out that any machine repeats, and reading to one size.

Order and hold-out come from a hash of ``class/file``, never from the file system, so two copies of a set give the same
arrays and the same split, and one more file does not reshuffle the others.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"})
_GREY = frozenset({"1", "L", "LA"})
_DEEP = frozenset({"I", "I;16", "I;16B", "I;16L", "F"})


@dataclass(frozen=True)
class Sample:
    """An image file and its class number."""

    path: Path
    label: int


def class_folders(directory: Path) -> list[str]:
    """Names of the folders in ``directory``, sorted; hidden ones are left out."""
    return sorted(entry.name for entry in _entries(directory) if entry.is_dir() and not entry.name.startswith("."))


def samples(directory: Path, classes: Sequence[str], *, all_classes: bool) -> list[Sample]:
    """The image files of ``directory/<class>/`` for each of ``classes``, in an order that mixes the classes.

    With ``all_classes`` a class without images is an error; without, only if no class has any.
    """
    found = []
    for label, name in enumerate(classes):
        folder = directory / name
        files = [
            Sample(Path(entry.path), label)
            for entry in (_entries(folder) if all_classes or folder.is_dir() else [])
            if entry.name[0] != "." and Path(entry.name).suffix.lower() in SUFFIXES and entry.is_file()
        ]
        if all_classes and not files:
            raise InputError(f"{folder} has no image files (jpg, png, bmp, gif, webp, ppm, tif)")
        found += files
    if not found:
        raise InputError(f"{directory} has no image files in its class folders")
    return sorted(found, key=_hash)


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError as error:
        raise InputError(f"{directory} cannot be read as a directory ({error.strerror})") from error


def _hash(sample: Sample) -> bytes:
    return hashlib.sha256(f"{sample.path.parent.name}/{sample.path.name}".encode(errors="surrogateescape")).digest()


def hold_out(found: Sequence[Sample], share: float) -> tuple[list[Sample], list[Sample]]:
    """``(rest, held out)``: of every class the share (0..1) whose hash comes first, at least one image each way."""
    per_class: dict[int, list[Sample]] = {}
    for sample in sorted(found, key=_hash):
        per_class.setdefault(sample.label, []).append(sample)
    held = set()
    for of_class in per_class.values():
        if len(of_class) < 2:
            raise InputError(f"{of_class[0].path.parent} has a single image: too few to train and to test on")
        held.update(of_class[: min(max(round(len(of_class) * share), 1), len(of_class) - 1)])
    return [s for s in found if s not in held], [s for s in found if s in held]


def image_size(path: Path) -> tuple[int, int]:
    """``(height, width)`` in pixels, from the header."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.height, image.width
    except Exception as error:  # see _pixels
        raise _broken(path, error) from error


def read_images(paths: Sequence[Path], height: int, width: int) -> tuple[NDArray[np.uint8], bool]:
    """All images at one size: ``uint8`` of shape ``(n, height, width, 3)``, and whether every one of them is grey.

    An image is scaled until it covers the size and cropped around its centre, so nothing is distorted. Decoding runs
    on a few threads (Pillow frees the interpreter meanwhile); the result does not depend on their number.

    Raises:
        InputError: names the first file that is no image, is cut short, or has more than 8 bits per channel.
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


def _pixels(path: Path, height: int, width: int) -> tuple[NDArray[np.uint8], bool]:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            image.draft(None, (2 * width, 2 * height))  # a large JPEG is decoded at a fraction of its size
            mode = image.mode
            if mode not in _DEEP:
                fitted = ImageOps.fit(_as_rgb(image), (width, height), Image.Resampling.BILINEAR)
                return np.asarray(fitted, dtype=np.uint8), mode in _GREY
    except Exception as error:  # on damaged files Pillow raises OSError, SyntaxError, ValueError, struct.error and more
        raise _broken(path, error) from error
    raise InputError(f"{path} has more than 8 bits per channel; save it with 8")


def _as_rgb(image: Image) -> Image:
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def _broken(path: Path, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path} is missing")
    reason = "not an image" if type(error).__name__ == "UnidentifiedImageError" else str(error) or type(error).__name__
    return InputError(f"{path} cannot be read as an image ({reason}); replace or delete it")
