"""The published tables that stand beside the measured ones. Data with sources; nothing is asserted against them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from harness.core.errors import InputError
from harness.core.home import folder

DIRECTORY = folder("results/published")


@dataclass(frozen=True)
class Column:
    """A method of Table A.

    Args:
        name: as published, with its version where the published system is another one than the measured.
        method: name of the method here; it may not exist here.
        other_system: empty, or how the published system differs from the one measured here.
    """

    name: str
    method: str
    other_system: str


@dataclass(frozen=True)
class TableA:
    """Test accuracy in % of five methods on six data sets.

    Args:
        title, what, source: what the table is, how it was measured, where it was published.
        remarks: what else the source says about it.
        columns: the methods.
        datasets: the published name of each data set, by its name here.
        values: % by (name of the data set here, name of the method here).
    """

    title: str
    what: str
    source: str
    remarks: tuple[str, ...]
    columns: tuple[Column, ...]
    datasets: dict[str, str]
    values: dict[tuple[str, str], float]

    def column(self, method: str) -> Column | None:
        """The column of a method, if it has one."""
        return next((column for column in self.columns if column.method == method), None)


@dataclass(frozen=True)
class RowB:
    """A row of Table B; ``method`` is the method's name here or None, unpublished values are None.

    ``gpus`` and ``days`` are texts because some are ranges; ``params_millions`` in millions, ``error`` in %.
    """

    name: str
    method: str | None
    gpus: str | None
    days: str | None
    params_millions: float | None
    error: float | None

    def texts(self) -> tuple[str, str, str, str]:
        """GPUs, days, parameters in millions, error in %; a dash where nothing was published."""
        parameters = "–" if self.params_millions is None else f"{self.params_millions:.1f}"
        error = "–" if self.error is None else f"{self.error:.2f}"
        return self.gpus or "–", self.days or "–", parameters, error


@dataclass(frozen=True)
class TableB:
    """GPUs, days, parameters and test error on one data set, CIFAR-10."""

    title: str
    what: str
    source: str
    dataset: str
    rows: tuple[RowB, ...]

    def row(self, dataset: str, method: str) -> RowB | None:
        """The row of a method of this project on a data set, if there is one."""
        return next((row for row in self.rows if row.method == method and dataset == self.dataset), None)


@cache
def table_a() -> TableA:
    """Table A.

    Raises:
        InputError: the file is not there, which means that this is not a checkout.
    """
    raw = _read("table_a.json")
    columns = tuple(Column(**column) for column in raw["columns"])
    return TableA(
        title=raw["title"],
        what=raw["what"],
        source=raw["source"],
        remarks=tuple(raw["remarks"]),
        columns=columns,
        datasets={row["dataset"]: row["name"] for row in raw["rows"]},
        values={
            (row["dataset"], column.method): value
            for row in raw["rows"]
            for column, value in zip(columns, row["values"], strict=True)
        },
    )


@cache
def table_b() -> TableB:
    """Table B.

    Raises:
        InputError: the file is not there, which means that this is not a checkout.
    """
    raw = _read("table_b.json")
    rows = tuple(RowB(**row) for row in raw["rows"])
    return TableB(title=raw["title"], what=raw["what"], source=raw["source"], dataset=raw["dataset"], rows=rows)


@dataclass(frozen=True)
class Looked:
    """A published accuracy on a table: mean and standard deviation in %, and whether it could be read in a source."""

    mean: float
    deviation: float
    verified: bool

    def __str__(self) -> str:
        text = f"{self.mean:.2f} ± {self.deviation:.2f}"
        return text if self.verified else f"({text})"


@dataclass(frozen=True)
class TabularTable:
    """Published comparison on a tabular benchmark.

    Args:
        title, what, source, remarks: as in :class:`TableA`.
        profile: that follows its protocol; beside others it means nothing.
        datasets: names here.
        rows: published name, name here (or None), and one value per data set.
    """

    title: str
    what: str
    source: str
    remarks: tuple[str, ...]
    profile: str
    datasets: tuple[str, ...]
    rows: tuple[tuple[str, str | None, tuple[Looked, ...]], ...]

    def value(self, profile: str, dataset: str, method: str) -> Looked | None:
        """The published value of a method of this project under a profile, if there is one."""
        if profile != self.profile or dataset not in self.datasets:
            return None
        place = self.datasets.index(dataset)
        return next((values[place] for _, own, values in self.rows if own == method), None)


@cache
def nasbench201() -> TabularTable:
    """NAS-Bench-201's comparison.

    Raises:
        InputError: the file is not there, which means that this is not a checkout.
    """
    raw = _read("nasbench201.json")
    rows = tuple((row["name"], row["method"], tuple(Looked(*value) for value in row["values"])) for row in raw["rows"])
    facts = {name: raw[name] for name in ("title", "what", "source", "profile")}
    return TabularTable(remarks=tuple(raw["remarks"]), datasets=tuple(raw["datasets"]), rows=rows, **facts)


def _read(name: str) -> dict[str, Any]:
    path = DIRECTORY / name
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(
            f"the published numbers in results/published/{name} cannot be read ({error}); run from a checkout, "
            "installed with 'pip install -e .'"
        ) from error
    return raw
