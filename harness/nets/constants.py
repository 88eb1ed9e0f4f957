"""What a graph needs in many places and holds once."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


class Constants:
    """Constants, and other tensors that several places read, each made once per graph.

    Constants alone would otherwise be a third of a supernet's nodes.
    """

    def __init__(self) -> None:
        self._made: dict[object, tf.Tensor] = {}

    def once(self, key: object, make: Callable[[], tf.Tensor]) -> tf.Tensor:
        """What ``make`` returned at the first call with this key in this graph."""
        key = key, tf.compat.v1.get_default_graph()
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def of(self, value: object, dtype: tf.DType = tf.int32) -> tf.Tensor:
        """A small array, given as nested tuples."""
        return self.once((value, dtype), lambda: tf.constant(value, dtype))

    def filled(self, value: float, length: int) -> tf.Tensor:
        """A float vector of one value."""
        return self.of((value,) * length, tf.float32)
