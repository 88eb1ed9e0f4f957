"""Bayesian optimisation with a Gaussian process: its kernel, scores and candidates one by one, then the search."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task, run
from harness.methods.common.hamming import HammingKernel
from harness.methods.gp import METHOD, Picks, normal_scores
from nb201 import needs_table, transferred
from sklearn.gaussian_process import GaussianProcessRegressor

from harness.core.errors import InputError
from harness.core.evaluation import Proposal
from harness.core.space import Genotype, Space
from harness.spaces import get_space, names

SPACE = VectorSpace(6, 5)
MIXED = get_space("chain-3")
TABLE = np.random.default_rng(0).random((6, 5))


def additive(proposal: Proposal) -> float:
    assert isinstance(proposal, Genotype)
    return float(sum(TABLE[place, pick] for place, pick in enumerate(proposal.picks))) / 6


def draws(space: Space, number: int, seed: int = 0) -> list[Picks]:
    rng = np.random.default_rng(seed)
    return list(dict.fromkeys(space.sample(rng).picks for _ in range(number)))


@pytest.mark.parametrize("space", [SPACE, MIXED, get_space("nasbench201"), get_space("cell")], ids=lambda s: s.name)
def test_the_kernel_is_exponential_in_the_share_of_differing_choices(space: Space) -> None:
    a, b = draws(space, 30), draws(space, 20, seed=1)
    differing = (np.array(a)[:, None] != np.array(b)).sum(axis=2)
    found = HammingKernel(0.25)(np.array(a, float), np.array(b, float))
    assert found == pytest.approx(np.exp(-differing / (0.25 * len(space.choices))), rel=1e-12)


def test_the_process_believes_what_it_has_seen_and_knows_nothing_far_away() -> None:
    cells = np.array(draws(SPACE, 60), float)
    assert np.linalg.eigvalsh(HammingKernel(0.5)(cells)).min() > 0
    process = GaussianProcessRegressor(HammingKernel(0.05), alpha=1e-5, optimizer=None)
    process.fit(cells[:1], [2.0])
    mean, deviation = process.predict(np.array([cells[0], cells[0] + 5]), return_std=True)
    assert mean == pytest.approx([2.0, 0.0], abs=1e-4)
    assert deviation == pytest.approx([0.0, 1.0], abs=4e-3)


def test_scores_know_the_order_only() -> None:
    values = np.array([0.91, 0.10, 0.93, 0.92, 0.92, 0.50])
    scores = normal_scores(values)
    assert scores[3] == scores[4]
    assert np.argsort(scores, kind="stable").tolist() == np.argsort(values, kind="stable").tolist()
    assert scores.tolist() == normal_scores(np.exp(40 * values)).tolist()
    assert normal_scores([0.3, 0.1, 0.2]) == pytest.approx([0.967422, -0.967422, 0.0], abs=1e-6)
    assert normal_scores([0.5] * 4).tolist() == [0.0] * 4


def test_a_small_space_is_compared_as_a_whole() -> None:
    space, rng = VectorSpace(3, 3), np.random.default_rng(0)
    known = dict.fromkeys([(0, 0, 0), (1, 2, 0)], 0.5)
    first, second = METHOD().pool(space, known, rng), METHOD().pool(space, known, rng)
    assert sorted(first) == sorted(second) == sorted(set(product(range(3), repeat=3)) - set(known))
    assert first != second


def test_a_large_space_is_sampled_beside_the_neighbours_of_the_best() -> None:
    cells = draws(SPACE, 30)
    known = {cell: float(place == 7) for place, cell in enumerate(cells)}
    pool = METHOD(candidates=200).pool(SPACE, known, np.random.default_rng(1))
    assert len(set(pool)) == len(pool) <= 224
    assert not set(pool) & set(known)
    around = {n.picks for n in SPACE.neighbours(SPACE.genotype(cells[7]))}
    assert around - set(known) <= set(pool)
    others = [cell for cell in pool if cell not in around]
    assert np.mean(others) == pytest.approx(2.0, abs=0.15)  # uniform over the options 0 to 4: 0.15 is 3.5 s.e.
    assert {place for place, cell in enumerate(pool) if cell in around} != set(range(len(others), len(pool)))


def test_nothing_is_trained_twice_until_all_is_known() -> None:
    task = run(METHOD(initial=5), make_task(VectorSpace(3, 3), "40evals"))
    found = [evaluation.genotype for evaluation in task.evaluations]
    assert len(found) == 40
    assert len(set(found[:27])) == 27
    task = run(METHOD(candidates=50), make_task(SPACE, "80evals", score=additive))
    assert len({evaluation.genotype for evaluation in task.evaluations}) == 80


def regrets(method: METHOD) -> list[float]:
    """What the best of 50 cells lacks to the best of all 15,625, per seed."""
    tasks = [run(method, make_task(SPACE, "50evals", score=additive, seed=seed)) for seed in range(4)]
    return [TABLE.max(axis=1).mean() - task.best.accuracy for task in tasks if task.best is not None]


def test_finds_the_optimum_of_an_additive_score() -> None:
    assert regrets(METHOD(candidates=300)) == pytest.approx([0.0] * 4)


def test_the_process_and_not_the_candidates_makes_the_difference() -> None:
    """With a length near zero it predicts nothing, and what is left are the neighbours of the best."""
    assert np.mean(regrets(METHOD(candidates=300, length=0.01))) > 0.02


def test_the_start_is_random() -> None:
    near = {n.picks for n in SPACE.neighbours(SPACE.genotype((0,) * 6))}
    pools = [METHOD(candidates=1).pool(SPACE, {(0,) * 6: 1.0}, np.random.default_rng(seed)) for seed in range(20)]
    assert all(len(pool) == 1 and pool[0] not in near for pool in pools)
    starts = {
        evaluation.genotype
        for seed in range(40)
        for evaluation in run(METHOD(initial=9), make_task(VectorSpace(2, 4), "2evals", seed=seed)).evaluations
    }
    assert len(starts) == 16


def test_equal_scores_and_failures_do_not_stop_it() -> None:
    assert len(run(METHOD(), make_task(SPACE, "25evals", score=lambda _: 0.5)).evaluations) == 25
    assert len(run(METHOD(), make_task(SPACE, "25evals", score=lambda _: 0.0)).evaluations) == 25


def test_same_seed_same_search_and_other_seed_another() -> None:
    runs = [run(METHOD(), make_task(SPACE, "25evals", seed=seed)).evaluations for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_resumes_from_the_log() -> None:
    journal, evaluator = MemoryJournal(), FakeEvaluator()
    run(METHOD(), make_task(SPACE, "15evals", journal=journal))
    resumed = run(METHOD(), make_task(SPACE, "25evals", journal=journal, evaluator=evaluator))
    assert len(evaluator.trained) == 10
    assert resumed.evaluations == run(METHOD(), make_task(SPACE, "25evals")).evaluations


@pytest.mark.parametrize("name", sorted(names()))
@pytest.mark.parametrize("profile", ["smoke", "quick"])
def test_asks_the_process_in_every_space_and_small_profile(name: str, profile: str) -> None:
    method = METHOD(**METHOD.scaled.get(profile, {}))
    assert [method.starts(children) for children in (6, 20, 60, 100, 400)] == [3, 3, 6, 10, 10]
    assert len(run(method, make_task(get_space(name), "6evals")).evaluations) == 6


def test_says_that_a_space_without_choices_is_not_for_it() -> None:
    assert "no choices" in (METHOD().unsupported(make_task(get_space("keras"))) or "")


@pytest.mark.parametrize(
    "wrong", [{"initial": -1}, {"candidates": 0}, {"length": 0.0}, {"noise": 0.0}, {"exploration": -1.0}]
)
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)  # type: ignore[arg-type]


@needs_table
def test_comes_close_to_the_best_cell_of_nasbench201() -> None:
    """The optimum is 94.37; random search gets 93.76."""
    assert transferred(METHOD(), 8)[:, 0].mean() == pytest.approx(94.2, abs=0.25)
