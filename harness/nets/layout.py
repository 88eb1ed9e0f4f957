"""One vector of many arrays: how all weights of a network are kept while it is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


class Layout:
    """How arrays of these shapes lie in one vector: those of a shape side by side, shapes in the order of their coming.

    Whatever is done to all weights takes a handful of graph nodes on the vector and thousands on the arrays; and the
    arrays of a shape are taken out by one node, and their gradients put back by one.

    Attributes:
        size: numbers in the vector.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        self._places: dict[tuple[int, ...], list[int]] = {}
        for place, shape in enumerate(shapes):
            self._places.setdefault(tuple(shape), []).append(place)
        self._order = [place for places in self._places.values() for place in places]
        self._sizes = [len(places) * math.prod(shape) for shape, places in self._places.items()]
        self.size = sum(self._sizes)

    def groups(self) -> list[tuple[tuple[int, ...], list[int]]]:
        """The shapes in the vector's order, and which arrays have each."""
        return list(self._places.items())

    def join(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """One vector of all numbers."""
        parts = [arrays[place].ravel() for place in self._order]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def split(self, vector: np.ndarray) -> list[np.ndarray]:
        """The arrays in the order of the shapes; the reverse of :meth:`join`."""
        groups = np.split(vector, np.cumsum(self._sizes)[:-1]) if self.size else []
        return self._in_order(
            [list(group.reshape(-1, *shape)) for group, shape in zip(groups, self._places, strict=True)]
        )

    def join_tensors(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """:meth:`join` in a graph."""
        groups = [tf.stack([tensors[place] for place in places]) for places in self._places.values()]
        flat = tf.constant([-1])
        return tf.concat([tf.raw_ops.Reshape(tensor=group, shape=flat) for group in groups], 0)

    def split_tensor(self, vector: tf.Tensor) -> list[tf.Tensor]:
        """:meth:`split` in a graph."""
        groups = tf.split(vector, self._sizes)
        return self._in_order(
            [
                tf.unstack(tf.raw_ops.Reshape(tensor=group, shape=[len(places), *shape]))
                for group, (shape, places) in zip(groups, self._places.items(), strict=True)
            ]
        )

    def _in_order(self, groups: Sequence[Sequence[Any]]) -> list[Any]:
        found = dict(zip(self._order, (part for group in groups for part in group), strict=True))
        return [found[place] for place in range(len(found))]
