"""Which profile fits the data sets of a command: profiles look tables up or train on images, none does both."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.core.errors import InputError
from harness.plugins.catalogue import Catalogue, load_dataset
from harness.run.profiles import NB201, OWN_TABLES, QUICK, TABLE


def fitting(dataset: str, tabular: bool) -> str:
    """The name of the profile for one data set.

    Args:
        dataset: its name on the command line.
        tabular: whether it is a table.
    """
    if not tabular:
        return QUICK.name
    return NB201.name if dataset in NB201.datasets else TABLE.name


def usual_profile(datasets: Sequence[str], plugins: Sequence[Path] = ()) -> str:
    """The profile of a command that names none: the one that fits all its data sets.

    Without any data sets it is ``table`` on the project's own, which needs nothing but the project.

    Args:
        datasets: names.
        plugins: files that some of them may come from.

    Raises:
        InputError: no profile fits all of them, or a plug-in cannot be read.
    """
    if not datasets:
        return TABLE.name if OWN_TABLES else QUICK.name
    kinds = _kinds(datasets, plugins)
    check_kinds(kinds)
    profiles = {fitting(name, tabular): name for name, tabular in kinds.items()}
    if len(profiles) > 1:
        told = " and ".join(f"'{name}' goes with --profile {profile}" for profile, name in profiles.items())
        raise InputError(f"{told}; give each a command of its own, or name a profile")
    return next(iter(profiles), QUICK.name)


def _kinds(datasets: Sequence[str], plugins: Sequence[Path]) -> dict[str, bool]:
    """By name, whether a data set is a table; without those that do not load, of which the plan says why."""
    catalogue, kinds = Catalogue(plugins), dict[str, bool]()
    for name in datasets:
        base, _, argument = name.partition(":")
        with contextlib.suppress(Exception, SystemExit):
            kinds[name] = load_dataset(catalogue.source("dataset", base), argument).tabular
    return kinds


def check_kinds(kinds: Mapping[str, bool]) -> None:
    """Refuses tables and images in one command.

    Args:
        kinds: by name of a data set, whether it is a table.

    Raises:
        InputError: there are both.
    """
    table, images = (next((name for name, one in kinds.items() if one is kind), None) for kind in (True, False))
    if table is not None and images is not None:
        raise InputError(
            f"'{table}' is a table and '{images}' is a set of images, which need a command each: "
            f"--datasets {table} --profile {fitting(table, True)}, and --datasets {images} --profile "
            f"{fitting(images, False)}"
        )
