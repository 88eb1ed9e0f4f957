"""What chance allows a row of the regression gate: the power of its test by definition, and the numbers of seeds."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from harness.report.gate import chance
from harness.report.gate.chance import Room, room, seeds_needed, spread, tolerance, visible_drop


def drop_of(n: int, level: float) -> float:
    """What chance allows a row of a spread of one point with ``n`` stored and as many new seeds, an even number."""
    away = math.sqrt((n - 1) / n)
    values = [90 - away, 90 + away] * (n // 2)
    assert spread(values, values) == pytest.approx(1.0)
    return tolerance(values, values, level)


@pytest.mark.parametrize(("old", "new"), [(3, 1), (3, 3), (10, 3), (5, 40)])
@pytest.mark.parametrize("level", [0.05, 0.001, 0.001 / 12])
def test_a_visible_drop_has_the_power_promised_by_the_noncentral_distribution(old: int, new: int, level: float) -> None:
    """Student's t on a mean that fell by so many standard errors."""
    freedom, error = old + new - 2, math.sqrt(1 / old + 1 / new)
    for points in (0.2, 3.0):
        shift = visible_drop(old, new, level, points) / (points * error)
        missed = stats.nct.cdf(stats.t.isf(level, freedom), freedom, shift)
        assert missed == pytest.approx(1 - chance.POWER, abs=1e-6)


@pytest.mark.parametrize(("old", "new"), [(1, 1), (2, 7)])
def test_with_an_assumed_spread_the_power_is_that_of_the_normal_distribution(old: int, new: int) -> None:
    error = 2.0 * math.sqrt(1 / old + 1 / new)
    shift = visible_drop(old, new, 0.01, 2.0) / error
    assert stats.norm.sf(stats.norm.isf(0.01), loc=shift) == pytest.approx(chance.POWER)
    assert tolerance([90.0] * old, [50.0] * new, 0.01) == pytest.approx(
        stats.norm.isf(0.01) * chance.ASSUMED_SPREAD * math.sqrt(1 / old + 1 / new)
    )


@pytest.mark.parametrize("n", [4, 6, 20, 100])
def test_so_many_seeds_are_needed_as_make_the_tolerance_the_limit(n: int) -> None:
    level = 0.001
    allowed = drop_of(n, level)
    assert seeds_needed(1.0, allowed * 1.0001, level) == n
    assert seeds_needed(1.0, allowed * 0.9999, level) == n + 1
    assert seeds_needed(3.0, 3 * allowed * 1.0001, level) == n


def test_no_number_of_seeds_is_told_beyond_a_thousand_or_without_a_distance_to_a_guess() -> None:
    most = drop_of(chance.MOST_SEEDS, 0.01)
    assert seeds_needed(1.0, most * 1.0001, 0.01) == chance.MOST_SEEDS
    assert seeds_needed(1.0, most * 0.9999, 0.01) is None
    assert [seeds_needed(1.0, limit, 0.01) for limit in (0.0, -1.0)] == [None, None]
    assert seeds_needed(0.01, 5.0, 0.01) == chance.ESTIMATED_FROM, "fewer estimate no spread"


def test_the_spread_is_pooled_around_each_mean_and_never_nothing() -> None:
    assert spread([1.0, 2.0, 3.0], [50.0]) == pytest.approx(1.0)
    assert spread([1.0, 2.0, 3.0], [50.0, 54.0]) == pytest.approx(math.sqrt((2 + 8) / 3))
    assert spread([1.0, 1.0, 1.0], [2.0, 2.0]) == chance.MINIMAL_SPREAD
    assert spread([1.0, 1.2], [0.0, 90.0]) == chance.ASSUMED_SPREAD


@pytest.mark.parametrize(
    ("before", "after", "guess", "limit"),
    [(90.0, 90.0, 10.0, chance.MOST_POINTS), (13.0, 90.0, 10.0, 3.0), (90.0, 12.0, 10.0, 2.0), (9.0, 90.0, 10.0, -1.0)],
)
def test_a_row_may_not_lose_all_that_it_has_above_a_guess(
    before: float, after: float, guess: float, limit: float
) -> None:
    old, new = [before - 0.5, before, before + 0.5], [after]
    found = room(old, new, 0.001, guess)
    assert found.limit == pytest.approx(limit)
    assert (found.allowed, found.spread) == (tolerance(old, new, 0.001), spread(old, new))


def test_a_comparison_decides_up_to_its_limit() -> None:
    assert [Room(allowed, 3.0, 1.0).decides for allowed in (2.9, 3.0, 3.1)] == [True, True, False]
