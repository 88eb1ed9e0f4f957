"""``report``: the tables of a directory of runs, and the files that hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.commands.freshness import is_fresh, mark, state_of


def tables(directory: Path) -> str:
    """Both tables as text, once the files are written; files that are up to date are neither made nor written again.

    Raises:
        InputError: there are no runs, one cannot be read, or the files cannot be written.
    """
    _write(directory)
    return "\n".join((directory / name).read_text(encoding="utf-8") for name in ("performance.md", "cost.md"))


def records(directory: Path) -> list[dict[str, Any]]:
    """The records as plain values; files and errors as with :func:`tables`."""
    from harness.report.model.load import load_runs

    _write(directory)
    return [json.loads(run.record.to_json()) for run in load_runs(directory)]


def _write(directory: Path) -> None:
    state = state_of(directory)
    if is_fresh(directory, state):
        return
    from harness.commands.inspection import proposed
    from harness.commands.listing import members_of
    from harness.plugins.catalogue import Catalogue
    from harness.report.forms.write import write_all
    from harness.report.model.load import load_runs

    mark(directory, state, write_all(load_runs(directory), directory, proposed, members_of(Catalogue())))
