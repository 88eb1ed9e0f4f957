"""Local search."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task, run
from harness.methods.local_search import METHOD
from nb201 import needs_table, returned

from harness.core.errors import InputError
from harness.core.evaluation import Proposal
from harness.core.space import Genotype
from harness.spaces import get_space, names

SPACE = VectorSpace(8, 4)
TABLE = np.random.default_rng(0).random((8, 4)) / 8


def additive(proposal: Proposal) -> float:
    """Separable, hence with one local optimum: the best option of every choice."""
    assert isinstance(proposal, Genotype)
    return float(sum(TABLE[place, pick] for place, pick in enumerate(proposal.picks)))


WHOLE = METHOD(whole_neighbourhood=1, starts=1)
"""The paper's algorithm from one random start."""


def flat(proposal: Proposal) -> float:
    return 0.5


def distance(a: str, b: str) -> int:
    return sum(x != y for x, y in zip(a.split(","), b.split(","), strict=True))


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_finds_the_optimum_of_an_additive_score(whole: bool, seed: int) -> None:
    task = run(
        METHOD(whole_neighbourhood=int(whole), starts=1), make_task(SPACE, "225evals", score=additive, seed=seed)
    )
    assert task.best is not None
    assert task.best.accuracy == pytest.approx(TABLE.max(axis=1).sum())


def test_moves_to_the_best_of_the_whole_neighbourhood() -> None:
    task = run(WHOLE, make_task(SPACE, "49evals", score=additive))
    start, first = task.evaluations[0], task.evaluations[1:25]
    assert all(distance(start.genotype, e.genotype) == 1 for e in first)
    assert len({e.genotype for e in first}) == 24
    best = max(first, key=lambda e: e.accuracy)
    second = task.evaluations[25:40]
    assert all(distance(best.genotype, e.genotype) == 1 for e in second)
    assert not {e.genotype for e in first} & {e.genotype for e in second}


def test_or_to_the_first_that_is_better() -> None:
    task = run(METHOD(whole_neighbourhood=0, starts=1), make_task(SPACE, "30evals", score=additive))
    here, moves = task.evaluations[0], 0
    for evaluation in task.evaluations[1:]:
        assert distance(here.genotype, evaluation.genotype) == 1
        if evaluation.accuracy > here.accuracy:
            here, moves = evaluation, moves + 1
    assert moves > 3


@pytest.mark.parametrize("whole", [True, False])
def test_starts_again_at_a_local_optimum(whole: bool) -> None:
    """On a plateau every point is an optimum: one start and its neighbours, then another start."""
    space = VectorSpace(12, 3)
    task = run(METHOD(whole_neighbourhood=int(whole), starts=1), make_task(space, "50evals", score=flat))
    starts = [task.evaluations[place].genotype for place in (0, 25)]
    assert distance(*starts) > 1
    assert all(distance(starts[0], e.genotype) == 1 for e in task.evaluations[1:25])
    assert all(distance(starts[1], e.genotype) == 1 for e in task.evaluations[26:50])


def test_visits_neighbours_in_random_order() -> None:
    def places(seed: int) -> list[int]:
        start, *rest = run(WHOLE, make_task(SPACE, "25evals", score=flat, seed=seed)).evaluations
        words = [start.genotype.partition(":")[2].split(",")]
        words += [e.genotype.partition(":")[2].split(",") for e in rest]
        return [next(i for i, (a, b) in enumerate(zip(words[0], other, strict=True)) if a != b) for other in words[1:]]

    first, second = places(0), places(1)
    assert sorted(first) == sorted(second) == [place for place in range(8) for _ in range(3)]
    assert first != second


def test_a_budget_larger_than_the_space_ends() -> None:
    task = run(METHOD(), make_task(VectorSpace(2), "40evals"))
    assert len(task.evaluations) == 40
    assert len({e.genotype for e in task.evaluations}) == 4


@pytest.mark.parametrize("name", sorted(names()))
@pytest.mark.parametrize("budget", [10, 30])
def test_works_in_every_space(name: str, budget: int) -> None:
    task = run(METHOD(), make_task(get_space(name), f"{budget}evals"))
    assert len(task.evaluations) == budget


def test_a_climb_starts_at_the_best_of_its_draws() -> None:
    task = run(METHOD(whole_neighbourhood=0, starts=6), make_task(SPACE, "20evals", score=additive))
    best = max(task.evaluations[:6], key=lambda e: e.accuracy)
    assert distance(best.genotype, task.evaluations[6].genotype) == 1


@pytest.mark.parametrize(("children", "starts", "whole"), [(40, 12, 0), (100, 30, 0), (400, 50, 0), (700, 50, 1)])
def test_starts_and_neighbourhoods_follow_from_the_budget(children: int, starts: int, whole: int) -> None:
    task = run(METHOD(), make_task(VectorSpace(15, 3), f"{children}evals", score=flat))
    assert task.planned == {"starts": starts, "whole_neighbourhood": whole}


@pytest.mark.parametrize("wrong", [{"starts": -1}, {"whole_neighbourhood": 2}])
def test_refuses_nonsense(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)


def test_resumes_from_the_log() -> None:
    journal = MemoryJournal()
    run(WHOLE, make_task(SPACE, "30evals", score=additive, journal=journal))
    evaluator = FakeEvaluator(additive)
    resumed = run(WHOLE, make_task(SPACE, "90evals", journal=journal, evaluator=evaluator))
    assert len(evaluator.trained) <= 60
    assert resumed.evaluations == run(WHOLE, make_task(SPACE, "90evals", score=additive)).evaluations


@needs_table
@pytest.mark.parametrize(("whole", "expected"), [(True, 94.05), (False, 94.15)])
def test_beats_random_search_on_nasbench201(whole: bool, expected: float) -> None:
    assert returned(METHOD(whole_neighbourhood=int(whole), starts=1), 200).mean() == pytest.approx(expected, abs=0.1)
