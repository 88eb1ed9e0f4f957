"""The pieces that the controllers of NAS-RL and ENAS are made of, and REINFORCE on a space that can be enumerated."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from controllers import TinyMacro, all_picks, macro, plain
from harness.methods.common.baseline import RewardBaseline
from harness.methods.common.policy import (
    IMPOSSIBLE,
    Attention,
    Controller,
    ControllerWeights,
    Lstm,
    bernoulli,
    categorical,
    squeeze,
)

from harness.spaces.nas_rl import ConvChainSpace

# --- pieces


def test_categorical_inverts_the_cumulative_distribution() -> None:
    p = np.array([0.2, 0.5, 0.3], np.float32)
    u = np.array([0.0, 0.19, 0.21, 0.69, 0.71, 1 - 2**-24], np.float32)
    drawn = categorical(tf.tile(tf.math.log(p)[None], [6, 1]), u, np.full(6, -1))
    assert drawn.pick.numpy().tolist() == [0, 0, 1, 1, 2, 2]
    assert np.allclose(np.exp(drawn.log_prob), p[drawn.pick])
    assert np.allclose(drawn.entropy, -(p * np.log(p)).sum())


def test_categorical_takes_what_is_forced() -> None:
    logits = tf.constant([[0.0, 1.0, 2.0]] * 3)
    decision = categorical(logits, np.zeros(3, np.float32), np.array([2, -1, 1]))
    assert decision.pick.numpy().tolist() == [2, 0, 1]
    assert np.allclose(decision.log_prob, tf.nn.log_softmax(logits).numpy()[range(3), [2, 0, 1]])


def test_impossible_options_have_probability_zero_and_harm_nothing() -> None:
    logits = tf.constant([[0.3, -0.2, IMPOSSIBLE, IMPOSSIBLE]] * 1001)
    decision = categorical(logits, np.linspace(0, 1 - 2**-24, 1001).astype(np.float32), np.full(1001, -1))
    two = categorical(logits[:, :2], np.zeros(1001, np.float32), decision.pick)
    assert decision.pick.numpy().max() == 1
    assert np.allclose(decision.log_prob, two.log_prob)
    assert np.allclose(decision.entropy, two.entropy)


def test_bernoulli_probabilities_and_entropy() -> None:
    logits = tf.constant([-2.0, 0.0, 3.0])
    p = 1 / (1 + np.exp(-logits.numpy()))
    ones, zeros = (bernoulli(logits, tf.zeros(3), np.full(3, bit)) for bit in (1, 0))
    assert np.allclose(np.exp(ones.log_prob), p)
    assert np.allclose(np.exp(zeros.log_prob), 1 - p)
    assert np.allclose(ones.entropy, -p * np.log(p) - (1 - p) * np.log(1 - p), atol=1e-6)
    below, above = (bernoulli(logits, (p + shift).astype(np.float32), np.full(3, -1)).pick for shift in (-1e-3, 1e-3))
    assert below.numpy().tolist() == [1, 1, 1]
    assert above.numpy().tolist() == [0, 0, 0]


def test_entropies_have_their_gradients() -> None:
    """EAS learns from them; what an entropy of ENAS may not do is asked of the walks."""
    logits = tf.constant([[0.3, -1.0, 2.0, IMPOSSIBLE]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        entropy = categorical(logits, tf.zeros(1), np.zeros(1, np.int32)).entropy
    p = tf.nn.softmax(logits).numpy()
    wanted = -p * (np.log(np.maximum(p, 1e-30)) + entropy.numpy())
    assert np.allclose(tape.gradient(entropy, logits), wanted, atol=1e-6)
    bits = tf.constant([-2.0, 0.5, 3.0, IMPOSSIBLE])
    with tf.GradientTape() as tape:
        tape.watch(bits)
        entropy = bernoulli(bits, tf.zeros(4), np.zeros(4, np.int32)).entropy
    p = tf.sigmoid(bits).numpy()
    assert np.allclose(tape.gradient(entropy, bits), -bits.numpy() * p * (1 - p), atol=1e-6)


def test_squeeze_bounds_logits_or_leaves_them() -> None:
    logits = tf.constant([-100.0, -0.1, 0.0, 50.0])
    assert np.allclose(squeeze(logits, 1.5), 1.5 * np.tanh(logits))
    assert np.array_equal(squeeze(logits, 0.0), logits)


@pytest.mark.parametrize("inputs", [3, 5])
def test_lstm_is_the_textbook_cell(inputs: int) -> None:
    weights = ControllerWeights(np.random.default_rng(0), 0.5)
    lstm = Lstm(weights, 3, inputs=inputs, name="reads")
    kernel = weights.variables["reads.0"].numpy()
    x = np.random.default_rng(1).normal(size=(2, inputs)).astype(np.float32)
    h, state = lstm(tf.constant(x), lstm.start(2))
    h, (c, _) = lstm(tf.constant(x), state)

    def step(c: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        i, f, o, g = np.split(np.concatenate([x, h], 1) @ kernel, 4, axis=1)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        return c, np.tanh(c) / (1 + np.exp(-o))

    expected = step(*step(np.zeros((2, 3)), np.zeros((2, 3))))
    assert np.allclose(c, expected[0], atol=1e-6)
    assert np.allclose(h, expected[1], atol=1e-6)


def test_attention_is_the_papers_formula() -> None:
    weights = ControllerWeights(np.random.default_rng(0), 0.5)
    attention = Attention(weights, 4)
    anchors, h = np.random.default_rng(1).normal(size=(2, 3, 4)), np.random.default_rng(2).normal(size=(2, 4))
    previous, current, v = (weights.variables[f"attention.{name}"].numpy() for name in ("previous", "current", "v"))
    keys = tf.stack([attention.key(tf.constant(anchors[:, j], tf.float32)) for j in range(3)], axis=1)
    scores = attention(keys, tf.constant(h, tf.float32)).numpy()
    for i, j in itertools.product(range(2), range(3)):
        assert scores[i, j] == pytest.approx(v @ np.tanh(anchors[i, j] @ previous + h[i] @ current), abs=1e-5)


def test_weights_start_uniformly_within_the_bound_and_depend_on_the_generator_only() -> None:
    first, second = (plain(ConvChainSpace(layers=4)).state() for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    values = np.concatenate([plain(ConvChainSpace(layers=4)).weights.variables["lstm.0"].numpy().ravel()])
    assert np.abs(values).max() <= 0.08
    assert values.std() == pytest.approx(0.16 / np.sqrt(12), rel=0.05)


# --- baselines


def test_nas_rls_baseline_of_a_reward_depends_on_earlier_rewards_only() -> None:
    rewards = np.array([0.5, 0.1, 0.9, 0.4])
    before = rewards - RewardBaseline(0.95, "before").advantages(rewards)
    for k in range(1, 4):
        changed = rewards.copy()
        changed[k] = 0.77
        after = changed - RewardBaseline(0.95, "before").advantages(changed)
        assert np.allclose(before[: k + 1], after[: k + 1])
        assert k == 3 or not np.allclose(before[k + 1], after[k + 1])
    assert before == pytest.approx([0.5, 0.5, 0.95 * 0.5 + 0.05 * 0.1, 0.95**2 * 0.5 + 0.95 * 0.005 + 0.045])


def test_the_average_goes_on_over_batches() -> None:
    rewards = np.array([0.5, 0.1, 0.9, 0.4])
    for fresh in (partial(RewardBaseline, 0.9, "before"), partial(RewardBaseline, 0.9, "after", start=0.0)):
        whole, average = fresh().advantages(rewards), fresh()
        assert np.array_equal(whole, np.concatenate([average.advantages(rewards[:1]), average.advantages(rewards[1:])]))


def test_enas_baseline_approaches_a_constant_reward_geometrically_and_includes_the_current_one() -> None:
    average = RewardBaseline(0.99, "after", start=0.0)
    advantages = average.advantages(np.full(200, 0.8))
    n = np.arange(1, 201)
    assert np.allclose(0.8 - advantages, 0.8 * (1 - 0.99**n), atol=1e-6)
    assert advantages[0] == pytest.approx(0.99 * 0.8)


# --- REINFORCE on a space small enough to enumerate


def expected_reward(controller: Controller, picks: np.ndarray, rewards: np.ndarray) -> float:
    return float(np.exp(controller.read(picks).log_prob.astype(np.float64)) @ rewards)


@pytest.mark.parametrize("make", [plain, macro])
def test_probabilities_of_all_architectures_sum_to_one(make: Callable[..., Controller]) -> None:
    space = TinyMacro()
    assert expected_reward(make(space, bound=0.7), all_picks(space), np.ones(8)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("make", [plain, lambda space, **kw: macro(space, weight=0.0, **kw)])
def test_expected_reinforce_gradient_is_the_gradient_of_the_expected_reward(make: Callable[..., Controller]) -> None:
    space = TinyMacro()
    controller, picks = make(space, bound=0.7), all_picks(space)
    rng = np.random.default_rng(0)
    rewards = rng.random(8).astype(np.float32)
    p = np.exp(controller.read(picks).log_prob)
    baseline = np.float32(0.37)
    gradient = [-g.numpy() for g in controller.gradient(tf.constant(picks), tf.constant(8 * p * (rewards - baseline)))]
    without = [-g.numpy() for g in controller.gradient(tf.constant(picks), tf.constant(8 * p * rewards))]
    assert all(np.allclose(one, other, atol=2e-6) for one, other in zip(gradient, without, strict=True))
    variables = list(controller.weights.variables.values())
    sizes = [max(np.abs(part).max() for part in gradient)]
    for _ in range(6):
        direction = [rng.normal(size=variable.shape).astype(np.float32) for variable in variables]
        length = np.sqrt(sum((part**2).sum() for part in direction))
        step, values = 0.02, []
        for sign in (1, -1):
            for variable, part in zip(variables, direction, strict=True):
                variable.assign_add(sign * step * part / length)
            values.append(expected_reward(controller, picks, rewards))
            for variable, part in zip(variables, direction, strict=True):
                variable.assign_add(-sign * step * part / length)
        numerical = (values[0] - values[1]) / (2 * step)
        analytic = sum((g * part).sum() for g, part in zip(gradient, direction, strict=True)) / length
        sizes.append(abs(analytic))
        assert numerical == pytest.approx(analytic, abs=2e-5)
    assert max(sizes[1:]) > 2e-4


@pytest.mark.parametrize("make", [plain, lambda space, **kw: macro(space, weight=0.0, **kw)])
def test_a_constant_reward_moves_nothing_on_average(make: Callable[..., Controller]) -> None:
    space = TinyMacro()
    controller, picks = make(space, bound=0.7), all_picks(space)
    p = np.exp(controller.read(picks).log_prob)
    for part in controller.gradient(tf.constant(picks), tf.constant(8 * p)):
        assert np.abs(part).max() < 2e-6
    for part in controller.gradient(tf.constant(picks), tf.zeros(8)):
        assert np.abs(part).max() == 0


@pytest.mark.parametrize("make", [plain, macro])
def test_learns_a_bandit(make: Callable[..., Controller]) -> None:
    """The second layer's max pooling pays; its probability exceeds 0.9 within 150 steps of ten samples."""
    space = TinyMacro()
    controller, average = make(space, rate=0.02), RewardBaseline(0.95, "before")
    rng = np.random.default_rng(0)
    for _ in range(150):
        picks = controller.sample(rng.random((10, 3), np.float32)).picks
        controller.train(picks, average.advantages(picks[:, 1].astype(np.float64)))
    assert expected_reward(controller, all_picks(space), all_picks(space)[:, 1]) > 0.9
