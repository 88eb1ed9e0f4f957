"""Random search with weight sharing: uniform training, a fair comparison, a budget that is kept, an honest record."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, make_task, run, tiny_data
from harness.methods.common.candidates import MOST, best_of_allowed, correlation
from harness.methods.rs_ws import METHOD, UniformSearch
from mortal import Mortal, Stopped
from path_supernet import FakePaths, install
from scipy.stats import chisquare

from harness.core.budget import BudgetSpent
from harness.core.errors import InputError
from harness.core.limits import Limits
from harness.core.space import Genotype
from harness.core.task import Task
from harness.spaces import get_space

SPACE = get_space("nasbench201")
SETTINGS = {"batch": 8, "valid_batch": 8, "candidates": 40, "candidate_batches": 2, "finalists": 4, "final_batches": 3}


def convs(picks: tuple[int, ...], batch: int) -> float:
    """Share of 3x3 convolutions; the batch matters little."""
    return 0.9 * sum(pick == 3 for pick in picks) / 6 + batch % 10 / 1000


def searched(
    monkeypatch: pytest.MonkeyPatch, budget: str = "600steps", journal: MemoryJournal | None = None, **settings: Any
) -> tuple[FakePaths, Task]:
    made = install(monkeypatch, convs)
    evaluator = FakeEvaluator(
        lambda proposal: convs(proposal.picks, 0) if isinstance(proposal, Genotype) else 0.0,
        gradient_steps=20,
        macs=100_000,
    )
    task = make_task(SPACE, budget, evaluator=evaluator, data=tiny_data(images=80), journal=journal)
    run(METHOD(**{**SETTINGS, "retrained": 0, **settings}), task)
    return made[-1], task


def test_training_is_uniform_over_the_operations_of_every_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    net, _ = searched(monkeypatch, "4000steps")
    picks = np.array([path for path, *_ in net.trained])
    for edge in picks.T:
        assert chisquare(np.bincount(edge, minlength=5)).pvalue > 1e-3


def test_all_candidates_are_measured_on_the_same_batches_and_finalists_on_more(monkeypatch: pytest.MonkeyPatch) -> None:
    net, task = searched(monkeypatch)
    candidates, finals = net.measured[:80], net.measured[80:]
    assert len({path for path, *_ in candidates}) == 40, "no repeats"
    for pairs in (candidates[0::2], candidates[1::2], finals[0::3], finals[1::3], finals[2::3]):
        assert len({batch for _, batch, _ in pairs}) == 1
    assert len(finals) == 4 * 3
    assert {path for path, *_ in finals} <= {path for path, *_ in candidates}
    assert task.planned["candidates"] == 40


def test_the_best_candidate_is_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    net, task = searched(monkeypatch)
    assert isinstance(task.proposal, Genotype)
    most = max(path.count(3) for path, *_ in net.measured)
    assert task.proposal.picks.count(3) == most > 6 / 5


@pytest.mark.parametrize(
    "budget", ["300steps", "600steps", pytest.param("4000steps", marks=pytest.mark.slow), "1000000macs"]
)
def test_the_comparison_takes_a_fifth_and_the_budget_is_kept(monkeypatch: pytest.MonkeyPatch, budget: str) -> None:
    net, task = searched(monkeypatch, budget)
    spent = task.meter.spent / task.meter.limit
    assert 0.9 < spent <= 1.0
    trained = 3 * 8 * sum(10 + sum(path) for path, *_ in net.trained)
    share = trained if budget.endswith("macs") else len(net.trained)
    assert share / task.meter.limit > 1 - MOST - 0.08


@pytest.mark.parametrize("budget", [26_000, 30_000, 60_000])
def test_the_comparison_takes_a_fifth_of_a_small_budget_too(monkeypatch: pytest.MonkeyPatch, budget: int) -> None:
    """Four finalists on all ten batches would take more than what is left by ten candidates on two."""
    net, task = searched(monkeypatch, f"{budget}macs", final_batches=0)
    assert sum(8 * (10 + sum(path)) for path, *_ in net.measured) <= MOST * budget
    assert len(net.measured) > 10 * 2, "there is a finalist"
    assert task.meter.spent <= budget


def test_batches_are_cut_before_finalists(monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch of one finalist always remains."""
    measured = [
        [path for path, *_ in searched(monkeypatch, f"{budget}macs", final_batches=0)[0].measured[20:]]
        for budget in (12_000, 26_000, 40_000)
    ]
    finalists = [len(set(paths)) for paths in measured]
    batches = [len(paths) // count for paths, count in zip(measured, finalists, strict=True)]
    assert finalists == [1, 2, 4]
    assert batches[:2] == [1, 1]
    assert 1 < batches[2] < 10


def test_fewer_candidates_where_more_would_cost_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    _, task = searched(monkeypatch, "150steps", candidates=1000)
    assert 10 <= task.planned["candidates"] <= 40


def test_rates_fall_over_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = [rate for *_, rate in searched(monkeypatch)[0].trained]
    assert rates[0] == pytest.approx(0.025)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0.001, abs=1e-4)


def test_the_best_are_trained_from_scratch_where_the_budget_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    net, task = searched(monkeypatch, retrained=4)
    assert task.planned["retrained"] == len(task.evaluations) == 4
    assert {e.genotype for e in task.evaluations} <= {str(SPACE.genotype(path)) for path, *_ in net.measured[80:]}
    assert "rank_correlation" in task.planned
    assert searched(monkeypatch, "60steps", retrained=4)[1].planned["retrained"] == 0


def test_correlation_is_spearmans() -> None:
    assert correlation([0.1, 0.2, 0.3], [0.5, 0.6, 0.9]) == 1.0
    assert correlation([0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]) == -1.0
    assert correlation([0.1, 0.2], [0.1, 0.2]) == correlation([0.1] * 3, [0.1, 0.2, 0.3]) == 0.0


@pytest.mark.parametrize("writes", [*(pytest.param(n, marks=pytest.mark.slow) for n in (1, 9, 10)), 12])
def test_a_killed_search_ends_with_the_same_result(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """Killed in the training (9 checkpoints) or in the comparison (4 more)."""
    calm, undisturbed = searched(monkeypatch)
    journal = Mortal(writes)
    with pytest.raises(Stopped):
        searched(monkeypatch, journal=journal)
    journal.left = -1
    resumed, task = searched(monkeypatch, journal=journal)
    assert (task.proposal, task.meter.steps) == (undisturbed.proposal, undisturbed.meter.steps)
    assert resumed.measured[-12:] == calm.measured[-12:]


@pytest.mark.parametrize(
    "wrong", [{"batch": 0}, {"candidates": 0}, {"finalists": 0}, {"retrained": -1}, {"learning_rate": 0.0}]
)
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)


def test_says_where_it_cannot_work() -> None:
    assert METHOD().unsupported(make_task(get_space("cell-2"))) is None
    assert METHOD().unsupported(make_task(SPACE)) is None
    assert "macro" in str(METHOD().unsupported(make_task(get_space("macro-4"))))


def test_in_seconds_no_step_begins_that_would_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at this clock takes a second, and a step takes forty more after the one of the weights."""
    ticks = count()
    install(monkeypatch, convs)
    task = make_task(SPACE, "470s", data=tiny_data(images=80), clock=lambda: float(next(ticks)))
    search = METHOD(**SETTINGS, retrained=0).on(task)
    plain = UniformSearch.step
    monkeypatch.setattr(search, "step", lambda *args: (plain(search, *args), [next(ticks) for _ in range(40)]))
    monkeypatch.setattr(search, "end", lambda: 1.0)
    search.train()
    assert search.steps > 5
    assert task.meter.left > 0


def test_dear_finalists_cost_neither_the_budget_nor_what_was_seen_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost of a training rises with its convolutions, and these are what the search looks for."""
    install(monkeypatch, convs)
    evaluator = FakeEvaluator(
        lambda found: convs(found.picks, 0), macs=lambda found: 1000 + 9000 * found.picks.count(3)
    )
    task = make_task(SPACE, "400000macs", evaluator=evaluator, data=tiny_data(images=80))
    run(METHOD(**{**SETTINGS, "retrained": 4}), task)
    assert task.planned["retrained"] == len(task.evaluations) >= 2
    assert "rank_correlation" in task.planned


def test_what_is_proposed_is_the_best_within_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, convs)

    def many(found: Any) -> str:
        return "too many" if found.picks.count(3) > 1 else ""

    task = make_task(SPACE, "600steps", data=tiny_data(images=80), limits=Limits(macs=1), beyond=many)
    run(METHOD(**{**SETTINGS, "finalists": 40, "retrained": 0}), task)
    assert task.proposal.picks.count(3) == 1
    assert not task.refusals.count, "nothing beyond the limits was proposed"


def test_finalists_are_the_best_within_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best by far are beyond: neither the comparison nor the trainings are spent on them."""
    made = install(monkeypatch, convs)

    def many(found: Any) -> str:
        return "too many" if found.picks.count(3) > 1 else ""

    evaluator = FakeEvaluator(lambda found: convs(found.picks, 0), gradient_steps=20)
    task = make_task(
        SPACE, "600steps", evaluator=evaluator, data=tiny_data(images=80), limits=Limits(macs=1), beyond=many
    )
    run(METHOD(**{**SETTINGS, "retrained": 4}), task)
    finals = [path for path, *_ in made[-1].measured[80:]]
    assert len(set(finals)) == 4
    assert {path.count(3) for path in finals} == {1}
    assert len(evaluator.trained) == len(task.evaluations) == task.planned["retrained"] == 4
    assert str(task.proposal) == max(task.evaluations, key=lambda e: e.accuracy).genotype


def test_the_first_proposal_is_within_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, convs)
    first = SPACE.sample(np.random.default_rng(0))
    free = make_task(SPACE, "1steps", data=tiny_data(images=80))
    run(METHOD(**SETTINGS, retrained=0), free)
    assert free.proposal == first
    task = make_task(
        SPACE,
        "1steps",
        data=tiny_data(images=80),
        limits=Limits(macs=1),
        beyond=lambda found: "no" if found == first else "",
    )
    run(METHOD(**SETTINGS, retrained=0), task)
    assert task.proposal is not None
    assert task.proposal != first


def test_no_more_is_looked_at_than_is_needed() -> None:
    asked: list[Any] = []
    genotypes = [SPACE.genotype((pick,) * 6) for pick in range(5)]

    def beyond(found: Any) -> str:
        asked.append(found)
        return "" if found.picks[0] in allowed else "no"

    def best(count: int) -> list[int]:
        task = make_task(SPACE, limits=Limits(macs=1), beyond=beyond)
        return best_of_allowed(task, genotypes, [0.1, 0.4, 0.2, 0.4, 0.3], count)

    allowed = {1, 4, 2}
    assert best(2) == [1, 4]
    assert asked == [genotypes[number] for number in (1, 3, 4)], "the first of equal ones, in order of score"
    assert best(5) == [1, 4, 2]
    allowed = set()
    assert best(2) == [1, 3], "where none is allowed, the best"


@pytest.mark.parametrize("ends", range(1, 6))
def test_the_record_says_how_many_were_compared_wherever_the_budget_ends(
    monkeypatch: pytest.MonkeyPatch, ends: int
) -> None:
    """In one of four groups, or with the finalists."""
    install(monkeypatch, convs)
    task = make_task(SPACE, "600steps", data=tiny_data(images=80))
    search, calls = METHOD(**SETTINGS, retrained=4).on(task), count(1)
    plain = search.shared.accuracies

    def accuracies(*args: Any) -> list[float]:
        if next(calls) == ends:
            raise BudgetSpent
        return plain(*args)

    monkeypatch.setattr(search.shared, "accuracies", accuracies)
    with pytest.raises(BudgetSpent):
        search.run()
    assert task.planned["candidates"] == 10 * (ends - 1)
    assert task.planned["retrained"] == 0
