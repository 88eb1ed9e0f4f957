"""REINFORCE without a network: its policy, baseline and optimiser one by one, then the search."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task, run
from harness.methods.common.adam import Adam
from harness.methods.common.baseline import RewardBaseline
from harness.methods.reinforce import METHOD, Numbers, Policy
from nb201 import needs_table, transferred

from harness.core.errors import InputError
from harness.core.evaluation import Proposal
from harness.core.space import Genotype
from harness.spaces import get_space, names
from harness.spaces.nas_rl import ConvChainSpace

SPACE = VectorSpace(6, 5)
OPTIONS = (2, 3)
FAST = METHOD(learning_rate=0.1)


def random_policy() -> Policy:
    return Policy(OPTIONS, np.random.default_rng(3), spread=0.8)


def everything() -> list[tuple[int, ...]]:
    return list(product(*map(range, OPTIONS)))


def probability(policy: Policy, picks: tuple[int, ...]) -> float:
    return float(np.prod(policy.probabilities()[np.arange(len(picks)), picks]))


def slope(policy: Policy, place: tuple[int, int], of: dict[tuple[int, ...], float]) -> float:
    """Derivative of the expectation of ``of`` by one logit, from finite differences."""
    values = []
    for step in (1e-5, -1e-5):
        policy.logits[place] += step
        values.append(sum(probability(policy, picks) * value for picks, value in of.items()))
        policy.logits[place] -= step
    return (values[0] - values[1]) / 2e-5


def high(proposal: Proposal) -> float:
    """Large picks are good; random cells have 0.5 on average, the best one 0.9."""
    assert isinstance(proposal, Genotype)
    return 0.1 + 0.8 * sum(proposal.picks) / 24


def stream(method: METHOD, budget: str, score: float | None = None, seed: int = 0) -> list[str]:
    """The genotypes in the order of their evaluation."""
    task = make_task(SPACE, budget, score=high if score is None else lambda _: score, seed=seed)
    return [evaluation.genotype for evaluation in run(method, task).evaluations]


def test_probabilities_are_the_softmax_of_the_logits() -> None:
    policy = random_policy()
    policy.logits[1] += 700.0  # a softmax does not see it, and must not overflow
    expected = [[np.exp(x) for x in policy.logits[0, :2]], [np.exp(x - 700) for x in policy.logits[1]]]
    found = policy.probabilities()
    assert found[0, :2] == pytest.approx(np.array(expected[0]) / sum(expected[0]))
    assert found[1] == pytest.approx(np.array(expected[1]) / sum(expected[1]))
    assert found[0, 2] == 0


def test_picks_are_drawn_with_these_probabilities() -> None:
    policy, rng, draws = random_policy(), np.random.default_rng(0), 6000
    drawn = [policy.sample(rng) for _ in range(draws)]
    expected = {picks: draws * probability(policy, picks) for picks in everything()}
    assert set(drawn) == set(expected)
    assert sum((drawn.count(picks) - n) ** 2 / n for picks, n in expected.items()) < 20.5  # 5 d.f., p = 0.001


def test_the_gradient_is_unbiased() -> None:
    """Over all cells of a bandit the mean of (R - b) grad log P is the slope of the expected reward, whatever b is."""
    policy = random_policy()
    rewards = dict(zip(everything(), [0.3, 9.0, 2.0, 5.0, 1.0, 7.0], strict=True))
    for baseline in (0.0, 4.0):
        mean: Numbers = sum(  # type: ignore[assignment]
            probability(policy, picks) * (reward - baseline) * policy.gradient(picks)
            for picks, reward in rewards.items()
        )
        for place in product(range(2), range(3)):
            assert mean[place] == pytest.approx(0.0 if place == (0, 2) else slope(policy, place, rewards), abs=1e-8)


def corrected_baseline() -> RewardBaseline:
    return RewardBaseline(0.9, "after", start=0.0, corrected=True)


def test_the_baseline_is_the_corrected_average_that_holds_the_reward() -> None:
    rewards, momentum, baseline = [60.0, 10.0, 85.0, 84.0, 12.5], 0.9, corrected_baseline()
    for n, reward in enumerate(rewards, start=1):
        before = baseline.value
        weights = np.array([momentum ** (n - i) for i in range(1, n + 1)])
        average = float(weights @ rewards[:n] / weights.sum())
        [advantage] = baseline.advantages(np.array([reward]))
        assert advantage == pytest.approx(reward - average)
        assert advantage == pytest.approx((1 - weights[-1] / weights.sum()) * (reward - before))


def test_the_first_advantage_is_exactly_zero_and_equal_rewards_have_no_other() -> None:
    rewards, baseline = np.array([71.3]), corrected_baseline()
    assert [baseline.advantages(rewards).tolist() for _ in range(50)] == [[0.0]] * 50


def test_adam_takes_the_steps_of_the_paper() -> None:
    values = np.zeros(3)
    adam = Adam([values])
    adam.descend([-np.array([3.0, -0.2, 0.0])], 0.5)
    assert values == pytest.approx([0.5, -0.5, 0.0], abs=1e-6)
    adam.descend([-np.array([3.0, 0.2, 0.0])], 0.5)
    mean = (0.9 * 0.1 * -0.2 + 0.1 * 0.2) / (1 - 0.9**2)
    assert values == pytest.approx([1.0, -0.5 + 0.5 * mean / 0.2, 0.0], abs=1e-6)


def test_the_first_step_moves_nothing_and_the_second_does() -> None:
    eager, still = stream(METHOD(learning_rate=50.0), "10evals"), stream(METHOD(learning_rate=1e-12), "10evals")
    assert eager[:2] == still[:2]
    assert eager[2:] != still[2:]


def test_without_differences_in_reward_it_does_not_learn() -> None:
    assert stream(METHOD(learning_rate=50.0), "40evals", 0.7) == stream(METHOD(learning_rate=1e-12), "40evals", 0.7)


def test_learns_an_additive_score() -> None:
    for seed in range(3):
        task = run(FAST, make_task(SPACE, "400evals", score=high, seed=seed))
        found = [evaluation.accuracy for evaluation in task.evaluations]
        assert np.mean(found[:10]) == pytest.approx(0.5, abs=0.12)
        assert np.mean(found[-50:]) > 0.8


def test_returns_the_best_cell_it_has_seen() -> None:
    task = run(FAST, make_task(SPACE, "60evals"))
    assert str(task.proposal) == max(task.evaluations, key=lambda e: e.accuracy).genotype


def test_same_seed_same_search_and_other_seed_another() -> None:
    assert stream(FAST, "40evals", seed=4) == stream(FAST, "40evals", seed=4) != stream(FAST, "40evals", seed=5)


def test_resumes_from_the_log() -> None:
    journal, evaluator = MemoryJournal(), FakeEvaluator(high)
    run(FAST, make_task(SPACE, "17evals", score=high, journal=journal))
    resumed = run(FAST, make_task(SPACE, "40evals", journal=journal, evaluator=evaluator))
    assert len(evaluator.trained) <= 23
    assert [e.genotype for e in resumed.evaluations] == stream(FAST, "40evals")


def test_choices_of_different_length_are_learned_side_by_side() -> None:
    """In a chain, bits for skips stand beside sizes with four options; the policy learns both."""
    space = get_space("chain-3")
    assert isinstance(space, ConvChainSpace)

    def score(proposal: Proposal) -> float:
        assert isinstance(proposal, Genotype)
        return sum((layer.filters == 64) + len(layer.inputs) for layer in space.read(proposal)) / 6

    task = run(FAST, make_task(space, "300evals", score=score))
    found = [evaluation.accuracy for evaluation in task.evaluations]
    assert np.mean(found[-40:]) > np.mean(found[:40]) + 0.2


@pytest.mark.parametrize("name", sorted(names()))
def test_works_in_every_space_with_genotypes(name: str) -> None:
    task = make_task(get_space(name), "12evals")
    assert METHOD().unsupported(task) is None
    assert len(run(METHOD(), task).evaluations) == 12


def test_says_that_a_space_without_choices_is_not_for_it() -> None:
    assert "no choices" in (METHOD().unsupported(make_task(get_space("keras"))) or "")


@pytest.mark.parametrize("wrong", [{"learning_rate": -0.1}, {"momentum": 1.0}, {"momentum": 0.0}, {"spread": -1.0}])
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)


@pytest.mark.parametrize(("children", "rate"), [(5, 0.3), (20, 0.3), (100, 0.1), (400, 0.025), (5000, 0.01)])
def test_the_rate_follows_from_the_number_of_children(children: int, rate: float) -> None:
    assert METHOD().rate(children) == pytest.approx(rate)
    assert METHOD(learning_rate=0.07).rate(children) == 0.07
    task = run(METHOD(), make_task(get_space("nasbench201"), f"{min(children, 50)}evals"))
    assert task.planned == {"learning_rate": METHOD().rate(min(children, 50))}


@needs_table
def test_reaches_the_published_figures_of_nasbench201() -> None:
    means = transferred(METHOD(), 200).mean(axis=0)
    assert means == pytest.approx([93.91, 71.76, 45.36], abs=0.25)
    assert means[0] == pytest.approx(93.91, abs=0.1)
