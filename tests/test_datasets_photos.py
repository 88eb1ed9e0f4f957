"""The sets of photographs: classes, hold-outs, folds, persons, sizes, and directories of the user's own."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from datasets_on_disk import (
    HEADER,
    make_adience,
    make_folder,
    make_imagenet10,
    make_imagenette,
    noise,
    photo,
    same,
    source_of,
)
from harness.datasets import adience_age, folder, imagenet10_1, imagenet10_2, imagenette
from PIL import Image

from harness.core.errors import InputError


def test_imagenette_of_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_imagenette(tmp_path, monkeypatch)
    with pytest.raises(InputError, match="20 training and 10 test images instead of 9,469 and 3,925"):
        imagenette.DATASET.load(tmp_path)


@pytest.mark.parametrize(
    ("source", "variable"), [(imagenette.PHOTOS, "HARNESS_IMAGENETTE"), (imagenet10_1.PHOTOS, "HARNESS_IMAGENET")]
)
def test_photographs_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source, variable: str) -> None:
    make = make_imagenette if source.name == "imagenette" else make_imagenet10
    found = source_of(replace(source, images=None))
    make(tmp_path, monkeypatch)
    here = found.load(tmp_path)
    shutil.move(tmp_path / source.folder, tmp_path / "disk")
    assert found.missing(tmp_path) is not None
    monkeypatch.setenv(variable, str(tmp_path / "disk"))
    assert found.missing(tmp_path) is None
    assert same(here, found.load(tmp_path))
    assert all(path.is_relative_to(tmp_path / "disk") for path in found.hidden(tmp_path))


def test_imagenet10_holds_out_a_quarter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_imagenet10(tmp_path, monkeypatch).load(tmp_path)
    assert np.bincount(data.y_train).tolist() == [3] * 10
    assert np.bincount(data.y_test).tolist() == [1] * 10
    assert data.x_train.shape[1:] == (64, 64, 3)
    assert imagenet10_1.DATASET.hidden(tmp_path) == (tmp_path / "imagenet/val", tmp_path / "imagenet/train")


def test_imagenet10_with_validation_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_imagenet10(tmp_path, monkeypatch)
    val = tmp_path / "imagenet/val"
    photo(val / "ILSVRC2012_val_00000001.JPEG", 1)  # as unpacked, without folders: not usable, held out as before
    assert len(source.load(tmp_path).x_test) == 10
    assert len(source.load(tmp_path).x_train) == 30
    wnids = tuple(imagenet10_1.PHOTOS.wnids)
    for number, wnid in enumerate(wnids):
        photo(val / wnid / f"{number}.JPEG", 500 + number)
    assert len(source.load(tmp_path).x_train) == 40
    assert source.hidden(tmp_path) == (val,)
    shutil.rmtree(val / wnids[3])
    assert str(val / wnids[3]) in str(source.missing(tmp_path))


def test_imagenet_classes_are_those_of_the_published_table() -> None:
    one, two = imagenet10_1.PHOTOS.wnids, imagenet10_2.PHOTOS.wnids
    assert len(one) == len(two) == len(set(one.values())) == len(set(two.values())) == 10
    assert not set(one) & set(two)
    assert one["n04371774"] == "swing"
    assert two["n03249569"] == "drum"  # n03250847 is a drumstick


def test_adience_labels_folds_and_persons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_adience(tmp_path, monkeypatch).load(tmp_path)
    assert data.y_test.tolist() == [0, 7, 2, 2]  # None, (8, 23) and 35 belong to no group; 13 does
    assert data.y_train.tolist() == [0, 7, 2, 2] * 4
    assert data.groups is not None
    assert data.groups.tolist() == [0, 0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11]
    first = adience_age.read_fold(tmp_path / "adience_age/fold_4_data.txt")[0]
    with Image.open(first.path) as image:
        colour = np.asarray(image).mean(axis=(0, 1))
    np.testing.assert_allclose(data.x_test[0].mean(axis=(0, 1)), colour, atol=3)


def test_adience_says_which_rows_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_adience(tmp_path, monkeypatch).load(tmp_path)
    told = "left out 15 rows whose age is in no group ('(8, 23)': 5, '35': 5, 'None': 5)"
    assert data.note == f"{tmp_path / 'adience_age'}: {told}"


@pytest.mark.parametrize("age", ["(8,13)", "8-13", "( 8, 13 )", "(9, 14)", "[8, 13]"])
def test_adience_with_an_unknown_interval_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: str) -> None:
    """In another spelling a whole group would be left out."""
    source = make_adience(tmp_path, monkeypatch)
    path = tmp_path / "adience_age/fold_2_data.txt"
    path.write_text(path.read_text().replace("(8, 12)", age))
    with pytest.raises(InputError, match=r"fold_2_data\.txt: '.*' in line 4 is no interval") as caught:
        source.load(tmp_path)
    assert age in str(caught.value)


@pytest.mark.parametrize("age", ["", "None", "33", "100+", "35.5 or so"])
def test_adience_counts_whatever_else_is_in_place_of_an_age(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: str
) -> None:
    source = make_adience(tmp_path, monkeypatch)
    for path in (tmp_path / "adience_age").glob("*.txt"):
        path.write_text(path.read_text().replace("\t35\t", f"\t{age}\t"))
    note = source.load(tmp_path).note
    assert f"'{age}': {10 if age == 'None' else 5}" in note


def test_adience_hides_both_tables_of_the_test_fold(tmp_path: Path) -> None:
    hidden = {path.name for path in adience_age.hidden(tmp_path)}
    assert hidden == {"fold_4_data.txt", "fold_frontal_4_data.txt"}


@pytest.mark.parametrize("content", ["", "user_id\tage\n1\t(0, 2)\n", HEADER, HEADER + "30601258@N03\tx.jpg\n", "\xff"])
def test_adience_broken_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    source = make_adience(tmp_path, monkeypatch)
    path = tmp_path / "adience_age/fold_2_data.txt"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=r"fold_2_data\.txt"):
        source.load(tmp_path)


def test_folder_holds_out_a_fifth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_folder(tmp_path, monkeypatch).load(Path("/unused"))
    assert np.bincount(data.y_train).tolist() == [4, 4]
    assert np.bincount(data.y_test).tolist() == [1, 1]
    assert data.classes == ("cat", "dog")
    assert data.x_train.shape[1:] == (20, 20, 3)
    np.testing.assert_allclose(data.mean, data.x_train.mean(axis=(0, 1, 2)))


@pytest.mark.parametrize("part", ["test", "val"])
def test_folder_with_test_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    source = make_folder(tmp_path, monkeypatch)
    photo(tmp_path / "pets" / part / "dog" / "x.png", 99)
    data = source.load(tmp_path)
    assert len(data.x_train) == 10
    assert data.y_test.tolist() == [1]
    np.testing.assert_array_equal(data.x_test[0], noise(99, 20, 20, 3))
    assert tmp_path / "pets" / part in source.hidden(tmp_path)
    assert tmp_path / "pets/train" not in source.hidden(tmp_path)


def test_folder_prefers_test_to_val_and_hides_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_folder(tmp_path, monkeypatch)
    for part, seed in (("val", 98), ("test", 99)):
        photo(tmp_path / "pets" / part / "cat" / "x.png", seed)
    np.testing.assert_array_equal(source.load(tmp_path).x_test[0], noise(99, 20, 20, 3))
    assert {path.name for path in source.hidden(tmp_path)} == {"test", "val"}


def test_folder_sizes(tmp_path: Path) -> None:
    for number, (name, size) in enumerate((("a/1.png", (200, 100)), ("a/2.png", (30, 30)), ("b/1.png", (9, 90)))):
        path = tmp_path / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(number, *size, 3)).save(path)
    photo(tmp_path / "test/a/1.png", 5)
    assert folder.source(tmp_path).load(tmp_path).x_train.shape == (3, 64, 32, 3)


def test_folder_of_grey_images(tmp_path: Path) -> None:
    for number, name in enumerate(("a/1.png", "a/2.png", "b/1.png", "b/2.png")):
        photo(tmp_path / "train" / name, number, mode="L")
    data = folder.source(tmp_path).load(tmp_path)
    assert data.x_train.shape == (2, 20, 20, 1)
    assert len(data.mean) == len(data.std) == 1


def test_folder_complaints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_folder(tmp_path, monkeypatch)
    photo(tmp_path / "pets/test/horse/1.png", 1)
    with pytest.raises(InputError, match=r"pets/test/horse is a class that .*pets/train does not have"):
        source.load(tmp_path)
    shutil.rmtree(tmp_path / "pets/test")
    shutil.rmtree(tmp_path / "pets/train/dog")
    with pytest.raises(InputError, match="at least two"):
        source.load(tmp_path)
    (tmp_path / "pets/train/dog").mkdir()
    with pytest.raises(InputError, match="pets/train/dog has no image files"):
        source.load(tmp_path)


def test_a_class_folder_whose_name_is_no_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_folder(tmp_path, monkeypatch)
    (tmp_path / "pets/train/dog").rename(os.fsdecode(os.fsencode(tmp_path / "pets/train") + b"/\xff\xfe"))
    with pytest.raises(InputError, match=r"pets/train/\\xff\\xfe is no text in UTF-8; rename the folder"):
        source.load(tmp_path)


@pytest.mark.parametrize("part", ["test", "val"])
def test_folder_says_which_classes_a_part_lacks(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_folder(tmp_path, monkeypatch)
    photo(tmp_path / "pets/test/dog/x.png", 99)
    photo(tmp_path / "pets" / part / "dog" / "y.png", 98)
    assert f"{part}/ has no image of cat" in source.load(tmp_path).note
    for folder_ in ("test", part):
        photo(tmp_path / "pets" / folder_ / "cat" / "x.png", 97)
    assert "has no image" not in source.load(tmp_path).note


def test_folder_does_not_follow_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    source = folder.source(Path("pets"))
    monkeypatch.chdir("/")
    assert source.missing(tmp_path) is None
    assert source.name == "folder:pets"
