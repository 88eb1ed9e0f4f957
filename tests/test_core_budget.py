"""Budgets and meters."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from harness.core.budget import Budget, BudgetSpent, Meter
from harness.core.errors import InputError


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [("60s", 60, "s"), ("1.5m", 90, "s"), ("2h", 7200, "s"), ("2d", 172800, "s"), ("50evals", 50, "evals"),
     (" 500 steps ", 500, "steps"), ("2e12macs", 2e12, "macs"), ("1.5e9 macs", 1.5e9, "macs"), ("7macs", 7, "macs")],
)  # fmt: skip
def test_parses(text: str, amount: float, unit: str) -> None:
    assert Budget.parse(text) == Budget(amount, unit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "60",
        "s",
        "-5s",
        "0evals",
        "e9macs",
        "1e999macs",
        "1e-3macs",
        "2e12",
        "0.0h",
        "5 weeks",
        "nan s",
        "60s please",
    ],
)
def test_refuses_what_is_no_budget(text: str) -> None:
    with pytest.raises(InputError):
        Budget.parse(text)


@pytest.mark.parametrize("text", ["60s", "50evals", "500steps", "2e12macs", "1234567890macs", "1234567steps"])
def test_prints_what_it_parses(text: str) -> None:
    budget = Budget.parse(text)
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize(
    ("text", "printed"),
    [("60s", "60s"), ("2m", "120s"), ("50evals", "50 evals"), ("500steps", "500 steps"), ("2e12macs", "2e12 macs")],
)
def test_its_words_are_those_of_the_directory_and_the_tables(text: str, printed: str) -> None:
    assert str(Budget.parse(text)) == printed


@pytest.mark.parametrize(
    ("most", "more"),
    [
        ("1e12s", "1.1e12s"),
        ("1e9evals", "1000000001evals"),
        ("1e12steps", "1000000000001steps"),
        ("1e24macs", "1.01e24macs"),
    ],
)
def test_the_most_is_allowed_and_more_is_not(most: str, more: str) -> None:
    assert Budget.parse(most).amount > 0
    with pytest.raises(InputError, match="is the most"):
        Budget.parse(more)


def test_a_meter_that_has_overrun_has_spent_all_of_it_and_has_nothing_left() -> None:
    clock = Clock()
    meter = Meter(Budget(60, "s"), 1, clock)
    clock.now += 90
    assert (meter.share, meter.left, meter.spent) == (1, 0, 90)
    clock.now -= 75
    assert (meter.share, meter.left) == (0.25, 45)


def test_work_of_which_no_multiply_accumulates_are_told_has_none() -> None:
    meter = Meter(Budget(100, "macs"), 1)
    meter.charge(seconds=1, steps=1)
    assert meter.macs == 0
    meter.afford(5)
    meter.charge(seconds=0, steps=0, macs=100)
    with pytest.raises(BudgetSpent):
        meter.afford(0)
    meter.restore(seconds=1, steps=1)
    assert (meter.macs, meter.left) == (0, 100)
    meter.restore(seconds=1, steps=1, macs=7)
    assert meter.spent == 7


def test_a_library_that_swallows_exceptions_cannot_swallow_the_end() -> None:
    assert not issubclass(BudgetSpent, Exception)


def test_one_evaluation_is_worth_its_gradient_steps() -> None:
    meter = Meter(Budget(3, "evals"), steps_per_evaluation=8)
    assert meter.limit == 24
    for spent in (8, 16, 24):
        meter.afford(8)
        meter.charge(seconds=1e9, steps=8)
        assert meter.spent == spent
    with pytest.raises(BudgetSpent):
        meter.afford(1)
    assert meter.left == 0


def test_work_that_would_cross_a_counted_budget_is_refused_and_exactly_fitting_work_is_not() -> None:
    meter = Meter(Budget(10, "steps"), steps_per_evaluation=4)
    meter.charge(seconds=0, steps=7)
    meter.afford(3)
    with pytest.raises(BudgetSpent):
        meter.afford(4)
    assert meter.spent == 7


def test_seconds_are_own_time_plus_reported_cost_without_excluded_time() -> None:
    clock = Clock()
    meter = Meter(Budget(60, "s"), 1, clock)
    clock.now += 5
    assert meter.spent == 5
    clock.now += 40
    meter.exclude(40)
    meter.charge(seconds=30, steps=1)
    assert meter.spent == 35
    assert meter.left == 25
    meter.check()
    clock.now += 25
    with pytest.raises(BudgetSpent):
        meter.check()


def test_restored_meter_goes_on_from_what_was_spent() -> None:
    clock = Clock()
    meter = Meter(Budget(60, "s"), 1, clock)
    clock.now += 17
    meter.restore(seconds=50, steps=3)
    assert (meter.spent, meter.steps) == (50, 3)
    clock.now += 4
    assert meter.spent == 54


def test_a_restored_meter_knows_what_was_charged_and_what_was_the_methods_own() -> None:
    clock = Clock()
    meter = Meter(Budget(60, "s"), 1, clock)
    clock.now += 17
    meter.restore(seconds=30, steps=3, own=20)
    clock.now += 4
    meter.charge(seconds=2, steps=1)
    assert (meter.spent, meter.charged, meter.reported, meter.own) == (56, 32, 32, 24)


def test_a_deep_copy_counts_into_the_same_meter() -> None:
    meter = Meter(Budget(5, "steps"), 1)
    copy.deepcopy(meter).charge(seconds=0, steps=5)
    assert meter.left == 0


def test_multiply_accumulates_are_counted_under_every_budget_and_end_only_their_own() -> None:
    for text in ("60s", "50evals", "500steps"):
        meter = Meter(Budget.parse(text), 1, clock=lambda: 0.0)
        meter.afford(1, 10**18)
        meter.charge(seconds=1, steps=1, macs=10**18)
        assert meter.macs == 10**18
        assert meter.spent == 1
    meter = Meter(Budget.parse("100macs"), 1)
    meter.charge(seconds=1e9, steps=10**9, macs=70)
    assert (meter.spent, meter.left, meter.share) == (70, 30, 0.7)
    meter.afford(10**9, 30)
    with pytest.raises(BudgetSpent):
        meter.afford(0, 31)


def test_numpys_costs_are_counted_as_pythons_numbers() -> None:
    """JSON takes no others."""
    meter = Meter(Budget.parse("1e24macs"), 1, clock=lambda: 0.0)
    meter.charge(seconds=np.float32(0.5), steps=np.int32(2), macs=np.array([2**62, 1]).sum())
    meter.charge(seconds=0, steps=np.float64(1.0), macs=10**20)
    assert (meter.charged, meter.steps, meter.macs) == (0.5, 3, 2**62 + 1 + 10**20)
    assert [type(count) for count in (meter.charged, meter.steps, meter.macs)] == [float, int, int]


def test_what_is_reported_leaves_the_methods_own_time_out() -> None:
    clock = Clock()
    meter = Meter(Budget(60, "s"), 1, clock)
    clock.now += 7
    meter.charge(seconds=5, steps=1, macs=3)
    assert (meter.spent, meter.reported) == (12, 5)
    assert meter.price(seconds=2, steps=3, macs=4) == 2
    assert Meter(Budget(60, "steps"), 1).price(seconds=2, steps=3, macs=4) == 3
    assert Meter(Budget(60, "macs"), 1).price(seconds=2, steps=3, macs=4) == 4
