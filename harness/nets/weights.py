"""Flat weights of a supernet: allotted step by step, initialised from one generator, addressed by handles.

A handle names the weights of one list of steps. With ``copies`` they get a leading axis, one slice per copy: ENAS micro
keeps one set of weights per (node, slot, input) and reads one slice at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from harness.core.steps import Conv, Depthwise, Halve, Norm, Step, weight_shapes
from harness.nets.ops import initial_values


@dataclass(frozen=True)
class Handle:
    """Where the weights of ``steps`` lie in the flat list."""

    steps: tuple[Step, ...]
    start: int
    count: int

    def of(self, flat: Sequence[Any]) -> list[Any]:
        """The part of ``flat`` that belongs to this handle."""
        return list(flat[self.start : self.start + self.count])


class Weights:
    """Collects initial values while a supernet is laid out."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.values: list[np.ndarray] = []

    def add(self, steps: Sequence[Step], channels: int, copies: int = 0) -> Handle:
        """Allots the weights of ``steps`` on an input of ``channels`` channels."""
        start = len(self.values)
        if copies:
            drawn = [initial_values(steps, channels, self._rng) for _ in range(copies)]
            self.values += [np.stack(slices) for slices in zip(*drawn, strict=True)]
        else:
            self.values += initial_values(steps, channels, self._rng)
        return Handle(tuple(steps), start, len(weight_shapes(steps, channels)))

    def add_dense(self, channels: int, units: int) -> Handle:
        """Allots kernel and bias of the classifier."""
        limit = np.sqrt(6.0 / (channels + units))
        start = len(self.values)
        self.values.append(self._rng.uniform(-limit, limit, (channels, units)).astype(np.float32))
        self.values.append(np.zeros(units, np.float32))
        return Handle((), start, 2)


def by_layer(steps: Sequence[Step], values: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Groups the flat weights of ``steps`` as the builder's weighted Keras layers hold them, in order of creation."""
    remaining = iter(values)
    groups: list[list[np.ndarray]] = []
    for step in steps:
        match step:
            case Conv() | Depthwise():
                groups.append([next(remaining)])
            case Norm(affine):
                groups.append([next(remaining), next(remaining)] if affine else [])
            case Halve():
                groups += [[next(remaining)], [next(remaining)]]
    return groups


def flattened(values: Sequence[np.ndarray]) -> np.ndarray:
    """All numbers in one float32 vector."""
    return np.concatenate([np.zeros(0, np.float32), *(value.astype(np.float32).ravel() for value in values)])


def pieces(flat: tf.Tensor, shapes: Sequence[tuple[int, ...]]) -> list[tf.Tensor]:
    """A vector cut into tensors of these shapes: the reverse of :func:`flattened`.

    Whatever is done to all weights takes a handful of graph nodes on the vector, and thousands on the pieces.
    """
    if not shapes:
        return []
    targets = {shape: tf.constant(shape, tf.int32) for shape in set(shapes)}
    parts = tf.split(flat, [math.prod(shape) for shape in shapes])
    return [
        part if len(shape) == 1 else tf.raw_ops.Reshape(tensor=part, shape=targets[shape])
        for part, shape in zip(parts, shapes, strict=True)
    ]
