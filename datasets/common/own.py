"""The project's own tables: ``results/tabulated/NAME.csv``, as ``python -m harness tabulate`` has written it."""

from __future__ import annotations

from harness.core.dataset import DatasetSource
from harness.core.home import folder

from .described import load_table

DIRECTORY = "results/tabulated"


def source(dataset: str, summary: str) -> DatasetSource:
    """The table of a data set."""
    path, name = folder(DIRECTORY) / f"{dataset}.csv", f"tables/{dataset}"
    return DatasetSource(
        name=name,
        summary=summary,
        load=lambda root: load_table(name, path),
        missing=lambda root: (
            None if path.is_file() else f"{path} is missing; it comes with the project, install it again"
        ),
        fetch=None,
        hidden=lambda root: (path,),
        tabular=True,
    )
