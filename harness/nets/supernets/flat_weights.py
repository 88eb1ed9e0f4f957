"""Flat weights of a supernet: allotted step by step, initialised from one generator, addressed by handles.

A handle names the weights of one list of steps. With ``copies`` they get a leading axis, one slice per copy: ENAS micro
keeps one set of weights per (node, slot, input) and reads one slice at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from harness.core.primitives import CellPrimitive, Conv, Depthwise, FactorizedReduce, Norm, weight_shapes
from harness.nets.layout import Layout
from harness.nets.supernets.kernels import initial_values


@dataclass(frozen=True)
class Handle:
    """Where the weights of ``steps`` lie in the flat list."""

    steps: tuple[CellPrimitive, ...]
    start: int
    count: int

    def of(self, flat: Sequence[Any]) -> list[Any]:
        """The part of ``flat`` that belongs to this handle."""
        return list(flat[self.start : self.start + self.count])


@dataclass(frozen=True)
class Bundle:
    """The weights of several lists of steps side by side in the rows of one array, a row per copy.

    One node reads all that a place in the network may need, instead of one per weight.

    Attributes:
        handle: where the array lies, (copies, numbers of a row).
        steps: the lists; those without weights have no part in a row.
        layouts: of each list's part.
    """

    handle: Handle
    steps: tuple[tuple[CellPrimitive, ...], ...]
    layouts: tuple[Layout, ...]

    @property
    def owners(self) -> np.ndarray:
        """Of each number of a row, whose part it is, counted over the lists that have weights."""
        sizes = [layout.size for layout in self.layouts if layout.size]
        return np.repeat(np.arange(len(sizes)), sizes)

    def parts(self, row: tf.Tensor) -> list[tf.Tensor | None]:
        """A row's part for each list, for :meth:`Layout.split_tensor`; None for a list without weights."""
        parts = iter(tf.split(row, [layout.size for layout in self.layouts if layout.size]))
        return [next(parts) if layout.size else None for layout in self.layouts]

    def arrays(self, row: np.ndarray, number: int) -> list[np.ndarray]:
        """The weights that a row has for list ``number``."""
        first = sum(layout.size for layout in self.layouts[:number])
        return self.layouts[number].split(row[first : first + self.layouts[number].size])


class Weights:
    """Collects initial values while a supernet is laid out."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.values: list[np.ndarray] = []

    def add(self, steps: Sequence[CellPrimitive], channels: int, copies: int = 0) -> Handle:
        """Allots the weights of ``steps`` on an input of ``channels`` channels."""
        start = len(self.values)
        if copies:
            drawn = [initial_values(steps, channels, self._rng) for _ in range(copies)]
            self.values += [np.stack(slices) for slices in zip(*drawn, strict=True)]
        else:
            self.values += initial_values(steps, channels, self._rng)
        return Handle(tuple(steps), start, len(weight_shapes(steps, channels)))

    def add_bundle(self, lists: Sequence[Sequence[CellPrimitive]], channels: int, copies: int) -> Bundle:
        """Allots the weights of several lists of steps, ``copies`` times each."""
        layouts = tuple(Layout(weight_shapes(steps, channels)) for steps in lists)
        parts = [
            np.stack([layout.join(initial_values(steps, channels, self._rng)) for _ in range(copies)])
            for steps, layout in zip(lists, layouts, strict=True)
        ]
        self.values.append(np.concatenate(parts, axis=1))
        return Bundle(Handle((), len(self.values) - 1, 1), tuple(map(tuple, lists)), layouts)

    def add_dense(self, channels: int, units: int) -> Handle:
        """Allots kernel and bias of the classifier."""
        limit = np.sqrt(6.0 / (channels + units))
        start = len(self.values)
        self.values.append(self._rng.uniform(-limit, limit, (channels, units)).astype(np.float32))
        self.values.append(np.zeros(units, np.float32))
        return Handle((), start, 2)


def by_layer(steps: Sequence[CellPrimitive], values: Sequence[np.ndarray], channels: int = 0) -> list[list[np.ndarray]]:
    """Groups the flat weights of ``steps`` as the builder's weighted Keras layers hold them, in order of creation.

    Args:
        steps, values: primitives and their weights.
        channels: of their input. If given, a normalisation without weights gets a scale of one and an offset of zero:
            those of the builder's networks have weights.
    """
    remaining = iter(values)
    groups: list[list[np.ndarray]] = []
    for step in steps:
        match step:
            case Conv() | Depthwise():
                groups.append([next(remaining)])
            case Norm(affine):
                groups.append([next(remaining), next(remaining)] if affine else _neutral(channels))
            case FactorizedReduce():
                groups += [[next(remaining)], [next(remaining)]]
        channels = step.filters if channels and isinstance(step, Conv | FactorizedReduce) else channels
    return groups


def _neutral(channels: int) -> list[np.ndarray]:
    """Scale and offset that change nothing; no weights for zero channels."""
    return [np.ones(channels, np.float32), np.zeros(channels, np.float32)] if channels else []
