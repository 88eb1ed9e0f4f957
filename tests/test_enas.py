"""ENAS' loop: cycles as shares of the budget, proposals at their ends, rewards; on a supernet that only pretends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fakes import MemoryJournal, make_task, run, tiny_data
from harness.methods.common.edge_controller import EdgeController
from harness.methods.common.enas import EnasSearch, EnasSettings
from harness.methods.common.enas_micro_controller import EnasMicroController
from harness.methods.common.plan import EXAMPLES
from harness.methods.enas_macro import METHOD as MACRO
from harness.methods.enas_micro import METHOD as MICRO
from nao_supernet import FakeNet
from weight_searches import FakeController

from harness.core.budget import BudgetSpent
from harness.core.home import CHECKOUT as ROOT
from harness.core.limits import Limits
from harness.core.space import Genotype
from harness.core.task import Task
from harness.spaces import get_space

pytestmark = pytest.mark.usefixtures("untraced")

SPACE = get_space("enas_cell-2")
SMALL: dict[str, Any] = {
    **{"batch": 16, "valid_batch": 8, "child_steps": 12, "controller_steps": 2, "samples": 4, "cycles": 3},
    **{"candidates": 6, "candidate_batches": 2},
}


def searched(budget: str, journal: MemoryJournal, **changes: Any) -> tuple[Task, FakeNet, FakeController]:
    task, net, controller = make_task(SPACE, budget, journal=journal, seed=2), FakeNet(), FakeController(SPACE)
    settings = EnasSettings.of(MICRO(**{**SMALL, **changes}))
    EnasSearch(task, net, controller, settings).run()  # type: ignore[arg-type]
    return task, net, controller


@pytest.mark.parametrize("budget", ["400steps", "400evals", "240000macs"])
def test_the_best_candidate_is_proposed_at_the_end_of_each_cycle(budget: str) -> None:
    journal = MemoryJournal()
    task, net, _ = searched(budget, journal)
    assert len(journal.proposals) == 1 + 3, "one before the first step, and one per cycle of 1, 2 and 4 parts"
    spent = np.array([spent for *_, spent, _ in journal.proposals[1:]]) / task.meter.limit
    assert spent == pytest.approx([1 / 7, 3 / 7, 1.0], abs=0.06)
    assert task.meter.spent <= task.meter.limit
    last = net.measured[-6 * 2 :]
    best = max(dict.fromkeys(picks for picks, *_ in last), key=lambda picks: sum(picks) % 97)
    assert task.proposal == SPACE.genotype(best)
    assert task.planned["entropy_left"] == 1.0, "this controller learns nothing"
    rates = [rate for *_, rate in net.trained]
    restarts = np.flatnonzero(np.diff(rates) > 0.02)
    assert len(restarts) == 2
    assert rates[0] == pytest.approx(0.05)
    assert rates[-1] < 0.001


class Dearer(FakeNet):
    """What the controller comes to sample costs more than random architectures, which are asked about first."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self._factor, self._asked = factor, 0

    def macs(self, picks: Sequence[int]) -> int:
        self._asked += 1
        return int(super().macs(picks) * (1 if self._asked <= EXAMPLES else self._factor))


@pytest.mark.parametrize("factor", [1.6, 3.0])
def test_a_controller_that_prefers_dear_architectures_keeps_its_last_comparison(factor: float) -> None:
    journal = MemoryJournal()
    task = make_task(SPACE, "240000macs", journal=journal, seed=2)
    EnasSearch(task, Dearer(factor), FakeController(SPACE), EnasSettings.of(MICRO(**SMALL))).run()  # type: ignore[arg-type]
    spent = np.array([spent for *_, spent, _ in journal.proposals[1:]]) / task.meter.limit
    assert len(spent) == 3
    assert 0.85 < spent[-1] <= 1.0


def test_rewards_are_the_accuracies_of_batches_of_their_own_plus_the_entropy() -> None:
    journal = MemoryJournal()
    _, net, controller = searched("400steps", journal, entropy_weight=0.5, baseline_decay=0.0)
    assert len(controller.taught) > 40
    picks, advantages = controller.taught[0]
    assert picks.shape == (4, len(SPACE.choices))
    assert advantages == pytest.approx(np.zeros(4)), "a baseline without memory is the reward itself"
    _, net, controller = searched("400steps", journal=MemoryJournal(), entropy_weight=0.5, baseline_decay=0.5)
    picks, advantages = controller.taught[0]
    rewards = [score + 0.5 * 2.0 for *_, score in net.measured[:4]]
    average, expected = 0.0, []
    for reward in rewards:
        average = 0.5 * (average + reward)
        expected.append(reward - average)
    assert advantages == pytest.approx(expected)


def test_a_baseline_may_start_at_the_first_reward() -> None:
    """As in NAS-Bench-201's script; ENAS' own starts at 0, as the test above has it."""
    task, net, controller = make_task(SPACE, "400steps", seed=2), FakeNet(), FakeController(SPACE)
    settings = EnasSettings.of(MICRO(**{**SMALL, "entropy_weight": 0.5, "baseline_decay": 0.5}))
    EnasSearch(task, net, controller, settings, baseline=None).run()  # type: ignore[arg-type]
    rewards = [score + 0.5 * 2.0 for *_, score in net.measured[:4]]
    average, expected = rewards[0], []
    for reward in rewards:
        average = 0.5 * (average + reward)
        expected.append(reward - average)
    assert controller.taught[0][1] == pytest.approx(expected)
    assert expected[0] == 0


def test_a_baseline_without_a_reward_so_far_survives_a_checkpoint() -> None:
    settings = EnasSettings.of(MICRO(**SMALL))

    def fresh(start: float | None) -> EnasSearch:
        search = EnasSearch(make_task(SPACE), FakeNet(), FakeController(SPACE), settings, baseline=start)  # type: ignore[arg-type]
        return search

    other = fresh(0.3)
    other._restore(fresh(None)._state())
    assert other._baseline.value is None
    assert {value.dtype.kind for value in fresh(None)._state().values()} <= {"f", "i"}


def test_only_under_the_benchmarks_profile_the_baseline_and_the_clip_are_its_scripts() -> None:
    told = {
        name: (MICRO(**scaled).first_reward, MICRO(**scaled).controller_clip) for name, scaled in MICRO.scaled.items()
    }
    assert told.pop("nb201-weights") == (True, 5.0)
    assert set(told.values()) == {(MICRO().first_reward, MICRO().controller_clip)} == {(False, 0.0)}


@pytest.mark.parametrize("clip", [0.0, 0.001])
@pytest.mark.parametrize("name", ["nasbench201", "enas_cell-2"])
def test_a_clip_bounds_the_gradient_of_the_controller(name: str, clip: float) -> None:
    """Adam's mean of squares after one step holds a thousandth of each square of the gradient that it was given."""
    space = get_space(name)
    kind: Any = EdgeController if name == "nasbench201" else EnasMicroController
    controller = kind(space, np.random.default_rng(0), clip=clip)
    picks = controller.sample(np.random.default_rng(1).random((4, controller.decisions), np.float32)).picks
    advantages = np.array([1.0, -2.0, 3.0, 1.0], np.float32)
    norm = float(tf.linalg.global_norm(controller.gradient(tf.constant(picks), tf.constant(advantages))))
    assert norm > 0.001
    controller.train(picks, advantages)
    squares = [variable.numpy() for variable in controller._optimizer.variables if "velocity" in variable.path]
    used = np.sqrt(sum(square.sum() for square in squares) / 1e-3)
    assert used == pytest.approx(clip or norm, rel=1e-3)


@pytest.mark.parametrize("method", [MACRO, MICRO], ids=lambda method: method.name)
def test_the_page_says_which_share_training_takes_beside_rewards(method: Any) -> None:
    """At 45,000 training images where an epoch is a pass over them; a forward pass is a third of a step."""
    page = (ROOT / "docs" / "methods" / f"{method.name}.md").read_text(encoding="utf-8")
    for profile in {"published", "hour", "quick", "nb201-weights"} & {"published", *method.scaled}:
        made = method(**method.scaled.get(profile, {}))
        steps = made.child_steps or 45_000 // made.batch
        rewards = made.controller_steps * made.samples * (made.valid_batch or made.batch) / (3 * made.batch)
        stated = rf"{100 * steps / (steps + rewards):.0f} % (in|under) `{profile}`"
        assert re.search(stated, page), stated


def test_the_published_schedule_is_the_papers() -> None:
    for method in (MACRO(), MICRO()):
        assert sum(10 * method.cycle_factor**cycle for cycle in range(method.cycles)) == 310
        assert (method.learning_rate, method.final_learning_rate) == (0.05, 0.0005)
    assert (MACRO().batch, MACRO().controller_steps, MACRO().samples) == (128, 50, 20)
    assert (MICRO().batch, MICRO().controller_steps, MICRO().samples) == (160, 30, 10)


def test_enas_works_in_nasbench201s_cell() -> None:
    """With the real shared network and the controller that decides edge by edge."""
    task = make_task(get_space("nasbench201"), "20steps", data=tiny_data(images=64))
    small: dict[str, Any] = {
        "batch": 8,
        "child_steps": 4,
        "controller_steps": 1,
        "samples": 3,
        "cycles": 1,
        "candidates": 3,
    }
    run(MICRO(**small, candidate_batches=1), task)
    assert isinstance(task.proposal, Genotype)
    assert task.space.contains(task.proposal)
    assert task.meter.steps <= 20
    assert task.planned["entropy_left"] == pytest.approx(1.0, abs=0.05)


def test_the_first_proposal_is_within_the_limits() -> None:
    """Without limits it is the first sample; the budget ends before the first step."""

    def first(**limits: Any) -> Any:
        task, settings = make_task(SPACE, "1steps", seed=2, **limits), EnasSettings.of(MICRO(**SMALL))
        with pytest.raises(BudgetSpent):
            EnasSearch(task, FakeNet(), FakeController(SPACE), settings).run()  # type: ignore[arg-type]
        return task.proposal

    free = first()
    found = first(limits=Limits(macs=1), beyond=lambda found: "no" if found == free else "")
    assert found is not None
    assert found != free
