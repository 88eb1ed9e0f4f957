"""Calls that travel to another machine: the files that they need go along, and their paths are those of that machine.

Three kinds of paths mean the same thing on both sides: what is below the command's root (``--out``), the project's own
code, and files elsewhere that an item says it reads, with their directories. Whatever else a call names, the test files
first of all, stays as it is: it is not there on the other side.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import hashlib
import io
import pickle
from collections.abc import Container, Iterable, Iterator
from pathlib import Path, PurePath
from typing import Any

from harness.core.home import CHECKOUT, PACKAGE
from harness.run.backends.base import LOCK, SCRATCH, Call

ROOT, ELSEWHERE = "root", "elsewhere"
"""Directories of a node's ground: what lies below the command's root, and what does not."""
_GROUND: contextvars.ContextVar[Path] = contextvars.ContextVar("ground")


@dataclasses.dataclass(frozen=True)
class Parcel:
    """A call, packed.

    Args:
        call: pickled.
        directories: of its items, relative to a node's ground.
        reads: files that several calls may read: where they are here, by their path relative to a node's ground.
        own: contents of the files that lie in the items' directories, likewise by path.
    """

    call: bytes
    directories: tuple[str, ...]
    reads: dict[str, Path]
    own: dict[str, bytes]


class Packer:
    """Packs the calls of a command.

    Args:
        root: directory of the command's results.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def pack(self, call: Call) -> Parcel:
        """A call as it is sent.

        Raises:
            OSError: a file of an item cannot be read.
        """
        reads = dict.fromkeys(path.absolute() for item in call.items for path in item.reads)
        places = _Places(self._root, reads)
        text = io.BytesIO()
        _Pickler(text, places).dump(call)
        directories = [item.directory.absolute() for item in call.items]
        return Parcel(
            text.getvalue(),
            tuple(places.there(directory) for directory in directories),
            {places.there(path): path for path in reads},
            {
                places.there(path): path.read_bytes()
                for directory in directories
                for path in files_of(directory, call.writes)
            },
        )


def unpack(call: bytes, ground: Path) -> Call:
    """A call as it is on a node whose ground is there."""
    token = _GROUND.set(ground)
    try:
        unpacked: Call = pickle.loads(call)
    finally:
        _GROUND.reset(token)
    return unpacked


def files_of(directory: Path, writes: Container[str]) -> Iterator[Path]:
    """The files in an item's directory that are part of its state, with those in directories that ``writes`` names."""
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(directory.iterdir()):
            if path.name not in (LOCK, SCRATCH) and (path.name in writes or path.is_file()):
                yield from files_at(path)


def files_at(path: Path) -> Iterator[Path]:
    """A file, or the files in a directory.

    A search may have put anything there: links, what lies deeper, what nobody may look at and files that are just being
    written are left out.
    """
    if path.is_symlink():
        return
    if path.is_file():
        yield path
        return
    with contextlib.suppress(OSError):  # there is nothing, or nobody may look
        for inner in sorted(path.iterdir()):
            if not inner.name.startswith(".") and inner.is_file() and not inner.is_symlink():
                yield inner


class _Places:
    """What becomes of paths."""

    def __init__(self, root: Path, reads: Iterable[Path]) -> None:
        self._project = CHECKOUT or PACKAGE
        outside = {path.parent for path in reads if not path.is_relative_to(root)}
        # A directory inside of another one stays inside of it: a plug-in imports what is in its folder's folders.
        tops = [one for one in outside if not any(other != one and one.is_relative_to(other) for other in outside)]
        self._tops: dict[Path, str] = {root: ROOT}
        for top in sorted(tops):
            self._tops[top] = f"{ELSEWHERE}/{hashlib.sha256(str(top).encode()).hexdigest()[:16]}"
        self.files = {str(path): path for path in reads}

    def there(self, path: Path) -> str:
        """A path relative to a node's ground."""
        for top, name in self._tops.items():
            if path.is_relative_to(top):
                return (PurePath(name) / path.relative_to(top)).as_posix()
        raise ValueError(f"{path} has no place on a node")

    def reduced(self, path: PurePath) -> Any:
        """How a path is pickled."""
        for top, name in self._tops.items():
            if path.is_relative_to(top):
                return _on_ground, (name, path.relative_to(top).as_posix())
        for here, function in ((PACKAGE, _in_package), (self._project, _in_project)):
            if path.is_relative_to(here):
                return function, (path.relative_to(here).as_posix(),)
        return NotImplemented


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, places: _Places) -> None:
        super().__init__(file)
        self._places = places

    def reducer_override(self, value: Any) -> Any:
        """Paths change with the machine; so do texts in values of the plan that are the path of a file that is read."""
        if isinstance(value, PurePath):
            return self._places.reduced(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            texts = {name: self._places.files[text] for name, text in fields.items() if self._is_file(text)}
            if texts:
                return _with_paths, (type(value), fields, texts)
        return NotImplemented

    def _is_file(self, value: object) -> bool:
        return isinstance(value, str) and value in self._places.files


def _on_ground(name: str, rest: str) -> Path:
    return _GROUND.get() / name / rest


def _in_package(rest: str) -> Path:
    return PACKAGE / rest


def _in_project(rest: str) -> Path:
    return (CHECKOUT or PACKAGE) / rest


def _with_paths(cls: type, fields: dict[str, Any], texts: dict[str, Path]) -> Any:
    return cls(**fields | {name: str(path) for name, path in texts.items()})
