"""``report``: the tables of a directory of runs, and the files that hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.commands.freshness import is_fresh, mark, state_of
from harness.core.names import one_of
from harness.report.model.metrics import ACCURACY, METRICS, measured_by


def tables(directory: Path, metric: str = ACCURACY) -> str:
    """Both tables as text, once the files are written; files that are up to date are neither made nor written again.

    Args:
        directory: of the runs.
        metric: what tables, tests and plots show.

    Raises:
        InputError: there are no runs, one cannot be read or does not have the metric, or the files cannot be written.
    """
    _write(directory, metric)
    return "\n".join((directory / name).read_text(encoding="utf-8") for name in ("performance.md", "cost.md"))


def records(directory: Path, metric: str = ACCURACY) -> list[dict[str, Any]]:
    """The records as plain values; files and errors as with :func:`tables`."""
    from harness.report.model.load import load_runs

    _write(directory, metric)
    return [json.loads(run.record.to_json()) for run in load_runs(directory)]


def check_metric(metric: str) -> None:
    """Raises InputError if there is no such metric."""
    one_of("metric", metric, METRICS)


def _write(directory: Path, metric: str) -> None:
    check_metric(metric)
    state = f"{state_of(directory)} {metric}"
    if is_fresh(directory, state):
        return
    from harness.commands.inspection import proposed
    from harness.report.forms.write import write_all
    from harness.report.model.load import load_runs

    mark(directory, state, write_all(measured_by(load_runs(directory), metric), directory, proposed))
