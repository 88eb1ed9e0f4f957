"""How a number of seconds becomes a number of steps, on a simulated machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.nets.pace import Pace


def simulate(pace: Pace, duration: Callable[[int], float]) -> list[int]:
    """Runs steps until the pace says that it is over; returns the totals it named."""
    totals, done = [], 0
    while done < pace.total:
        done += 1
        pace.stepped(done, duration(done), traced=done == 1)
        totals.append(pace.total)
    assert done == pace.total
    return totals


def test_a_steady_machine_uses_its_time_and_the_total_stays() -> None:
    pace = Pace(10**6, 100.0)
    totals = simulate(pace, lambda step: 12.0 if step == 1 else 0.1)
    assert totals[-1] == pytest.approx(1 + 880, abs=1)
    assert pace.used == pytest.approx(100.0, abs=0.2)
    assert len(set(totals[60:])) == 1, "fixed after a twentieth of the time"


def test_tracing_does_not_count_into_the_rate() -> None:
    pace = Pace(10, 0.0)
    simulate(pace, lambda step: 50.0 if step == 1 else 0.25)
    assert pace.rate() == pytest.approx(4.0)


@pytest.mark.parametrize("slow", [1.5, 3.0, 20.0])
def test_a_machine_that_becomes_slower_still_keeps_the_deadline_and_ends_its_schedule(slow: float) -> None:
    pace = Pace(10**6, 100.0)
    totals = simulate(pace, lambda step: 0.1 * (slow if step > 300 else 1.0))
    assert pace.used <= 100.0 + 2 * 0.1 * slow
    assert pace.used >= 90.0
    assert totals[-1] - totals[-30] <= 0, "it never becomes longer"
    assert totals[-2] <= totals[-1] * 1.05, "no sudden end"


def test_a_machine_that_becomes_faster_keeps_its_total() -> None:
    pace = Pace(10**6, 100.0)
    totals = simulate(pace, lambda step: 0.1 if step < 200 else 0.05)
    assert totals[-1] == pytest.approx(1000, abs=2)


def test_noise_does_not_shorten_the_training() -> None:
    pace = Pace(10**6, 100.0)
    simulate(pace, lambda step: 0.1 * (1.0 + 0.3 * (step % 3 - 1)))
    assert pace.used == pytest.approx(100.0, rel=0.03)


def test_a_deadline_shorter_than_tracing_gives_one_step() -> None:
    assert simulate(Pace(1000, 2.0), lambda step: 5.0) == [1]


def test_steps_stay_the_upper_bound() -> None:
    pace = Pace(50, 100.0)
    simulate(pace, lambda step: 0.1)
    assert pace.total == 50


def test_without_seconds_the_steps_stand() -> None:
    assert simulate(Pace(7, 0.0), lambda step: 1000.0) == [7] * 7


def test_a_resumed_pace_goes_on_with_its_total() -> None:
    pace = Pace(10**6, 100.0)
    pace.restore(total=40, used=60.0, fixed=True)
    pace.stepped(21, 0.0, traced=True)
    pace.stepped(22, 1.0, traced=False)
    assert pace.total == 40
    assert pace.used == 61.0


@pytest.mark.parametrize("slow", [1.0, 5.0])
def test_a_cap_that_suffices_never_shows(slow: float) -> None:
    """Not even where the machine is slow for a while: the schedule, and so the result, is that of the steps."""
    totals = simulate(Pace(500, 1000.0, capped=True), lambda step: slow if step < 40 else 0.5)
    assert totals == [500] * 500


def test_a_cap_that_does_not_suffice_shortens_the_schedule_and_is_kept() -> None:
    pace = Pace(500, 100.0, capped=True)
    totals = simulate(pace, lambda step: 0.5)
    assert totals[0] == 500
    assert pace.total == pytest.approx(200, abs=2)
    assert pace.used == pytest.approx(100.0, abs=1.0)
    assert totals[60] == totals[-1], "it is known after a quarter of the cap, so that the schedule can end"


def test_a_cap_is_kept_by_a_machine_that_stops_short() -> None:
    pace = Pace(500, 100.0, capped=True)
    simulate(pace, lambda step: 0.1 if step < 300 else 50.0)
    assert pace.used <= 100.0 + 50.0
    assert pace.total < 500
