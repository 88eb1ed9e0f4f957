"""Batches as a pure function of (seed, step): an epoch is a permutation drawn from its own seed."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from harness.core.dataset import Images, Labels, SearchData
from harness.core.seeds import rng
from harness.nets.augment import augment


class Order:
    """Which images a step sees: one endless row of permutations, cut into batches.

    A batch may span two epochs, so that no image is left out and a batch may be larger than the data. Nothing has to be
    saved to go on after an interruption.

    Args:
        images: how many there are.
        batch: images per step.
        seed: names the order.
    """

    def __init__(self, images: int, batch: int, seed: int) -> None:
        self._images, self._batch, self._seed = images, batch, seed
        self._epoch, self._permutation = -1, np.zeros(0, np.int64)

    def batch(self, step: int) -> np.ndarray:
        """Places of the images of one step, shape (batch,)."""
        epochs, places = np.divmod(np.arange(step * self._batch, (step + 1) * self._batch), self._images)
        return np.concatenate([self._of(int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)])

    def _of(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:
            self._epoch = epoch
            self._permutation = rng(self._seed, f"epoch {epoch}").permutation(self._images)
        return self._permutation


class Batches:
    """``batches[step]`` is ``(images uint8, labels)`` of one step, in the order of an :class:`Order`.

    Args:
        x, y: images and labels, shapes as in :class:`harness.core.dataset.Dataset`.
        size: images per batch, at most all of them.
        seed: names the order.

    Attributes:
        per_epoch: whole batches in one pass over the images.
    """

    def __init__(self, x: Images, y: Labels, size: int, seed: int) -> None:
        size = min(size, len(x))
        self._x, self._y, self._order = x, y, Order(len(x), size, seed)
        self.per_epoch = len(x) // size

    def __getitem__(self, step: int) -> tuple[tf.Tensor, tf.Tensor]:
        chosen = np.sort(self._order.batch(step))
        return tf.constant(self._x[chosen]), tf.constant(self._y[chosen])


def augmented(images: tf.Tensor, data: SearchData, seed: tf.Tensor) -> tf.Tensor:
    """Cropped and, where the data set allows it, mirrored: what a supernet trains on. Float32, normalised."""
    return augment(images, seed, data.mean, data.std, padding=data.crop_padding, flip=data.flip)
