"""What the page shows of the classes of a data set: accuracies, and confusions."""

from __future__ import annotations

from harness.report.model.classes import MOST, Counts, by_class, matrix, most_confused
from harness.report.model.numbers import DASH
from harness.report.model.results import MethodResult
from harness.report.model.table import Column, Part, Table, TableCell, Text
from harness.report.model.values import Number, Words


def classes(result: MethodResult) -> list[Part]:
    """The confusion matrix of a method's runs, all seeds together, with the accuracy of each class; of many classes the
    pairs that are confused most often. Nothing where the runs do not say it."""
    found = matrix(result.runs)
    if found is None:
        return []
    names, counts = found
    shares = by_class(counts)
    if len(names) > MOST:
        return [Text(f"{_worst(names, shares)}; {_pairs(found)}.")]
    heads = [Column("class", "true class", left=True), Column("accuracy", "accuracy %")]
    rows = [
        (
            TableCell(Words(name)),
            TableCell(Number(None if share is None else 100 * share, ".1f", missing=DASH)),
            *(TableCell(Number(float(count), ",.0f")) for count in row),
        )
        for name, share, row in zip(names, shares, counts, strict=True)
    ]
    title = f"Test images of {result.label} by true class and by predicted class"
    columns = (*heads, *(Column(name, name, group="taken for") for name in names))
    return [Text(f"{title}, all seeds together."), Table(title, title, columns, tuple(rows))]


def _worst(names: list[str], shares: list[float | None]) -> str:
    known = sorted((share, name) for share, name in zip(shares, names, strict=True) if share is not None)
    return "Lowest accuracies by class: " + ", ".join(f"{name} {100 * share:.1f} %" for share, name in known[:10])


def _pairs(found: tuple[list[str], Counts]) -> str:
    pairs = most_confused(*found)
    told = ", ".join(f"{true} for {taken} ({count} of {images})" for true, taken, count, images in pairs)
    return f"most often taken for another: {told or 'none'}"
