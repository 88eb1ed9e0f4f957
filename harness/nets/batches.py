"""Batches as a pure function of (seed, step): an epoch is a permutation drawn from its own seed."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from harness.core.dataset import Images, Labels, SearchData
from harness.core.seeds import rng
from harness.nets.augment import augment


class Batches:
    """``batches[step]`` is ``(images uint8, labels)`` of one step; steps run on through the epochs.

    Nothing has to be saved to go on after an interruption. A last, incomplete batch of an epoch is left out.

    Args:
        x, y: images and labels, shapes as in :class:`harness.core.dataset.Dataset`.
        size: images per batch, at most all of them.
        seed: names the order.
    """

    def __init__(self, x: Images, y: Labels, size: int, seed: int) -> None:
        self._x, self._y, self._size, self._seed = x, y, min(size, len(x)), seed
        self.per_epoch = len(x) // self._size
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __getitem__(self, step: int) -> tuple[tf.Tensor, tf.Tensor]:
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, rng(self._seed, f"epoch {epoch}").permutation(len(self._x))
        chosen = np.sort(self._order[place * self._size : (place + 1) * self._size])
        return tf.constant(self._x[chosen]), tf.constant(self._y[chosen])


def augmented(images: tf.Tensor, data: SearchData, seed: tf.Tensor) -> tf.Tensor:
    """Cropped and, where the data set allows it, mirrored: what a supernet trains on. Float32, normalised."""
    return augment(images, seed, data.mean, data.std, padding=data.crop_padding, flip=data.flip)
