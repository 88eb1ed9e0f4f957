"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747): 60,000 + 10,000 grey images of clothing, 28x28.

Files, in ``ROOT/fashion_mnist/``: the four official idx files, gzipped. Ten classes, 6,000 training and 1,000 test
images each. Mean and standard deviation are the published 0.2860 and 0.3530 of full scale with more digits, computed on
the training images. A mirrored garment keeps its class; flips and crops with 4 pixels of padding are what Zhong et al.
(random erasing, arXiv 1708.04896) train with on this set.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError

from .common.fetch import Say, Source, SourceError, bring, debian_package, download, keras_cache, verify
from .common.files import check_labels, read_idx

CLASSES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
MEAN = (72.9404,)
STD = (90.0212,)
TRAIN_IMAGES, TEST_IMAGES = 60_000, 10_000

_TRAIN = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
_TEST = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
# Of the unpacked content: the same files are distributed in gzip wrappings that differ.
_MD5 = {
    "train-images-idx3-ubyte.gz": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte.gz": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte.gz": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte.gz": "15d484375f8d13e6eb1aabb0c3f46965",
}
# Of the files at the address, wrapping included.
_ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
_WRAPPED_MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
_INSTALLED = Path("/usr/share/datasets/fashion-mnist")
_PACKAGE = "dataset-fashion-mnist"
_BRING_IT = "python -m harness fetch fashion_mnist"


def _directory(root: Path) -> Path:
    return root / "fashion_mnist"


def missing(root: Path) -> str | None:
    """None, or the sentence that names the absent file and the command that brings it."""
    for name in _MD5:
        path = _directory(root) / name
        if not path.is_file() or path.stat().st_size == 0:
            return f"{path} is missing; bring Fashion-MNIST with: {_BRING_IT}"
    return None


def load(root: Path) -> Dataset:
    """The complete set; :class:`InputError` names the missing, truncated or wrong file."""
    if absent := missing(root):
        raise InputError(absent)
    x_train, y_train = _read(_directory(root), _TRAIN, TRAIN_IMAGES)
    x_test, y_test = _read(_directory(root), _TEST, TEST_IMAGES)
    verify(_directory(root), _MD5, _BRING_IT, digest=_md5_unpacked)
    return Dataset(
        name="fashion_mnist",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        classes=CLASSES,
        mean=MEAN,
        std=STD,
    )


def _read(directory: Path, names: tuple[str, str], images: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    x = read_idx(directory / names[0], (images, 28, 28))[..., None]
    y = read_idx(directory / names[1], (images,))
    return x, check_labels(directory / names[1], y, len(CLASSES))


def fetch(root: Path, say: Say) -> None:
    """Brings the four files: an installed Debian package, the official address, or the Debian package unpacked."""
    sources = [
        Source(_ADDRESS, lambda directory: _from_the_address(directory, say)),
        Source(f"the Debian package {_PACKAGE}", _from_debian),
    ]
    if _INSTALLED.is_dir():
        sources.insert(0, Source(str(_INSTALLED), lambda directory: _copy(_INSTALLED, directory)))
    bring(_directory(root), _MD5, sources, say, digest=_md5_unpacked)


def _from_the_address(directory: Path, say: Say) -> None:
    for name, md5 in _WRAPPED_MD5.items():
        download(f"{_ADDRESS}/{name}", md5, directory, say)


def _from_debian(directory: Path) -> None:
    unpacked = debian_package(_PACKAGE, directory)
    _copy(unpacked / _INSTALLED.relative_to("/"), directory)


def _copy(source: Path, directory: Path) -> None:
    for name in _MD5:
        shutil.copyfile(source / name, directory / name)


def _md5_unpacked(path: Path) -> str:
    try:
        with gzip.open(path, "rb") as stream:
            return hashlib.md5(stream.read(), usedforsecurity=False).hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{path.name} is not a complete gzip file ({error})") from error


def hidden(root: Path) -> tuple[Path, ...]:
    """The test files: here, in the installed package, and what Keras keeps if it was ever asked for the set."""
    directories = (_directory(root), _INSTALLED, keras_cache() / "fashion-mnist")
    return tuple(directory / name for directory in directories for name in _TEST)


DATASET = DatasetSource(
    name="fashion_mnist",
    summary="Fashion-MNIST, clothing: 60,000 + 10,000 grey images of 28x28, 10 classes",
    load=load,
    missing=missing,
    fetch=fetch,
    hidden=hidden,
)
