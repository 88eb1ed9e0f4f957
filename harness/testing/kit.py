"""The checks of a file or of a name: what a test of a plug-in calls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.core.errors import InputError
from harness.plugins.catalogue import EXPORTS, Catalogue, Kind, named_space
from harness.testing.checks import Check, require
from harness.testing.datasets import dataset_checks
from harness.testing.methods import data_directories, method_checks
from harness.testing.spaces import space_checks


def check_method(method: str | Path, *, space: str = "", plugins: Sequence[str | Path] = ()) -> None:
    """Checks what a search method promises; takes about half a minute, more where the method trains weights.

    Args:
        method: a plug-in file that exports ``METHOD``, or a name as on the command line.
        space: to search in instead of the method's own.
        plugins: further files, for example that of the space.

    Raises:
        Broken: promises are not kept; a line for each of them. It is an AssertionError.
        InputError: the file or the name is not there.
    """
    name, files = _named("method", method, plugins)
    with method_checks(name, files, space=space) as checks:
        require(f"the method '{name}'", checks)


def check_dataset(dataset: str | Path, *, root: str | Path | None = None, plugins: Sequence[str | Path] = ()) -> None:
    """Checks what a data set promises; without its files, what can be told without them.

    Args:
        dataset: a plug-in file that exports ``DATASET``, or a name as on the command line, ``folder:PATH`` too.
        root: the directory of the data sets; by default that of the harness.
        plugins: further files.

    Raises:
        Broken, InputError: as :func:`check_method`.
    """
    name, files = _named("dataset", dataset, plugins)
    require(f"the data set '{name}'", _dataset_checks(name, files, root))


def check_space(space: str | Path, *, plugins: Sequence[str | Path] = ()) -> None:
    """Checks what a search space promises.

    Args:
        space: a plug-in file that exports ``SPACE``, or a name.
        plugins: further files.

    Raises:
        Broken, InputError: as :func:`check_method`.
    """
    name, files = _named("space", space, plugins)
    require(f"the space '{name}'", space_checks(named_space(name, Catalogue(files))))


@contextlib.contextmanager
def checks_of(
    kind: Kind, what: str | Path, *, space: str = "", root: str | Path | None = None, plugins: Sequence[str | Path] = ()
) -> Iterator[list[Check]]:
    """The single checks, for a test that has one case for each.

    Args:
        kind: ``method``, ``dataset`` or ``space``.
        what: a file or a name.
        space, root, plugins: as in :func:`check_method` and :func:`check_dataset`.
    """
    name, files = _named(kind, what, plugins)
    if kind == "method":
        with method_checks(name, files, space=space) as checks:
            yield checks
    elif kind == "dataset":
        yield _dataset_checks(name, files, root)
    else:
        yield space_checks(named_space(name, Catalogue(files)))


def kinds_of(path: Path) -> list[Kind]:
    """What a plug-in file exports.

    Raises:
        InputError: it is not to be read, or exports nothing.
    """
    catalogue = Catalogue([path])
    return [kind for kind in EXPORTS if path.stem in _own(catalogue, kind)]


def _own(catalogue: Catalogue, kind: Kind) -> set[str]:
    return {name for name in catalogue.names(kind) if catalogue.source(kind, name).single}


def _dataset_checks(name: str, files: Sequence[Path], root: str | Path | None) -> list[Check]:
    base, _, argument = name.partition(":")
    home = data_directories()[0] if root is None else Path(root)
    return dataset_checks(Catalogue(files).source("dataset", base), argument, home)


def _named(kind: Kind, what: str | Path, plugins: Sequence[str | Path]) -> tuple[str, list[Path]]:
    """The name in the catalogue, and the files to load."""
    files = [Path(path) for path in plugins]
    if isinstance(what, str) and not what.endswith(".py"):
        return what, files
    path = Path(what)
    if kind not in kinds_of(path):
        raise InputError(f"{path} does not define {EXPORTS[kind]}")
    return path.stem, [path, *(file for file in files if file.resolve() != path.resolve())]
