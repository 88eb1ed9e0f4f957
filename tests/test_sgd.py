"""One training step against the same step written out."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from fakes import tiny_data

from harness.core.recipe import Recipe
from harness.core.space import Size
from harness.nets.layers import DropPath
from harness.nets.norm import FusedBatchNormalization
from harness.nets.sgd import TrainingStep

DATA = tiny_data(images=16, side=6)
PLAIN = Recipe(
    size=Size(4, 1), steps=10, batch=16, momentum=0.9, weight_decay=0.0, gradient_clip=0.0, augment=False, cutout=False
)


def network(auxiliary: bool = False, drop_path: bool = False, seed: int = 0) -> keras.Model:
    """Two weighted layers, a normalisation, and if wished a second head."""
    kernel = keras.initializers.RandomNormal(0.0, 0.3, seed=seed)
    image = keras.Input((6, 6, 1))
    x = keras.layers.Conv2D(3, 3, use_bias=False, kernel_initializer=kernel, name="conv")(image)
    x = keras.layers.ReLU()(FusedBatchNormalization()(x))
    if drop_path:
        x = keras.layers.Add()([DropPath(seed=1, name="first")(x), DropPath(seed=2, name="second")(x)])
    x = keras.layers.GlobalAveragePooling2D()(x)
    head = keras.layers.Dense(4, kernel_initializer=keras.initializers.RandomNormal(0.0, 0.3, seed=seed + 1))(x)
    if not auxiliary:
        return keras.Model(image, head)
    second = keras.layers.Dense(4, kernel_initializer=keras.initializers.RandomNormal(0.0, 0.3, seed=seed + 2))(x)
    return keras.Model(image, [head, second])


def values(model: keras.Model) -> list[np.ndarray]:
    return [variable.numpy() for variable in model.trainable_variables]


def take(model: keras.Model, recipe: Recipe, rates: list[float], drop_path: float = 0.0) -> list[float]:
    step = TrainingStep(model, DATA, recipe, seed=0)
    return [step(DATA.x_train, DATA.y_train, place, rate, drop_path) for place, rate in enumerate(rates)]


def written_out(model: keras.Model, recipe: Recipe, rates: list[float]) -> list[float]:
    """The same steps: the decay as a term of the loss, the update variable by variable."""
    x = tf.constant((DATA.x_train - 100.0) / 80.0, tf.float32)
    smoothed = np.eye(4)[DATA.y_train] * (1 - recipe.label_smoothing) + recipe.label_smoothing / 4
    weights = [variable.value for variable in model.trainable_variables]
    buffers, losses = [np.zeros(weight.shape) for weight in weights], []
    for rate in rates:
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            heads = outputs if isinstance(outputs, list) else [outputs]
            terms = [-tf.reduce_mean(tf.reduce_sum(smoothed * tf.nn.log_softmax(head), -1)) for head in heads]
            loss = terms[0] + recipe.auxiliary * terms[1] if len(terms) > 1 else terms[0]
        gradients = [np.array(g) for g in tape.gradient(loss, weights, unconnected_gradients="zero")]
        if recipe.gradient_clip:
            norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
            gradients = [gradient * min(1.0, recipe.gradient_clip / norm) for gradient in gradients]
        for place, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            gradient = gradient + recipe.weight_decay * weight.numpy()
            buffers[place] = recipe.momentum * buffers[place] + gradient
            weight.assign_sub(rate * (gradient + recipe.momentum * buffers[place]))
        losses.append(float(loss))
    return losses


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"weight_decay": 0.2},
        {"gradient_clip": 0.1, "weight_decay": 0.2},
        {"label_smoothing": 0.3},
        {"momentum": 0.0},
        {"auxiliary": 0.4},
    ],
    ids=lambda changes: "+".join(changes) or "plain",
)
def test_three_steps_equal_the_same_steps_written_out(changes: dict[str, float]) -> None:
    recipe = dataclasses.replace(PLAIN, **changes)
    ours, reference = network(bool(recipe.auxiliary)), network(bool(recipe.auxiliary))
    rates = [0.1, 0.05, 0.2]
    np.testing.assert_allclose(take(ours, recipe, rates), written_out(reference, recipe, rates), rtol=1e-4)
    for mine, theirs in zip(ours.variables, reference.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-3, atol=1e-5)
    moved = [np.abs(a - b).max() for a, b in zip(values(ours), values(network(bool(recipe.auxiliary))), strict=True)]
    assert min(moved) > 1e-3, "every weight was trained, so that the comparison says something"


def test_weight_decay_is_the_gradient_of_half_the_squared_norm() -> None:
    decay, rate = 0.3, 0.01
    plain, decayed, start = network(), network(), values(network())
    take(plain, PLAIN, [rate])
    take(decayed, dataclasses.replace(PLAIN, weight_decay=decay), [rate])
    for with_decay, without, before in zip(values(decayed), values(plain), start, strict=True):
        # Nesterov's first step is (1 + momentum) times the gradient; normalisations and biases decay as well.
        np.testing.assert_allclose(with_decay - without, -rate * 1.9 * decay * before, rtol=1e-3, atol=1e-7)


def test_clipping_bounds_the_norm_over_all_weights() -> None:
    model, start = network(), values(network())
    take(model, dataclasses.replace(PLAIN, gradient_clip=0.01, momentum=0.0), [1.0])
    moved = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(values(model), start, strict=True)))
    assert moved == pytest.approx(0.01, rel=1e-3)


def test_without_weight_the_auxiliary_head_is_not_trained() -> None:
    model, start = network(auxiliary=True), values(network(auxiliary=True))
    take(model, PLAIN, [0.1])
    changed = [not np.array_equal(a, b) for a, b in zip(values(model), start, strict=True)]
    assert changed == [True] * (len(start) - 2) + [False] * 2


def test_drop_path_gets_its_rate_in_every_layer() -> None:
    model = network(drop_path=True)
    take(model, PLAIN, [0.1], drop_path=0.25)
    assert [float(model.get_layer(name).rate.numpy()) for name in ("first", "second")] == [0.25, 0.25]


def test_frozen_weights_stay() -> None:
    model, start = network(), values(network())
    model.get_layer("conv").trainable = False
    take(model, dataclasses.replace(PLAIN, weight_decay=0.1), [0.1])
    np.testing.assert_array_equal(model.get_layer("conv").kernel.numpy(), start[0])


def test_augmentation_follows_the_recipe_and_the_data() -> None:
    def loss(**changes: object) -> float:
        data = dataclasses.replace(DATA, crop_padding=2, flip=True, cutout=3)
        model = network()
        step = TrainingStep(model, data, dataclasses.replace(PLAIN, **changes), seed=0)
        return step(data.x_train, data.y_train, 0, 0.0, 0.0)

    plain = take(network(), PLAIN, [0.0])[0]
    assert loss(augment=False, cutout=False) == plain
    assert len({loss(augment=True), loss(cutout=True), loss(augment=True, cutout=True), plain}) == 4


def test_a_model_without_weights_runs() -> None:
    image = keras.Input((6, 6, 1))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    take(keras.Model(image, keras.layers.Concatenate()([pooled] * 4)), PLAIN, [0.1])
