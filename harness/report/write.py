"""Writes all that the report has to say about some runs into a directory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import InputError
from harness.core.record import Record, Run
from harness.report.cost import cost
from harness.report.load import run_key
from harness.report.plots import accuracy_parameters, anytime
from harness.report.tables import performance

_PLAIN = (
    "profile",
    "budget",
    "space",
    "native",
    "dataset",
    "method",
    "title",
    "seed",
    "status",
    "reason",
    "test_accuracy",
    "valid_accuracy",
    "parameters",
    "macs",
    "proposal",
)
_NESTED = ("search", "final", "provenance", "settings", "recipes")


def write_all(runs: Sequence[Run], directory: Path) -> list[Path]:
    """Writes ``performance.md``, ``cost.md``, ``records.csv``, ``anytime.png`` and ``accuracy_parameters.png``.

    Existing files of these names are replaced. Returns the paths in this order.

    Raises:
        InputError: there are no runs, or the directory cannot be written.
    """
    if not runs:
        raise InputError("there are no runs to report on; run some first")
    texts = {"performance.md": performance(runs), "cost.md": cost(runs), "records.csv": records_csv(runs)}
    figures = {"anytime.png": anytime, "accuracy_parameters.png": accuracy_parameters}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (directory / name).write_text(text, encoding="utf-8", newline="\n")
        for name, draw in figures.items():
            draw(runs, directory / name)
    except OSError as error:
        raise InputError(f"the report cannot be written to {directory} ({error}); name another directory") from error
    return [directory / name for name in (*texts, *figures)]


def records_csv(runs: Sequence[Run]) -> str:
    """One line per run, the same columns for all; nested fields as ``search.seconds`` and, deeper, as JSON."""
    flat = [_flat(run.record) for run in sorted(runs, key=run_key)]
    nested = sorted({name for row in flat for name in row} - set(_PLAIN))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*_PLAIN, *nested], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def _flat(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(record, name) for name in _PLAIN}
    for name in _NESTED:
        for key, value in getattr(record, name).items():
            plain = value is None or isinstance(value, str | int | float)
            row[f"{name}.{key}"] = value if plain else json.dumps(value, sort_keys=True)
    return row
