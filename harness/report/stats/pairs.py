"""Which methods are compared with random search, their pairs with it, and which searches are one and the same.

The unit is the seed. The runs of a method with one seed draw the same random numbers on every data set, so their
differences from random search are not independent: over several data sets a seed counts once, with the mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.core.record import Run
from harness.report.model.groups import REFERENCE, ZERO_LINE, Block, MethodInSpace, accuracies, accuracy, is_tabular
from harness.report.model.numbers import listed
from harness.report.stats.tests import difference


def compared(block: Block) -> list[MethodInSpace]:
    """The methods that are compared with random search: all but the two that every space has, those whose rows are
    compared with none (:meth:`Block.alone`), and those whose searches are those of another one."""
    again = repeated(block)
    return [method for method in _comparable(block) if method not in again]


def _comparable(block: Block) -> list[MethodInSpace]:
    return [method for method in block.methods if method.name not in ZERO_LINE and not block.alone(method)]


def left_out(block: Block) -> dict[str, list[MethodInSpace]]:
    """By reason, the methods that :func:`compared` leaves out, besides the two that every space has."""
    alone = [method for method in block.methods if method.name not in ZERO_LINE and block.alone(method)]
    found: dict[str, list[MethodInSpace]] = {}
    if alone:
        found["trained otherwise, or several networks"] = alone
    for method, other in repeated(block).items():
        found.setdefault(f"tested as {block.heading(other)}, whose searches are the same", []).append(method)
    return found


def nothing_compared(block: Block) -> str:
    """Why no method of a table is compared with random search."""
    if left_out(block):
        return "the networks of all other rows were trained otherwise, or are several"
    return "only random sampling and random search were run"


def twins(block: Block) -> list[str]:
    """A sentence per method that stands for others whose searches are the same."""
    groups: dict[MethodInSpace, list[str]] = {}
    for method, other in repeated(block).items():
        groups.setdefault(other, []).append(block.heading(method))
    return [
        f"{listed([block.heading(other), *names])} are the same searches, with the same proposals at the same cost "
        f"under every seed that they share. They are tested once, as {block.heading(other)}."
        for other, names in groups.items()
    ]


def repeated(block: Block) -> dict[MethodInSpace, MethodInSpace]:
    """The methods whose searches are those of another one, with the one of them that has the most results.

    A method with settings that change nothing, say, or one that adds something only to what it is given.
    """
    groups: list[list[MethodInSpace]] = []
    for method in _comparable(block):
        same = next((group for group in groups if _same_proposals(block, group[0], method)), None)
        if same is None:
            groups.append([method])
        else:
            same.append(method)
    found = dict[MethodInSpace, MethodInSpace]()
    for group in groups:
        most = max(group, key=lambda method: sum(len(accuracies(block.runs_of(d, method))) for d in block.datasets))
        found |= {method: most for method in group if method != most}
    return found


def _same_proposals(block: Block, first: MethodInSpace, second: MethodInSpace) -> bool:
    """Whether two methods of one space did the same under every seed that they share, and share one with a result."""
    if first.space != second.space:
        return False
    ended = False
    for dataset in block.datasets:
        own, other = (
            {run.record.seed: run for run in block.runs_of(dataset, one) if run.record.status != "unsupported"}
            for one in (first, second)
        )
        for seed in own.keys() & other.keys():
            steps = [_proposals(own[seed]), _proposals(other[seed])]
            if steps[0] != steps[1]:
                return False
            ended = ended or steps[0] is not None
    return ended


def _proposals(run: Run) -> tuple[object, ...] | None:
    """What a search proposed when, and what came of it; None of a run without a result."""
    record = run.record
    way: list[object] = [(row["genotype"], row["spent"]) for row in run.proposals]
    if accuracy(record) is None:
        return None
    # Without its log, nobody knows which way a search has gone: it is like no other.
    return record.proposal, record.test_accuracy, record.search.get("charged"), *(way or [record.method])


def differences(block: Block, method: MethodInSpace, datasets: Sequence[str]) -> dict[int, float]:
    """By seed, accuracy minus that of random search in the same space, in points, as a mean over the data sets.

    A run that failed is worse than any result: the difference is infinite, and NaN if both failed. A run that is not
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
            found.setdefault(seed, []).append(difference(own[seed], other[seed]))
    return {seed: _mean(found[seed]) for seed in sorted(found)}


def _by_seed(runs: Sequence[Run]) -> dict[int, float]:
    """Accuracies in %, minus infinity for a failed run."""
    values = {run.record.seed: accuracy(run.record) for run in runs if run.record.status != "unsupported"}
    return {seed: -math.inf if value is None else 100 * value for seed, value in values.items()}


def _mean(values: Sequence[float]) -> float:
    """The mean where both have a result; with failures of one of them, what most of these say, NaN if nothing."""
    failed = sum(math.copysign(1, value) for value in values if math.isinf(value))
    if any(map(math.isinf, values)):
        return math.copysign(math.inf, failed) if failed else math.nan
    ended = [value for value in values if not math.isnan(value)]
    return math.fsum(ended) / len(ended) if ended else math.nan


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
