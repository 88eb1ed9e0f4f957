"""``statistics.md``: what the numbers of the tables support, per table of the report.

A pure function of the records, like the tables. docs/statistics.md says which test is used why.
"""

from __future__ import annotations

import statistics as plain
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.record import Record, Run
from harness.core.zero_line import RANDOM_SEARCH, ZERO_LINE
from harness.report.model.groups import Block, MethodInSpace, accuracies, blocks
from harness.report.model.load import about_unended
from harness.report.model.metrics import measure_of, shown
from harness.report.model.numbers import DASH, listed, mean, mean_text, signed, span
from harness.report.model.performance import name_cell
from harness.report.model.results import TEST, measures, mixed_devices, result_of, title_of_measure, unsupported
from harness.report.model.table import Column, Fact, Facts, Heading, Part, Table, TableCell, Text
from harness.report.model.values import Words
from harness.report.stats import inference as stats
from harness.report.stats.family import Tested, family, mixed
from harness.report.stats.pairs import compared, failures, left_out, nothing_compared, searches, with_random_search

_READING = (
    "{}. Mean ± sample standard deviation (n = number of seeds with a result). Intervals: 95 % "
    f"intervals of the mean by Student's t, from n = {stats.MIN_INTERVAL}. Regret: how many points the best network of "
    "the table is above the proposed one. Runs without a result are explained in performance.md; failed ones count as "
    "worst in the pairs, and a method with one is not ranked."
)
_HOW = (
    "Pairs of runs with the same seed in the same space on the same data set; a failed run is worse than any result. "
    "Difference: mean, method minus random search, in points, where both have a result. "
    "Effect: matched-pairs rank-biserial correlation, from -1 (always worse) to 1 (always better). "
    "p: Wilcoxon's signed-rank test, two-sided, over the pairs that differ; corrected: after Holm's correction for the "
    "comparisons of this table. In brackets the smallest value that this many pairs allow. It is a test of ranks: "
    "better or worse is said where the mean agrees."
)
_LOOKUPS = (
    "{} are look-ups of the same searches. They are tested once, by seed, with the mean over these data sets; Holm's "
    "correction counts searches."
)
TOO_SMALL = "n too small"


@dataclass(frozen=True)
class Ranking:
    """The methods of one space of a table that have results on every one of its data sets and no failed run, ranked.

    Args:
        space: which.
        methods, names: the methods, and their headings.
        seeds: of each method, the fewest and the most results that it has on a data set.
        left_out: headings of the methods without a result on some data set, or with a failed run.
        ranks: their ranks by the mean of their results, in the order of ``methods``.
    """

    space: str
    methods: tuple[MethodInSpace, ...]
    names: tuple[str, ...]
    seeds: tuple[tuple[int, int], ...]
    left_out: tuple[str, ...]
    ranks: stats.Ranks


def statistics(runs: Sequence[Run]) -> list[Part]:
    """Spread, intervals, regret, comparisons with random search and ranks of all runs, as a document."""
    shown_here = blocks(runs)
    titles = sorted({title_of_measure(block) for block in shown_here})
    told = ", ".join(f"{title} in %" if title.lower() == TEST else title for title in titles)
    parts: list[Part] = [Heading(1, "Statistics"), *map(Text, about_unended(runs)), Text(_READING.format(told))]
    for block in shown_here:
        parts += _refused(block)
        for dataset in block.datasets:
            parts += _spread(block, dataset)
        parts += [Heading(3, f"Comparison with random search, {block.title}"), *_comparisons(block)]
        parts += [Heading(3, f"Average ranks, {block.title}"), *_ranks(block)]
    return parts


def regrets(runs: Sequence[Run]) -> list[float]:
    """How far the proposed network is from the table's best, in its own unit, of the runs that have both."""
    return [regret for run in runs if (regret := _regret(run.record)) is not None]


def _regret(record: Record) -> float | None:
    optimum = record.final.get("optimum")
    if record.status != "ok" or record.test_accuracy is None or optimum is None:
        return None
    measure = measure_of(record)
    return abs(measure.best - measure.worst) * (optimum - record.test_accuracy)


def _refused(block: Block) -> list[Part]:
    """The methods that have no row below because they support nothing there, by reason."""
    told: dict[str, dict[MethodInSpace, list[str]]] = {}
    for dataset in block.datasets:
        for method, reason in unsupported(block, dataset).items():
            told.setdefault(reason, {}).setdefault(method, []).append(dataset)
    if not told:
        return []
    facts = [Fact("; ".join(_where(block, *one) for one in many.items()), ((why, ""),)) for why, many in told.items()]
    return [Text(f"Unsupported, and so without rows below, {block.title}:"), Facts(tuple(facts))]


def _where(block: Block, method: MethodInSpace, datasets: Sequence[str]) -> str:
    """A method with the data sets, if they are not all on which it was run."""
    run = [dataset for dataset in block.datasets if block.runs_of(dataset, method)]
    return block.heading(method) + (f" on {listed(datasets)}" if len(datasets) < len(run) else "")


def _spread(block: Block, dataset: str) -> list[Part]:
    refused = unsupported(block, dataset)
    groups = {method: block.runs_of(dataset, method) for method in block.methods if method not in refused}
    heads = ["mean ± deviation (n)", "95 % interval", "median", "worst", "best"]
    tabular = any(regrets(runs) for runs in groups.values())
    rows = []
    for method, runs in groups.items():
        measure = result_of(block, dataset, method).unit
        words = _spread_texts([shown(measure, value) for value in accuracies(runs)], measure.goal == "min")
        if tabular:
            words.append(mean_text(regrets(runs)) if regrets(runs) else DASH)
        rows.append((name_cell(block, method), *_cells(words)))
    title = f"Spread on {dataset}: {block.title}"
    table = _table(title, ["method", *heads, *(["regret"] if tabular else [])], rows)
    return [Heading(2, title), *([table] if rows else []), *map(Text, [*_scores(groups), *_units(block, dataset)])]


def _units(block: Block, dataset: str) -> list[str]:
    """What the numbers are, where that is not said already."""
    finals = [run.record.recipes.get("final", {}) for run in block.runs if run.record.dataset == dataset]
    return measures(block, dataset) if any("measure" in final for final in finals) else []


def _table(title: str, heads: Sequence[str], rows: Sequence[tuple[TableCell, ...]], left: int = 1) -> Table:
    """A table of words; the first ``left`` columns are aligned left."""
    return Table(title, title, tuple(Column(head, head, left=n < left) for n, head in enumerate(heads)), tuple(rows))


def _cells(words: Sequence[str]) -> tuple[TableCell, ...]:
    return tuple(TableCell(Words(text)) for text in words)


def _spread_texts(values: Sequence[float], less: bool = False) -> list[str]:
    """Mean, interval, median, worst and best, in the own unit; ``less``: less is better."""
    if not values:
        return ["no result", *[DASH] * 4]
    worst, best = (max(values), min(values)) if less else (min(values), max(values))
    ends = [f"{value:.2f}" for value in (plain.median(values), worst, best)]
    return [mean_text(values), _interval_text(stats.mean_interval(values)), *ends]


def _scores(groups: dict[MethodInSpace, tuple[Run, ...]]) -> list[str]:
    """Says so where a table's score is no test accuracy."""
    finals = [run.record.recipes.get("final", {}) for runs in groups.values() for run in runs]
    others = sorted(
        {(str(f.get("table", "")), str(f["score"])) for f in finals if f.get("table") and f.get("score", TEST) != TEST}
    )
    return [f"The table {name} has no test accuracy: these numbers are its {score}." for name, score in others]


def _interval_text(interval: tuple[float, float] | None, form: str = ".2f") -> str:
    return TOO_SMALL if interval is None else f"{interval[0]:{form}} to {interval[1]:{form}}"


def _comparisons(block: Block) -> list[Part]:
    """The table of paired comparisons, and what its number of pairs can show."""
    refused = unsupported(block)
    methods = [method for method in compared(block) if method not in refused]
    if not methods:
        why = "no other method supports it" if refused else nothing_compared(block)
        return [Text(f"No comparison: {why}.")]
    zeros = {method.space for method in methods if block.zero(RANDOM_SEARCH, method.space)}
    if not zeros:
        return [
            Text(
                f"No comparison: {RANDOM_SEARCH} was not run{' in these spaces' if _has(block, RANDOM_SEARCH) else ''}."
            )
        ]
    groups = searches(block)
    pairs = {
        (group, method): own.values
        for group in groups
        for method in methods
        if (own := with_random_search(block, method, group)).values
    }
    tested = dict(zip(pairs, family([stats.compare_differences(values) for values in pairs.values()]), strict=True))
    rows = []
    for group in groups:
        here = unsupported(block, *group)
        for method in [one for one in methods if one not in here]:
            words = [_missing(block, method), *[DASH] * 6]
            if (pair := (group, method)) in tested:
                words = [*_counts(tested[pair].comparison), *_judged(tested[pair])]
            rows.append(_cells([listed(group), block.heading(method), *words]))
            if len(group) > 1:
                rows += [_lookup(block, method, dataset) for dataset in group]
    heads = ["data set", "method", "better / equal / worse", "difference", "95 % interval", "effect"]
    heads += ["p", "p, corrected", f"at level {stats.LEVEL:g}"]
    title = f"Comparison with random search, {block.title}"
    parts: list[Part] = [Text(_HOW), _table(title, heads, rows, left=2)]
    parts += [Text(_LOOKUPS.format(listed(group))) for group in groups if len(group) > 1]
    for why, others in left_out(block).items():
        parts.append(Text(f"Not compared ({why}): {listed(list(map(block.heading, others)))}."))
    if tested:
        parts.append(Text(_pairs_sentence(len(tested))))
    return [*parts, *map(Text, mixed_devices(block))]


def _has(block: Block, name: str) -> bool:
    return any(method.name == name for method in block.methods)


def _missing(block: Block, method: MethodInSpace) -> str:
    """Why there is no comparison."""
    if block.zero(RANDOM_SEARCH, method.space) is None:
        return f"{RANDOM_SEARCH} was not run in {method.space}"
    return "no seed with both results"


def _lookup(block: Block, method: MethodInSpace, dataset: str) -> tuple[TableCell, ...]:
    """How a search does on one of several data sets that it was looked up on: no test of its own."""
    values = with_random_search(block, method, (dataset,)).values
    words = _counts(stats.compare_differences(values)) if values else [DASH] * 4
    return _cells([dataset, block.heading(method), *words, *[DASH] * 3])


def _counts(comparison: stats.Comparison) -> list[str]:
    """How often and by how much a method was better."""
    return [
        f"{comparison.wins} / {comparison.ties} / {comparison.losses}",
        DASH if comparison.difference is None else signed(comparison.difference),
        _interval_text(comparison.interval, "+.2f"),
        signed(comparison.effect),
    ]


def _judged(tested: Tested) -> list[str]:
    """Both p, each with the smallest one that this many pairs allow, and what they say."""
    one = tested.comparison
    words = {"too few": TOO_SMALL, "undecided": "no difference shown", "mixed": mixed(one)}
    return [
        f"{stats.p_text(one.p)} [{stats.p_text(one.smallest)}]",
        f"{stats.p_text(tested.corrected)} [{stats.p_text(tested.allowed)}]",
        words.get(tested.outcome, tested.outcome),
    ]


def _pairs_sentence(comparisons: int) -> str:
    needed = stats.pairs_needed(comparisons)
    what = "One comparison needs" if comparisons == 1 else f"{comparisons} comparisons need"
    each = "" if comparisons == 1 else " each"
    return (
        f"{what} at least {needed} pairs that differ{each} to reach level {stats.LEVEL:g}: the smallest p of n pairs "
        f"is 2/2ⁿ. Where it says '{TOO_SMALL}', no outcome of so many pairs could have been significant."
    )


def _ranks(block: Block) -> list[Part]:
    """The ranks of every space that has some, then why the others have none."""
    parts, without = list[Part](), dict[str, list[str]]()
    for space in block.spaces:
        ranked = ranking(block, space)
        if isinstance(ranked, str):
            without.setdefault(ranked, []).append(space)
        else:
            parts += _ranks_in(block, ranked)
    for why, spaces in without.items():
        where = f" in {listed(spaces)}" if len(spaces) < len(block.spaces) else ""
        parts.append(Text(f"No ranks{where}: {why}"))
    return parts


def _ranks_in(block: Block, ranked: Ranking) -> list[Part]:
    ranks, k = ranked.ranks, len(ranked.names)
    where = f", space {ranked.space}" if len(block.spaces) > 1 else ""
    order = sorted(range(k), key=lambda method: ranks.average[method])
    rows = [
        _cells([ranked.names[method], span(*ranked.seeds[method]), f"{ranks.average[method]:.2f}"]) for method in order
    ]
    parts: list[Part] = [
        Text(f"Ranks by mean {title_of_measure(block).lower()}, 1 is best, over {ranks.n} data sets{where}."),
        _table(f"Average ranks, {block.title}{where}", ["method", "seeds", "average rank"], rows),
    ]
    if ranked.left_out:
        names = ", ".join(ranked.left_out)
        parts.append(Text(f"Without a result on every data set, or with failed runs, and so not ranked: {names}."))
    if not ranks.enough:
        sentence = (
            f"Friedman and Nemenyi: {TOO_SMALL}. With {k} methods, fewer than {stats.datasets_needed(k)} data sets "
            "cannot show a difference of ranks, whatever the results."
        )
        return [*parts, Text(sentence)]
    groups = "; ".join(", ".join(ranked.names[method] for method in group) for group in ranks.groups())
    sentence = (
        f"Friedman's test: p = {stats.p_text(ranks.p)}. Nemenyi's critical difference at level {stats.LEVEL:g}: "
        f"{ranks.critical:.2f} ranks. Not told apart: {groups or 'none'}. Drawn in critical_difference.png."
    )
    return [*parts, Text(sentence)]


def ranking(block: Block, space: str) -> Ranking | str:
    """The ranks of the methods of one space over its data sets, or why there are none.

    Ranked are those that are compared with random search, and the two that every space has, if none of their runs
    failed. Data sets on which one and the same search was looked up are one, with the mean of their accuracies.
    """
    there = [method for method in compared(block) if method.space == space]
    refused = unsupported(block)
    rankable = [
        method
        for method in block.of_space(space)
        if (method.name in ZERO_LINE or method in there) and method not in refused
    ]
    groups = [group for group in searches(block) if any(block.runs_of(d, m) for d in group for m in rankable)]
    datasets = [dataset for group in groups for dataset in group]
    if len(groups) < 2 <= len(datasets):
        return (
            f"{listed(datasets)} are look-ups of the same searches, and ranks and Friedman's test take data sets for "
            "independent."
        )
    if len(groups) < 2:
        return "they need at least two data sets."
    scores = {method: [_score(block, method, group) for group in groups] for method in rankable}
    # A mean without the runs that failed would rank a method by its luck.
    methods = tuple(method for method in rankable if None not in scores[method] and not failures(block, method))
    if len(methods) < 3:
        return "they need at least three methods with a result on every data set and no failed run."
    counts = [[len(accuracies(block.runs_of(dataset, method))) for dataset in datasets] for method in methods]
    rows = [[float(scores[method][row] or 0) for method in methods] for row in range(len(groups))]
    lacking = tuple(block.heading(method) for method in rankable if method not in methods)
    seeds = tuple((min(some), max(some)) for some in counts)
    return Ranking(space, methods, tuple(map(block.heading, methods)), seeds, lacking, stats.ranks(rows))


def _score(block: Block, method: MethodInSpace, group: Sequence[str]) -> float | None:
    """Mean accuracy over the data sets of a group; None without a result on one of them."""
    values = [accuracies(block.runs_of(dataset, method)) for dataset in group]
    return mean([mean(some) for some in values]) if all(values) else None
