"""Any directory of images, given as folder:PATH: PATH/train/<class>/*, and PATH/test/ and PATH/val/ if there.

Classes are the folders in ``train``, sorted by name; images in folders below a class folder belong to the class. The
test set is ``test/<class>/*`` if there, else ``val/<class>/*``, else a fifth of each class in ``train``, the same files
on every machine. Where both are there, ``val`` is the validation set of every search; else the harness splits
validation images off the training images. Other common names are understood, in upper or lower case: ``training``;
``testing``; ``valid``, ``validation`` and ``dev``. What is taken and what is left out is said in one line before work.

All images are resized to the size of the first one (by name, in the first class), reduced so that its longer side has
at most 64 pixels: an image is scaled until it covers that size and cropped around its centre. One channel if all images
are grey, else three. See :mod:`harness.datasets.common.images` on orientation, transparency and sixteen bits. Mean and
standard deviation are computed on the training images. Mirrored images count as the same class, and random crops are
padded by an eighth of the shorter side. Where the directory is, and how its path is typed, changes no random draw.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError
from harness.core.names import printable
from harness.core.paths import existing, spelled

from .common.images import image_size, read_parts, refuse_one_colour
from .common.listing import (
    LeftOut,
    Sample,
    class_folders,
    entries,
    hold_out,
    is_folder,
    is_system,
    leads_nowhere,
    paths_and_labels,
    refuse_broken_links,
    samples,
)
from .common.statistics import mean_and_std

LONGEST_SIDE = 64
HELD_OUT = 0.2
NAMES = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "val": ("val", "valid", "validation", "dev"),
}
"""Names of the three parts, the usual one first."""
_NAMED = 5
"""Classes that a part lacks, of which the line says the names."""


@dataclass(frozen=True)
class _Parts:
    """The folders of the parts; None where there is none. ``others``: folders that are no part."""

    train: Path | None
    test: Path | None
    validation: Path | None
    others: tuple[str, ...]


def source(path: Path) -> DatasetSource:
    """The set in the directory ``path``; its ``root`` arguments are not looked at."""
    name = f"folder:{spelled(str(path))}"
    named = path.expanduser().absolute()

    def directory() -> Path:
        return existing(named)

    def missing(root: Path) -> str | None:
        home = directory()
        if not home.is_dir() or _parts(home).train is None:
            return f"{home / 'train'} is missing; put the training images into {home}/train/<class>/"
        return None

    def load(root: Path) -> Dataset:
        if absent := missing(root):
            raise InputError(absent)
        return _load(name, directory())

    def hidden(root: Path) -> tuple[Path, ...]:
        home = directory()
        parts = _parts(home) if home.is_dir() else _Parts(None, None, None, ())
        if parts.test is not None:
            return tuple(path for path in (parts.test, parts.validation) if path is not None)
        return (home / "test", home / "val", parts.train or home / "train")

    return DatasetSource(
        name=name,
        summary=f"your images in {path}, at the size of the first one, the longer side at most {LONGEST_SIDE} pixels",
        load=load,
        missing=missing,
        fetch=None,
        hidden=hidden,
    )


def _parts(home: Path) -> _Parts:
    """Looks for the parts by their names.

    Raises:
        InputError: two folders could be the same part, or a link in place of one leads nowhere.
    """
    inside, known = entries(home), {name for names in NAMES.values() for name in names}
    refuse_broken_links([Path(entry.path) for entry in inside if entry.name.lower() in known and leads_nowhere(entry)])
    folders = [entry.name for entry in inside if is_folder(entry) and not is_system(entry.name)]
    found: dict[str, Path | None] = {}
    taken = set()
    for part, names in NAMES.items():
        fitting = [name for name in folders if name.lower() in names]
        if len(fitting) > 1:
            raise InputError(f"{home} has {' and '.join(sorted(fitting))}, which mean the same; keep one of them")
        found[part] = home / fitting[0] if fitting else None
        taken.update(fitting)
    test, validation = found["test"], found["val"]
    if test is None:
        test, validation = validation, None
    return _Parts(found["train"], test, validation, tuple(sorted(set(folders) - taken)))


def _load(name: str, directory: Path) -> Dataset:
    parts, left_out = _parts(directory), LeftOut()
    left_out.folders += parts.others
    assert parts.train is not None, "missing() says so"
    classes = tuple(class_folders(parts.train, left_out))
    _refuse_unreadable_names(parts.train, classes)
    if len(classes) < 2:
        raise InputError(f"{parts.train} has {len(classes)} class folders; at least two are needed")
    train = samples(parts.train, classes, all_classes=True, left_out=left_out)
    height, width = _size(train)
    validation = [] if parts.validation is None else _other_part(parts.validation, classes, parts.train, left_out)
    if parts.test is not None:
        test = _other_part(parts.test, classes, parts.train, left_out)
    else:
        train, test = hold_out(train, HELD_OUT)
    (train_paths, y_train), (test_paths, y_test) = paths_and_labels([*train, *validation]), paths_and_labels(test)
    pixels = read_parts(train_paths, test_paths, height, width)
    refuse_one_colour(pixels.train, directory)
    channels = 1 if pixels.grey else 3
    mean, std = mean_and_std(pixels.train[: len(train), :, :, :channels])
    named = ((parts.test, test), (parts.validation, validation))
    absent = [_absent(part, of_part, classes) for part, of_part in named if part is not None]
    note = _note(directory, parts, (len(train), len(validation), len(test)), len(classes), absent, left_out)
    return Dataset(
        name=name,
        x_train=np.ascontiguousarray(pixels.train[..., :channels]),
        y_train=y_train,
        x_test=np.ascontiguousarray(pixels.test[..., :channels]),
        y_test=y_test,
        classes=classes,
        mean=mean,
        std=std,
        crop_padding=min(height, width) // 8,
        validation=np.arange(len(y_train)) >= len(train) if validation else None,
        note="; ".join(filter(None, (note, pixels.note))),
    )


def _refuse_unreadable_names(folder: Path, classes: tuple[str, ...]) -> None:
    """Looks whether the names of classes are texts: records and models hold them.

    Raises:
        InputError: one is not; its odd bytes stand in the sentence as ``\\xff``.
    """
    for name in classes:
        if name != printable(name):
            told = os.fsencode(folder / name).decode("utf-8", "backslashreplace")
            raise InputError(
                f"the name of the class folder {told} is no text in UTF-8; rename the folder (mv, or convmv)"
            )


def _other_part(folder: Path, classes: tuple[str, ...], train: Path, left_out: LeftOut) -> list[Sample]:
    if unknown := sorted(set(class_folders(folder, left_out)) - set(classes)):
        raise InputError(f"{folder / unknown[0]} is a class that {train} does not have")
    return samples(folder, classes, all_classes=False, left_out=left_out)


def _note(
    directory: Path,
    parts: _Parts,
    counts: tuple[int, int, int],
    classes: int,
    absent: Sequence[str],
    left_out: LeftOut,
) -> str:
    """What was taken and what was not, in one line."""
    train, validation, test = counts
    from_where = f"from {parts.test.name}/" if parts.test is not None else "held out of them"
    own = f", {validation:,} to validate on from {parts.validation.name}/" if parts.validation is not None else ""
    words = f"{directory}: {train:,} images to train on{own}, {test:,} to test on {from_where}, {classes} classes"
    return printable("; ".join(filter(None, (words, *absent, left_out.words()))))


def _absent(part: Path, of_part: Sequence[Sample], classes: tuple[str, ...]) -> str:
    """A clause on the classes of which a part has no image; "" where it has one of each."""
    there = {sample.label for sample in of_part}
    absent = [name for label, name in enumerate(classes) if label not in there]
    if not absent:
        return ""
    named = ", ".join(absent[:_NAMED]) + (f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else "")
    return f"{part.name}/ has no image of {named}: what is measured there says nothing of such classes"


def _size(train: list[Sample]) -> tuple[int, int]:
    """Height and width of the first image, both reduced alike until the longer is at most :data:`LONGEST_SIDE`."""
    first = min(train, key=lambda sample: (sample.label, spelled(sample.path.name)))
    height, width = image_size(first.path)
    longer = max(height, width, LONGEST_SIDE)
    return max(height * LONGEST_SIDE // longer, 1), max(width * LONGEST_SIDE // longer, 1)
