"""Every data set, at a few images in the official layout: what it loads, what it says is missing, what it hides."""

import gzip
import importlib
import pickle
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from datasets_on_disk import MAKERS, make_cifar10, make_cifar100, noise, same
from harness.datasets import (
    adience_age,
    cifar10,
    cifar100,
    fashion_mnist,
    folder,
    imagenet10_1,
    imagenet10_2,
    imagenette,
    toy,
)

from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError
from harness.core.home import CHECKOUT
from harness.plugins.catalogue import FOLDERS, Catalogue

NAMED = (fashion_mnist, cifar10, cifar100, imagenette, imagenet10_1, imagenet10_2, adience_age, toy)


@dataclass(frozen=True)
class Fixture:
    """A set on disk.

    Args:
        source: the set.
        root: where the sets are.
        files: the files that belong to it.
    """

    source: DatasetSource
    root: Path
    files: tuple[Path, ...]

    def reads(self, path: Path) -> bool:
        """Photographs of faces without an age group are never opened; everything else is."""
        if self.source.name != "adience_age" or path.suffix == ".txt":
            return True
        tables = sorted((self.root / "adience_age").glob("fold_*_data.txt"))
        return path in {face.path for table in tables for face in adience_age.read_fold(table)}


def files_below(path: Path) -> tuple[Path, ...]:
    return tuple(sorted(p for p in path.rglob("*") if p.is_file()))


@pytest.fixture(params=MAKERS)
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fixture:
    source = MAKERS[request.param](tmp_path, monkeypatch)
    return Fixture(source, tmp_path, files_below(tmp_path))


def test_loads_and_repeats(made: Fixture) -> None:
    assert made.source.missing(made.root) is None
    data = made.source.load(made.root)
    assert data.name == made.source.name
    assert len(data.mean) == len(data.std) == data.x_train.shape[3]
    assert data.y_train.dtype == data.y_test.dtype == np.int64
    assert data.x_train.shape[1:] == data.x_test.shape[1:]
    assert same(data, made.source.load(made.root))


def test_train_and_test_share_no_image(made: Fixture) -> None:
    data = made.source.load(made.root)
    assert not {x.tobytes() for x in data.x_train} & {x.tobytes() for x in data.x_test}


def test_each_absent_file_or_its_effect_is_noticed(made: Fixture) -> None:
    """Without any one of its files a set says so, or (a class of photographs one short) is another set."""
    whole = made.source.load(made.root)
    counted = made.source.name == "imagenette"
    for path in filter(made.reads, made.files):
        content = path.read_bytes()
        path.unlink()
        try:
            data = made.source.load(made.root)
        except InputError as error:
            assert counted or str(path) in str(error)  # noqa: PT017 - a set one short may still load
        else:
            assert len(data.x_train) + len(data.x_test) < len(whole.x_train) + len(whole.x_test)
        path.write_bytes(content)


def test_each_truncated_file_is_named(made: Fixture) -> None:
    """Cut to half: every file but a table of rows, where a missing end is no error a reader can see."""
    for path in made.files:
        if path.suffix == ".txt" or not made.reads(path):
            continue
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(InputError) as caught:
            made.source.load(made.root)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "file", "place"),
    [
        ("fashion_mnist", "train-images-idx3-ubyte.gz", -1),
        ("fashion_mnist", "t10k-labels-idx1-ubyte.gz", -1),
        ("cifar10", "data_batch_3.bin", -1),
        ("cifar10", "test_batch.bin", 0),
        ("cifar100", "train", 8000),
        ("cifar100", "test", 5000),
    ],
)
def test_a_file_of_another_set_in_the_same_format_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, file: str, place: int
) -> None:
    """MNIST's files have the format and the size of Fashion-MNIST's; only the published checksums tell them apart."""
    source = MAKERS[name](tmp_path, monkeypatch)
    path = tmp_path / name / file
    packed = path.suffix == ".gz"
    content = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    content[place] ^= 1
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputError, match=f"{path} has the MD5 .* python -m harness fetch {name} --data {tmp_path}$"):
        source.load(tmp_path)
    content[place] ^= 1
    path.write_bytes(gzip.compress(content, compresslevel=1) if packed else content)
    source.load(tmp_path)


def test_nothing_there(made: Fixture) -> None:
    shutil.rmtree(made.root)
    made.root.mkdir()
    sentence = made.source.missing(made.root)
    assert sentence is not None
    assert str(made.root) in sentence
    if made.source.fetch is not None:
        assert f"python -m harness fetch {made.source.name}" in sentence
    with pytest.raises(InputError) as caught:
        made.source.load(made.root)
    assert str(caught.value) == sentence


def test_hidden_paths_hold_the_test_set(made: Fixture) -> None:
    """Without what is hidden the test set cannot be had; with training files in place of it, labels go too."""
    removed = 0
    for path in made.source.hidden(made.root):
        if not path.is_relative_to(made.root):
            continue
        if path.is_dir():
            shutil.rmtree(path)
            removed += 1
        elif path.exists():
            path.unlink()
            removed += 1
    assert removed
    with pytest.raises(InputError):
        made.source.load(made.root)


def test_names_are_file_names() -> None:
    for module in NAMED:
        assert module.DATASET.name == module.__name__.rpartition(".")[2]
        assert "\n" not in module.DATASET.summary


@pytest.mark.parametrize("module", NAMED)
def test_the_list_has_the_summary_of_the_set_itself(module) -> None:
    """It is read from the file's text, without an import."""
    assert Catalogue().source("dataset", module.DATASET.name).facts().summary == module.DATASET.summary


def test_every_file_is_a_set() -> None:
    public = {path.stem for path in FOLDERS["dataset"].glob("*.py") if not path.stem.startswith("_")}
    assert public == {module.DATASET.name for module in NAMED} | {"folder", "table"}


def test_importing_costs_numpy_only() -> None:
    names = [module.__name__ for module in (*NAMED, folder)]
    program = f"import sys, {', '.join(names)}; print({{'PIL', 'keras', 'tensorflow', 'ssl'}} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "set()\n", done.stderr


def test_cifar_values_reach_the_right_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_cifar10(tmp_path, monkeypatch).load(tmp_path)
    np.testing.assert_array_equal(data.x_train[2:4], noise(1, 2, 32, 32, 3))
    np.testing.assert_array_equal(data.x_test, noise(5, 2, 32, 32, 3))
    assert data.y_train.tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    assert data.y_test.tolist() == [5, 9]


def test_cifar100_planes_and_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_cifar100(tmp_path, monkeypatch).load(tmp_path)
    np.testing.assert_array_equal(data.x_test, noise(3, 3, 3072).reshape(3, 3, 32, 32).transpose(0, 2, 3, 1))
    assert data.y_train.tolist() == [95, 96, 97, 98, 99]
    assert data.classes[42] == "thing 42"
    assert data.cutout == 8


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("train", {b"data": noise(0, 5, 3071), b"fine_labels": [0] * 5}),
        ("train", {b"data": noise(0, 4, 3072), b"fine_labels": [0] * 4}),
        ("train", {b"data": noise(0, 5, 3072).astype(float), b"fine_labels": [0] * 5}),
        ("train", {b"data": [0], b"fine_labels": [0] * 5}),
        ("train", {b"data": noise(0, 5, 3072), b"fine_labels": [0] * 4}),
        ("train", {b"data": noise(0, 5, 3072), b"fine_labels": [100] * 5}),
        ("train", {b"data": noise(0, 5, 3072)}),
        ("test", {}),
        ("meta", {b"fine_label_names": [b"x"] * 100}),
        ("meta", {b"fine_label_names": [b"x"]}),
        ("meta", {b"fine_label_names": list(range(100))}),
        ("meta", {}),
    ],
)
def test_cifar100_wrong_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, content: dict) -> None:
    source = make_cifar100(tmp_path, monkeypatch)
    path = tmp_path / "cifar100" / part
    path.write_bytes(pickle.dumps(content, protocol=3))
    with pytest.raises(InputError, match=str(path)):
        source.load(tmp_path)


def test_modules_are_found_by_name() -> None:
    for module in NAMED:
        assert importlib.import_module(f"harness.datasets.{module.DATASET.name}").DATASET is module.DATASET


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), np.float32("nan")])
@pytest.mark.parametrize("name", ["mean", "std"])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_numbers_that_would_make_every_pixel_nan_are_refused(name: str, value: float, channel: int) -> None:
    """Of a plug-in: every training would fail much later, with a loss that is nan."""
    images, labels = np.zeros((4, 2, 2, 3), np.uint8), np.arange(4) % 2
    numbers = {"mean": [120.0] * 3, "std": [60.0] * 3}
    numbers[name][channel] = value
    with pytest.raises(InputError, match=f"data set 'mine': a {'mean' if name == 'mean' else 'standard deviation'} is"):
        Dataset("mine", images, labels, images, labels, ("a", "b"), tuple(numbers["mean"]), tuple(numbers["std"]))
