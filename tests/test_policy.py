"""The controllers of NAS-RL and ENAS, and the pieces they are made of."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness.core.space import Choice, Space
from harness.spaces import get_space
from harness.spaces.cell import EnasCellSpace
from harness.spaces.chain import ConvChainSpace
from harness.spaces.macro import MacroSpace
from methods._enas_macro_controller import EnasMacroController
from methods._enas_micro_controller import EnasMicroController
from methods._layered_controller import LayeredController
from methods._policy import (
    IMPOSSIBLE,
    Attention,
    Controller,
    Lstm,
    MovingAverage,
    Weights,
    bernoulli,
    categorical,
    squeeze,
)


class TinyMacro(MacroSpace):
    """Two layers, two operations, one skip bit: eight architectures."""

    def __init__(self) -> None:
        super().__init__("tiny", 2)
        pair = ("conv_3x3", "max_pool_3x3")
        self.choices = tuple(
            Choice(choice.name, pair if choice.name.endswith("op") else choice.options) for choice in self.choices
        )


def plain(
    space: ConvChainSpace | MacroSpace, seed: int = 0, bound: float = 0.08, rate: float = 6e-4
) -> LayeredController:
    """NAS-RL's controller, small where the size does not matter."""
    adam = keras.optimizers.Adam(rate)
    return LayeredController(space, np.random.default_rng(seed), units=12, layers=2, bound=bound, optimizer=adam)


def macro(space: MacroSpace, seed: int = 0, bound: float = 0.1, rate: float = 1e-3, weight: float = 0.8) -> Controller:
    rng = np.random.default_rng(seed)
    return EnasMacroController(space, rng, units=12, bound=bound, learning_rate=rate, skip_weight=weight)


def micro(space: EnasCellSpace, seed: int = 0, bound: float = 0.1) -> EnasMicroController:
    return EnasMicroController(space, np.random.default_rng(seed), units=12, bound=bound)


CASES: dict[str, tuple[Space, Callable[[], Controller]]] = {
    "chain": (get_space("chain-4"), lambda: plain(ConvChainSpace("chain-4", 4), bound=0.5)),
    "strides": (ConvChainSpace(layers=3, strides=True), lambda: plain(ConvChainSpace(layers=3, strides=True))),
    "macro": (get_space("macro-5"), lambda: macro(MacroSpace("macro-5", 5), bound=0.5)),
    "micro": (EnasCellSpace(nodes=3), lambda: micro(EnasCellSpace(nodes=3), bound=0.5)),
}


@pytest.fixture(scope="module", params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> tuple[Space, Controller]:
    space, make = CASES[request.param]
    return space, make()


def uniforms(n: int, controller: Controller, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, controller.decisions), np.float32)


def all_picks(space: Space) -> np.ndarray:
    return np.array(list(itertools.product(*(range(len(choice)) for choice in space.choices))), np.int32)


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


def test_squeeze_bounds_logits_or_leaves_them() -> None:
    logits = tf.constant([-100.0, -0.1, 0.0, 50.0])
    assert np.allclose(squeeze(logits, 1.5), 1.5 * np.tanh(logits))
    assert np.array_equal(squeeze(logits, 0.0), logits)


def test_lstm_is_the_textbook_cell() -> None:
    weights = Weights(np.random.default_rng(0), 0.5)
    lstm = Lstm(weights, 3)
    kernel = weights.variables["lstm.0"].numpy()
    x = np.random.default_rng(1).normal(size=(2, 3)).astype(np.float32)
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
    weights = Weights(np.random.default_rng(0), 0.5)
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
    before = rewards - MovingAverage(0.95, current=False).advantages(rewards)
    for k in range(1, 4):
        changed = rewards.copy()
        changed[k] = 0.77
        after = changed - MovingAverage(0.95, current=False).advantages(changed)
        assert np.allclose(before[: k + 1], after[: k + 1])
        assert k == 3 or not np.allclose(before[k + 1], after[k + 1])
    assert before == pytest.approx([0.5, 0.5, 0.95 * 0.5 + 0.05 * 0.1, 0.95**2 * 0.5 + 0.95 * 0.005 + 0.045])


def test_the_average_goes_on_over_batches() -> None:
    rewards = np.array([0.5, 0.1, 0.9, 0.4])
    for current in (False, True):
        whole = MovingAverage(0.9, current=current).advantages(rewards)
        average = MovingAverage(0.9, current=current)
        assert np.array_equal(whole, np.concatenate([average.advantages(rewards[:1]), average.advantages(rewards[1:])]))


def test_enas_baseline_approaches_a_constant_reward_geometrically_and_includes_the_current_one() -> None:
    average = MovingAverage(0.99, current=True)
    advantages = average.advantages(np.full(200, 0.8))
    n = np.arange(1, 201)
    assert np.allclose(0.8 - advantages, 0.8 * (1 - 0.99**n), atol=1e-6)
    assert advantages[0] == pytest.approx(0.99 * 0.8)


# --- every controller


def test_samples_are_genotypes_of_the_space_and_differ(case: tuple[Space, Controller]) -> None:
    space, controller = case
    picks = controller.sample(uniforms(50, controller)).picks
    assert len({space.genotype(tuple(row)) for row in picks.tolist()}) > 40


def test_the_same_numbers_give_the_same_picks_in_any_batch(case: tuple[Space, Controller]) -> None:
    _, controller = case
    u = uniforms(20, controller)
    together = controller.sample(u)
    apart = [controller.sample(u[i : i + 1]) for i in range(20)]
    assert np.array_equal(together.picks, np.concatenate([walk.picks for walk in apart]))
    assert np.allclose(together.log_prob, np.concatenate([walk.log_prob for walk in apart]), atol=1e-5)


def test_teacher_forcing_gives_the_probability_of_sampling(case: tuple[Space, Controller]) -> None:
    _, controller = case
    sampled = controller.sample(uniforms(50, controller))
    forced = controller.read(sampled.picks)
    for one, other in zip(sampled, forced, strict=True):
        assert np.array_equal(one, other)


def test_sampled_frequencies_follow_the_stated_probabilities(case: tuple[Space, Controller]) -> None:
    """The last decision flips between options as often as its conditional probabilities say."""
    space, controller = case
    [first] = controller.sample(uniforms(1, controller)).picks
    size = len(space.choices[-1])
    variants = np.tile(first, (size, 1))
    variants[:, -1] = np.arange(size)
    p = np.exp(controller.read(variants).log_prob.astype(np.float64))
    n = 4000
    forced = np.tile(first, (n, 1))
    forced[:, -1] = -1
    drawn = np.asarray(controller._walk(uniforms(n, controller), forced.astype(np.int32)).picks)
    assert np.array_equal(drawn[:, :-1], forced[:, :-1])
    expected = n * p / p.sum()
    chi2 = ((np.bincount(drawn[:, -1], minlength=size) - expected) ** 2 / expected).sum()
    assert chi2 < 22  # at most 4 degrees of freedom, p < 0.001


def test_mean_log_probability_is_minus_the_entropy(case: tuple[Space, Controller]) -> None:
    _, controller = case
    walk = controller.sample(uniforms(3000, controller))
    error = walk.log_prob + walk.entropy
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(3000) + 1e-5


def test_a_batch_gives_the_mean_of_its_gradients(case: tuple[Space, Controller]) -> None:
    _, controller = case
    picks = tf.constant(controller.sample(uniforms(3, controller)).picks)
    advantages = tf.constant([0.3, -1.0, 0.5])
    together = controller.gradient(picks, advantages)
    apart = [controller.gradient(picks[i : i + 1], advantages[i : i + 1]) for i in range(3)]
    for whole, parts in zip(together, zip(*apart, strict=True), strict=True):
        assert np.allclose(whole, sum(parts) / 3, atol=1e-6)


def test_training_raises_the_probability_of_what_was_rewarded(case: tuple[Space, Controller]) -> None:
    _, controller = case
    good, bad = controller.sample(uniforms(2, controller)).picks
    before = controller.read(np.stack([good, bad])).log_prob
    for _ in range(30):
        controller.train(np.stack([good, bad]), np.array([1.0, -1.0]))
    after = controller.read(np.stack([good, bad])).log_prob
    assert after[0] > before[0]
    assert after[1] < before[1]


def test_one_graph_serves_all_batches(case: tuple[Space, Controller]) -> None:
    _, controller = case
    for n in (1, 3, 10):
        picks = controller.sample(uniforms(n, controller)).picks
        controller.read(picks)
        controller.train(picks, np.zeros(n))
    assert controller._walk.experimental_get_tracing_count() == 1
    assert controller._step.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_restored_controller_goes_on_exactly_as_the_first(name: str) -> None:
    def train(controller: Controller, first: int, last: int) -> None:
        for step in range(first, last):
            picks = controller.sample(uniforms(4, controller, step)).picks
            controller.train(picks, np.linspace(-1, 1, 4))

    make = CASES[name][1]
    whole, begun, resumed = make(), make(), make()
    train(whole, 0, 6)
    train(begun, 0, 3)
    train(resumed, 50, 52)
    resumed.restore({**begun.state(), "another": np.zeros(1)})
    train(resumed, 3, 6)
    first, second = whole.state(), resumed.state()
    assert sorted(first) == sorted(second)
    assert all(isinstance(value, np.ndarray | np.generic) for value in first.values())
    assert all(np.array_equal(first[key], second[key]) for key in first)


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
    rewards = rng.random(8)
    p = np.exp(controller.read(picks).log_prob)
    baseline = 0.37
    gradient = [-g.numpy() for g in controller.gradient(tf.constant(picks), tf.constant(8 * p * (rewards - baseline)))]
    without = [-g.numpy() for g in controller.gradient(tf.constant(picks), tf.constant(8 * p * rewards, tf.float32))]
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
    controller, average = make(space, rate=0.02), MovingAverage(0.95, current=False)
    rng = np.random.default_rng(0)
    for _ in range(150):
        picks = controller.sample(rng.random((10, 3), np.float32)).picks
        controller.train(picks, average.advantages(picks[:, 1].astype(np.float64)))
    assert expected_reward(controller, all_picks(space), all_picks(space)[:, 1]) > 0.9


# --- NAS-RL


def test_with_all_probabilities_one_half_a_layer_has_no_input_as_often_as_it_should() -> None:
    space = ConvChainSpace(layers=4)
    controller = plain(space)
    for name, variable in controller.weights.variables.items():
        if name == "attention.v" or name.startswith("head"):
            variable.assign(tf.zeros_like(variable))
    walk = controller.sample(uniforms(4000, controller))
    assert np.allclose(walk.log_prob, -np.log(float(space.cardinality)), atol=1e-4)
    inputs = np.array(
        [[len(layer.inputs) for layer in space.read(space.genotype(tuple(row)))] for row in walk.picks.tolist()]
    )
    for layer in (1, 2, 3, 4):
        p = 2.0 ** -(layer - 1)
        assert (inputs[:, layer - 1] == 0).mean() == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 4000))


def test_the_skip_probability_is_the_sigmoid_of_the_score() -> None:
    space = TinyMacro()
    controller = plain(space, bound=0.7)
    pair = controller.read(np.array([[0, 1, 1], [0, 1, 0]], np.int32)).log_prob
    logit = pair[0] - pair[1]
    score = scores_of(controller)
    assert logit == pytest.approx(float(score[0, 0]), abs=1e-5)


def scores_of(controller: LayeredController) -> np.ndarray:
    """The attention's score for the only skip of :class:`TinyMacro` after the picks 0, 1, recomputed step by step."""
    lstm, attention, heads = controller._lstm, controller._attention, controller._embeddings
    state, x = lstm.start(1), tf.identity(controller._begin)
    keys = []
    for pick in (0, 1):
        _, state = lstm(x, state)
        h, state = lstm(heads[0][pick : pick + 1], state)
        keys.append(attention.key(h))
        x = tf.identity(controller._begin)
    return attention(keys[0][:, None, :], h).numpy()


# --- ENAS macro


def with_scores(value: float) -> EnasMacroController:
    """A controller for the whole macro space whose every skip score is ``value``."""
    controller = EnasMacroController(MacroSpace(), np.random.default_rng(0))
    controller._attention = lambda keys, h: tf.fill(tf.shape(keys)[:2], value)  # type: ignore[assignment]
    controller._attention.key = lambda h: h  # type: ignore[attr-defined]
    return controller


def test_skip_penalty_at_zero_is_the_divergence_of_one_half_from_the_target() -> None:
    controller = EnasMacroController(MacroSpace(), np.random.default_rng(0))
    kl = 0.5 * np.log(0.5 / 0.4) + 0.5 * np.log(0.5 / 0.6)
    assert kl == pytest.approx(0.0204, abs=5e-5)
    assert np.allclose(controller.skip_penalty(tf.zeros([2, 3])), kl, atol=1e-6)
    penalty = with_scores(0.0).sample(uniforms(2, controller)).penalty
    assert np.allclose(penalty, 66 * kl / 11, atol=1e-4)


def test_skip_penalty_vanishes_only_at_the_target() -> None:
    controller = EnasMacroController(MacroSpace(), np.random.default_rng(0))
    at_target = np.arctanh(np.log(0.4 / 0.6) / 1.5)
    scores = np.linspace(-4, 4, 41)
    penalty = controller.skip_penalty(tf.constant(scores, tf.float32)).numpy()
    assert controller.skip_penalty(tf.constant(at_target, tf.float32)).numpy() == pytest.approx(0, abs=1e-7)
    assert (penalty[np.abs(scores - at_target) > 0.05] > 1e-5).all()


def test_skips_are_sampled_by_the_two_way_softmax() -> None:
    q = float(np.arctanh(-0.4055 / 1.5))
    picks = with_scores(q).sample(np.random.default_rng(0).random((300, 78), np.float32)).picks
    skips = picks[:, [i for i, choice in enumerate(MacroSpace().choices) if "skip" in choice.name]]
    assert skips.mean() == pytest.approx(0.308, abs=4 * np.sqrt(0.308 * 0.692 / skips.size))


def test_macro_logits_are_bounded() -> None:
    controller = EnasMacroController(MacroSpace(), np.random.default_rng(0))
    assert np.abs(controller.head_logits(tf.constant([-1e3, 1e3]))).max() <= 1.5
    assert np.abs(controller.skip_logits(tf.constant([-1e3, 1e3]))).max() <= 3.0


def test_the_penalty_draws_the_skip_rate_to_its_target() -> None:
    """Without rewards only the penalty acts: sigmoid(l) becomes 0.4 for the average skip."""
    controller = EnasMacroController(MacroSpace("macro-4", 4), np.random.default_rng(0), learning_rate=0.02)
    picks = controller.sample(uniforms(20, controller)).picks
    before = controller.read(picks).penalty.mean()
    for _ in range(60):
        controller.train(picks, np.zeros(20))
    assert controller.read(picks).penalty.mean() < before / 20


def test_defaults_are_enas_macros() -> None:
    controller = EnasMacroController(MacroSpace(), np.random.default_rng(0))
    shapes = {name: tuple(variable.shape) for name, variable in controller.weights.variables.items()}
    assert shapes["lstm.0"] == (128, 256)
    assert shapes["head.op"] == (64, 6)
    assert controller.decisions == 78


# --- ENAS micro


def test_frequencies_of_convolutions_at_the_start() -> None:
    controller = micro(EnasCellSpace())
    p = {cell: tf.nn.softmax(controller.op_logits(tf.zeros([1, 12]), cell)).numpy() for cell in ("normal", "reduction")}
    assert p["normal"][0, :2].sum() == pytest.approx(0.6305, abs=1e-4)
    assert p["reduction"][0, :2].sum() == pytest.approx(0.5086, abs=1e-4)
    controller.weights.variables["head.op"].assign(tf.zeros([12, 5]))
    picks = controller.sample(np.random.default_rng(0).random((1000, 40), np.float32)).picks
    ops = picks[:, [i for i, choice in enumerate(EnasCellSpace().choices) if ".op" in choice.name]]
    for half, expected in ((ops[:, :10], 0.6305), (ops[:, 10:], 0.5086)):
        assert (half < 2).mean() == pytest.approx(expected, abs=0.02)


def test_micro_logits_are_bounded() -> None:
    controller = micro(EnasCellSpace(), bound=30.0)
    h = tf.constant(np.random.default_rng(0).normal(size=(64, 12)), tf.float32)
    keys = tf.constant(np.random.default_rng(1).normal(size=(64, 7, 12)), tf.float32)
    fixed = np.array([0.25, 0.25, -0.25, -0.25, -0.25], np.float32)
    assert np.abs(controller.op_logits(h, "normal") - fixed).max() <= 0.44 + 1e-6
    assert np.abs(controller.op_logits(h, "reduction")).max() == pytest.approx(0.44, abs=1e-3)
    for node in (2, 5):
        logits = controller.input_logits(keys, h, node).numpy()
        assert np.abs(logits[:, :node]).max() == pytest.approx(1.10, abs=1e-3)
        assert (logits[:, node:] == IMPOSSIBLE).all()


def test_micro_inputs_lie_before_their_node() -> None:
    space = EnasCellSpace()
    controller = micro(space, bound=1.0)
    picks = controller.sample(np.random.default_rng(0).random((500, 40), np.float32)).picks
    assert (picks < [len(choice) for choice in space.choices]).all()
    assert (picks.max(axis=0) == [len(choice) - 1 for choice in space.choices]).all()


def test_the_reduction_cell_depends_on_the_normal_cell() -> None:
    controller = micro(EnasCellSpace(nodes=2), bound=1.0)
    picks = controller.sample(uniforms(2, controller)).picks
    picks[:, 8:] = picks[0, 8:]
    other = picks.copy()
    other[:, 8] = 1 - other[:, 8]
    change = controller.read(other).log_prob - controller.read(picks).log_prob
    assert not np.allclose(change[0], change[1], atol=1e-4)


def test_sampling_ten_cells_takes_milliseconds() -> None:
    import time

    controller = EnasMicroController(EnasCellSpace(), np.random.default_rng(0))
    u = uniforms(10, controller)
    controller.sample(u)
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        controller.sample(u)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.05


@pytest.mark.slow
def test_two_processes_agree_to_the_last_bit() -> None:
    code = """
import hashlib, numpy as np
from harness.spaces.cell import EnasCellSpace
from methods._enas_micro_controller import EnasMicroController
rng = np.random.default_rng(0)
controller = EnasMicroController(EnasCellSpace(), rng)
for _ in range(5):
    walk = controller.sample(rng.random((10, 40), np.float32))
    controller.train(walk.picks, np.linspace(-1, 1, 10))
print(hashlib.sha256(b"".join(v.tobytes() for v in controller.state().values())).hexdigest())
"""
    root = Path(__file__).parents[1]
    first, second = (
        subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert len(first) > 60
    assert first == second
