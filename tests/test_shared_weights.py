"""Training shared weights and reading accuracies off them: what is charged, in which order, at which rate."""

from __future__ import annotations

import dataclasses
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from fakes import make_task
from harness.methods.common.shared_weights import SharedWeights, supernet
from nao_supernet import FakeNet

from harness.core.budget import BudgetSpent
from harness.core.recipe import Recipe
from harness.core.space import Size
from harness.nets.augment import normalise
from harness.spaces import get_space

SPACE = get_space("enas_cell-2")
CHILD = (0,) * len(SPACE.choices)


def shared(budget: str = "50steps", net: FakeNet | None = None) -> SharedWeights:
    return SharedWeights(make_task(SPACE, budget), net or FakeNet(), batch=16, valid_batch=20)


@pytest.mark.parametrize(("squares_in_loss", "factor"), [(True, 2e-3), (False, 1e-3)])
def test_squares_in_the_loss_pull_twice_as_hard_as_a_factor_on_the_weights(
    squares_in_loss: bool, factor: float
) -> None:
    """The derivative of w squared is 2 w."""
    sgd = SimpleNamespace(momentum=0.9, weight_decay=1e-3, clip=5.0)
    made = supernet(lambda *_, **given: given, make_task(SPACE), sgd, squares_in_loss=squares_in_loss)
    assert made == {"momentum": 0.9, "weight_decay": factor, "clip": 5.0}


def test_a_step_is_charged_as_one_and_a_forward_pass_as_a_third() -> None:
    task = make_task(SPACE, "50steps")
    weights = SharedWeights(task, FakeNet(), batch=16, valid_batch=20)
    weights.train([CHILD] * 7, 0.1)
    assert task.meter.steps == 7
    weights.accuracies([CHILD] * 4, [[0, 1]] * 4)
    assert task.meter.steps == 7 + 4, "eight passes of 20 images, where a step has 16"


def test_multiply_accumulates_are_those_of_each_path() -> None:
    task = make_task(SPACE, "50steps")
    weights = SharedWeights(task, FakeNet(), batch=16, valid_batch=20)
    other = (1,) * len(SPACE.choices)
    weights.train([CHILD, other], 0.1)
    paths = [10, 10 + len(SPACE.choices)]
    assert task.meter.macs == 3 * 16 * sum(paths)
    weights.accuracies([CHILD, other], [[0], [1, 2, 3]])
    assert task.meter.macs == 3 * 16 * sum(paths) + 20 * (paths[0] + 3 * paths[1])


@pytest.mark.parametrize("valid_batch", [1, 7, 16, 20, 63, 64, 100])
def test_all_validation_batches_have_every_image(valid_batch: int) -> None:
    """Of 64 images; no batch less would do."""
    weights = SharedWeights(make_task(SPACE, "50steps"), FakeNet(), batch=16, valid_batch=valid_batch)
    rows = [weights._valid[number][0].numpy() for number in range(weights.valid_epoch)]
    whole = {image.tobytes() for batch in rows for image in batch}
    assert len(whole) == len({image.tobytes() for image in weights._task.data.x_valid})
    assert (weights.valid_epoch - 1) * weights.valid_images < len(weights._task.data.x_valid)


@pytest.mark.parametrize("augment", [True, False])
def test_images_are_augmented_where_the_recipe_says_so(augment: bool) -> None:
    task = make_task(SPACE, "50steps", recipe=Recipe(size=Size(4, 3), steps=1, augment=augment))
    weights = SharedWeights(task, FakeNet(), batch=16, valid_batch=20)
    images, _ = weights._train[0]
    data = dataclasses.replace(task.data, crop_padding=2)
    weights = SharedWeights(make_task(SPACE, "50steps", recipe=task.recipe, data=data), FakeNet(), 16, 20)
    plain = normalise(images, data.mean, data.std)
    prepared = weights._augment(images, tf.constant([1, 0], tf.int64))
    assert bool(np.allclose(plain, prepared)) is not augment


def test_the_budget_ends_before_a_step_and_before_a_measurement() -> None:
    net = FakeNet()
    with pytest.raises(BudgetSpent):
        shared("5steps", net).train([CHILD] * 9, 0.1)
    assert len(net.trained) == 5
    with pytest.raises(BudgetSpent):
        shared("5steps", net).accuracies([CHILD] * 16, [[0]] * 16)
    assert not net.measured


def test_an_accuracy_is_the_mean_over_its_batches() -> None:
    net = FakeNet(lambda picks, batch: (sum(picks) + batch) % 7 / 7)
    other = (1,) * len(SPACE.choices)
    means = shared(net=net).accuracies([CHILD, other], [[0, 1, 2], [3]])
    assert [len(batches) for batches in (net.measured[:3], net.measured[3:])] == [3, 1]
    assert means == pytest.approx([np.mean([score for *_, score in net.measured[:3]]), net.measured[3][-1]])


def test_batches_go_on_after_a_checkpoint() -> None:
    whole, first, second = FakeNet(), FakeNet(), FakeNet()
    shared(net=whole).train([CHILD] * 6, 0.1)
    begun = shared(net=first)
    begun.train([CHILD] * 2, 0.1)
    resumed = shared(net=second)
    resumed.restore(begun.state())
    resumed.train([CHILD] * 4, 0.1)
    assert [label for _, label, _ in first.trained + second.trained] == [label for _, label, _ in whole.trained]
    assert len({label for _, label, _ in whole.trained[:4]}) == 4, "an epoch of 64 images has four batches of 16"


def test_a_resumed_search_knows_how_long_steps_take_and_a_path_of_a_mixed_step_takes_its_part() -> None:
    ticks = count()
    task = make_task(SPACE, "1000s", clock=lambda: float(next(ticks)))
    weights = SharedWeights(task, FakeNet(), batch=16, valid_batch=20)
    weights.train([CHILD] * 4, 0.1)
    resumed = SharedWeights(task, FakeNet(), batch=16, valid_batch=20)
    resumed.restore(weights.state())
    assert resumed.step_seconds == weights.step_seconds > 0
    assert resumed.share_of(100) == weights.share_of(100) > 0
    mixed = SharedWeights(task, FakeNet(), batch=16, valid_batch=20)
    for _ in range(3):
        mixed._take(1000, lambda images, labels: None)
    assert mixed.path_seconds == pytest.approx(mixed.step_seconds * mixed._typical / 1000)
