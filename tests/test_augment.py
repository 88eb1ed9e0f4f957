"""Random crops, flips and cutout: what they may do to an image, and how often."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from harness.nets.augment import augment, normalise

MEAN, STD = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def located(count: int, height: int = 12, width: int = 10) -> np.ndarray:
    """Images whose pixels tell where they are: (row + 1, column + 1, 77)."""
    rows, columns = np.meshgrid(np.arange(1, height + 1), np.arange(1, width + 1), indexing="ij")
    image = np.stack([rows, columns, np.full_like(rows, 77)], axis=-1).astype(np.uint8)
    return np.repeat(image[None], count, axis=0)


def augmented(images: np.ndarray, seed: tuple[int, int] = (3, 4), **options: int) -> np.ndarray:
    return augment(tf.constant(images), tf.constant(seed), MEAN, STD, **options).numpy()


def windows(image: np.ndarray, padding: int, flip: bool) -> dict[bytes, tuple[int, int, bool]]:
    """Every image that a crop may give, with its offsets."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0))).astype(np.float32)
    found = {}
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            window = padded[top : top + height, left : left + width]
            found[window.tobytes()] = (top, left, False)
            if flip:
                found[window[:, ::-1].tobytes()] = (top, left, True)
    return found


def test_normalise() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 2)).astype(np.uint8)
    expected = (images - np.array([100.0, 20.0])) / np.array([50.0, 3.0])
    np.testing.assert_allclose(normalise(images, (100.0, 20.0), (50.0, 3.0)), expected, rtol=1e-5, atol=1e-5)


def test_nothing_switched_on_is_normalisation() -> None:
    images = located(4)
    same = augment(tf.constant(images), tf.constant((1, 2)), (9.0, 8.0, 7.0), (2.0, 3.0, 4.0))
    np.testing.assert_array_equal(same, normalise(images, (9.0, 8.0, 7.0), (2.0, 3.0, 4.0)))


@pytest.mark.parametrize("flip", [True, False])
def test_crops_are_windows_of_the_padded_image_and_all_equally_likely(flip: bool) -> None:
    images = located(4000)
    allowed = windows(images[0], padding=2, flip=flip)
    seen = [allowed[image.tobytes()] for image in augmented(images, padding=2, flip=flip)]
    places, counts = np.unique(np.array(seen)[:, :2], axis=0, return_counts=True)
    assert len(places) == 25
    expected = len(images) / 25
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    mirrored = np.mean([place[2] for place in seen])
    assert mirrored == 0.0 if not flip else abs(mirrored - 0.5) < 5 * 0.5 / np.sqrt(len(images))


def test_the_mirror_is_drawn_apart_from_the_shift_and_the_shifts_apart_from_each_other() -> None:
    images = located(6000)
    allowed = windows(images[0], padding=2, flip=True)
    seen = np.array([allowed[image.tobytes()] for image in augmented(images, padding=2, flip=True)], float)
    assert np.abs(np.corrcoef(seen.T) - np.eye(3)).max() < 5 / np.sqrt(len(images))


def test_the_hole_is_cut_apart_from_the_shift_and_the_mirror() -> None:
    """The hole's upper left corner, beside the pixel that came to the middle and the order of its neighbours."""
    images = located(4000, 20, 20)
    moved = augmented(images, padding=2, flip=True)
    holes = (augmented(images, padding=2, flip=True, cutout=4)[..., 2] != 77) & (moved[..., 2] == 77)
    mirrored = moved[:, 10, 11, 1] < moved[:, 10, 10, 1]
    whole = holes.any((1, 2))
    corners = np.stack([holes.any(2).argmax(1), holes.any(1).argmax(1)], axis=1)
    both = np.concatenate([moved[:, 10, 10, :1], mirrored[:, None], corners], axis=1)[whole]
    assert np.abs(np.corrcoef(both.T) - np.eye(4)).max() < 5 / np.sqrt(whole.sum())


def test_flip_without_crop_mirrors_whole_images() -> None:
    images = located(50)
    result = augmented(images, flip=True)
    mirrored = np.array([np.array_equal(image, images[0][:, ::-1]) for image in result])
    kept = np.array([np.array_equal(image, images[0]) for image in result])
    assert mirrored.any()
    assert kept.any()
    assert (mirrored | kept).all()


def test_padding_is_black_and_cutout_is_the_mean_colour() -> None:
    white = np.full((64, 8, 8, 3), 255, np.uint8)
    mean, std = (100.0, 110.0, 120.0), (50.0, 50.0, 50.0)
    cropped = augment(tf.constant(white), tf.constant((1, 2)), mean, std, padding=4).numpy()
    black = -np.array(mean) / np.array(std)
    colours = np.unique(cropped.reshape(-1, 3), axis=0)
    np.testing.assert_allclose(colours[0], black, rtol=1e-5)
    assert len(colours) == 2
    cut = augment(tf.constant(white), tf.constant((1, 2)), mean, std, cutout=4).numpy()
    assert (np.unique(cut.reshape(-1, 3), axis=0)[0] == 0.0).all()


@pytest.mark.parametrize(("side", "share"), [(16, 0.1914), (8, 0.0549), (20, 0.2781)])
def test_cutout_masks_the_published_share_of_32x32_images(side: int, share: float) -> None:
    white = np.full((6000, 32, 32, 1), 255, np.uint8)
    cut = augment(tf.constant(white), tf.constant((5, 6)), (0.0,), (1.0,), cutout=side).numpy()
    assert np.mean(cut == 0.0) == pytest.approx(share, rel=0.02)
    assert share < (side / 32) ** 2


@pytest.mark.parametrize("side", [3, 4])
def test_cutout_is_one_square_in_all_channels_and_leaves_the_rest_alone(side: int) -> None:
    images = located(300)
    full = 0
    for image in augmented(images, cutout=side):
        hole = (image == 0.0).all(-1)
        assert (image[~hole] == images[0][~hole]).all()
        rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
        assert hole.sum() == len(rows) * len(columns) > 0
        assert rows[-1] - rows[0] + 1 == len(rows) <= side
        assert columns[-1] - columns[0] + 1 == len(columns) <= side
        full += len(rows) == len(columns) == side
    assert full > 0


def test_images_depend_on_both_numbers_of_the_seed_and_on_nothing_else() -> None:
    images = located(8)
    options = {"padding": 3, "flip": True, "cutout": 4}
    first = augmented(images, (1, 1), **options)
    np.testing.assert_array_equal(first, augmented(images, (1, 1), **options))
    assert not np.array_equal(first, augmented(images, (1, 2), **options))
    assert not np.array_equal(first, augmented(images, (2, 1), **options))
