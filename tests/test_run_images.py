"""The split, and what is written for the child processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.core.dataset import Dataset
from harness.core.errors import InputError
from harness.run.images import class_names, final_data, locate, search_data, write
from harness.run.job import Failure
from harness.run.parts import parts, split


def make(groups: np.ndarray | None = None, name: str = "little") -> Dataset:
    """90 training images whose pixels are their index, 30 test images whose labels are a pattern found nowhere else."""
    y_train = np.repeat(np.arange(3), [60, 20, 10]).astype(np.int64)
    x_train = np.tile(np.arange(90, dtype=np.uint8)[:, None, None, None], (1, 4, 4, 1))
    x_test = np.full((30, 4, 4, 1), 200, np.uint8)
    y_test = (np.arange(30) * 7 % 3).astype(np.int64)
    return Dataset(name, x_train, y_train, x_test, y_test, ("a", "b", "c"), (1.0,), (2.0,), groups=groups)


def test_a_split_is_disjoint_complete_stratified_and_shuffled() -> None:
    labels = make().y_train
    train, valid = split(labels, None, 0.1, 0, "little")
    assert sorted([*train, *valid]) == list(range(90))
    assert np.bincount(labels[valid]).tolist() == [6, 2, 1]
    assert train.tolist() != sorted(train)
    assert len(set(labels[train[:20]])) > 1, "the first images of the split must not all be of one class"


def test_a_split_depends_on_seed_and_data_set_alone() -> None:
    labels = make().y_train
    first, again = (split(labels, None, 0.1, 4, "little") for _ in range(2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], split(labels, None, 0.1, 5, "little")[1])
    assert not np.array_equal(first[1], split(labels, None, 0.1, 4, "other")[1])


def test_every_class_that_can_has_images_on_both_sides() -> None:
    labels = np.array([0, 0, 1, 1, 2], np.int64)
    train, valid = split(labels, None, 0.01, 0, "tiny")
    assert sorted(labels[valid]) == [0, 1]
    assert sorted(labels[train]) == [0, 1, 2]


def test_groups_stay_whole() -> None:
    groups = np.arange(90, dtype=np.int64) // 9
    train, valid = split(make().y_train, groups, 0.15, 1, "little")
    assert not set(groups[train]) & set(groups[valid])
    assert len(valid) == 18


@pytest.mark.parametrize("groups", [np.zeros(90, np.int64), None])
def test_what_cannot_be_split_is_refused(groups: np.ndarray | None) -> None:
    labels = make().y_train if groups is not None else np.array([0, 1, 2], np.int64)
    with pytest.raises(InputError, match="too few"):
        split(labels, groups, 0.1, 0, "little")


def test_a_search_sees_train_and_validation_images_and_cannot_write_them(tmp_path: Path) -> None:
    data = make()
    prepared = locate(data, 0.1, tmp_path)
    write(data, prepared, [3])
    seen = search_data(prepared, 3)
    train, valid = split(data.y_train, None, 0.1, 3, "little")
    assert np.array_equal(seen.x_train[:, 0, 0, 0], train)
    assert np.array_equal(seen.x_valid[:, 0, 0, 0], valid)
    assert np.array_equal(seen.y_train, data.y_train[train])
    assert (seen.classes, seen.mean, seen.std, seen.image_shape) == (3, (1.0,), (2.0,), (4, 4, 1))
    for array in (seen.x_train, seen.y_train, seen.x_valid, seen.y_valid):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_the_final_training_gets_every_training_image(tmp_path: Path) -> None:
    data = make()
    prepared = locate(data, 0.1, tmp_path)
    write(data, prepared, [3])
    seen, test = final_data(prepared)
    assert np.array_equal(seen.x_train, data.x_train)
    assert np.array_equal(seen.y_train, data.y_train)
    assert len(seen.x_valid) == len(seen.y_valid) == 0
    assert np.array_equal(test, data.x_test)


def test_test_labels_are_never_written(tmp_path: Path) -> None:
    data = make()
    write(data, locate(data, 0.1, tmp_path), [0, 1])
    needles = [data.y_test.astype(kind).tobytes() for kind in (np.int64, np.int32, np.uint8)]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 6
    for path in files:
        content = path.read_bytes()
        assert not any(needle in content for needle in needles), path


def test_the_same_data_is_written_once_and_other_data_beside_it(tmp_path: Path) -> None:
    """Two commands may work in one directory, with one data set at two sizes."""
    data = make()
    prepared = locate(data, 0.1, tmp_path)
    write(data, prepared, [0])
    before = {path: path.stat().st_ino for path in prepared.directory.iterdir()}
    write(data, prepared, [0, 1])
    assert {path: path.stat().st_ino for path in before} == before, "a search may be about to open them"
    other = dataclasses.replace(data, x_train=data.x_train + 1)
    theirs = locate(other, 0.1, tmp_path)
    write(other, theirs, [0])
    assert {path: path.stat().st_ino for path in before} == before
    for wanted, place in ((data, prepared), (other, theirs)):
        assert np.array_equal(final_data(place)[0].x_train, wanted.x_train)


def test_images_of_another_checksum_are_not_read(tmp_path: Path) -> None:
    data = make()
    write(data, prepared := locate(data, 0.1, tmp_path), [0])
    other = dataclasses.replace(prepared, checksum="0" * 64)
    for read in (lambda: search_data(other, 0), lambda: final_data(other), lambda: class_names(other)):
        with pytest.raises(Failure, match="other images"):
            read()


@pytest.mark.parametrize("save", ["save", "savez"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: str
) -> None:
    def full(path: Path, *arrays: object, **named: object) -> None:
        path.write_bytes(b"half")
        raise OSError("90 requested and 7 written")

    data = make()
    prepared = locate(data, 0.1, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(np, save, full)
        with pytest.raises(InputError, match=r"cannot be written \(90 requested and 7 written\).*--out"):
            write(data, prepared, [0])
    assert not [path for path in prepared.directory.iterdir() if path.read_bytes() == b"half"]
    write(data, prepared, [0])
    assert np.array_equal(final_data(prepared)[0].x_train, data.x_train)


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    data = make()
    (tmp_path / "prepared").write_text("no directory")
    with pytest.raises(InputError, match="cannot be written"):
        write(data, locate(data, 0.1, tmp_path), [0])


def test_the_checksum_knows_the_test_labels(tmp_path: Path) -> None:
    data = make()
    other = dataclasses.replace(data, y_test=data.y_test[::-1].copy())
    assert locate(data, 0.1, tmp_path).checksum != locate(other, 0.1, tmp_path).checksum


def _overwrite(path: Path) -> None:
    np.save(path, np.load(path)[::-1].copy())


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage", [_overwrite, _truncate, _flip_a_bit, Path.unlink, lambda path: path.write_bytes(b"")]
)
@pytest.mark.parametrize("name", ["x_train.npy", "y_train.npy", "x_test.npy"])
def test_damaged_arrays_are_written_again(tmp_path: Path, name: str, damage: Callable[[Path], object]) -> None:
    """The checksum that stands beside them says nothing about them."""
    data = make()
    data.x_test[:] = np.arange(30, dtype=np.uint8)[:, None, None, None]
    write(data, prepared := locate(data, 0.1, tmp_path), (0,))
    whole = (prepared.directory / name).read_bytes()
    damage(prepared.directory / name)
    write(data, prepared, (0,))
    assert (prepared.directory / name).read_bytes() == whole


def test_undamaged_arrays_stay_and_other_facts_about_them_do_not(tmp_path: Path) -> None:
    data = make()
    write(data, prepared := locate(data, 0.1, tmp_path), (0,))
    images, meta = prepared.directory / "x_train.npy", prepared.directory / "meta.json"
    before, facts = images.stat().st_ino, meta.read_text()
    write(data, prepared, (0,))
    assert images.stat().st_ino == before
    meta.write_text(facts.replace('"mean": [1.0]', '"mean": [9.0]'))
    write(data, prepared, (0,))
    assert meta.read_text() == facts


def test_a_search_reads_its_split_and_a_final_training_the_test_images(tmp_path: Path) -> None:
    data = make()
    prepared = locate(data, 0.1, tmp_path)
    write(data, prepared, [3])
    files = {phase: set(prepared.reads(3, phase)) for phase in ("search", "final")}
    assert all(path.is_file() for paths in files.values() for path in paths)
    assert files["search"] - files["final"] == {prepared.split_path(3)}
    assert files["final"] - files["search"] == set(prepared.hidden)


def test_a_data_set_with_validation_images_of_its_own_is_split_by_them() -> None:
    own = np.arange(90) % 4 == 0
    data = dataclasses.replace(make(), validation=own)
    train, valid = parts(data, 0.1, 3)
    assert sorted(valid) == np.flatnonzero(own).tolist()
    assert sorted(train) == np.flatnonzero(~own).tolist()
    assert train.tolist() != sorted(train), "batches of one class would come one after the other"
    assert valid.tolist() != parts(data, 0.1, 4)[1].tolist()
