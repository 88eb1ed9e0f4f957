"""A data set, the file that provides it, and the part of it that a search may see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import InputError
from harness.core.table import Table

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
_FOLDER = "folder"


def seeded_by(dataset: str) -> str:
    """What names the random draws on a data set: its name; of a folder without the path.

    The path says where the images are, and not which: the same ones are split alike on every machine. What stands
    behind the name of a plug-in's set may say which, and counts.
    """
    return _FOLDER if dataset.startswith(f"{_FOLDER}:") else dataset


@dataclass(frozen=True)
class Dataset:
    """A complete labelled image data set in memory.

    Args:
        name: as given on the command line.
        x_train, x_test: ``uint8`` images, shape ``(n, height, width, channels)``.
        y_train, y_test: labels, whole numbers of shape ``(n,)``; kept as ``int64``.
        classes: class names, in label order.
        mean, std: per channel, on the 0..255 scale, computed on the training images or published for the set.
        flip: whether a mirrored image keeps its label: photographs do, digits do not.
        crop_padding: pixels of zero padding for random crops; 4 is usual for CIFAR.
        cutout: side of the cutout square in pixels, as the literature has it for this set; 0 for none.
        groups: optional group of each training image (a person, a fold); the validation split keeps groups whole.
        validation: optional, one ``bool`` per training image: the set's own validation images, which a search
            validates on in place of a random share. The final training uses them too, as it does with that share.
        note: one line for the person who waits: what was left out on loading, and why; "" if there is nothing to say.
        averaged: whether the images were larger (:meth:`bounded`).
    """

    name: str
    x_train: Images
    y_train: Labels
    x_test: Images
    y_test: Labels
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool = True
    crop_padding: int = 4
    cutout: int = 0
    groups: Labels | None = None
    validation: NDArray[np.bool_] | None = None
    note: str = ""
    averaged: bool = False

    def __post_init__(self) -> None:
        for part, x, y in (("train", self.x_train, self.y_train), ("test", self.x_test, self.y_test)):
            if x.ndim != 4 or x.dtype != np.uint8:
                raise InputError(f"data set '{self.name}': the {part} images are not uint8 of shape (n, h, w, c)")
            if y.ndim != 1 or y.dtype.kind not in "iu":
                raise InputError(
                    f"data set '{self.name}': the {part} labels are {y.dtype} of shape {y.shape}, and not whole "
                    "numbers of shape (n,)"
                )
            if len(x) == 0 or len(x) != len(y):
                raise InputError(f"data set '{self.name}': {len(x)} {part} images but {len(y)} labels")
            if int(y.min()) < 0 or int(y.max()) >= len(self.classes):
                raise InputError(f"data set '{self.name}': a {part} label is outside 0..{len(self.classes) - 1}")
            object.__setattr__(self, f"y_{part}", y.astype(np.int64, copy=False))
        self._check_shapes()

    def _check_shapes(self) -> None:
        """What belongs to the images fits them."""
        train, test = self.x_train.shape[1:], self.x_test.shape[1:]
        if train != test:
            raise InputError(f"data set '{self.name}': training images are {train} and test images {test}")
        if not len(self.mean) == len(self.std) == train[2]:
            raise InputError(
                f"data set '{self.name}': it has {train[2]} channels, {len(self.mean)} means and {len(self.std)} "
                "standard deviations"
            )
        if not np.isfinite(self.mean).all():
            raise InputError(f"data set '{self.name}': a mean is no finite number, and it is subtracted from images")
        if not all(0 < deviation < np.inf for deviation in self.std):
            raise InputError(
                f"data set '{self.name}': a standard deviation is not positive and finite, and images are divided by it"
            )
        if self.groups is not None and self.groups.shape != self.y_train.shape:
            raise InputError(f"data set '{self.name}': its groups are not told for each training image")
        chosen = self.validation
        if chosen is not None and (
            chosen.dtype != np.bool_ or chosen.shape != self.y_train.shape or chosen.all() or not chosen.any()
        ):
            raise InputError(f"data set '{self.name}': its validation images are none, all, or not told for each image")

    def bounded(self, side: int) -> Dataset:
        """The data set with images of at most ``side`` pixels a side; 0 is no bound.

        Larger images are averaged over squares, the smallest that bring them below the bound; rows and columns that
        fill no square are cut off on both sides. Padding and cutout shrink alike; mean and deviation stay, so that
        normalised images vary a little less.
        """
        return self.averaged_over(-(-max(self.x_train.shape[1:3]) // side) if side else 1)

    def averaged_over(self, square: int) -> Dataset:
        """The data set with each square of so many pixels a side averaged to one; see :meth:`bounded`."""
        height, width = self.x_train.shape[1:3]
        if square <= 1:
            return self
        small = max(1, height // square), max(1, width // square)
        told = f"images of {height}x{width} pixels are averaged to {small[0]}x{small[1]}"
        return replace(
            self,
            x_train=_averaged(self.x_train, square),
            x_test=_averaged(self.x_test, square),
            crop_padding=-(-self.crop_padding // square),
            cutout=-(-self.cutout // square),
            note="; ".join(filter(None, (self.note, f"{self.name}: {told}"))),
            averaged=True,
        )


_TOGETHER = 1000
"""Images that are averaged together, so that their sums need little memory."""


def _averaged(images: Images, square: int) -> Images:
    """Means over squares of pixels, rounded."""
    count, height, width, channels = images.shape
    tall, wide = min(square, height), min(square, width)
    rows, columns = height // tall, width // wide
    top, left = (height - rows * tall) // 2, (width - columns * wide) // 2
    result = np.empty((count, rows, columns, channels), np.uint8)
    for start in range(0, count, _TOGETHER):
        part = images[start : start + _TOGETHER, top : top + rows * tall, left : left + columns * wide]
        sums = part.reshape(len(part), rows, tall, columns, wide, channels).sum((2, 4), dtype=np.uint32)
        result[start : start + _TOGETHER] = (sums + tall * wide // 2) // (tall * wide)
    return result


@dataclass(frozen=True)
class DatasetSource:
    """How to load a data set and how to get it; a file in ``datasets/`` exports one as ``DATASET``.

    Args:
        name: as given on the command line.
        summary: one line: what it is, sizes, classes.
        load: ``load(root) -> Dataset``, or a :class:`Table` if ``tabular``; ``root`` is the directory that holds all
            data sets. Raises :class:`InputError` with one sentence that names the missing or broken file.
        missing: ``missing(root)``: None if the files are there, else one sentence with the command that brings them.
            Cheap: looks at names and sizes only.
        fetch: ``fetch(root, say)`` brings the files, telling progress through ``say``; None if it cannot be automated.
        hidden: ``hidden(root)``: the files or directories that contain the test labels; a search process cannot open
            them.
        tabular: whether it is a table of trained architectures instead of images.
    """

    name: str
    summary: str
    load: Callable[[Path], Dataset | Table]
    missing: Callable[[Path], str | None]
    fetch: Callable[[Path, Callable[[str], None]], None] | None
    hidden: Callable[[Path], tuple[Path, ...]]
    tabular: bool = False


@dataclass(frozen=True)
class SearchData:
    """The part of a data set that a search may see: train and validation images, no test.

    Shapes and types as in :class:`Dataset`. The arrays are read-only. A table has no images: all arrays are empty.
    """

    dataset: str
    x_train: Images
    y_train: Labels
    x_valid: Images
    y_valid: Labels
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    crop_padding: int
    cutout: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``(height, width, channels)``."""
        height, width, channels = self.x_train.shape[1:]
        return int(height), int(width), int(channels)

    @staticmethod
    def of_table(name: str) -> SearchData:
        """The data of a search on a table: no images (of one pixel) and no labels."""
        images, labels = np.zeros((0, 1, 1, 1), np.uint8), np.zeros(0, np.int64)
        for array in (images, labels):
            array.flags.writeable = False
        return SearchData(name, images, labels, images, labels, 0, (0.0,), (1.0,), False, 0, 0)
