"""The real sets, where they are: complete, balanced, and with the mean and deviation that their modules state."""

import os
from pathlib import Path

import numpy as np
import pytest
from harness.datasets import cifar10, cifar100, fashion_mnist, imagenette
from harness.datasets.common.statistics import mean_and_std

from harness.core.dataset import Dataset, DatasetSource

ROOT = Path(os.environ.get("HARNESS_DATA", "~/.cache/nas-harness")).expanduser()
SHARED_PHOTOS = Path(__file__).parents[2] / "shared" / "data" / "imagenette96"


def load(source: DatasetSource) -> Dataset:
    absent = source.missing(ROOT)
    if absent:
        pytest.skip(absent)
    return source.load(ROOT)


@pytest.mark.parametrize(
    ("source", "train", "test"),
    [
        (fashion_mnist.DATASET, [6000] * 10, [1000] * 10),
        (cifar10.DATASET, [5000] * 10, [1000] * 10),
        (cifar100.DATASET, [500] * 100, [100] * 100),
    ],
    ids=["fashion_mnist", "cifar10", "cifar100"],
)
def test_counts_and_statistics(source: DatasetSource, train: list[int], test: list[int]) -> None:
    data = load(source)
    assert np.bincount(data.y_train).tolist() == train
    assert np.bincount(data.y_test).tolist() == test
    mean, std = mean_and_std(data.x_train)
    np.testing.assert_allclose(data.mean, mean, atol=0.01)
    np.testing.assert_allclose(data.std, std, atol=0.01)


@pytest.mark.parametrize("module", [fashion_mnist, cifar10], ids=["fashion_mnist", "cifar10"])
def test_checksums_are_the_published_ones(module) -> None:
    load(module.DATASET)
    said: list[str] = []
    module.fetch(ROOT, said.append)  # brings nothing if all files are intact
    assert len(said) == 1
    assert "checksums are the published ones" in said[0]


def test_imagenette(monkeypatch: pytest.MonkeyPatch) -> None:
    if imagenette.DATASET.missing(ROOT) is not None:
        if not SHARED_PHOTOS.is_dir():
            pytest.skip(f"no Imagenette, neither in {ROOT} nor in {SHARED_PHOTOS}")
        monkeypatch.setenv("HARNESS_IMAGENETTE", str(SHARED_PHOTOS))
    data = imagenette.DATASET.load(ROOT)
    assert data.x_train.shape == (9469, 64, 64, 3)
    assert np.bincount(data.y_train).tolist() == [963, 955, 993, 858, 941, 956, 961, 931, 951, 960]
    assert np.bincount(data.y_test).tolist() == [387, 395, 357, 386, 409, 394, 389, 419, 399, 390]
    mean, std = mean_and_std(data.x_train)
    np.testing.assert_allclose(mean, data.mean, atol=8)  # ImageNet's, not its own
    np.testing.assert_allclose(std, data.std, atol=18)
