"""Second names of test files: a file with hard links can be opened by each of its names, and only one is hidden.

The system tells how many names a file has, and not where they are. They are looked for around the data set, in wider
and wider circles, until all are found or the patience is used up. Most data sets have no hard links; they cost one look
at each hidden file.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.run.fence import with_targets

PATIENCE = 1_000_000
"""Files and directories that are looked at; some seconds."""
_File = tuple[int, int]
"""Device and inode: the same for all names of a file."""


@dataclass(frozen=True)
class OtherNames:
    """Names of hidden files outside of what is hidden.

    Args:
        paths: those that were found; to be hidden too.
        missed: files of which some name was not found.
    """

    paths: tuple[Path, ...] = ()
    missed: int = 0

    def warning(self, dataset: str) -> str:
        """One line for people, if there are some that were not found."""
        files = "1 file with test data has" if self.missed == 1 else f"{self.missed:,} files with test data have"
        return (
            f"{dataset}: {files} a second name (a hard link) that was not found, and a search could open it there; "
            "copy the data (cp -rL) and name the copy to be sure"
        )


def other_names(hidden: Sequence[Path], patience: int = PATIENCE) -> OtherNames:
    """Looks for the other names of hidden files.

    Args:
        hidden: files, and directories with all that is in them; links are followed.
        patience: files and directories that may be looked at.
    """
    known = with_targets(tuple(os.path.realpath(path) for path in hidden))
    left = _unseen(known)
    inodes = {inode for _, inode in left}
    found: list[Path] = []
    for entry in itertools.islice(_around(known, {device for device, _ in left}), patience if left else 0):
        file = _file(entry) if entry.inode() in inodes else None
        if file is not None and file in left:
            found.append(Path(entry.path))
            left[file] -= 1
            if not left[file]:
                del left[file]
            if not left:
                break
    return OtherNames(tuple(found), len(left))


def _unseen(paths: Sequence[str]) -> Counter[_File]:
    """How many names the files in ``paths`` have elsewhere, for those that have any."""
    names: Counter[_File] = Counter()
    links: dict[_File, int] = {}
    seen: set[str] = set()
    for path in _files(paths):
        with contextlib.suppress(OSError):
            facts = os.lstat(path)
            if stat.S_ISREG(facts.st_mode) and facts.st_nlink > 1 and path not in seen:
                seen.add(path)
                file = facts.st_dev, facts.st_ino
                names[file] += 1
                links[file] = facts.st_nlink
    return Counter({file: count - names[file] for file, count in links.items() if count > names[file]})


def _files(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        yield path
        for top, _, files in os.walk(path):
            yield from (os.path.join(top, name) for name in files)


def _around(hidden: Sequence[str], devices: Container[int]) -> Iterator[os.DirEntry[str]]:
    """What is on some devices and not hidden, the nearest directories first; links are not followed."""
    passed = set(hidden)
    for top in _circles(hidden):
        waiting = [top]
        while waiting:
            directory = waiting.pop()
            if directory in passed:
                continue
            passed.add(directory)
            with contextlib.suppress(OSError), os.scandir(directory) as entries:
                for entry in entries:
                    if entry.path not in passed:
                        yield entry
                        waiting += [entry.path] if _is_directory(entry, devices) else []


def _circles(paths: Sequence[str]) -> Iterator[str]:
    """The directories around some paths, the nearest ones first."""
    waiting = list(dict.fromkeys(os.path.dirname(path) for path in paths))
    known = set(waiting)
    while waiting:
        yield from waiting
        waiting = [above for above in dict.fromkeys(map(os.path.dirname, waiting)) if above not in known]
        known.update(waiting)


def _is_directory(entry: os.DirEntry[str], devices: Container[int]) -> bool:
    with contextlib.suppress(OSError):
        return entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_dev in devices
    return False


def _file(entry: os.DirEntry[str]) -> _File | None:
    """Which file an entry is a name of; None for a link or a directory."""
    with contextlib.suppress(OSError):
        if entry.is_file(follow_symlinks=False):
            facts = entry.stat(follow_symlinks=False)
            return facts.st_dev, facts.st_ino
    return None
