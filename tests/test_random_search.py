"""Random search."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, by_hash, make_task, run
from harness.methods.random_search import METHOD
from nb201 import needs_table, returned

from harness.core.evaluation import Proposal
from harness.core.space import Genotype


def first_pick(proposal: Proposal) -> float:
    assert isinstance(proposal, Genotype)
    return proposal.picks[0] / 1000


def test_draws_are_uniform_and_with_replacement() -> None:
    task = run(METHOD(), make_task(VectorSpace(3, 3), "5400evals"))
    count = Counter(e.genotype for e in task.evaluations)
    assert len(count) == 27
    assert sum((seen - 200) ** 2 / 200 for seen in count.values()) < 54.1  # 26 degrees of freedom, p = 0.001


def test_charged_calls_equal_drawn_and_the_result_is_the_best_of_them() -> None:
    evaluator = FakeEvaluator(gradient_steps=6)
    task = run(METHOD(), make_task(VectorSpace(30), "25evals", evaluator=evaluator))
    assert len(task.evaluations) == 25
    assert task.meter.spent == 150
    assert str(task.proposal) == max(task.evaluations, key=lambda e: e.accuracy).genotype


def test_expected_best_of_n_follows_the_order_statistics() -> None:
    size, n, repeats = 1000, 12, 400
    space = VectorSpace(1, size)
    best = [
        run(METHOD(), make_task(space, f"{n}evals", score=first_pick, seed=seed)).best
        for seed in range(repeats)
    ]  # fmt: skip
    accuracies = np.array([e.accuracy for e in best if e is not None])
    rank = np.arange(1, size + 1)
    scores = np.arange(size) / 1000
    expected = np.sum(scores * ((rank / size) ** n - ((rank - 1) / size) ** n))
    assert abs(accuracies.mean() - expected) < 3 * accuracies.std() / np.sqrt(repeats)


def test_same_seed_same_draws_and_other_seed_other_draws() -> None:
    runs = [run(METHOD(), make_task(VectorSpace(30), seed=seed)).evaluations for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_resumes_from_the_log() -> None:
    journal = MemoryJournal()
    run(METHOD(), make_task(VectorSpace(30), "7evals", journal=journal))
    evaluator = FakeEvaluator(by_hash)
    resumed = run(METHOD(), make_task(VectorSpace(30), "20evals", journal=journal, evaluator=evaluator))
    assert len(evaluator.trained) == 13
    assert resumed.evaluations == run(METHOD(), make_task(VectorSpace(30), "20evals")).evaluations


@needs_table
def test_reaches_the_published_figure_of_nasbench201() -> None:
    accuracies = returned(METHOD(), 200)
    assert accuracies.mean() == pytest.approx(93.78, abs=0.1)
    assert 0.25 < accuracies.std() < 0.40
