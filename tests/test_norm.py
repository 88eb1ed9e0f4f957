"""The fused normalisation gives Keras' numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness.nets import norm, processor
from harness.nets.norm import FusedBatchNormalization
from harness.nets.supernets.kernels import normalise

SHAPE = (6, 5, 4, 3)
SHAPES = {
    "usual": SHAPE,
    "pairs": (6, 5, 4, 24),
    "odd, so no pairs": (6, 5, 3, 24),
    "two pixels": (6, 1, 2, 40),
    "rows": (6, 12, 11, 12),
}


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, ...]]:
    """Images for either way through the kernels, whatever the processor; on a CPU, for pairs are for its kernels."""
    monkeypatch.setattr(processor, "has_avx512", lambda: request.param != "rows")
    monkeypatch.setattr(processor, "has_graphics_card", lambda: False)
    assert norm.is_slow(tf.zeros(SHAPES[request.param])) == (request.param in ("pairs", "two pixels", "rows"))
    with tf.device("CPU:0"):
        yield SHAPES[request.param]


def images(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).normal(2.0, 3.0, shape).astype(np.float32)


def pair(
    affine: bool = True, momentum: float = 0.8, shape: tuple[int, ...] = SHAPE
) -> tuple[FusedBatchNormalization, keras.layers.BatchNormalization]:
    """The layer and Keras' own, both with the same non-trivial weights."""
    fused = FusedBatchNormalization(momentum=momentum, epsilon=1e-3, affine=affine)
    fused.build(shape)
    rng = np.random.default_rng(1)
    for weight in fused.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    plain = fused.to_plain()
    plain.build(shape)
    plain.set_weights(fused.plain_weights())
    return fused, plain


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_output_and_gradients_equal_keras(affine: bool, training: bool, shape: tuple[int, ...]) -> None:
    results = []
    for layer in pair(affine, shape=shape):
        x = tf.constant(images(shape=shape))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
            loss = tf.reduce_sum(y * tf.sin(3.0 * y))
        variables = [weight.value for weight in layer.trainable_weights]
        results.append([y, *tape.gradient(loss, [x, *variables])])
    assert len(results[0]) == (4 if affine else 2)
    for ours, keras_own in zip(*results, strict=True):
        np.testing.assert_allclose(ours, keras_own, rtol=1e-4, atol=1e-5 * np.abs(keras_own).max())


@pytest.mark.parametrize("traced", [True, False])
def test_moving_statistics_equal_keras_over_several_batches(traced: bool, shape: tuple[int, ...]) -> None:
    fused, plain = pair(shape=shape)
    for layer in (fused, plain):
        call = lambda x, layer=layer: layer(x, training=True)  # noqa: E731
        if traced:  # with an unknown batch size
            call = tf.function(call, input_signature=[tf.TensorSpec([None, *shape[1:]])])
        for seed in range(4):
            call(tf.constant(images(seed, shape)))
    np.testing.assert_allclose(fused.moving_mean.numpy(), plain.moving_mean.numpy(), rtol=1e-5)
    np.testing.assert_allclose(fused.moving_variance.numpy(), plain.moving_variance.numpy(), rtol=1e-5)


def test_a_single_value_per_channel_stays_finite() -> None:
    fused, plain = pair()
    for layer in (fused, plain):
        layer(tf.constant(images(shape=(1, 1, 1, 3))), training=True)
    np.testing.assert_allclose(fused.moving_variance.numpy(), plain.moving_variance.numpy(), rtol=1e-5)


def test_without_affine_nothing_is_trainable() -> None:
    fused, _ = pair(affine=False)
    assert fused.trainable_weights == []
    assert len(fused.weights) == 2


def test_inference_leaves_the_moving_statistics_alone() -> None:
    fused, _ = pair()
    before = [weight.numpy() for weight in fused.weights]
    fused(tf.constant(images()), training=False)
    for old, new in zip(before, fused.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_a_frozen_layer_uses_its_moving_statistics_in_training(shape: tuple[int, ...]) -> None:
    results = []
    for layer in pair(shape=shape):
        layer.trainable = False
        x = tf.constant(images(shape=shape))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(tf.sin(y))
        np.testing.assert_array_equal(y, layer(x, training=False))
        results.append((y, tape.gradient(loss, x)))
    for ours, keras_own in zip(*results, strict=True):
        np.testing.assert_allclose(ours, keras_own, rtol=1e-4, atol=1e-5)


def test_unknown_height_and_width_go_the_usual_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "has_avx512", lambda: True)
    layer = FusedBatchNormalization()
    x = tf.constant(images(shape=(6, 5, 4, 24)))
    free = tf.function(lambda x: layer(x, training=True), input_signature=[tf.TensorSpec([None, None, None, 24])])
    np.testing.assert_allclose(free(x), layer(x, training=True), atol=1e-5)


# Keras saves through NumPy's old array protocol; nothing here can change that.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_saved_model_comes_back(tmp_path: Path) -> None:
    image = keras.Input(SHAPE[1:])
    model = keras.Model(image, FusedBatchNormalization(momentum=0.7, epsilon=1e-4, name="norm")(image))
    model(tf.constant(images()), training=True)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    layer = again.get_layer("norm")
    assert (layer.momentum, layer.epsilon, layer.affine) == (0.7, 1e-4, True)
    np.testing.assert_array_equal(again(tf.constant(images(2))), model(tf.constant(images(2))))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_statistics_in_float32(policy: str, shape: tuple[int, ...]) -> None:
    results = []
    for layer in (FusedBatchNormalization(dtype=policy), FusedBatchNormalization()):
        x = tf.constant(images(shape=shape))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_mean(tf.cast(y, tf.float32) ** 3)
        assert y.dtype == (policy.removeprefix("mixed_") if layer.dtype_policy.name == policy else "float32")
        assert {weight.dtype for weight in layer.weights} == {"float32"}
        variables = [weight.value for weight in layer.trainable_weights]
        results.append([tf.cast(y, tf.float32), layer.moving_mean.value, *tape.gradient(loss, [x, *variables])])
        assert layer.to_plain().epsilon == layer.epsilon
    for mixed, full in zip(*results, strict=True):
        # Bfloat16 rounds by 2^-9, and a cube and a sum of gradients of either sign stand between.
        np.testing.assert_allclose(mixed, full, atol=2**-5 * float(tf.reduce_max(tf.abs(full))))


def test_a_symbolic_call_keeps_the_shape_and_the_weights() -> None:
    layer = FusedBatchNormalization()
    output = layer(keras.Input((7, 9, 2)))
    assert output.shape == (None, 7, 9, 2)
    np.testing.assert_array_equal(layer.moving_mean.numpy(), np.zeros(2))


def test_a_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="images"):
        FusedBatchNormalization().build((None, 3))


def test_supernets_get_the_same_numbers_from_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "has_graphics_card", lambda: False)
    with tf.device("CPU:0"):
        x = tf.constant(images(shape=(6, 5, 4, 24)))
        scale, offset = (tf.constant(images(seed, (24,))) for seed in (1, 2))
        results = []
        for wide in (True, False):
            monkeypatch.setattr(processor, "has_avx512", lambda wide=wide: wide)
            with tf.GradientTape() as tape:
                tape.watch([x, scale, offset])
                y = normalise(x, scale, offset, tf.zeros([0]))
                loss = tf.reduce_sum(tf.sin(y))
            results.append([y, *tape.gradient(loss, [x, scale, offset])])
    for pairs, usual in zip(*results, strict=True):
        np.testing.assert_allclose(pairs, usual, rtol=1e-4, atol=1e-4)
