"""Which files a plug-in's code is in, as far as its text tells, and one number for what stands in them.

A run is one of a certain code. Of the code that a person edits between two commands, that is the plug-in's file and
what it imports from its own folder; the versions of everything else are in the record.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from harness.core.errors import InputError
from harness.plugins.manifest import parse


def fingerprint(path: Path, package: str, home: Path) -> str:
    """SHA-256 of a plug-in's file and of what it imports from its folder, directly or not.

    Args:
        path: of the file.
        package: name under which the project's own plug-ins are imported.
        home: directory of that package.

    Raises:
        InputError: the file is unreadable, or not Python.
    """
    digest = hashlib.sha256()
    folder, home = path.resolve().parent, home.resolve()
    contents = {_name(file, folder, home): file.read_bytes() for file in files(path, package, home)}
    for name, content in sorted(contents.items()):
        digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def files(path: Path, package: str, home: Path) -> tuple[Path, ...]:
    """A plug-in's file and what it imports from its folder, directly or not.

    Args:
        path, package, home: see :func:`fingerprint`.

    Raises:
        InputError: the file is unreadable, or not Python.
    """
    start = path.resolve()
    found: dict[Path, None] = {}
    waiting = [start]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        try:
            imported = _imported(file, start.parent, package, home.resolve())
        except (InputError, OSError):
            if file == start:
                raise
            continue
        found[file] = None
        waiting += imported
    return tuple(found)


def _name(path: Path, folder: Path, home: Path) -> str:
    root = folder if path.is_relative_to(folder) else home
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _imported(path: Path, folder: Path, package: str, home: Path) -> tuple[Path, ...]:
    files: list[Path] = []
    for node in ast.walk(parse(path)):
        for root, words in _modules(node, path, folder, package, home):
            files += _files(root, words)
    return tuple(dict.fromkeys(files))


def _modules(node: ast.AST, path: Path, folder: Path, package: str, home: Path) -> Iterator[tuple[Path, list[str]]]:
    """Directories, and what is imported from there as parts of a name; the last part may be no module."""
    match node:
        case ast.Import(names=names):
            dotted = [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=0):
            dotted = [f"{module}.{alias.name}" for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            above = path.parents[level - 1] if level <= len(path.parents) else folder
            for alias in names:
                yield above, [*(module.split(".") if module else []), alias.name]
            return
        case _:
            return
    for name in dotted:
        if name.startswith(f"{package}."):
            yield home, name.removeprefix(f"{package}.").split(".")
        else:
            yield folder, name.split(".")


def _files(root: Path, words: list[str]) -> Iterator[Path]:
    """The files that are run to import this: of each package on the way, and of the module."""
    for count in range(1, len(words) + 1):
        path = root.joinpath(*words[:count])
        for candidate in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if candidate.is_file():
                yield candidate.resolve()
