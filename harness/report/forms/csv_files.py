"""Tables as CSV, for programs: one row per method and data set, one per run; numbers in full, not rounded for eyes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness.core.record import Record, Run
from harness.report.model.load import run_key
from harness.report.model.table import Table

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
    "parameters",
    "macs",
    "proposal",
)
_NESTED = ("search", "final", "metrics", "provenance", "settings", "recipes")


def tables_csv(tables: Iterable[Table]) -> str:
    """The rows of tables of one kind. A table with groups of columns, one per data set, gives a row per group.

    Column names: the tables' ``keys``, the columns' ``key``, and for a mean with its spread ``n``, ``mean``, ``std``,
    ``failed``, ``unsupported`` (numbers of runs without a result) and ``measure``. What is not known is empty; what was
    not run has ``n`` 0. Accuracies, errors and improvements are in %.
    """
    rows = [row for table in tables for row in _rows(table)]
    return _text(list(dict.fromkeys(name for row in rows for name in row)), rows)


def _rows(table: Table) -> Iterator[dict[str, Any]]:
    per_dataset = "dataset" not in table.keys
    groups = list(dict.fromkeys(column.group for column in table.columns if column.group)) if per_dataset else [""]
    for row in table.rows:
        for group in groups:
            fields = dict(table.keys)
            if per_dataset:
                fields["dataset"] = group
            for column, cell in zip(table.columns, row, strict=True):
                if not per_dataset or column.group in ("", group):
                    fields |= cell.fields(column.key)
            yield fields


def records_csv(runs: Sequence[Run]) -> str:
    """One line per run, the same columns for all; nested fields as ``search.seconds`` and, deeper, as JSON."""
    flat = [_flat(run.record) for run in sorted(runs, key=run_key)]
    nested = sorted({name for row in flat for name in row} - set(_PLAIN))
    return _text([*_PLAIN, *nested], flat)


def _flat(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(record, name) for name in _PLAIN}
    for name in _NESTED:
        for key, value in getattr(record, name).items():
            plain = value is None or isinstance(value, str | int | float)
            row[f"{name}.{key}"] = value if plain else json.dumps(value, sort_keys=True)
    return row


def _text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
