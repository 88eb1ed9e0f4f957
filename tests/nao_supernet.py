"""A supernet without weights: it remembers what it was asked and scores paths by a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from harness.nets.supernets.flat_weights import Handle
from harness.nets.supernets.gated import GatedSupernet
from harness.nets.supernets.relaxed import Layers

Score = Callable[[tuple[int, ...], int], float]
"""Accuracy of a path, given its picks and a number that stands for the batch."""


class FakeNet(GatedSupernet):
    """Stands for a supernet wherever one is trained and measured.

    Attributes:
        trained: picks, fingerprint of the batch and rate of each step.
        measured: picks, fingerprint of the batch and the accuracy that was told.
        calls: all that it was asked, in order.
        learnt, judged: of every image that a step, or anything else, was about: its label, and whether it is bright.
    """

    def __init__(self, score: Score = lambda picks, batch: sum(picks) % 97 / 97) -> None:
        self.trained: list[tuple[tuple[int, ...], int, float]] = []
        self.measured: list[tuple[tuple[int, ...], int, float]] = []
        self.calls: list[tuple[Any, ...]] = []
        self.learnt: set[tuple[int, bool]] = set()
        self.judged: set[tuple[int, bool]] = set()
        self._score, self._weights = score, 0
        self.train_step, self.correct = self._remember, self._tell

    def _remember(self, images: tf.Tensor, labels: tf.Tensor, picks: tf.Tensor, rate: tf.Tensor) -> None:
        self.trained.append((tuple(picks.numpy().tolist()), _fingerprint(labels), float(rate)))
        self._learn(images, labels, *self.trained[-1])

    def _tell(self, images: tf.Tensor, labels: tf.Tensor, picks: tf.Tensor) -> float:
        path, batch = tuple(picks.numpy().tolist()), _fingerprint(labels)
        self.measured.append((path, batch, self._score(path, batch)))
        self._judge(images, labels, *self.measured[-1])
        return self.measured[-1][-1]

    def _learn(self, images: tf.Tensor, labels: tf.Tensor, *call: Any) -> None:
        """Of a step, the images and the rest."""
        self.learnt |= _looks(images, labels)
        self.calls.append(call)
        self._weights = (31 * self._weights + _fingerprint(labels)) % 1_000_003

    def _judge(self, images: tf.Tensor, labels: tf.Tensor, *call: Any) -> None:
        """Of anything that moves no weights."""
        self.judged |= _looks(images, labels)
        self.calls.append(call)

    def state(self) -> dict[str, np.ndarray]:
        """A number that stands for the weights: it tells which batches they have seen, in which order."""
        return {"weights": np.array(self._weights)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Takes the number over."""
        self._weights = int(state["weights"])

    def network(self, images: tf.Tensor, weights: Sequence[tf.Tensor], picks: tf.Tensor) -> tf.Tensor:
        """There is none."""
        raise NotImplementedError

    def gated(self) -> list[tuple[Handle, np.ndarray]]:
        """There are none."""
        raise NotImplementedError

    def flags(self, picks: tf.Tensor) -> list[tf.Tensor]:
        """There are none."""
        raise NotImplementedError

    def macs(self, picks: Sequence[int] | np.ndarray) -> int:
        """Ten, and one for every unit of the picks."""
        return 10 + int(np.sum(picks))

    def cut(self, picks: Sequence[int]) -> tuple[Layers, list[np.ndarray]]:
        """There is none."""
        raise NotImplementedError


def _fingerprint(labels: tf.Tensor) -> int:
    """A number that tells batches apart by their labels."""
    return int(np.dot(labels.numpy(), 5 ** np.arange(len(labels)) % 1_000_003))


def _looks(images: tf.Tensor, labels: tf.Tensor) -> set[tuple[int, bool]]:
    """Label of each image, and whether it is bright; the images are normalised."""
    return set(zip(labels.numpy().tolist(), (images.numpy().mean((1, 2, 3)) > 0).tolist(), strict=True))
