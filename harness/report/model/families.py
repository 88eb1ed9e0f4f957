"""The page "families": the families of searches, the methods here that stand for each, and what they have brought."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.core.families import FAMILIES, Member
from harness.core.record import Run
from harness.report.model.groups import blocks
from harness.report.model.metrics import by_accuracy, is_percent
from harness.report.model.numbers import signed
from harness.report.model.results import MethodResult, result_of
from harness.report.model.table import NOT_RUN, Column, Fact, Facts, Heading, Part, Table, TableCell, Text
from harness.report.model.values import Absent, Words

_ABOUT = (
    "Thirteen families of searches. A method that belongs to several stands in each of them. Measured here: test "
    "accuracy in %, or a table's own number with its name, mean ± sample standard deviation (number of seeds), and RI, "
    "the relative improvement over random sampling in the same space. Accuracies of different spaces, profiles and "
    "budgets are no comparison of families."
)


def families(members: Sequence[Member], runs: Sequence[Run]) -> list[Part]:
    """The families and what they are, then a table with a row per family and method.

    Args:
        members: the methods that there are, run or not.
        runs: any runs; their accuracies count, whatever else they are measured by.
    """
    runs = by_accuracy(runs)
    told = Facts(tuple(Fact(name, ((what, ""),)) for name, what in FAMILIES.items()))
    results = [
        result_of(block, dataset, method)
        for block in blocks(runs)
        for dataset in block.datasets
        for method in block.methods
    ]
    rows = [row for family in FAMILIES for row in _rows(family, members, results)]
    columns = [Column(key, key, left=True) for key in ("family", "method", "title", "measured here")]
    table = Table("families", "Methods by family", tuple(columns), tuple(rows))
    return [Heading(1, "Families of methods"), Text(_ABOUT), told, table]


def _rows(family: str, members: Sequence[Member], results: Sequence[MethodResult]) -> Iterator[tuple[TableCell, ...]]:
    """One per method of a family; one that says so, if there is none."""
    own = [member for member in members if family in member.families]
    for member in own:
        measured = [_in_words(one) for one in results if one.runs and one.method.name.partition(":")[0] == member.name]
        cells = [Words(family), Words(member.name), Words(member.title)]
        yield (*map(TableCell, cells), TableCell(Words("; ".join(measured)) if measured else Absent(NOT_RUN)))
    if not own:
        yield (TableCell(Words(family)), *[TableCell(Absent("none here"))] * 3)


def _in_words(result: MethodResult) -> str:
    block = result.block
    settings = result.method.name.partition(":")[2]
    where = ", ".join(filter(None, [result.dataset, result.method.space, f"{block.profile} {block.budget}", settings]))
    if result.own_mean is None:
        return f"{where}: no result"
    spread = "" if result.own_deviation is None else f" ± {result.own_deviation:.2f}"
    gain = "" if result.improvement is None else f", RI {signed(result.improvement)}"
    unit = "" if is_percent(result.unit) else f" {result.unit.name}"
    return f"{where}: {result.own_mean:.2f}{spread} ({len(result.accuracies)}){unit}{gain}"
