"""Directories of image files: which folders are classes, which files are images, and what is left out.

Order and hold-out come from ``class/file`` and its hash, never from the file system or from where the set is, so two
copies of a set give the same arrays and the same split, and one more file does not reshuffle the others. Names are
compared in one spelling: an accented letter may be one character or two, as macOS writes it.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import InputError
from harness.core.paths import spelled

SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".avif"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".tif", ".tiff", ".tga", ".jp2"),
    }
)
SYSTEM = frozenset(
    ("__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found", "__pycache__")
)
"""Folders that operating systems and storage devices leave; so are all whose names begin with a dot."""
SYSTEM_FILES = frozenset(("thumbs.db", "desktop.ini"))


@dataclass(frozen=True)
class Sample:
    """An image file, its class number, and ``class/file`` as it is hashed."""

    path: Path
    label: int
    key: str = ""


@dataclass
class LeftOut:
    """What is not used of a directory, for one line that says so."""

    suffixes: Counter[str] = field(default_factory=Counter)
    system: Counter[str] = field(default_factory=Counter)
    below: int = 0
    loose: int = 0
    folders: list[str] = field(default_factory=list)

    def words(self) -> str:
        """A clause about what is left out and what is taken from further below; "" if there is neither."""
        clauses = []
        if self.suffixes:
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(self.suffixes.items()))
            clauses.append(f"left out {_count(self.suffixes.total(), 'file')} of other kinds ({kinds})")
        if self.loose:
            clauses.append(f"left out {_count(self.loose, 'image')} outside the class folders")
        if self.system:
            clauses.append(f"left out folders of the system ({', '.join(sorted(self.system))})")
        if self.folders:
            clauses.append(f"did not look into {', '.join(sorted(self.folders))}")
        if self.below:
            clauses.append(f"took {_count(self.below, 'image')} from folders below a class folder")
        return "; ".join(clauses)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def is_system(name: str) -> bool:
    """Whether a file or folder belongs to an operating system and not to the set."""
    return name.startswith(".") or name.lower() in SYSTEM or name.lower() in SYSTEM_FILES


def is_image(name: str) -> bool:
    """Whether a file's suffix is one of an image."""
    return Path(name).suffix.lower() in SUFFIXES


def refuse_broken_links(links: Sequence[Path]) -> None:
    """Refuses a set of which some files are links to where nothing is: its classes would be smaller without a word.

    So look copies of git-annex and DVC whose contents were not brought.

    Raises:
        InputError: there are any.
    """
    if links:
        more = f"and {len(links) - 1:,} more are links that lead" if len(links) > 1 else "is a link that leads"
        raise InputError(f"{min(links)} {more} nowhere; bring the files themselves (git annex get, dvc pull)")


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or leads to one; of links that go round in circles a ``DirEntry`` raises."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def leads_nowhere(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a link to something that is not there."""
    return entry.is_symlink() and not os.path.exists(entry.path)


def class_folders(directory: Path, left_out: LeftOut | None = None) -> dict[str, str]:
    """Folders of ``directory`` by class name, sorted; those of systems are left out.

    Args:
        directory: of a part of a set.
        left_out: told what is not taken, of a set whose classes are all folders that are there.

    Raises:
        InputError: two names differ in spelling only; or, with ``left_out``, a link in place of a folder leads nowhere.
    """
    found: dict[str, str] = {}
    broken = []
    for entry in entries(directory):
        if is_folder(entry) and not is_system(entry.name):
            if found.setdefault(spelled(entry.name), entry.name) != entry.name:
                raise InputError(f"{directory} has two folders '{spelled(entry.name)}' that differ in spelling only")
        elif left_out is not None:
            if is_folder(entry):
                left_out.system[entry.name] += 1
            elif is_system(entry.name):
                continue
            elif is_image(entry.name):
                left_out.loose += 1
            elif leads_nowhere(entry):
                broken.append(Path(entry.path))
    refuse_broken_links(broken)
    return dict(sorted(found.items()))


def samples(
    directory: Path, classes: Sequence[str], *, all_classes: bool, left_out: LeftOut | None = None
) -> list[Sample]:
    """The image files of ``directory/<class>/`` for each of ``classes``, in an order that mixes the classes.

    Images in folders below a class folder belong to the class. With ``all_classes`` a class without images is an error;
    without, only if no class has any.

    Args:
        left_out: told what is not taken.
    """
    left_out = LeftOut() if left_out is None else left_out
    folders = class_folders(directory)
    where = [directory / folders.get(spelled(name), name) for name in classes]
    broken: list[Path] = []
    inside = [list(_images(folder, (), left_out, broken)) if all_classes or folder.is_dir() else [] for folder in where]
    refuse_broken_links(broken)
    found = []
    for label, (name, folder, images) in enumerate(zip(classes, where, inside, strict=True)):
        if all_classes and not images:
            raise InputError(f"{folder} has no image files (jpg, png, bmp, gif, webp, ppm, tif and the like)")
        for parts in images:
            left_out.below += len(parts) > 1
            found.append(Sample(folder.joinpath(*parts), label, spelled("/".join((name, *parts)))))
    if not found:
        raise InputError(f"{directory} has no image files in its class folders")
    return sorted(found, key=_hash)


def _images(folder: Path, parts: tuple[str, ...], left_out: LeftOut, broken: list[Path]) -> Iterator[tuple[str, ...]]:
    """The image files in a folder and below it, as parts of their paths; ``broken``: links in place of such files."""
    for entry in entries(folder.joinpath(*parts)):
        if is_folder(entry):
            if is_system(entry.name):
                left_out.system[entry.name] += 1
            elif entry.is_symlink():
                left_out.folders.append(f"{folder.joinpath(*parts, entry.name)} (a link)")
            else:
                yield from _images(folder, (*parts, entry.name), left_out, broken)
        elif is_system(entry.name):
            continue
        elif is_image(entry.name) and leads_nowhere(entry):
            broken.append(Path(entry.path))
        elif is_image(entry.name) and entry.is_file():
            yield (*parts, entry.name)
        elif leads_nowhere(entry) or entry.is_file():
            left_out.suffixes[Path(entry.name).suffix.lower() or "without a suffix"] += 1


def entries(directory: Path) -> list[os.DirEntry[str]]:
    """What is in a directory; :class:`InputError` if it cannot be read."""
    try:
        with os.scandir(directory) as found:
            return list(found)
    except OSError as error:
        raise InputError(f"{directory} cannot be read as a directory ({error.strerror})") from error


def paths_and_labels(found: Sequence[Sample]) -> tuple[list[Path], NDArray[np.int64]]:
    """The files of ``found``, and their class numbers."""
    return [sample.path for sample in found], np.array([sample.label for sample in found], dtype=np.int64)


def _hash(sample: Sample) -> bytes:
    key = sample.key or f"{sample.path.parent.name}/{sample.path.name}"
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()


def hold_out(found: Sequence[Sample], share: float) -> tuple[list[Sample], list[Sample]]:
    """``(rest, held out)``: of every class the share (0..1) whose hash comes first, at least one image each way."""
    per_class: dict[int, list[Sample]] = {}
    for sample in sorted(found, key=_hash):
        per_class.setdefault(sample.label, []).append(sample)
    held = set()
    for of_class in per_class.values():
        if len(of_class) < 2:
            raise InputError(f"{of_class[0].path.parent} has a single image: too few to train and to test on")
        held.update(of_class[: min(max(round(len(of_class) * share), 1), len(of_class) - 1)])
    return [s for s in found if s not in held], [s for s in found if s in held]
