"""How many pairs the comparison with random search needs, from the spread that was seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from harness.report.stats.inference import EXACT, differ, ranked, signed_sums

POWER = 0.8
"""Probability that so many pairs show a difference that is as large as the one seen."""

MOST = 1000
"""More pairs than that are not told: so small a difference is not worth telling."""

RESAMPLED = 10
"""Fewest pairs that stand for a distribution of their own."""

_DRAWS = 2000
_EFFICIENCY = 3 / math.pi
"""Of Wilcoxon's test against Student's, on normally distributed differences."""


def pairs_for_power(differences: Sequence[float], level: float) -> int | None:
    """How many pairs Wilcoxon's test at ``level`` needs to show a difference like the one seen, with power 80 %.

    The share of equal pairs is the one seen. From :data:`RESAMPLED` pairs on that differ, new pairs are drawn from
    those seen; fewer say little of their distribution, and are taken for normal with their mean and spread, unless one
    has failed: a failure has a rank and no size.

    Returns:
        A number of pairs, equal ones included; None if it is above :data:`MOST`, or cannot be estimated because fewer
        than two pairs differ.
    """
    moved = ranked(differ(differences))
    if len(moved) < 2:
        return None
    spread, centre = float(np.std(moved, ddof=1)), abs(float(np.mean(moved)))
    failed = bool(np.isinf(differences).any())
    if (len(moved) >= RESAMPLED or failed) and spread > 1e-9:
        needed = _smallest_resampled(moved, level)
    else:
        needed = smallest_sample(centre / spread if spread > 1e-9 else math.inf, level)
    pairs = math.inf if needed is None else math.ceil(needed * len(differences) / len(moved))
    return None if pairs > MOST else int(pairs)


@lru_cache(maxsize=1024)
def smallest_sample(effect: float, level: float) -> int | None:
    """The smallest number of pairs with power 80 % for a mean of ``effect`` standard deviations; None above a bound."""
    fewest = 1 + math.ceil(math.log2(1 / level))
    if math.isinf(effect):
        return fewest
    guess = _guess(effect, level) if effect > 0 else math.inf
    if guess > 1.2 * MOST:
        return None
    # The approximation is within a few pairs, and within a tenth where there are many.
    low, high = max(fewest, int(0.8 * guess) - 5), max(fewest, int(1.2 * guess) + 12)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, effect, level) >= POWER else (middle + 1, high)
    return low


def _guess(effect: float, level: float) -> float:
    from scipy import stats

    reach = float(stats.norm.ppf(1 - level / 2) + stats.norm.ppf(POWER))
    return (reach / effect) ** 2 / _EFFICIENCY


def power(pairs: int, effect: float, level: float) -> float:
    """How often Wilcoxon's two-sided test on so many pairs is at ``level`` or below; simulated, always the same."""
    drawn = np.random.default_rng(0).normal(effect, 1.0, (_DRAWS, pairs))
    ranks = np.abs(drawn).argsort(axis=1).argsort(axis=1) + 1
    sums = np.sum(np.sign(drawn) * ranks, axis=1)
    return float(np.mean(np.abs(sums) >= _critical(pairs, level)))


def _smallest_resampled(moved: np.ndarray, level: float) -> int | None:
    """The smallest number of pairs, drawn from these, with power 80 %; None above a bound."""

    def enough(pairs: int) -> bool:
        return _found(moved, pairs, level) >= POWER

    low = 1 + math.ceil(math.log2(1 / level))
    high = low
    while not enough(high):
        if high >= MOST:
            return None
        low, high = high + 1, min(2 * high, MOST)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def _found(moved: np.ndarray, pairs: int, level: float) -> float:
    """The share of samples of so many of these differences whose two-sided p is at ``level`` or below.

    Equal distances share their mean rank, as in the test. Then the sum of signed ranks spreads less under chance, by a
    factor that is known, and the critical sum of different ranks is taken that many times. A sample is as many of each
    distance as it has, up and down, which is counted faster than ranked.
    """
    distances, which = np.unique(np.abs(moved), return_inverse=True)
    drawn = np.random.default_rng(0).integers(0, len(moved), (_DRAWS, pairs))
    rows = np.arange(_DRAWS)[:, None] * len(distances)
    place = (rows + which.reshape(-1)[drawn]).ravel()
    size = _DRAWS * len(distances)
    counts = np.bincount(place, minlength=size).reshape(_DRAWS, -1)
    signed = np.bincount(place, weights=np.sign(moved)[drawn].ravel(), minlength=size).reshape(_DRAWS, -1)
    ranks = np.cumsum(counts, axis=1) - (counts - 1) / 2
    sums = np.abs(np.sum(signed * ranks, axis=1))
    spread = np.sqrt(np.sum(counts * ranks**2, axis=1) / np.sum(np.arange(1, pairs + 1) ** 2))
    return float(np.mean(sums >= _critical(pairs, level) * spread - 1e-9))


@lru_cache(maxsize=1024)
def _critical(pairs: int, level: float) -> float:
    """The smallest absolute sum of signed ranks whose p is at most ``level``; infinite if none is."""
    if pairs > EXACT:
        from scipy import stats

        # One for continuity: sums of signed ranks go by twos.
        spread = math.sqrt(pairs * (pairs + 1) * (2 * pairs + 1) / 6)
        return float(stats.norm.ppf(1 - level / 2)) * spread + 1
    sums, ways = signed_sums(np.arange(1, pairs + 1))
    # From the outside in: the sums are symmetric, so twice one tail.
    tail = 2 * np.cumsum(ways[::-1]) / ways.sum()
    allowed = sums[::-1][tail <= level]
    return float(allowed[-1]) if len(allowed) else math.inf
