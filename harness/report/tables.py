"""The performance table, in the shape of the published Table A: data sets x methods, test accuracy in %.

A pure function of the records: the same records give the same bytes, in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.record import Run
from harness.report.cost import cost
from harness.report.groups import BASELINE, Block, Column, Notes, accuracies, blocks, cell_text
from harness.report.published import table_a
from harness.report.text import escape, mean, signed, table

__all__ = ["cost", "performance"]

_READING = (
    "Test accuracy in %: mean ± sample standard deviation (n = number of seeds with a result); no ± below n = 3. "
    "Every run that failed is counted in its cell and explained below the table."
)


def performance(runs: Sequence[Run]) -> str:
    """Accuracy of every method on every data set, and its relative improvement over random sampling, as markdown.

    One block per profile, budget and kind of space. Published values stand beside the measured ones where methods
    searched their native spaces; they are never computed with.
    """
    parts = ["# Test accuracy", _READING]
    for block in blocks(runs):
        parts += _block(block)
    return "\n\n".join([*parts, *_published()]) + "\n"


def _block(block: Block) -> list[str]:
    notes = Notes()
    columns = block.columns
    header = ["data set", *(f"{escape(block.heading(place))}<br><sub>{escape(place.space)}</sub>" for place in columns)]
    rows = [
        [escape(dataset), *(_cell(block, dataset, place, notes) for place in columns)] for dataset in block.datasets
    ]
    parts = [f"## Test accuracy: {escape(block.title)}", table(header, rows)]
    parts += [_small_print(block)] if not block.common else []
    parts += ["\n".join(notes.lines())] if notes.lines() else []
    return [*parts, f"### RI: relative improvement over random sampling, {escape(block.title)}", *_improvement(block)]


def _cell(block: Block, dataset: str, place: Column, notes: Notes) -> str:
    runs = block.cell(dataset, place)
    text = cell_text(runs, accuracies(runs), f"{escape(block.heading(place))} on {escape(dataset)}", notes)
    published = table_a().column(place.method)
    value = table_a().values.get((dataset, place.method))
    if block.common or published is None or value is None:
        return text
    system = f" ({published.name})" if published.other_system else ""
    return f"{text}<br><sub>published {value:.2f}{system}</sub>"


def _small_print(block: Block) -> str:
    """What the small numbers in the cells are."""
    shown = [
        column
        for place in block.columns
        if (column := table_a().column(place.method))
        and any((dataset, place.method) in table_a().values for dataset in block.datasets)
    ]
    if not shown:
        return "No published value belongs to a cell of this table."
    lines = [
        f"Small print in a cell: the published value, from the {table_a().source}: {table_a().what}. Its budgets and "
        f"its training are not those of profile {escape(block.profile)}: it is for orientation, not for comparison."
    ]
    lines += [f"{column.name}: {column.other_system}." for column in shown if column.other_system]
    return " ".join(lines)


def _improvement(block: Block) -> list[str]:
    """The second table: RI per method and data set."""
    base = [place for place in block.columns if place.method == BASELINE]
    others = [place for place in block.columns if place.method != BASELINE]
    if not base:
        return [f"No RI: {BASELINE} was not run."]
    if not others:
        return [f"No RI: nothing but {BASELINE} was run."]
    # Where the baseline was drawn from several spaces, a method is compared with the draw from its own.
    rows = []
    for dataset in block.datasets:
        row = [f"RI, {escape(dataset)}"]
        for place in others:
            random = next((b for b in base if b.space == place.space), base[0])
            row.append(_ri_text(block.cell(dataset, place), block.cell(dataset, random)))
        rows.append(row)
    how = "RI = 100·(acc − acc_random)/acc_random in %, from the mean accuracies above"
    foreign = {place.space for place in others} - {place.space for place in base}
    drawn = ", ".join(escape(place.space) for place in base)
    how += " (n of the method, n of random sampling)."
    if foreign:
        how += f" Random sampling drew from {drawn}; in another space, RI is the effect of space and search together."
    header = ["", *(escape(block.heading(place)) for place in others)]
    return [how, table(header, rows)]


def relative_improvement(accuracy: float, random: float) -> float:
    """100·(accuracy − random)/random, in %; ``random`` is not 0."""
    return 100 * (accuracy - random) / random


def _ri_text(runs: Sequence[Run], random: Sequence[Run]) -> str:
    if not runs:
        return "not run"
    values, base = accuracies(runs), accuracies(random)
    if not values:
        return " and ".join(sorted({"failed" if run.record.status == "ok" else run.record.status for run in runs}))
    if not base:
        return "no baseline"
    if mean(base) == 0:
        return "undefined"
    return f"{signed(relative_improvement(mean(values), mean(base)))} ({len(values)}, {len(base)})"


def _published() -> list[str]:
    """Table A as published, complete."""
    published = table_a()
    header = ["data set", *(column.name for column in published.columns)]
    rows = [
        [name, *(f"{published.values[dataset, column.method]:.2f}" for column in published.columns)]
        for dataset, name in published.datasets.items()
    ]
    about = f"Source: {published.source}. How: {published.what}. Published numbers, not measured here; other budgets."
    return [f"## Published: {published.title}", table(header, rows), " ".join([about, *published.remarks])]
