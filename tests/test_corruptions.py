"""Corrupted test images: what each corruption does, and that all runs on a data set get the same ones."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from harness.core.dataset import Images
from harness.nets.corruptions import CORRUPTIONS, STRENGTHS, all_corrupted, corrupted


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
