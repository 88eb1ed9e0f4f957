"""Files with several names: all names of a test file are hidden, or it is said that some could not be found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_run_plan import request_for

from harness.run.plan import make_plan
from harness.run.plan.hard_links import OtherNames, other_names


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two test images, in a set that lies two directories below where its originals are."""
    test = tmp_path / "sets" / "photos" / "test" / "cat"
    test.mkdir(parents=True)
    for name in ("a.png", "b.png"):
        (test / name).write_text(name)
    (tmp_path / "sets" / "photos" / "train").mkdir()
    (tmp_path / "originals").mkdir()
    return tmp_path / "sets" / "photos"


def test_files_with_one_name_have_no_others(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.run.plan.hard_links._circles", None)  # and nobody looks around for them
    assert other_names([photos / "test" / "cat" / "a.png"]) == OtherNames()


def test_other_names_are_found_near_the_set_and_far_from_it(photos: Path, tmp_path: Path) -> None:
    a, b = photos / "test" / "cat" / "a.png", photos / "test" / "cat" / "b.png"
    names = {photos / "train" / "same.png", tmp_path / "originals" / "1.png", tmp_path / "2.png"}
    for name in names:
        os.link(a, name)
    os.link(b, tmp_path / "originals" / "b")
    found = other_names([photos / "test"])
    assert set(found.paths) == names | {tmp_path / "originals" / "b"}
    assert (len(found.paths), found.missed) == (4, 0)


def test_a_second_name_that_is_hidden_itself_is_none(photos: Path) -> None:
    os.link(photos / "test" / "cat" / "a.png", photos / "test" / "cat" / "c.png")
    assert other_names([photos / "test"], patience=0) == OtherNames()


def test_the_target_of_a_link_may_have_other_names_too(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "z").write_text("z")
    os.link(tmp_path / "store" / "z", tmp_path / "originals" / "z")
    (photos / "test" / "cat" / "z.png").symlink_to(tmp_path / "store" / "z")
    assert other_names([photos / "test"]) == OtherNames((tmp_path / "originals" / "z",), 0)


def test_names_that_are_not_found_are_counted(photos: Path, tmp_path: Path) -> None:
    os.link(photos / "test" / "cat" / "a.png", tmp_path / "originals" / "1.png")
    assert other_names([photos / "test"], patience=2) == OtherNames((), 1)
    assert "folder:x: 1 file with test data has a second name" in OtherNames((), 1).warning("folder:x")
    assert "folder:x: 1,200 files with test data have a second name" in OtherNames((), 1200).warning("folder:x")


def test_a_plan_hides_all_names_or_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = request_for(tmp_path, seeds=(0,))
    assert not any("second name" in note for note in make_plan(request).notes)
    labels = next(tmp_path.rglob("y_test.npy"))
    os.link(labels, tmp_path / "labels")
    plan = make_plan(request)
    assert tmp_path / "labels" in plan.jobs[0].forbidden.paths
    assert not any("second name" in note for note in plan.notes)
    monkeypatch.setattr("harness.run.plan.jobs.other_names", lambda hidden: OtherNames((), 1))
    assert any("second name" in note for note in make_plan(request).notes)
