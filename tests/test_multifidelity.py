"""ASHA and BOHB: the promotion rule and the brackets by hand, the density by its formula, then the searches."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest
from additive import additive
from fakes import FakeEvaluator, VectorSpace, by_hash, make_task, run
from harness.methods.asha import METHOD as ASHA
from harness.methods.bohb import METHOD as BOHB
from harness.methods.common.rungs import Rung, ladder
from harness.methods.common.tpe import Density
from harness.methods.random_search import METHOD as RANDOM_SEARCH

from harness.core.errors import InputError
from harness.core.evaluation import Evaluation, Proposal
from harness.core.task import Task

SPACE = VectorSpace(8, 3)


def told(accuracy: float, failure: str = "") -> Evaluation:
    return Evaluation("toy", accuracy, (accuracy,), 1.0, 1, failure)


def task_of(budget: str = "12evals", steps: int = 27, seed: int = 0, **changes: object) -> Task:
    return make_task(SPACE, budget, evaluator=FakeEvaluator(gradient_steps=steps, **changes), seed=seed)  # type: ignore[arg-type]


def test_a_rung_promotes_the_best_of_its_top_part_once_and_no_failure() -> None:
    rung, genotypes = Rung(), [SPACE.genotype((pick,) * 8) for pick in range(3)] + [SPACE.genotype((0, 1) * 4)]
    rung.tell(genotypes[0], told(0.5))
    assert rung.promotable(2) is None, "half of one is none"
    rung.tell(genotypes[1], told(0.6))
    assert rung.promotable(2) == genotypes[1]
    assert rung.promotable(2) is None
    rung.tell(genotypes[2], told(0.9, "it did not fit"))
    rung.tell(genotypes[3], told(0.7))
    assert rung.promotable(2) == genotypes[3]
    assert rung.promotable(2) is None, "the failed one is in the top half and stays where it is"
    tied = Rung()
    for genotype in genotypes:
        tied.tell(genotype, told(0.5))
    assert [tied.promotable(2) for _ in range(3)] == [genotypes[0], genotypes[1], None]


def test_the_ladder_follows_trainings_and_budget() -> None:
    assert ladder(task_of("100evals"), 3, 1 / 27) == [1 / 27, 3 / 27, 9 / 27, 1.0]
    assert ladder(task_of("100evals"), 3, 1 / 9) == [3 / 27, 9 / 27, 1.0]
    assert ladder(task_of("6evals"), 3, 1 / 27) == [3 / 27, 9 / 27, 1.0]
    assert ladder(task_of("1evals"), 3, 1 / 27) == [1.0]
    assert ladder(task_of("100evals", steps=2), 4, 1 / 64) == [0.5, 1.0]
    assert ladder(task_of("100s"), 3, 1 / 27) == [1 / 27, 3 / 27, 9 / 27, 1.0], "a budget in seconds says nothing yet"
    assert ladder(task_of("100evals", stops=(9, 27)), 3, 1 / 27) == [9 / 27, 1.0]


def test_asha_trains_each_rung_as_the_rule_says() -> None:
    """Looked at from outside: in each prefix of the log a rung holds a part 1/eta of the one below, its best."""
    task = run(ASHA(smallest=1 / 16), task_of("30evals", steps=16))
    shares = [1 / 16, 1 / 4, 1.0]
    rungs: list[dict[str, float]] = [{}, {}, {}]
    for number, evaluation in enumerate(task.evaluations):
        level = shares.index(evaluation.share)
        if level:
            below = rungs[level - 1]
            best = sorted(below, key=lambda text: -below[text])[: len(below) // 4]
            assert evaluation.genotype in best
            assert evaluation.genotype not in rungs[level]
        else:
            for low, high in pairwise(rungs):
                best = sorted(low, key=lambda text, low=low: -low[text])[: len(low) // 4]  # type: ignore[misc]
                assert set(best) <= set(high), f"evaluation {number} was drawn though one could be promoted"
        rungs[level][evaluation.genotype] = evaluation.accuracy
    assert len(rungs[2]) > 3
    assert task.best is not None
    assert task.best.accuracy == max(rungs[2].values())


def test_a_bracket_is_hyperbands() -> None:
    """Three rungs, eta 3: brackets of 9, 5 and 3 architectures; the shares of each are 1/9, 1/3 and 1."""
    task = run(BOHB(smallest=1 / 9, random=1.0), task_of("13evals"))
    counted = [evaluation.share for evaluation in task.evaluations[: 13 + 6 + 3]]
    first = [3 / 27] * 9 + [9 / 27] * 3 + [1.0]
    assert counted == [*first, *[9 / 27] * 5, 1.0, *[1.0] * 3]
    for begin, count, kept in ((0, 9, 3), (9, 3, 1), (13, 5, 1)):
        round_ = task.evaluations[begin : begin + count]
        best = sorted(round_, key=lambda e: -e.accuracy)[:kept]
        after = task.evaluations[begin + count : begin + count + kept]
        assert [e.genotype for e in after] == [e.genotype for e in best]


def test_a_density_is_a_density_and_the_formula_by_hand() -> None:
    rng = np.random.default_rng(0)
    options = np.array([2, 3, 1])
    density = Density(np.column_stack([rng.integers(n, size=12) for n in options]), options, 0.1)
    everything = np.array(list(product(range(2), range(3), range(1))))
    assert np.exp(density.of(everything)).sum() == pytest.approx(1.0)
    two = Density(np.array([[0], [0], [0], [1]]), np.array([3]), 0.001)
    h = 1.06 * np.sqrt((1 - (0.75**2 + 0.25**2)) / 2) * 4 ** (-1 / 5)
    assert two.bandwidth == pytest.approx([h])
    wanted = [0.75 * (1 - h) + 0.25 * h / 2, 0.75 * h / 2 + 0.25 * (1 - h), h / 2]
    assert np.exp(two.of(np.array([[0], [1], [2]]))) == pytest.approx(wanted)


def test_draws_stay_near_good_points_as_far_as_the_bandwidth_says() -> None:
    density = Density(np.array([[1, 1], [1, 1]]), np.array([4, 4]), 0.2)
    drawn = Counter(map(tuple, density.draw(np.random.default_rng(0), 20_000, 1.0).tolist()))
    stays = 0.8 + 0.2 / 4
    assert drawn[1, 1] / 20_000 == pytest.approx(stays**2, abs=0.015)
    assert set(drawn) == set(product(range(4), range(4)))
    far = density.draw(np.random.default_rng(0), 20_000, 100.0)
    assert np.bincount(far[:, 0], minlength=4) / 20_000 == pytest.approx([0.25] * 4, abs=0.02)


def test_the_model_draws_what_the_good_ones_have_in_common() -> None:
    """Results whose accuracy is the share of zeros: a new architecture has more of them than a uniform one."""
    rng, method = np.random.default_rng(1), BOHB(random=0.0)
    results = [{g: float(np.mean([p == 0 for p in g.picks])) for g in (SPACE.sample(rng) for _ in range(60))}, {}]
    zeros = [method.next(SPACE, results, rng, 30).picks.count(0) for _ in range(50)]
    assert np.mean(zeros) > 4
    assert not any(method.next(SPACE, results, rng, 30) in results[0] for _ in range(20)), (
        "a new one where there are some"
    )
    few = [dict.fromkeys(list(results[0])[:10], 0.5), {}]
    uniform = [method.next(SPACE, few, rng, 30).picks.count(0) for _ in range(300)]
    assert np.mean(uniform) == pytest.approx(8 / 3, abs=0.3), "ten results make no model of eight choices"


def test_good_and_others_are_as_many_as_the_paper_says() -> None:
    rng = np.random.default_rng(0)
    known = {SPACE.sample(rng): float(rng.random()) for _ in range(100)}
    good, others = BOHB().split(known, 9)
    assert (len(good), len(others)) == (15, 85)
    best = sorted(known, key=lambda genotype: -known[genotype])
    assert [tuple(row) for row in good.tolist()] == [genotype.picks for genotype in best[:15]]
    small = dict(list(known.items())[:11])
    assert [len(part) for part in BOHB().split(small, 9)] == [9, 9]


@pytest.mark.parametrize(("budget", "modelled"), [("5evals", False), ("20evals", True), ("100evals", True)])
def test_a_small_budget_still_has_a_model_in_a_space_of_many_choices(budget: str, modelled: bool) -> None:
    """The paper's d + 1 results per density would be more than any share of a training ever has."""
    space = VectorSpace(18, 3)
    task = make_task(space, budget, evaluator=FakeEvaluator(gradient_steps=144))
    assert (run(BOHB(smallest=0.25), task).planned["modelled"] > 0) == modelled
    assert BOHB().fewest(18, 20) < BOHB().fewest(18, 100) == 19


def test_without_early_stops_asha_says_a_sentence_and_bohb_is_its_model() -> None:
    task = task_of(stops=(27,))
    assert "complete" in (ASHA().unsupported(task) or "")
    assert BOHB().unsupported(task) is None
    assert {e.share for e in run(BOHB(), task).evaluations} == {1.0}
    assert task.planned["rungs"] == 1, "the record tells that no training was stopped"


@pytest.mark.parametrize("method", [ASHA(smallest=1 / 16), BOHB(smallest=1 / 9)])
def test_when_all_trainings_fail_none_goes_further(method: ASHA | BOHB) -> None:
    class Failing(FakeEvaluator):
        def evaluate(self, proposal: Proposal, number: int, meter: object) -> Evaluation:
            return Evaluation(str(proposal), 0.0, (), 1.0, 144, "it cannot be built")

    task = run(method, make_task(SPACE, "6evals", evaluator=Failing(gradient_steps=144)))
    assert all(evaluation.steps == round(144 * evaluation.share) for evaluation in task.evaluations), (
        "none was continued"
    )
    assert len({evaluation.genotype for evaluation in task.evaluations}) == len(task.evaluations) > 6
    assert task.proposal is None


@pytest.mark.parametrize("changes", [{"eta": 1}, {"smallest": 0.0}, {"smallest": 1.5}])
def test_nonsense_is_refused(changes: dict[str, float]) -> None:
    for method in (ASHA, BOHB):
        with pytest.raises(InputError):
            method(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", [ASHA(smallest=1 / 16), BOHB()])
def test_early_accuracies_that_tell_all_are_worth_several_budgets(method: ASHA | BOHB) -> None:
    """Without noise an architecture is known at the first stop: then both are far ahead of random search."""
    lead = []
    for seed in range(20):
        score = additive(SPACE, seed)
        found = []
        for each in (method, RANDOM_SEARCH()):
            task = run(each, make_task(SPACE, "20evals", evaluator=FakeEvaluator(score, gradient_steps=48), seed=seed))
            assert task.best is not None
            assert task.best.share == 1
            found.append(task.best.accuracy)
        lead.append(found[0] - found[1])
    assert np.mean(lead) > 3 * np.std(lead) / np.sqrt(20) > 0


def test_both_survive_one_gradient_step() -> None:
    for method in (ASHA(), BOHB()):
        task = run(method, make_task(SPACE, "9evals", score=by_hash))
        assert len(task.evaluations) == 9
