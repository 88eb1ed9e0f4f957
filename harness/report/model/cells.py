"""A cell of the tables as numbers: one method on one data set, for every form that the report has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from harness.core.record import Run
from harness.report.forms.text import deviation, mean
from harness.report.model.groups import BASELINE, Block, Column, accuracies
from harness.report.model.published import RowB, nasbench201, table_a, table_b

COSTS: Mapping[str, Callable[[Run], float | None]] = MappingProxyType(
    {
        "search_seconds": lambda run: run.record.search.get("seconds"),
        "final_seconds": lambda run: run.record.final.get("seconds"),
        "evaluations": lambda run: run.record.search.get("evaluations"),
        "unique": lambda run: run.record.search.get("unique"),
        "steps": lambda run: run.record.search.get("steps"),
        "parameters": lambda run: run.record.parameters,
        "macs": lambda run: run.record.macs,
    }
)
"""What a run cost, by the name of the column: of the search, of the final training, of the network; None if unknown."""

TEST = "test accuracy"


@dataclass(frozen=True)
class Published:
    """A published accuracy.

    Args:
        value, deviation: in %; the deviation is None where none was published.
        remark: empty, or what to know about it: the system that was measured, where it is another one than here.
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
class Cell:
    """What is known of one method on one data set; every number is None where there is nothing to compute it from.

    Args:
        block, dataset, place: which cell.
        runs: its runs by seed; none, if it was not run.
    """

    block: Block
    dataset: str
    place: Column
    runs: tuple[Run, ...]

    @cached_property
    def accuracies(self) -> list[float]:
        """Test accuracies in % of the runs that have one."""
        return accuracies(self.runs)

    @property
    def ended(self) -> tuple[Run, ...]:
        """The runs with a result, or all runs where none has one: what the costs are told of."""
        return tuple(run for run in self.runs if accuracies([run])) or self.runs

    @property
    def mean(self) -> float | None:
        """Mean accuracy in %."""
        return mean(self.accuracies) if self.accuracies else None

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation in points, from three runs on."""
        return deviation(self.accuracies) if len(self.accuracies) >= 3 else None

    @property
    def measure(self) -> str:
        """What the accuracy is: of a table without test accuracies it is another one."""
        scores = {str(run.record.recipes.get("final", {}).get("score", TEST)) for run in self.runs}
        return ", ".join(sorted(scores))

    def count(self, status: str) -> int:
        """How many runs ended so; an ``ok`` without a result counts as ``failed``."""
        if status == "failed":
            return len(self.runs) - len(self.accuracies) - self.count("unsupported")
        return sum(run.record.status == status for run in self.runs)

    def cost(self, name: str) -> float | None:
        """The mean of one of :data:`COSTS` over :attr:`ended`."""
        values = [value for run in self.ended if (value := COSTS[name](run)) is not None]
        return mean(values) if values else None

    @cached_property
    def improvement(self) -> float | None:
        """RI, the relative improvement over random sampling, in %; of random sampling itself there is none."""
        place = baseline(self.block, self.place)
        if place is None or self.place.method == BASELINE:
            return None
        random = accuracies(self.block.cell(self.dataset, place))
        return relative_improvement(mean(self.accuracies), mean(random)) if self.accuracies and any(random) else None

    @property
    def published(self) -> Published | None:
        """The published accuracy to stand beside this one: on a table, or where methods searched native spaces."""
        looked = nasbench201().value(self.block.profile, self.dataset, self.place.method)
        if looked is not None:
            remark = "" if looked.verified else "from memory"
            return Published(looked.mean, looked.deviation, remark, nasbench201().source)
        column = table_a().column(self.place.method)
        value = table_a().values.get((self.dataset, self.place.method))
        if self.block.common or column is None or value is None:
            return None
        return Published(value, None, column.name if column.other_system else "", table_a().source)

    @property
    def published_cost(self) -> RowB | None:
        """The published row of Table B, likewise."""
        return None if self.block.common else table_b().row(self.dataset, self.place.method)


def cell(block: Block, dataset: str, place: Column) -> Cell:
    """One cell of a table."""
    return Cell(block, dataset, place, block.cell(dataset, place))


def cells(block: Block) -> list[Cell]:
    """All cells of a table, data set by data set, those that were not run included."""
    return [cell(block, dataset, place) for dataset in block.datasets for place in block.columns]


def measures(block: Block, *datasets: str) -> list[str]:
    """One sentence per data set whose accuracies are no test accuracies."""
    found = {dataset: {c.measure for c in cells(block) if c.runs and c.dataset == dataset} for dataset in datasets}
    return [
        f"On {dataset}, accuracy is {', '.join(sorted(words))}: its table has no other."
        for dataset, words in found.items()
        if words - {TEST}
    ]


def baseline(block: Block, place: Column) -> Column | None:
    """The random sampling that a method is compared with: from its own space if that was run, else the first."""
    found = [column for column in block.columns if column.method == BASELINE]
    return next((column for column in found if column.space == place.space), found[0] if found else None)


def relative_improvement(accuracy: float, random: float) -> float:
    """100·(accuracy − random)/random, in %; ``random`` is not 0."""
    return 100 * (accuracy - random) / random
