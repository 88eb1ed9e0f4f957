"""What every controller promises: reproducible sampling, exact teacher forcing, one graph, checkpoints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from controllers import CASES, uniforms
from harness.methods.common.policy import Controller

from harness.core.space import Space


@pytest.fixture(scope="module", params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> tuple[Space, Controller]:
    space, make = CASES[request.param]
    return space, make()


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


def test_the_entropy_of_a_walk_has_no_gradient(case: tuple[Space, Controller]) -> None:
    """ENAS adds it to the reward only."""
    _, controller = case
    variables = list(controller.weights.variables.values())
    picks = controller.sample(uniforms(2, controller)).picks
    with tf.GradientTape(persistent=True) as tape:
        walk = controller.walk(tf.zeros(picks.shape), tf.constant(picks))
    for what, moves in ((walk.log_prob, True), (walk.entropy, False)):
        gradients = tape.gradient(what, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        assert any(np.any(tf.convert_to_tensor(g)) for g in gradients) == moves


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
        controller.read(controller.sample(uniforms(n, controller)).picks)
    assert controller._walk.experimental_get_tracing_count() == 1
    before = controller._step.experimental_get_tracing_count()
    for seed in range(2):
        controller.train(controller.sample(uniforms(2, controller, seed)).picks, np.array([seed, 0.5]))
    assert controller._step.experimental_get_tracing_count() <= max(1, before)


def test_a_restored_controller_goes_on_exactly_as_the_first() -> None:
    def train(controller: Controller, first: int, last: int) -> None:
        for step in range(first, last):
            picks = controller.sample(uniforms(4, controller, step)).picks
            controller.train(picks, np.linspace(-1, 1, 4))

    whole, resumed = CASES["macro"][1](), CASES["macro"][1]()
    train(whole, 0, 3)
    saved = whole.state()
    train(whole, 3, 6)
    train(resumed, 50, 52)
    resumed.restore({**saved, "another": np.zeros(1)})
    train(resumed, 3, 6)
    first, second = whole.state(), resumed.state()
    assert sorted(first) == sorted(second)
    assert all(isinstance(value, np.ndarray | np.generic) for value in first.values())
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert not np.array_equal(saved["lstm.0"], first["lstm.0"])


@pytest.mark.slow
def test_two_processes_agree_to_the_last_bit() -> None:
    code = """
import hashlib, numpy as np
from harness.spaces.enas_micro import EnasCellSpace
from harness.methods.common.enas_micro_controller import EnasMicroController
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
