"""A table as one value: built once from the records, rendered as markdown, CSV, LaTeX and HTML.

A cell holds a typed value (:mod:`harness.report.model.values`), the runs without a result, and the results that it was
computed from. Nothing here is escaped: each form escapes every text that it prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from harness.core.record import Run
from harness.report.model.results import MethodResult, share_of
from harness.report.model.values import Name, Spread, Value, Words

NOT_RUN = "not run"


@dataclass(frozen=True)
class Lost:
    """Runs of a cell without a result, all of one status and reason.

    Args:
        count, status: how many, and how they ended: ``failed`` or ``unsupported``.
        note: number of the table's note that has the reason.
    """

    count: int
    status: str
    note: int

    def __str__(self) -> str:
        return f"{self.count} {self.status} [{self.note}]"


@dataclass(frozen=True)
class Mark:
    """What has to be known about a number.

    Args:
        words: in short, as printed below the number.
        note: number of the table's note that says it in full.
    """

    words: str
    note: int

    def __str__(self) -> str:
        return f"{self.words} [{self.note}]"


@dataclass(frozen=True)
class TableCell:
    """A cell.

    Args:
        value: what it says.
        lost: the runs without a result.
        asides: what stands below it in small print.
        result: the runs that it was computed from; None for words and for published numbers.
        marks: what has to be known about the number.
    """

    value: Value
    lost: tuple[Lost, ...] = ()
    asides: tuple[str, ...] = ()
    result: MethodResult | None = None
    marks: tuple[Mark, ...] = ()

    @property
    def below(self) -> tuple[str, ...]:
        """The runs without a result and the marks, in words."""
        return (*map(str, self.lost), *map(str, self.marks))

    @property
    def text(self) -> str:
        """The value in words; ``not run`` where there is neither a value nor a run."""
        return self.value.text or ("" if self.lost else NOT_RUN)

    @property
    def known(self) -> bool:
        """Whether there is anything to say."""
        return self.value.known or bool(self.lost)

    def fields(self, key: str) -> dict[str, Any]:
        """What a program reads, by name; ``key`` is the column's."""
        values = self.value.fields(key)
        if self.result is not None and isinstance(self.value, Spread):
            lost = {status: self.result.count(status) for status in ("failed", "unsupported")}
            marked = {
                "capped": len(self.result.capped),
                "overrun": len(self.result.overrun),
                "not_blind": len(self.result.seen),
            }
            return {"measure": self.result.measure, **values, **lost, **marked}
        return values


@dataclass(frozen=True)
class Column:
    """A column.

    Args:
        key: its name for programs; begins the names of its fields in the CSV file.
        head, small: words above it, and a second line in small print.
        group: words above several neighbouring columns, which belong together.
        left: whether it holds words, which are aligned left.
        aside: for a column that may be folded into the first one of its group: how its value reads there, with ``{}``
            for the value.
        wide: whether the column is left out where there is little room: on paper and on the page.
        optional: whether the column is left out where no cell knows anything.
        timed: whether its numbers depend on the machine and the moment.
    """

    key: str
    head: str
    small: str = ""
    group: str = ""
    left: bool = False
    aside: str = ""
    wide: bool = False
    optional: bool = False
    timed: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        name: tells it from the other tables of a report, for labels.
        title: what it shows, with profile and budget where numbers were measured.
        columns, rows: rows have a cell per column; the first one is the row's head.
        reading: how to read the numbers; the same for every table of its kind.
        remarks: what holds for this table only, one paragraph each.
        notes: numbered remarks that cells refer to.
        keys: what all rows of the CSV file begin with.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    reading: str = ""
    remarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)

    def heads(self) -> list[str]:
        """The words above the columns; the first column of a group names the group."""
        before = ("", *(column.group for column in self.columns))
        return [
            f"{column.group}: {column.head}" if column.group and column.group != left else column.head
            for column, left in zip(self.columns, before, strict=False)
        ]

    def only(self, kept: Iterable[bool]) -> Table:
        """The table with the columns for which ``kept`` has True."""
        indices = [index for index, keep in enumerate(kept) if keep]
        columns = tuple(self.columns[index] for index in indices)
        return replace(self, columns=columns, rows=tuple(tuple(row[index] for index in indices) for row in self.rows))

    def without(self, *keys: str) -> Table:
        """The table without the columns of these keys."""
        return self.only(column.key not in keys for column in self.columns)

    def compact(self) -> Table:
        """The table without wide columns, and without optional ones in which nothing is known."""
        return self.only(not column.wide for column in self.columns).filled()

    def filled(self) -> Table:
        """The table without optional columns in which nothing is known."""
        return self.only(
            not column.optional or any(row[index].known for row in self.rows)
            for index, column in enumerate(self.columns)
        )

    def said_once(self, key: str, words: str) -> Table:
        """The table without the columns of this key, if what is known in them is one and the same: a remark says it.

        Args:
            key: of the columns.
            words: with a pair of braces for the text of the cells.
        """
        indices = [index for index, column in enumerate(self.columns) if column.key == key]
        texts = {row[index].value.text for row in self.rows for index in indices if row[index].known}
        if len(texts) != 1:
            return self
        return replace(self.without(key), remarks=(words.format(*texts), *self.remarks))

    def folded(self) -> Table:
        """Every group of columns as one, its first; the others become small print below it."""
        parts = [list(part) for _, part in groupby(enumerate(self.columns), key=lambda one: one[1].group or one[0])]
        columns = []
        for part in parts:
            first = part[0][1]
            alone = len(part) == 1 and not first.group
            columns.append(first if alone else replace(first, head=first.group, group=""))
        rows = tuple(tuple(_folded(part, row) for part in parts) for row in self.rows)
        return replace(self, columns=tuple(columns), rows=rows)

    def transposed(self, corner: str) -> Table:
        """Rows as columns; ``corner`` stands above the heads of the new rows."""
        heads = [row[0].value for row in self.rows]
        columns = [Column(head.text, head.text, head.small if isinstance(head, Name) else "") for head in heads]
        rows = [
            (TableCell(Words(column.head)), *(row[index] for row in self.rows))
            for index, column in enumerate(self.columns)
            if index
        ]
        return replace(self, columns=(Column("", corner, left=True), *columns), rows=tuple(rows))


def _folded(part: list[tuple[int, Column]], row: tuple[TableCell, ...]) -> TableCell:
    first, *others = part
    below = [column.aside.format(brief) for index, column in others if (brief := row[index].value.brief)]
    cell = row[first[0]]
    return replace(cell, asides=(*cell.asides, *below))


class Notes:
    """Numbered sentences below a table; the same sentence gets the same number."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    def number(self, note: str) -> int:
        """The number of ``note``, counted from 1."""
        if note not in self._notes:
            self._notes.append(note)
        return self._notes.index(note) + 1

    def all(self) -> tuple[str, ...]:
        """The notes in the order of their numbers."""
        return tuple(self._notes)

    def lost(self, result: MethodResult) -> tuple[Lost, ...]:
        """The runs without a result, by status and reason, which becomes a note."""
        return tuple(
            Lost(len(seeds), status, self.number(_why(result, status, reason, seeds)))
            for (status, reason), seeds in result.reasons().items()
        )

    def marks(self, result: MethodResult) -> tuple[Mark, ...]:
        """What has to be known about a number: that settings are not blind, a training was cut short, and the like."""
        marks = []
        if result.seen:
            marks.append(Mark("not blind", self.number(_SEEN)))
        if result.extra and result.runs:
            marks.append(Mark("other training", self.number(f"{result.label}: {_other(result.extra)}")))
        elif result.alone and result.runs:
            marks.append(Mark("several networks", self.number(f"{result.label}: {_SEVERAL}")))
        for words, runs, sentence in (
            ("capped", result.capped, _capped),
            ("over budget", result.overrun, _overrun),
        ):
            if runs:
                seeds = result.seeds_text(run.record.seed for run in runs)
                count = f"{len(runs)} " if len(result.runs) > 1 else ""
                marks.append(Mark(f"{count}{words}", self.number(f"{result.label}, {seeds}: {sentence(runs)}")))
        return tuple(marks)


def _why(result: MethodResult, status: str, reason: str, seeds: Sequence[int]) -> str:
    """A method that cannot work here says so whatever the seed, often in the words of others."""
    if status == "unsupported" and len(seeds) == len(result.runs):
        return f"{status}: {reason}"
    return f"{result.label}, {result.seeds_text(seeds)}: {status}: {reason}"


_EXTRAS = {
    "channels": "{:.3g} times as wide as the profile's",
    "more": "{:.0f} more filters in every layer (before the profile shrinks them)",
    "cutout": "cutout",
}


_SEEN = "Not blind: test results of this data set had been seen when the method's settings were made."
_SEVERAL = "its result is that of several networks together. It is compared with no single network."


def _other(extra: Mapping[str, float]) -> str:
    told = ", ".join(_EXTRAS.get(name, name + " {:g}").format(value) for name, value in extra.items())
    return f"its final network has besides the profile's recipe: {told}. It is compared with no other row."


def _capped(runs: Sequence[Run]) -> str:
    epochs = [float(run.record.final["epochs"]) for run in runs if "epochs" in run.record.final]
    done = f" after {_range(epochs, '.1f')} epochs" if epochs else ""
    return f"the cap in seconds ended the final training early{done}: less training than the other rows have."


def _overrun(runs: Sequence[Run]) -> str:
    return f"the search spent {_range([share_of(run.record) for run in runs], '.2f')} times its budget."


def _range(values: Sequence[float], form: str) -> str:
    low, high = (f"{end:{form}}" for end in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the document's own."""

    level: int
    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Fact:
    """An item of a list.

    Args:
        name: what the fact is about.
        values: each with a remark behind it, which may be empty.
        code: whether the values are command lines.
    """

    name: str
    values: tuple[tuple[str, str], ...]
    code: bool = False


@dataclass(frozen=True)
class Facts:
    """A list."""

    facts: tuple[Fact, ...]


Part = Heading | Text | Facts | Table
