"""``report``: the tables of a directory of runs, and the files that hold them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from harness.commands.freshness import is_fresh, mark, state_of
from harness.commands.mixture import check_one_experiment
from harness.commands.outputs import check_directory
from harness.core.errors import InputError
from harness.core.names import one_of
from harness.core.record import CORRUPTED_ACCURACY
from harness.report.model.load import Runs, load_runs, sentences_on
from harness.report.model.metrics import ACCURACY, METRICS, measured_by
from harness.report.model.systems import BESIDE
from harness.report.model.table import NOT_RUN
from harness.run.profile import Profile
from harness.stored.runs import find_runs


def tables(directory: Path, metric: str = ACCURACY) -> str:
    """Both tables as text, once the files are written; files that are up to date are neither made nor written again.

    Published tables of which nothing was run here stand in the files only.

    Args:
        directory: of the runs.
        metric: what tables, tests and plots show.

    Raises:
        InputError: there are no runs, one cannot be read or does not have the metric, or the files cannot be written.
    """
    _write(directory, metric)
    return "\n".join(
        brief((directory / name).read_text(encoding="utf-8"), name) for name in ("performance.md", "cost.md")
    )


def brief(text: str, name: str) -> str:
    """The text of a report's file without the published tables in which every row says that it was not run."""
    first, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    shown = [section for section in sections if not (section.startswith(f"## {BESIDE}") and _nothing_run(section))]
    left_out = "" if len(shown) == len(sections) else f"\nPublished numbers, of which nothing was run here: {name}.\n"
    return "".join([first, *shown]).rstrip("\n") + f"\n{left_out}"


def _nothing_run(section: str) -> bool:
    rows = [line.split("|") for line in section.splitlines() if line.startswith("|")][2:]
    return all(any(cell.strip().startswith(NOT_RUN) for cell in row) for row in rows)


def records(directory: Path, metric: str = ACCURACY) -> list[dict[str, Any]]:
    """The records as plain values; files and errors as with :func:`tables`."""
    _write(directory, metric)
    return [json.loads(run.record.to_json()) for run in load_runs(directory)]


def check_metric(metric: str, profile: Profile | None = None) -> None:
    """Looks whether there is such a metric, and whether runs of a profile will have it.

    Raises:
        InputError: there is none, or they will not.
    """
    one_of("metric", metric, METRICS)
    if profile is not None and profile.tabular and metric != ACCURACY:
        raise InputError(f"tables have no predictions and so no {metric}; leave --metric out")
    if profile is not None and metric == CORRUPTED_ACCURACY and not profile.corruptions:
        raise InputError(f"{metric} is measured with --corruptions only; add it, or leave --metric out")


def _write(directory: Path, metric: str) -> None:
    check_metric(metric)
    check_directory(directory, of_runs=True)
    found = find_runs(directory)
    state = f"{state_of(directory, found)} {metric}"
    for sentence in (*sentences_on(found.unended), *(f"{path} cannot be read, left out" for path in found.closed)):
        print(sentence, file=sys.stderr)
    if is_fresh(directory, state):
        return
    from harness.commands.inspection import proposed
    from harness.commands.listing import members_of
    from harness.plugins.catalogue import Catalogue
    from harness.report.forms.write import write_all

    runs = load_runs(directory, found)
    check_one_experiment(runs)
    measured = Runs(measured_by(runs, metric), runs.unended)
    mark(directory, state, write_all(measured, directory, proposed, members_of(Catalogue())))
