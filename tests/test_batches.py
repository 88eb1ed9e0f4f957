"""Which images a step sees."""

from __future__ import annotations

import numpy as np

from harness.nets.batches import Batches, Order


def test_every_epoch_has_every_image_once_in_another_order() -> None:
    order = Order(images=10, batch=4, seed=0)
    stream = np.concatenate([order.batch(step) for step in range(5)])
    assert sorted(stream[:10]) == sorted(stream[10:]) == list(range(10))
    assert list(stream[:10]) != list(stream[10:])
    assert list(stream) != list(np.concatenate([Order(10, 4, seed=1).batch(step) for step in range(5)]))


def test_a_batch_is_the_same_whenever_it_is_asked_for() -> None:
    order = Order(images=10, batch=4, seed=0)
    batches = [order.batch(step).tolist() for step in range(6)]
    assert [Order(10, 4, seed=0).batch(step).tolist() for step in reversed(range(6))] == batches[::-1]


def test_a_batch_may_be_larger_than_the_data() -> None:
    assert sorted(np.bincount(Order(images=3, batch=7, seed=0).batch(0))) == [2, 2, 3]


def test_batches_hold_the_images_and_labels_of_their_places() -> None:
    x = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    batches = Batches(x, np.arange(10), 4, seed=0)
    assert batches.per_epoch == 2
    seen = []
    for step in range(5):
        images, labels = batches[step]
        np.testing.assert_array_equal(np.ravel(images), labels)
        seen += labels.numpy().tolist()
    assert sorted(seen) == sorted([*range(10), *range(10)])
    assert len(Batches(x, np.arange(10), 99, seed=0)[0][1]) == 10
