"""The parts of a recurrent policy and REINFORCE, for the controllers of NAS-RL, ENAS macro and ENAS micro.

A controller is one function, :meth:`Controller.walk`, that makes the decisions of an architecture in order. A decision
is drawn by inverting the cumulative distribution at a uniform number, which the caller passes in: there is no random
generator in here, and the same numbers give the same picks in every process. Decisions can be forced instead. Sampling
forces none and teacher forcing forces all, so that the gradient sees the probability from which was sampled.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

import abc
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from harness import State

IMPOSSIBLE = -1e9
"""Logit of an option that does not exist; its probability is exactly 0 in single precision."""


class Decision(NamedTuple):
    """One decision for a batch of architectures: picks (int32), their log-probability and the entropy, in nats."""

    pick: tf.Tensor
    log_prob: tf.Tensor
    entropy: tf.Tensor


class Walk(NamedTuple):
    """A batch of architectures: ``picks`` (n, decisions); the rest (n,), in nats; NumPy arrays or tensors.

    The entropy has no gradient: ENAS adds it to the reward only.
    """

    picks: np.ndarray
    log_prob: np.ndarray
    entropy: np.ndarray
    penalty: np.ndarray


class ControllerWeights:
    """Trainable tensors by name, drawn from U(-bound, bound) by a NumPy generator."""

    def __init__(self, rng: np.random.Generator, bound: float) -> None:
        self._rng, self._bound = rng, bound
        self.variables: dict[str, tf.Variable] = {}

    def uniform(self, name: str, *shape: int) -> tf.Variable:
        """A new random tensor."""
        return self.constant(name, self._rng.uniform(-self._bound, self._bound, shape))

    def constant(self, name: str, values: np.ndarray | list[float]) -> tf.Variable:
        """A new tensor with these values."""
        self.variables[name] = tf.Variable(np.asarray(values, np.float32), name=name.replace(".", "_"))
        return self.variables[name]


class Lstm:
    """Stacked LSTM cells without biases, gate order input, forget, output, candidate (as in ENAS' code).

    Args:
        weights: get the kernels, ``name.0`` and so on.
        units, layers: of the cells.
        inputs: what the first layer reads; 0 for as many as it has units.
        name: of the kernels.
    """

    def __init__(
        self, weights: ControllerWeights, units: int, layers: int = 1, *, inputs: int = 0, name: str = "lstm"
    ) -> None:
        self.units = units
        reads = [inputs or units, *[units] * (layers - 1)]
        self._kernels = [weights.uniform(f"{name}.{n}", read + units, 4 * units) for n, read in enumerate(reads)]

    def start(self, batch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The zero state: cell and output of each layer, ``(batch, units)``."""
        return tuple(tf.zeros([batch, self.units]) for _ in range(2 * len(self._kernels)))

    def __call__(self, x: tf.Tensor, state: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        """One time step: the top layer's output and the new state."""
        new: list[tf.Tensor] = []
        for layer, kernel in enumerate(self._kernels):
            gates = tf.matmul(tf.concat([x, state[2 * layer + 1]], axis=1), kernel)
            i, f, o, g = tf.split(gates, 4, axis=1)
            cell = tf.sigmoid(f) * state[2 * layer] + tf.sigmoid(i) * tf.tanh(g)
            x = tf.sigmoid(o) * tf.tanh(cell)
            new += [cell, x]
        return x, tuple(new)


class Attention:
    """Scores of anchor points, ``v . tanh(W_previous h_j + W_current h)``; the products ``W_previous h_j`` are keys."""

    def __init__(self, weights: ControllerWeights, units: int) -> None:
        self._previous = weights.uniform("attention.previous", units, units)
        self._current = weights.uniform("attention.current", units, units)
        self._v = weights.uniform("attention.v", units)

    def key(self, h: tf.Tensor) -> tf.Tensor:
        """The key of an anchor point with the output ``h`` ``(batch, units)``, same shape."""
        return tf.matmul(h, self._previous)

    def __call__(self, keys: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
        """Keys ``(batch, n, units)`` and the current output ``(batch, units)`` to scores ``(batch, n)``."""
        query = tf.expand_dims(tf.matmul(h, self._current), 1)
        return tf.reduce_sum(tf.tanh(keys + query) * self._v, axis=2)


def put(memory: tf.Tensor, index: tf.Tensor | int, values: tf.Tensor) -> tf.Tensor:
    """``memory`` ``(batch, n, units)``, which is zero at ``index``, with ``values`` ``(batch, units)`` there."""
    return memory + tf.reshape(tf.one_hot(index, memory.shape[1]), [1, -1, 1]) * tf.expand_dims(values, 1)


def squeeze(logits: tf.Tensor, bound: float) -> tf.Tensor:
    """``bound * tanh(logits)``, which keeps an early policy exploring; with ``bound`` 0 the logits themselves."""
    return bound * tf.tanh(logits) if bound else logits


def categorical(logits: tf.Tensor, uniform: tf.Tensor, forced: tf.Tensor) -> Decision:
    """One pick among the options of the last axis of ``logits``.

    Args:
        logits: ``(batch, options)``.
        uniform: ``(batch,)``, in [0, 1): the pick is the first option whose cumulative probability exceeds it.
        forced: ``(batch,)``, the pick if not negative.
    """
    log_p = tf.nn.log_softmax(logits)
    p = tf.exp(log_p)
    drawn = tf.argmax(tf.cumsum(p, axis=-1) > uniform[:, None], axis=-1, output_type=tf.int32)
    pick = tf.where(forced >= 0, forced, drawn)
    log_prob = tf.reduce_sum(tf.one_hot(pick, logits.shape[-1]) * log_p, axis=-1)
    return Decision(pick, log_prob, -tf.reduce_sum(p * log_p, axis=-1))


def bernoulli(logits: tf.Tensor, uniform: tf.Tensor, forced: tf.Tensor) -> Decision:
    """Independent bits with probability sigmoid(logit) of being 1, elementwise; arguments of one shape."""
    pick = tf.where(forced >= 0, forced, tf.cast(uniform < tf.sigmoid(logits), tf.int32))
    log_prob = -tf.nn.softplus(tf.where(pick > 0, -logits, logits))
    return Decision(pick, log_prob, tf.nn.softplus(logits) - logits * tf.sigmoid(logits))


class Controller(abc.ABC):
    """A policy over architectures, trained by REINFORCE with Adam.

    Args:
        decisions: length of an architecture.
        weights: its trainable tensors, all created.
        optimizer: applied to the gradient of ``mean(-advantage * log P + penalty_weight * penalty)``.
        penalty_weight: weight of :attr:`Walk.penalty` in the loss.
    """

    def __init__(
        self,
        decisions: int,
        weights: ControllerWeights,
        optimizer: keras.optimizers.Optimizer,
        penalty_weight: float = 0.0,
    ) -> None:
        self.decisions, self.weights = decisions, weights
        self._optimizer, self._penalty_weight = optimizer, penalty_weight
        self._variables = list(weights.variables.values())
        optimizer.build(self._variables)
        numbers = tf.TensorSpec([None, decisions], tf.float32)
        picks = tf.TensorSpec([None, decisions], tf.int32)
        self._walk = tf.function(self.walk, input_signature=[numbers, picks], autograph=False)
        self._step = tf.function(self._reinforce, autograph=False)

    @abc.abstractmethod
    def walk(self, uniforms: tf.Tensor, forced: tf.Tensor) -> Walk:
        """Makes all decisions; this function is traced.

        Args:
            uniforms: ``(batch, decisions)`` in [0, 1), in the order of the space's choices.
            forced: ``(batch, decisions)``, int32: the pick, or -1 to draw.
        """

    def sample(self, uniforms: np.ndarray) -> Walk:
        """One architecture per row of ``uniforms`` ``(n, decisions)``, float32 in [0, 1)."""
        return _numpy(self._walk(uniforms, np.full(uniforms.shape, -1, np.int32)))

    def read(self, picks: np.ndarray) -> Walk:
        """Probability, entropy and penalty of given ``picks`` ``(n, decisions)`` by teacher forcing."""
        return _numpy(self._walk(np.zeros(picks.shape, np.float32), np.asarray(picks, np.int32)))

    def train(self, picks: np.ndarray, advantages: np.ndarray) -> None:
        """One gradient step that increases the mean of ``advantage * log P``; traced once per batch size."""
        self._step(tf.constant(picks, tf.int32), tf.constant(advantages, tf.float32))

    def gradient(self, picks: tf.Tensor, advantages: tf.Tensor) -> list[tf.Tensor]:
        """Gradient of the loss (see the class) with respect to the weights, in the order of their creation."""
        with tf.GradientTape() as tape:
            walk = self.walk(tf.zeros(tf.shape(picks)), picks)
            loss = tf.reduce_mean(-advantages * walk.log_prob + self._penalty_weight * walk.penalty)
        return tape.gradient(loss, self._variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _reinforce(self, picks: tf.Tensor, advantages: tf.Tensor) -> None:
        self._optimizer.apply(self.gradient(picks, advantages), self._variables)

    def state(self) -> State:
        """Weights and optimizer slots, for a checkpoint."""
        slots = {f"optimizer.{i}": variable.numpy() for i, variable in enumerate(self._optimizer.variables)}
        return {name: variable.numpy() for name, variable in self.weights.variables.items()} | slots

    def restore(self, state: State) -> None:
        """Takes over what :meth:`state` returned; other entries are ignored."""
        for name, variable in self.weights.variables.items():
            variable.assign(state[name])
        for i, variable in enumerate(self._optimizer.variables):
            variable.assign(state[f"optimizer.{i}"])


def _numpy(walk: Walk) -> Walk:
    return Walk(*(np.asarray(part) for part in walk))
