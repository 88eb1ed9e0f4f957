"""ENAS' controller in NAS-Bench-201's cell (Dong & Yang, ICLR 2020): one LSTM time step and one softmax per edge.

The embedding of the picked operation is the next input; logits are 2.5 tanh(logits / 5). The LSTM has two layers of 32
units, Adam beta_1 = 0 and epsilon 1e-3, as in the benchmark's scripts.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from harness import Space

from .policy import Controller, ControllerWeights, Lstm, Walk, categorical, squeeze


class EdgeController(Controller):
    """A policy over any choices, in their order.

    Args:
        space: its choices are the decisions.
        rng: draws the weights.
        units, layers: of the LSTM.
        bound: weights start in U(-bound, bound).
        temperature, tanh_constant: of the logits.
        learning_rate: Adam's.
        clip: the largest norm of the gradient; 0: any.
    """

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        *,
        units: int = 32,
        layers: int = 2,
        bound: float = 0.1,
        temperature: float = 5.0,
        tanh_constant: float = 2.5,
        learning_rate: float = 1e-3,
        clip: float = 0.0,
    ) -> None:
        weights = ControllerWeights(rng, bound)
        self._temperature, self._tanh = temperature, tanh_constant
        self._lstm = Lstm(weights, units, layers)
        self._begin = weights.uniform("start", 1, units)
        sizes = [len(choice) for choice in space.choices]
        self._heads = [weights.uniform(f"head.{number}", units, size) for number, size in enumerate(sizes)]
        self._embeddings = [weights.uniform(f"embedding.{number}", size, units) for number, size in enumerate(sizes)]
        adam = keras.optimizers.Adam(learning_rate, beta_1=0.0, epsilon=1e-3, global_clipnorm=clip or None)
        super().__init__(len(space.choices), weights, adam)

    def walk(self, uniforms: tf.Tensor, forced: tf.Tensor) -> Walk:
        """Decides edge by edge; see :meth:`Controller.walk`."""
        batch = tf.shape(uniforms)[0]
        x, state, decisions = tf.zeros([batch, 1]) + self._begin, self._lstm.start(batch), []
        for number, (head, embedding) in enumerate(zip(self._heads, self._embeddings, strict=True)):
            h, state = self._lstm(x, state)
            logits = squeeze(tf.matmul(h, head) / self._temperature, self._tanh)
            decisions.append(categorical(logits, uniforms[:, number], forced[:, number]))
            x = tf.matmul(tf.one_hot(decisions[-1].pick, embedding.shape[0]), embedding)
        picks = tf.stack([decision.pick for decision in decisions], axis=1)
        log_prob = tf.add_n([decision.log_prob for decision in decisions])
        entropy = tf.stop_gradient(tf.add_n([decision.entropy for decision in decisions]))
        return Walk(picks, log_prob, entropy, tf.zeros([batch]))
