"""Images as people have them: turned, transparent, deep, in folders of other names; nothing is dropped unsaid."""

from __future__ import annotations

import dataclasses
import os
import struct
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
from harness.datasets import folder
from harness.datasets.common.images import image_size, read_images
from PIL import Image

from harness.core.dataset import Dataset, seeded_by
from harness.core.errors import InputError
from harness.core.paths import dataset_name, dataset_names, existing
from harness.nets.corruptions import corrupted
from harness.run.final import drawn
from harness.run.images import final_data, locate, search_data, write
from harness.run.parts import parts
from harness.run.plan import make_plan
from harness.run.request import make_request
from harness.run.store import write_json

ORIENTATION = 0x0112


def save(path: Path, seed: int = 0, side: int = 12) -> Path:
    """Noise as a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def tree(root: Path, parts: dict[str, int], classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    """A data set: so many pictures of each class in each part."""
    seed = 0
    for part, count in parts.items():
        for name in classes:
            for number in range(count):
                seed += 1
                save(root / part / name / f"{part}{number}.png", seed)
    return root


def load(root: Path) -> Dataset:
    data = folder.source(root).load(Path("/nowhere"))
    assert isinstance(data, Dataset)
    return data


# --- single images --------------------------------------------------------------------------------------------------

UPRIGHT = np.zeros((32, 48, 3), np.uint8)
UPRIGHT[:16, :24], UPRIGHT[:16, 24:], UPRIGHT[16:, :24] = (250, 20, 20), (20, 250, 20), (20, 20, 250)
_STORED = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, 1),
    7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
    8: lambda x: np.rot90(x, -1),
}
"""How a camera stores an upright image under each EXIF orientation."""


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", list(_STORED))
def test_an_image_is_turned_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = Image.fromarray(np.ascontiguousarray(_STORED[orientation](UPRIGHT)))
    path = tmp_path / f"x.{suffix}"
    stored.save(path, exif=exif, **({"quality": 95, "subsampling": 0} if suffix == "jpg" else {}))
    assert image_size(path) == (32, 48)
    pixels = read_images([path], 32, 48)[0][0].astype(int)
    assert np.abs(pixels - UPRIGHT).mean() < 8


def test_a_turned_image_sets_the_size_of_the_set(tmp_path: Path) -> None:
    root = tree(tmp_path, {"train": 3, "test": 1})
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(UPRIGHT, 1))).save(root / "train/cat/a.jpg", exif=exif)
    assert load(root).x_train.shape[1:3] == (32, 48)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA", "RGB", "L", "1"])
def test_transparent_parts_are_white_in_every_mode(tmp_path: Path, mode: str) -> None:
    """A drawing in black (under which everything else is black too) on a transparent ground."""
    alpha = np.zeros((16, 16), np.uint8)
    alpha[4:12, 4:12] = 255
    path = tmp_path / ("x.tif" if mode == "PA" else "x.png")
    if mode in ("RGBA", "LA", "PA"):
        image = Image.fromarray(np.dstack([np.zeros((16, 16, 3), np.uint8), alpha]), "RGBA")
        image = image.convert("LA") if mode == "LA" else image
        if mode == "PA":
            pytest.importorskip("PIL.features")
            path = tmp_path / "x.webp"
            image.save(path, lossless=True)
        else:
            image.save(path)
    else:
        values = np.where(alpha > 0, 0, 255).astype(np.uint8)
        grey = Image.fromarray(values)
        transparent = {"RGB": (255, 255, 255), "P": None, "L": 255, "1": 1}[mode]
        image = grey.convert("RGB").quantize(2) if mode == "P" else grey.convert(mode)
        if mode == "P":
            transparent = image.getpixel((0, 0))
            image.putpalette([0, 0, 0] * 256)
        image.save(path, transparency=transparent)
    pixels = read_images([path], 16, 16)[0][0]
    assert (pixels[alpha == 0] == 255).all()
    assert (pixels[alpha == 255] == 0).all()


def test_half_transparent_is_mixed_with_the_ground(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 0, 0, 128)).save(tmp_path / "x.png")
    assert np.abs(read_images([tmp_path / "x.png"], 8, 8)[0].astype(int) - 127).max() <= 1


def test_a_set_of_one_colour_is_refused(tmp_path: Path) -> None:
    for part, name in (("train", "a"), ("train", "b"), ("test", "a")):
        for number in range(3):
            path = tmp_path / part / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.full((8, 8, 4), 255, np.uint8)
            pixels[2:5, 2 : 3 + number, 3] = 0
            Image.fromarray(pixels, "RGBA").save(path)  # drawn in white on nothing
    with pytest.raises(InputError, match=r"one colour \(255, 255, 255\)"):
        load(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bits_are_scaled(tmp_path: Path, suffix: str) -> None:
    ramp = np.tile(np.linspace(0, 65_535, 32).astype(np.uint16), (32, 1))
    path = tmp_path / f"x.{suffix}"
    if suffix == "pgm":
        path.write_bytes(b"P5 32 32 65535\n" + ramp.astype(">u2").tobytes())
    else:
        Image.fromarray(ramp).save(path)
    pixels, grey = read_images([path], 32, 32)
    assert grey
    np.testing.assert_array_equal(pixels[0, :, :, 0], ramp >> 8)


def save_deep(path: Path, values: np.ndarray) -> None:
    """A PNG file of sixteen bits: grey, grey and alpha, colour, or colour and alpha."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, channels = values.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    packed = [struct.pack(">I", len(x)) + kind + x + struct.pack(">I", zlib.crc32(kind + x)) for kind, x in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


def ramp(largest: int, seed: int, channels: int = 1) -> np.ndarray:
    """All values up to the largest, evenly, in some order; opaque."""
    values = np.random.default_rng(seed).permutation(np.linspace(0, largest, 24 * 24).astype(np.uint16))
    image = np.repeat(values.reshape(24, 24, 1), channels, axis=2)
    if channels in (2, 4):
        image[:, :, -1] = 65_535
    return image


def deep_set(root: Path, largest: int, in_test: int, channels: int = 1) -> Path:
    """A set of sixteen-bit files: of the training images one has the largest value, the others are darker."""
    for seed, name in enumerate(("train/a/0", "train/a/1", "train/b/0", "train/b/1", "test/a/0", "test/b/0")):
        most = {"train": largest if seed == 2 else largest // 3, "test": in_test}[name.partition("/")[0]]
        save_deep(root / f"{name}.png", ramp(most, seed, channels))
    return root


@pytest.mark.parametrize("largest", [200, 255, 256, 1023, 4000, 4095, 16_383, 40_000, 65_535])
@pytest.mark.parametrize("in_test", [0.2, 1.0, 3.0])
def test_the_bits_that_training_images_use_are_the_scale_of_all(tmp_path: Path, largest: int, in_test: float) -> None:
    """Of what eight bits can hold nothing is lost, and an image is as bright beside another as it was."""
    brightest = min(int(largest * in_test), 65_535)
    data = load(deep_set(tmp_path, largest, brightest))
    assert data.x_train.shape[3] == 1
    divisor = max(1, 2 ** (largest.bit_length() - 8))
    assert divisor == 1 or data.x_train.max() >= 127, "a power of two more would leave a bit empty"
    train, test = [ramp(largest if seed == 2 else largest // 3, seed) for seed in range(4)], ramp(brightest, 4)
    for mine, files in ((data.x_train, train), (data.x_test, [test, ramp(brightest, 5)])):
        seen = sorted(image.tobytes() for image in mine)
        assert seen == sorted(np.minimum(image // divisor, 255).astype(np.uint8).tobytes() for image in files)
    assert f"go up to {largest:,} in training" in data.note
    assert (f"divided by {divisor}" if divisor > 1 else "taken as they are") in data.note
    assert ("larger ones in 2 test images are cut off" in data.note) == (brightest // divisor > 255)


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("largest", [200, 4095, 32_767, 40_000, 65_535])
def test_colour_of_sixteen_bits_is_whole_or_refused(tmp_path: Path, channels: int, largest: int) -> None:
    """Pillow reads the upper eight bits only."""
    root = deep_set(tmp_path, largest, largest, channels)
    if largest < 32_768:
        with pytest.raises(InputError, match=r"\.png has several channels of 16 bits.*save all with 8 bits"):
            load(root)
    else:
        assert load(root).x_train.max() == largest >> 8
        assert "divided by 256" in load(root).note


@pytest.mark.parametrize("part", ["train", "test"])
def test_sixteen_bits_of_all_channels_together_are_no_deep_colour(tmp_path: Path, part: str) -> None:
    """A BMP file of five, six and five bits a pixel, as cameras of old wrote it; the others are ordinary."""
    root = tree(tmp_path / "pets", {"train": 8, "test": 2})
    for image in (root / part).rglob("*.png"):
        head = struct.pack("<2sIHHI", b"BM", 66 + 12 * 24, 0, 0, 66)
        about = struct.pack("<IiiHHIIiiIIIII", 40, 12, 12, 1, 16, 3, 12 * 24, 0, 0, 0, 0, 0xF800, 0x07E0, 0x001F)
        image.with_suffix(".bmp").write_bytes(
            head + about + np.resize(np.array([0x18C3, 0x0841], "<u2"), 144).tobytes()
        )
        image.unlink()
    data = load(root)
    assert (data.x_train if part == "train" else data.x_test).max() == 24
    assert "16-bit" not in data.note


def test_sixteen_bits_in_the_test_set_alone_are_refused(tmp_path: Path) -> None:
    root = tree(tmp_path, {"train": 3})
    save_deep(root / "test/cat/x.png", ramp(4095, 0))
    with pytest.raises(InputError, match=r"test/cat/x\.png has 16 bits and the training images have 8"):
        load(root)


def test_black_images_are_not_taken_for_drawings_in_white(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"one colour \(0, 0, 0\) at this size, so there is nothing to learn from$"):
        load(deep_set(tmp_path, 0, 0))


def test_deeper_than_sixteen_bits_is_one_sentence(tmp_path: Path) -> None:
    Image.fromarray(np.full((9, 9), 1 << 20, np.int32)).save(tmp_path / "int.tif")
    Image.fromarray(np.full((9, 9), 0.5, np.float32)).save(tmp_path / "float.tif")
    for name, words in (("int", "outside 0..65,535"), ("float", "floating-point")):
        with pytest.raises(InputError, match=rf"{name}\.tif has .*{words}"):
            read_images([tmp_path / f"{name}.tif"], 8, 8)


def tiff_of(path: Path, channels: int, side: int = 4) -> None:
    """A TIFF file with so many eight-bit channels, as microscopes write them."""
    entries = [
        (256, 3, 1, side), (257, 3, 1, side), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 4, 1, 8), (277, 3, 1, channels), (278, 3, 1, side), (279, 4, 1, side * side * channels),
    ]  # fmt: skip
    pixels = bytes(side * side * channels)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(pixels))
    ifd = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    path.write_bytes(head + pixels + ifd)


def test_more_than_four_channels_is_one_sentence(tmp_path: Path) -> None:
    tiff_of(tmp_path / "x.tif", 7)
    with pytest.raises(InputError, match=r"x\.tif has 7 channels; one to four"):
        read_images([tmp_path / "x.tif"], 8, 8)


# --- what is taken and what is left out -----------------------------------------------------------------------------


def test_one_line_tells_what_was_taken_and_what_was_not(tmp_path: Path) -> None:
    root = tree(tmp_path / "pets", {"train": 4, "test": 2})
    save(root / "train/cat/more/deeper/x.png")
    save(root / "train/loose.png")
    save(root / "extra/x.png")
    for name in ("train/cat/a.heic", "train/dog/b.HEIC", "test/cat/notes.txt", "train/cat/README"):
        (root / name).write_text("x")
    for name in (".AppleDouble", "__MACOSX", "@eaDir"):
        save(root / "train" / name / "x.png")
        save(root / "train/cat" / name / "x.png")
        save(root / name / "x.png")
    (root / "train/cat/._train0.png").write_text("x")
    (root / "train/cat/Thumbs.db").write_text("x")
    data = load(root)
    assert data.classes == ("cat", "dog")
    assert (len(data.x_train), len(data.x_test)) == (9, 4)
    assert "\n" not in data.note
    for words in (
        "9 images to train on, 4 to test on from test/, 2 classes",
        "left out 4 files of other kinds (2 .heic, 1 .txt, 1 without a suffix)",
        "left out 1 image outside the class folders",
        "left out folders of the system (.AppleDouble, @eaDir, __MACOSX)",
        "did not look into extra",
        "took 1 image from folders below a class folder",
    ):
        assert words in data.note


def test_links_are_followed_to_images_and_to_classes(tmp_path: Path) -> None:
    """As git-annex and DVC check sets out."""
    real = tree(tmp_path / "annex", {"train": 4})
    root = tmp_path / "pets"
    (root / "train/cat").mkdir(parents=True)
    (root / "train/dog").symlink_to(real / "train/dog")
    for path in (real / "train/cat").iterdir():
        (root / "train/cat" / path.name).symlink_to(path)
    linked, copied = load(root), load(real)
    np.testing.assert_array_equal(linked.x_train, copied.x_train)
    np.testing.assert_array_equal(linked.x_test, copied.x_test)


@pytest.mark.parametrize(
    ("links", "first"),
    [
        (("train/cat/train9.png",), "train/cat/train9.png"),
        (("train/cat/train9.png", "train/dog/more/a.jpg", "test/dog/z.JPEG"), "train/cat/train9.png and 1 more"),
        (("train/ant",), "train/ant"),
        (("train/ant", "train/bee", "train/cow"), "train/ant and 2 more"),
        (("test/ant",), "test/ant"),
        (("val",), "val"),
        (("Testing",), "Testing"),
    ],
)
@pytest.mark.parametrize("loop", [False, True])
def test_links_that_lead_nowhere_are_refused(tmp_path: Path, links: tuple[str, ...], first: str, loop: bool) -> None:
    """A class would be smaller, or not there at all, without a word: the contents of a checkout were not brought."""
    root = tree(tmp_path / "pets", {"train": 4, "test": 2} if "Testing" not in links else {"train": 4})
    for link in links:
        (root / link).parent.mkdir(exist_ok=True)
        (root / link).symlink_to(root / link if loop else tmp_path / ".git/annex/objects/nothing")
    with pytest.raises(InputError) as caught:
        load(root)
    told, verb = str(caught.value), "are links that lead" if "more" in first else "is a link that leads"
    assert told.startswith(f"{root}/{first} {verb} nowhere")
    assert "\n" not in told


def test_other_links_that_lead_nowhere_are_counted_or_of_the_system(tmp_path: Path) -> None:
    root = tree(tmp_path / "pets", {"train": 4, "test": 2})
    for name in ("train/cat/README", "train/cat/.hidden.png", "train/.cache", "notes"):
        (root / name).symlink_to(tmp_path / "nothing")
    data = load(root)
    assert len(data.x_train) == 8
    assert "left out 1 file of other kinds (1 without a suffix)" in data.note


def test_the_line_is_there_before_work(tmp_path: Path) -> None:
    root = tree(tmp_path / "pets", {"train": 8, "test": 2})
    words = {"methods": "random_search", "profile": "smoke", "out": tmp_path / "out", "baselines": False}
    plan = make_plan(make_request(datasets=f"folder:{root}/", **words))
    assert plan.notes == (load(root).note,)
    assert [job.dataset for job in plan.jobs] == [f"folder:{root}"]


def test_a_clean_set_says_what_was_taken_and_nothing_else(tmp_path: Path) -> None:
    note = load(tree(tmp_path, {"train": 5})).note
    assert note.endswith("8 images to train on, 2 to test on held out of them, 2 classes")


@pytest.mark.parametrize("name", ["val", "valid", "validation", "dev", "Val", "VALIDATION"])
def test_a_validation_set_of_ones_own_is_used_as_such(tmp_path: Path, name: str) -> None:
    root = tree(tmp_path, {"train": 6, name: 2, "test": 1})
    data = load(root)
    assert (len(data.x_train), len(data.x_test)) == (16, 2)
    for seed in (0, 1):
        train, valid = parts(data, 0.1, seed)
        own = sorted(data.x_train[valid].reshape(4, -1).tolist())
        files = [root / name / c / f"{name}{n}.png" for c in ("cat", "dog") for n in range(2)]
        assert own == sorted(read_images(files, 12, 12)[0].reshape(4, -1).tolist())
        assert sorted([*train, *valid]) == list(range(16))
    mean = data.x_train[parts(data, 0.1, 0)[0]].mean((0, 1, 2))
    np.testing.assert_allclose(data.mean, mean, atol=1e-3)
    assert root / name in folder.source(root).hidden(root)
    assert f"4 to validate on from {name}/" in data.note


def test_the_checksum_knows_which_images_are_for_validation(tmp_path: Path) -> None:
    data = load(tree(tmp_path / "a", {"train": 6, "val": 2, "test": 1}))
    assert data.validation is not None
    moved = dataclasses.replace(data, validation=data.validation[::-1].copy())
    checksums = {locate(one, 0.1, tmp_path).checksum for one in (data, moved)}
    assert len(checksums) == 2


@pytest.mark.parametrize("name", ["Train", "training", "TRAIN"])
def test_common_names_of_the_training_folder(tmp_path: Path, name: str) -> None:
    root = tree(tmp_path, {name: 3, "Testing": 2})
    assert folder.source(root).missing(root) is None
    data = load(root)
    assert (len(data.x_train), len(data.x_test)) == (6, 4)
    assert root / "Testing" in folder.source(root).hidden(root)


def test_two_folders_of_one_meaning_are_refused(tmp_path: Path) -> None:
    root = tree(tmp_path, {"train": 2, "val": 1, "valid": 1, "test": 1})
    with pytest.raises(InputError, match="val and valid, which mean the same"):
        load(root)


def test_a_validation_folder_alone_is_the_test_set_and_closed(tmp_path: Path) -> None:
    root = tree(tmp_path, {"train": 3, "validation": 2})
    data = load(root)
    assert len(data.x_test) == 4
    assert data.validation is None
    assert root / "validation" in folder.source(root).hidden(root)


# --- where the set is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own_validation", [False, True])
def test_where_a_folder_is_and_how_its_path_is_typed_changes_no_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_validation: bool
) -> None:
    inside = {"train": 12, "test": 3, **({"val": 3} if own_validation else {})}
    homes = [tree(tmp_path / "pets", inside), Path("pets"), Path("x/pets/"), tree(tmp_path / "copy/animals", inside)]
    (tmp_path / "x").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = []
    for home in homes:
        data = load(home)
        prepared = locate(data, 0.2, tmp_path / "out")
        write(data, prepared, [0, 1])
        for seed in (0, 1):
            seen, final = search_data(prepared, seed), drawn(final_data(prepared)[0], 7, seed)
            noisy = corrupted(data.x_test, "noise", 3, final.dataset)
            found.append((seed, seen.x_train, seen.y_train, seen.x_valid, final.x_train, final.y_train, noisy))
    for seed, *arrays in found[2:]:
        for mine, first in zip(arrays, found[seed][1:], strict=True):
            np.testing.assert_array_equal(mine, first)
    assert not np.array_equal(found[0][1], found[1][1]), "the seed counts"


@pytest.mark.parametrize("name", ["cifar10", "folder", "folders:x", "nasbench201/cifar10", "tables/x", "table:x.csv"])
def test_other_sets_draw_by_their_names(name: str) -> None:
    assert seeded_by(name) == name


def test_a_run_that_was_split_by_its_path_is_not_gone_on_with(tmp_path: Path) -> None:
    """The checksum held the path then, and does not now."""
    root = tree(tmp_path / "pets", {"train": 8, "test": 2})
    words = {"methods": "random_search", "profile": "smoke", "out": tmp_path / "out", "baselines": False}
    request = make_request(datasets=f"folder:{root}", **words)
    [job] = make_plan(request).jobs
    data, share = load(root), request.profile.validation_share
    assert locate(data, share, tmp_path).checksum == job.inputs["data"]
    moved = dataclasses.replace(data, name="folder:elsewhere")
    assert locate(moved, share, tmp_path).checksum == job.inputs["data"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.run.images.seeded_by", lambda name: name)
        old = locate(data, share, tmp_path).checksum
    job.directory.path.mkdir(parents=True)
    write_json(job.directory.inputs, {**job.inputs, "data": old})
    with pytest.raises(InputError, match=r"was made with another data .* name another directory with --out"):
        make_plan(request)


# --- spellings ------------------------------------------------------------------------------------------------------

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))


def test_accents_of_folders_and_paths_may_be_written_in_two_ways(tmp_path: Path) -> None:
    on_disk = tree(tmp_path / DECOMPOSED, {"train": 4}, (COMPOSED, "dog"))
    tree(on_disk, {"test": 2}, (DECOMPOSED, "dog"))
    data = load(tmp_path / COMPOSED)
    assert data.name == folder.source(tmp_path / DECOMPOSED).name
    assert data.classes == (COMPOSED, "dog")
    assert (len(data.x_train), len(data.x_test)) == (8, 4)
    assert os.path.realpath(on_disk / "test") in {str(p) for p in folder.source(tmp_path / COMPOSED).hidden(tmp_path)}
    assert existing(tmp_path / COMPOSED) == on_disk


def test_the_spelling_does_not_change_what_is_held_out(tmp_path: Path) -> None:
    sets = [load(tree(tmp_path / str(n), {"train": 6}, (name, "dog"))) for n, name in enumerate((COMPOSED, DECOMPOSED))]
    for part in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(sets[0], part), getattr(sets[1], part))


def test_the_spelling_does_not_change_the_size(tmp_path: Path) -> None:
    """A copy from macOS: of its letters the accent comes last, and so the file would come first."""
    sizes = []
    for form in ("NFC", "NFD"):
        root = tree(tmp_path / form, {"train": 4})
        for letter, side in (("f", 9), ("\u00e9", 15), ("z", 11)):
            save(root / "train/cat" / unicodedata.normalize(form, f"a{letter}.png"), side=side)
        sizes.append(load(root).x_train.shape)
    assert sizes[0] == sizes[1]
    assert sizes[0][1:] == (9, 9, 3)


def test_a_slash_at_the_end_and_a_comma_inside_are_the_same_set(tmp_path: Path) -> None:
    root = tree(tmp_path / "cats, and dogs", {"train": 4})
    names = dataset_names(f"toy, folder:{root}/,folder:{tmp_path}/a,b")
    assert names == ["toy", f"folder:{root}", f"folder:{tmp_path}/a", "b"]
    assert dataset_name(f"folder:{root}/") == folder.source(root).name == folder.source(Path(f"{root}/")).name
    assert dataset_name(f"folder:{COMPOSED}") == dataset_name(f"folder:{DECOMPOSED}/")
    assert len(load(root).x_train) == 6
