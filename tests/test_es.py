"""Evolution strategies: estimate, ranks and utilities one by one, both strategies on a bowl, then the search."""

from __future__ import annotations

import numpy as np
import pytest
from additive import against_random_search
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task, run
from harness.methods.es import (
    CONTROLLERS,
    METHOD,
    VARIANTS,
    LogitsController,
    LstmController,
    OpenAiEs,
    Snes,
    Strategy,
    centred_ranks,
    estimate,
    utilities,
)
from nb201 import needs_table, returned

from harness.core.errors import InputError
from harness.core.task import Task
from harness.spaces import get_space, names

SPACE = VectorSpace(6, 5)


def test_the_estimate_is_unbiased_on_a_quadratic() -> None:
    """A quadratic's gradient is that of its mean under the noise, whatever sigma is."""
    rng = np.random.default_rng(0)
    centre, theta, scale = rng.normal(size=5), rng.normal(size=5), np.array([1.0, 0.2, 3.0, 0.5, 2.0])

    def quadratic(points: np.ndarray) -> np.ndarray:
        return -(scale * (points - centre) ** 2).sum(axis=1)

    for sigma in (0.1, 2.0):
        noise = rng.standard_normal((40_000, 5))
        worth = np.stack([quadratic(theta + sigma * noise), quadratic(theta - sigma * noise)])
        draws = (worth[0] - worth[1])[:, None] * noise / (2 * sigma)
        error = draws.std(axis=0) / 200
        assert np.abs(estimate(noise, worth, sigma) - -2 * scale * (theta - centre)).max() < 4.5 * error.max()
        assert np.allclose(estimate(noise, worth, sigma), draws.mean(axis=0))


def test_directions_that_span_the_space_give_a_linear_gradient_exactly() -> None:
    slope, noise = np.array([1.0, -2.0, 0.5]), np.sqrt(3) * np.eye(3)
    assert estimate(noise, np.stack([noise @ slope, -noise @ slope]) * 0.7, 0.7) == pytest.approx(slope)


def test_a_pair_cancels_what_is_even() -> None:
    noise = np.random.default_rng(1).standard_normal((7, 4))
    even = (noise**2).sum(axis=1)
    assert not estimate(noise, np.stack([even, even]), 0.1).any()


def test_ranks_are_centred_shared_and_know_the_order_only() -> None:
    values = np.array([[3.0, 1.0], [2.0, 10.0]])
    assert centred_ranks(values).ravel() == pytest.approx([1 / 6, -0.5, -1 / 6, 0.5])
    assert centred_ranks(np.exp(values)).tolist() == centred_ranks(values).tolist()
    assert centred_ranks(np.array([1.0, 1.0, 2.0, 0.0])) == pytest.approx([0, 0, 0.5, -0.5])
    assert not centred_ranks(np.full((2, 5), 0.3)).any()


def test_utilities_are_the_papers() -> None:
    values = np.array([0.1, 0.9, 0.5, 0.4, 0.3, 0.2, 0.8, 0.7, 0.6, 0.0])
    by_rank = [0.3295, 0.1634, 0.0662, -0.0028, -0.0563, *[-0.1] * 5]
    assert utilities(values)[np.argsort(-values)] == pytest.approx(by_rank, abs=1e-4)
    assert utilities(values).sum() == pytest.approx(0.0, abs=1e-12)
    assert utilities(np.full((2, 4), 0.3)) == pytest.approx(np.zeros((2, 4)), abs=1e-12)


@pytest.mark.parametrize("strategy", [OpenAiEs(np.ones(4), 0.3, 0.1, 0.0), Snes(np.ones(4), 0.3)], ids=VARIANTS)
def test_equal_returns_move_nothing(strategy: Strategy) -> None:
    strategy.tell(np.random.default_rng(2).standard_normal((5, 4)), np.full((2, 5), 0.7))
    assert strategy.theta == pytest.approx(np.ones(4), abs=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_bowl_is_descended(variant: str) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        start = rng.normal(size=20)
        strategy = OpenAiEs(start, 0.1, 0.1, 0.0) if variant == "openai" else Snes(start, 0.5)
        for _ in range(100):
            noise = rng.standard_normal((20, 20))
            returns = np.array([[-(strategy.at(sign * e) ** 2).sum() for e in noise] for sign in (1, -1)])
            strategy.tell(noise, returns)
        assert (strategy.theta**2).sum() < 0.01 * (start**2).sum()


def test_snes_narrows_where_it_is_steep() -> None:
    """A bowl a hundred times steeper along one axis: its deviation there ends smaller."""
    rng, strategy = np.random.default_rng(3), Snes(np.full(2, 3.0), 1.0)
    for _ in range(60):
        noise = rng.standard_normal((10, 2))
        tried = [np.array([strategy.at(sign * e) for e in noise]) for sign in (1, -1)]
        strategy.tell(noise, -np.array([(x**2 * [100, 1]).sum(axis=1) for x in tried]))
    assert strategy.sigma[0] < 0.5 * strategy.sigma[1]


def test_the_weight_decay_pulls_to_zero() -> None:
    strategy = OpenAiEs(np.array([2.0, -2.0]), 0.1, 0.05, 0.01)
    strategy.tell(np.ones((3, 2)), np.full((2, 3), 0.5))
    assert strategy.theta == pytest.approx([1.95, -1.95])


def test_logits_are_drawn_from_their_softmax() -> None:
    controller = LogitsController(get_space("chain-3"))
    sizes = [len(choice) for choice in get_space("chain-3").choices]
    assert len(controller.start) == sum(sizes)
    rng, theta = np.random.default_rng(4), np.random.default_rng(5).normal(size=sum(sizes))
    first = np.array([controller.decide(theta, rng.random(len(sizes)))[0] for _ in range(4000)])
    wanted = np.exp(theta[: sizes[0]]) / np.exp(theta[: sizes[0]]).sum()
    counts = np.bincount(first, minlength=sizes[0])
    assert ((counts - 4000 * wanted) ** 2 / (4000 * wanted)).sum() < 16.3  # 3 degrees of freedom, p = 0.001
    assert controller.decide(theta, np.full(len(sizes), 1 - 2**-53)) == tuple(size - 1 for size in sizes)


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_a_pair_differs_in_the_sign_of_its_noise_alone(kind: str) -> None:
    """Both architectures are drawn with the same numbers: with a vanishing sigma they are the same."""
    task = run(METHOD(controller=kind, sigma=1e-9, pairs=3), make_task(SPACE, "12evals"))
    texts = [evaluation.genotype for evaluation in task.evaluations]
    assert texts[::2] == texts[1::2]
    assert len(set(texts)) > 3
    wide = run(METHOD(controller=kind, sigma=3.0, pairs=3), make_task(SPACE, "12evals"))
    assert any(a.genotype != b.genotype for a, b in zip(wide.evaluations[::2], wide.evaluations[1::2], strict=True))


def test_the_lstm_is_read_from_one_vector() -> None:
    controller = LstmController(SPACE, np.random.default_rng(6), 8)
    uniforms = np.random.default_rng(7).random(6)
    before = controller.decide(controller.start, uniforms)
    others = {controller.decide(controller.start + 3 * e, uniforms) for e in np.eye(len(controller.start))[:80:5]}
    controller.decide(np.random.default_rng(8).normal(size=len(controller.start)), uniforms)
    assert controller.decide(controller.start, uniforms) == before
    assert others


def test_pairs_follow_the_budget() -> None:
    def planned(budget: str) -> int:
        task: Task = make_task(SPACE, budget)
        return METHOD().planned_pairs(task)

    assert [planned(f"{n}evals") for n in (5, 48, 120, 480, 9999)] == [2, 2, 5, 20, 50]
    assert METHOD(pairs=7).planned_pairs(make_task(SPACE, "5evals")) == 7
    timed = run(METHOD(), make_task(SPACE, "100s"))
    assert METHOD().planned_pairs(timed) == 4


def test_resumes_from_the_log_and_repeats_itself() -> None:
    journal, evaluator = MemoryJournal(), FakeEvaluator()
    whole = run(METHOD(), make_task(SPACE, "60s"))
    journal.evaluations = whole.evaluations[:23]
    resumed = run(METHOD(), make_task(SPACE, "60s", journal=journal, evaluator=evaluator))
    assert resumed.evaluations == whole.evaluations
    assert len(evaluator.trained) <= 37


@pytest.mark.parametrize("name", sorted(names()))
@pytest.mark.parametrize("kind", CONTROLLERS)
def test_works_in_every_space_with_genotypes(name: str, kind: str) -> None:
    task = make_task(get_space(name), "8evals")
    assert METHOD().unsupported(task) is None
    assert len(run(METHOD(controller=kind, units=4), task).evaluations) == 8


def test_says_that_a_space_without_choices_is_not_for_it() -> None:
    assert "no choices" in (METHOD().unsupported(make_task(get_space("keras"))) or "")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"variant": "cma"}, {"controller": "gru"}, {"pairs": -1}, {"sigma": 0.0}, {"learning_rate": 0.0}),
        *({"decay": -0.1}, {"units": 0}),
    ],
)
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("variant", VARIANTS)
def test_beats_random_search_on_an_additive_task(variant: str) -> None:
    lead, p = against_random_search(METHOD(variant=variant), "100evals")
    assert lead > 0.02
    assert p < 0.01


@needs_table
@pytest.mark.parametrize("variant", VARIANTS)
def test_stands_beside_random_search_in_nasbench201(variant: str) -> None:
    """200 seeds; random search has 93.75."""
    assert returned(METHOD(variant=variant), 200).mean() == pytest.approx(93.85, abs=0.15)
