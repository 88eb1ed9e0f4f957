"""Images that are larger than a profile allows are averaged, everywhere alike, and it is said."""

from __future__ import annotations

import dataclasses
import io
import tomllib
from pathlib import Path

import numpy as np
import pytest
from report_records import make as make_run
from rich.console import Console
from test_datasets_tabulated import written
from test_run_plan import request_for
from test_run_scoring import trained
from test_run_tables_images import TOY
from test_run_tables_images import request_for as table_request

from harness.commands.tabulate import tabulate
from harness.core.budget import Budget
from harness.core.dataset import Dataset
from harness.core.table import Behind
from harness.report.model.groups import Block
from harness.report.model.results import averaged_images
from harness.run.fence.ground import Ground
from harness.run.images import ImageSets, search_data
from harness.run.job import Job
from harness.run.plan import make_plan
from harness.run.profile import Profile
from harness.run.profiles import QUICK, SMOKE
from harness.run.tables import PreparedTable
from harness.run.tables.images import ImagesBehind
from harness.run.tabulate.request import make_table_request

SHAPES = [(64, 64), (33, 33), (50, 40), (100, 7), (7, 100), (65, 64)]


def make(height: int, width: int, count: int = 3, side: int = 0) -> Dataset:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (count, height, width, 3)).astype(np.uint8)
    y = np.arange(count, dtype=np.int64) % 2
    data = Dataset("photos", x, y, x[::-1].copy(), y[::-1].copy(), ("a", "b"), (1.0,) * 3, (2.0,) * 3, cutout=16)
    return data.bounded(side)


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_a_pixel_is_the_mean_of_its_square(height: int, width: int) -> None:
    """Around the centre: what fills no square is cut off, as much on one side as on the other."""
    whole, small = make(height, width), make(height, width, side=32)
    square = -(-max(height, width) // 32)
    assert max(small.x_train.shape[1:3]) <= 32
    for large, averaged in ((whole.x_train, small.x_train), (whole.x_test, small.x_test)):
        rows, columns = averaged.shape[1:3]
        tall, wide = min(square, height), min(square, width)
        assert 0 <= height - rows * tall < tall
        assert 0 <= width - columns * wide < wide
        top, left = (height - rows * tall) // 2, (width - columns * wide) // 2
        for row in range(rows):
            for column in range(columns):
                area = large[:, top + row * tall :, left + column * wide :][:, :tall, :wide]
                assert np.abs(area.mean((1, 2)) - averaged[:, row, column]).max() <= 0.5


@pytest.mark.parametrize(("shape", "side"), [((28, 28), 32), ((32, 32), 32), ((64, 64), 0), ((64, 64), 64)])
def test_smaller_images_and_no_bound_change_nothing(shape: tuple[int, int], side: int) -> None:
    data = make(*shape)
    assert data.bounded(side) is data


def test_twice_is_once_and_what_goes_with_the_images_shrinks_alike() -> None:
    data = make(64, 48, side=32)
    assert data.bounded(32) is data
    assert (data.crop_padding, data.cutout) == (2, 8)
    assert data.note == "photos: images of 64x48 pixels are averaged to 32x24"


def test_many_images_are_as_each_alone() -> None:
    """They are averaged in portions."""
    many, alone = make(34, 34, count=2_001, side=17), make(34, 34, count=2_001)
    for number in (0, 999, 1_000, 2_000):
        one = dataclasses.replace(alone, x_train=alone.x_train[[number]], y_train=alone.y_train[[number]])
        assert np.array_equal(one.bounded(17).x_train[0], many.x_train[number])


def test_white_stays_white() -> None:
    data = make(64, 64)
    white = dataclasses.replace(data, x_train=np.full_like(data.x_train, 255)).bounded(32)
    assert (white.x_train == 255).all()


@pytest.mark.parametrize(("profile", "averaged"), [(QUICK, [32, 24]), (SMOKE, None)])
def test_the_record_and_the_tables_say_so(tmp_path: Path, profile: Profile, averaged: list[int] | None) -> None:
    sets = ImageSets(["squares"], lambda _: make(64, 48, count=40).bounded(profile.side), 0.1, tmp_path)
    prepared = sets.prepare("squares", [0], lambda _: None)
    shape = np.load(prepared.directory / "x_test.npy", mmap_mode="r").shape[1:3]
    assert list(shape) == (averaged or [64, 48])
    job = dataclasses.replace(trained(tmp_path), dataset="squares")
    recipes = sets.scorer.recipes(job)
    assert recipes.get("images", {}).get("averaged") == averaged
    run = make_run("darts", 0.5, dataset="squares", recipes=recipes)
    told = averaged_images(Block("quick", "60s", "", (run,), "epochs"))
    expected = "Larger images were averaged, for training and for the test alike: squares to 32x24 pixels."
    assert told == ([expected] if averaged else [])
    both = averaged_images(Block("quick", "60s", "", (run, make_run("darts", 0.5, 1, dataset="squares")), "epochs"))
    assert both == ([expected.replace("32x24", "32x24 (1 of 2 runs)")] if averaged else [])


def toy() -> Dataset:
    data = TOY.load(Path())
    assert isinstance(data, Dataset)
    return data


def test_a_comparison_trains_and_tests_on_them(tmp_path: Path) -> None:
    side = max(toy().x_train.shape[1:3])
    request = dataclasses.replace(
        request_for(tmp_path), datasets=("toy",), profile=dataclasses.replace(SMOKE, side=side // 2)
    )
    plan = make_plan(request)
    [directory] = {job.prepared.directory for job in plan.jobs}  # type: ignore[union-attr]
    for name in ("x_train.npy", "x_test.npy"):
        assert max(np.load(directory / name, mmap_mode="r").shape[1:3]) == side // 2
    assert sum("are averaged to" in note for note in plan.notes) == 1


def test_two_profiles_in_one_directory_read_their_own_images(tmp_path: Path) -> None:
    """A command of the one may be running when another one of the other is given."""
    profiles = (dataclasses.replace(SMOKE, name="small", side=8), dataclasses.replace(SMOKE, name="whole", side=0))
    jobs = []
    for profile in profiles:
        request = dataclasses.replace(request_for(tmp_path), datasets=("toy",), profile=profile)
        jobs.append(make_plan(request).jobs[0])
    seen = [search_data(job.prepared, 0).image_shape[:2] for job in jobs]  # type: ignore[arg-type]
    assert seen == [(8, 8), toy().x_train.shape[1:3]]
    for mine, theirs in (jobs, reversed(jobs)):
        ground = Ground(*[tuple(map(str, some)) for some in _closed(mine)])
        assert not ground.hidden(str(mine.prepared.directory / "x_train.npy"))  # type: ignore[union-attr]
        for job in (mine, theirs):
            assert ground.hidden(str(job.prepared.directory / "x_test.npy"))  # type: ignore[union-attr]


def _closed(job: Job) -> tuple[tuple[Path, ...], ...]:
    return job.forbidden.paths, job.forbidden.closed, job.forbidden.opened


def test_a_table_is_made_of_them(tmp_path: Path) -> None:
    side = max(toy().x_train.shape[1:3])
    asked = make_table_request(
        dataset="toy", space="nasbench201:skip_connect,nor_conv_3x3", profile="smoke", seeds="0", sample=1, part="1/1",
        out=tmp_path / "toy.csv", data=tmp_path, workers=1,
    )  # fmt: skip
    asked = dataclasses.replace(asked, profile=dataclasses.replace(asked.profile, side=side // 2))
    console = Console(file=io.StringIO())
    tabulate(asked, command="a test", console=console)
    made = tomllib.loads((tmp_path / "toy.toml").read_text(encoding="utf-8"))
    assert max(made["trained"]["image"][:2]) == side // 2
    assert "are averaged to" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("side", [32, 33, 48, 63, 64, 97, 200])
def test_methods_that_train_weights_get_the_images_of_the_table(tmp_path: Path, side: int) -> None:
    """Their checksum is that of the images which the table was made of, whatever their size was before."""
    whole = dataclasses.replace(make(side, side - 3, count=40), name="photos")
    small = whole.bounded(32)
    checksum = ImageSets(["photos"], lambda _: small, 0.1, tmp_path).checksum("photos")
    notes, prepared = behind(tmp_path, whole, checksum, small.x_train.shape[1:])
    assert notes == ([small.note] if small.note else [])
    assert prepared


def behind(folder: Path, data: Dataset, checksum: str, image: tuple[int, ...]) -> tuple[list[str], bool]:
    """Whether the images behind a table are taken, of which it says such a checksum and size."""
    table = written(folder / "toy.csv")
    [job] = make_plan(table_request(table, folder / "out", "random_search", budget="2e11macs")).jobs
    assert isinstance(job.prepared, PreparedTable)
    assert job.prepared.trained is not None
    its = dataclasses.replace(job.prepared, trained=dataclasses.replace(job.prepared.trained, image=image))
    images = ImagesBehind(
        {"t": Behind("photos", checksum, 0.1)},
        lambda _: TOY,
        lambda *_: data,
        root=folder,
        out=folder,
        budget=Budget.parse("1e9macs"),
    )
    found = images.prepare(its, "t", (0,))
    return images.notes, found is not None
