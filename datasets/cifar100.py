"""CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 colour photographs of a hundred kinds of objects, 32x32.

Files, in ``ROOT/cifar100/``: ``train``, ``test`` and ``meta`` of the official python version; the fine labels are used,
500 training and 100 test images per class. The files are pickles: they are read by an unpickler that builds arrays,
lists and byte strings only. Mean and standard deviation are the published 0.5071, 0.4865, 0.4409 and 0.2673, 0.2564,
0.2762. Padding as on CIFAR-10; the cutout square has 8 pixels on this set (DeVries and Taylor, arXiv 1708.04552).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError

from .common.fetch import Say, Source, bring, download_members, keras_cache, verify
from .common.files import CIFAR_PIXELS, check_labels, planes_to_images, read_pickle

MEAN = (0.50707516 * 255, 0.48654887 * 255, 0.44091784 * 255)
STD = (0.26733429 * 255, 0.25643846 * 255, 0.27615047 * 255)
TRAIN_IMAGES, TEST_IMAGES = 50_000, 10_000
LABELS = 100

_MD5 = {
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "meta": "7973b15100ade9c7d40fb424638fde48",
}
_ARCHIVE = ("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85")
_BRING_IT = "python -m harness fetch cifar100"


def _directory(root: Path) -> Path:
    return root / "cifar100"


def missing(root: Path) -> str | None:
    """None, or the sentence that names the absent file and two ways to bring it."""
    directory = _directory(root)
    for name in _MD5:
        path = directory / name
        if not path.is_file() or path.stat().st_size == 0:
            return (
                f"{path} is missing; bring CIFAR-100 with: {_BRING_IT} (or unpack the official "
                f"archive: tar xf cifar-100-python.tar.gz --strip-components 1 -C {directory})"
            )
    return None


def load(root: Path) -> Dataset:
    """The complete set; :class:`InputError` names the missing, truncated or wrong file."""
    if absent := missing(root):
        raise InputError(absent)
    x_train, y_train = _read(_directory(root) / "train", TRAIN_IMAGES)
    x_test, y_test = _read(_directory(root) / "test", TEST_IMAGES)
    verify(_directory(root), _MD5, _BRING_IT)
    return Dataset(
        name="cifar100",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        classes=_class_names(_directory(root) / "meta"),
        mean=MEAN,
        std=STD,
        cutout=8,
    )


def _read(path: Path, images: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    content = read_pickle(path)
    planes = content.get(b"data")
    if not isinstance(planes, np.ndarray) or planes.dtype != np.uint8 or planes.shape != (images, CIFAR_PIXELS):
        raise InputError(f"{path} does not hold {images:,} rows of {CIFAR_PIXELS:,} bytes as 'data'; bring it again")
    labels = check_labels(path, content.get(b"fine_labels"), LABELS)
    if len(labels) != images:
        raise InputError(f"{path} has {len(labels):,} labels for {images:,} images; bring it again")
    return planes_to_images(planes), labels


def _class_names(path: Path) -> tuple[str, ...]:
    names = read_pickle(path).get(b"fine_label_names")
    if (
        not isinstance(names, list)
        or not all(isinstance(name, bytes) for name in names)
        or len(set(names)) != LABELS
        or len(names) != LABELS
    ):
        raise InputError(f"{path} does not hold {LABELS} names as 'fine_label_names'; bring it again")
    return tuple(name.decode("ascii", errors="replace") for name in names)


def fetch(root: Path, say: Say) -> None:
    """Brings the three files out of the official archive."""
    members = {f"cifar-100-python/{name}": name for name in _MD5}
    source = Source(_ARCHIVE[0], lambda directory: download_members(*_ARCHIVE, members, directory, say))
    bring(_directory(root), _MD5, (source,), say)


def hidden(root: Path) -> tuple[Path, ...]:
    """The test file, and the copy that Keras keeps if it was ever asked for the set."""
    kept = ("cifar-100-python-target", "cifar-100-python")
    return (_directory(root) / "test", *(keras_cache() / name for name in kept))


DATASET = DatasetSource(
    name="cifar100",
    summary="CIFAR-100, objects: 50,000 + 10,000 colour images of 32x32, 100 classes",
    load=load,
    missing=missing,
    fetch=fetch,
    hidden=hidden,
)
