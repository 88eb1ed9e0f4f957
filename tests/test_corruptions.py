"""Corrupted test images: what each corruption does, that all runs on a data set get the same ones, and the way of a
network's predictions for them into tables."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
import test_run_grid as grid
import test_run_tables as tables
from PIL import Image
from plugin_files import GOOD, write_method
from report_records import make, save
from scipy.ndimage import gaussian_filter
from test_run_plan import refuse_each_other, request_for

from harness.commands.report import check_metric
from harness.commands.show import lines, show
from harness.core.dataset import Images
from harness.core.errors import InputError
from harness.nets.corruptions import CORRUPTIONS, STRENGTHS, all_corrupted, corrupted
from harness.report.forms.html import report_html
from harness.report.forms.markdown import markdown
from harness.report.model.load import load_runs
from harness.report.model.metrics import measured_by
from harness.report.model.performance import performance
from harness.report.stats.verdict import verdicts
from harness.run.plan import make_plan
from harness.run.profiles import SMOKE, TABLE
from harness.run.scoring.metrics import robust


def photographs(side: int = 32, channels: int = 3, count: int = 12) -> Images:
    """Random images with shapes of several sizes, as photographs have them."""
    generator = np.random.default_rng(5)
    image = np.full((count, side, side, channels), 128.0)
    for size, height in ((side / 6, 60), (side / 16, 30), (1, 20)):
        noise = gaussian_filter(generator.standard_normal(image.shape), (0, size, size, 0))
        image += height * noise / noise.std()
    return image.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("side", [28, 64, 96])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_stronger_one_changes_more(name: str, channels: int, side: int) -> None:
    images = photographs(side, channels)
    before = images.copy()
    changes = []
    for strength in STRENGTHS:
        made = corrupted(images, name, strength, "photographs")
        assert made.shape == images.shape
        assert made.dtype == np.uint8
        changes.append(float(np.mean((made.astype(float) - images) ** 2)))
    assert changes[0] > 0
    assert changes == sorted(changes)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_images_for_every_run_on_a_data_set(name: str) -> None:
    images = photographs()
    np.testing.assert_array_equal(corrupted(images, name, 3, "one"), corrupted(images, name, 3, "one"))


def test_noise_differs_between_images_strengths_and_data_sets() -> None:
    grey = np.full((2, 32, 32, 1), 128, np.uint8)
    first, second = (corrupted(grey, "noise", 1, dataset) for dataset in ("one", "two"))
    assert (first != second).any()
    assert (first[0] != first[1]).any()
    stronger = corrupted(grey, "noise", 5, "one")
    correlation = np.corrcoef(first.ravel().astype(float), stronger.ravel().astype(float))[0, 1]
    assert abs(correlation) < 0.1


def test_noise_has_the_stated_deviation() -> None:
    grey = np.full((64, 32, 32, 1), 128, np.uint8)
    assert np.std(corrupted(grey, "noise", 5, "grey").astype(float)) == pytest.approx(25.5, rel=0.02)


def test_blur_keeps_the_mean_and_what_is_even() -> None:
    even = np.full((1, 32, 32, 3), 77, np.uint8)
    np.testing.assert_array_equal(corrupted(even, "blur", 5, "even"), even)
    point = np.zeros((1, 33, 33, 1), np.uint8)
    point[0, 16, 16] = 255
    made = corrupted(point, "blur", 2, "point").astype(float)[0, :, :, 0]
    assert made.sum() == pytest.approx(255, abs=12)
    np.testing.assert_array_equal(made, made.T)
    wanted = np.exp(-(np.array([0, 1, 2]) ** 2) / (2 * 0.75**2))
    np.testing.assert_allclose(made[16, 16:19] / made[16, 16], wanted, atol=0.02)


def test_contrast_by_hand() -> None:
    image = np.array([[10, 30], [50, 110]], np.uint8).reshape(1, 2, 2, 1)  # mean 50
    made = corrupted(image, "contrast", 2, "four pixels")
    assert made.ravel().tolist() == [30, 40, 50, 80]


def test_jpeg_is_what_an_image_file_holds() -> None:
    [image] = photographs(count=1)
    with io.BytesIO() as file:
        Image.fromarray(image).save(file, "JPEG", quality=80)
        with Image.open(file) as stored:
            wanted = np.asarray(stored)
    [made] = corrupted(image[None], "jpeg", 1, "photograph")
    np.testing.assert_array_equal(made, wanted)


def test_all_of_them_by_name() -> None:
    named = dict(all_corrupted(photographs(), "photographs"))
    assert len(named) == len(CORRUPTIONS) * len(STRENGTHS)
    np.testing.assert_array_equal(named["blur-4"], corrupted(photographs(), "blur", 4, "photographs"))


def test_a_run_is_also_tested_on_them_and_is_the_same_run_otherwise(tmp_path: Path) -> None:
    good = write_method(tmp_path, "good", GOOD)
    tested = dataclasses.replace(grid.PATIENT, corruptions=True)
    plain = grid.run(grid.request_for(tmp_path, {"good": good}, profile=grid.PATIENT))["good"]
    record = grid.run(grid.request_for(tmp_path, {"good": good}, profile=tested, out=tmp_path / "tested"))["good"]
    assert (record.status, record.reason) == ("ok", "")
    assert plain.robustness == {}
    assert "corrupted_accuracy" not in plain.metrics
    assert {**record.metrics, "corrupted_accuracy": 0} == {**plain.metrics, "corrupted_accuracy": 0}
    assert record.test_accuracy == plain.test_accuracy
    assert set(record.robustness) == set(CORRUPTIONS)
    assert record.metrics["corrupted_accuracy"] == pytest.approx(np.mean([*record.robustness.values()]))

    from harness.nets import training
    from harness.nets.runtime import load

    directory = next((tmp_path / "tested").rglob("record.json")).parent
    facts = json.loads((directory / "final.json").read_text())
    images = np.load(next((tmp_path / "tested" / "prepared").glob("squares-*/x_test.npy")))
    labels = np.load(tmp_path / "data" / "squares" / "y_test.npy")
    for name, strength in (("noise", 2), ("jpeg", 5)):
        made = corrupted(images, name, strength, "squares")
        probabilities = training.predict(load(directory / "model.keras"), made, facts["mean"], facts["std"])
        found = np.mean(probabilities.argmax(axis=1) == labels)
        assert record.robustness[name][strength - 1] == pytest.approx(found, abs=0.02)


def test_accuracies_by_corruption_weakest_first() -> None:
    labels = np.array([0, 1, 1, 0])
    right, half = labels.astype(np.uint16), np.zeros(4, np.uint16)
    others = {"probabilities": np.eye(2)[labels], "network 1": np.eye(2)[labels]}
    ones = np.ones(4, np.uint16)
    found = robust({"corrupted blur-2": half, "corrupted blur-3": ones, **others, "corrupted blur-1": right}, labels)
    assert found == {"blur": [1.0, 0.5, 0.5]}
    assert robust(others, labels) == {}


@pytest.mark.parametrize(
    ("key", "predicted", "words"),
    [
        ("corrupted blur-1", np.zeros(3, np.uint16), "4 corrupted images"),
        ("corrupted blur-1", np.zeros((4, 2), np.float32), "4 corrupted images"),
        ("corrupted blur-3", np.zeros(4, np.uint16), "missing"),
        ("corrupted blur", np.zeros(4, np.uint16), "invalid literal"),
    ],
)
def test_predictions_that_cannot_be_those(key: str, predicted: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        robust({key: predicted}, np.array([0, 1, 1, 0]))


def test_tables_have_nothing_to_corrupt(tmp_path: Path) -> None:
    request = tables.request_for(tmp_path, ("random_search",))
    with pytest.raises(InputError, match="leave --corruptions out"):
        make_plan(dataclasses.replace(request, profile=dataclasses.replace(request.profile, corruptions=True)))


def test_one_directory_holds_one_kind(tmp_path: Path) -> None:
    request = request_for(tmp_path, methods=("good",), seeds=(0,))
    refuse_each_other(
        request,
        dataclasses.replace(request, profile=dataclasses.replace(request.profile, corruptions=True)),
        "was made without --corruptions; do the same here, or name another",
        "was made with --corruptions",
    )


def test_a_metric_that_will_not_be_measured_is_refused_before_any_work() -> None:
    check_metric("corrupted_accuracy", dataclasses.replace(SMOKE, corruptions=True))
    check_metric("nll", SMOKE)
    with pytest.raises(InputError, match="add it, or leave --metric out"):
        check_metric("corrupted_accuracy", SMOKE)
    with pytest.raises(InputError, match="tables have no predictions"):
        check_metric("nll", TABLE)


def test_reports_show_them(tmp_path: Path) -> None:
    robustness = {"noise": [0.8, 0.7, 0.6, 0.5, 0.4], "blur": [0.9, 0.9, 0.9, 0.9, 0.75]}
    runs = [make("darts", 0.9, seed, metrics={"corrupted_accuracy": 0.735}, robustness=robustness) for seed in range(2)]
    page = report_html(runs, Path(), lambda _: None, verdicts(runs), [], [])
    assert "on corrupted test images, mean of 2 runs" in page
    assert "87.00" in page, "the mean over blurs"
    shown = "\n".join(lines(show(runs[0]), None))
    assert "80.00, 70.00, 60.00, 50.00, 40.00 %, weakest first" in shown
    text = markdown(performance(measured_by(runs, "corrupted_accuracy")))
    assert "73.50" in text
    assert "accuracy on corrupted images" in text
    with pytest.raises(InputError, match="--corruptions"):
        measured_by([make("darts", 0.9)], "corrupted_accuracy")


@pytest.mark.parametrize("damaged", [{"noise": [1.5]}, {"noise": ["high"]}, {"noise": 0.5}, ["noise"]])
def test_a_damaged_record_is_one_sentence(tmp_path: Path, damaged: object) -> None:
    run = make("darts", 0.9, robustness=damaged)
    save(run, tmp_path)
    with pytest.raises(InputError, match=r"record\.json is damaged"):
        load_runs(tmp_path)
