"""Evaluations that are begun now and asked for later: the same search for any number of processes, or in the order of
the clock where a search may depend on it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, by_hash, make_task
from pools import Eager, Race, task_with_pool

from harness.core.budget import BudgetSpent
from harness.core.evaluation import Proposal
from harness.core.limits import Limits
from harness.core.space import Genotype
from harness.core.task import Task

SPACE = VectorSpace(3)
WIDE = VectorSpace(6, 5)


def macs(proposal: Proposal) -> int:
    return 100 + 10 * str(proposal).count("1")


def seconds(proposal: Proposal) -> float:
    assert isinstance(proposal, Genotype)
    return 1.0 + sum(pick * 5**place for place, pick in enumerate(proposal.picks)) / 10_000


def searched(
    body: Callable[[Task], None],
    budget: str,
    kind: type[Eager] | None,
    size: int = 1,
    space: VectorSpace = SPACE,
    journal: MemoryJournal | None = None,
    **words: object,
) -> tuple[Task, Eager | None]:
    """A search with so many children at the same time."""
    evaluator = FakeEvaluator(by_hash, seconds=seconds, gradient_steps=2, macs=macs)
    task, pool = task_with_pool(kind, size, space, budget, journal=journal, evaluator=evaluator, **words)
    with contextlib.suppress(BudgetSpent):
        body(task)
    return task, pool


def by_threes(task: Task) -> None:
    """Six are under way; who has three that are there begins three more, which depend on what these were."""
    beside = task.beside(as_they_end=False)
    for _ in range(6):
        beside.begin(task.sample())
    while True:
        best = max((beside.next() for _ in range(3)), key=lambda one: one[1].accuracy)[0].proposal
        assert isinstance(best, Genotype)
        beside.begin(best)
        for _ in range(2):
            beside.begin(task.sample())


def as_they_end(task: Task) -> None:
    """Four are under way."""
    beside = task.beside(as_they_end=True)
    for _ in range(4):
        beside.begin(task.sample())
    while True:
        begun, evaluation = beside.next()
        assert str(begun.proposal) == evaluation.genotype
        beside.begin(task.sample())


def told(task: Task) -> tuple[object, ...]:
    return task.evaluations, task.proposal, task.meter.spent, task.meter.charged


@pytest.mark.parametrize("budget", ["17evals", "40steps", "3000macs", "23s"])
@pytest.mark.parametrize("limits", [Limits(), Limits(parameters=1)])
def test_any_number_of_children_gives_the_same_search(budget: str, limits: Limits) -> None:
    words = {"limits": limits, "beyond": lambda proposal: "too large" if proposal.picks[0] else ""}
    alone, _ = searched(by_threes, budget, None, **words)
    assert len(alone.evaluations) > 6
    for size in (2, 3, 8):
        task, pool = searched(by_threes, budget, Eager, size, **words)
        assert pool is not None
        assert told(task) == told(alone)
        assert task.rng.random() == searched(by_threes, budget, None, **words)[0].rng.random(), "the same is drawn"
        assert pool.begun == sorted(set(pool.begun)), "none twice"
        assert 2 <= pool.most <= 6
        if budget != "23s":  # nobody knows before how long a training takes
            assert max(pool.begun) < len(alone.evaluations), "none that is not paid for"


def test_in_a_counted_budget_the_end_comes_when_what_was_begun_has_used_it_up() -> None:
    task = make_task(SPACE, "3evals")
    beside = task.beside()
    for _ in range(3):
        beside.begin(task.sample())
    assert task.evaluations == []
    with pytest.raises(BudgetSpent):
        beside.begin(task.sample())
    assert len(task.evaluations) == 3, "all that fits is evaluated"


def test_a_counted_budget_does_not_ask_the_clock() -> None:
    in_order, _ = searched(as_they_end, "30evals", None, space=WIDE)
    task, _ = searched(as_they_end, "30evals", Race, 4, space=WIDE)
    assert told(task) == told(in_order)


def test_in_a_budget_of_seconds_they_come_as_they_end() -> None:
    task, pool = searched(as_they_end, "60s", Race, 4, space=WIDE)
    assert isinstance(pool, Race)
    ends = sorted(pool._ends.values())
    logged = [evaluation.genotype for evaluation in task.evaluations]
    begun, _ = searched(as_they_end, "60s", None, space=WIDE)
    assert logged != [evaluation.genotype for evaluation in begun.evaluations[: len(logged)]], "not as they were begun"
    assert pool.now == ends[len(logged)], "the one that did not fit was waited for"
    assert task.meter.charged == pytest.approx(sum(map(seconds, map(WIDE.parse, logged))))
    assert task.meter.spent == pytest.approx(task.meter.charged), "waiting is nobody's time"
    assert 60 - 3 < task.meter.charged <= 60


def test_a_search_that_goes_on_is_given_what_it_was_given() -> None:
    first = MemoryJournal()
    searched(as_they_end, "30s", Race, 4, WIDE, first)
    kept = MemoryJournal()
    kept.evaluations = first.evaluations[:11]
    task, pool = searched(as_they_end, "60s", Race, 4, WIDE, kept)
    assert pool is not None
    assert task.evaluations[:11] == first.evaluations[:11]
    assert kept.evaluations == task.evaluations
    assert set(pool.begun).isdisjoint(_numbers(first.evaluations[:11], task)), "what is logged is not trained"
    assert len(pool.begun) >= len(task.evaluations) - 11


def _numbers(evaluations: object, task: Task) -> set[int]:
    """Of the trainings that the search began for these evaluations: its draws are those of the generator."""
    draws = make_task(WIDE, "1evals").rng
    texts = [str(WIDE.sample(draws)) for _ in range(len(task.evaluations) + 4)]
    wanted = {evaluation.genotype for evaluation in evaluations}  # type: ignore[attr-defined]
    return {number for number, text in enumerate(texts) if text in wanted}


def test_the_same_architecture_is_trained_once_and_charged_each_time() -> None:
    def body(task: Task) -> None:
        beside = task.beside(as_they_end=True)
        one, other = WIDE.genotype((4,) * 6), WIDE.genotype((0,) * 6)
        for genotype in (one, one, other, other, one):
            beside.begin(genotype)
        got.extend(beside.next()[1].genotype for _ in range(5))
        beside.begin(other)
        got.append(beside.next()[1].genotype)
        assert got == [str(other)] * 2 + [str(one)] * 3 + [str(other)]

    got: list[str] = []
    task, pool = searched(body, "200s", Race, 4, WIDE)
    assert len(got) == 6
    assert pool is not None
    assert pool.begun == [0, 2]
    assert task.meter.charged == pytest.approx(sum(seconds(WIDE.parse(text)) for text in got))


def test_what_is_beyond_the_limits_comes_at_once_and_costs_nothing() -> None:
    def body(task: Task) -> None:
        beside = task.beside(as_they_end=True)
        for first in (0, 4, 0, 4):
            beside.begin(WIDE.genotype((first, 0, 0, 0, 0, first)))
        refused.extend(beside.next()[1].refused for _ in range(3))

    refused: list[bool] = []
    words = {"limits": Limits(parameters=1), "beyond": lambda proposal: "too large" if proposal.picks[0] else ""}
    task, _ = searched(body, "60s", Race, 2, WIDE, None, **words)
    assert refused == [True, True, False]
    assert task.meter.charged == 1.0


def test_a_log_of_another_search_is_refused() -> None:
    first, other = MemoryJournal(), MemoryJournal()
    searched(as_they_end, "30s", Race, 4, WIDE, first)
    other.evaluations = [first.evaluations[0], *first.evaluations[:0:-1]]
    with pytest.raises(RuntimeError, match="draws randomness from somewhere else"):
        searched(as_they_end, "60s", Race, 4, WIDE, other)
