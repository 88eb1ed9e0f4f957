"""The numbers of the three papers: anchor points, skip penalty, bounds and biases of logits."""

from __future__ import annotations

import time

import numpy as np
import pytest
import tensorflow as tf
from controllers import micro, plain, uniforms
from harness.methods.common.enas_macro_controller import EnasMacroController
from harness.methods.common.enas_micro_controller import EnasMicroController
from harness.methods.common.policy import IMPOSSIBLE

from harness.spaces.enas_macro import MacroSpace
from harness.spaces.enas_micro import EnasCellSpace
from harness.spaces.nas_rl import ConvChainSpace

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


# --- ENAS macro


class Fixed(EnasMacroController):
    """A controller of the whole macro space whose every skip has the same score."""

    def __init__(self, score: float) -> None:
        self._score = score
        super().__init__(MacroSpace(), np.random.default_rng(0))

    def skip_logits(self, scores: tf.Tensor) -> tf.Tensor:
        return super().skip_logits(tf.fill(tf.shape(scores), self._score))

    def skip_penalty(self, scores: tf.Tensor) -> tf.Tensor:
        return super().skip_penalty(tf.fill(tf.shape(scores), self._score))


def test_skip_penalty_at_zero_is_the_divergence_of_one_half_from_the_target() -> None:
    controller = EnasMacroController(MacroSpace(), np.random.default_rng(0))
    kl = 0.5 * np.log(0.5 / 0.4) + 0.5 * np.log(0.5 / 0.6)
    assert kl == pytest.approx(0.0204, abs=5e-5)
    assert np.allclose(controller.skip_penalty(tf.zeros([2, 3])), kl, atol=1e-6)
    penalty = Fixed(0.0).sample(uniforms(2, controller)).penalty
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
    picks = Fixed(q).sample(np.random.default_rng(0).random((300, 78), np.float32)).picks
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
    p = {
        cell: tf.nn.softmax(controller.op_logits(tf.zeros([1, 12]), cell == "normal")).numpy()
        for cell in ("normal", "reduction")
    }
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
    assert np.abs(controller.op_logits(h, True) - fixed).max() <= 0.44 + 1e-6
    assert np.abs(controller.op_logits(h, False)).max() == pytest.approx(0.44, abs=1e-3)
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
    picks = controller.sample(uniforms(2, controller)).picks.copy()
    picks[:, 8:] = picks[0, 8:]
    other = picks.copy()
    other[:, 8] = 1 - other[:, 8]
    change = controller.read(other).log_prob - controller.read(picks).log_prob
    assert not np.allclose(change[0], change[1], atol=1e-4)


def test_sampling_ten_cells_takes_milliseconds() -> None:
    controller = EnasMicroController(EnasCellSpace(), np.random.default_rng(0))
    u = uniforms(10, controller)
    controller.sample(u)
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        controller.sample(u)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.05
