"""The results of one method on one data set as numbers, for every form that the report has."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from harness.core.record import Record, Run
from harness.core.table import Measure
from harness.core.zero_line import RANDOM_SAMPLING
from harness.report.model.groups import (
    Block,
    MethodInSpace,
    accuracies,
    accuracy,
    devices,
    extra_of,
    is_ensemble,
    is_tabular,
)
from harness.report.model.literature import PublishedValue, RowB, published_on_tables, table_a, table_b
from harness.report.model.metrics import is_percent, measure_of, shown
from harness.report.model.numbers import MIN_SPREAD, deviation, listed, mean, numbers


def _simulated_wall(run: Run) -> float | None:
    """Simulated wall time of a search by several replicas, as a share of what it was charged; None if it had none."""
    wall, charged = (run.record.search.get(name) for name in ("planned_simulated_wall", "charged"))
    return wall / charged if isinstance(wall, int | float) and charged else None


def _search_macs(run: Run) -> float | None:
    """Multiply-accumulates of a search; 0 if its other counts say that it evaluated and trained nothing."""
    counts = run.record.search
    idle = counts.get("evaluations") == 0 and counts.get("steps") == 0
    return counts.get("macs", 0.0 if idle else None)


COSTS: Mapping[str, Callable[[Run], float | None]] = MappingProxyType(
    {
        "search_seconds": lambda run: run.record.search.get("seconds"),
        "device_seconds": lambda run: run.record.search.get("device_seconds"),
        "final_seconds": lambda run: run.record.final.get("seconds"),
        "simulated_wall": _simulated_wall,
        "search_macs": _search_macs,
        "epochs": lambda run: run.record.final.get("epochs"),
        "images_per_second": lambda run: run.record.final.get("images_per_second"),
        "latency": lambda run: run.record.final.get("latency"),
        "evaluations": lambda run: run.record.search.get("evaluations"),
        "unique": lambda run: run.record.search.get("unique"),
        "steps": lambda run: run.record.search.get("steps"),
        "parameters": lambda run: run.record.parameters,
        "macs": lambda run: run.record.macs,
    }
)
"""What a run cost, by the name of the column: of the search, of the final training, of the network; None if unknown."""

TEST = "test accuracy"
_APART = 1.96 * math.sqrt(2)
"""Standard deviations of a score that chance puts between two in 5 of 100 cases."""

_MOST_SAME = 6
"""So many times a table names methods that proposed the same network."""

OVERRUN = 1.05
"""A search that spent more than this share of its budget is marked."""


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

    @cached_property
    def unit(self) -> Measure:
        """What the numbers are and their unit; a test accuracy in percent where the runs do not agree on another."""
        known = {measure_of(run.record) for run in self.runs}
        return known.pop() if len(known) == 1 else Measure(", ".join(sorted(measure.name for measure in known)) or TEST)

    @property
    def measure(self) -> str:
        """The name of :attr:`unit`: a table without test accuracies has another number."""
        return self.unit.name

    @property
    def own_mean(self) -> float | None:
        """Mean in the own unit."""
        return None if self.mean is None else shown(self.unit, self.mean)

    @property
    def own_deviation(self) -> float | None:
        """Standard deviation in the own unit."""
        if self.deviation is None or is_percent(self.unit):
            return self.deviation
        return self.deviation * abs(self.unit.best - self.unit.worst) / 100

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

    @property
    def capped(self) -> tuple[Run, ...]:
        """The runs with a result whose final training was ended by the cap in seconds, before its epochs were done."""
        return tuple(run for run in self.runs if accuracies([run]) and run.record.final.get("capped"))

    @property
    def extra(self) -> dict[str, float]:
        """What the final trainings have besides the profile's recipe."""
        return self.block.extra(self.method)

    @property
    def alone(self) -> bool:
        """Whether the row is compared with no other."""
        return self.block.alone(self.method)

    @property
    def seen(self) -> tuple[Run, ...]:
        """The runs with a result whose method's settings were made when test results of the data set had been seen."""
        return tuple(run for run in self.runs if run.record.seen and accuracies([run]))

    @property
    def overrun(self) -> tuple[Run, ...]:
        """The runs whose search spent more than :data:`OVERRUN` of its budget."""
        return tuple(run for run in self.runs if share_of(run.record) > OVERRUN)

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
        """Accuracies of random sampling in the method's space, on this data set."""
        other = self.block.zero(RANDOM_SAMPLING, self.method.space)
        return accuracies(self.block.runs_of(self.dataset, other)) if other else []

    @cached_property
    def improvement(self) -> float | None:
        """RI, the relative improvement over random sampling, in %; of random sampling itself there is none."""
        if self.method.name == RANDOM_SAMPLING or self.alone or not self.accuracies or not any(self.random):
            return None
        own, random = (shown(self.unit, mean(values)) for values in (self.accuracies, self.random))
        if not random:
            return None
        return relative_improvement(own, random) * (1 if self.unit.goal == "max" else -1)

    @property
    def published(self) -> PublishedValue | None:
        """The published accuracy to stand beside this one: on a table, or where methods searched native spaces."""
        if not any(is_tabular(run.record) for run in self.runs) and self.measure != TEST:
            return None
        known = published_on_tables(self.block.profile, self.dataset, self.method.name)
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


def unsupported(block: Block, *datasets: str) -> dict[MethodInSpace, str]:
    """The methods that support none of their runs on these data sets (on all, if none are named), with a reason."""
    found = {}
    for method in block.methods:
        runs = [run for dataset in datasets or block.datasets for run in block.runs_of(dataset, method)]
        if runs and all(run.record.status == "unsupported" for run in runs):
            found[method] = runs[0].record.reason or "no reason given"
    return found


def measures(block: Block, *datasets: str) -> list[str]:
    """One sentence per data set whose accuracies are no test accuracies."""
    sentences = []
    for dataset in datasets:
        results = [result for method in block.methods if (result := result_of(block, dataset, method)).runs]
        words = {result.measure for result in results}
        for unit in sorted({result.unit for result in results if not is_percent(result.unit)}, key=lambda u: u.name):
            better, what = "less" if unit.goal == "min" else "more", f"{unit.name} in {unit.unit}"
            sentences.append(
                f"On {dataset}, the numbers are {what.removesuffix(' in ')}; {better} is better. "
                f"Points, differences and ranks are those of {unit.words()}."
            )
        tabular = any(is_tabular(run.record) for result in results for run in result.runs)
        if words - {TEST} and all(is_percent(result.unit) for result in results):
            why = ": its table has no other" if tabular else ", from the stored predictions"
            sentences.append(f"On {dataset}, accuracy is {', '.join(sorted(words))}{why}.")
    return sentences


def title_of_measure(block: Block) -> str:
    """What the numbers of a table are, as a title: ``Test accuracy`` unless all of them are something else."""
    words = {measure_of(run.record).name for run in block.runs if run.record.status == "ok"}
    tabular = all(is_tabular(run.record) and "measure" not in run.record.recipes["final"] for run in block.runs)
    name = words.pop() if len(words) == 1 and not tabular else TEST
    return name[:1].upper() + name[1:]


def own_values(runs: Iterable[Run]) -> list[float]:
    """The results of the runs that have one, each in its own unit."""
    return [shown(measure_of(run.record), value) for run in runs for value in accuracies([run])]


def axis_of(block: Block, dataset: str) -> str:
    """What the results of a table are, with the unit, for an axis."""
    units = {measure_of(run.record) for run in block.runs if run.record.dataset == dataset and accuracies([run])}
    return " or ".join(sorted(f"{one.name} ({one.unit})".removesuffix(" ()") for one in units)) or f"{TEST} (%)"


def share_of(record: Record) -> float:
    """What a search spent, as a share of its budget; 0 where that was not recorded."""
    stated = record.search.get("overrun", record.search.get("share"))
    return 0.0 if stated is None else float(stated)


def mixed_devices(block: Block) -> list[str]:
    """One sentence, if runs whose work the clock limits were made on several kinds of device."""
    kinds = devices(block)
    if len(kinds) < 2:
        return []
    told = ", ".join(f"{name} ({count} run{'s' if count > 1 else ''})" for name, count in kinds.items())
    return [f"Several devices: {told}. Equal seconds are not equal work on them: do not compare runs across devices."]


def not_blind(block: Block) -> list[str]:
    """One sentence, if test results of the data had been seen before settings of a method were made."""
    pairs = [(dataset, method) for dataset in block.datasets for method in block.methods]
    seen = dict.fromkeys(block.heading(method) for dataset, method in pairs if result_of(block, dataset, method).seen)
    if not seen:
        return []
    why = "test results of the data had been seen when their settings were made"
    return [f"Not blind, because {why}: {listed(list(seen))}."]


def fixed_trainings(block: Block) -> list[str]:
    """One or two sentences, if the networks of a table were trained once and for all: no seed tells their chance."""
    if not all(is_tabular(run.record) for run in block.runs):
        return []
    told = (
        "Seeds are of searches: the trainings behind a table are the same for all of them, and their chance is in no "
        "interval."
    )
    apart = {
        run.record.dataset: f"{100 * _APART * run.record.final['noise']:.2f}"
        for run in block.runs
        if "noise" in run.record.final and is_percent(measure_of(run.record))
    }
    if not apart:
        return [told]
    points = listed([f"at least {points} points ({dataset})" for dataset, points in apart.items()])
    return [f"{told} Two networks of the table differ beyond chance if their scores are {points} apart."]


def several_trained(block: Block) -> list[str]:
    """One sentence, if the best proposals of each search were trained finally and one of them was chosen."""
    if block.top == 1:
        return []
    trained = "" if all(is_tabular(run.record) for run in block.runs) else ", without the validation images"
    return [
        f"Of each search the best {block.top} proposals by its own signal were trained finally{trained}, fewer where "
        "it had fewer; the number is that of the one with the best validation accuracy. Each of them is in the run's "
        "record, under networks."
    ]


def ensembles(block: Block) -> list[str]:
    """One sentence, if the result of a method is several networks: their costs are sums."""
    sizes: dict[str, set[int]] = {}
    for run in block.runs:
        if is_ensemble(run.record):
            sizes.setdefault(run.record.title, set()).add(len(run.record.networks))
    if not sizes:
        return []
    told = ", ".join(f"{title} ({'/'.join(map(str, sorted(many)))} networks)" for title, many in sorted(sizes.items()))
    return [
        f"Ensembles, whose members' probabilities are averaged: {told}. Their parameters, MACs, steps and seconds are "
        "those of all members together. They are compared with no single network: there is no RI and no test."
    ]


def same_networks(block: Block) -> list[str]:
    """One sentence, if methods of one space proposed the very same network with the same seed; nothing of tables."""
    proposed: dict[tuple[str, str, int, str, str], list[str]] = {}
    for run in block.runs:
        record = run.record
        if record.proposal and accuracy(record) is not None and not is_tabular(record):
            extra = str(sorted(extra_of(record).items()))
            key = (record.dataset, record.space, record.seed, record.proposal, extra)
            proposed.setdefault(key, []).append(record.title)
    told = [
        f"{', '.join((dataset, *(() if block.common else (space,)), f'seed {seed}'))}: {', '.join(titles)}"
        for (dataset, space, seed, *_), titles in sorted(proposed.items())
        if len(titles) > 1
    ]
    if not told:
        return []
    more = f"; and {len(told) - _MOST_SAME} times more" if len(told) > _MOST_SAME else ""
    return [
        "The very same network was proposed by several methods (those that begin with random architectures draw the "
        f"same ones with the same seed): {'; '.join(told[:_MOST_SAME])}{more}."
    ]


def averaged_images(block: Block) -> list[str]:
    """One sentence, if a profile has made a data set's images smaller."""
    averaged = [run for run in block.runs if "averaged" in run.record.recipes.get("images", {})]
    runs = Counter(run.record.dataset for run in block.runs)
    sizes = Counter((run.record.dataset, *run.record.recipes["images"]["averaged"]) for run in averaged)
    told = ", ".join(
        f"{dataset} to {height}x{width}" + (f" ({many} of {runs[dataset]} runs)" if many < runs[dataset] else "")
        for (dataset, height, width), many in sorted(sizes.items())
    )
    return [f"Larger images were averaged, for training and for the test alike: {told} pixels."] if told else []


def relative_improvement(accuracy: float, random: float) -> float:
    """100·(accuracy − random)/random, in %; ``random`` is not 0."""
    return 100 * (accuracy - random) / random
