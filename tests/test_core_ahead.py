"""Children at the same time: what a search is told, is charged and logs is that of a search without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, repeat

import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, by_hash
from pools import Eager, task_with_pool

from harness.core.budget import BudgetSpent, Meter
from harness.core.evaluation import Evaluation, Proposal
from harness.core.limits import Limits
from harness.core.space import Genotype
from harness.core.task import Task

SPACE = VectorSpace(3)


class Punctual(FakeEvaluator):
    """Stops a training when a budget in seconds ends, as one of images does."""

    def evaluate(self, proposal: Proposal, number: int, meter: Meter) -> Evaluation:
        found = super().evaluate(proposal, number, meter)
        if not meter.budget.counted and found.seconds > meter.left:
            raise BudgetSpent
        return found


def macs(proposal: Proposal) -> int:
    return 100 + 10 * str(proposal).count("1")


def seconds(proposal: Proposal) -> float:
    return macs(proposal) / 100


def searched(
    size: int, budget: str, body: Callable[[Task], object], journal: MemoryJournal | None = None, **words: object
) -> tuple[Task, Eager | None]:
    """A search with so many children at the same time."""
    evaluator = Punctual(by_hash, seconds=seconds, gradient_steps=2, macs=macs)
    kind = Eager if size > 1 else None
    task, pool = task_with_pool(kind, size, SPACE, budget, journal=journal, evaluator=evaluator, **words)
    with pytest.raises(BudgetSpent):
        body(task)
    return task, pool


def randomly(task: Task) -> None:
    for _ in task.evaluate_each(task.sample() for _ in count()):
        pass


def again_and_again(task: Task) -> None:
    for _ in task.evaluate_each((SPACE.genotype((0, 1, number % 2)) for number in count()), again=True):
        pass


def in_batches(task: Task) -> None:
    while True:
        evaluations = task.evaluate(task.sample() for _ in range(5))
        assert [evaluation.genotype for evaluation in evaluations] == [e.genotype for e in task.evaluations[-5:]]
        task.evaluate([task.sample()])
        task.evaluate([task.sample()], share=1.0)


def told(task: Task) -> tuple[object, ...]:
    return task.evaluations, task.proposal, task.meter.spent, task.meter.charged


@pytest.mark.parametrize("budget", ["17evals", "40steps", "3000macs", "23s"])
@pytest.mark.parametrize("body", [randomly, again_and_again, in_batches])
@pytest.mark.parametrize("limits", [Limits(), Limits(parameters=1)])
def test_any_number_of_children_gives_the_same_search(
    budget: str, body: Callable[[Task], None], limits: Limits
) -> None:
    words = {"limits": limits, "beyond": lambda proposal: "too large" if proposal.picks[0] else ""}
    alone, _ = searched(1, budget, body, **words)
    assert len(alone.evaluations) > 3
    for size in (2, 3, 8):
        task, pool = searched(size, budget, body, **words)
        assert told(task) == told(alone)
        assert pool is not None
        assert 2 <= pool.most <= size
        assert pool.begun == sorted(set(pool.begun)), "none twice"
        if budget != "23s":  # nobody knows before how long a training takes
            assert max(pool.begun) < len(alone.evaluations), "none that is not paid for"
            again, _ = searched(1, budget, body, **words)
            assert again.rng.random() == task.rng.random(), "the same is read"
            assert again.refusals.state()[:2] == task.refusals.state()[:2]


def test_what_is_logged_or_known_is_not_trained_ahead() -> None:
    first = MemoryJournal()
    alone, _ = searched(1, "12evals", randomly, first)
    rows = MemoryJournal()
    rows.evaluations = first.evaluations[:7]
    task, pool = searched(4, "12evals", randomly, rows)
    assert told(task) == told(alone)
    assert pool is not None
    texts = [evaluation.genotype for evaluation in alone.evaluations]
    assert set(pool.begun) == {n for n in range(7, 12) if texts[n] not in texts[:n]}


def test_what_the_log_has_a_verdict_on_is_not_looked_at_again() -> None:
    def beyond(proposal: Proposal) -> str:
        looked.append(proposal)
        return "too large" if proposal.picks[0] else ""  # type: ignore[union-attr]

    def body(task: Task) -> None:
        for _ in task.evaluate_each(
            SPACE.genotype((number % 2, number // 2 % 2, number // 4 % 2)) for number in count()
        ):
            pass

    looked: list[Proposal] = []
    words = {"limits": Limits(parameters=1), "beyond": beyond}
    first = MemoryJournal()
    alone, _ = searched(1, "3evals", body, first, **words)
    logged = MemoryJournal()
    logged.evaluations = first.evaluations[:4]
    looked.clear()
    task, _ = searched(3, "3evals", body, logged, **words)
    assert told(task) == told(alone)
    texts = [evaluation.genotype for evaluation in alone.evaluations]
    assert {str(proposal) for proposal in looked}.isdisjoint(texts[:4])
    assert str(looked[0]) == texts[4]


def test_who_asks_in_between_gets_what_was_asked() -> None:
    """Trainings that were begun have other numbers than their evaluations then: they are done again."""

    def body(task: Task) -> None:
        for _ in task.evaluate_each(task.sample() for _ in count()):
            task.evaluate([SPACE.genotype((1, 1, len(task.evaluations) % 2))], again=True)

    assert told(searched(3, "9evals", body)[0]) == told(searched(1, "9evals", body)[0])


def test_the_end_of_the_proposals_comes_after_those_that_were_read() -> None:
    def proposals(task: Task) -> Iterator[Genotype]:
        yield from (task.sample() for _ in range(3))
        raise BudgetSpent

    task, _ = searched(8, "20evals", lambda task: task.evaluate(proposals(task)))
    assert len(task.evaluations) == 3


def test_a_training_that_takes_longer_than_what_is_left_ends_the_search() -> None:
    for size in (1, 4):
        task, _ = searched(size, "2.5s", lambda task: task.evaluate(repeat(SPACE.genotype((0, 0, 0))), again=True))
        assert (task.meter.charged, len(task.evaluations)) == (2.0, 2)
