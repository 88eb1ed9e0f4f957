"""Shared weights: how ENAS and NAO-WS train one network for all architectures and measure architectures with it.

Every training batch is one gradient step on one architecture. The accuracy of an architecture is that on a validation
batch under the shared weights; normalisations use the statistics of that batch. A forward pass for an accuracy is
charged as a third of a gradient step.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import tensorflow as tf

from harness import State, Task, derive_seed, rng
from harness.core.schedule import cosine
from harness.nets.augment import normalise
from harness.nets.batches import Batches, augmented
from harness.nets.supernets.enas import GatedSupernet

FORWARD_PASSES_PER_STEP = 3
Child = Sequence[int] | np.ndarray
"""Picks of an architecture."""
Net = TypeVar("Net", bound=GatedSupernet)


@dataclass(frozen=True)
class Restarts:
    """Cosine annealing with warm restarts (Loshchilov & Hutter 2017).

    Args:
        high, low: the rate right after a restart, and the one it falls to.
        length, factor: epochs until the first restart, and growth of the following ones.
    """

    high: float
    low: float
    length: int
    factor: int

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch."""
        length, since_restart = self.length, epoch
        while since_restart >= length:
            since_restart -= length
            length *= self.factor
        return cosine(self.high, self.low, since_restart / length)


class Sgd(Protocol):
    """The hyper-parameters of the gradient steps, which a method has among its own."""

    @property
    def momentum(self) -> float:
        """Nesterov momentum."""

    @property
    def weight_decay(self) -> float:
        """Added to the gradient, times the weight."""

    @property
    def clip(self) -> float:
        """The largest norm of a gradient."""


def supernet(kind: Callable[..., Net], task: Task, sgd: Sgd) -> Net:
    """A fresh supernet of a class for a task's space, proxy size and images."""
    return kind(
        task.space,
        task.recipe.size,
        task.data.image_shape,
        task.data.classes,
        rng(task.seed, "supernet weights"),
        momentum=sgd.momentum,
        weight_decay=sgd.weight_decay,
        clip=sgd.clip,
    )


class SharedWeights:
    """A supernet in training.

    Args:
        task: gives data and budget.
        net: the supernet.
        batch, valid_batch: images per gradient step, and per accuracy.

    Attributes:
        per_epoch: gradient steps of one pass over the training images.
    """

    def __init__(self, task: Task, net: GatedSupernet, batch: int, valid_batch: int) -> None:
        self._task, self._net = task, net
        data = task.data
        self._train = Batches(data.x_train, data.y_train, batch, derive_seed(task.seed, "training batches"))
        self._valid = Batches(data.x_valid, data.y_valid, valid_batch, derive_seed(task.seed, "validation batches"))
        self._seed = derive_seed(task.seed, "augmentation")
        self._augment = tf.function(lambda images, seed: augmented(images, data, seed), autograph=False)
        self._steps = 0
        self.per_epoch = self._train.per_epoch

    def train(self, children: Iterable[Child], rate: float) -> None:
        """One gradient step on each child.

        Raises:
            BudgetSpent: the next step does not fit into the budget.
        """
        for picks in children:
            self._task.step()
            images, labels = self._train[self._steps]
            seed = tf.constant([self._seed, self._steps], tf.int64)
            self._net.train_step(
                self._augment(images, seed), labels, tf.constant(picks), tf.constant(rate, tf.float32)
            )  # fmt: skip
            self._steps += 1

    def accuracies(self, children: Iterable[Child], batches: Sequence[Sequence[int]]) -> list[float]:
        """Mean accuracy of each child on its validation batches, given by number; charged beforehand.

        Raises:
            BudgetSpent: the forward passes do not fit into the budget.
        """
        self._task.step(math.ceil(sum(map(len, batches)) / FORWARD_PASSES_PER_STEP))
        return [
            float(np.mean([self._accuracy(picks, batch) for batch in own]))
            for picks, own in zip(children, batches, strict=True)
        ]

    def _accuracy(self, picks: Child, batch: int) -> float:
        data, (images, labels) = self._task.data, self._valid[batch]
        return float(self._net.correct(normalise(images, data.mean, data.std), labels, tf.constant(picks)))

    def state(self) -> State:
        """Weights, momentum and the number of gradient steps, for a checkpoint."""
        return {**{f"net.{name}": value for name, value in self._net.state().items()}, "steps": np.array(self._steps)}

    def restore(self, state: State) -> None:
        """Takes over what :meth:`state` returned; other entries are ignored."""
        self._net.restore({name.removeprefix("net."): value for name, value in state.items()})
        self._steps = int(state["steps"])
