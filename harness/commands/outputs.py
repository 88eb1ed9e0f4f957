"""Where a command may write a file that a person has named, never over a result; and which directory it may take."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.core.errors import InputError
from harness.core.home import CHECKOUT
from harness.run.profiles import PROFILES
from harness.run.request import absolute_path
from harness.stored.runs import INPUTS, RECORD


def check_output(path: Path, suffixes: Sequence[str], closed: Sequence[Path] = (), *, checkout: bool = True) -> Path:
    """The whole path of a file that may be written, made or replaced; looked at before any work.

    Args:
        path: as the person has written it.
        suffixes: that it may end in.
        closed: directories that it may not be in, besides runs.
        checkout: whether it may be in the checkout.

    Raises:
        InputError: it ends otherwise, is a directory, is among the results of runs, or cannot be written.
    """
    whole = absolute_path(path)
    if whole.suffix not in suffixes:
        raise InputError(f"the file has to end in {' or '.join(suffixes)}, not like {path}")
    if os.path.isdir(whole):
        raise InputError(f"{path} is a directory; name a file in it, or elsewhere")
    check_apart(whole, closed)
    if not checkout and CHECKOUT in tuple(_above(whole)):
        raise InputError(f"{path} would be in the checkout, which no search may read; name a file elsewhere")
    if not os.path.isdir(whole.parent):
        raise InputError(f"there is no directory {whole.parent} to write {whole.name} into; make it, or name another")
    try:
        with tempfile.TemporaryFile(dir=whole.parent):
            pass
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); name a file elsewhere") from error
    return whole


def check_apart(path: Path, closed: Sequence[Path] = ()) -> None:
    """Looks whether a file would be among the results of runs.

    Args:
        path: of the file, from the root.
        closed: directories that it may not be in, besides runs.

    Raises:
        InputError: it would.
    """
    within = {os.path.realpath(directory) for directory in closed}
    for directory in _above(path):
        if os.path.realpath(directory) in within or _holds_runs(directory):
            raise InputError(f"{path} would be among the results of runs, in {directory}; name a file elsewhere")


def check_directory(path: Path, *, of_runs: bool) -> None:
    """Looks whether a path can be the directory of runs, or of a run.

    Args:
        path: as a person has written it.
        of_runs: of runs, among which a report is written, and not of a single one.

    Raises:
        InputError: it is a file, or a single run.
    """
    if os.path.isfile(path):
        raise InputError(f"{path} is a file; name its directory, {path.parent}")
    if of_runs and any(os.path.lexists(path / name) for name in (RECORD, INPUTS)):
        raise InputError(
            f"{path} is a single run, and a report is of all runs of a command; name the directory that was its --out, "
            f"or look at this one with: python -m harness show {path}"
        )


def _above(path: Path) -> Iterator[Path]:
    """The directories that a file is in, by its own name and by that of the file that a link stands for."""
    for name in (path, Path(os.path.realpath(path.parent), path.name), Path(os.path.realpath(path))):
        yield from name.parents


def _holds_runs(directory: Path) -> bool:
    """Whether a directory is a run, or that of a profile with runs. Beside that of a profile, where reports are, other
    files may be, too: somebody may have said ``--out .``."""
    if any(os.path.lexists(directory / name) for name in (RECORD, INPUTS)):
        return True
    found = (run for name in (RECORD, INPUTS) for run in directory.glob(f"*/*/*/*/{name}"))
    return directory.name in PROFILES and next(found, None) is not None
