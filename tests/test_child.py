"""A proxy network is the standalone network: same weights, same steps, same predictions, without a trace."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from fakes import tiny_data

from harness.core.graph import LayerGraph, Layers
from harness.core.lowering import lower
from harness.core.primitives import Conv, Dropout, Norm, Relu, Zero
from harness.core.recipe import Recipe
from harness.core.seeds import rng
from harness.core.space import Size
from harness.nets import processor
from harness.nets.build import build_architecture
from harness.nets.child import Child, ChildStep, Shared, can_be_written
from harness.nets.sgd import TrainingStep
from harness.nets.training import accuracy, predict, train
from harness.spaces import get_space

pytestmark = pytest.mark.usefixtures("untraced")

SPACES = (
    *("cell-3", "enas_cell-3", "macro-6", "nao_cell-3", "nasnet-3", "pnas-3"),
    *("chain-6", "qchain-6", "block-5", "nasbench201"),
)
SHAPE, BATCH = (15, 14, 3), 16
RECIPE = Recipe(Size(8, 3), steps=3, batch=BATCH, learning_rate=0.02, augment=False)


def images(shape: tuple[int, int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    generator = rng(0, "images")
    return generator.integers(0, 256, (BATCH, *shape)).astype(np.uint8), generator.integers(0, 4, BATCH)


def settings(recipe: Recipe = RECIPE, shape: tuple[int, int, int] = SHAPE) -> Shared:
    return Shared(data(shape), recipe)


def data(shape: tuple[int, int, int] = SHAPE):  # type: ignore[no-untyped-def]
    x, y = images(shape)
    statistics = (120.0,) * shape[2], (70.0,) * shape[2]
    whole = tiny_data(images=BATCH)
    return dataclasses.replace(
        whole, x_train=x, y_train=y, x_valid=x, y_valid=y, classes=4, mean=statistics[0], std=statistics[1]
    )


def check_equal(graph: LayerGraph, recipe: Recipe = RECIPE, shape: tuple[int, int, int] = SHAPE) -> None:
    """Loss, one gradient step and predictions of the written and of the Keras network; the weights start equal."""
    x, y = images(shape)
    model, child = build_architecture(graph, shape, 4, seed=5), Child(graph, shape, 4, 5, settings(recipe, shape))
    whole, written = TrainingStep(model, data(shape), recipe, seed=1), ChildStep(child, BATCH, seed=1)
    mean, std = data(shape).mean, data(shape).std

    def compare(tolerance: float) -> None:
        expected = predict(model, x, mean, std)
        np.testing.assert_allclose(predict(child, x, mean, std), expected, atol=tolerance)

    compare(1e-5)
    assert written(x, y, 0, 0.02, 0.0) == pytest.approx(whole(x, y, 0, 0.02, 0.0), rel=1e-5)
    compare(1e-5)
    assert written(x, y, 1, 0.02, 0.0) == pytest.approx(whole(x, y, 1, 0.02, 0.0), rel=1e-4)


ALIKE = ("macro-6", "block-5", "enas_cell-3", "nao_cell-3", "pnas-3", "nasnet-3")
"""Spaces of cells whose layers are those of other spaces here."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in ALIKE else []) for name in SPACES]
)
def test_a_written_network_is_the_standalone_one(name: str) -> None:
    space = get_space(name)
    for seed in range(2):
        check_equal(lower(space.decode(space.sample(rng(seed, name)), RECIPE.size)))


@pytest.mark.parametrize("detours", ["all", "none"])
def test_it_is_with_every_detour_and_with_none(detours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "has_graphics_card", lambda: detours == "none")
    monkeypatch.setattr(processor, "has_avx512", lambda: True)
    space = get_space("nao_cell-3")
    with tf.device("CPU:0"):
        check_equal(lower(space.decode(space.sample(rng(3, detours)), Size(8, 3))))


def test_label_smoothing_decay_clipping_and_augmentation_are_the_same() -> None:
    space = get_space("macro-4")
    graph = lower(space.decode(space.sample(rng(1, "recipe")), RECIPE.size))
    check_equal(
        graph, dataclasses.replace(RECIPE, label_smoothing=0.2, weight_decay=0.1, gradient_clip=0.1, augment=True)
    )


def test_a_network_without_normalisation_and_with_zeros() -> None:
    layers = Layers()
    stem = layers.add(0, Conv(3, 3, 4), Relu())
    graph = layers.graph(layers.add([stem, layers.add(stem, Conv(1, 1, 4), Zero())], merge="mean"), bias=False)
    check_equal(graph)


def test_dead_ends_are_left_out_and_the_numbers_of_the_others_stay() -> None:
    layers = Layers()
    stem = layers.add(0, Conv(3, 3, 4), Norm(), Relu())
    layers.add(stem, Conv(3, 3, 4), Norm())
    graph = layers.graph(layers.add(stem, Conv(1, 1, 6), Norm()))
    check_equal(graph)
    assert (
        Child(graph, SHAPE, 4, 0, settings()).layout.size
        == build_architecture(graph, SHAPE, 4, seed=0).count_params() - 20
    )


def test_what_is_random_cannot_be_written() -> None:
    layers = Layers()
    assert not can_be_written(layers.graph(layers.add(0, Conv(3, 3, 4), Dropout(0.5))))
    layers = Layers()
    parts = [layers.add(0, Conv(3, 3, 4)) for _ in range(2)]
    assert not can_be_written(layers.graph(layers.add(parts, merge="shake")))


def test_training_again_gives_the_same_bits_and_training_learns() -> None:
    space, whole = get_space("cell-2"), tiny_data(images=64, side=8)
    graph = lower(space.decode(space.sample(rng(0, "again")), Size(4, 3)))
    recipe = Recipe(Size(4, 3), steps=60, batch=32, learning_rate=0.1, validations=2)
    found = []
    for _ in range(2):
        child = Child(graph, whole.image_shape, whole.classes, 3, Shared(whole, recipe))
        result = train(child, whole, recipe, seed=2)
        assert result.accuracy == accuracy(child, whole.x_valid, whole.y_valid, whole.mean, whole.std)
        found.append((child.weights.numpy().tobytes(), child.statistics.numpy().tobytes(), result.curve))
    assert found[0] == found[1]
    assert found[0][2][-1] > 0.6
