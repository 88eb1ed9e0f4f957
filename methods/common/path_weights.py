"""Shared weights of single paths, with the gradients that architecture parameters need.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from harness import Task, derive_seed
from harness.core.budget import PASSES_PER_STEP
from harness.nets.supernets.paths import GatedPaths

from .shared_weights import SharedWeights


class PathWeights(SharedWeights):
    """A supernet of single paths in training.

    Args:
        task: gives data and budget.
        net: the supernet.
        batch, valid_batch: images per gradient step, and per accuracy; a gradient of architecture parameters takes a
            validation batch.
    """

    def __init__(self, task: Task, net: GatedPaths, batch: int, valid_batch: int) -> None:
        super().__init__(task, net, batch, valid_batch)
        self._paths = net
        self._valid_seed = derive_seed(task.seed, "validation augmentation")

    def train_path(self, path: np.ndarray, rate: float) -> None:
        """One gradient step on a path that need not be a genotype's.

        Raises:
            BudgetSpent: it does not fit into the budget.
        """
        vector = tf.constant(path)

        def step(images: tf.Tensor, labels: tf.Tensor) -> None:
            self._paths.train_step(images, labels, vector, tf.constant(rate, tf.float32))

        self._take(self._paths.net.path_macs(path), step)

    def train_mixed(self, mixing: np.ndarray, rate: float) -> None:
        """One gradient step of the mixed network, charged with all candidates.

        Args:
            mixing: shares, (parts of the batch, kinds, edges, operations).
            rate: of learning.

        Raises:
            BudgetSpent: it does not fit into the budget.
        """
        shares = tf.constant(mixing, tf.float32)

        def step(images: tf.Tensor, labels: tf.Tensor) -> None:
            self._paths.mixed_step(images, labels, shares, tf.constant(rate, tf.float32))

        self._take(self._paths.net.macs, step)

    def gate_gradient(self, path: np.ndarray, number: int) -> tuple[np.ndarray, float]:
        """The derivative of a validation batch's loss by a factor on each edge of a path, and the accuracy.

        Args:
            path: one operation per edge.
            number: of the batch.

        Raises:
            BudgetSpent: a gradient step does not fit into the budget.
        """
        images, labels = self._valid_batch(number, self._paths.net.path_macs(path))
        gradient, accuracy = self._paths.gate_gradient(images, labels, tf.constant(path))
        return gradient.numpy(), float(accuracy)

    def mixing_gradient(self, mixing: np.ndarray, number: int) -> tuple[np.ndarray, float]:
        """The derivative of a validation batch's loss by the shares of all operations, and the accuracy.

        Args:
            mixing: shares, (kinds, edges, operations).
            number: of the batch.

        Raises:
            BudgetSpent: a gradient step does not fit into the budget.
        """
        images, labels = self._valid_batch(number, self._paths.net.macs)
        gradient, accuracy = self._paths.mixing_gradient(images, labels, tf.constant(mixing, tf.float32))
        return gradient.numpy(), float(accuracy)

    def _valid_batch(self, number: int, macs: int) -> tuple[tf.Tensor, tf.Tensor]:
        """An augmented validation batch, when a gradient step has been charged; ``macs`` of one image."""
        self._task.step(
            self.passes(PASSES_PER_STEP * self.valid_images), macs=PASSES_PER_STEP * self.valid_images * macs
        )
        images, labels = self._valid[number]
        return self._augment(images, tf.constant([self._valid_seed, number], tf.int64)), labels
