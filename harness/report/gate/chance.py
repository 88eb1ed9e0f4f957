"""What chance allows: how far a row's mean may fall without a cause, and how large a drop is sure to be seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from harness.report.model.numbers import mean

LEVEL = 0.001
"""Probability that a whole check raises a false alarm: each of its k statistical comparisons gets LEVEL / k."""

ESTIMATED_FROM = 3
"""Fewest stored seeds from which a spread is estimated."""

ASSUMED_SPREAD = 1.0
"""Standard deviation over seeds, in points, assumed for a row with fewer stored seeds."""

MINIMAL_SPREAD = 0.1
"""A smaller estimate, in points, is taken for luck: ten images of a test set of ten thousand."""

MOST_POINTS = 5.0
"""A comparison that would let a larger drop pass decides nothing."""

UNKNOWN_CHANCE = 50.0
"""Accuracy in % of a guess, for records that do not say: that of two classes, which is the highest."""

POWER = 0.9
"""How often a drop has to be seen to be called visible."""

MOST_SEEDS = 1000
"""Where the search for a sufficient number of seeds ends."""


class Room(NamedTuple):
    """What a statistical comparison can decide.

    Args:
        allowed: how far the mean may fall by chance, points.
        limit: the most that it may be allowed to fall if the comparison is to decide anything, points: five, or how
            far the old or the new mean lies above a guess if that is less.
        spread: standard deviation over seeds, points.
    """

    allowed: float
    limit: float
    spread: float

    @property
    def decides(self) -> bool:
        """Whether a row that has lost all that it had above a guess, or five points, would be noticed."""
        return self.allowed <= self.limit


def room(before: Sequence[float], after: Sequence[float], level: float, guess: float) -> Room:
    """What a comparison of ``before`` with ``after``, results in %, can decide; ``guess`` is the accuracy of chance."""
    limit = min(MOST_POINTS, mean(before) - guess, mean(after) - guess)
    return Room(tolerance(before, after, level), limit, spread(before, after))


def tolerance(before: Sequence[float], after: Sequence[float], level: float) -> float:
    """How far below the mean of ``before`` the mean of ``after`` may lie by chance, if both are results of one method.

    A one-sided t-test on the pooled spread, as a distance: ``t * spread * sqrt(1 / len(before) + 1 / len(after))``,
    where ``t`` is exceeded with probability ``level``. Below three stored results the spread is assumed, not estimated.

    Args:
        before, after: stored and new results in %, at least one each.
        level: probability of a false alarm.

    Returns:
        Points.
    """
    return _quantile(len(before), len(after), level) * spread(before, after) * _width(len(before), len(after))


def spread(before: Sequence[float], after: Sequence[float]) -> float:
    """The standard deviation within ``before`` and ``after``, each around its own mean."""
    if len(before) < ESTIMATED_FROM:
        return ASSUMED_SPREAD
    squares = math.fsum((value - mean(part)) ** 2 for part in (before, after) for value in part)
    return max(math.sqrt(squares / (len(before) + len(after) - 2)), MINIMAL_SPREAD)


def visible_drop(before: int, after: int, level: float, spread: float) -> float:
    """The drop of the mean, in points, that goes red nine times in ten: the power of the test that decides.

    Args:
        before, after: numbers of stored and new results.
        level: probability of a false alarm of this one comparison.
        spread: standard deviation over seeds, points.
    """
    return _visible_shift(before, after, level) * spread * _width(before, after)


@lru_cache(maxsize=256)
def _visible_shift(before: int, after: int, level: float) -> float:
    """The drop in standard errors."""
    from scipy import optimize, stats

    quantile = _quantile(before, after, level)
    if before < ESTIMATED_FROM:
        return quantile + float(stats.norm.isf(1 - POWER))

    def missed(shift: float) -> float:
        return float(stats.nct.cdf(quantile, before + after - 2, shift)) - (1 - POWER)

    upper = quantile + 1
    while missed(upper) > 0:
        upper *= 2
    return float(optimize.brentq(missed, 0.0, upper))


def seeds_needed(spread: float, limit: float, level: float) -> int | None:
    """How many stored and as many new seeds a comparison needs to decide; None: more than anybody will run."""
    if limit <= 0:
        return None
    for n in range(ESTIMATED_FROM, MOST_SEEDS + 1):
        if _quantile(n, n, level) * spread * _width(n, n) <= limit:
            return n
    return None


def _quantile(before: int, after: int, level: float) -> float:
    from scipy import stats

    if before < ESTIMATED_FROM:
        return float(stats.norm.isf(level))
    return float(stats.t.isf(level, before + after - 2))


def _width(before: int, after: int) -> float:
    return math.sqrt(1 / before + 1 / after)
