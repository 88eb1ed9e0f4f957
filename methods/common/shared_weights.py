"""Shared weights: how methods train one network for all architectures and measure architectures with it.

Every training batch is one gradient step on one architecture. The accuracy of an architecture is that on a validation
batch under the shared weights; normalisations use the statistics of that batch. A forward pass for an accuracy is
charged as a third of a gradient step for as many images as a step has.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

import numpy as np
import tensorflow as tf

from harness import State, Task, derive_seed, rng
from harness.core.budget import PASSES_PER_STEP
from harness.nets.augment import normalise
from harness.nets.batches import Batches, augmented
from harness.nets.supernets.gated import GatedSupernet

from .plan import EXAMPLES
from .states import below, prefixed

_MARGIN = 1.3
"""Factor on an estimate of what is ahead."""
Child = Sequence[int] | np.ndarray
"""Picks of an architecture."""
Net = TypeVar("Net", bound=GatedSupernet)


class Sgd(Protocol):
    """The hyper-parameters of the gradient steps, which a method has among its own."""

    @property
    def momentum(self) -> float:
        """Nesterov momentum."""

    @property
    def weight_decay(self) -> float:
        """Weight of the L2 term; :func:`supernet` is told what it is a factor of."""

    @property
    def clip(self) -> float:
        """The largest norm of a gradient."""


def supernet(kind: Callable[..., Net], task: Task, sgd: Sgd, *, squares_in_loss: bool) -> Net:
    """A fresh supernet of a class for a task's space, proxy size and images.

    Args:
        squares_in_loss: whether the weight decay is a factor on the sum of squares in the loss, as in ENAS' and NAO's
            code, whose gradient is twice that times w; else it is the factor on w in the gradient, as in PyTorch.
    """
    return kind(
        task.space,
        task.recipe.size,
        task.data.image_shape,
        task.data.classes,
        rng(task.seed, "supernet weights"),
        momentum=sgd.momentum,
        weight_decay=(2 if squares_in_loss else 1) * sgd.weight_decay,
        clip=sgd.clip,
    )


class StepTimes:
    """Mean time and cost of steps, without the first one of a process, which traces.

    Attributes:
        seconds: mean time of a step; 0 before the second one.
        macs: mean multiply-accumulates of an image's forward pass in these steps.
    """

    def __init__(self) -> None:
        self.seconds = self.macs = 0.0
        self._count, self._traced = 0, False

    def note(self, seconds: float, macs: int = 0) -> None:
        """Takes a step into the means."""
        if self._traced:
            self._count += 1
            self.seconds += (seconds - self.seconds) / self._count
            self.macs += (macs - self.macs) / self._count
        self._traced = True

    def state(self) -> np.ndarray:
        """Means and count, for a checkpoint: a resumed search plans from the same times."""
        return np.array([self.seconds, self.macs, self._count])

    def restore(self, state: np.ndarray) -> None:
        """Takes over what :meth:`state` returned; the next step traces again."""
        self.seconds, self.macs, count = (float(number) for number in state)
        self._count = int(count)


class SharedWeights:
    """A supernet in training.

    Args:
        task: gives data and budget.
        net: the supernet.
        batch, valid_batch: images per gradient step, and per accuracy.

    Attributes:
        images: per step, at most all of them.
        per_epoch: steps that one pass over the training images takes.
        valid_images: images per accuracy, at most all of them.
        times: of the gradient steps.
        valid_epoch: batches that have every validation image among them; the last one may begin a second pass.
    """

    def __init__(self, task: Task, net: GatedSupernet, batch: int, valid_batch: int) -> None:
        self._task, self._net = task, net
        data = task.data
        self._train = Batches(data.x_train, data.y_train, batch, derive_seed(task.seed, "training batches"))
        self._valid = Batches(data.x_valid, data.y_valid, valid_batch, derive_seed(task.seed, "validation batches"))
        self._seed = derive_seed(task.seed, "augmentation")
        augments = task.recipe.augment

        def prepared(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            return augmented(images, data, seed) if augments else normalise(images, data.mean, data.std)

        self._augment = tf.function(prepared, autograph=False)
        self._steps = 0
        self.images, self.valid_images = min(batch, len(data.x_train)), min(valid_batch, len(data.x_valid))
        self.times = StepTimes()
        paths = [task.space.sample(rng(task.seed, f"typical path {i}")).picks for i in range(EXAMPLES)]
        self._typical = float(np.mean([net.macs(picks) for picks in paths]))
        self.per_epoch, self.valid_epoch = self._train.per_epoch, math.ceil(len(data.x_valid) / self.valid_images)

    def train(self, children: Iterable[Child], rate: float) -> None:
        """One gradient step on each child, on batch after batch.

        Raises:
            BudgetSpent: the next step does not fit into the budget.
        """
        for picks in children:
            vector = tf.constant(self._net.vector(picks))

            def step(images: tf.Tensor, labels: tf.Tensor, vector: tf.Tensor = vector) -> None:
                self._net.train_step(images, labels, vector, tf.constant(rate, tf.float32))

            self._take(self._net.macs(picks), step)

    def _take(self, macs: int, step: Callable[[tf.Tensor, tf.Tensor], None]) -> None:
        """One gradient step on the next training batch.

        Args:
            macs: of one image's forward pass.
            step: is given augmented images and their labels.
        """
        began = self._task.meter.now()
        self._task.step(macs=PASSES_PER_STEP * self.images * macs)
        images, labels = self._train[self._steps]
        step(self._augment(images, tf.constant([self._seed, self._steps], tf.int64)), labels)
        self._steps += 1
        self.times.note(self._task.meter.now() - began, macs)

    @property
    def step_seconds(self) -> float:
        """Mean time of a gradient step without the first one, which traces; 0 before the second."""
        return self.times.seconds

    @property
    def path_seconds(self) -> float:
        """Time of a gradient step on a typical path: a part of a step's where steps compute more, as mixed ones do."""
        return self.times.seconds * min(1.0, self._typical / self.times.macs) if self.times.macs else 0.0

    def accuracies(self, children: Iterable[Child], batches: Sequence[Sequence[int]]) -> list[float]:
        """Mean accuracy of each child on its validation batches, given by number; charged beforehand.

        Raises:
            BudgetSpent: the forward passes do not fit into the budget.
        """
        children = list(children)
        images = [self.valid_images * len(own) for own in batches]
        macs = sum(count * self._net.macs(picks) for picks, count in zip(children, images, strict=True))
        self._task.step(self.passes(sum(images)), macs=macs)
        return [
            float(np.mean([self._accuracy(picks, batch) for batch in own]))
            for picks, own in zip(children, batches, strict=True)
        ]

    def share_of(self, images: int, dear: float = 1.0) -> float:
        """Share of the budget that forward passes of so many images take, at most a half; not in steps with a reserve.

        Args:
            images: their number.
            dear: cost of the architectures that they go through, as a multiple of a typical one's.
        """
        meter, passes = self._task.meter, self.passes(images)
        if meter.budget.unit == "macs":
            work = images * self._typical * dear * _MARGIN
        else:
            work = passes if meter.budget.counted else passes * self.path_seconds * dear * _MARGIN
        return min(0.5, work / meter.limit)

    def dearness(self, children: Iterable[Child]) -> float:
        """Mean multiply-accumulates of architectures, as a multiple of a typical one's; at least 1."""
        return max(1.0, float(np.mean([self._net.macs(picks) for picks in children])) / self._typical)

    def images_left(self) -> float:
        """Number of images whose forward passes still fit into the budget; infinite in seconds."""
        meter = self._task.meter
        if not meter.budget.counted:
            return math.inf
        if meter.budget.unit == "macs":
            return meter.left / (self._typical * _MARGIN)
        return PASSES_PER_STEP * self.images * meter.left

    def passes(self, images: int) -> int:
        """Gradient steps that forward passes of so many images are worth."""
        return math.ceil(images / (PASSES_PER_STEP * self.images))

    def _accuracy(self, picks: Child, batch: int) -> float:
        data, (images, labels) = self._task.data, self._valid[batch]
        return float(
            self._net.correct(normalise(images, data.mean, data.std), labels, tf.constant(self._net.vector(picks)))
        )

    def state(self) -> State:
        """Weights, momentum, number and mean time of the gradient steps, for a checkpoint."""
        return {**prefixed("net.", self._net.state()), "steps": np.array(self._steps), "times": self.times.state()}

    def restore(self, state: State) -> None:
        """Takes over what :meth:`state` returned; other entries are ignored."""
        self._net.restore(below("net.", state))
        self._steps = int(state["steps"])
        self.times.restore(state["times"])
