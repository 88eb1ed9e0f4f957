"""A table of trained architectures of your own: ``table:FILE.csv`` with a small description beside it, ``FILE.toml``.

The description names the columns; ``docs/tables.md`` has all of its entries and a worked example::

    signal = "valid"            # what a search is told
    score = "test"              # what counts in the end; a search never sees it
    scale = 0.01                # accuracies times this are in 0..1
    choices = ["op1", "op2"]    # columns whose values are independent choices
    seconds = "cost"            # optional: what an evaluation costs; without it, one second
"""

from __future__ import annotations

from pathlib import Path

from harness.core.dataset import DatasetSource
from harness.core.paths import existing, spelled

from .common.described import load_table, missing
from .common.tabulated import hidden


def source(path: Path) -> DatasetSource:
    """The table in a CSV file."""
    name, named = f"table:{spelled(str(path))}", path.expanduser().absolute()
    return DatasetSource(
        name=name,
        summary="a table of your own: a CSV file of trained architectures with a description beside it",
        load=lambda root: load_table(name, existing(named)),
        missing=lambda root: missing(existing(named)),
        fetch=None,
        hidden=lambda root: hidden(existing(named)),
        tabular=True,
    )
