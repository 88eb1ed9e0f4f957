"""Which methods are compared with random search, their pairs with it, and which searches are one and the same.

The unit is the seed. The runs of a method with one seed draw the same random numbers on every data set, so their
differences from random search are not independent: over several data sets a seed counts once, with the mean. A seed
that has runs on some of the data sets only is no pair: means over different data sets are no sample of one thing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.core.record import Run
from harness.core.zero_line import RANDOM_SEARCH, ZERO_LINE
from harness.report.model.groups import Block, MethodInSpace, accuracies, accuracy, is_tabular
from harness.report.model.numbers import listed
from harness.report.stats.inference import difference

ALIKE, ALIKE_BLIND = 3, 20
"""Fewest common runs with a result from which a method may be called random search itself: where their evaluations are
logged, and where only their proposals are, which two searches may share by chance in most of their runs."""


def compared(block: Block) -> list[MethodInSpace]:
    """The methods that are compared with random search: all but the two that every space has, those whose rows are
    compared with none (:meth:`Block.alone`), and those whose searches are those of another one or of random search."""
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
        itself = other.name == RANDOM_SEARCH
        why = _ITSELF if itself else f"tested as {block.heading(other)}, whose searches are the same"
        found.setdefault(why, []).append(method)
    return found


_ITSELF = "random search itself at this budget"


def nothing_compared(block: Block) -> str:
    """Why no method of a table is compared with random search."""
    reasons = left_out(block)
    if not reasons:
        return "only random sampling and random search were run"
    told = [
        (listed([block.heading(one) for one in out]), "is" if len(out) == 1 else "are", why)
        for why, out in reasons.items()
    ]
    return "; ".join(f"{names} {verb} left out ({why})" for names, verb, why in told)


def twins(block: Block) -> list[str]:
    """A sentence per method, or random search, that stands for others whose searches are the same."""
    groups: dict[MethodInSpace, list[str]] = {}
    for method, other in repeated(block).items():
        groups.setdefault(other, []).append(block.heading(method))
    sentences = []
    for other, names in groups.items():
        how = "with the same proposals at the same cost under every seed that they share"
        if other.name == RANDOM_SEARCH:
            verb = "is" if len(names) == 1 else "are"
            sentences.append(f"{listed(names)} {verb} {_ITSELF}, {how}. Not tested.")
            continue
        sentences.append(
            f"{listed([block.heading(other), *names])} are the same searches, {how}. They are tested once, as "
            f"{block.heading(other)}."
        )
    return sentences


def repeated(block: Block) -> dict[MethodInSpace, MethodInSpace]:
    """The methods whose searches are those of another one, with the one of them that has the most results.

    A method with settings that change nothing, say, or one that adds something only to what it is given. At budgets of
    a few children some methods still draw at random: they are random search itself, which then stands for them.
    """
    groups = [[one] for space in block.spaces if (one := block.zero(RANDOM_SEARCH, space))]
    for method in _comparable(block):
        same = next((group for group in groups if _same_proposals(block, group[0], method)), None)
        if same is None:
            groups.append([method])
        else:
            same.append(method)
    found = dict[MethodInSpace, MethodInSpace]()
    for group in groups:
        most = max(group, key=lambda method: sum(len(accuracies(block.runs_of(d, method))) for d in block.datasets))
        stands = group[0] if group[0].name == RANDOM_SEARCH else most
        found |= {method: stands for method in group if method != stands}
    return found


def _same_proposals(block: Block, first: MethodInSpace, second: MethodInSpace) -> bool:
    """Whether two methods of one space did the same under every seed that they share, and share one with a result.

    With random search they share several, see :data:`ALIKE`: the best of a search that learns is one of its first,
    random architectures now and then.
    """
    if first.space != second.space:
        return False
    ended, logged = 0, True
    for dataset in block.datasets:
        own, other = (
            {run.record.seed: run for run in block.runs_of(dataset, one) if run.record.status != "unsupported"}
            for one in (first, second)
        )
        for seed in own.keys() & other.keys():
            steps = [_proposals(own[seed]), _proposals(other[seed])]
            if steps[0] != steps[1]:
                return False
            ended += steps[0] is not None
            logged = logged and bool(own[seed].evaluations)
    if first.name != RANDOM_SEARCH:
        return ended > 0
    return ended >= (ALIKE if logged else ALIKE_BLIND)


def _proposals(run: Run) -> tuple[object, ...] | None:
    """What a search proposed when, and what came of it; None of a run without a result."""
    record = run.record
    way: list[object] = [(row["genotype"], row["spent"]) for row in run.proposals]
    tried = [row["genotype"] for row in run.evaluations]
    if accuracy(record) is None:
        return None
    # Without its log, nobody knows which way a search has gone: it is like no other.
    spent = [record.search.get(name) for name in ("charged", "evaluations", "unique")]
    return record.proposal, record.test_accuracy, *spent, *tried, *(way or [record.method])


@dataclass(frozen=True)
class Pairs:
    """Two methods, seed by seed.

    Args:
        differences: by seed, how much higher the accuracy of the first is, in points, as a mean over ``datasets``. A
            run that failed is worse than any result: the difference is infinite, and NaN if both failed.
        datasets: those on which both were run and supported.
        partial: how many seeds have pairs on some of these data sets only, and are left out.
        failed: by outcome of a pair (``lost``, ``won``, ``void``), the data sets on which failures have made it so.
    """

    differences: dict[int, float]
    datasets: tuple[str, ...]
    partial: int
    failed: Mapping[str, tuple[str, ...]]

    @property
    def values(self) -> tuple[float, ...]:
        """The differences, by seed."""
        return tuple(self.differences.values())

    @property
    def lost(self) -> int:
        """Pairs that the first has lost because it failed."""
        return sum(map(_DECIDED["lost"], self.values))

    @property
    def won(self) -> int:
        """Pairs that it has won because the second failed."""
        return sum(map(_DECIDED["won"], self.values))

    @property
    def void(self) -> int:
        """Pairs of which nothing can be told, because both have failed equally often."""
        return sum(map(_DECIDED["void"], self.values))


NO_PAIRS = Pairs({}, (), 0, {})


def with_random_search(block: Block, method: MethodInSpace, datasets: Sequence[str]) -> Pairs:
    """The pairs of a method with random search in the same space; without any where that was not run there."""
    reference = block.zero(RANDOM_SEARCH, method.space)
    return NO_PAIRS if reference is None else between(block, method, reference, datasets)


def between(block: Block, first: MethodInSpace, second: MethodInSpace, datasets: Sequence[str]) -> Pairs:
    """The pairs of two methods, see :class:`Pairs`; a run that is not supported makes none."""
    values: dict[str, dict[int, float]] = {}
    for dataset in datasets:
        own, other = (_by_seed(block.runs_of(dataset, one)) for one in (first, second))
        if own and other:
            values[dataset] = {seed: difference(own[seed], other[seed]) for seed in own.keys() & other.keys()}
    seeds = sorted(set().union(*values.values()))
    whole = [seed for seed in seeds if all(seed in one for one in values.values())]
    means = {seed: _mean([one[seed] for one in values.values()]) for seed in whole}
    failed = {
        outcome: tuple(
            name
            for name, one in values.items()
            if any(is_it(mean) and _speaks(one[seed], mean) for seed, mean in means.items())
        )
        for outcome, is_it in _DECIDED.items()
    }
    return Pairs(means, tuple(values), len(seeds) - len(whole), failed)


_DECIDED: Mapping[str, Callable[[float], bool]] = {
    "lost": lambda difference: difference == -math.inf,
    "won": lambda difference: difference == math.inf,
    "void": math.isnan,
}
"""Which differences are those of pairs that failed runs have decided."""


def _speaks(difference: float, mean: float) -> bool:
    """Whether failures on one data set made the pair what it is: a void one was made so by those of both sides."""
    return difference == mean or (math.isnan(mean) and not math.isfinite(difference))


def _by_seed(runs: Sequence[Run]) -> dict[int, float]:
    """Accuracies in %, minus infinity for a failed run."""
    values = {run.record.seed: accuracy(run.record) for run in runs if run.record.status != "unsupported"}
    return {seed: -math.inf if value is None else 100 * value for seed, value in values.items()}


def _mean(values: Sequence[float]) -> float:
    """The mean where both have a result on all data sets; else what most failures say, NaN if nothing."""
    failed = sum(math.copysign(1, value) for value in values if math.isinf(value))
    if not all(map(math.isfinite, values)):
        return math.copysign(math.inf, failed) if failed else math.nan
    return math.fsum(values) / len(values)


def failures(block: Block, method: MethodInSpace) -> int:
    """How many of a method's runs have failed, in pairs or not."""
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
