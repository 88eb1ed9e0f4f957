"""The statistics of the report, on SciPy: numbers in, numbers out, nothing about runs or tables.

Everything is deterministic. SciPy is imported inside the functions, because the import alone takes longer than printing
a table.

Accuracies and their differences are in % here, so that rounding differences away (see :func:`compare`) means the same
everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

LEVEL = 0.05
"""Probability of at least one false finding in a family of comparisons."""

CONFIDENCE = 0.95
MIN_INTERVAL = 3
"""Fewest values for an interval of their mean."""

EXACT = 50
"""Most pairs that differ of which the test is exact."""

_POINTS = 400


@dataclass(frozen=True)
class Comparison:
    """One method against another on the same seeds.

    Args:
        wins, ties, losses: pairs in which the first was better, equal, worse.
        effect: matched-pairs rank-biserial correlation, -1 (always worse) to 1 (always better); 0 if all are ties.
        p: two-sided Wilcoxon signed-rank test over the pairs that differ; 1 if none does.
        smallest: the smallest p that this number of differing pairs can give.
        lead: pairs in which only the second failed, minus those in which only the first did.
        ended: first minus second, in points, of the pairs with both results. Pairs in which both failed are ties, and
            not among these.
    """

    wins: int
    ties: int
    losses: int
    effect: float
    p: float
    smallest: float
    lead: int
    ended: tuple[float, ...]

    @property
    def pairs(self) -> int:
        """How many pairs there were, ties included."""
        return self.wins + self.ties + self.losses

    @property
    def difference(self) -> float | None:
        """Mean of first minus second, in points, over the pairs with both results; None without one."""
        return math.fsum(self.ended) / len(self.ended) if self.ended else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of that mean, see :func:`mean_interval`."""
        return mean_interval(self.ended)

    @property
    def mean_sign(self) -> int:
        """Whether the mean difference is above (1), at (0) or below (-1) zero; 0 without one."""
        return int(np.sign(round(self.difference or 0.0, 9)))

    @property
    def agrees(self) -> bool:
        """Whether the mean has the sign of the test.

        Failed runs are in no mean. Where one method has failed more often in more pairs than have a mean, or where the
        mean is zero, they speak for the other one.
        """
        failed = abs(self.lead) > len(self.ended) or not self.mean_sign
        return self.effect * (self.lead if failed else self.mean_sign) > 0


@dataclass(frozen=True)
class Ranks:
    """Average ranks of ``k`` methods over ``n`` data sets.

    Args:
        average: one per method; 1 is best.
        n: number of data sets.
        p: Friedman's test that all methods are alike (chi-squared approximation).
        critical: Nemenyi's critical difference: average ranks that are further apart differ significantly.
        enough: whether ``n`` data sets can show a difference at all, see :func:`datasets_needed`.
    """

    average: tuple[float, ...]
    n: int
    p: float
    critical: float
    enough: bool

    def groups(self) -> list[tuple[int, ...]]:
        """Methods, as positions in ``average`` by rank, that cannot be told apart; the largest such groups only.

        Where Friedman's test finds no difference, nothing is compared pair by pair: all are one group.
        """
        order = sorted(range(len(self.average)), key=lambda method: (self.average[method], method))
        if self.p > LEVEL:
            return [tuple(order)]
        largest: list[tuple[int, ...]] = []
        for start, first in enumerate(order):
            group = tuple(m for m in order[start:] if self.average[m] - self.average[first] <= self.critical)
            if len(group) > 1 and not (largest and set(group) <= set(largest[-1])):
                largest.append(group)
        return largest


@dataclass(frozen=True)
class Band:
    """Pointwise quartiles of step functions, all of the same length.

    Args:
        moments: where the value changes; each holds until the next.
        low, middle, high: first quartile, median, third quartile; NaN where a function is not defined.
        n: number of functions.
    """

    moments: tuple[float, ...]
    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]
    n: int


def p_text(p: float) -> str:
    """A p with at most four decimals."""
    return "below 0.0001" if p < 0.0001 else f"{p:.4f}".rstrip("0").rstrip(".")


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the mean by Student's t; None below :data:`MIN_INTERVAL` values.

    It takes the values for normally distributed. Of skewed ones it covers the mean less often; of few
    values more often than the bootstrap does (docs/statistics.md).
    """
    from scipy import stats

    if len(values) < MIN_INTERVAL:
        return None
    centre = math.fsum(values) / len(values)
    error = math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1) / len(values))
    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1)) * error
    return centre - reach, centre + reach


def smallest_p(pairs: int) -> float:
    """The smallest p of a two-sided Wilcoxon signed-rank test on ``pairs`` pairs that differ: all signs alike."""
    return min(1.0, 2.0 ** (1 - pairs))


def pairs_needed(comparisons: int) -> int:
    """How many pairs that differ each of ``comparisons`` needs before Holm's correction can find anything."""
    return 1 + math.ceil(math.log2(comparisons / LEVEL))


def compare(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Compares paired values, at least one pair; ``-inf`` is a failed run: worse than any result, as bad as another."""
    return compare_differences([difference(a, b) for a, b in zip(first, second, strict=True)])


def difference(first: float, second: float) -> float:
    """First minus second; infinite where one of them is a failed run (``-inf``), NaN where both are."""
    return math.nan if first == second == -math.inf else first - second


def _rounded(values: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.round(np.asarray(values, float), 9)


def differ(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """The differences of the pairs that differ, infinite ones included: neither zero nor of two failed runs.

    Rounded to 1e-9 points: two equal ones differ by less after a subtraction.
    """
    differences = _rounded(values)
    return np.array(differences[(differences != 0) & ~np.isnan(differences)])


def compare_differences(values: Sequence[float]) -> Comparison:
    """Compares by the differences of pairs, at least one; see :func:`difference` for failed runs.

    The test is exact up to 50 pairs that differ, else SciPy's normal approximation with corrections for ties and
    continuity. Pairs that do not differ, see :func:`differ`, are left out of it (Wilcoxon's rule) and counted as ties.
    """
    from scipy import stats

    differences = _rounded(values)
    finite = differences[np.isfinite(differences)]
    moved = ranked(differ(differences))
    wins, losses = int(np.sum(moved > 0)), int(np.sum(moved < 0))
    effect, p = 0.0, 1.0
    if len(moved):
        ranks = stats.rankdata(np.abs(moved))
        effect = float(np.sum(np.sign(moved) * ranks) / np.sum(ranks))
        exact = len(moved) <= EXACT
        p = (
            _exact_p(ranks, moved)
            if exact
            else float(stats.wilcoxon(moved, method="asymptotic", correction=True).pvalue)
        )
    return Comparison(
        wins=wins,
        ties=len(differences) - len(moved),
        losses=losses,
        effect=effect,
        p=p,
        smallest=smallest_p(len(moved)),
        lead=int(np.sum(np.sign(differences[np.isinf(differences)]))),
        ended=tuple(finite.tolist()),
    )


def ranked(differences: Sequence[float] | np.ndarray) -> np.ndarray:
    """The differences as the test ranks them: a failure is larger than any other, by a number that does not matter."""
    values = np.asarray(differences, float)
    worst = 1.0 + float(np.max(np.abs(values[np.isfinite(values)]), initial=0.0))
    return np.clip(values, -worst, worst)


def _exact_p(ranks: np.ndarray, differences: np.ndarray) -> float:
    """Share of the 2^n ways to sign the ranks whose sum is as far from 0 as the observed one.

    SciPy's own exact test knows no equal ranks, and its permutation test takes a second for a dozen pairs. Ranks are
    whole or half numbers, so that twice their values can be counted.
    """
    doubled = np.rint(2 * ranks).astype(int)
    sums, ways = signed_sums(doubled)
    observed = abs(int(np.sum(np.sign(differences) * doubled)))
    return float(ways[np.abs(sums) >= observed].sum() / ways.sum())


def signed_sums(ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums of whole ranks under all 2^n ways to sign them, and how many ways give each: one convolution a rank."""
    ways = np.ones(1)
    for rank in ranks:
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))
    return 2 * np.arange(len(ways)) - ranks.sum(), ways


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: p values such that comparing each with a level bounds the family's error by it."""
    corrected = [0.0] * len(values)
    highest = 0.0
    for smaller, index in enumerate(sorted(range(len(values)), key=lambda index: values[index])):
        highest = max(highest, min(1.0, (len(values) - smaller) * values[index]))
        corrected[index] = highest
    return corrected


def ranks(scores: Sequence[Sequence[float]]) -> Ranks:
    """Average ranks, Friedman's test and Nemenyi's critical difference.

    Args:
        scores: one row per data set with one score per method, higher is better; at least one row and three methods.
    """
    from scipy import stats

    table = np.round(np.asarray(scores, float), 9)
    n, k = table.shape
    by_data_set = stats.rankdata(-table, axis=1)
    # Friedman's statistic is 0/0 if every data set ties all methods: then nothing speaks against "all alike".
    tied = bool(np.all(by_data_set == by_data_set[:, :1]))
    p = 1.0 if tied else float(stats.friedmanchisquare(*table.T).pvalue)
    average = tuple(map(float, by_data_set.mean(axis=0)))
    return Ranks(average, n, p, critical_difference(k, n), n >= datasets_needed(k))


def datasets_needed(methods: int) -> int:
    """How many data sets can show a difference between ``methods`` (three or more) by their ranks at all.

    With fewer, even the same order on every data set leaves Friedman's p above the level, or the first and the last
    method closer than the critical difference.
    """
    from scipy import stats

    def enough(n: int) -> bool:
        clearest = float(stats.chi2.sf(n * (methods - 1), methods - 1))
        return clearest <= LEVEL and critical_difference(methods, n) < methods - 1

    return next(n for n in count(2) if enough(n))


def critical_difference(methods: int, datasets: int) -> float:
    """Nemenyi: the distance between two of ``methods`` average ranks over ``datasets`` that chance rarely exceeds."""
    from scipy import stats

    spread = math.sqrt(methods * (methods + 1) / (6 * datasets))
    return float(stats.studentized_range.ppf(1 - LEVEL, methods, np.inf)) / math.sqrt(2) * spread


def band(curves: Sequence[Sequence[tuple[float, float]]]) -> Band:
    """Pointwise median and quartiles of step functions ``(moment, value)``, each keeping its last value after its end.

    Args:
        curves: at least one, none empty, moments ascending; a value may be NaN where it is not known.

    Returns:
        The exact band while there are at most 400 different moments, else its values at 400 evenly spaced ones.
    """
    moments = np.unique([moment for curve in curves for moment, _ in curve])
    if len(moments) > _POINTS:
        moments = np.linspace(moments[0], moments[-1], _POINTS)
    values = np.stack([_at(curve, moments) for curve in curves])
    known = np.isfinite(values).all(axis=0)
    quartiles = np.full((3, len(moments)), np.nan)
    if known.any():
        quartiles[:, known] = np.quantile(values[:, known], (0.25, 0.5, 0.75), axis=0)
    low, middle, high = (tuple(row.tolist()) for row in quartiles)
    return Band(tuple(moments.tolist()), low, middle, high, len(curves))


def _at(curve: Sequence[tuple[float, float]], moments: np.ndarray) -> np.ndarray:
    """The step function's values, NaN before its first step."""
    spent, values = np.asarray(curve, float).T
    return np.concatenate([[np.nan], values])[np.searchsorted(spent, moments, side="right")]
