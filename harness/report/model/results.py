"""The results of one method on one data set as numbers, for every form that the report has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from harness.core.record import Run
from harness.report.model.groups import BASELINE, Block, MethodInSpace, accuracies, accuracy
from harness.report.model.literature import PublishedValue, RowB, nasbench201, table_a, table_b
from harness.report.model.numbers import MIN_SPREAD, deviation, mean, numbers

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
class MethodResult:
    """What is known of one method on one data set; every number is None where there is nothing to compute it from.

    Args:
        block, dataset, method: which method, and where.
        runs: its runs by seed; none, if it was not run.
    """

    block: Block
    dataset: str
    method: MethodInSpace
    runs: tuple[Run, ...]

    @property
    def title(self) -> str:
        """The method's title."""
        return self.block.heading(self.method)

    @property
    def label(self) -> str:
        """Method and data set in words."""
        return f"{self.title} on {self.dataset}"

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
        return deviation(self.accuracies) if len(self.accuracies) >= MIN_SPREAD else None

    @property
    def measure(self) -> str:
        """What the accuracy is: a table without test accuracies has another one."""
        scores = {str(run.record.recipes.get("final", {}).get("score", TEST)) for run in self.runs}
        return ", ".join(sorted(scores))

    def count(self, status: str) -> int:
        """How many runs ended so; an ``ok`` without a result counts as ``failed``."""
        if status == "failed":
            return len(self.runs) - len(self.accuracies) - self.count("unsupported")
        return sum(run.record.status == status for run in self.runs)

    def reasons(self) -> dict[tuple[str, str], list[int]]:
        """The seeds without a result, by status and reason."""
        seeds: dict[tuple[str, str], list[int]] = {}
        for run in self.runs:
            record = run.record
            if accuracy(record) is None:
                lost = record.status == "ok"
                reason = "the record says 'ok' but holds no test accuracy" if lost else record.reason
                status = "failed" if lost else record.status
                seeds.setdefault((status, reason or "no reason given"), []).append(record.seed)
        return seeds

    @staticmethod
    def seeds_text(seeds: Iterable[int]) -> str:
        """``seed 1``, ``seeds 1-3``."""
        text = numbers(seeds)
        return f"seed {text}" if text.isdigit() else f"seeds {text}"

    def cost(self, name: str) -> float | None:
        """The mean of one of :data:`COSTS` over :attr:`ended`."""
        values = [value for run in self.ended if (value := COSTS[name](run)) is not None]
        return mean(values) if values else None

    @cached_property
    def random(self) -> list[float]:
        """Accuracies of the random sampling that the method is compared with, on this data set."""
        other = baseline(self.block, self.method)
        return accuracies(self.block.runs_of(self.dataset, other)) if other else []

    @cached_property
    def improvement(self) -> float | None:
        """RI, the relative improvement over random sampling, in %; of random sampling itself there is none."""
        if self.method.name == BASELINE or not self.accuracies or not any(self.random):
            return None
        return relative_improvement(mean(self.accuracies), mean(self.random))

    @property
    def published(self) -> PublishedValue | None:
        """The published accuracy to stand beside this one: on a table, or where methods searched native spaces."""
        benchmark = nasbench201()
        known = benchmark.value(self.block.profile, self.dataset, self.method.name)
        if known is not None or self.block.common:
            return known
        return table_a().value(self.dataset, self.method.name)

    @property
    def published_cost(self) -> RowB | None:
        """The published row of Table B, likewise."""
        return None if self.block.common else table_b().row(self.dataset, self.method.name)


def result_of(block: Block, dataset: str, method: MethodInSpace) -> MethodResult:
    """The results of one method on one data set."""
    return MethodResult(block, dataset, method, block.runs_of(dataset, method))


def measures(block: Block, *datasets: str) -> list[str]:
    """One sentence per data set whose accuracies are no test accuracies."""
    sentences = []
    for dataset in datasets:
        words = {result.measure for method in block.methods if (result := result_of(block, dataset, method)).runs}
        if words - {TEST}:
            sentences.append(f"On {dataset}, accuracy is {', '.join(sorted(words))}: its table has no other.")
    return sentences


def baseline(block: Block, method: MethodInSpace) -> MethodInSpace | None:
    """The random sampling that a method is compared with: from its own space if that was run, else the first."""
    drawn = [other for other in block.methods if other.name == BASELINE]
    return next((other for other in drawn if other.space == method.space), drawn[0] if drawn else None)


def relative_improvement(accuracy: float, random: float) -> float:
    """100·(accuracy − random)/random, in %; ``random`` is not 0."""
    return 100 * (accuracy - random) / random
