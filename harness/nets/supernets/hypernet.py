"""A HyperNet: a small network whose output is the weights of another one (Brock et al., ICLR 2018).

It is a densely connected convolutional network over *locations*. A location is what one operation may read from one
memory bank, and the weights for it come out there, so that a reading of more banks is a longer stretch of the same
output. Filters are weight-normalised (Salimans & Kingma 2016): each has a direction and a length. There are no offsets
and no normalisations of activations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from harness.nets.supernets.flat_weights import Weights

_SLOPE = 0.02
"""Of the leaky rectifier, for negative values."""
_REACH = 3
"""Locations that a filter reads."""


class HyperNet:
    """Weights for several groups of locations, each with a head of its own.

    Args:
        weights: to which the HyperNet's own are added.
        rng: for their first values.
        channels: of the encoding.
        layers, growth: of the densely connected layers, each of which reads all earlier ones.
        groups: numbers that each location has to get, by group; groups follow each other and are of equal length.

    Attributes:
        count: arrays of the HyperNet in ``weights``.
    """

    def __init__(
        self,
        weights: Weights,
        rng: np.random.Generator,
        *,
        channels: int,
        layers: int,
        growth: int,
        groups: Sequence[int],
    ) -> None:
        self._layers, self._groups, self._start = layers, len(groups), len(weights.values)
        widths = [channels + growth * number for number in range(layers + 1)]
        for width in widths[:-1]:
            _add(weights, rng, (_REACH, width, growth), np.sqrt(2.0))
        for numbers in groups:
            _add(weights, rng, (widths[-1], numbers), 1.0)
        self.count = len(weights.values) - self._start
        self._per_location = sum(_REACH * width * growth for width in widths[:-1])
        self._heads = [widths[-1] * numbers for numbers in groups]

    def own(self, arrays: Sequence[Any]) -> list[Any]:
        """The HyperNet's part of a list of all weights."""
        return list(arrays[self._start : self._start + self.count])

    def macs(self, locations: int) -> int:
        """Multiply-accumulates of one generation, for so many locations in all."""
        return locations * self._per_location + locations // self._groups * sum(self._heads)

    def generate(self, encoding: tf.Tensor, weights: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The numbers of each group, (locations of a group, numbers of a location).

        Args:
            encoding: (locations, channels).
            weights: all, of which the HyperNet takes its own.
        """
        own = iter(self.own(weights))
        x = encoding[None]
        for _ in range(self._layers):
            filters = _normalised(next(own), next(own))
            x = tf.concat([x, tf.nn.leaky_relu(tf.nn.conv1d(x, filters, 1, "SAME"), _SLOPE)], -1)
        return [tf.matmul(part, _normalised(next(own), next(own))) for part in tf.split(x[0], self._groups)]


def _add(weights: Weights, rng: np.random.Generator, shape: tuple[int, ...], length: float) -> None:
    """Directions and lengths of the filters of one layer."""
    weights.values.append(rng.normal(size=shape).astype(np.float32))
    weights.values.append(np.full(shape[-1:], length, np.float32))


def _normalised(directions: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Filters of these directions and lengths; the last axis counts filters."""
    axes = list(range(len(directions.shape) - 1))
    return directions * (lengths * tf.math.rsqrt(tf.reduce_sum(directions**2, axes)))
