"""The images of AutoKeras' trials: the task's, with the harness' normalisation and augmentation."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from harness import Task, rng
from harness.nets.augment import normalise
from harness.nets.batches import augmented

BATCH = 32
"""AutoKeras' default."""


class Data:
    """The task's images in batches for Keras: normalised, augmented, with one-hot labels.

    Args:
        task: of the search.
        images: how many training images a trial sees, drawn once for all trials; 0 for all.
    """

    def __init__(self, task: Task, images: int) -> None:
        data = task.data
        count = min(images or len(data.x_train), len(data.x_train))
        chosen = np.sort(rng(task.seed, "images").permutation(len(data.x_train))[:count])
        self._data, self._augment = data, task.recipe.augment
        self._x, self._y = data.x_train[chosen], data.y_train[chosen]
        self.validation_images = min(task.recipe.validation_images or len(data.x_valid), len(data.x_valid))
        self.images, self.steps = count, math.ceil(count / BATCH)

    def training(self, seed: int) -> tf.data.Dataset:
        """Batches without end, in a new order each time round."""
        data = self._data

        def prepared(count: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            x, y = batch
            if self._augment:
                x = augmented(x, data, tf.stack([tf.constant(seed, tf.int64), count]))
            else:
                x = normalise(x, data.mean, data.std)
            return x, tf.one_hot(y, data.classes)

        batches = tf.data.Dataset.from_tensor_slices((self._x, self._y))
        batches = batches.shuffle(self.images, seed=seed).repeat().batch(BATCH, drop_remainder=True)
        return _untuned(batches.enumerate().map(prepared).prefetch(2))

    def validation(self) -> tf.data.Dataset:
        """The first images of the validation split, as many as the recipe says."""
        data, count = self._data, self.validation_images

        def prepared(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return normalise(x, data.mean, data.std), tf.one_hot(y, data.classes)

        batches = tf.data.Dataset.from_tensor_slices((data.x_valid[:count], data.y_valid[:count])).batch(BATCH)
        return _untuned(batches.map(prepared).prefetch(2))


def _untuned(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Without TensorFlow's tuning of the pipeline, whose thread can hold up the end of a dataset for ten seconds."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)
