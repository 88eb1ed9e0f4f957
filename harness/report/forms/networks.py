"""What the page shows of several final trainings of a run: all of them, with the one that was chosen if one was."""

from __future__ import annotations

from harness.report.model.numbers import DASH
from harness.report.model.results import MethodResult
from harness.report.model.table import Column, Part, Table, TableCell
from harness.report.model.values import Absent, Number, Value, Words

LISTED = 20
"""Runs of a method whose networks are listed; all are in their records."""
_COLUMNS = (
    Column("seed", "seed"),
    Column("rank", "rank in the search"),
    Column("member", "member", optional=True),
    Column("validation", "validation accuracy %"),
    Column("test", "test accuracy %"),
    Column("chosen", "chosen", left=True, optional=True),
    Column("genotype", "architecture", left=True),
    Column("failure", "why it was not trained", left=True, optional=True),
)


def networks(result: MethodResult) -> list[Part]:
    """The networks of a method's runs, a row each; nothing where one was trained per run."""
    runs = [run for run in result.runs if run.record.networks]
    if not runs:
        return []
    rows = [
        (
            TableCell(Words(str(run.record.seed))),
            TableCell(Words(str(network["rank"]))),
            TableCell(_told(network.get("member"))),
            TableCell(_percent(network.get("validation_accuracy"))),
            TableCell(_percent(network.get("test_accuracy"))),
            TableCell(_told("yes" if network["rank"] == run.record.final.get("chosen") else None)),
            TableCell(Words(network["genotype"])),
            TableCell(_told(network.get("failure"))),
        )
        for run in runs[:LISTED]
        for network in run.record.networks
    ]
    title = f"Networks that searches of {result.label} handed over for final training"
    return [Table(title, title, _COLUMNS, tuple(rows), reading=f"{title}.").filled()]


def _told(fact: object) -> Value:
    """A dash stands for what there is not."""
    return Words(str(fact)) if fact else Absent()


def _percent(share: float | None) -> Number:
    return Number(None if share is None else 100 * share, ".2f", missing=DASH)
