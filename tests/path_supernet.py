"""A supernet of single paths without weights, in the place of :class:`harness.nets.supernets.paths.GatedPaths`."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from harness.methods.common import path_search
from nao_supernet import FakeNet, Score

from harness.core.space import Space
from harness.spaces.nasbench201 import NB201_EDGES, NasBench201Space

ALL, MOST = 1000, 100
"""Multiply-accumulates of all candidates together, and of the most expensive path."""


class FakeRelaxed:
    """What searches ask of the relaxed network."""

    kinds, edges, macs = 1, 6, ALL

    def __init__(self, operations: tuple[str, ...], path_macs: Callable[[np.ndarray], int]) -> None:
        self.operations, self.path_macs = operations, path_macs

    def cells(self) -> list[tuple[int, Any]]:
        """One cell, of which only the edges are known."""
        return [(0, SimpleNamespace(edges=list(NB201_EDGES)))]

    def most_macs(self) -> int:
        """More than any path takes."""
        return MOST


class FakePaths(FakeNet):
    """Remembers what it was asked; NAS-Bench-201's cell only. A path costs ten, and one for every unit of its picks.

    Attributes:
        net: stands for the relaxed network.
        mixed: shares and rate of every step of the mixed network.
        asked: shares whose gradient was asked for.
        slope: that gradient, (kinds, edges, operations).
        gates_asked: paths whose gradient by gates was asked for.
        charges: what an operation adds to the loss where it is on the path, (edges, operations).
    """

    def __init__(self, space: Space, score: Score) -> None:
        super().__init__(score)
        assert isinstance(space, NasBench201Space)
        self.net = FakeRelaxed(space.operations, self.macs)
        self.mixed: list[tuple[np.ndarray, float]] = []
        self.asked: list[np.ndarray] = []
        self.slope = np.zeros((1, 6, len(self.net.operations)), np.float32)
        self.gates_asked: list[tuple[int, ...]] = []
        self.charges = np.zeros((6, len(self.net.operations)), np.float32)
        self.mixed_step, self.mixing_gradient = self._remember_mixed, self._tell_slope
        self.gate_gradient = self._tell_charges

    def reduced(self, path: np.ndarray) -> np.ndarray:
        """The path: all of it counts."""
        return path

    def _remember_mixed(self, images: tf.Tensor, labels: tf.Tensor, mixing: tf.Tensor, rate: tf.Tensor) -> None:
        self.mixed.append((mixing.numpy(), float(rate)))
        self._learn(images, labels, mixing.numpy().tobytes(), float(rate))

    def _tell_slope(self, images: tf.Tensor, labels: tf.Tensor, mixing: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        self.asked.append(mixing.numpy())
        self._judge(images, labels, mixing.numpy().tobytes())
        return tf.constant(self.slope), tf.constant(0.5)

    def _tell_charges(self, images: tf.Tensor, labels: tf.Tensor, path: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        self.gates_asked.append(tuple(path.numpy().tolist()))
        self._judge(images, labels, self.gates_asked[-1])
        return tf.constant(self.charges[np.arange(6), path.numpy()]), tf.constant(0.5)


def install(
    monkeypatch: pytest.MonkeyPatch,
    score: Score,
    slope: np.ndarray | None = None,
    charges: np.ndarray | None = None,
) -> list[FakePaths]:
    """Puts fakes in the place of all supernets that searches make; they are appended to the returned list."""
    made: list[FakePaths] = []

    def make(space: Space, *_: Any, **__: Any) -> FakePaths:
        made.append(FakePaths(space, score))
        if slope is not None:
            made[-1].slope = slope
        if charges is not None:
            made[-1].charges = charges
        return made[-1]

    monkeypatch.setattr(path_search, "GatedPaths", make)
    return made
