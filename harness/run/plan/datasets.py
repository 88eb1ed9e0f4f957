"""The data sets of a command: found by name, checked, and loaded as images or as tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError
from harness.core.names import sentence
from harness.core.table import Table
from harness.plugins.catalogue import BrokenPlugin, Catalogue, Source, load_dataset
from harness.run.fitting import check_kinds, fitting
from harness.run.images import ImageSets
from harness.run.job import Prepared
from harness.run.profiles import Profile
from harness.run.request import Request
from harness.run.scoring import Scorer
from harness.run.tables import Tables
from harness.run.tables.images import ImagesBehind

Answer = TypeVar("Answer")
Loaded = TypeVar("Loaded", Dataset, Table)


class DataSets(Protocol):
    """The data sets of a command: images, or tables."""

    spaces: Mapping[str, str | None]
    """By name on the command line, the only space that a data set can be searched in; None where any will do."""

    @property
    def notes(self) -> list[str]:
        """What the data sets that were loaded have to say."""

    @property
    def scorer(self) -> Scorer:
        """Knows what no search may see of them."""

    def checksum(self, name: str) -> str:
        """SHA-256 of a complete data set, with what no search may see."""

    def prepare(self, name: str, seeds: Iterable[int], check: Callable[[str], None]) -> Prepared:
        """Writes what searches read; ``check`` is told the checksum before that, and may raise."""

    def with_images(self, name: str, seeds: Iterable[int]) -> Prepared | None:
        """What searches read that train weights themselves, where that is more: the images behind a table."""


def checked_sources(request: Request, plugins: Mapping[str, Source]) -> dict[str, DatasetSource]:
    """How to load each data set of a request; all are there and suit its profile.

    Args:
        request: what a command asks for.
        plugins: where the data sets come from, by name on the command line.

    Raises:
        InputError: one is broken, missing, or of the other kind, or they are of both kinds.
    """
    sources = {name: _source(plugin, name) for name, plugin in plugins.items()}
    check_kinds({name: source.tabular for name, source in sources.items()})
    for name, source in sources.items():
        _check_kind(name, source, request.profile)
        _check_there(name, source, request.data_root)
    return sources


def checked_source(name: str, root: Path, catalogue: Catalogue) -> DatasetSource:
    """How to load a data set that is there.

    Args:
        name: on the command line.
        root: directory of the data sets.
        catalogue: knows it.

    Raises:
        InputError: it is unknown, broken, or missing.
    """
    source = source_of(name, catalogue)
    _check_there(name, source, root)
    return source


def source_of(name: str, catalogue: Catalogue) -> DatasetSource:
    """How to load a data set, be it there or not.

    Raises:
        InputError: it is unknown, or broken.
    """
    return _source(catalogue.source("dataset", name.partition(":")[0]), name)


def _source(plugin: Source, name: str) -> DatasetSource:
    try:
        return _asked(name, lambda: load_dataset(plugin, name.partition(":")[2]))
    except BrokenPlugin as error:
        raise InputError(str(error)) from error


def _check_there(name: str, source: DatasetSource, root: Path) -> None:
    if absent := absence(name, source, root):
        raise InputError(absent)


def absence(name: str, source: DatasetSource, root: Path) -> str | None:
    """What of a data set is not there and how to get it; None if it is there.

    Raises:
        InputError: its source is broken.
    """
    return _asked(name, lambda: source.missing(root))


def hidden_files(name: str, source: DatasetSource, root: Path) -> tuple[Path, ...]:
    """The files of a data set that no search may open.

    Raises:
        InputError: its source is broken.
    """
    return _asked(name, lambda: source.hidden(root))


def _asked(name: str, ask: Callable[[], Answer]) -> Answer:
    """What the code of a data set answers.

    Raises:
        BrokenPlugin: passed on.
        InputError: the code has raised something else.
    """
    try:
        return ask()
    except (InputError, BrokenPlugin):
        raise
    except (Exception, SystemExit) as error:  # a script that ends itself
        raise InputError(f"the data set '{name}' does not load: {sentence(error)}") from error


def _check_kind(name: str, source: DatasetSource, profile: Profile) -> None:
    """Tables are looked up and images are trained on; no profile does both."""
    use = f"use --profile {fitting(name, source.tabular)}"
    if source.tabular and not profile.tabular:
        raise InputError(f"'{name}' is a table and profile '{profile.name}' trains; {use}")
    if profile.tabular and not source.tabular:
        raise InputError(f"profile '{profile.name}' looks tables up, and '{name}' is a set of images; {use}")


def data_sets(request: Request, sources: Mapping[str, DatasetSource], catalogue: Catalogue) -> DataSets:
    """The data sets, ready to be loaded; tables are loaded at once, because they say which space they are of.

    Args:
        request: what a command asks for.
        sources: how to load each.
        catalogue: knows the data sets behind tables.

    Raises:
        InputError: a table does not load, or is asked for predictions.
    """
    profile = request.profile
    if profile.tabular:
        if profile.corruptions:
            raise InputError("tables have no test images to corrupt; leave --corruptions out, or name a set of images")
        tables = {name: load_table(name, source, request.data_root) for name, source in sources.items()}
        images = ImagesBehind(
            {name: table.behind for name, table in tables.items()},
            lambda name: _source_of_images(catalogue, name),
            lambda name, source: load_images(name, source, request.data_root),
            root=request.data_root,
            out=request.out,
            budget=profile.budget,
            needed=profile.supernet is not None,
        )
        methods = catalogue.names("method") if request.methods == ("all",) else request.methods
        trains = profile.supernet is not None or any(
            catalogue.source("method", name).facts().trains for name in methods
        )
        steps = profile.proxy.steps
        return Tables(tables, profile.column, request.out, profile.budget, profile.limits, images, trains, steps)

    def load(name: str) -> Dataset:
        return load_images(name, sources[name], request.data_root).bounded(profile.side)

    return ImageSets(sources, load, profile.validation_share, request.out)


def _loaded(name: str, source: DatasetSource, root: Path, kind: type[Loaded]) -> Loaded:
    """A data set of the kind that is expected.

    Raises:
        InputError: it does not load, or is of another kind.
    """
    data = _asked(name, lambda: source.load(root))
    if not isinstance(data, kind):
        raise InputError(f"the data set '{name}' loads a {type(data).__name__} instead of a {kind.__name__}")
    return data


def load_images(name: str, source: DatasetSource, root: Path) -> Dataset:
    """A set of images, under its name on the command line: its checksum and its splits depend on that, unless it is a
    folder's.

    Raises:
        InputError: it does not load, or is none.
    """
    return dataclasses.replace(_loaded(name, source, root, Dataset), name=name)


def load_table(name: str, source: DatasetSource, root: Path) -> Table:
    """A table.

    Raises:
        InputError: it does not load, or is none.
    """
    return _loaded(name, source, root, Table)


def _source_of_images(catalogue: Catalogue, name: str) -> DatasetSource | None:
    """How to load the images behind a table; None where that data set is not known here."""
    try:
        source = source_of(name, catalogue)
    except InputError:
        return None
    return None if source.tabular else source
