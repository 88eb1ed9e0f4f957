"""One vector of all weights, and back."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from harness.core.primitives import Conv, Depthwise, Norm, Pool, Relu
from harness.nets.layout import Layout
from harness.nets.supernets.flat_weights import Weights

SHAPES = [(3, 2), (4,), (3, 2), (), (4,), (1, 1, 2, 5)]


@pytest.fixture
def arrays() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.normal(size=shape).astype(np.float32) for shape in SHAPES]


def test_a_vector_holds_every_number_once_and_gives_the_arrays_back(arrays: list[np.ndarray]) -> None:
    layout = Layout(SHAPES)
    vector = layout.join(arrays)
    assert sorted(vector) == sorted(np.concatenate([array.ravel() for array in arrays]))
    for array, back in zip(arrays, layout.split(vector), strict=True):
        np.testing.assert_array_equal(array, back)


def test_a_graph_does_the_same_and_gradients_come_home(arrays: list[np.ndarray]) -> None:
    layout, vector = Layout(SHAPES), tf.constant(Layout(SHAPES).join(arrays))
    np.testing.assert_array_equal(layout.join_tensors([tf.constant(array) for array in arrays]), vector)
    with tf.GradientTape() as tape:
        tape.watch(vector)
        parts = layout.split_tensor(vector)
        total = tf.add_n([tf.reduce_sum((place + 1.0) * part**2) for place, part in enumerate(parts)])
    for array, part in zip(arrays, parts, strict=True):
        np.testing.assert_array_equal(array, part)
    expected = layout.join([2 * (place + 1) * array for place, array in enumerate(arrays)])
    np.testing.assert_allclose(tape.gradient(total, vector), expected, rtol=1e-6)


def test_a_row_of_a_bundle_holds_one_copy_of_every_list() -> None:
    lists = [(Relu(), Conv(1, 1, 3), Norm()), (Pool("max", 3, 1),), (Depthwise(3), Conv(1, 1, 4))]
    weights = Weights(np.random.default_rng(0))
    bundle = weights.add_bundle(lists, channels=2, copies=5)
    [rows] = bundle.handle.of(weights.values)
    assert rows.shape == (5, 2 * 3 + 3 + 3 + 9 * 2 + 2 * 4)
    np.testing.assert_array_equal(bundle.owners, [0] * 12 + [1] * 26)
    parts = bundle.parts(tf.constant(rows[3]))
    assert parts[1] is None
    for number, shapes in enumerate([[(1, 1, 2, 3), (3,), (3,)], [], [(3, 3, 2, 1), (1, 1, 2, 4)]]):
        arrays = bundle.arrays(rows[3], number)
        assert [array.shape for array in arrays] == shapes
        if parts[number] is not None:
            for array, tensor in zip(arrays, bundle.layouts[number].split_tensor(parts[number]), strict=True):
                np.testing.assert_array_equal(array, tensor)
    assert not np.array_equal(bundle.arrays(rows[0], 0)[0], bundle.arrays(rows[1], 0)[0]), "copies start differently"
