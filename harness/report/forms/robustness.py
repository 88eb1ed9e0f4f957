"""What the page shows of tests on corrupted images: a method's accuracy by corruption and strength."""

from __future__ import annotations

import numpy as np

from harness.report.model.results import MethodResult
from harness.report.model.table import Column, Part, Table, TableCell
from harness.report.model.values import Number, Words


def robustness(result: MethodResult) -> list[Part]:
    """Mean accuracies of a method's runs, a row per corruption; nothing where the runs were not tested so."""
    tested = [run.record.robustness for run in result.runs if run.record.status == "ok" and run.record.robustness]
    if not tested:
        return []
    names = [name for name in tested[0] if all(len(one.get(name, ())) == len(tested[0][name]) for one in tested)]
    strengths = max((len(tested[0][name]) for name in names), default=0)
    rows = []
    for name in names:
        means = 100 * np.mean([one[name] for one in tested], axis=0)
        cells = [TableCell(Number(float(value), ".2f")) for value in (*means, means.mean())]
        rows.append((TableCell(Words(name)), *cells))
    columns = (
        Column("corruption", "corruption", left=True),
        *(
            Column(f"strength-{number}", str(number), group="accuracy % at strength")
            for number in range(1, strengths + 1)
        ),
        Column("mean", "mean %"),
    )
    title = f"{result.label} on corrupted test images"
    reading = f"{title}, mean of {len(tested)} run{'s' if len(tested) > 1 else ''}."
    return [Table(title, title, columns, tuple(rows), reading=reading)] if rows else []
