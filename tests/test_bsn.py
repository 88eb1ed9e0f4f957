"""Gates on a fabric: expected costs and their derivatives, REINFORCE on logits, and the searches made of them."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from fakes import MemoryJournal, make_task
from harness.methods.bsn import METHOD as Bsn
from harness.methods.common import gates
from harness.methods.fabrics import METHOD as Fabrics

from harness.core.errors import InputError
from harness.core.recipe import Recipe
from harness.core.space import Size
from harness.spaces.fabric import FabricSpace
from harness.testing import tiny_data

LOGITS = np.array([-1.0, 0.0, 0.5, 3.0])
COSTS = np.array([0.1, 0.4, 0.3, 0.2])
SPACE = FabricSpace("fabric-2", 2, 2)


def test_expected_cost_is_the_mean_of_drawn_costs() -> None:
    drawn = gates.drawn(LOGITS, 40_000, np.random.default_rng(0)) @ COSTS
    error = drawn.std() / np.sqrt(len(drawn))
    assert gates.expected_cost(LOGITS, COSTS) == pytest.approx(drawn.mean(), abs=3 * error)
    assert gates.expected_cost(np.full(4, 50.0), COSTS) == pytest.approx(COSTS.sum())


def test_the_surrogate_estimates_the_gradient_of_the_expected_cost() -> None:
    """With losses of 0 and no budget the reward is minus the price times the cost."""
    images, price, rng = 200, 2.0, np.random.default_rng(1)
    estimates = []
    for _ in range(400):
        opened = gates.drawn(LOGITS, images, rng)
        returns = gates.rewards(np.zeros(images), opened, COSTS, price=price, budget=0.0)
        # The baseline contains each image's own reward, which shrinks the estimate by (n - 1) / n.
        estimates.append(gates.surrogate_gradient(LOGITS, opened, returns) / (images - 1))
    mean, error = np.mean(estimates, 0), np.std(estimates, 0) / np.sqrt(400)
    step = 1e-6
    numeric = [
        (gates.expected_cost(LOGITS + step * axis, COSTS) - gates.expected_cost(LOGITS - step * axis, COSTS))
        / (2 * step)
        for axis in np.eye(4)
    ]
    assert np.all(np.abs(mean - price * np.array(numeric)) < 4 * error)


def test_the_surrogate_by_hand() -> None:
    opened, returns = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]), np.array([3.0, 0.0, 0.0])
    p = gates.probabilities(np.zeros(2))
    wanted = -sum(advantage * (row - p) for advantage, row in zip([2.0, -1.0, -1.0], opened, strict=True))
    np.testing.assert_allclose(gates.surrogate_gradient(np.zeros(2), opened, returns), wanted)


def test_equal_rewards_move_nothing() -> None:
    opened = gates.drawn(LOGITS, 8, np.random.default_rng(2))
    assert not gates.surrogate_gradient(LOGITS, opened, np.full(8, 0.7)).any()


def test_within_the_budget_cost_does_not_matter() -> None:
    opened = np.array([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    losses = np.array([0.5, 0.5])
    np.testing.assert_allclose(gates.rewards(losses, opened, COSTS, price=10, budget=0.3), [-0.5, -0.5 - 10 * 0.7])
    np.testing.assert_allclose(gates.rewards(losses, opened, COSTS, price=10, budget=1.0), -losses)


@pytest.mark.parametrize("price", [0.0, 20.0])
def test_two_edges_learn_to_keep_the_better_one(price: float) -> None:
    """The first lowers the loss by one, the second raises it; with a price beyond its use, the first goes too."""
    rng, logits, costs = np.random.default_rng(3), np.zeros(2), np.array([0.5, 0.5])
    for _ in range(300):
        opened = gates.drawn(logits, 64, rng)
        losses = 2.0 - opened[:, 0] + opened[:, 1]
        returns = gates.rewards(losses, opened, costs, price=price, budget=0.0)
        logits -= 0.05 * gates.surrogate_gradient(logits, opened, returns)
    assert logits[1] < -2
    assert (logits[0] > 2) == (price == 0.0)


def test_the_rate_of_the_gates_follows_the_budget() -> None:
    assert Bsn().rate(234_000) == 1e-3
    assert Bsn().rate(100) == 0.05
    assert 1e-3 < Bsn().rate(5_000) < 0.05
    assert Bsn(gate_rate=0.5).rate(5_000) == 0.5


@pytest.mark.parametrize("wrong", [{"cost": 1.5}, {"unit": "flops"}, {"price": -1}, {"rounds": 0}])
def test_settings_out_of_range_are_bad_input(wrong: dict) -> None:
    with pytest.raises(InputError):
        Bsn(**wrong)


def searched(method: Bsn | Fabrics, steps: int = 24):
    """A task after the search, and the genotype that it proposed."""
    recipe = Recipe(size=Size(4, 2), steps=4, batch=8, augment=False)
    task = make_task(SPACE, f"{steps}steps", data=tiny_data(), recipe=recipe)
    assert method.unsupported(task) is None
    method.search(task)
    return task


SMALL = {"batch": 8, "valid_batch": 8, "rounds": 2, "learning_rate": 0.05}


def test_fabrics_keep_a_path_or_everything() -> None:
    path = searched(Fabrics(keep=0.0, **SMALL)).proposal
    whole = searched(Fabrics(keep=1.0, **SMALL)).proposal
    assert whole == SPACE.whole()
    assert path.picks != whole.picks
    live = SPACE.live(path.picks)
    assert SPACE.output(path.picks) == SPACE.last
    targets = [SPACE.edges[number].target for number in live]
    assert len(targets) == len(set(targets)), "each node of a path is entered once"


def test_a_budget_of_nothing_leaves_a_path_and_one_of_all_leaves_all() -> None:
    dear = searched(Bsn(cost=0.0, price=100.0, gate_rate=0.5, **SMALL))
    free = searched(Bsn(cost=1.0, gate_rate=1e-6, **SMALL))
    assert free.proposal == SPACE.whole()
    assert sum(dear.proposal.picks) < len(SPACE.edges)
    assert SPACE.output(dear.proposal.picks) == SPACE.last
    assert dear.planned["expected_cost"] < free.planned["expected_cost"]
    assert dear.meter.spent <= dear.meter.limit


@pytest.mark.parametrize("method", [Bsn(**SMALL), Fabrics(**SMALL)])
def test_in_seconds_the_last_round_has_time_for_its_accuracy(method: Bsn | Fabrics) -> None:
    """Every look at this clock takes a second; a budget that ends before the last proposal raises here."""
    ticks, journal = count(), MemoryJournal()
    recipe = Recipe(size=Size(4, 2), steps=4, batch=8, augment=False)
    task = make_task(SPACE, "200s", data=tiny_data(), recipe=recipe, journal=journal, clock=lambda: float(next(ticks)))
    method.search(task)
    assert [accuracy is not None for _, accuracy, *_ in journal.proposals] == [False, True, True]
    assert task.meter.share > 0.8
