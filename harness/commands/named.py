"""What a command names, looked at before anything else, where the sentence can say how it would be written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.core.errors import InputError
from harness.core.names import one_of
from harness.plugins.catalogue import Catalogue
from harness.run.plan.rows import check_given
from harness.spaces.notation import read_text

_ARGUMENTS = {"table": "FILE.csv"}
"""What is written behind the colon of a data set, where it is no PATH."""


def check_data_sets(names: Iterable[str], catalogue: Catalogue) -> None:
    """Looks whether there are such data sets.

    Raises:
        InputError: there is none of a name; those that are named with a path stand with one in the sentence.
    """
    known = catalogue.names("dataset")
    for name in names:
        if name.partition(":")[0] not in known:
            one_of("data set", name, [_written(one, catalogue) for one in known])


def _written(name: str, catalogue: Catalogue) -> str:
    needs = catalogue.source("dataset", name).needs_argument()
    return f"{name}:{_ARGUMENTS.get(name, 'PATH')}" if needs else name


def check_architectures(paths: Iterable[Path], catalogue: Catalogue) -> None:
    """Looks whether each file holds an architecture of a space.

    Raises:
        InputError: one does not; the sentence names the file.
    """
    for path in paths:
        try:
            check_given([read_text(path)], catalogue)
        except InputError as error:
            raise of_file(error, path) from error


def of_file(error: InputError, path: Path) -> InputError:
    """What is wrong with an architecture, with the name of its file."""
    return error if str(path) in str(error) else InputError(f"{path} holds no architecture: {error}")
