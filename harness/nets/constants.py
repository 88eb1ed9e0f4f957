"""The constants of a graph."""

from __future__ import annotations

import tensorflow as tf


class Constants:
    """Constants of one graph, each made once: otherwise they are a third of a supernet's nodes."""

    def __init__(self) -> None:
        self._made: dict[object, tf.Tensor] = {}

    def of(self, value: object, dtype: tf.DType = tf.int32) -> tf.Tensor:
        """A small array, given as nested tuples."""
        if (value, dtype) not in self._made:
            self._made[value, dtype] = tf.constant(value, dtype)
        return self._made[value, dtype]

    def filled(self, value: float, length: int) -> tf.Tensor:
        """A float vector of one value."""
        return self.of((value,) * length, tf.float32)
