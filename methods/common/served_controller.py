"""A TensorFlow controller on a parameter server, see :mod:`.replicas`.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from .policy import Controller, Walk
from .replicas import Arrays


class ServedController:
    """A controller whose gradient and update are apart.

    Args:
        controller: holds the present parameters.
        optimizer: its own.
    """

    def __init__(self, controller: Controller, optimizer: keras.optimizers.Optimizer) -> None:
        self.decisions = controller.decisions
        self._controller, self._optimizer = controller, optimizer
        self._variables = list(controller.weights.variables.values())
        self._gradient = tf.function(controller.gradient, autograph=False)
        self._apply = tf.function(self._descend, autograph=False)

    def draw(self, uniforms: np.ndarray) -> Walk:
        """Architectures by the present parameters, one per row of ``uniforms``."""
        return self._controller.sample(uniforms)

    def fetch(self) -> Arrays:
        """Copies of the present parameters, in the order of their creation."""
        return [variable.numpy() for variable in self._variables]

    def gradient(self, fetched: Arrays, drawn: Walk, advantages: np.ndarray) -> Arrays:
        """Gradient of the controller's loss at ``fetched``; traced once per batch size."""
        present = self.fetch()
        self._assign(fetched)
        found = self._gradient(tf.constant(drawn.picks, tf.int32), tf.constant(advantages, tf.float32))
        self._assign(present)
        return [part.numpy() for part in found]

    def apply(self, gradient: Arrays, rate: float) -> None:
        """One step of the optimiser on the present parameters."""
        self._optimizer.learning_rate = rate
        self._apply([tf.constant(part) for part in gradient])

    def train(self, drawn: Walk, advantages: np.ndarray, rate: float) -> None:
        """Gradient and update in one graph, whose sums may differ in the last digits from those of two."""
        self._optimizer.learning_rate = rate
        self._controller.train(drawn.picks, advantages)

    def _descend(self, gradient: list[tf.Tensor]) -> None:
        self._optimizer.apply(gradient, self._variables)

    def _assign(self, values: Arrays) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
