"""``statistics.md``: what the numbers of the tables support, per table of the report.

A pure function of the records, like the tables. docs/statistics.md says which test is used why.
"""

from __future__ import annotations

import statistics as plain
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.record import Record, Run
from harness.report.forms.text import escape, mean, mean_text, signed, table
from harness.report.model.groups import Block, Column, accuracies, blocks
from harness.report.stats import tests as stats

REFERENCE = "random_search"
"""The method that the others are compared with: a search that learns nothing from its evaluations."""

_READING = (
    "Test accuracy in %. Mean ± sample standard deviation (n = number of seeds with a result). Intervals: 95 % "
    f"bootstrap intervals of the mean, from n = {stats.MIN_BOOTSTRAP}. Regret: how many points the best network of the "
    "table is above the one found. Runs without a result are explained in performance.md; they count in nothing here."
)
_HOW = (
    "Pairs of runs with the same seed on the same data set. Difference: mean, method minus random search, in points. "
    "Effect: matched-pairs rank-biserial correlation, from -1 (always worse) to 1 (always better). "
    "p: Wilcoxon's signed-rank test, two-sided, over the pairs that differ; corrected: after Holm's correction for the "
    "comparisons of this table. In brackets the smallest value that this many pairs allow."
)
TOO_SMALL = "n too small"


@dataclass(frozen=True)
class Ranking:
    """The methods of a table that have a result on every one of its data sets, ranked.

    Args:
        columns, names: the methods.
        left_out: headings of the methods without a result on some data set.
        ranks: their ranks by mean test accuracy, in the order of ``columns``.
    """

    columns: tuple[Column, ...]
    names: tuple[str, ...]
    left_out: tuple[str, ...]
    ranks: stats.Ranks


def statistics(runs: Sequence[Run]) -> str:
    """Spread, intervals, regret, comparisons with random search and ranks of all runs, as markdown."""
    parts = ["# Statistics", _READING]
    for block in blocks(runs):
        for dataset in block.datasets:
            parts += _spread(block, dataset)
        parts += [f"### Comparison with random search, {escape(block.title)}", *_comparisons(block)]
        parts += [f"### Average ranks, {escape(block.title)}", *_ranks(block)]
    return "\n\n".join(parts) + "\n"


def regrets(runs: Sequence[Run]) -> list[float]:
    """Best test accuracy of the table minus that of the network found, in points, of the runs that have both."""
    return [regret for run in runs if (regret := _regret(run.record)) is not None]


def _regret(record: Record) -> float | None:
    optimum = record.final.get("optimum")
    if record.status != "ok" or record.test_accuracy is None or optimum is None:
        return None
    return 100 * (optimum - record.test_accuracy)


def _spread(block: Block, dataset: str) -> list[str]:
    cells = {place: block.cell(dataset, place) for place in block.columns}
    tabular = any(regrets(runs) for runs in cells.values())
    header = ["method", "mean ± deviation (n)", "95 % interval", "median", "worst", "best"]
    rows = []
    for place, runs in cells.items():
        row = [f"{escape(block.heading(place))} <sub>{escape(place.space)}</sub>", *_spread_texts(accuracies(runs))]
        rows.append([*row, mean_text(regrets(runs)) if regrets(runs) else "–"] if tabular else row)
    parts = [
        f"## Spread on {escape(dataset)}: {escape(block.title)}",
        table([*header, "regret"] if tabular else header, rows),
    ]
    return parts + _scores(cells)


def _spread_texts(values: Sequence[float]) -> list[str]:
    if not values:
        return ["no result", "–", "–", "–", "–"]
    ends = [f"{value:.2f}" for value in (plain.median(values), min(values), max(values))]
    return [mean_text(values), _interval_text(stats.bootstrap_interval(values)), *ends]


def _scores(cells: dict[Column, tuple[Run, ...]]) -> list[str]:
    """Says so where a table's score is no test accuracy."""
    finals = [run.record.recipes.get("final", {}) for runs in cells.values() for run in runs]
    others = sorted({(final["table"], final["score"]) for final in finals if final.get("score", "") not in ("", _TEST)})
    return [f"The table {escape(name)} has no test accuracy: these numbers are its {score}." for name, score in others]


_TEST = "test accuracy"


def _interval_text(interval: tuple[float, float] | None, form: str = ".2f") -> str:
    return TOO_SMALL if interval is None else f"{interval[0]:{form}} to {interval[1]:{form}}"


def _comparisons(block: Block) -> list[str]:
    """The table of paired comparisons, and what its number of pairs can show."""
    if all(place.method != REFERENCE for place in block.columns):
        return [f"No comparison: {REFERENCE} was not run."]
    others = [place for place in block.columns if place.method != REFERENCE]
    if not others:
        return [f"No comparison: nothing but {REFERENCE} was run."]
    cells = [(dataset, place) for dataset in block.datasets for place in others]
    found = {cell: compared for cell in cells if (compared := _compare(block, *cell))}
    corrected = dict(zip(found, stats.holm([c.p for c in found.values()]), strict=True))
    # Holm's correction never falls when a p rises, so correcting the smallest possible ones bounds what n can give.
    allowed = dict(zip(found, stats.holm([c.smallest for c in found.values()]), strict=True))
    rows = []
    for dataset, place in cells:
        cell = (dataset, place)
        row = [escape(dataset), escape(block.heading(place))]
        if cell in found:
            row += _comparison_texts(found[cell], corrected[cell], allowed[cell])
        else:
            row += ["no seed with both results", *["–"] * 6]
        rows.append(row)
    header = ["data set", "method", "better / equal / worse", "difference", "95 % interval", "effect"]
    header += ["p", "p, corrected", f"at level {stats.LEVEL:g}"]
    parts = [_HOW, table(header, rows, left=2)]
    if found:
        parts.append(_pairs_sentence(len(found)))
    foreign = {place.space for place in others} - {p.space for p in block.columns if p.method == REFERENCE}
    if foreign:
        parts.append(
            f"Random search did not search {', '.join(map(escape, sorted(foreign)))}: there, the difference is the "
            "effect of space and search together."
        )
    return parts


def _compare(block: Block, dataset: str, place: Column) -> stats.Comparison | None:
    """The comparison with random search in the same space if it was run there; None without a common seed."""
    references = [p for p in block.columns if p.method == REFERENCE]
    reference = next((p for p in references if p.space == place.space), references[0])
    first, second = (_by_seed(block.cell(dataset, p)) for p in (place, reference))
    seeds = sorted(first.keys() & second.keys())
    return stats.compare([first[s] for s in seeds], [second[s] for s in seeds]) if seeds else None


def _by_seed(runs: Sequence[Run]) -> dict[int, float]:
    return {run.record.seed: value for run in runs for value in accuracies([run])}


def _comparison_texts(found: stats.Comparison, corrected: float, allowed: float) -> list[str]:
    if corrected <= stats.LEVEL:
        verdict = "better" if found.effect > 0 else "worse"
    elif allowed > stats.LEVEL and found.wins + found.losses:
        verdict = TOO_SMALL
    else:
        verdict = "no difference shown"
    return [
        f"{found.wins} / {found.ties} / {found.losses}",
        signed(found.difference),
        _interval_text(found.interval, "+.2f"),
        signed(found.effect),
        f"{_p_text(found.p)} [{_p_text(found.smallest)}]",
        f"{_p_text(corrected)} [{_p_text(allowed)}]",
        verdict,
    ]


def _p_text(p: float) -> str:
    return "below 0.0001" if p < 0.0001 else f"{p:.4f}".rstrip("0").rstrip(".")


def _pairs_sentence(comparisons: int) -> str:
    needed = stats.pairs_needed(comparisons)
    what = "One comparison needs" if comparisons == 1 else f"{comparisons} comparisons need"
    each = "" if comparisons == 1 else " each"
    return (
        f"{what} at least {needed} pairs that differ{each} to reach level {stats.LEVEL:g}: the smallest p of n pairs "
        f"is 2/2ⁿ. Where it says '{TOO_SMALL}', no outcome could have been significant."
    )


def _ranks(block: Block) -> list[str]:
    found = ranking(block)
    if isinstance(found, str):
        return [found]
    ranks, k = found.ranks, len(found.names)
    places = sorted(range(k), key=lambda place: ranks.average[place])
    rows = [[escape(found.names[place]), f"{ranks.average[place]:.2f}"] for place in places]
    parts = [
        f"Ranks by mean test accuracy, 1 is best, over {ranks.n} data sets.",
        table(["method", "average rank"], rows),
    ]
    if found.left_out:
        parts.append(
            f"Without a result on every data set, and so not ranked: {', '.join(map(escape, found.left_out))}."
        )
    if not ranks.enough:
        parts.append(
            f"Friedman and Nemenyi: {TOO_SMALL}. With {k} methods, fewer than {stats.datasets_needed(k)} data sets "
            "cannot show a difference of ranks, whatever the results."
        )
        return parts
    groups = "; ".join(", ".join(escape(found.names[place]) for place in group) for group in ranks.groups())
    parts.append(
        f"Friedman's test: p = {_p_text(ranks.p)}. Nemenyi's critical difference at level {stats.LEVEL:g}: "
        f"{ranks.critical:.2f} ranks. Not told apart: {groups or 'none'}. Drawn in critical_difference.png."
    )
    return parts


def ranking(block: Block) -> Ranking | str:
    """The ranks of a table's methods over its data sets, or the sentence that says why there are none."""
    means = {
        place: [mean(values) for d in block.datasets if (values := accuracies(block.cell(d, place)))]
        for place in block.columns
    }
    columns = tuple(place for place in block.columns if len(means[place]) == len(block.datasets))
    if len(block.datasets) < 2:
        return "No ranks: they need at least two data sets."
    if len(columns) < 3:
        return "No ranks: they need at least three methods with a result on every data set."
    scores = [[means[place][row] for place in columns] for row in range(len(block.datasets))]
    left_out = tuple(block.heading(place) for place in block.columns if place not in columns)
    return Ranking(columns, tuple(map(block.heading, columns)), left_out, stats.ranks(scores))
