"""Brings data sets to this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.commands.named import check_data_sets
from harness.core.dataset import DatasetSource
from harness.core.errors import InputError
from harness.core.names import sentence
from harness.plugins.catalogue import Catalogue
from harness.run.plan.datasets import absence, load_images, load_table, source_of


def fetch(names: Sequence[str], catalogue: Catalogue, root: Path, say: Callable[[str], None]) -> None:
    """Fetches every data set that is not there, or does not load; all names are looked at before the first download.

    One that nothing can bring, as a folder of your own, is loaded, which is how to find out what is wrong with it.

    Args:
        names: as on the command line.
        catalogue: where to look them up.
        root: directory of the data sets; created.
        say: told about progress, a line at a time.

    Raises:
        InputError: an unknown name, a data set that cannot be fetched automatically (with what to do), a directory that
            is none or that cannot be looked into, or a failure.
    """
    if os.path.lexists(root) and not (os.path.isdir(root) and os.access(root, os.R_OK | os.X_OK)):
        why = "cannot be looked into" if os.path.isdir(root) else "is no directory"
        raise InputError(f"{root} {why}; make it one, or name another with --data")
    check_data_sets(names, catalogue)
    sources = []
    for name in names:
        source = source_of(name, catalogue)
        missing = absence(name, source, root)
        note = ""
        if not missing:
            missing, note = _refusal(name, source, root)
        if source.fetch is None and missing:
            raise InputError(missing)
        sources.append((name, source, missing, note))
    for name, source, missing, note in sources:
        if not missing or source.fetch is None:
            say(f"{name} is here{f' ({note})' if note else ''}")
            continue
        try:
            root.mkdir(parents=True, exist_ok=True)
            source.fetch(root, say)
        except OSError as error:
            raise InputError(f"'{name}' could not be fetched: {sentence(error)}") from error
        if still := absence(name, source, root) or _refusal(name, source, root)[0]:
            raise InputError(f"'{name}' was fetched but is not complete: {still}")
        say(f"{name} is here")


def _refusal(name: str, source: DatasetSource, root: Path) -> tuple[str | None, str]:
    """Why a data set that is there does not load, as files of another one do not; None if it does. And what it says."""
    try:
        return None, (load_table if source.tabular else load_images)(name, source, root).note
    except InputError as error:
        return str(error), ""
