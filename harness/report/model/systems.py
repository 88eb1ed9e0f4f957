"""The two published tables beside what was measured here: Table A (accuracies) and Table B (costs of searches).

Table B has its nineteen systems, each with what stands for it here: the search, and the network that it ended with. A
system has a line for each measurement, or one that says ``not run``; what is not here at all is a note with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.record import Run
from harness.report.model.groups import Block, blocks
from harness.report.model.literature import RowB, TableB, stands_for, table_a, table_b
from harness.report.model.metrics import by_accuracy, is_percent
from harness.report.model.numbers import DASH
from harness.report.model.results import MethodResult, result_of
from harness.report.model.table import NOT_RUN, Column, Heading, Notes, Part, Table, TableCell
from harness.report.model.values import Absent, Evaluations, Number, Spread, Value, Words

_MILLION = 1e6
BESIDE = "Published, and measured here: "
"""What the titles of both tables begin with."""
_COLUMNS = (
    Column("system", "system", left=True),
    Column("published_gpus", "GPUs", group="published"),
    Column("published_days", "days", group="published"),
    Column("published_parameters_millions", "parameters (M)", group="published"),
    Column("published_error", "error %", group="published"),
    Column("search", "search", group="here", left=True),
    Column("network", "network", group="here", left=True),
    Column("rebuilt_parameters_millions", "rebuilt: parameters (M)", group="here"),
    Column("measured", "what", group="measured here", left=True),
    Column("profile", "profile, budget", group="measured here", left=True),
    Column("error", "error %", group="measured here"),
    Column("parameters_millions", "parameters (M)", group="measured here"),
    Column("evaluations", "evaluations (unique)", group="measured here"),
    Column("seconds", "search + final training s", group="measured here", timed=True),
    Column("device", "device", group="measured here", left=True, timed=True),
)
_READING = (
    "Published numbers are each from its own paper, with its own training and budget; nothing is computed with them. "
    "Here: 'search' is the method that searches as the system does, 'network' the published network, built from its "
    "paper and its authors' code; rebuilt parameters are those of the network at its published size. Measured here: "
    "what the runs of a profile have brought, with networks that are mostly smaller than the published ones."
)


def published_costs(runs: Sequence[Run], *, times: bool = True) -> list[Part]:
    """Table B: every system as published, what stands for it here, and what was measured.

    Args:
        runs: any runs; those on the table's data set count, by their accuracy whatever else they are measured by.
        times: whether with what depends on the machine and the moment.
    """
    runs = by_accuracy(runs)
    known, notes = table_b(), Notes()
    tables = [block for block in blocks(runs) if not block.common]
    rows = [line for row in known.rows for line in _lines(known, row, tables, notes)]
    about = f"Source of the published numbers: {known.source}. {known.what}. {_READING}"
    table = Table("Table B", f"{BESIDE}{known.title}", _COLUMNS, tuple(rows), remarks=(about,), notes=notes.all())
    return [Heading(2, table.title), table.only(times or not column.timed for column in table.columns)]


def _lines(known: TableB, row: RowB, tables: Sequence[Block], notes: Notes) -> list[tuple[TableCell, ...]]:
    """The lines of a system: one per measurement of its search or network, or one that says there is none."""
    parts = (
        (row.search, f"No search is possible here: {row.no_search}."),
        (row.network, f"The published network cannot be built: {row.no_network}."),
    )
    search, network = (Words(name or f"none [{notes.number(why)}]") for name, why in parts)
    rebuilt = Number(row.rebuilt, ".2f", _MILLION, DASH)
    head = tuple(map(TableCell, [Words(row.name), *published_values(row), search, network, rebuilt]))
    results = [one for method in row.methods for block in tables for one in _results(block, known.dataset, method)]
    measured = [_measured(result, notes) for result in results] or [_nothing(NOT_RUN)]
    return [(*head, *cells) for cells in measured]


def _results(block: Block, dataset: str, method: str) -> list[MethodResult]:
    found = [result_of(block, dataset, one) for one in block.methods if stands_for(one.name) == method]
    return [result for result in found if result.runs]


def _nothing(why: str) -> list[TableCell]:
    """The measured part of a line without a measurement."""
    return [*[TableCell(Absent(DASH))] * 2, TableCell(Absent(why)), *[TableCell(Absent(DASH))] * 4]


def _measured(result: MethodResult, notes: Notes) -> list[TableCell]:
    error: Value = Spread(None if result.mean is None else 100 - result.mean, result.deviation, len(result.accuracies))
    if not is_percent(result.unit):
        error = Words(_own(result, DASH))
    times = [seconds for name in ("search_seconds", "final_seconds") if (seconds := result.cost(name)) is not None]
    devices = {str(run.record.provenance.get("device", "")) for run in result.ended}
    return [
        TableCell(Words(result.method.name)),
        TableCell(Words(f"{result.block.profile}, {result.block.budget}")),
        TableCell(error, notes.lost(result), (), result, notes.marks(result)),
        TableCell(Number(result.cost("parameters"), ".3f", _MILLION, DASH)),
        TableCell(Evaluations(result.cost("evaluations"), result.cost("unique"))),
        TableCell(Number(sum(times) if times else None, ",.0f", missing=DASH)),
        TableCell(Words(", ".join(sorted(devices)))),
    ]


def published_values(row: RowB | None) -> list[Value]:
    """GPUs, days, parameters, error of a row of Table B; dashes for None."""
    if row is None:
        return [Absent()] * 4
    words: list[Value] = [Words(text) if text else Absent() for text in (row.gpus, row.days)]
    return [*words, Number(row.params_millions, ".1f", missing=DASH), Number(row.error, ".2f", missing=DASH)]


def published_accuracies(runs: Sequence[Run]) -> list[Part]:
    """Table A: every published accuracy, and below it in small print what was measured here in native spaces.

    These are accuracies, too, whatever else the runs are measured by.
    """
    runs = by_accuracy(runs)
    known = table_a()
    tables = [block for block in blocks(runs) if not block.common]
    methods = (*known.columns, *known.beside)
    columns = [
        Column("dataset", "data set", left=True),
        *(Column(one.method, one.name, one.method) for one in methods),
        Column("here", "here", left=True),
    ]
    run_here = {run.record.dataset for run in runs}
    rows = [
        (
            TableCell(Words(name)),
            *(_accuracy(known.values.get((dataset, one.method)), tables, dataset, one.method) for one in methods),
            TableCell(Words("run" if dataset in run_here else known.not_run(dataset))),
        )
        for dataset, name in known.datasets.items()
    ]
    about = (
        f"Source of the published numbers: {known.source}. How: {known.what}. In small print what was measured here, "
        "with its profile and number of seeds: other budgets, and networks of another size."
    )
    remarks = (" ".join([about, *known.remarks]),)
    table = Table("Table A", f"{BESIDE}{known.title}", tuple(columns), tuple(rows), remarks=remarks)
    return [Heading(2, table.title), table]


def _accuracy(value: float | None, tables: Sequence[Block], dataset: str, method: str) -> TableCell:
    results = [one for block in tables for one in _results(block, dataset, method)]
    return TableCell(Number(value, ".2f", missing=DASH), asides=tuple(map(_in_words, results)))


def _in_words(result: MethodResult) -> str:
    settings = result.method.name.split(":")[1:]
    how = ", ".join([result.block.profile, result.block.budget, *settings])
    return f"{how}: {_own(result, 'no result')}"


def _own(result: MethodResult, missing: str) -> str:
    """Mean and spread in the own unit, with its name where that is no share in percent."""
    spread = Spread(result.own_mean, result.own_deviation, len(result.accuracies), missing)
    return spread.text if is_percent(result.unit) or result.mean is None else f"{spread.text} {result.unit.name}"
