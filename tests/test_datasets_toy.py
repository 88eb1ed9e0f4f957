"""Toy: always the same images; nothing for a linear model to hold on to, but enough for a tiny convolutional net."""

from pathlib import Path

import numpy as np
import pytest
from harness.datasets.toy import CLASSES, DATASET

from harness.core.dataset import Dataset


@pytest.fixture(scope="module")
def data() -> Dataset:
    return DATASET.load(Path("unused"))


def normalised(data: Dataset, images: np.ndarray) -> np.ndarray:
    return ((images - data.mean[0]) / data.std[0]).astype(np.float32)


def test_same_images_every_time(data: Dataset) -> None:
    again = DATASET.load(Path("elsewhere"))
    np.testing.assert_array_equal(data.x_train, again.x_train)
    np.testing.assert_array_equal(data.y_test, again.y_test)


def test_balanced_distinct_and_without_files(data: Dataset) -> None:
    assert data.x_train.shape == (1500, 16, 16, 1)
    assert np.bincount(data.y_train).tolist() == [300] * len(CLASSES)
    assert np.bincount(data.y_test).tolist() == [100] * len(CLASSES)
    assert len({x.tobytes() for x in np.concatenate([data.x_train, data.x_test])}) == 2000
    assert DATASET.missing(Path("unused")) is None
    assert DATASET.hidden(Path("unused")) == ()
    assert not data.flip


def test_global_generator_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - what is asserted about
    DATASET.load(Path("unused"))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_linear_model_learns_nothing(data: Dataset) -> None:
    """Ridge regression on the pixels, at any strength: within 12 points of chance (20 %); measured 20 to 22 %."""
    x, x_test = (normalised(data, images).reshape(len(images), -1) for images in (data.x_train, data.x_test))
    targets = np.eye(len(CLASSES))[data.y_train]
    for strength in (1.0, 100.0, 10_000.0):
        weights = np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ targets)
        assert ((x_test @ weights).argmax(axis=1) == data.y_test).mean() < 0.32


def test_nearest_neighbours_are_not_enough(data: Dataset) -> None:
    """Five of them, measured 69 %."""
    x, x_test = (normalised(data, images).reshape(len(images), -1) for images in (data.x_train, data.x_test))
    distance = (x**2).sum(axis=1) - 2 * x_test @ x.T
    nearest = data.y_train[np.argsort(distance, axis=1)[:, :5]]
    votes = np.array([np.bincount(row, minlength=len(CLASSES)).argmax() for row in nearest])
    assert 0.5 < (votes == data.y_test).mean() < 0.8


def test_tiny_convolutional_net_learns_it(data: Dataset) -> None:
    """Two convolutions with 1,533 weights, ten epochs: measured 95 %."""
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    layers = keras.layers

    def convolution(filters: int, side: int, seed: int):
        initial = keras.initializers.HeNormal(seed=seed)
        return layers.Conv2D(filters, side, padding="same", use_bias=False, kernel_initializer=initial)

    model = keras.Sequential(
        [
            layers.Input((16, 16, 1)),
            convolution(8, 5, seed=1),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.MaxPool2D(2),
            convolution(16, 3, seed=2),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(len(CLASSES), kernel_initializer=keras.initializers.GlorotUniform(seed=3)),
        ]
    )
    epochs, batch = 10, 64
    steps = len(data.x_train) // batch
    rate = keras.optimizers.schedules.CosineDecay(0.1, epochs * steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9, nesterov=True), loss)
    x, x_test = normalised(data, data.x_train), normalised(data, data.x_test)
    generator = np.random.default_rng(0)
    for _ in range(epochs):
        order = generator.permutation(len(x))
        for step in range(steps):
            chosen = order[step * batch : (step + 1) * batch]
            model.train_on_batch(x[chosen], data.y_train[chosen])
    assert (model.predict_on_batch(x_test).argmax(axis=1) == data.y_test).mean() > 0.9
