"""Any directory of images, given as folder:PATH: PATH/train/<class>/*, and PATH/test/ or PATH/val/ if there.

Classes are the folders in ``train``, sorted by name. The test set is ``test/<class>/*`` if there, else
``val/<class>/*``, else a fifth of each class in ``train``, the same files on every machine; where both are there,
``val`` is not used (the harness splits its own validation images off the training images).

All images are resized to the size of the first one (by name, in the first class), reduced so that its longer side has
at most 64 pixels: an image is scaled until it covers that size and cropped around its centre. One channel if all images
are grey, else three. Mean and standard deviation are computed on the training images. Mirrored images count as the same
class, and random crops are padded by an eighth of the shorter side.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError

from .common.images import Sample, class_folders, hold_out, image_size, read_samples, samples
from .common.statistics import mean_and_std

LONGEST_SIDE = 64
HELD_OUT = 0.2


def source(path: Path) -> DatasetSource:
    """The set in the directory ``path``; its ``root`` arguments are not looked at."""
    directory = path.expanduser().absolute()

    def missing(root: Path) -> str | None:
        if not (directory / "train").is_dir():
            return f"{directory / 'train'} is missing; put the training images into {directory}/train/<class>/"
        return None

    def load(root: Path) -> Dataset:
        if absent := missing(root):
            raise InputError(absent)
        return _load(f"folder:{path}", directory)

    def hidden(root: Path) -> tuple[Path, ...]:
        named = tuple(directory / part for part in ("test", "val"))
        return named if _test_folder(directory) else (*named, directory / "train")

    return DatasetSource(
        name=f"folder:{path}",
        summary=f"your images in {path}, at the size of the first one, the longer side at most {LONGEST_SIDE} pixels",
        load=load,
        missing=missing,
        fetch=None,
        hidden=hidden,
    )


def _test_folder(directory: Path) -> Path | None:
    return next((directory / part for part in ("test", "val") if (directory / part).is_dir()), None)


def _load(name: str, directory: Path) -> Dataset:
    classes = tuple(class_folders(directory / "train"))
    if len(classes) < 2:
        raise InputError(f"{directory / 'train'} has {len(classes)} class folders; at least two are needed")
    train = samples(directory / "train", classes, all_classes=True)
    height, width = _size(train)
    test_folder = _test_folder(directory)
    if test_folder:
        if unknown := sorted(set(class_folders(test_folder)) - set(classes)):
            raise InputError(f"{test_folder / unknown[0]} is a class that {directory / 'train'} does not have")
        test = samples(test_folder, classes, all_classes=False)
    else:
        train, test = hold_out(train, HELD_OUT)
    x_train, y_train, grey_train = read_samples(train, height, width)
    x_test, y_test, grey_test = read_samples(test, height, width)
    channels = 1 if grey_train and grey_test else 3
    mean, std = mean_and_std(x_train[..., :channels])
    return Dataset(
        name=name,
        x_train=np.ascontiguousarray(x_train[..., :channels]),
        y_train=y_train,
        x_test=np.ascontiguousarray(x_test[..., :channels]),
        y_test=y_test,
        classes=classes,
        mean=mean,
        std=std,
        crop_padding=min(height, width) // 8,
    )


def _size(train: list[Sample]) -> tuple[int, int]:
    """Height and width of the first image, both reduced alike until the longer is at most :data:`LONGEST_SIDE`."""
    first = min(train, key=lambda sample: (sample.label, sample.path.name))
    height, width = image_size(first.path)
    longer = max(height, width, LONGEST_SIDE)
    return max(height * LONGEST_SIDE // longer, 1), max(width * LONGEST_SIDE // longer, 1)
