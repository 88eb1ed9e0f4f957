"""The performance table, in the shape of the published Table A: test accuracy of every method on every data set.

A pure function of the records: the same records give the same table, in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.core.record import Run
from harness.core.zero_line import RANDOM_SAMPLING
from harness.report.model.groups import Block, MethodInSpace, blocks
from harness.report.model.literature import BenchmarkTable, nasbench201, table_a
from harness.report.model.load import about_unended
from harness.report.model.metrics import is_percent, measure_of
from harness.report.model.numbers import DASH
from harness.report.model.results import (
    MethodResult,
    averaged_images,
    ensembles,
    measures,
    mixed_devices,
    result_of,
    same_networks,
    several_trained,
    title_of_measure,
)
from harness.report.model.systems import published_accuracies
from harness.report.model.table import NOT_RUN, Column, Heading, Notes, Part, Table, TableCell, Text
from harness.report.model.values import Improvement, Name, Number, Published, Spread, Words
from harness.report.stats.verdict import verdict

_ACCURACY = "Test accuracy"
_READING = (
    ": mean ± sample standard deviation (n = number of seeds with a result); no ± below n = 3. "
    "RI: relative improvement over random sampling in the same space, in %. Methods of one space stand together, with "
    "random sampling and random search in that space. Every run that failed, had its training cut short or spent more "
    "than its budget is counted in its cell and explained below the table."
)
_RI = "RI = 100·(acc − acc_random)/acc_random in %, from the mean accuracies above"
RI_KEY = "relative_improvement"
EPOCHS_KEY = "epochs"
MOST_COLUMNS = 9
"""Methods that stand side by side."""


def performance_table(block: Block, datasets: Sequence[str] = ()) -> Table:
    """Accuracy, relative improvement over random sampling, epochs of the final training and published value; a row per
    method, four columns per data set.

    Published values stand beside the measured ones where methods searched their native spaces, and on NAS-Bench-201;
    they are never computed with.

    Args:
        block: the runs.
        datasets: the data sets; those of the runs, if none are named.
    """
    notes = Notes()
    datasets = datasets or block.datasets
    columns = [Column("method", "method", left=True)]
    rows: list[list[TableCell]] = [[name_cell(block, method)] for method in block.methods]
    for dataset in datasets:
        columns += [
            Column("", "accuracy", group=dataset),
            Column(RI_KEY, "RI", group=dataset, aside="RI {} %", optional=True),
            Column(EPOCHS_KEY, "epochs", group=dataset, aside="{} epochs", optional=True),
            Column("published", "published", group=dataset, aside="published {}", optional=True),
        ]
        for row, method in zip(rows, block.methods, strict=True):
            result = result_of(block, dataset, method)
            row += [
                accuracy_cell(result, notes),
                TableCell(_improvement(result)),
                TableCell(Number(result.cost("epochs"), ",.1f", missing=DASH)),
                TableCell(Published(result.published)),
            ]
    return Table(
        name=f"performance {block.title}",
        title=f"{title_of_measure(block)}: {block.title}",
        columns=tuple(columns),
        rows=tuple(map(tuple, rows)),
        reading=_reading(title_of_measure(block), block.runs),
        remarks=(
            *measures(block, *block.datasets),
            *several_trained(block),
            *ensembles(block),
            *averaged_images(block),
            *same_networks(block),
            *mixed_devices(block),
            *_about_published(block),
        ),
        notes=notes.all(),
        keys=keys(block),
    )


def brief(table: Table) -> Table:
    """A performance table for people: equal epochs of all final trainings are said once."""
    return table.said_once(EPOCHS_KEY, "Each final network was trained for {} epochs of its data set.")


def keys(block: Block) -> dict[str, str]:
    """What the block's rows of a CSV file begin with."""
    names = {"profile": block.profile, "budget": block.budget, "common_space": block.common}
    return {**names, "final_limit": block.ended_by}


def name_cell(block: Block, method: MethodInSpace) -> TableCell:
    """The head of a method's row."""
    return TableCell(Name(block.title_of(method), "" if block.common else method.space, method.name, method.space))


def accuracy_cell(result: MethodResult, notes: Notes) -> TableCell:
    """Mean accuracy, and the runs without one."""
    spread = Spread(result.own_mean, result.own_deviation, len(result.accuracies))
    return TableCell(spread, notes.lost(result), (), result, notes.marks(result))


def _improvement(result: MethodResult) -> Improvement:
    """RI, or why there is none."""
    if result.method.name == RANDOM_SAMPLING:
        return Improvement(None, DASH)
    if not result.runs:
        return Improvement(None, NOT_RUN)
    if not result.accuracies:
        return Improvement(None, " and ".join(status for status in ("failed", "unsupported") if result.count(status)))
    if not result.random or result.alone:
        return Improvement(None, DASH)
    return Improvement(result.improvement, "undefined", len(result.accuracies), len(result.random))


def _about_published(block: Block) -> list[str]:
    """Where the published values of a table come from, and what they are no measure of."""
    cells = [(dataset, method.name) for dataset in block.datasets for method in block.methods]
    for benchmark in nasbench201():
        if any(benchmark.value(block.profile, *cell) for cell in cells):
            return [f"Published, not measured here: {benchmark.source}: {benchmark.what}."]
    if block.common:
        return []
    shown = dict.fromkeys(name for dataset, name in cells if table_a().value(dataset, name))
    if not shown:
        return ["No published value belongs to a cell of this table."]
    return [
        f"Published, not measured here: {table_a().source}: {table_a().what}. Its budgets and its training are not "
        f"those of profile {block.profile}: it is for orientation, not for comparison."
    ]


def _reading(title: str, runs: Iterable[Run]) -> str:
    """How to read a table of these runs whose numbers have this title."""
    percent = title == _ACCURACY or all(is_percent(measure_of(run.record)) for run in runs if run.record.status == "ok")
    return f"{title} in %{_READING}" if percent else f"{title}{_READING}"


def performance(runs: Sequence[Run]) -> list[Part]:
    """The verdict, then the performance tables of all blocks, and behind them the published tables.

    A few methods are columns, as in the published Table A, with relative improvements as a table of their own. Many
    methods are rows, with all numbers beside each other: nobody reads a line of thirty columns. Data sets that were not
    run are rows of the former; in the latter they would be columns without a number, and stand in Table A only.
    """
    shown_here = blocks(runs)
    titles = {title_of_measure(block) for block in shown_here}
    title = titles.pop() if len(titles) == 1 else _ACCURACY
    parts: list[Part] = [Heading(1, title), *map(Text, about_unended(runs)), *verdict(runs)]
    parts.append(Text(_reading(title, runs)))
    for block in shown_here:
        table = performance_table(block)
        if len(block.methods) > MOST_COLUMNS:
            parts += [Heading(2, table.title), brief(table).filled()]
            continue
        complete = performance_table(block, (*block.datasets, *datasets_not_run(block)))
        shown = complete.without(RI_KEY, EPOCHS_KEY).filled().folded().transposed("data set")
        parts += [Heading(2, table.title), shown]
        parts += _improvements(block, table)
    return [*parts, *published_tables(runs)]


def datasets_not_run(block: Block) -> list[str]:
    """The data sets of Table A without a run, where a table has some of them and methods searched their own spaces."""
    known = table_a().datasets
    if block.common or not set(known) & set(block.datasets):
        return []
    return [dataset for dataset in known if dataset not in block.datasets]


def _improvements(block: Block, table: Table) -> list[Part]:
    """RI as a table of its own."""
    title = f"RI: relative improvement over random sampling, {block.title}"
    others = [method for method in block.methods if method.name != RANDOM_SAMPLING]
    if not any(block.zero(RANDOM_SAMPLING, method.space) for method in others):
        why = "nothing but random_sampling was run"
        if others:
            somewhere = len(others) < len(block.methods)
            why = f"{RANDOM_SAMPLING} was not run{' in the spaces of the other methods' if somewhere else ''}"
        return [Heading(3, title), Text(f"No RI: {why}.")]
    how = f"{_RI} (n of the method, n of random sampling), within a space. {DASH}: random sampling has no result there."
    columns = [
        Column("method", "", left=True),
        *(Column(RI_KEY, f"RI, {dataset}") for dataset in block.datasets),
    ]
    indices = [index for index, column in enumerate(table.columns) if column.key == RI_KEY]
    rows = [
        (name_cell(block, method), *(row[index] for index in indices))
        for row, method in zip(table.rows, block.methods, strict=True)
        if method in others
    ]
    return [Heading(3, title), Text(how), Table(f"RI {block.title}", title, tuple(columns), tuple(rows)).transposed("")]


def published_tables(runs: Sequence[Run]) -> list[Part]:
    """Table A, with what was measured here; behind it NAS-Bench-201's blocks if a run was made on its data sets."""
    parts = published_accuracies(runs)
    datasets = {run.record.dataset for run in runs}
    for benchmark in nasbench201():
        if datasets & set(benchmark.datasets):
            table = _published(benchmark)
            parts += [Heading(2, table.title), table]
    return parts


def _published(benchmark: BenchmarkTable) -> Table:
    """A block of a published comparison, as it was published."""
    columns = (Column("method", "method", left=True), *(Column(name, name) for name in benchmark.datasets))
    rows = [(TableCell(Words(name)), *(TableCell(Words(str(v))) for v in values)) for name, _, values in benchmark.rows]
    about = f"Source: {benchmark.source}. How: {benchmark.what}. Published numbers, not measured here."
    remarks = (" ".join([about, *benchmark.remarks]),)
    return Table(benchmark.name, f"Published: {benchmark.title}", columns, tuple(rows), remarks=remarks)
