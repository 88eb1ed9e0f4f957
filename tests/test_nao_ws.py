"""NAO-WS: the pool, its renewal, what is charged and what is proposed, on a supernet that only pretends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fakes import MemoryJournal, make_task
from fresh_process import in_fresh_process
from harness.methods.common.nao_settings import ModelSettings
from harness.methods.common.nao_ws import PoolSearch, PoolSettings
from harness.methods.common.symmetry import Symmetry
from harness.methods.nao_ws import METHOD
from nao_supernet import FakeNet

from harness.core.budget import BudgetSpent
from harness.core.dataset import SearchData
from harness.core.errors import InputError
from harness.core.space import Genotype
from harness.core.task import Task
from harness.spaces import get_space

SPACE = get_space("enas_cell-2")
SMALL: dict[str, Any] = {
    **{"batch": 16, "valid_batch": 16, "child_steps": 12, "epochs": 2, "pool": 30, "new": 12, "random": 3, "top": 30},
    **{"finalists": 4, "final_batches": 2, "epd_units": 16, "epd_layers": (8,), "epd_epochs": 60, "epd_rate": 1e-2},
}
ROUND = 2 * 12 + 10 + 3  # two epochs, thirty forward passes, four finalists on two batches


def identities(picks: tuple[int, ...], batch: int) -> float:
    """Accuracy: the share of identities among the operations, whatever the batch."""
    return sum(op == 4 for op in picks[1::2]) / len(picks[1::2])


class Watched(PoolSearch):
    """Remembers every pool and the ranking that it was made from."""

    def __init__(self, task: Task, net: FakeNet, **changes: Any) -> None:
        method = METHOD(**{**SMALL, **changes})
        super().__init__(task, net, PoolSettings.of(method), ModelSettings.of(method))
        self.ranked: list[list[Genotype]] = []
        self.pools: list[list[Genotype]] = []

    def renewed(self, ranked: list[Genotype]) -> list[Genotype]:
        """As in the base."""
        self.ranked.append(ranked)
        self.pools.append(super().renewed(ranked))
        return self.pools[-1]


def searched(
    rounds: float,
    score: Callable[[tuple[int, ...], int], float] = identities,
    journal: MemoryJournal | None = None,
    **changes: Any,
) -> tuple[Watched, FakeNet, Task]:
    task, net = make_task(SPACE, f"{int(rounds * ROUND)}steps", journal=journal, seed=3), FakeNet(score)
    search = Watched(task, net, **changes)
    with pytest.raises(BudgetSpent):
        search.run()
    return search, net, task


@pytest.fixture(scope="module")
def three() -> tuple[Watched, FakeNet, Task]:
    """Three rounds and a bit."""
    return searched(3.4)


def spelling(genotype: Genotype) -> tuple[int, ...]:
    return Symmetry(SPACE.choices).canonical(genotype.picks)


def test_a_round_costs_its_steps_and_a_third_of_its_forward_passes(three: tuple[Watched, FakeNet, Task]) -> None:
    search, net, task = three
    assert len(search.pools) == 3
    assert task.meter.steps == int(3.4 * ROUND)
    assert len(net.trained) == int(3.4 * ROUND) - 3 * 13
    assert len(net.measured) == 3 * (30 + 8)


def test_the_next_pool_is_the_best_of_the_old_one_new_ones_and_random_ones(
    three: tuple[Watched, FakeNet, Task],
) -> None:
    search, *_ = three
    for ranked, pool in zip(search.ranked, search.pools, strict=True):
        assert len(ranked) == len(pool) == 30
        assert pool[:15] == ranked[:15], "30 members, 12 new and 3 random ones"
        old, fresh = {spelling(g) for g in ranked}, {spelling(g) for g in pool[15:]}
        assert len(fresh) == 15, "no member twice"
        assert not fresh & old
    assert {spelling(g) for g in search.pools[0]} == {spelling(g) for g in search.ranked[1]}


def test_where_little_is_new_more_of_the_old_pool_stays() -> None:
    search, *_ = searched(1.1, steps=1, step=1e-9, random=2)
    [ranked], [pool] = search.ranked, search.pools
    kept = [genotype for genotype in pool if genotype in ranked]
    assert len(pool) == 30
    assert kept == ranked[: len(kept)]
    assert 15 < len(kept) <= 28


def test_the_ranking_follows_the_scores(three: tuple[Watched, FakeNet, Task]) -> None:
    for ranked in three[0].ranked:
        scores = [identities(genotype.picks, 0) for genotype in ranked]
        assert scores == sorted(scores, reverse=True)


def test_pools_get_better_than_chance(three: tuple[Watched, FakeNet, Task]) -> None:
    search, *_ = three
    means = [np.mean([identities(genotype.picks, 0) for genotype in pool]) for pool in search.pools]
    assert means[-1] > means[0] > 0.25 > 0.2, "a fifth of all operations are identities"


def test_every_member_is_measured_on_a_batch_of_its_own_and_finalists_on_the_same() -> None:
    _, net, _ = searched(2.0, valid_batch=1)
    for begin in (0, 38):
        members, finalists = net.measured[begin : begin + 30], net.measured[begin + 30 : begin + 38]
        assert len({picks for picks, *_ in members}) == 30
        assert len({batch for _, batch, _ in finalists}) <= 2
        assert len({picks for picks, *_ in finalists}) == 4
        assert [batch for _, batch, _ in finalists[::2]] == [finalists[0][1]] * 4


def test_luck_with_a_batch_does_not_decide() -> None:
    """A member that was lucky once is a finalist, but the common batches tell the truth."""
    seen: Counter[tuple[int, ...]] = Counter()

    def lucky(picks: tuple[int, ...], batch: int) -> float:
        seen[picks] += 1
        return 1.0 if seen[picks] == 1 and picks[0] == 1 else identities(picks, batch)

    _, net, task = searched(1.0, lucky)
    finalists = {picks for picks, *_ in net.measured[30:38]}
    assert any(picks[0] == 1 for picks in finalists)
    assert isinstance(task.proposal, Genotype)
    assert identities(task.proposal.picks, 0) == max(identities(picks, 0) for picks in finalists)


def test_members_train_equally_often() -> None:
    _, net, _ = searched(1.0, child_steps=1500)
    counts = Counter(picks for picks, *_ in net.trained)
    assert len(net.trained) == ROUND, "the budget ended inside the first epoch"
    _, net, _ = searched(40.0, child_steps=1500)
    counts = Counter(picks for picks, *_ in net.trained)
    expected = len(net.trained) / 30
    assert len(counts) == 30
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 58.3  # 29 degrees, p = 0.001


def test_something_is_proposed_before_the_first_step() -> None:
    _, net, task = searched(0.1)
    assert not net.measured
    assert task.proposal is not None


def resumes_as_if_nothing_had_happened() -> None:
    """Called in a process of its own, where operations are deterministic."""
    calm, _, whole = searched(3.4)
    for stop in (0.5, 1.2, 2.9):
        journal = MemoryJournal()
        searched(stop, journal=journal)
        resumed, _, task = searched(3.4, journal=journal)
        assert resumed.pools[-1] == calm.pools[-1]
        assert (task.proposal, task.meter.steps) == (whole.proposal, whole.meter.steps)


def test_resumes_as_if_nothing_had_happened() -> None:
    in_fresh_process("test_nao_ws", "resumes_as_if_nothing_had_happened()")


def test_says_where_it_cannot_work() -> None:
    method = METHOD()
    assert method.unsupported(make_task(SPACE)) is None
    assert "nasbench201" in str(method.unsupported(make_task(get_space("nasbench201"))))
    assert "nao_cell" in str(method.unsupported(make_task(get_space("nao_cell"))))
    assert "no images" in str(method.unsupported(make_task(SPACE, data=SearchData.of_table("some table"))))


def test_defaults_are_the_papers() -> None:
    method = METHOD()
    assert (method.pool, method.new, method.random, method.top) == (1000, 500, 50, 100)
    assert (method.batch, method.valid_batch, method.epochs, method.step, method.steps) == (160, 500, 30, 1.0, 100)
    assert (method.epd_units, method.epd_layers, method.epd_epochs, method.epd_batch) == (96, (100,) * 3, 1000, 100)


@pytest.mark.parametrize(
    "wrong", [{"pool": 550}, {"new": -1}, {"epochs": 0}, {"finalists": 0}, {"top": 0}, {"epd_units": 15}]
)
def test_refuses_nonsense(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)
