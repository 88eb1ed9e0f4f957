"""The ``Table`` value: its shapes, and that every form prints all of it, with no words of the form's own."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from report_records import examples

from harness.report.forms.csv_files import tables_csv
from harness.report.forms.html import Links, _environment
from harness.report.forms.latex import tables_tex
from harness.report.forms.markdown import markdown
from harness.report.model.cost import cost_table
from harness.report.model.groups import blocks
from harness.report.model.performance import performance_table
from harness.report.model.table import Column, Lost, Table, TableCell
from harness.report.model.values import Absent, Evaluations, Improvement, Name, Number, Spread, Words


def html(table: Table) -> str:
    template = _environment().from_string('{% import "parts.html" as parts with context %}{{ parts.table(of) }}')
    return template.render(of=table, links=Links(Path("/out")))


def words(number: int) -> str:
    return f"word{number:03d}"


@pytest.fixture
def table() -> Table:
    """A table in which every text is another word."""
    columns = (
        Column("method", words(1), left=True),
        Column("plain", words(2)),
        Column("", words(3), group=words(4)),
        Column("more", words(5), group=words(4), aside=words(6) + " {}"),
    )
    rows = tuple(
        (
            TableCell(Name(words(10 * n), words(10 * n + 1), f"name{n}", f"space{n}")),
            TableCell(Number(1000.0 * n, ",.1f")),
            TableCell(Spread(10.0 + n, 0.5, 3), (Lost(2, "failed", 1),)),
            TableCell(Improvement(float(n), "", 3, 4)),
        )
        for n in (1, 2)
    )
    notes, remarks = (words(90), words(91)), (words(92), words(93))
    return Table(words(80), words(81), columns, rows, words(82), remarks, notes, {"profile": words(83)})


def texts(table: Table) -> set[str]:
    return set(re.findall(r"word\d+", repr(table)))


def test_every_form_prints_every_text_of_a_table(table: Table) -> None:
    nowhere = {words(80), words(83)}  # the name is for labels, the keys are for CSV
    title = {words(81)}
    reading = {words(82)}
    aside = {words(6)}
    printed = texts(table) - nowhere - aside
    assert printed - title - reading <= set(re.findall(r"word\d+", markdown([table])))
    assert printed <= set(re.findall(r"word\d+", tables_tex([table])))
    assert printed - title <= set(re.findall(r"word\d+", html(table)))
    assert words(6) in html(table.folded())
    assert f"tab:{words(80)}" in tables_tex([table])


def test_every_form_prints_the_same_numbers(table: Table) -> None:
    for number in ("1,000.0", "2,000.0", "2 failed [1]"):
        for text in (markdown([table]), tables_tex([table]), html(table)):
            assert number in text
    assert "11.00 ± 0.50 (3)" in markdown([table])
    assert "11.00 ± 0.50 (3)" in html(table)
    assert r"11.00 $\pm$ 0.50 (3)" in tables_tex([table])
    rows = list(csv.DictReader(io.StringIO(tables_csv([table]))))
    assert [(row["plain"], row["n"], row["mean"], row["std"], row["more"]) for row in rows] == [
        ("1000.0", "3", "11.0", "0.5", "1.0"),
        ("2000.0", "3", "12.0", "0.5", "2.0"),
    ]
    assert {(row["profile"], row["dataset"]) for row in rows} == {(words(83), words(4))}


def test_a_folded_table_has_a_column_per_group_and_loses_no_number(table: Table) -> None:
    folded = table.folded()
    assert [column.head for column in folded.columns] == [words(1), words(2), words(4)]
    assert folded.rows[0][2].asides == (f"{words(6)} +1.00",)
    assert folded.rows[0][2].lost == table.rows[0][2].lost


def test_a_transposed_table_has_the_same_cells(table: Table) -> None:
    turned = table.folded().transposed("corner")
    assert [column.head for column in turned.columns] == ["corner", words(10), words(20)]
    assert [row[0].text for row in turned.rows] == [words(2), words(4)]
    folded = table.folded()
    for r, row in enumerate(turned.rows):
        assert list(row[1:]) == [other[r + 1] for other in folded.rows]


def test_columns_in_which_nothing_is_known_are_left_out_only_if_they_may_be() -> None:
    columns = (Column("a", "a"), Column("b", "b", optional=True), Column("c", "c", wide=True), Column("d", "d"))
    unknown = Table("t", "t", columns, ((TableCell(Words("x")), *[TableCell(Absent())] * 3),))
    assert [column.key for column in unknown.filled().columns] == ["a", "c", "d"]
    assert [column.key for column in unknown.compact().columns] == ["a", "d"]
    assert [column.key for column in unknown.without("d").columns] == ["a", "b", "c"]
    known = Table("t", "t", columns, (*unknown.rows, tuple(TableCell(Words("x")) for _ in columns)))
    assert known.filled() == known


@pytest.mark.parametrize(
    ("value", "text", "number", "known"),
    [
        (Number(None), "not recorded", None, False),
        (Number(2_500_000.0, ".1f", 1e6), "2.5", 2.5, True),
        (Number(0.0), "0", 0.0, True),
        (Evaluations(9.0, 8.5), "9 (8.5)", 9.0, True),
        (Evaluations(9.0, None), "9 (not recorded)", 9.0, True),
        (Spread(None, None, 0), "", None, False),
        (Spread(90.0, None, 2), "90.00 (2)", 90.0, True),
        (Improvement(-0.001, "", 1, 2), "0.00 (1, 2)", -0.001, True),
        (Improvement(None, "no baseline"), "no baseline", None, False),
        (Absent(), "–", None, False),
    ],
)
def test_values_know_their_text_and_their_number(value, text, number, known) -> None:
    assert (value.text, value.number, value.known) == (text, number, known)
    assert (value.brief == "") == (not known)


def test_the_tables_of_the_report_have_a_cell_per_column() -> None:
    for block in blocks(examples()):
        for table in (performance_table(block), *(cost_table(block, dataset) for dataset in block.datasets)):
            for shape in (table, table.filled(), table.compact(), table.folded(), table.folded().transposed("")):
                assert {len(row) for row in shape.rows} == {len(shape.columns)}


def test_a_method_that_states_no_position_stands_behind_those_that_do() -> None:
    [block, *_] = blocks(examples())
    names = [method.name for method in block.methods]
    assert names[:2] == ["random_sampling", "random_search"]
    assert names[-1] == "autokeras", "whose record in these examples says nothing"


@pytest.mark.parametrize(("values", "once"), [((10.0, 10.0), True), ((10.0, 9.0), False), ((10.0, None), True)])
def test_what_is_the_same_in_all_rows_is_said_once(values: tuple[float | None, ...], once: bool) -> None:
    columns = (Column("method", "method"), Column("epochs", "epochs", group="a"), Column("other", "other", group="a"))
    rows = tuple((TableCell(Words("m")), TableCell(Number(one)), TableCell(Words("x"))) for one in values)
    made = Table("t", "t", columns, rows, remarks=("another",)).said_once("epochs", "for {} epochs")
    assert [column.key for column in made.columns] == ["method", *([] if once else ["epochs"]), "other"]
    assert made.remarks == (("for 10 epochs", "another") if once else ("another",))
    assert all(len(row) == len(made.columns) for row in made.rows)
