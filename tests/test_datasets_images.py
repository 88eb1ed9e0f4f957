"""Directories of images: any copy gives the same arrays and split, a broken file is named, nothing is distorted."""

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from harness.datasets.common.images import image_size, read_images
from harness.datasets.common.listing import class_folders, hold_out, samples
from PIL import Image

from harness.core.errors import InputError


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (20, 30), mode: str = "RGB") -> Path:
    """Saves noise of ``size`` (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(path)
    return path


def tree(root: Path, names: list[str]) -> Path:
    for number, name in enumerate(names):
        picture(root / name, seed=number)
    return root


NAMES = [f"{c}/{i}.png" for c in ("ant", "bee", "cow") for i in range(11)]


def relative(found, root: Path) -> list[str]:
    return [str(sample.path.relative_to(root)) for sample in found]


def test_order_and_split_do_not_depend_on_the_copy(tmp_path: Path) -> None:
    one = tree(tmp_path / "one", NAMES)
    other = tree(tmp_path / "elsewhere" / "other", NAMES[::-1])
    classes = tuple(class_folders(one))
    found, again = (samples(root, classes, all_classes=True) for root in (one, other))
    assert relative(found, one) == relative(again, other)
    for part, part_again in zip(hold_out(found, 0.2), hold_out(again, 0.2), strict=True):
        assert relative(part, one) == relative(part_again, other)


def test_order_mixes_the_classes(tmp_path: Path) -> None:
    found = samples(tree(tmp_path, NAMES), ("ant", "bee", "cow"), all_classes=True)
    assert len({sample.label for sample in found[:11]}) > 1


def test_hold_out_is_a_stratified_partition(tmp_path: Path) -> None:
    found = samples(tree(tmp_path, NAMES), ("ant", "bee", "cow"), all_classes=True)
    rest, held = hold_out(found, 0.2)
    assert set(rest) | set(held) == set(found)
    assert not set(rest) & set(held)
    assert Counter(sample.label for sample in held) == {0: 2, 1: 2, 2: 2}


def test_hold_out_leaves_something_both_ways(tmp_path: Path) -> None:
    found = samples(tree(tmp_path, ["a/1.png", "a/2.png", "b/1.png", "b/2.png"]), ("a", "b"), all_classes=True)
    for share in (0.01, 0.99):
        rest, held = hold_out(found, share)
        assert {sample.label for sample in rest} == {sample.label for sample in held} == {0, 1}


def test_hold_out_of_a_single_image(tmp_path: Path) -> None:
    found = samples(tree(tmp_path, ["a/1.png", "a/2.png", "b/1.png"]), ("a", "b"), all_classes=True)
    with pytest.raises(InputError, match="b has a single image"):
        hold_out(found, 0.2)


def test_one_more_file_moves_at_most_one(tmp_path: Path) -> None:
    root = tree(tmp_path, NAMES)
    before = set(relative(hold_out(samples(root, ("ant",), all_classes=True), 0.2)[1], root))
    picture(root / "ant/new.png")
    after = set(relative(hold_out(samples(root, ("ant",), all_classes=True), 0.2)[1], root))
    assert len(before - after) <= 1


def test_other_files_are_left_out(tmp_path: Path) -> None:
    root = tree(tmp_path, ["a/1.PNG", "a/2.jpeg"])
    for name in ("a/notes.txt", "a/.hidden.png", "a/Thumbs.db"):
        (root / name).write_text("x")
    (root / "a" / "folder.png").mkdir()
    (root / ".cache").mkdir()
    assert list(class_folders(root)) == ["a"]
    assert sorted(relative(samples(root, ("a",), all_classes=True), root)) == ["a/1.PNG", "a/2.jpeg"]


def test_empty_folder_is_named(tmp_path: Path) -> None:
    root = tree(tmp_path, ["a/1.png"])
    (root / "b").mkdir()
    with pytest.raises(InputError, match="/b has no image files"):
        samples(root, ("a", "b"), all_classes=True)
    assert len(samples(root, ("a", "b"), all_classes=False)) == 1
    with pytest.raises(InputError, match="no image files"):
        samples(root, ("b",), all_classes=False)


def test_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="/nowhere cannot be read"):
        class_folders(tmp_path / "nowhere")


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "tif", "webp"])
def test_truncated_images_are_named(tmp_path: Path, suffix: str) -> None:
    good = [picture(tmp_path / f"{i}.{suffix}") for i in range(3)]
    whole = good[1].read_bytes()
    for share in (0.0, 0.02, 0.3, 0.9):
        good[1].write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match=rf"1\.{suffix} cannot be read as an image"):
            read_images(good, 16, 16)


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "page.jpg"
    path.write_text("<html>404</html>")
    with pytest.raises(InputError, match=r"page\.jpg cannot be read as an image \(not an image\)"):
        read_images([path], 8, 8)
    with pytest.raises(InputError, match=r"page\.jpg"):
        image_size(path)
    with pytest.raises(InputError, match=r"gone\.jpg is missing"):
        read_images([tmp_path / "gone.jpg"], 8, 8)


@pytest.mark.parametrize(
    ("mode", "suffix"), [("CMYK", "jpg"), ("P", "gif"), ("RGBA", "png"), ("LA", "png"), ("1", "png")]
)
def test_modes_become_rgb(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    Image.new("RGB", (12, 12), (255, 255, 255)).convert(mode).save(path)
    pixels, grey = read_images([path], 6, 6)
    assert pixels.shape == (1, 6, 6, 3)
    assert pixels.min() > 250
    assert grey == (mode in ("LA", "1"))


def test_palette_with_transparency_is_read_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.new("RGB", (12, 12), (250, 10, 10)).convert("P").save(path, transparency=bytes([255] * 256))
    assert read_images([path], 6, 6)[0].shape == (1, 6, 6, 3)


def test_grey_only_if_all_are(tmp_path: Path) -> None:
    grey, colour = picture(tmp_path / "g.png", mode="L"), picture(tmp_path / "c.png")
    assert read_images([grey, grey], 8, 8)[1]
    assert not read_images([grey, colour], 8, 8)[1]


def test_same_size_is_untouched(tmp_path: Path) -> None:
    path = picture(tmp_path / "x.png", size=(20, 30))
    np.testing.assert_array_equal(read_images([path], 20, 30)[0][0], np.asarray(Image.open(path)))
    assert image_size(path) == (20, 30)


@pytest.mark.parametrize(("height", "width"), [(40, 120), (120, 40)])
def test_crop_is_central_and_undistorted(tmp_path: Path, height: int, width: int) -> None:
    """A centred square of 20 px in an image whose shorter side is 40 px stays a centred square, half as large at 20."""
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    canvas[height // 2 - 10 : height // 2 + 10, width // 2 - 10 : width // 2 + 10] = 255
    path = tmp_path / "x.png"
    Image.fromarray(canvas).save(path)
    pixels = read_images([path], 20, 20)[0][0, :, :, 0].astype(int)
    np.testing.assert_array_equal(pixels, pixels.T)
    np.testing.assert_array_equal(pixels, pixels[::-1, ::-1])
    assert pixels.sum() == pytest.approx(255 * 100, rel=0.02)


def test_large_jpeg_equals_full_decoding(tmp_path: Path) -> None:
    """Decoding at a fraction of the size is a shortcut: within a few grey levels of the long way, fine stripes too."""
    wave = 127.5 + 120 * np.sin(2 * np.pi * np.arange(160) / 15)  # a period is three pixels of the small image
    image = np.stack(np.broadcast_arrays(wave[:120, None], wave[None, :], 128.0), axis=-1).astype(np.uint8)
    for suffix in ("jpg", "png"):
        Image.fromarray(image).save(tmp_path / f"x.{suffix}", quality=95)
    short, full = read_images([tmp_path / "x.jpg", tmp_path / "x.png"], 32, 32)[0].astype(int)
    assert np.abs(short - full).mean() < 6


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_directory_is_named(tmp_path: Path) -> None:
    folder = tree(tmp_path, ["a/1.png"]) / "a"
    folder.chmod(0)
    try:
        with pytest.raises(InputError, match="/a cannot be read"):
            samples(tmp_path, ("a",), all_classes=True)
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)
