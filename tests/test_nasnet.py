"""NASNet's search: the LSTM policy against its definition, the clipped objective, and the whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, by_hash, make_task, run
from harness.methods.common.baseline import RewardBaseline
from harness.methods.common.ppo import LstmPolicy, Ppo
from harness.methods.common.served_policy import ServedPolicy
from harness.methods.nasnet import METHOD
from nb201 import needs_table, returned

from harness.core.errors import InputError
from harness.core.evaluation import Proposal
from harness.core.space import Choice, Genotype, Space
from harness.spaces import get_space, names

Numbers = np.ndarray
FAST = METHOD(children=3, units=12, learning_rate=0.02)


class Uneven(VectorSpace):
    """Three choices between 2, 4 and 3 options: 24 genotypes."""

    def __init__(self) -> None:
        super().__init__(3)
        self.choices = tuple(Choice(str(size), tuple(range(size))) for size in (2, 4, 3))


def policy(space: Space, seed: int = 0, bound: float = 0.8, units: int = 6) -> LstmPolicy:
    return LstmPolicy(space, np.random.default_rng(seed), units=units, bound=bound)


def everything(space: Space) -> Numbers:
    return np.array(list(itertools.product(*(range(len(choice)) for choice in space.choices))))


def recursion(w: dict[str, Numbers], sizes: list[int], picks: list[int]) -> float:
    """The log-probability of one architecture, written down a second time."""
    x, units, total = w["start"], len(w["start"]), 0.0
    c = h = np.zeros(units)
    for place, pick in enumerate(picks):
        i, f, o, g = np.split(np.concatenate([x, h]) @ w["lstm"], 4)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        logits = (h @ w["heads"][place])[: sizes[place]]
        total += logits[pick] - np.log(np.exp(logits).sum())
        if place + 1 < len(picks):
            x = w["embeddings"][place, pick]
    return float(total)


def test_log_probabilities_are_those_of_the_recursion() -> None:
    space, some = Uneven(), policy(Uneven())
    picks = everything(space)
    sizes = [len(choice) for choice in space.choices]
    expected = [recursion(some.weights, sizes, row) for row in picks.tolist()]
    assert np.allclose(some.read(picks).log_prob, expected)


def test_the_probabilities_of_all_architectures_add_up_to_one_and_give_the_entropy() -> None:
    walk = policy(Uneven()).read(everything(Uneven()))
    p = np.exp(walk.log_prob)
    assert p.sum() == pytest.approx(1)
    assert np.ptp(p) > 0.01
    assert p @ walk.entropy == pytest.approx(-(p @ walk.log_prob))


def test_draws_have_the_probabilities_and_never_an_option_that_does_not_exist() -> None:
    some, n = policy(Uneven()), 20_000
    drawn = some.sample(np.random.default_rng(1).random((n, 3)))
    assert (drawn.picks < [2, 4, 3]).all()
    assert np.allclose(some.read(drawn.picks).log_prob, drawn.log_prob)
    every = everything(Uneven())
    p = np.exp(some.read(every).log_prob)
    counts = np.array([(drawn.picks == row).all(axis=1).sum() for row in every])
    assert ((counts - n * p) ** 2 / (n * p)).sum() < 49.7  # 23 degrees of freedom, p = 0.001


def test_options_that_do_not_exist_have_probability_zero() -> None:
    walk = policy(Uneven()).read(np.zeros((1, 3), int))
    for step, size in zip(walk.states, (2, 4, 3), strict=True):
        assert (np.exp(step.log_p[0, size:]) == 0).all()


def differences(some: LstmPolicy, value: Callable[[], float]) -> dict[str, Numbers]:
    """The gradient of ``value`` by finite differences."""
    found = {}
    for name, weight in some.weights.items():
        found[name] = np.zeros_like(weight)
        for place in np.ndindex(weight.shape):
            sides = []
            for step in (1e-5, -1e-5):
                weight[place] += step
                sides.append(value())
                weight[place] -= step
            found[name][place] = (sides[0] - sides[1]) / 2e-5
    return found


def test_on_a_parameter_server_the_gradient_is_that_at_the_fetched_parameters() -> None:
    """Of the mean of -advantage * log P, by finite differences; the present parameters stay as they are."""
    some = policy(Uneven())
    served = ServedPolicy(some)
    fetched = served.fetch()
    drawn = served.draw(np.random.default_rng(5).random((4, some.decisions)))
    advantages = np.array([0.3, -0.2, 0.9, 0.1])
    expected = differences(some, lambda: float(-(advantages * some.read(drawn.picks).log_prob).mean()))
    served.apply([np.ones_like(part) for part in fetched], 0.1)
    moved = served.fetch()
    for name, gradient in zip(some.weights, served.gradient(fetched, drawn, advantages), strict=True):
        assert np.allclose(gradient, expected[name], atol=1e-7), name
    assert all(np.array_equal(one, other) for one, other in zip(moved, served.fetch(), strict=True))
    assert not np.allclose(moved[0], fetched[0])


def test_the_gradient_is_a_finite_difference() -> None:
    some, weights = policy(Uneven(), units=3), np.array([0.7, -1.3, 0.2])
    picks = np.array([[0, 3, 1], [1, 0, 2], [1, 3, 1]])

    def value() -> float:
        walk = some.read(picks)
        return float(weights @ walk.log_prob + 0.4 * walk.entropy.sum())

    expected = differences(some, value)
    for name, gradient in some.gradient(some.read(picks), weights, 0.4).items():
        assert np.allclose(gradient, expected[name], atol=1e-7), name
        assert np.abs(gradient).max() > 0.01


def test_the_first_pass_is_reinforce() -> None:
    some = policy(Uneven())
    walk = some.sample(np.random.default_rng(0).random((5, 3)))
    advantages = np.array([1.0, -0.5, 0.2, 0.0, 2.0])
    ppo = Ppo(some, clip=0.2, entropy_weight=0.0)
    expected = some.gradient(walk, advantages / 5, 0.0)
    for name, gradient in ppo.gradient(walk, walk.log_prob, advantages).items():
        assert np.allclose(gradient, expected[name])


@pytest.mark.parametrize(
    ("advantage", "ratio", "moves"),
    [(1, 1.3, False), (1, 1.1, True), (1, 0.7, True), (-1, 1.3, True), (-1, 0.9, True), (-1, 0.7, False)],
)
def test_what_has_moved_far_enough_in_its_own_direction_has_no_gradient(
    advantage: float, ratio: float, moves: bool
) -> None:
    some = policy(Uneven())
    walk = some.sample(np.random.default_rng(0).random((1, 3)))
    ppo = Ppo(some, clip=0.2, entropy_weight=0.0)
    gradient = ppo.gradient(walk, walk.log_prob - np.log(ratio), np.array([float(advantage)]))
    expected = some.gradient(walk, np.array([ratio * advantage]), 0.0)
    for name in gradient:
        assert np.allclose(gradient[name], expected[name] if moves else 0)


def test_the_gradient_is_that_of_the_clipped_objective_with_entropy() -> None:
    some, advantages = policy(Uneven(), units=2), np.array([1.0, 1.0, -1.0, -1.0])
    picks = np.array([[0, 3, 1], [1, 0, 2], [1, 3, 1], [0, 0, 0]])
    old = some.read(picks).log_prob - np.log([1.5, 0.9, 1.4, 0.5])

    def objective() -> float:
        walk = some.read(picks)
        ratio = np.exp(walk.log_prob - old)
        gains = np.minimum(ratio * advantages, np.clip(ratio, 0.8, 1.2) * advantages)
        return float(np.mean(gains + 0.3 * walk.entropy))

    expected = differences(some, objective)
    ppo = Ppo(some, clip=0.2, entropy_weight=0.3)
    for name, gradient in ppo.gradient(some.read(picks), old, advantages).items():
        assert np.allclose(gradient, expected[name], atol=1e-7), name


def moved(passes: int, clip: float) -> Numbers:
    """Logarithms of the ratios of new to old probability of four architectures, each in its advantage's direction."""
    some, advantages = policy(Uneven(), bound=0.1, units=20), np.array([1, -1, 1, -1.0])
    walk = some.sample(np.random.default_rng(0).random((4, 3)))
    Ppo(some, clip=clip, entropy_weight=0.0).improve(walk, advantages, passes, 0.003)
    return advantages * (some.read(walk.picks).log_prob - walk.log_prob)


def test_passes_move_the_policy_on_until_the_clip_holds_it() -> None:
    """Adam's momentum carries it a little further; if the old probabilities followed the new ones, nothing would."""
    assert 0 < moved(1, 0.2).max() < 0.1
    assert moved(60, 0.2).min() > 0.15
    assert moved(60, 0.2).max() < 0.5 * moved(60, 1e9).max()


def test_the_baseline_of_a_minibatch_is_made_of_earlier_minibatches() -> None:
    baseline = RewardBaseline(0.9, "batch")
    assert np.allclose(baseline.advantages(np.array([0.2, 0.4])), [-0.1, 0.1])
    before = baseline.value
    assert before is not None
    assert before == pytest.approx(0.9 * (0.9 * 0.3 + 0.1 * 0.2) + 0.1 * 0.4)
    assert np.allclose(baseline.advantages(np.array([0.9, 0.1])), np.array([0.9, 0.1]) - before)
    assert baseline.value == pytest.approx(0.81 * before + 0.09 * 0.9 + 0.1 * 0.1)


def test_a_bandit_is_learnt_and_the_entropy_falls() -> None:
    some = policy(VectorSpace(2, 4), bound=0.1, units=20)
    ppo, baseline = Ppo(some, clip=0.2, entropy_weight=1e-5), RewardBaseline(0.95, "batch")
    rng, entropies = np.random.default_rng(0), []
    for _ in range(60):
        walk = some.sample(rng.random((20, 2)))
        entropies.append(walk.entropy.mean())
        ppo.improve(walk, baseline.advantages((walk.picks == [2, 1]).mean(axis=1)), 5, 0.01)
    assert np.exp(some.read(np.array([[2, 1]])).log_prob[0]) > 0.9
    thirds = [np.mean(part) for part in np.split(np.array(entropies), 3)]
    assert thirds == sorted(thirds, reverse=True)


def ones(proposal: Proposal) -> float:
    assert isinstance(proposal, Genotype)
    return float(np.mean(np.array(proposal.picks) > 0))


def test_children_get_better() -> None:
    task = run(FAST, make_task(VectorSpace(20), "300evals", score=ones))
    accuracies = [evaluation.accuracy for evaluation in task.evaluations]
    assert np.mean(accuracies[-60:]) > np.mean(accuracies[:60]) + 0.1


def test_charges_every_child_and_returns_the_best() -> None:
    task = run(FAST, make_task(VectorSpace(20), "10evals", evaluator=FakeEvaluator(gradient_steps=6)))
    assert len(task.evaluations) == 10
    assert task.meter.spent == 60
    assert task.best == max(task.evaluations, key=lambda e: e.accuracy)
    assert str(task.proposal) == task.best.genotype


@pytest.mark.parametrize("stop", [2, 17])
def test_an_interrupted_run_learns_again_from_its_log(stop: int) -> None:
    space, journal, evaluator = VectorSpace(20), MemoryJournal(), FakeEvaluator(ones)
    run(FAST, make_task(space, f"{stop}evals", score=ones, journal=journal))
    resumed = run(FAST, make_task(space, "30evals", journal=journal, evaluator=evaluator))
    whole = run(FAST, make_task(space, "30evals", score=ones))
    assert resumed.evaluations == whole.evaluations
    assert len(evaluator.trained) == 30 - stop


@pytest.mark.parametrize("name", sorted(names()))
def test_works_in_every_space(name: str) -> None:
    space = get_space(name)
    task = run(METHOD(**METHOD.scaled.get("smoke", {})), make_task(space, "5evals", score=by_hash))
    assert METHOD().unsupported(task) is None
    assert len(task.evaluations) == 5
    assert all(space.contains(space.parse(evaluation.genotype)) for evaluation in task.evaluations)


def test_a_space_without_choices_is_refused() -> None:
    assert "keras" in str(METHOD().unsupported(make_task(get_space("keras"))))


def test_defaults_are_the_papers() -> None:
    method = METHOD()
    assert (method.minibatch(20_000), method.units, method.bound) == (20, 100, 0.1)
    assert method.rate(20_000) == method.rate(10**6) == 3.5e-4
    rates = [method.rate(children) for children in (5, 20, 100, 400, 5000)]
    assert rates == sorted(rates, reverse=True)
    assert rates[:2] == [0.06, 0.06]
    assert (method.entropy, method.baseline_decay) == (1e-5, 0.95)
    assert method.passes > 1, "with one pass the clip never holds"


@pytest.mark.parametrize(
    "wrong",
    [
        *({"children": -1}, {"passes": 0}, {"units": 0}, {"learning_rate": -1.0}),
        *({"clip": 0.0}, {"baseline_decay": 1.0}, {"baseline_decay": -0.1}, {"bound": 0.0}),
    ],
)
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)  # type: ignore[arg-type]


@needs_table
def test_is_no_worse_than_random_search_in_nasbench201() -> None:
    """Random search finds 93.78 on the average."""
    assert returned(METHOD(**METHOD.scaled.get("nb201", {})), 25).mean() > 93.78
