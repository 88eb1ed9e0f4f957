"""Options and values that several commands have in common."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

FAILED_ROWS, BAD_INPUT, STORAGE, INTERRUPTED, NO_READER = 1, 2, 4, 130, 141
"""Exit codes: a run failed; nothing was done; something could not be written on the way, and what was done before is
stored; Ctrl-C; nobody reads the output any more. The last two are what a shell says of SIGINT and SIGPIPE. ``check``
has 3 besides."""


class What(StrEnum):
    """What ``list`` lists."""

    methods = "methods"
    datasets = "datasets"
    spaces = "spaces"
    profiles = "profiles"
    families = "families"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="A Python file that defines METHOD, DATASET or SPACE; it goes by the file's name."),
]
DataRoot = Annotated[
    Path,
    typer.Option("--data", envvar="HARNESS_DATA", help="Directory of the data sets.", show_default=True),
]
Metric = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What tables and tests show: accuracy, balanced_accuracy, macro_f1, nll, calibration_error, or "
        "corrupted_accuracy (of runs with --corruptions).",
    ),
]
