"""Random sampling."""

from __future__ import annotations

from collections import Counter

import pytest
from fakes import FakeEvaluator, VectorSpace, make_task, run
from harness.methods.random_sampling import METHOD
from nb201 import needs_table, tables

from harness.core.space import Genotype
from harness.spaces import get_space, names
from harness.spaces.nasbench201 import NasBench201Space


@pytest.mark.parametrize("name", sorted(names()))
def test_proposes_one_genotype_of_any_space_and_trains_none(name: str) -> None:
    evaluator = FakeEvaluator()
    task = run(METHOD(), make_task(get_space(name), "1evals", evaluator=evaluator))
    assert isinstance(task.proposal, Genotype)
    assert task.space.contains(task.proposal)
    assert evaluator.trained == []
    assert task.meter.spent == 0


def test_is_uniform_over_seeds() -> None:
    space = VectorSpace(2, 3)
    count = Counter(str(run(METHOD(), make_task(space, seed=seed)).proposal) for seed in range(1800))
    assert len(count) == 9
    assert sum((seen - 200) ** 2 / 200 for seen in count.values()) < 26.1  # 8 degrees of freedom, p = 0.001


@needs_table
def test_gives_the_mean_of_nasbench201() -> None:
    tasks = [run(METHOD(), make_task(NasBench201Space(), seed=seed)) for seed in range(1000)]
    table = tables()[0]
    found = [100 * table.score[table.rows[str(task.proposal)]] for task in tasks]
    assert sum(found) / len(found) == pytest.approx(87.06, abs=1.2)  # the space's spread is 12 points: 3 s.e.
