"""The tables as CSV, for programs: one row per cell of a table, one per run; numbers in full, not rounded for eyes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from harness.core.record import Record, Run
from harness.report.model.cells import COSTS, Cell, cells
from harness.report.model.groups import blocks
from harness.report.model.load import run_key

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
_NESTED = ("search", "final", "provenance", "settings", "recipes")


def performance_csv(runs: Sequence[Run]) -> str:
    """Accuracy in % per profile, budget, kind of space, data set and method, of at least one run.

    ``mean`` over the ``n`` runs with a result; ``std`` is the sample standard deviation, empty below three runs;
    ``relative_improvement`` over random sampling in %; ``failed`` and ``unsupported`` count the other runs; a cell that
    was not run has ``n`` 0. ``published`` is a published value, with its ``published_std`` and a remark if there
    are any.
    """
    rows = [_performance(found) for block in blocks(runs) for found in cells(block)]
    return _text(list(rows[0]), rows)


def cost_csv(runs: Sequence[Run]) -> str:
    """What search and network cost per cell, means over the runs with a result, beside the published row; at least one
    run.

    ``error_mean`` and ``error_std`` are test errors in %.
    """
    rows = [_cost(found) for block in blocks(runs) for found in cells(block)]
    return _text(list(rows[0]), rows)


def _performance(found: Cell) -> dict[str, Any]:
    published = found.published
    return {
        **_key(found),
        "measure": found.measure,
        "n": len(found.accuracies),
        "mean": _rounded(found.mean),
        "std": _rounded(found.deviation),
        "relative_improvement": _rounded(found.improvement),
        "failed": found.count("failed"),
        "unsupported": found.count("unsupported"),
        "published": published.value if published else None,
        "published_std": published.deviation if published else None,
        "published_remark": published.remark if published else None,
        "published_source": published.source if published else None,
    }


def _cost(found: Cell) -> dict[str, Any]:
    published = found.published_cost
    return {
        **_key(found),
        "n": len(found.accuracies),
        **{name: _rounded(found.cost(name)) for name in COSTS},
        "error_mean": None if found.mean is None else _rounded(100 - found.mean),
        "error_std": _rounded(found.deviation),
        "published_gpus": published.gpus if published else None,
        "published_days": published.days if published else None,
        "published_parameters_millions": published.params_millions if published else None,
        "published_error": published.error if published else None,
    }


def _key(found: Cell) -> dict[str, Any]:
    block, place = found.block, found.place
    return {
        "profile": block.profile,
        "budget": block.budget,
        "common_space": block.common,
        "dataset": found.dataset,
        "method": place.method,
        "title": block.heading(place),
        "space": place.space,
    }


def _rounded(value: float | None) -> float | None:
    """Without the last digits, which only say in which order a computer adds."""
    return None if value is None else round(value, 9)


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


def _text(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
