"""NASNet's controller: an LSTM that decides the choices of a space in order, and proximal policy optimisation (PPO).

The LSTM has one layer, and each choice is one time step with a softmax of its own. The embedding of the picked option
is the next input. The gradients are written out in NumPy: with such small batches TensorFlow would spend most of its
time on tracing and dispatch, and a search on a table would take seconds instead of a fraction of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness import Space

from .adam import Adam

Numbers = NDArray[np.float64]
Integers = NDArray[np.intp]
IMPOSSIBLE = -1e9
"""Logit of an option that does not exist; its probability is exactly 0."""


class _Decided(NamedTuple):
    """The values of one decision that the backward pass needs; all ``(batch, ...)``."""

    x_and_h: Numbers
    gates: tuple[Numbers, Numbers, Numbers, Numbers]  # input, forget, output, candidate
    cell_before: Numbers
    squashed_cell: Numbers
    output: Numbers
    log_p: Numbers  # of every option


@dataclass(frozen=True)
class Walks:
    """A batch of architectures, and the controller's states on the way through their decisions.

    Args:
        picks: ``(batch, decisions)``.
        log_prob, entropy: summed over the decisions, in nats, ``(batch,)``.
    """

    picks: Integers
    log_prob: Numbers
    entropy: Numbers
    states: tuple[_Decided, ...]


class LstmPolicy:
    """A distribution over the genotypes of a space.

    Args:
        space: with at least one choice.
        rng: draws the weights from U(-bound, bound).
        units: of the LSTM, which has no biases.
        bound: see ``rng``.

    Attributes:
        weights: by name; an optimiser changes the arrays in place.
    """

    def __init__(self, space: Space, rng: np.random.Generator, *, units: int, bound: float) -> None:
        options = np.array([len(choice) for choice in space.choices])
        self.decisions, most = len(options), int(options.max())
        self._impossible = np.where(np.arange(most) < options[:, None], 0.0, IMPOSSIBLE)
        shapes = {
            "start": (units,),
            "lstm": (2 * units, 4 * units),
            "heads": (self.decisions, units, most),
            "embeddings": (self.decisions - 1, most, units),
        }
        self.weights = {name: rng.uniform(-bound, bound, shape) for name, shape in shapes.items()}

    def sample(self, uniforms: Numbers) -> Walks:
        """Draws one architecture per row of ``uniforms`` ``(batch, decisions)``, in [0, 1)."""
        return self._walk(uniforms, None)

    def read(self, picks: Integers) -> Walks:
        """The probabilities of given ``picks`` ``(batch, decisions)``."""
        return self._walk(np.zeros(picks.shape), picks)

    def _walk(self, uniforms: Numbers, forced: Integers | None) -> Walks:
        kernel, heads = self.weights["lstm"], self.weights["heads"]
        batch, units = len(uniforms), heads.shape[1]
        x, h, cell = np.tile(self.weights["start"], (batch, 1)), np.zeros((batch, units)), np.zeros((batch, units))
        states, columns = [], []
        for decision in range(self.decisions):
            x_and_h, before = np.concatenate([x, h], axis=1), cell
            raw = np.split(x_and_h @ kernel, 4, axis=1)
            i, f, o, g = (*(_sigmoid(part) for part in raw[:3]), np.tanh(raw[3]))
            cell = f * before + i * g
            squashed = np.tanh(cell)
            h = o * squashed
            log_p = _log_softmax(h @ heads[decision] + self._impossible[decision])
            states.append(_Decided(x_and_h, (i, f, o, g), before, squashed, h, log_p))
            columns.append(_draw(log_p, uniforms[:, decision]) if forced is None else forced[:, decision])
            if decision < self.decisions - 1:
                x = self.weights["embeddings"][decision, columns[-1]]
        rows = np.arange(batch)
        log_prob = sum(state.log_p[rows, picks] for state, picks in zip(states, columns, strict=True))
        entropy = sum(_entropy(state.log_p) for state in states)
        return Walks(np.stack(columns, axis=1), np.asarray(log_prob), np.asarray(entropy), tuple(states))

    def gradient(self, walks: Walks, by_log_prob: Numbers, by_entropy: float) -> dict[str, Numbers]:
        """Gradient of ``sum(by_log_prob * log_prob) + by_entropy * sum(entropy)`` with respect to the weights.

        Args:
            walks: computed with the present weights.
            by_log_prob: ``(batch,)``.
            by_entropy: a number.
        """
        kernel, heads = self.weights["lstm"], self.weights["heads"]
        gradients = {name: np.zeros_like(weight) for name, weight in self.weights.items()}
        rows, units = np.arange(len(walks.picks)), heads.shape[1]
        from_later = cell_from_later = np.zeros((len(rows), units))
        for decision in reversed(range(self.decisions)):
            state, picks = walks.states[decision], walks.picks[:, decision]
            p = np.exp(state.log_p)
            d_logits = -by_log_prob[:, None] * p - by_entropy * p * (state.log_p + _entropy(state.log_p)[:, None])
            d_logits[rows, picks] += by_log_prob
            gradients["heads"][decision] = state.output.T @ d_logits
            d_h = from_later + d_logits @ heads[decision].T
            i, f, o, g = state.gates
            d_cell = cell_from_later + d_h * o * (1 - state.squashed_cell**2)
            d_o = d_h * state.squashed_cell * o * (1 - o)
            d_gates = (d_cell * g * i * (1 - i), d_cell * state.cell_before * f * (1 - f), d_o, d_cell * i * (1 - g**2))
            d_raw = np.concatenate(d_gates, axis=1)
            gradients["lstm"] += state.x_and_h.T @ d_raw
            d_x, from_later = np.split(d_raw @ kernel.T, 2, axis=1)
            cell_from_later = d_cell * f
            if decision:
                np.add.at(gradients["embeddings"][decision - 1], walks.picks[:, decision - 1], d_x)
            else:
                gradients["start"] += d_x.sum(axis=0)
        return gradients


class Ppo:
    """Maximises the clipped objective of Schulman et al. (2017) on whole architectures, by Adam.

    Let r be the ratio of an architecture's probability now to that when it was sampled, and A its advantage. The
    objective is the mean of ``min(r A, clip(r, 1 - clip, 1 + clip) A)`` plus the weighted entropy.

    Args:
        policy: what is trained.
        clip: how far r may leave 1 before it stops to count.
        entropy_weight: of the mean entropy.
    """

    def __init__(self, policy: LstmPolicy, *, clip: float, entropy_weight: float) -> None:
        self._policy, self._clip, self._entropy_weight = policy, clip, entropy_weight
        self._adam = Adam(list(policy.weights.values()))

    def gradient(self, walks: Walks, old: Numbers, advantages: Numbers) -> dict[str, Numbers]:
        """Gradient of the objective.

        Args:
            walks: computed with the present weights.
            old: log-probabilities of its picks when they were sampled, ``(batch,)``.
            advantages: ``(batch,)``.
        """
        ratio = np.exp(walks.log_prob - old)
        clipped = np.where(advantages > 0, ratio > 1 + self._clip, ratio < 1 - self._clip)
        by_log_prob = np.where(clipped, 0.0, ratio * advantages) / len(ratio)
        return self._policy.gradient(walks, by_log_prob, self._entropy_weight / len(ratio))

    def improve(self, sampled: Walks, advantages: Numbers, passes: int, rate: float) -> None:
        """Several gradient steps on one minibatch; the old probabilities stay those of its sampling."""
        for number in range(passes):
            walks = self._policy.read(sampled.picks) if number else sampled
            uphill = self.gradient(walks, sampled.log_prob, advantages)
            self._adam.descend([-part for part in uphill.values()], rate)


def _sigmoid(x: Numbers) -> Numbers:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def _log_softmax(logits: Numbers) -> Numbers:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _entropy(log_p: Numbers) -> Numbers:
    return -(np.exp(log_p) * log_p).sum(axis=1)


def _draw(log_p: Numbers, uniform: Numbers) -> Integers:
    """The first option whose cumulative probability exceeds the uniform number."""
    return np.argmax(np.cumsum(np.exp(log_p), axis=1) > uniform[:, None], axis=1)
