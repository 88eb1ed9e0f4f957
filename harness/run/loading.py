"""From the names of data sets to what they load, with one sentence for whatever goes wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError
from harness.core.names import sentence
from harness.core.table import Table
from harness.plugins.catalogue import BrokenPlugin, Source, load_dataset
from harness.run.profiles import Profile


def loaded(source: Source, name: str) -> DatasetSource:
    """The source of the data set's images or table, made from its file or plug-in.

    Args:
        name: as on the command line, with an argument after a colon if it takes one.

    Raises:
        InputError: the plug-in is broken. The other functions raise it for what does not load or does not fit.
    """
    try:
        return load_dataset(source, name.partition(":")[2])
    except BrokenPlugin as error:
        raise InputError(str(error)) from error


def images(source: DatasetSource, name: str, root: Path) -> Dataset:
    """Loads a data set under the name it has on the command line."""
    data = _read(source, name, root)
    if not isinstance(data, Dataset):
        raise InputError(f"the data set '{name}' loads a {type(data).__name__} instead of a Dataset")
    return dataclasses.replace(data, name=name)


def table(source: DatasetSource, name: str, root: Path) -> Table:
    """Loads a table; it goes by its own name, which is the one on the command line."""
    data = _read(source, name, root)
    if not isinstance(data, Table):
        raise InputError(f"the table '{name}' loads a {type(data).__name__} instead of a Table")
    return data


def _read(source: DatasetSource, name: str, root: Path) -> object:
    try:
        return source.load(root)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"the data set '{name}' does not load: {sentence(error)}") from error


def check_kind(name: str, source: DatasetSource, profile: Profile) -> None:
    """Tables are looked up and images are trained on; no profile does both."""
    if source.tabular and not profile.signal:
        raise InputError(f"'{name}' is a table and profile '{profile.name}' trains; use --profile nb201")
    if profile.signal and not source.tabular:
        raise InputError(
            f"profile '{profile.name}' looks tables up, and '{name}' is a set of images; use --profile quick"
        )
