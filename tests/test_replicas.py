"""Controller replicas on a simulated clock; with NAS-RL's own controller: ``test_nas_rl_replicas.py``."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task
from harness.methods.common.baseline import RewardBaseline
from harness.methods.common.replicas import Arrays, Clock, Replicas, Rules
from pools import Eager, Race

from harness.core.budget import BudgetSpent
from harness.core.evaluation import Evaluation, Proposal
from harness.core.space import Genotype
from harness.core.task import Task

TESTS = Path(__file__).parent
SPACE = VectorSpace(6, 4)


class Picks(NamedTuple):
    picks: np.ndarray


class Softmax:
    """Independent choices with plain gradient descent; remembers what it was asked for."""

    def __init__(self) -> None:
        self.decisions = len(SPACE.choices)
        self.logits = np.zeros((6, 4))
        self.asked: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.applied: list[np.ndarray] = []

    def draw(self, uniforms: np.ndarray) -> Picks:
        below = np.cumsum(probabilities(self.logits), axis=1) <= uniforms[:, :, None]
        return Picks(np.minimum(below.sum(axis=2), 3))

    def fetch(self) -> Arrays:
        return [self.logits.copy()]

    def gradient(self, fetched: Arrays, drawn: Picks, advantages: np.ndarray) -> Arrays:
        self.asked.append((fetched[0], drawn.picks, advantages))
        return [slope(fetched[0], drawn.picks, advantages)]

    def apply(self, gradient: Arrays, rate: float) -> None:
        self.applied.append(gradient[0])
        self.logits = self.logits - rate * gradient[0]

    def train(self, drawn: Picks, advantages: np.ndarray, rate: float) -> None:
        self.apply(self.gradient(self.fetch(), drawn, advantages), rate)


def probabilities(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def slope(logits: np.ndarray, picks: np.ndarray, advantages: np.ndarray) -> np.ndarray:
    """Gradient of ``mean(-advantage * log P)`` with respect to the logits."""
    chosen = np.eye(4)[picks]
    return -np.mean(advantages[:, None, None] * (chosen - probabilities(logits)), axis=0)


def score(proposal: Proposal) -> float:
    assert isinstance(proposal, Genotype)
    return sum(proposal.picks) / 18


def searched(
    task: Task, replicas: int, *, synchronous: bool = False, children: int = 2
) -> tuple[Replicas[Picks], Softmax]:
    """Searches until the budget is spent."""
    policy = Softmax()
    rules = Rules(replicas, synchronous, lambda: children, lambda: 0.5, lambda e: e.accuracy)
    search = Replicas(task, policy, RewardBaseline(0.9, "before"), rules)
    with contextlib.suppress(BudgetSpent):
        search.search()
    return search, policy


def timed(seconds: Sequence[float], budget: str) -> Task:
    """A task whose n-th evaluation costs the n-th of these seconds."""
    costs = iter(seconds)
    return make_task(SPACE, budget, evaluator=FakeEvaluator(score, seconds=lambda _: next(costs)))


class TestTwoReplicasByHand:
    """Two replicas, one child each. Evaluations and what they cost, in the order in which replicas begin::

        replica 0: 3 s (0 to 3), 4 s (3 to 7), 2 s (7 to 9)
        replica 1: 1 s (0 to 1), 1 s (1 to 2), 6 s (2 to 8)

    Gradients arrive at 1 and 2 (replica 1, nothing has moved since it fetched), at 3 (replica 0, whose parameters are
    from 0: two updates old), at 7 (replica 0, nothing has moved since 3) and at 8 (replica 1, whose parameters are
    those of 2: two old). The budget ends when replica 1 begins again at 8.
    """

    COSTS = (3.0, 1.0, 1.0, 6.0, 4.0, 2.0)
    """Begun: replica 0 and 1 at 0, replica 1 at 1 and at 2, replica 0 at 3 and at 7."""

    @pytest.fixture
    def done(self) -> tuple[Replicas[Picks], Softmax, Task]:
        # A repeated architecture would be charged what it cost at first, so there is none.
        task = timed(self.COSTS, "17s")
        search, policy = searched(task, 2, children=1)
        assert len({e.genotype for e in task.evaluations}) == len(self.COSTS)
        return search, policy, task

    def test_the_clock(self, done: tuple[Replicas[Picks], Softmax, Task]) -> None:
        search, _, _ = done
        assert search.clock.ends == [3, 1, 2, 8, 7, 9]
        assert search.clock.busy == 17
        assert search.clock.devices == 2

    def test_staleness(self, done: tuple[Replicas[Picks], Softmax, Task]) -> None:
        search, _, _ = done
        assert search.clock.staleness == [0, 0, 2, 0, 2]
        assert search.clock.facts() == {
            "simulated_wall": 9,
            "updates": 5,
            "busy": 17 / 18,
            "staleness": 0.8,
            "most_staleness": 2,
        }

    def test_gradients_come_in_simulated_order(self, done: tuple[Replicas[Picks], Softmax, Task]) -> None:
        _, policy, task = done
        sent = [tuple(picks[0].tolist()) for _, picks, _ in policy.asked]
        texts = [str(SPACE.genotype(picks)) for picks in sent]
        assert texts == [task.evaluations[number].genotype for number in (1, 2, 0, 4, 3)]

    def test_each_is_that_at_the_fetched_parameters_applied_to_the_present_ones(
        self, done: tuple[Replicas[Picks], Softmax, Task]
    ) -> None:
        _, policy, _ = done
        history = [np.zeros((6, 4))]
        for version, (_, picks, advantages) in zip((0, 1, 0, 3, 2), policy.asked, strict=True):
            history.append(history[-1] - 0.5 * slope(history[version], picks, advantages))
        for (fetched, _, _), version in zip(policy.asked, (0, 1, 0, 3, 2), strict=True):
            assert np.array_equal(fetched, history[version])
        assert np.allclose(policy.logits, history[-1], atol=1e-15)
        assert not np.allclose(history[3], history[2] - 0.5 * slope(history[2], *policy.asked[2][1:]))

    def test_the_baseline_takes_rewards_as_they_arrive(self, done: tuple[Replicas[Picks], Softmax, Task]) -> None:
        _, policy, task = done
        average = task.evaluations[1].accuracy
        for number, (_, _, advantages) in zip((1, 2, 0, 4, 3), policy.asked, strict=True):
            assert advantages == pytest.approx([task.evaluations[number].accuracy - average])
            average = 0.9 * average + 0.1 * task.evaluations[number].accuracy


def test_one_replica_is_a_plain_search_synchronous_or_not() -> None:
    plain = make_task(SPACE, "21evals", score=score)
    policy, baseline = Softmax(), RewardBaseline(0.9, "before")
    with contextlib.suppress(BudgetSpent):
        while True:
            drawn = policy.draw(plain.rng.random((2, 6), np.float32))
            rewards = [e.accuracy for e in plain.evaluate(SPACE.genotype(tuple(row)) for row in drawn.picks.tolist())]
            policy.train(drawn, baseline.advantages(np.array(rewards)), 0.5)
    for synchronous in (False, True):
        task = make_task(SPACE, "21evals", score=score)
        search, own = searched(task, 1, synchronous=synchronous)
        assert task.evaluations == plain.evaluations
        assert np.array_equal(own.logits, policy.logits)
        assert search.clock.staleness == [0] * 10


def test_a_synchronous_update_is_the_mean_of_all_replicas_gradients_and_waits_for_the_slowest() -> None:
    task = timed((3.0, 1.0, 2.0, 2.0, 5.0, 4.0), "17s")
    search, policy = searched(task, 3, synchronous=True, children=1)
    assert search.clock.ends == [3, 1, 2, 5, 8, 7], "the second round begins at 3"
    assert search.clock.staleness == [0, 0, 0, 0, 0, 0]
    assert search.clock.updates == 2
    first = [slope(np.zeros((6, 4)), picks, advantages) for _, picks, advantages in policy.asked[:3]]
    assert np.allclose(policy.applied[0], np.mean(first, axis=0), atol=1e-15)
    assert search.clock.facts()["busy"] == pytest.approx(17 / (3 * 8))


def test_children_of_equal_cost_make_every_gradient_but_the_first_ones_as_stale_as_there_are_other_replicas() -> None:
    search, _ = searched(make_task(SPACE, "80evals", score=score), 4)
    assert search.clock.staleness[:8] == [0, 1, 2, 3, 3, 3, 3, 3]
    assert set(search.clock.staleness[4:]) == {3}
    assert max(search.clock.ends) == 10, "80 children on 8 devices"


def test_a_replica_waits_for_the_slowest_of_its_children() -> None:
    search, _ = searched(timed((3.0, 1.0, 2.0, 2.0), "8s"), 1)
    assert search.clock.ends == [3, 1, 5, 5]


@pytest.mark.parametrize(("budget", "each"), [("12evals", 1.0), ("72steps", 6.0), ("84macs", 7.0), ("60s", 5.0)])
def test_time_is_in_the_budgets_unit_and_the_charge_is_that_of_any_search(budget: str, each: float) -> None:
    evaluator = FakeEvaluator(score, seconds=5.0, gradient_steps=6, macs=7)
    task = make_task(SPACE, budget, evaluator=evaluator)
    search, _ = searched(task, 3)
    assert len(task.evaluations) == 12
    assert task.meter.spent == task.meter.limit
    assert search.clock.busy == pytest.approx(12 * each)
    assert search.clock.facts()["simulated_wall"] == pytest.approx(2 * each)
    assert search.clock.facts()["busy"] == pytest.approx(1.0)


@pytest.mark.parametrize("synchronous", [False, True])
def test_an_interrupted_search_goes_on_from_its_log(synchronous: bool) -> None:
    def costs(proposal: Proposal) -> float:
        return 1.0 + score(proposal)

    journal = MemoryJournal()
    first = FakeEvaluator(score, seconds=costs)
    searched(make_task(SPACE, "31s", evaluator=first, journal=journal), 3, synchronous=synchronous)
    second = FakeEvaluator(score, seconds=costs)
    resumed = make_task(SPACE, "90s", evaluator=second, journal=journal)
    calm = make_task(SPACE, "90s", evaluator=FakeEvaluator(score, seconds=costs))
    told = [searched(task, 3, synchronous=synchronous) for task in (resumed, calm)]
    assert resumed.evaluations == calm.evaluations
    assert told[0][0].clock == told[1][0].clock
    assert np.array_equal(told[0][1].logits, told[1][1].logits)
    assert 0 < len(second.trained) < len(calm.evaluations) - 10


def told(replicas: int) -> str:
    """Everything about a search, as text."""
    task = make_task(SPACE, "60s", evaluator=FakeEvaluator(score, seconds=lambda proposal: 1.0 + score(proposal)))
    search, policy = searched(task, replicas)
    return repr([task.evaluations, search.clock, policy.logits.tolist()])


def test_another_process_makes_the_same_search() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    code = "import test_replicas; print(test_replicas.told(3))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert done.stdout.strip() == told(3), done.stderr


def test_a_search_that_ends_in_its_first_round_has_made_no_update() -> None:
    search, policy = searched(make_task(SPACE, "5evals", score=score), 4)
    assert search.clock.facts() == {"simulated_wall": 1, "updates": 0, "busy": 5 / 8}
    assert not policy.applied


def test_nothing_happens_at_no_time() -> None:
    assert Clock().facts() == {"simulated_wall": 0, "updates": 0}


def macs(proposal: Proposal) -> int:
    assert isinstance(proposal, Genotype)
    return 1000 + sum(pick * 4**place for place, pick in enumerate(proposal.picks))


def unequal(proposal: Proposal) -> float:
    """Seconds, different ones for different architectures."""
    return macs(proposal) / 1000


def beside(kind: type[Eager] | None, size: int, budget: str, journal: MemoryJournal | None = None) -> Task:
    """A task with so many children at the same time."""
    pool = kind(size, lambda: task) if kind else None
    evaluator = FakeEvaluator(score, seconds=unequal, gradient_steps=2, macs=macs)
    task = make_task(SPACE, budget, evaluator=evaluator, pool=pool, journal=journal)
    return task


@pytest.mark.parametrize("budget", ["61evals", "121steps", "200000macs"])
@pytest.mark.parametrize("synchronous", [False, True])
@pytest.mark.parametrize("replicas", [1, 3])
def test_in_a_counted_budget_children_of_all_replicas_train_beside_each_other_and_nothing_changes(
    budget: str, synchronous: bool, replicas: int
) -> None:
    alone = beside(None, 1, budget)
    search, policy = searched(alone, replicas, synchronous=synchronous)
    assert search.clock.updates > 5
    for size in (2, 16):
        task = beside(Race, size, budget)
        own, other = searched(task, replicas, synchronous=synchronous)
        assert task.evaluations == alone.evaluations
        assert own.clock == search.clock
        assert np.array_equal(other.logits, policy.logits)
        assert task.rng.random() == beside_rng(alone)
        pool = task._pool
        assert isinstance(pool, Race)
        assert pool.most == 2 * replicas, "as many as all replicas have"
        assert max(pool.begun) < len(alone.evaluations), "none that is not paid for"


def beside_rng(task: Task) -> float:
    """The next draw, which is not made."""
    generator = np.random.default_rng()
    generator.bit_generator.state = task.rng.bit_generator.state
    return float(generator.random())


@pytest.mark.parametrize("replicas", [2, 3])
def test_with_a_process_for_every_child_the_real_order_is_that_of_the_simulated_clock(replicas: int) -> None:
    """Nothing but children takes time here, as on that clock: gradients arrive in the same order, equally stale."""
    simulated, real = beside(None, 1, "90s"), beside(Race, 2 * replicas, "90s")
    simulated.rng.random()  # the one draw more by which the logs of the two orders differ
    expected, policy = searched(simulated, replicas)
    got, own = searched(real, replicas)
    for task in (simulated, real):
        texts = [evaluation.genotype for evaluation in task.evaluations]
        assert len(set(texts)) == len(texts), "one that is repeated is there at once, and not on that clock"
    many = min(expected.clock.updates, got.clock.updates)
    assert many > 5
    assert max(got.clock.staleness) > 0
    assert got.clock.staleness[:many] == expected.clock.staleness[:many]
    for mine, other in zip(own.applied[:many], policy.applied[:many], strict=True):
        assert np.array_equal(mine, other)
    assert [e.genotype for e in real.evaluations] != [e.genotype for e in simulated.evaluations]
    assert set(got.clock.facts()) == {"updates", "staleness", "most_staleness"}, "no time is simulated"


def test_with_few_processes_a_gradient_arrives_when_its_children_have_really_ended() -> None:
    task = beside(Race, 2, "60s")
    search, _ = searched(task, 3)
    pool = task._pool
    assert isinstance(pool, Race)
    assert pool.now >= task.meter.charged / 2, "two processes cannot be faster"
    assert pool.now < 0.6 * task.meter.charged, "and are busy"
    assert max(search.clock.staleness) > 0


def test_synchronous_replicas_wait_for_each_other_in_a_budget_of_seconds_too() -> None:
    alone, task = beside(None, 1, "60s"), beside(Race, 4, "60s")
    expected, policy = searched(alone, 3, synchronous=True)
    got, own = searched(task, 3, synchronous=True)
    # The last child of one at a time takes longer than is left, which only a real evaluator notices.
    many = len(task.evaluations)
    assert alone.evaluations[:many] == task.evaluations
    assert len(alone.evaluations) - many in (0, 1)
    assert got.clock.ends == expected.clock.ends[:many]
    assert got.clock.updates > 2
    for mine, other in zip(own.applied, policy.applied, strict=False):
        assert np.array_equal(mine, other)


@pytest.mark.parametrize("kept", [0, 1, 7, 20])
def test_a_killed_search_of_really_asynchronous_replicas_has_its_state_again(kept: int) -> None:
    """Parameters, baseline and staleness follow from the log, whatever was under way."""
    first = MemoryJournal()
    dead, policy = searched(beside(Race, 4, "120s", first), 3)
    assert len(first.evaluations) > 25
    journal = MemoryJournal()
    journal.evaluations = first.evaluations[:kept]
    task = beside(Race, 4, "120s", journal)
    search, own = searched(task, 3)
    assert task.evaluations[:kept] == first.evaluations[:kept]
    known = _updates(first.evaluations[:kept], dead, policy)
    assert search.clock.staleness[:known] == dead.clock.staleness[:known]
    for mine, other in zip(own.applied[:known], policy.applied[:known], strict=True):
        assert np.array_equal(mine, other)
    assert task.meter.charged == pytest.approx(sum(evaluation.seconds for evaluation in task.evaluations))
    evaluator = task._evaluator
    assert isinstance(evaluator, FakeEvaluator)
    trained = {str(proposal) for proposal in evaluator.trained}
    assert not trained & {evaluation.genotype for evaluation in first.evaluations[:kept]}, "what is logged stays"


def _updates(evaluations: Sequence[Evaluation], search: Replicas[Picks], policy: Softmax) -> int:
    """How many updates a search had made when these evaluations were there."""
    there = [evaluation.genotype for evaluation in evaluations]
    for number, (_, picks, _) in enumerate(policy.asked):
        if not {str(SPACE.genotype(tuple(row))) for row in picks.tolist()} <= set(there):
            return number
    return search.clock.updates
