"""Shared weights in general: one traced network, one path of it switched on per step (Pham et al., ICML 2018).

An architecture is an integer vector, made from the picks of a genotype and given to the traced graph as a tensor: a
thousand children share one trace. Only the chosen branch of each ``switch_case`` runs. A step updates only weights on
the chosen path: momentum and weight decay of all others rest, so that a path is exactly as it was left. Normalisations
always use the statistics of the batch, in search and in evaluation (ENAS micro does; ENAS macro's code uses moving
averages, which mix the statistics of all architectures).
"""

from __future__ import annotations

import abc
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from harness.core.measure import Shape
from harness.nets.layout import Layout
from harness.nets.supernets.flat_weights import Handle, Weights
from harness.nets.supernets.relaxed import Layers


class GatedSupernet(abc.ABC):
    """Shared weights, a masked Nesterov step, and the accuracy of one path.

    Args:
        weights: the laid-out weights.
        picks: length of the vector that the graph is told of an architecture.
        image_shape: of the data; the graph needs to know it, because some kernels are chosen by the shape.
        momentum, weight_decay, clip: of the shared weights' optimiser; the norm is clipped at ``clip``.
    """

    def __init__(
        self,
        weights: Weights,
        picks: int,
        image_shape: Shape,
        *,
        momentum: float,
        weight_decay: float,
        clip: float,
    ) -> None:
        self.layout = Layout([value.shape for value in weights.values])
        self.weights = tf.Variable(self.layout.join(weights.values))
        self._velocity = tf.Variable(tf.zeros_like(self.weights), trainable=False)
        self._momentum, self._decay, self._clip = momentum, weight_decay, clip
        self._flag_of = tf.constant(self._flags_of_numbers(weights))
        vector = tf.TensorSpec([picks], tf.int32)
        images, labels = tf.TensorSpec([None, *image_shape], tf.float32), tf.TensorSpec([None], tf.int64)
        signature = [images, labels, vector, tf.TensorSpec([], tf.float32)]
        self.train_step = tf.function(self._train_step, input_signature=signature, autograph=False)
        self.correct = tf.function(self._correct, input_signature=signature[:3], autograph=False)

    def vector(self, picks: Sequence[int] | np.ndarray) -> np.ndarray:
        """What the graph is told of an architecture: its picks, unless a subclass says otherwise."""
        return np.asarray(picks, np.int32)

    def logits(self, images: tf.Tensor, picks: tf.Tensor) -> tf.Tensor:
        """Logits of the path ``picks`` on normalised images (n, h, w, c)."""
        return self.network(images, self.layout.split_tensor(tf.convert_to_tensor(self.weights)), picks)

    @abc.abstractmethod
    def network(self, images: tf.Tensor, weights: Sequence[tf.Tensor], picks: tf.Tensor) -> tf.Tensor:
        """The same as a function of the weights, each in its shape."""

    @abc.abstractmethod
    def gated(self) -> list[tuple[Handle, np.ndarray]]:
        """Weights that some paths leave out, and their flags: integers from 0 that fit to the weights' shapes."""

    @abc.abstractmethod
    def flags(self, picks: tf.Tensor) -> list[tf.Tensor]:
        """Whether the path uses them: boolean vectors, end to end the flags of :meth:`gated`."""

    @abc.abstractmethod
    def cut(self, picks: Sequence[int]) -> tuple[Layers, list[np.ndarray]]:
        """The weights of one child, for the standalone network of the same genotype and size."""

    @abc.abstractmethod
    def macs(self, picks: Sequence[int] | np.ndarray) -> int:
        """Multiply-accumulates of one image's forward pass along the path ``picks``: what is really computed.

        That is the child's, and on top of it what the shared network computes for every path alike.
        """

    def active(self, picks: tf.Tensor) -> tf.Tensor:
        """For each number of :attr:`weights`, whether the path uses it."""
        return tf.gather(tf.concat([[True], *self.flags(picks)], 0), self._flag_of)

    def _flags_of_numbers(self, weights: Weights) -> np.ndarray:
        """Place of each number's flag; the first flag is always set."""
        owners = [np.zeros(value.shape, np.int32) for value in weights.values]
        first = 1
        for handle, flags in self.gated():
            for owner in handle.of(owners):
                owner[...] = first + flags
            first += int(flags.max()) + 1
        return self.layout.join(owners)

    def _train_step(self, images: tf.Tensor, labels: tf.Tensor, picks: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        weights = tf.convert_to_tensor(self.weights)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            logits = self.network(images, self.layout.split_tensor(weights), picks)
            loss = cross_entropy(logits, labels)
        self.descend(tape.gradient(loss, weights), self.active(picks), rate)
        return loss

    def descend(self, gradient: tf.Tensor, active: tf.Tensor, rate: tf.Tensor) -> None:
        """A gradient step of the weights that are ``active``; the others and their momentum rest."""
        weights = tf.convert_to_tensor(self.weights)
        gradient = tf.clip_by_norm(gradient, self._clip) + self._decay * weights
        moved = self._momentum * self._velocity + gradient
        self._velocity.assign(tf.where(active, moved, self._velocity))
        self.weights.assign(tf.where(active, weights - rate * (gradient + self._momentum * moved), weights))

    def _correct(self, images: tf.Tensor, labels: tf.Tensor, picks: tf.Tensor) -> tf.Tensor:
        return accuracy(self.logits(images, picks), labels)

    def state(self) -> dict[str, np.ndarray]:
        """Weights and momentum, for a checkpoint."""
        return {"weights": self.weights.numpy(), "velocity": self._velocity.numpy()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Takes up a checkpoint."""
        self.weights.assign(state["weights"])
        self._velocity.assign(state["velocity"])

    def values(self) -> list[np.ndarray]:
        """The weights, each in its shape."""
        return self.layout.split(self.weights.numpy())


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Mean loss of a batch."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def accuracy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Share of a batch that is classified rightly."""
    return tf.reduce_mean(tf.cast(tf.argmax(logits, -1) == labels, tf.float32))
