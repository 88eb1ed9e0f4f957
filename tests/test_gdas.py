"""GDAS: samples follow the softmax, the gradient is straight-through, temperature and cost follow the budget."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from fakes import make_task, run, tiny_data
from harness.methods.common.alpha import Alpha, alpha_rate
from harness.methods.common.softmax import softmax
from harness.methods.gdas import METHOD, GdasSearch, alpha_gradient, sampled
from path_supernet import install
from scipy.stats import chisquare

from harness.core.errors import InputError
from harness.core.recipe import Recipe
from harness.core.seeds import rng
from harness.core.space import Genotype, Size
from harness.core.task import Task
from harness.spaces import get_space

RECIPE = Recipe(size=Size(4, 3), steps=1)


@pytest.mark.parametrize("temperature", [10.0, 1.0, 0.1])
def test_samples_are_distributed_as_the_softmax_at_any_temperature(temperature: float) -> None:
    generator = rng(0, f"samples {temperature}")
    alpha, draws = generator.normal(size=(1, 2, 5)), 20_000
    counts = np.zeros((2, 5))
    for _ in range(draws):
        ops = sampled(alpha, generator.gumbel(size=alpha.shape), temperature).ops
        counts[np.arange(2), ops[0]] += 1
    for row, shares in zip(counts, softmax(alpha)[0], strict=True):
        assert chisquare(row, draws * shares).pvalue > 1e-3


def test_a_cold_sample_is_nearly_hard_and_a_hot_one_nearly_uniform() -> None:
    generator = rng(1, "temperature")
    alpha, gumbel = generator.normal(size=(2, 9, 8)), generator.gumbel(size=(2, 9, 8))
    cold, hot = sampled(alpha, gumbel, 1e-3), sampled(alpha, gumbel, 1e3)
    assert np.array_equal(cold.ops, hot.ops)
    np.testing.assert_allclose(cold.soft, np.eye(8)[cold.ops], atol=1e-6)
    np.testing.assert_allclose(hot.soft, 1 / 8, atol=2e-3)


def test_gradient_is_that_of_the_soft_sample_at_the_chosen_operation() -> None:
    generator = rng(2, "gradient")
    alpha, gumbel = generator.normal(size=(2, 3, 4)), generator.gumbel(size=(2, 3, 4))
    carried = generator.normal(size=(2, 3))
    sample = sampled(alpha, gumbel, 0.7)
    with tf.GradientTape() as tape:
        logits = tf.constant(alpha)
        tape.watch(logits)
        soft = tf.nn.softmax((tf.nn.log_softmax(logits) + gumbel) / 0.7)
        loss = tf.reduce_sum(tf.gather(soft, sample.ops, batch_dims=2) * carried)
    np.testing.assert_allclose(alpha_gradient(sample, carried, 0.7), tape.gradient(loss, logits), atol=1e-9)


def test_alpha_learns_which_operation_lowers_the_loss() -> None:
    """The loss is a sum over edges of what the sampled operation costs; each edge has another best operation."""
    generator = rng(3, "learning")
    costs = generator.permuted(np.tile(np.arange(4.0), (1, 6, 1)), axis=-1)
    alpha = Alpha(np.zeros((1, 6, 4)), 0.5, 1e-3)
    for number in range(400):
        tau = 10 - 9.9 * number / 400
        sample = sampled(alpha.values, generator.gumbel(size=(1, 6, 4)), tau)
        paid = np.take_along_axis(costs, sample.ops[..., None], -1)[..., 0] - 1.5
        alpha.descend(alpha_gradient(sample, paid, tau), 0.05)
    assert np.array_equal(alpha.values.argmax(-1), costs.argmin(-1))


def test_a_search_comes_to_prefer_what_lowers_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """One operation of every edge lowers the loss, all others raise it; weights and alpha have samples of their own."""
    cheap = np.array([3, 1, 4, 0, 2, 3])
    charges = np.where(np.arange(5) == cheap[:, None], -1.0, 0.5).astype(np.float32)
    made = install(monkeypatch, lambda picks, batch: 0.5, charges=charges)
    task = make_task(get_space("nasbench201"), "300steps", data=tiny_data(images=16))
    search = GdasSearch(task, METHOD(batch=8, valid_batch=8))
    search.run()
    assert np.array_equal(search.alpha.values[0].argmax(-1), cheap)
    [net] = made
    assert isinstance(task.proposal, Genotype)
    assert task.proposal.picks == tuple(cheap)
    assert len(net.trained) == len(net.gates_asked) == 150
    for (path, *_), gated in zip(net.trained[:10], net.gates_asked, strict=False):
        assert path != gated


def test_alphas_path_is_the_papers_in_a_shorter_search() -> None:
    assert alpha_rate(3e-4, 97_500, 97_500) == alpha_rate(3e-4, 97_500, 1e6) == 3e-4
    assert alpha_rate(3e-4, 97_500, 1950) == pytest.approx(50 * 3e-4)
    assert alpha_rate(3e-4, 97_500, 10) == 0.05


def test_moments_of_alpha_go_on_after_a_checkpoint() -> None:
    generator = rng(4, "moments")
    gradients = generator.normal(size=(5, 1, 2, 3))
    whole, part = (Alpha(np.zeros((1, 2, 3)), 0.5, 1e-3) for _ in range(2))
    for gradient in gradients:
        whole.descend(gradient, 0.1)
    for gradient in gradients[:3]:
        part.descend(gradient, 0.1)
    resumed = Alpha(np.zeros((1, 2, 3)), 0.5, 1e-3)
    resumed.restore(part.state())
    for gradient in gradients[3:]:
        resumed.descend(gradient, 0.1)
    assert np.array_equal(resumed.values, whole.values)


@pytest.mark.parametrize("first", [True, False])
def test_alpha_takes_its_own_entries_in_whatever_order_they_come(first: bool) -> None:
    whole = Alpha(np.zeros((1, 2, 3)), 0.5, 1e-3)
    whole.descend(np.ones((1, 2, 3)), 0.1)
    own = whole.state()
    others = {name.rpartition(".")[2]: value + 7 for name, value in own.items()}
    resumed = Alpha(np.zeros((1, 2, 3)), 0.5, 1e-3)
    resumed.restore(others | own if first else own | others)
    assert {name: value.tolist() for name, value in resumed.state().items()} == {
        name: value.tolist() for name, value in own.items()
    }


@pytest.fixture(scope="module")
def searched() -> Task:
    task = make_task(get_space("nasbench201"), "13steps", data=tiny_data(images=64), recipe=RECIPE)
    return run(METHOD(batch=8, valid_batch=8, save_every=3), task)


@pytest.mark.usefixtures("untraced")
def test_a_step_is_two_gradient_steps_and_no_more_than_the_budget_is_spent(searched: Task) -> None:
    assert searched.meter.steps == 12
    assert searched.space.contains(searched.proposal)  # type: ignore[arg-type]
    assert not searched.evaluations


def test_temperature_follows_the_budget(searched: Task) -> None:
    search = object.__new__(GdasSearch)
    search._method = METHOD()
    assert (search.temperature(0.0), search.temperature(1.0)) == (10.0, pytest.approx(0.1))
    assert search.temperature(0.5) == pytest.approx(5.05)
    assert searched.planned["temperature"] == pytest.approx(search.temperature(10 / 13), abs=1e-3)


def test_multiply_accumulates_are_those_of_single_paths(searched: Task) -> None:
    """Six pairs of steps of eight images: less than all candidates, more than the stem."""
    search = GdasSearch(searched, METHOD(batch=8, valid_batch=8))
    net, passes = search.net.net, 3 * 8 * 12
    assert net.path_macs(np.zeros(6, np.int32)) < searched.meter.macs / passes <= net.most_macs() < net.macs


def test_says_where_it_cannot_work() -> None:
    assert METHOD().unsupported(make_task(get_space("cell-2"))) is None
    assert METHOD().unsupported(make_task(get_space("nasbench201"))) is None
    assert "enas_cell" in str(METHOD().unsupported(make_task(get_space("enas_cell"))))


@pytest.mark.parametrize("wrong", [{"cold": 0.0}, {"cold": 20.0}, {"batch": 0}, {"alpha_learning_rate": 0.0}])
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)
