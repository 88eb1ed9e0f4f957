"""How methods divide a budget: cycles of a rate as shares, and what is kept for trainings from scratch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fakes import FakeEvaluator, make_task
from harness.methods.common.plan import MARGIN, MOST_KEPT, Cycles, Reserve
from harness.methods.common.scaling import between, nearest_positive

from harness.core.evaluation import Proposal
from harness.core.space import Genotype
from harness.spaces import get_space

SPACE = get_space("enas_cell-2")
CANDIDATE = SPACE.genotype((0,) * len(SPACE.choices))


def test_rates_fall_along_a_cosine_and_start_again() -> None:
    """ENAS' 310 epochs are five cycles: 10, 20, 40, 80 and 160."""
    cycles = Cycles(0.05, 0.0005, 5, 2)
    rates = np.array([cycles.rate(epoch / 310) for epoch in range(310)])
    assert rates[[0, 10, 30, 70, 150]] == pytest.approx(0.05)
    assert rates[[5, 20, 50]] == pytest.approx((0.05 + 0.0005) / 2)
    assert np.flatnonzero(np.diff(rates) >= 0).tolist() == [9, 29, 69, 149]
    assert rates.min() > 0.0005
    assert cycles.rate(1.0) == pytest.approx(0.0005)


def test_cycles_end_where_they_are_told_to() -> None:
    cycles = dataclasses.replace(Cycles(1.0, 0.0, 2, 2), end=0.6)
    assert [cycles.place(share)[0] for share in (0.0, 0.19, 0.21, 0.59, 0.6, 1.0)] == [0, 0, 1, 1, 2, 2]
    assert cycles.rate(0.4) == pytest.approx(0.5)
    assert cycles.rate(0.9) == 0.0


@pytest.mark.parametrize(("cost", "count"), [(1, 5), (50, 5), (70, 4), (100, 3), (150, 2), (151, 0), (400, 0)])
@pytest.mark.parametrize(("unit", "margin"), [("steps", 1), ("macs", MARGIN)])
def test_what_is_kept_is_bounded(cost: int, count: int, unit: str, margin: float) -> None:
    evaluator = FakeEvaluator(gradient_steps=cost, macs=cost)
    task = make_task(SPACE, f"{round(1000 * margin)}{unit}", evaluator=evaluator)
    found, share = Reserve(task).kept(5, 0.0, 16)
    assert found == count
    assert share == pytest.approx(count * cost / 1000)
    assert share <= MOST_KEPT


def test_in_seconds_a_training_is_guessed_from_the_steps_and_then_known() -> None:
    task = make_task(SPACE, "100s", evaluator=FakeEvaluator(gradient_steps=8, seconds=9.0))
    reserve, half = Reserve(task), task.recipe.batch // 2
    assert reserve.kept(5, 0.0, 16) == (0, 0.0), "before the first step nothing is known"
    assert reserve.kept(5, 0.25, half) == (5, pytest.approx(5 * 1.2 * 8 * 0.25 * 2 / 100))
    task.evaluate([CANDIDATE])
    assert reserve.kept(5, 0.25, half) == (2, pytest.approx(2 * 1.2 * 9 / 100))


def test_a_reserve_is_that_of_a_mean_architecture_and_more_where_trainings_differ_in_cost() -> None:
    """With ten draws the mean is within three deviations of that of the space."""

    def macs(found: Proposal) -> int:
        assert isinstance(found, Genotype)
        return 10_000 + 1000 * sum(found.picks)

    draws = np.array([macs(SPACE.sample(np.random.default_rng(seed))) for seed in range(500)])
    task = make_task(SPACE, "10000000macs", evaluator=FakeEvaluator(macs=macs))
    reserve, before = Reserve(task), task.rng.bit_generator.state
    count, share = reserve.kept(5, 0.0, 16)
    assert count == 5
    assert abs(share * 10_000_000 / 5 / 1.2 - draws.mean()) < 3 * draws.std() / 10**0.5
    assert task.rng.bit_generator.state == before, "the search draws as without"
    assert reserve.kept(5, 0.0, 16) == Reserve(task).kept(5, 0.0, 16) == (count, share)
    steps = make_task(SPACE, "1000steps", evaluator=FakeEvaluator(gradient_steps=50, macs=macs))
    assert Reserve(steps).kept(5, 0.0, 16) == (5, pytest.approx(0.25)), "all trainings have as many steps"
    assert Reserve(steps).kept(0, 0.0, 16) == (0, 0.0)


def test_settings_go_over_to_the_papers_by_a_power_law() -> None:
    few, paper = (20.0, 0.06), (20_000.0, 0.00006)
    values = [between(children, few, paper) for children in (1, 20, 200, 2000, 20_000, 10**6)]
    assert values == pytest.approx([0.06, 0.06, 0.006, 0.0006, 0.00006, 0.00006])
    assert [nearest_positive(value) for value in (0.2, 1.4, 2.6)] == [1, 1, 3]
