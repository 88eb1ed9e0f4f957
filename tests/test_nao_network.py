"""NAO's encoder, predictor and decoder, with random weights: what holds before anything is learned."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from harness.methods.common.nao_network import TRADE_OFF, Network, Words, embed, network
from harness.methods.common.nao_settings import ModelSettings

from harness.spaces import get_space, names

SETTINGS = ModelSettings(epd_units=16, epd_layers=(8,), epd_dropout=0.0, epd_epochs=1, epd_batch=10, epd_rate=1e-3)
SPACE = get_space("enas_cell-3")


def picks(name: str, count: int, seed: int = 0) -> np.ndarray:
    space, rng = get_space(name), np.random.default_rng(seed)
    return np.array([space.sample(rng).picks for _ in range(count)], np.int32)


def made(bound: float = 0.6, name: str = "enas_cell-3") -> tuple[Network, dict[str, tf.Tensor], tf.Tensor]:
    """A network, random weights and the words of 40 architectures."""
    words, net = network(get_space(name).choices, SETTINGS)
    vector = np.random.default_rng(1).uniform(-bound, bound, net.weights).astype(np.float32)
    return net, net.split(tf.constant(vector)), tf.constant(words.spelled(picks(name, 40)))


def norms(x: tf.Tensor) -> np.ndarray:
    return np.linalg.norm(x.numpy(), axis=-1)


def test_vocabularies_have_the_papers_sizes() -> None:
    assert Words(get_space("enas_cell").choices).count == 12, "a start, six inputs, five operations"
    assert Words(get_space("nao_cell").choices).count == 18


@pytest.mark.parametrize("name", sorted(names()))
def test_words_are_read_back(name: str) -> None:
    words, rows = Words(get_space(name).choices), picks(name, 30)
    spelled = words.spelled(rows)
    assert (words.read(spelled) == rows).all()
    assert words.legal[np.arange(rows.shape[1]), spelled].all()
    assert spelled.min() >= 1, "word 0 is the start"
    assert words.legal.sum(axis=1).tolist() == [len(choice) for choice in get_space(name).choices]


def test_the_vector_holds_every_weight_once() -> None:
    net, _, _ = made()
    parts = net.split(tf.range(net.weights, dtype=tf.float32))
    numbers = np.concatenate([part.numpy().ravel() for part in parts.values()])
    assert (np.sort(numbers) == np.arange(net.weights)).all()


def test_outputs_and_embeddings_have_norm_one_before_and_after_a_step() -> None:
    net, weights, words = made()
    encoded = net.encode(weights, words)
    assert encoded.shape == (40, 12 // 2 * 2, 16)
    for step in (0.0, 0.5, 30.0):
        moved = net.moved(weights, encoded, tf.constant(step))
        assert np.abs(norms(moved) - 1).max() < 1e-6
        assert np.abs(norms(embed(moved)) - 1).max() < 1e-6


def test_the_direction_of_a_step_is_the_gradient_of_the_predicted_error() -> None:
    net, weights, words = made()
    encoded = net.encode(weights, words)
    with tf.GradientTape() as tape:
        tape.watch(encoded)
        error = net.error(weights, embed(encoded))
    gradient = tape.gradient(error, encoded).numpy()
    direction = np.random.default_rng(2).normal(size=encoded.shape).astype(np.float32)
    h = 1e-2
    ahead, behind = (net.error(weights, embed(encoded + sign * h * direction)).numpy() for sign in (1, -1))
    close = np.isclose((ahead - behind) / (2 * h), (gradient * direction).sum((1, 2)), rtol=0.02, atol=2e-4)
    assert close.mean() >= 0.95, "all but those between which a rectifier switches"


def test_a_small_step_lowers_the_predicted_error() -> None:
    net, weights, words = made()
    encoded = net.encode(weights, words)
    before, after = (net.error(weights, embed(net.moved(weights, encoded, tf.constant(s)))) for s in (0.0, 0.2))
    assert (after.numpy() < before.numpy()).mean() >= 0.95


def test_a_step_of_zero_changes_nothing() -> None:
    net, weights, words = made()
    encoded = net.encode(weights, words)
    moved = net.moved(weights, encoded, tf.constant(0.0))
    np.testing.assert_allclose(moved, encoded, atol=1e-6)


def test_the_decoder_reads_its_target_shifted_by_one() -> None:
    net, weights, words = made()
    encoded, place = net.encode(weights, words), 5
    other = words.numpy()
    other[:, place] = (other[:, place] - 6) % 5 + 7 if place % 2 else 1 - other[:, place] % 2 + 1
    change = np.abs(net.logits(weights, encoded, words) - net.logits(weights, encoded, tf.constant(other)))
    change = change.max(axis=(0, 2))
    assert change[: place + 1].max() < 1e-5
    assert change[place + 1 :].min() > 1e-4


@pytest.mark.parametrize("name", ["enas_cell-3", "nasbench201", "pnas-2"])
def test_greedy_decoding_takes_the_most_likely_legal_word_each_time(name: str) -> None:
    net, weights, words = made(1.5, name)
    encoded = net.encode(weights, words)
    spelled = net.decode(weights, encoded)
    logits = net.logits(weights, encoded, spelled).numpy()
    assert (logits.argmax(-1) == spelled.numpy()).all()
    legal = Words(get_space(name).choices).legal
    assert legal[np.arange(spelled.shape[1]), spelled.numpy()].all()
    assert (logits[:, ~legal] < -1e8).all()
    assert len({tuple(row) for row in spelled.numpy().tolist()}) > 1


def test_the_loss_weighs_prediction_and_spelling() -> None:
    net, weights, words = made()
    vector = tf.concat([tf.reshape(part, [-1]) for part in weights.values()], 0)
    errors = np.random.default_rng(3).random(40).astype(np.float32)
    encoded = net.encode(weights, words)
    squared = np.mean((net.error(weights, embed(encoded)).numpy() - errors) ** 2)
    log_p = tf.nn.log_softmax(net.logits(weights, encoded, words)).numpy()
    cross = -np.take_along_axis(log_p, words.numpy()[..., None], -1).mean()
    loss = net.loss(vector, words, tf.constant(errors), tf.constant([0, 0]))
    assert float(loss) == pytest.approx(0.8 * squared + 0.2 * cross, rel=1e-4)
    assert TRADE_OFF == 0.8


def test_dropout_acts_in_training_only_and_depends_on_its_seed() -> None:
    wet = ModelSettings(16, (8,), 0.3, 1, 10, 1e-3)
    words, net = network(SPACE.choices, wet)
    weights = net.split(tf.constant(np.random.default_rng(0).uniform(-0.5, 0.5, net.weights).astype(np.float32)))
    spelled = tf.constant(words.spelled(picks("enas_cell-3", 5)))
    plain = [net.encode(weights, spelled).numpy() for _ in range(2)]
    first, again, other = (net.encode(weights, spelled, tf.constant([7, step])).numpy() for step in (0, 0, 1))
    assert (plain[0] == plain[1]).all()
    assert (first == again).all()
    assert np.abs(first - plain[0]).max() > 1e-3
    assert np.abs(first - other).max() > 1e-3


def test_a_space_has_one_network_in_a_process() -> None:
    assert network(SPACE.choices, SETTINGS) is network(get_space("enas_cell-3").choices, SETTINGS)
    assert network(SPACE.choices, SETTINGS) is not network(get_space("enas_cell-2").choices, SETTINGS)
