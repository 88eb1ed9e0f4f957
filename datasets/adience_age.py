"""OUI-Adience, age groups (Eidinger, Enbar and Hassner 2014): faces from photo albums in eight groups of age.

Files, in ``ROOT/adience_age/``, from the user's copy (given out on registration): ``fold_0_data.txt`` to
``fold_4_data.txt``, tables with tabs of which ``user_id``, ``original_image``, ``face_id`` and ``age`` are used, and
the directory ``aligned/`` with ``<user_id>/landmark_aligned_face.<face_id>.<original_image>``. Colour, 64x64 here.

Fold 4 is the test set, folds 0 to 3 are for training. The official folds keep a person in one fold; ``groups`` are the
persons, so that a validation split keeps them whole as well.

Some rows carry another interval, a single age or no age. The intervals (8, 12), (27, 32), (38, 42) and (38, 48) count
in the group they mostly lie in, a single age in the group it lies in; ages between two groups, (8, 23) and rows without
an age are left out, and one line before work counts them. Any other interval is an error. Mean and standard deviation
are computed on the training images.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError
from harness.core.names import one_line

from .common.images import read_parts
from .common.statistics import mean_and_std

SIDE = 64
CROP_PADDING = 8  # CIFAR's 4 of 32 pixels, at this size
TRAIN_FOLDS = (0, 1, 2, 3)
TEST_FOLD = 4

_RANGES = ((0, 2), (4, 6), (8, 13), (15, 20), (25, 32), (38, 43), (48, 53), (60, 100))
CLASSES = ("0-2", "4-6", "8-13", "15-20", "25-32", "38-43", "48-53", "60-")
_LABELS = {
    **{str(ages): label for label, ages in enumerate(_RANGES)},
    **{str(age): label for label, (low, high) in enumerate(_RANGES) for age in range(low, high + 1)},
    "(8, 12)": 2,
    "(27, 32)": 4,
    "(38, 42)": 5,
    "(38, 48)": 5,
}
_NO_GROUP = "(8, 23)"
_INTERVAL = re.compile(r"\D*\d+\s*(?:[,;:\u2013\u2014-]|to)\s*\d+\D*")
_COLUMNS = ("user_id", "original_image", "face_id", "age")


@dataclass(frozen=True)
class Face:
    """One row: the file, the age group, the person."""

    path: Path
    label: int
    person: str


def _directory(root: Path) -> Path:
    return root / "adience_age"


def _fold(root: Path, number: int) -> Path:
    return _directory(root) / f"fold_{number}_data.txt"


def missing(root: Path) -> str | None:
    """None, or the sentence that names the absent file or directory."""
    needed = [_fold(root, number) for number in (*TRAIN_FOLDS, TEST_FOLD)]
    for path in needed:
        if not path.is_file():
            return f"{path} is missing; {_HOW.format(directory=_directory(root))}"
    if not (_directory(root) / "aligned").is_dir():
        return f"{_directory(root) / 'aligned'} is missing; {_HOW.format(directory=_directory(root))}"
    return None


_HOW = (
    "register for the Adience benchmark, and put fold_0_data.txt to fold_4_data.txt and the unpacked aligned.tar.gz "
    "into {directory}"
)


def load(root: Path) -> Dataset:
    """The set; :class:`InputError` names the missing file, the broken table or the broken photograph."""
    if absent := missing(root):
        raise InputError(absent)
    left_out: Counter[str] = Counter()
    train = [face for number in TRAIN_FOLDS for face in read_fold(_fold(root, number), left_out)]
    test = read_fold(_fold(root, TEST_FOLD), left_out)
    pixels = read_parts([face.path for face in train], [face.path for face in test], SIDE, SIDE)
    persons = sorted({face.person for face in train})
    number_of = {person: number for number, person in enumerate(persons)}
    mean, std = mean_and_std(pixels.train)
    return Dataset(
        name="adience_age",
        x_train=pixels.train,
        y_train=np.array([face.label for face in train], dtype=np.int64),
        x_test=pixels.test,
        y_test=np.array([face.label for face in test], dtype=np.int64),
        classes=CLASSES,
        mean=mean,
        std=std,
        crop_padding=CROP_PADDING,
        groups=np.array([number_of[face.person] for face in train], dtype=np.int64),
        note=_note(_directory(root), left_out, pixels.note),
    )


def _note(directory: Path, left_out: Counter[str], scale: str) -> str:
    """How many rows are left out, by what is in place of an age group, and how images were scaled; "" if neither."""
    counts = ", ".join(f"'{text}': {count:,}" for text, count in sorted(left_out.items()))
    rows = f"left out {left_out.total():,} rows whose age is in no group ({counts})" if left_out else ""
    told = "; ".join(filter(None, (rows, scale)))
    return one_line(f"{directory}: {told}") if told else ""


def read_fold(path: Path, left_out: Counter[str] | None = None) -> list[Face]:
    """The faces of one table whose age belongs to a group, in the table's order.

    Args:
        path: the table.
        left_out: counts the other rows, by what they have in place of an age group.

    Raises:
        InputError: it is no such table, or an interval is not among those of the official tables.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a table with tabs ({error}); get it again") from error
    faces = []
    for number, row in enumerate(rows, start=2):
        if any(row.get(column) is None for column in _COLUMNS):
            raise InputError(f"{path} lacks one of the columns {', '.join(_COLUMNS)} in line {number}; get it again")
        age = row["age"].strip()
        label = _LABELS.get(age)
        if label is None and age != _NO_GROUP and _INTERVAL.fullmatch(age):
            raise InputError(
                f"{path}: '{one_line(age, 40)}' in line {number} is no interval of the official tables; write it as "
                f"they do, for example {_RANGES[0]}"
            )
        if label is None and left_out is not None:
            left_out[age] += 1
        if label is not None:
            file = f"landmark_aligned_face.{row['face_id']}.{row['original_image']}"
            faces.append(Face(path.parent / "aligned" / row["user_id"] / file, label, row["user_id"]))
    if not faces:
        raise InputError(f"{path} has no face with an age group; get it again")
    return faces


def hidden(root: Path) -> tuple[Path, ...]:
    """Both official tables of the test fold: all faces, and the frontal ones among them."""
    return (_fold(root, TEST_FOLD), _directory(root) / f"fold_frontal_{TEST_FOLD}_data.txt")


DATASET = DatasetSource(
    name="adience_age",
    summary="OUI-Adience faces, 8 groups of age: folds 0-3 for training, fold 4 for testing, resized to 64x64",
    load=load,
    missing=missing,
    fetch=None,
    hidden=hidden,
)
