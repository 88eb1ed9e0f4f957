"""What each method would have returned after 10, 20, 50, ... evaluations on a table: regret and rank.

A pure function of the runs' logs and of the table's scores, computed when the searches are over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy.stats import rankdata

from harness.core.budget import Budget
from harness.core.errors import InputError
from harness.core.record import Run
from harness.core.table import Table
from harness.core.zero_line import RANDOM_SAMPLING, RANDOM_SEARCH
from harness.report.model.groups import blocks
from harness.report.model.numbers import DASH
from harness.report.model.results import not_blind
from harness.report.model.table import Column, Heading, Part, TableCell, Text
from harness.report.model.table import Table as Sheet
from harness.report.model.values import Words
from harness.report.stats import inference as stats
from harness.report.stats.family import Outcome, family
from harness.report.stats.pairs import repeated, twins

POINTS = (10, 20, 50, 100, 200)
"""Evaluations after which a search is looked at, as far as its budget goes."""
_READING = (
    "Regret: how many points the score of the architecture that a search would have returned is below the best score "
    "of the table; mean over the seeds whose run ended well, with its 95 % interval in brackets. Failed runs are "
    "counted beside the seeds; they are worse than any other in ranks and tests. Rank: mean over the seeds, 1 is best, "
    "among the methods with the most seeds; those with fewer stand below. Better, worse: than random search with the "
    f"same seeds beyond chance (Wilcoxon's signed-rank test, two-sided, at level {stats.LEVEL:g} after Holm's "
    "correction for all comparisons of the table), and on average; mixed: the ranks of the differences say one thing "
    "beyond chance and their mean another; too few seeds: no outcome could have been beyond chance; no word: chance "
    "allows the difference, or there was nothing to compare. Schedules follow the whole budget: the beginning of "
    "a search is not what a search of fewer evaluations would be."
)

_WORDS: Mapping[Outcome, str] = MappingProxyType({"too few": "too few seeds"})


@dataclass(frozen=True)
class Progress:
    """One method on one table.

    Args:
        method, title: its name, and how it is called.
        seeds: of its runs that ended well.
        regrets: in points, shape ``(seeds, points)``; NaN where a search had nothing to return yet.
        failed: seeds of its runs that failed.
    """

    method: str
    title: str
    seeds: tuple[int, ...]
    regrets: np.ndarray
    failed: tuple[int, ...] = ()

    def by_seed(self) -> dict[int, np.ndarray]:
        """Regrets at each point, of all runs: a failed run is worse than any result, its regret is infinite."""
        lost = np.full(self.regrets.shape[1], math.inf)
        return dict(zip(self.seeds, self.regrets, strict=True)) | dict.fromkeys(self.failed, lost)

    def mean(self) -> np.ndarray:
        """Mean regret at each point of the runs that ended well; NaN without any."""
        return np.array(self.regrets.mean(axis=0)) if self.seeds else np.full(self.regrets.shape[1], math.nan)

    def last(self) -> float:
        """Mean regret at the last point; infinite where there is nothing to return."""
        return float(np.nan_to_num(self.mean()[-1], nan=math.inf))

    def intervals(self) -> np.ndarray:
        """Ends of the 95 % interval of the mean at each point, shape ``(points, 2)``; NaN where there is none."""
        ends = [None if np.isnan(column).any() else stats.mean_interval(column.tolist()) for column in self.regrets.T]
        return np.array([(math.nan, math.nan) if pair is None else pair for pair in ends])


def points_of(runs: Sequence[Run]) -> tuple[int, ...]:
    """The points that every search of ``runs`` has reached, or the last one's evaluations if none has.

    Less than an evaluation may be left of a search in parts.

    Raises:
        InputError: a budget is not in evaluations.
    """
    _check_budgets(runs)
    reached = (run.record.search["charged"] for run in runs if _counts(run))
    least = min((math.ceil(many * (1 - 1e-9)) for many in reached), default=0)
    return tuple(point for point in POINTS if point <= least) or ((least,) if least else ())


def progress(runs: Sequence[Run], table: Table, points: Sequence[int]) -> list[Progress]:
    """The methods that search a table, in the order of their runs; failed runs count, unsupported ones do not.

    Of methods whose searches are the same there is one.

    Args:
        runs: on the table, of one profile and budget.
        table: has the scores.
        points: numbers of evaluations; without any, no search has got so far that there is something to tell.

    Raises:
        InputError: a budget is not in evaluations.
    """
    _check_budgets(runs)
    best = float(table.score.max())
    found = list[Progress]()
    if not points:
        return found
    again = {method.name for block in blocks(runs) for method in repeated(block)}
    for method, mine in _searches(runs).items():
        if method in again:
            continue
        ended = [run for run in mine if run.record.status == "ok"]
        regrets = [[100 * (best - _score_at(run, table, point)) for point in points] for run in ended]
        seeds = tuple(run.record.seed for run in ended)
        failed = tuple(run.record.seed for run in mine if run.record.status != "ok")
        title = (ended or mine)[0].record.title
        found.append(Progress(method, title, seeds, np.reshape(regrets, (len(seeds), len(points))), failed))
    return found


def _searches(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """By method, its runs with evaluations to count and its failed ones; nothing of methods that only sample."""
    samples = {run.record.method for run in runs if run.record.status == "ok" and not _counts(run)} | {RANDOM_SAMPLING}
    found: dict[str, list[Run]] = {}
    for run in runs:
        if _counts(run) or (run.record.status == "failed" and run.record.method not in samples):
            found.setdefault(run.record.method, []).append(run)
    return found


def _counts(run: Run) -> bool:
    """Whether a run has evaluations to count, as a search has and random sampling has not."""
    search = run.record.search
    return run.record.status == "ok" and min(search.get("evaluations", 0), search.get("charged", 0)) > 0


def _check_budgets(runs: Sequence[Run]) -> None:
    """Only a budget in evaluations says how many gradient steps of the log are one."""
    for run in runs:
        if Budget.parse(run.record.budget).unit != "evals":
            raise InputError(
                f"{run.path} has the budget {run.record.budget}, and evaluations are counted under budgets in evals "
                "only; search with --budget 200evals, into another directory"
            )


def _steps_per_evaluation(run: Run) -> float:
    """Gradient steps that the budget counts as one evaluation, be they of one training or of parts of several."""
    return float(run.record.search["steps"] / run.record.search["charged"])


def _score_at(run: Run, table: Table, point: int) -> float:
    """Score of the last proposal within so many evaluations; NaN if there was none."""
    most = point * _steps_per_evaluation(run) * (1 + 1e-9)
    known = [row for row in run.proposals if row["spent"] <= most]
    row = table.rows.get(known[-1]["genotype"]) if known else None
    return math.nan if row is None else float(table.score[row])


def ranks(methods: Sequence[Progress]) -> np.ndarray:
    """Mean rank of each method at each point, shape ``(methods, points)``.

    NaN for a method that has fewer seeds than another one, or nothing to return at that point. A rank is among searches
    with the same seed, failed ones last; seeds that one of the others lacks do not count.
    """
    runs = [one.by_seed() for one in methods]
    most = max(map(len, runs), default=0)
    whole = [number for number, mine in enumerate(runs) if len(mine) == most]
    shared = sorted(set.intersection(*(set(runs[number]) for number in whole))) if whole else []
    ours = {number: np.array([runs[number][seed] for seed in shared]) for number in whole}
    found = np.full((len(methods), methods[0].regrets.shape[1] if methods else 0), math.nan)
    for place in range(found.shape[1]):
        mine = [number for number in whole if not np.isnan(ours[number][:, place]).any()]
        if len(mine) > 1 and shared:
            regrets = np.round([ours[number][:, place] for number in mine], 9)
            found[mine, place] = rankdata(regrets, axis=0).mean(axis=1)
    return found


def verdicts(methods: Sequence[Progress]) -> Mapping[tuple[str, int], str]:
    """How methods stand against random search, by method and number of the point; nothing where chance allows it.

    The test and its correction are those of :mod:`harness.report.stats.page`; each point is a comparison of its own.
    """
    reference = next((one for one in methods if one.method == RANDOM_SEARCH), None)
    if reference is None:
        return {}
    theirs, tested = reference.by_seed(), dict[tuple[str, int], stats.Comparison]()
    for one in methods:
        pairs = [(theirs[seed], mine) for seed, mine in one.by_seed().items() if seed in theirs]
        if one is reference or not pairs:
            continue
        for place in range(len(pairs[0][0])):
            column = [(float(other[place]), float(mine[place])) for other, mine in pairs]
            if not np.isnan(column).any():
                gains = [stats.difference(-mine, -other) for other, mine in column]
                tested[one.method, place] = stats.compare_differences(gains)
    told = zip(tested, family(list(tested.values())), strict=True)
    return {key: _WORDS.get(one.outcome, one.outcome) for key, one in told if one.outcome != "undecided"}


def page(dataset: str, runs: Sequence[Run], table: Table) -> list[Part]:
    """Regret and rank of every method on a table after 10, 20, ... evaluations, as a document."""
    points = points_of(runs)
    methods = progress(runs, table, points)
    if not methods:
        return [Text(f"No run on {dataset} has evaluations to count.")]
    most = max(len(one.by_seed()) for one in methods)
    # Means over a few seeds are no neighbours of means over many: these rows stand below.
    methods.sort(key=lambda one: (len(one.by_seed()) < most, one.last()))
    places, said = ranks(methods), verdicts(methods)
    columns = [Column("method", "method", left=True), Column("seeds", "seeds")]
    columns += [Column(f"at_{point}", f"after {point} evaluations") for point in points]
    rows = [tuple(_row(one, places[number], said)) for number, one in enumerate(methods)]
    sheet = Sheet(
        name=f"evaluations {dataset}",
        title=f"Regret over evaluations on {dataset}",
        columns=tuple(columns),
        rows=tuple(rows),
        reading=_READING,
    )
    notes = [sentence for block in blocks(runs) for sentence in (*twins(block), *not_blind(block))]
    return [Heading(2, sheet.title), *map(Text, [_READING, *notes]), sheet]


def _row(one: Progress, places: np.ndarray, said: Mapping[tuple[str, int], str]) -> list[TableCell]:
    lost = (f"{len(one.failed)} failed",) if one.failed else ()
    cells = [TableCell(Words(one.title)), TableCell(Words(str(len(one.seeds))), asides=lost)]
    for number, (mean, (low, high)) in enumerate(zip(one.mean(), one.intervals(), strict=True)):
        width = "" if math.isnan(low) else f" ({low:.2f} to {high:.2f})"
        rank = DASH if math.isnan(places[number]) else f"{places[number]:.1f}"
        words = said.get((one.method, number), "")
        asides = (f"rank {rank}{', ' if words else ''}{words}",)
        if math.isnan(mean):  # it had nothing to return yet, or all its runs have failed
            cells.append(TableCell(Words(DASH), asides=asides if rank != DASH or words else ()))
            continue
        cells.append(TableCell(Words(f"{mean:.2f}{width}"), asides=asides))
    return cells
