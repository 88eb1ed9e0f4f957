"""Sets made of ten ImageNet classes: directories ``train/<wnid>/`` and ``val/<wnid>/`` of photographs.

A wnid is the number of a noun in WordNet 3.0; every list that uses this module was checked against WordNet's own
``data.noun`` and against the list of the ILSVRC 2012 classes.

Photographs come in at 64x64: the size of the down-sampled ImageNet of Chrabaszcz et al. (arXiv 1707.08819), four times
the pixels, and so about four times the cost, of CIFAR, and 160 MB for a set of ten classes, which fits any machine.
The padding of random crops, 8 pixels, is CIFAR's custom at that scale. Normalised with ImageNet's published mean
(0.485, 0.456, 0.406) and standard deviation (0.229, 0.224, 0.225). Nothing is cached: about 13,000 files are decoded
on each load.

:func:`of_own_copy` makes the sets that are taken out of a user's own ImageNet (ILSVRC 2012), in ``ROOT/imagenet/`` or
where HARNESS_IMAGENET points: ``train/<wnid>/*.JPEG``, up to 1,300 photographs per class. The published table that uses
them trains on 9,750 images, three quarters of 10 x 1,300: so without class folders in ``val/`` a quarter of each class
is held out as test images, the same files on every machine. With ``val/<wnid>/*.JPEG``, its 50 images per class are the
test set and all of ``train`` is for training; numbers of the two arrangements do not compare.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError

from .images import read_parts, refuse_one_colour
from .listing import LeftOut, hold_out, paths_and_labels, samples

SIDE = 64
CROP_PADDING = 8
MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)


@dataclass(frozen=True)
class PhotoSet:
    """Ten classes in a user's directory; its methods are those of a :class:`~harness.core.dataset.DatasetSource`.

    Args:
        name: as given on the command line.
        wnids: class name by wnid, in label order.
        folder: the directory below the root of all sets.
        variable: the environment variable that names the directory when it is elsewhere.
        how: how the user gets it, a clause.
        images: the number of training and test images of an intact copy, where it is known.
        held_out: share of the training images that is the test set when ``val`` has no class folders; None if it must.
    """

    name: str
    wnids: Mapping[str, str]
    folder: str
    variable: str
    how: str
    images: tuple[int, int] | None = None
    held_out: float | None = None

    def directory(self, root: Path) -> Path:
        """Where the photographs are."""
        elsewhere = os.environ.get(self.variable)
        return Path(elsewhere).expanduser() if elsewhere else root / self.folder

    def missing(self, root: Path) -> str | None:
        """None, or the sentence that names the first absent class folder."""
        directory = self.directory(root)
        parts = ["train"] if self._share_held_out(directory) else ["train", "val"]
        for part in parts:
            for wnid, name in self.wnids.items():
                if not (directory / part / wnid).is_dir():
                    return (
                        f"{directory / part / wnid} ({name}) is missing; {self.how} and put it at {root / self.folder} "
                        f"or name its directory in {self.variable}"
                    )
        return None

    def load(self, root: Path) -> Dataset:
        """The set; :class:`InputError` names the missing directory, the empty folder or the broken photograph."""
        if absent := self.missing(root):
            raise InputError(absent)
        directory = self.directory(root)
        left_out = LeftOut()
        train = samples(directory / "train", tuple(self.wnids), all_classes=True, left_out=left_out)
        if share := self._share_held_out(directory):
            train, test = hold_out(train, share)
        else:
            test = samples(directory / "val", tuple(self.wnids), all_classes=True, left_out=left_out)
        if self.images and (len(train), len(test)) != self.images:
            raise InputError(
                f"{directory} has {len(train):,} training and {len(test):,} test images instead of "
                f"{self.images[0]:,} and {self.images[1]:,}; {self.how} again"
            )
        (train_paths, y_train), (test_paths, y_test) = paths_and_labels(train), paths_and_labels(test)
        pixels = read_parts(train_paths, test_paths, SIDE, SIDE)
        refuse_one_colour(pixels.train, directory)
        told = "; ".join(filter(None, (left_out.words(), pixels.note)))
        return Dataset(
            name=self.name,
            x_train=pixels.train,
            y_train=y_train,
            x_test=pixels.test,
            y_test=y_test,
            classes=tuple(self.wnids.values()),
            mean=MEAN,
            std=STD,
            crop_padding=CROP_PADDING,
            note=f"{directory}: {told}" if told else "",
        )

    def hidden(self, root: Path) -> tuple[Path, ...]:
        """``val``; or ``train`` too where the test images are held out of it, since their folders are the labels."""
        directory = self.directory(root)
        if self._share_held_out(directory):
            return (directory / "val", directory / "train")
        return (directory / "val",)

    def _share_held_out(self, directory: Path) -> float | None:
        """What is held out of ``train``; None if ``val`` is the test set (unpacked as it comes, it has no folders)."""
        if any((directory / "val" / wnid).is_dir() for wnid in self.wnids):
            return None
        return self.held_out


def source(photos: PhotoSet, *, summary: str) -> DatasetSource:
    """What the file of a set exports."""
    return DatasetSource(
        name=photos.name,
        summary=summary,
        load=photos.load,
        missing=photos.missing,
        fetch=None,
        hidden=photos.hidden,
    )


def of_own_copy(name: str, wnids: Mapping[str, str]) -> PhotoSet:
    """Ten classes of a user's ImageNet."""
    return PhotoSet(
        name=name,
        wnids=wnids,
        folder="imagenet",
        variable="HARNESS_IMAGENET",
        how="get ImageNet (ILSVRC 2012)",
        held_out=0.25,
    )
