"""The performance table, in the shape of the published Table A: data sets x methods, test accuracy in %.

A pure function of the records: the same records give the same bytes, in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.record import Run
from harness.report.forms.cost import cost
from harness.report.forms.text import escape, signed, table
from harness.report.model.cells import Cell, baseline, cell, measures
from harness.report.model.groups import BASELINE, Block, Column, Notes, accuracies, blocks, cell_text
from harness.report.model.published import nasbench201, table_a

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
    return "\n\n".join([*parts, *published_table(runs)]) + "\n"


def _block(block: Block) -> list[str]:
    notes = Notes()
    columns = block.columns
    header = ["data set", *(f"{escape(block.heading(place))}<br><sub>{escape(place.space)}</sub>" for place in columns)]
    rows = [
        [escape(dataset), *(_cell(block, dataset, place, notes) for place in columns)] for dataset in block.datasets
    ]
    parts = [f"## Test accuracy: {escape(block.title)}", table(header, rows)]
    parts += [*map(escape, measures(block, *block.datasets)), *_small_print(block)]
    parts += ["\n".join(notes.lines())] if notes.lines() else []
    return [*parts, f"### RI: relative improvement over random sampling, {escape(block.title)}", *_improvement(block)]


def _cell(block: Block, dataset: str, place: Column, notes: Notes) -> str:
    found = cell(block, dataset, place)
    text = cell_text(found.runs, found.accuracies, f"{escape(block.heading(place))} on {escape(dataset)}", notes)
    return f"{text}<br><sub>published {found.published}</sub>" if found.published else text


def _small_print(block: Block) -> list[str]:
    """What the small numbers in the cells are."""
    looked = nasbench201()
    if any(looked.value(block.profile, d, place.method) for d in block.datasets for place in block.columns):
        return [f"Small print in a cell: the published value, from {looked.source}: {looked.what}."]
    if block.common:
        return []
    shown = [
        column
        for place in block.columns
        if (column := table_a().column(place.method))
        and any((dataset, place.method) in table_a().values for dataset in block.datasets)
    ]
    if not shown:
        return ["No published value belongs to a cell of this table."]
    lines = [
        f"Small print in a cell: the published value, from the {table_a().source}: {table_a().what}. Its budgets and "
        f"its training are not those of profile {escape(block.profile)}: it is for orientation, not for comparison."
    ]
    lines += [f"{column.name}: {column.other_system}." for column in shown if column.other_system]
    return [" ".join(lines)]


def _improvement(block: Block) -> list[str]:
    """The second table: RI per method and data set."""
    base = [place for place in block.columns if place.method == BASELINE]
    others = [place for place in block.columns if place.method != BASELINE]
    if not base:
        return [f"No RI: {BASELINE} was not run."]
    if not others:
        return [f"No RI: nothing but {BASELINE} was run."]
    rows = [
        [f"RI, {escape(dataset)}", *(_ri_text(cell(block, dataset, place)) for place in others)]
        for dataset in block.datasets
    ]
    how = "RI = 100·(acc − acc_random)/acc_random in %, from the mean accuracies above"
    foreign = {place.space for place in others} - {place.space for place in base}
    drawn = ", ".join(escape(place.space) for place in base)
    how += " (n of the method, n of random sampling)."
    if foreign:
        how += f" Random sampling drew from {drawn}; in another space, RI is the effect of space and search together."
    header = ["", *(escape(block.heading(place)) for place in others)]
    return [how, table(header, rows)]


def _ri_text(found: Cell) -> str:
    if not found.runs:
        return "not run"
    if not found.accuracies:
        return " and ".join(status for status in ("failed", "unsupported") if found.count(status))
    random = baseline(found.block, found.place)
    base = accuracies(found.block.cell(found.dataset, random)) if random else []
    if not base:
        return "no baseline"
    if found.improvement is None:
        return "undefined"
    return f"{signed(found.improvement)} ({len(found.accuracies)}, {len(base)})"


def published_table(runs: Sequence[Run]) -> list[str]:
    """Table A as published, complete; behind it NAS-Bench-201's if a run was made on its data sets."""
    published = table_a()
    header = ["data set", *(column.name for column in published.columns)]
    rows = [
        [name, *(f"{published.values[dataset, column.method]:.2f}" for column in published.columns)]
        for dataset, name in published.datasets.items()
    ]
    about = f"Source: {published.source}. How: {published.what}. Published numbers, not measured here; other budgets."
    parts = [f"## Published: {published.title}", table(header, rows), " ".join([about, *published.remarks])]
    looked = nasbench201()
    if any(run.record.dataset in looked.datasets for run in runs):
        rows = [[name, *map(str, values)] for name, _, values in looked.rows]
        about = f"Source: {looked.source}. How: {looked.what}. Published numbers, not measured here."
        parts += [f"## Published: {looked.title}", table(["method", *looked.datasets], rows)]
        parts.append(" ".join([about, *looked.remarks]))
    return parts
