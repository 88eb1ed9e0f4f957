"""Pairs of a method and random search in the same space, and which data sets are look-ups of one search.

The unit is the seed. The runs of a method with one seed draw the same random numbers on every data set, so their
differences from random search are not independent: over several data sets a seed counts once, with the mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.core.record import Run
from harness.report.model.groups import REFERENCE, ZERO_LINE, Block, MethodInSpace, accuracy, is_tabular


def compared(block: Block) -> list[MethodInSpace]:
    """The methods that are compared with random search: all but the two that every space has, and but those whose final
    networks are larger, or trained otherwise, than the profile's."""
    return [method for method in block.methods if method.name not in ZERO_LINE and not block.extra(method)]


def differences(block: Block, method: MethodInSpace, datasets: Sequence[str]) -> dict[int, float]:
    """By seed, accuracy minus that of random search in the same space, in points, as a mean over the data sets.

    A run that failed is worse than any result: the difference is infinite, and 0 if both failed. A run that is not
    supported makes no pair. Empty without a common seed, or where random search was not run in that space.
    """
    reference = block.zero(REFERENCE, method.space)
    return {} if reference is None else between(block, method, reference, datasets)


def between(block: Block, first: MethodInSpace, second: MethodInSpace, datasets: Sequence[str]) -> dict[int, float]:
    """The same of any two methods: by seed, how much higher the accuracy of ``first`` is."""
    found: dict[int, list[float]] = {}
    for dataset in datasets:
        own, other = (_by_seed(block.runs_of(dataset, one)) for one in (first, second))
        for seed in own.keys() & other.keys():
            a, b = own[seed], other[seed]
            # Equal ones first: two failed runs have no difference that is a number.
            found.setdefault(seed, []).append(0.0 if a == b else a - b)
    return {seed: _mean(found[seed]) for seed in sorted(found)}


def _by_seed(runs: Sequence[Run]) -> dict[int, float]:
    """Accuracies in %, minus infinity for a failed run."""
    values = {run.record.seed: accuracy(run.record) for run in runs if run.record.status != "unsupported"}
    return {seed: -math.inf if value is None else 100 * value for seed, value in values.items()}


def _mean(values: Sequence[float]) -> float:
    """The mean; with failures, what most of them say: of either side as many are a tie."""
    failed = sum(math.copysign(1, value) for value in values if math.isinf(value))
    if any(map(math.isinf, values)):
        return math.copysign(math.inf, failed) if failed else 0.0
    return math.fsum(values) / len(values)


def failures(block: Block, method: MethodInSpace) -> int:
    """How many of a method's runs have failed."""
    runs = [run for dataset in block.datasets for run in block.runs_of(dataset, method)]
    return sum(accuracy(run.record) is None and run.record.status != "unsupported" for run in runs)


def searches(block: Block) -> list[tuple[str, ...]]:
    """The data sets of a table, those together that are look-ups of the same searches.

    On a table a search may be told one data set's accuracies and be scored on several. Then every seed of every method
    has the same proposal on all of them.
    """
    groups: list[list[str]] = []
    for dataset in block.datasets:
        same = next((group for group in groups if _same_searches(block, group[0], dataset)), None)
        if same is None:
            groups.append([dataset])
        else:
            same.append(dataset)
    return list(map(tuple, groups))


def _same_searches(block: Block, first: str, second: str) -> bool:
    told = [_searches_of(block, dataset) for dataset in (first, second)]
    common = told[0].keys() & told[1].keys()
    return bool(common) and all(told[0][key] == told[1][key] for key in common)


def _searches_of(block: Block, dataset: str) -> dict[tuple[MethodInSpace, int], tuple[object, ...]]:
    """What tells a search on a table from another, by method and seed; nothing of images and of failed runs."""
    return {
        (method, run.record.seed): (
            run.record.recipes.get("proxy", {}).get("signal"),
            # Of several that were handed over: each data set may have chosen another one.
            run.record.networks[0]["genotype"] if run.record.networks else run.record.proposal,
            run.record.search.get("charged"),
            run.record.search.get("evaluations"),
        )
        for method in block.methods
        for run in block.runs_of(dataset, method)
        if is_tabular(run.record) and accuracy(run.record) is not None
    }
