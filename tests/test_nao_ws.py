"""NAO-WS: the pool, its renewal, what is charged and what is proposed, on a supernet that only pretends."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, make_task
from fresh_process import in_fresh_process
from harness.methods.common.nao_settings import ModelSettings
from harness.methods.common.nao_ws import PoolSearch, PoolSettings
from harness.methods.common.symmetry import Symmetry
from harness.methods.nao_ws import METHOD
from nao_supernet import FakeNet

from harness.core.budget import BudgetSpent
from harness.core.dataset import SearchData
from harness.core.errors import InputError
from harness.core.evaluation import Proposal
from harness.core.limits import Limits
from harness.core.space import Genotype
from harness.core.task import Task
from harness.spaces import get_space

SPACE = get_space("enas_cell-2")
SMALL: dict[str, Any] = {
    **{"batch": 16, "valid_batch": 16, "child_steps": 12, "rounds": 4, "pool": 30, "new": 12, "random": 3, "top": 30},
    **{"score_batches": 1, "cycles": 2, "finalists": 4, "final_batches": 2},
    **{"epd_units": 16, "epd_layers": (8,), "epd_epochs": 60, "epd_rate": 1e-2},
}
BUDGET = 640
SCORES, FINALS = 30, 8
"""Forward passes of a round: thirty members, four finalists on two batches."""


def identities(picks: tuple[int, ...], batch: int) -> float:
    """Accuracy: the share of identities among the operations, whatever the batch."""
    return sum(op == 4 for op in picks[1::2]) / len(picks[1::2])


class Watched(PoolSearch):
    """Remembers every pool, the ranking that it was made from, and what was kept then."""

    def __init__(self, task: Task, net: FakeNet, **changes: Any) -> None:
        method = METHOD(**{**SMALL, **changes})
        super().__init__(task, net, PoolSettings.of(method), ModelSettings.of(method))
        self.ranked: list[list[Genotype]] = []
        self.pools: list[list[Genotype]] = []
        self.kept: list[tuple[int, float]] = []

    def renewed(self, ranked: list[Genotype]) -> list[Genotype]:
        """As in the base."""
        self.ranked.append(ranked)
        self.kept.append(self._kept())
        self.pools.append(super().renewed(ranked))
        return self.pools[-1]


class Killed(BaseException):
    """Stands for SIGKILL."""


class Mortal(FakeNet):
    """Dies before one of its steps."""

    def __init__(self, dies_at: int) -> None:
        super().__init__(identities)
        self._left = dies_at

    def _remember(self, *args: Any) -> None:
        self._left -= 1
        if not self._left:
            raise Killed
        super()._remember(*args)


def searched(
    budget: int = BUDGET,
    score: Callable[[tuple[int, ...], int], float] = identities,
    journal: MemoryJournal | None = None,
    net: FakeNet | None = None,
    **changes: Any,
) -> tuple[Watched, FakeNet, Task]:
    task, net = make_task(SPACE, f"{budget}steps", journal=journal, seed=3), net or FakeNet(score)
    search = Watched(task, net, **changes)
    with contextlib.suppress(BudgetSpent, Killed):
        search.run()
    return search, net, task


@pytest.fixture(scope="module")
def whole() -> tuple[Watched, FakeNet, Task]:
    """Four rounds."""
    return searched()


def spelling(genotype: Genotype) -> tuple[int, ...]:
    return Symmetry(SPACE.choices).canonical(genotype.picks)


def test_scoring_takes_a_tenth_and_the_last_round_ends_within_the_budget(whole: tuple[Watched, FakeNet, Task]) -> None:
    search, net, task = whole
    assert len(search.pools) == 3, "the last round makes no pool"
    assert len(net.measured) == 4 * (SCORES + FINALS)
    charged = [-(-passes // 3) for passes in (SCORES, FINALS)]
    assert task.meter.steps == len(net.trained) + 4 * sum(charged) + 4
    assert 4 * charged[0] <= 0.11 * len(net.trained)
    assert 0.93 * BUDGET < task.meter.steps <= BUDGET


def test_rounds_are_equal_parts_of_the_budget(whole: tuple[Watched, FakeNet, Task]) -> None:
    rates = [rate for *_, rate in whole[1].trained]
    assert rates[0] == pytest.approx(0.05)
    assert rates[-1] < 0.001, "the second cycle ends with the training"
    restart = int(np.argmax(np.diff(rates) > 0.01))
    assert restart == pytest.approx(len(rates) / 3, abs=0.05 * len(rates)), "one third, then two thirds"


def test_the_best_finalists_are_trained_from_scratch_where_the_budget_allows(
    whole: tuple[Watched, FakeNet, Task],
) -> None:
    _, net, task = whole
    finalists = [picks for picks, *_ in net.measured[-FINALS::2]]
    assert [e.genotype for e in task.evaluations] == [str(SPACE.genotype(picks)) for picks in finalists]
    assert str(task.proposal) == max(task.evaluations, key=lambda e: e.accuracy).genotype
    recipe = dataclasses.replace(task.recipe, steps=200)
    dear = make_task(SPACE, f"{BUDGET}steps", evaluator=FakeEvaluator(gradient_steps=200), recipe=recipe)
    Watched(dear, FakeNet(identities)).run()
    assert not dear.evaluations
    assert dear.planned["retrained"] == 0


def test_a_pool_that_a_tenth_of_the_compute_cannot_score_shrinks() -> None:
    search, _, task = searched(200)
    sizes = [len(pool) for pool in search.pools]
    assert sizes[0] < 20
    assert task.planned["pool"] == sizes[-1]
    assert task.meter.steps <= 200
    for ranked, pool in zip(search.ranked, search.pools, strict=True):
        assert len(pool) <= len(ranked) <= 20


def test_the_next_pool_is_the_best_of_the_old_one_new_ones_and_random_ones(
    whole: tuple[Watched, FakeNet, Task],
) -> None:
    search, *_ = whole
    for ranked, pool in zip(search.ranked, search.pools, strict=True):
        assert len(ranked) == len(pool) == 30
        assert pool[:15] == ranked[:15], "30 members, 12 new and 3 random ones"
        old, fresh = {spelling(g) for g in ranked}, {spelling(g) for g in pool[15:]}
        assert len(fresh) == 15, "no member twice"
        assert not fresh & old
    assert {spelling(g) for g in search.pools[0]} == {spelling(g) for g in search.ranked[1]}


def test_where_little_is_new_more_of_the_old_pool_stays() -> None:
    search, *_ = searched(320, rounds=2, steps=1, step=1e-9, random=2)
    [ranked], [pool] = search.ranked, search.pools
    kept = [genotype for genotype in pool if genotype in ranked]
    assert len(pool) == 30
    assert kept == ranked[: len(kept)]
    assert 15 < len(kept) <= 28


def test_the_ranking_follows_the_scores(whole: tuple[Watched, FakeNet, Task]) -> None:
    for ranked in whole[0].ranked:
        scores = [identities(genotype.picks, 0) for genotype in ranked]
        assert scores == sorted(scores, reverse=True)


def test_pools_get_better_than_chance(whole: tuple[Watched, FakeNet, Task]) -> None:
    search, *_ = whole
    means = [np.mean([identities(genotype.picks, 0) for genotype in pool]) for pool in search.pools]
    assert means[-1] > means[0] > 0.25 > 0.2, "a fifth of all operations are identities"


def test_every_member_is_measured_on_a_batch_of_its_own_and_finalists_on_the_same() -> None:
    _, net, _ = searched(valid_batch=1)
    for begin in (0, SCORES + FINALS):
        members, finalists = net.measured[begin:][:SCORES], net.measured[begin + SCORES :][:FINALS]
        assert len({picks for picks, *_ in members}) == 30
        assert len({batch for _, batch, _ in finalists}) <= 2
        assert len({picks for picks, *_ in finalists}) == 4
        assert [batch for _, batch, _ in finalists[::2]] == [finalists[0][1]] * 4


def test_a_member_is_scored_on_more_batches_where_they_are_affordable() -> None:
    _, net, task = searched(valid_batch=4, score_batches=3)
    counts = Counter(picks for picks, *_ in net.measured[: 3 * SCORES])
    assert set(counts.values()) == {3}
    assert task.planned["score_images"] == 12


def test_luck_with_a_batch_does_not_decide() -> None:
    """A member that was lucky once is a finalist, but the common batches tell the truth."""
    seen: Counter[tuple[int, ...]] = Counter()

    def lucky(picks: tuple[int, ...], batch: int) -> float:
        seen[picks] += 1
        return 1.0 if seen[picks] == 1 and picks[0] == 1 else identities(picks, batch)

    _, net, task = searched(score=lucky, rounds=1, budget=170)
    finalists = {picks for picks, *_ in net.measured[-FINALS:]}
    assert any(picks[0] == 1 for picks in finalists)
    assert isinstance(task.proposal, Genotype)
    assert identities(task.proposal.picks, 0) == max(identities(picks, 0) for picks in finalists)


def test_finalists_are_trained_in_the_order_of_the_common_batches() -> None:
    """Where not all can be trained, the common comparison says which."""
    seen: Counter[tuple[int, ...]] = Counter()

    def changing(picks: tuple[int, ...], batch: int) -> float:
        seen[picks] += 1
        return sum(picks) * 37 % 97 / 97 if seen[picks] == 1 else identities(picks, batch)

    _, net, task = searched(score=changing, rounds=1, budget=170)
    first = [identities(picks, 0) for picks, *_ in net.measured[-FINALS::2]]
    trained = [identities(SPACE.parse(e.genotype).picks, 0) for e in task.evaluations]
    assert trained == sorted(first, reverse=True) != first


def test_members_train_equally_often() -> None:
    _, net, _ = searched(1600, child_steps=1500, rounds=1)
    counts = Counter(picks for picks, *_ in net.trained)
    expected = len(net.trained) / 30
    assert len(counts) == 30
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 58.3  # 29 degrees, p = 0.001


def test_something_is_proposed_before_the_first_step() -> None:
    _, net, task = searched(net=Mortal(1))
    assert not net.measured
    assert task.proposal is not None


def few(proposal: Proposal) -> str:
    """Two identities are the most; the search looks for more."""
    assert isinstance(proposal, Genotype)
    return "too many" if identities(proposal.picks, 0) > 2 / 8 else ""


@pytest.mark.parametrize("rounds", [1, 2])
def test_finalists_are_the_best_within_the_limits(rounds: int) -> None:
    evaluator = FakeEvaluator()
    task = make_task(SPACE, f"{BUDGET}steps", evaluator=evaluator, seed=3, limits=Limits(macs=1), beyond=few)
    net = FakeNet(identities)
    Watched(task, net, rounds=rounds).run()
    finals = [picks for picks, *_ in net.measured[-FINALS:]]
    members = {picks for picks, *_ in net.measured[-FINALS - SCORES : -FINALS]}
    allowed = sorted((identities(picks, 0) for picks in members if identities(picks, 0) <= 2 / 8), reverse=True)
    assert max(identities(picks, 0) for picks in members) > 2 / 8
    assert sorted((identities(picks, 0) for picks in set(finals)), reverse=True) == allowed[:4]
    assert len(evaluator.trained) == len(task.evaluations) == task.planned["retrained"] == 4
    assert str(task.proposal) == max(task.evaluations, key=lambda e: e.accuracy).genotype


def test_the_first_proposal_is_within_the_limits_and_without_them_the_first_member() -> None:
    search, _, free = searched(net=Mortal(1))
    assert free.proposal == search._pool[0]
    task = make_task(
        SPACE,
        f"{BUDGET}steps",
        seed=3,
        limits=Limits(macs=1),
        beyond=lambda found: "no" if found == free.proposal else "",
    )
    with contextlib.suppress(Killed):
        Watched(task, Mortal(1)).run()
    assert task.proposal is not None
    assert task.proposal != free.proposal


def test_the_record_counts_the_trainings_that_are_complete() -> None:
    """The best are so much dearer than random cells that not all of those that were planned fit."""
    evaluator = FakeEvaluator(macs=lambda found: 1000 + round(20_000 * identities(found.picks, 0)))
    task, net = make_task(SPACE, "800000macs", evaluator=evaluator, seed=3), FakeNet(identities)
    search = Watched(task, net, rounds=2)
    with pytest.raises(BudgetSpent):
        search.run()
    assert search._kept()[0] == 4
    assert 0 < task.planned["retrained"] == len(task.evaluations) < 4


def test_what_is_kept_does_not_sway_with_the_pool() -> None:
    """Cells with identities are dear, and these are what the pool comes to consist of."""
    evaluator = FakeEvaluator(macs=lambda found: 1000 + round(30_000 * identities(found.picks, 0)))
    task = make_task(SPACE, "800000macs", evaluator=evaluator, seed=3)
    search = Watched(task, FakeNet(identities))
    with contextlib.suppress(BudgetSpent):
        search.run()
    assert len(search.kept) == 3
    assert len(set(search.kept)) == 1


def resumes_as_if_nothing_had_happened() -> None:
    """Called in a process of its own, where operations are deterministic."""
    calm, _, undisturbed = searched()
    for stop in (20, 150, 400):
        journal = MemoryJournal()
        searched(journal=journal, net=Mortal(stop))
        resumed, _, task = searched(journal=journal)
        assert resumed.pools[-1:] == calm.pools[-1:]
        assert (task.proposal, task.meter.steps) == (undisturbed.proposal, undisturbed.meter.steps)


@pytest.mark.slow
def test_resumes_as_if_nothing_had_happened() -> None:
    in_fresh_process("test_nao_ws", "resumes_as_if_nothing_had_happened()")


def test_says_where_it_cannot_work() -> None:
    method = METHOD()
    assert method.unsupported(make_task(SPACE)) is None
    assert "nasbench201" in str(method.unsupported(make_task(get_space("nasbench201"))))
    assert "nao_cell" in str(method.unsupported(make_task(get_space("nao_cell"))))
    assert "takes the images" in str(method.unsupported(make_task(SPACE, data=SearchData.of_table("some table"))))


def test_defaults_are_the_papers() -> None:
    method = METHOD()
    assert (method.pool, method.new, method.random, method.top) == (1000, 500, 50, 100)
    assert (method.batch, method.valid_batch * method.score_batches, method.step, method.steps) == (160, 500, 1.0, 100)
    assert method.rounds == 150 / 30
    assert sum(10 * method.cycle_factor**cycle for cycle in range(method.cycles)) == 150
    assert (method.epd_units, method.epd_layers, method.epd_epochs, method.epd_batch) == (96, (100,) * 3, 1000, 100)


@pytest.mark.parametrize(
    "wrong", [{"pool": 550}, {"new": -1}, {"rounds": 0}, {"cycles": 0}, {"finalists": 0}, {"top": 0}, {"epd_units": 15}]
)
def test_refuses_nonsense(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)
