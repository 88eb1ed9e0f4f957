"""Images: how the parent writes a data set for searches and final trainings, and what a search is given of it.

The parent loads a data set once and writes training images and labels, and test images, next to the runs. Test labels
stay in the parent, for :mod:`harness.run.scoring`. The split into training and validation images depends on the seed
and the data set alone. Other images of the same name, those of a profile that averages them, say, have a directory of
their own: two commands may work in one ``--out``.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.core.dataset import Dataset, Images, Labels, SearchData, seeded_by
from harness.core.errors import InputError
from harness.core.files import replace_text, replacing
from harness.core.names import directory_name
from harness.core.seeds import derive_seed
from harness.core.space import Space
from harness.plugins.catalogue import load_space
from harness.run.backends.base import Tell
from harness.run.job import Failure, Job, Phase, Workbench
from harness.run.journal import DiskJournal, Progress
from harness.run.parts import parts
from harness.run.scoring import HiddenLabels

if TYPE_CHECKING:
    from harness.nets.evaluator import ProxyEvaluator

IMAGES, LABELS, TEST_IMAGES, META = "x_train.npy", "y_train.npy", "x_test.npy", "meta.json"


@dataclass(frozen=True)
class PreparedImages:
    """A prepared data set on disk.

    Args:
        directory: where it is.
        share: of the validation images.
        checksum: SHA-256 of the complete data set, test labels included; stored with every run.
    """

    phases: ClassVar[tuple[Phase, ...]] = ("search", "final")
    tensorflow: ClassVar[bool] = True
    together: ClassVar[int] = 1

    directory: Path
    share: float
    checksum: str

    def split_path(self, seed: int) -> Path:
        """Where the split of a seed is stored."""
        return self.directory / f"split-{self.share:g}-{seed}.npz"

    @property
    def hidden(self) -> tuple[Path, ...]:
        """The test images."""
        return (self.directory / TEST_IMAGES,)

    @property
    def opened(self) -> tuple[Path, ...]:
        """The directory."""
        return (self.directory,)

    def reads(self, seed: int, phase: Phase) -> tuple[Path, ...]:
        """The files that a phase reads."""
        mine = self.split_path(seed) if phase == "search" else self.directory / TEST_IMAGES
        return (*(self.directory / name for name in (META, IMAGES, LABELS)), mine)

    def start(self, job: Job) -> str:
        """Starts TensorFlow for a search."""
        from harness.nets import runtime

        seed = derive_seed(job.seed, "global generators")
        device = runtime.start(threads=job.threads, deterministic=job.profile.budget.counted, seed=seed)
        runtime.check_cards(job.profile.cards)
        return device

    def open(self, job: Job, tell: Tell) -> Workbench:
        """Proposals are trained on the proxy task; the log is on disk."""
        from harness.nets.footprint import Sizer

        space, data, evaluator = evaluator_of(self, job)
        journal = DiskJournal(job.directory, Progress(job.directory.progress, "search", tell))
        sizer = Sizer(space, job.final.size, data.image_shape, data.classes, job.profile.limits)
        return Workbench(space, data, evaluator, journal, time.perf_counter, sizer)


class ImageSets:
    """The image data sets of a command, for its plan: each is loaded when it is prepared, and only if it is needed.

    Args:
        names: on the command line.
        load: loads the data set with such a name.
        share: of the validation images.
        out: directory of the records.
    """

    def __init__(self, names: Iterable[str], load: Callable[[str], Dataset], share: float, out: Path) -> None:
        self._load, self._share, self._out, self.notes = load, share, out, list[str]()
        self.spaces: Mapping[str, str | None] = dict.fromkeys(names)
        self.scorer = HiddenLabels(lambda name: load(name).y_test)

    def checksum(self, name: str) -> str:
        """SHA-256 of a complete data set."""
        return _checksum(self._load(name))

    def with_images(self, name: str, seeds: Iterable[int]) -> None:
        """All searches read images."""

    def prepare(self, name: str, seeds: Iterable[int], check: Callable[[str], None]) -> PreparedImages:
        """Writes what searches and final trainings read; ``check`` is told the checksum before that."""
        data = self._load(name)
        self.notes += [data.note] if data.note else []
        prepared = locate(data, self._share, self._out)
        check(prepared.checksum)
        write(data, prepared, seeds)
        height, width = map(int, data.x_train.shape[1:3])
        self.scorer.keep(name, data.y_test, (height, width) if data.averaged else None)
        return prepared


def locate(data: Dataset, share: float, out: Path) -> PreparedImages:
    """Where a data set belongs below ``out``; writes nothing."""
    checksum = _checksum(data)
    directory = out / "prepared" / f"{directory_name(data.name)}-{checksum[:16]}"
    return PreparedImages(directory, share, checksum)


def write(data: Dataset, prepared: PreparedImages, seeds: Iterable[int]) -> None:
    """Writes a data set and its splits where they belong, except for files that are already there.

    The files are compared with the data, number by number: they may have been damaged since they were written. The
    searches of another command may be reading those that are whole.

    Args:
        data: the complete data set.
        prepared: what :func:`locate` returned for it.
        seeds: one split each.

    Raises:
        InputError: the set cannot be split, or the files cannot be written.
    """
    splits = {seed: parts(data, prepared.share, seed) for seed in seeds}
    try:
        prepared.directory.mkdir(parents=True, exist_ok=True)
        for name, array in _arrays(data).items():
            _write_array(prepared.directory / name, array)
        _write_meta(prepared, _full_meta(data, prepared))
        for seed, (train, valid) in splits.items():
            _write_split(prepared.split_path(seed), train, valid)
    except OSError as error:
        told = f"{prepared.directory} cannot be written ({error.strerror or error})"
        raise InputError(f"{told}; make room for it, or name another --out") from error


def evaluator_of(prepared: PreparedImages, job: Job) -> tuple[Space, SearchData, ProxyEvaluator]:
    """What trains the proposals of a search, with its space and its data."""
    from harness.nets.evaluator import ProxyEvaluator

    space, data = load_space(job.space, job.space_source), search_data(prepared, job.seed)
    recipe, seed = job.profile.proxy_for(job.space), derive_seed(job.seed, "proxy training")
    return space, data, ProxyEvaluator(space, data, recipe, seed, job.directory.stopped)


def search_data(prepared: PreparedImages, seed: int) -> SearchData:
    """What a search may see: the training and the validation part of the training images."""
    images, labels = _training_part(prepared)
    with np.load(prepared.split_path(seed)) as stored:
        train, valid = stored["train"], stored["valid"]
    return _search_data(prepared, (images[train], labels[train]), (images[valid], labels[valid]))


def final_data(prepared: PreparedImages, held_out: int | None = None) -> tuple[SearchData, Images]:
    """For the final training: all training images, or those of the split of a seed with its validation images
    ``held_out``, to choose by; and the test images without labels."""
    test: Images = np.load(prepared.directory / TEST_IMAGES, mmap_mode="r")
    if held_out is not None:
        return search_data(prepared, held_out), test
    images, labels = _training_part(prepared)
    return _search_data(prepared, (images, labels), (images[:0], labels[:0])), test


def class_names(prepared: PreparedImages) -> list[str]:
    """The classes of a prepared data set, in label order."""
    return list(_meta(prepared)["classes"])


def _training_part(prepared: PreparedImages) -> tuple[Images, Labels]:
    images: Images = np.load(prepared.directory / IMAGES, mmap_mode="r")
    labels: Labels = np.load(prepared.directory / LABELS, mmap_mode="r")
    return images, labels


def _search_data(prepared: PreparedImages, train: tuple[Images, Labels], valid: tuple[Images, Labels]) -> SearchData:
    for array in (*train, *valid):
        array.flags.writeable = False
    meta = _meta(prepared)
    return SearchData(
        dataset=meta["name"],
        x_train=train[0],
        y_train=train[1],
        x_valid=valid[0],
        y_valid=valid[1],
        classes=len(meta["classes"]),
        mean=tuple(meta["mean"]),
        std=tuple(meta["std"]),
        flip=meta["flip"],
        crop_padding=meta["crop_padding"],
        cutout=meta["cutout"],
    )


def _described(data: Dataset) -> dict[str, Any]:
    return {
        "name": data.name,
        "classes": list(data.classes),
        "mean": [float(value) for value in data.mean],
        "std": [float(value) for value in data.std],
        "flip": data.flip,
        "crop_padding": data.crop_padding,
        "cutout": data.cutout,
    }


def _checksum(data: Dataset) -> str:
    # Where a folder lies is no part of its data: parts of a table may be made on several machines.
    described = {**_described(data), "name": seeded_by(data.name)}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    groups = np.zeros(0, np.int64) if data.groups is None else data.groups
    arrays: list[NDArray[Any]] = [data.x_train, data.y_train, data.x_test, data.y_test, groups]
    if data.validation is not None:
        arrays.append(data.validation)
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _meta(prepared: PreparedImages) -> dict[str, Any]:
    """What the files say of themselves.

    Raises:
        Failure: they are other images than those that were prepared.
    """
    meta: dict[str, Any] = json.loads((prepared.directory / META).read_text(encoding="utf-8"))
    if meta["checksum"] != prepared.checksum:
        raise Failure(f"{prepared.directory} holds other images than those that this run was planned with")
    return meta


def _arrays(data: Dataset) -> dict[str, NDArray[Any]]:
    return {IMAGES: data.x_train, LABELS: data.y_train, TEST_IMAGES: data.x_test}


def _full_meta(data: Dataset, prepared: PreparedImages) -> dict[str, Any]:
    return {**_described(data), "checksum": prepared.checksum}


def _write_array(path: Path, array: NDArray[Any]) -> None:
    try:
        stored = np.load(path, mmap_mode="r")
        if stored.dtype == array.dtype and np.array_equal(stored, array):
            return
    except (OSError, ValueError, EOFError):  # it is not there, or damaged
        pass
    with replacing(path, durable=False) as new:
        np.save(new, array)


def _write_split(path: Path, train: NDArray[Any], valid: NDArray[Any]) -> None:
    try:
        with np.load(path) as stored:
            if np.array_equal(stored["train"], train) and np.array_equal(stored["valid"], valid):
                return
    except Exception:  # np.load has many ways to fail
        pass
    with replacing(path, durable=False) as new:
        np.savez(new, train=train, valid=valid)


def _write_meta(prepared: PreparedImages, meta: dict[str, Any]) -> None:
    try:
        if _meta(prepared) == meta:
            return
    except (OSError, ValueError, KeyError, TypeError, Failure):
        pass
    replace_text(prepared.directory / META, json.dumps(meta), durable=False)
