"""Published numbers that stand beside the measured ones. Data with sources; nothing is asserted against them.

Table A: test accuracies of five methods on six data sets, from the documentation of NNI. Table B: cost and error of
searches on CIFAR-10, from the paper on ENAS. The others are NAS-Bench-201's own comparison of methods.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from harness.core.errors import InputError
from harness.core.home import folder

DIRECTORY = folder("results/published")


@dataclass(frozen=True)
class PublishedValue:
    """A published accuracy.

    Args:
        value, deviation: in %; the deviation is None where none was published.
        remark: empty, or what to know about it.
        source: where it was published.
    """

    value: float
    deviation: float | None
    remark: str
    source: str

    def __str__(self) -> str:
        spread = "" if self.deviation is None else f" ± {self.deviation:.2f}"
        remark = f" ({self.remark})" if self.remark else ""
        return f"{self.value:.2f}{spread}{remark}"


@dataclass(frozen=True)
class MethodA:
    """A method of Table A.

    Args:
        name: as published, with its version where there are several systems of that name.
        method: name of the method here.
    """

    name: str
    method: str


@dataclass(frozen=True)
class TableA:
    """Test accuracy in % of five methods on six data sets.

    Args:
        title, what, source: what the table is, how it was measured, where it was published.
        remarks: what else the source says about it.
        columns: the methods.
        beside: methods of which nothing was published, and whose measurements stand beside the others.
        datasets: the published name of each data set, by its name here.
        values: % by (name of the data set here, name of the method here).
        needs: what a user has to bring for a data set, where it cannot be downloaded.
    """

    title: str
    what: str
    source: str
    remarks: tuple[str, ...]
    columns: tuple[MethodA, ...]
    beside: tuple[MethodA, ...]
    datasets: dict[str, str]
    values: dict[tuple[str, str], float]
    needs: dict[str, str]

    def not_run(self, dataset: str) -> str:
        """What to say of a data set that was not run here."""
        return f"not run; needs {self.needs[dataset]}" if dataset in self.needs else "not run"

    def column(self, method: str) -> MethodA | None:
        """The column of a method, if it has one."""
        name = stands_for(method)
        return next((column for column in self.columns if column.method == name), None)

    def value(self, dataset: str, method: str) -> PublishedValue | None:
        """The value of a method on a data set, both by their names here, if there is one."""
        column = self.column(method)
        value = self.values.get((dataset, column.method)) if column else None
        if value is None:
            return None
        return PublishedValue(value, None, "", self.source)


@dataclass(frozen=True)
class RowB:
    """A row of Table B; unpublished values are None.

    Args:
        name: the system, as published.
        search: the method here that searches as the system does, or None.
        network: the published network here (:mod:`harness.spaces.zoo`) that the system ended with, or None.
        gpus, days: of the search; texts, because some are ranges.
        params_millions, error: of the network; error in %.
        rebuilt: parameters of ``network`` as it is built here, at its published size.
        no_search, no_network: why there is no search here, and why its network cannot be built; or empty.
    """

    name: str
    search: str | None
    network: str | None
    gpus: str | None
    days: str | None
    params_millions: float | None
    error: float | None
    rebuilt: int | None = None
    no_search: str = ""
    no_network: str = ""

    @property
    def methods(self) -> tuple[str, ...]:
        """What can be run here for the system: its search, and ``published/NETWORK``."""
        return (*([self.search] if self.search else []), *([f"published/{self.network}"] if self.network else []))


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
        name = stands_for(method)
        return next((row for row in self.rows if name in row.methods and dataset == self.dataset), None)


@cache
def table_a() -> TableA:
    """Table A.

    Raises:
        InputError: the file is not there, which means that this is not a checkout.
    """
    raw = _read("table_a.json")
    columns = tuple(MethodA(**column) for column in raw["columns"])
    return TableA(
        title=raw["title"],
        what=raw["what"],
        source=raw["source"],
        remarks=tuple(raw["remarks"]),
        columns=columns,
        beside=tuple(MethodA(**column) for column in raw["beside"]),
        datasets={row["dataset"]: row["name"] for row in raw["rows"]},
        values={
            (row["dataset"], column.method): value
            for row in raw["rows"]
            for column, value in zip(columns, row["values"], strict=True)
        },
        needs={row["dataset"]: row["needs"] for row in raw["rows"] if "needs" in row},
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


@cache
def stands_for(method: str) -> str:
    """The name by which Tables A and B know a method of this project: without the settings that none of them names.

    ``darts:order=2`` is ``darts``, and ``nas_rl:filters=+:replicas=2`` is ``nas_rl:filters=+``.
    """
    base, *settings = method.split(":")
    rows = {name for row in table_b().rows for name in row.methods if name.partition(":")[0] == base}
    fitting = [name for name in rows if set(name.split(":")[1:]) <= set(settings)]
    return max(fitting, key=lambda name: (name.count(":"), name), default=base)


@dataclass(frozen=True)
class PublishedMean:
    """A published accuracy on a table: mean and standard deviation in %, and whether it could be read in a source."""

    mean: float
    deviation: float
    verified: bool

    def __str__(self) -> str:
        text = f"{self.mean:.2f} ± {self.deviation:.2f}"
        return text if self.verified else f"({text})"


@dataclass(frozen=True)
class BenchmarkTable:
    """A block of the published comparison on a tabular benchmark.

    Args:
        name: of the block.
        title, what, source, remarks: as in :class:`TableA`.
        profile: that follows its protocol; beside others it means nothing. Empty: none does.
        datasets: names here.
        rows: published name, name here (or None), and one value per data set.
    """

    name: str
    title: str
    what: str
    source: str
    remarks: tuple[str, ...]
    profile: str
    datasets: tuple[str, ...]
    rows: tuple[tuple[str, str | None, tuple[PublishedMean, ...]], ...]

    def value(self, profile: str, dataset: str, method: str) -> PublishedValue | None:
        """The published value of a method of this project under a profile, if there is one."""
        if profile != self.profile or dataset not in self.datasets:
            return None
        column = self.datasets.index(dataset)
        known = next((values[column] for _, own, values in self.rows if own == method), None)
        if known is None:
            return None
        return PublishedValue(known.mean, known.deviation, "" if known.verified else "from memory", self.source)


@cache
def nasbench201() -> tuple[BenchmarkTable, ...]:
    """NAS-Bench-201's comparison: without weight sharing, and with it, by what the normalisations go by.

    Raises:
        InputError: the file is not there, which means that this is not a checkout.
    """
    raw = _read("nasbench201.json")
    return tuple(
        BenchmarkTable(
            **{name: table[name] for name in ("name", "title", "what", "profile")},
            source=raw["source"],
            datasets=tuple(raw["datasets"]),
            remarks=tuple(table["remarks"]),
            rows=tuple(
                (row["name"], row["method"], tuple(PublishedMean(*value) for value in row["values"]))
                for row in table["rows"]
            ),
        )
        for table in raw["tables"]
    )


def published_on_tables(profile: str, dataset: str, method: str) -> PublishedValue | None:
    """The published value of a method of this project on a tabular benchmark under a profile, if there is one."""
    return next((value for table in nasbench201() if (value := table.value(profile, dataset, method))), None)


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
