"""Every data set at a few images, in its official layout: what the tests of the data sets load."""

import gzip
import pickle
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from harness.datasets import adience_age, cifar10, cifar100, fashion_mnist, folder, imagenet10_1, imagenette
from harness.datasets.common.fetch import md5_of
from harness.datasets.common.files import write_cifar_binary
from harness.datasets.common.imagenet import PhotoSet
from PIL import Image

from harness.core.dataset import Dataset, DatasetSource


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def files(root: Path) -> dict[str, bytes]:
    """Everything below ``root`` but the lock."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".fetch.lock"
    }


def write_idx(path: Path, values: np.ndarray) -> None:
    """Writes ``uint8`` values of any shape as a gzipped idx file."""
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes()
    path.write_bytes(gzip.compress(header + values.tobytes(), mtime=0))


def photo(path: Path, seed: int, side: int = 20, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(seed, side, side, 3)).convert(mode).save(path)


def as_published(module: types.ModuleType, directory: Path, patch: pytest.MonkeyPatch) -> None:
    """Takes the checksums of the files in ``directory`` for the published ones."""
    digest = fashion_mnist._md5_unpacked if module is fashion_mnist else md5_of
    patch.setattr(module, "_MD5", {name: digest(directory / name) for name in module._MD5})


def make_fashion_mnist(root: Path, patch: pytest.MonkeyPatch) -> DatasetSource:
    patch.setattr(fashion_mnist, "TRAIN_IMAGES", 6)
    patch.setattr(fashion_mnist, "TEST_IMAGES", 4)
    directory = root / "fashion_mnist"
    directory.mkdir()
    for part, n in (("train", 6), ("t10k", 4)):
        write_idx(directory / f"{part}-images-idx3-ubyte.gz", noise(n, n, 28, 28))
        write_idx(directory / f"{part}-labels-idx1-ubyte.gz", np.arange(n, dtype=np.uint8))
    as_published(fashion_mnist, directory, patch)
    return fashion_mnist.DATASET


def make_cifar10(root: Path, patch: pytest.MonkeyPatch) -> DatasetSource:
    patch.setattr(cifar10, "BATCH_IMAGES", 2)
    directory = root / "cifar10"
    directory.mkdir()
    for number, name in enumerate([*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]):
        write_cifar_binary(directory / name, noise(number, 2, 32, 32, 3), np.array([number, 9]))
    as_published(cifar10, directory, patch)
    return cifar10.DATASET


def make_cifar100(root: Path, patch: pytest.MonkeyPatch) -> DatasetSource:
    patch.setattr(cifar100, "TRAIN_IMAGES", 5)
    patch.setattr(cifar100, "TEST_IMAGES", 3)
    directory = root / "cifar100"
    directory.mkdir()
    for part, n in (("train", 5), ("test", 3)):
        content = {b"data": noise(n, n, 3072), b"fine_labels": list(range(95, 95 + n)), b"coarse_labels": [0] * n}
        (directory / part).write_bytes(pickle.dumps(content, protocol=3))
    names = [f"thing {i}".encode() for i in range(100)]
    (directory / "meta").write_bytes(pickle.dumps({b"fine_label_names": names}, protocol=3))
    as_published(cifar100, directory, patch)
    return cifar100.DATASET


def source_of(photos: PhotoSet) -> DatasetSource:
    """What its file would export."""
    return DatasetSource(photos.name, "", photos.load, photos.missing, None, photos.hidden)


def make_imagenette(root: Path, patch: pytest.MonkeyPatch) -> DatasetSource:
    patch.delenv("HARNESS_IMAGENETTE", raising=False)
    for number, wnid in enumerate(imagenette.PHOTOS.wnids):
        for part, numbers in (("train", (0, 1)), ("val", (2,))):
            for i in numbers:
                photo(root / "imagenette" / part / wnid / f"{wnid}_{i}.JPEG", 10 * number + i)
    return source_of(replace(imagenette.PHOTOS, images=(20, 10)))


def make_imagenet10(root: Path, patch: pytest.MonkeyPatch) -> DatasetSource:
    patch.delenv("HARNESS_IMAGENET", raising=False)
    for number, wnid in enumerate(imagenet10_1.PHOTOS.wnids):
        for i in range(4):
            photo(root / "imagenet" / "train" / wnid / f"{wnid}_{i}.JPEG", 10 * number + i)
    return imagenet10_1.DATASET


ROW = "{user}\t{image}\t{face}\t{age}\tf\t0\t414\t1086\t1383\t-115\t30\t17\n"
HEADER = "user_id\toriginal_image\tface_id\tage\tgender\tx\ty\tdx\tdy\ttilt_ang\tfiducial_yaw_angle\tfiducial_score\n"
AGES = ("(0, 2)", "(60, 100)", "(8, 12)", "None", "(8, 23)", "35", "13")


def make_adience(root: Path, patch: pytest.MonkeyPatch) -> DatasetSource:
    directory = root / "adience_age"
    for fold in range(5):
        rows = [HEADER]
        for number, age in enumerate(AGES):
            user, image = f"30601258@N0{fold}{number // 2}", f"1039964688{number}_67c7d20df9_o.jpg"
            rows.append(ROW.format(user=user, image=image, face=number + 1, age=age))
            photo(directory / "aligned" / user / f"landmark_aligned_face.{number + 1}.{image}", 10 * fold + number)
        (directory / f"fold_{fold}_data.txt").write_text("".join(rows))
    return adience_age.DATASET


def make_folder(root: Path, patch: pytest.MonkeyPatch) -> DatasetSource:
    for number, name in enumerate(("cat", "dog")):
        for i in range(5):
            photo(root / "pets" / "train" / name / f"{i}.png", 10 * number + i)
    return folder.source(root / "pets")


MAKERS: dict[str, Callable[[Path, pytest.MonkeyPatch], DatasetSource]] = {
    "fashion_mnist": make_fashion_mnist,
    "cifar10": make_cifar10,
    "cifar100": make_cifar100,
    "imagenette": make_imagenette,
    "imagenet10": make_imagenet10,
    "adience_age": make_adience,
    "folder": make_folder,
}


def same(one: Dataset, other: Dataset) -> bool:
    return all(
        np.array_equal(getattr(one, part), getattr(other, part)) for part in ("x_train", "y_train", "x_test", "y_test")
    )
