"""The controller of spaces made of layers with skip bits: NAS-RL's chain, and the base of ENAS macro's.

Every decision of a layer but its skips is one LSTM time step with a softmax; the embedding of the pick is the next
input. One more time step is the layer's anchor point, whose output is compared with those of all earlier anchor points
to draw one bit per earlier layer. The next layer's first input is the sum of the chosen anchors divided by one plus
their number (as in ENAS' code; Zoph & Le do not say). The first two layers begin with a learned start vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from harness.core.space import positions_by_node
from harness.spaces.enas_macro import MacroSpace
from harness.spaces.nas_rl import ConvChainSpace

from .policy import Attention, Controller, ControllerWeights, Decision, Lstm, Walk, bernoulli, categorical, put


class LayeredController(Controller):
    """Softmax decisions and skip bits, layer by layer.

    Args:
        space: its choices give the decisions and their order.
        rng: draws the weights.
        units, layers: of the LSTM.
        bound: weights start in U(-bound, bound).
        optimizer, penalty_weight: see :class:`Controller`.
    """

    def __init__(
        self,
        space: ConvChainSpace | MacroSpace,
        rng: np.random.Generator,
        *,
        units: int,
        layers: int,
        bound: float,
        optimizer: keras.optimizers.Optimizer,
        penalty_weight: float = 0.0,
    ) -> None:
        weights = ControllerWeights(rng, bound)
        layers_of_choices = list(positions_by_node(space.choices).values())
        first = {space.choices[position].kind: len(space.choices[position]) for position in layers_of_choices[0]}
        self._depth = len(layers_of_choices)
        self._columns = _columns(layers_of_choices, len(first))
        self._lstm = Lstm(weights, units, layers)
        self._attention = Attention(weights, units)
        self._begin = weights.uniform("start", 1, units)
        self._heads = [weights.uniform(f"head.{kind}", units, size) for kind, size in first.items()]
        self._embeddings = [weights.uniform(f"embedding.{kind}", size, units) for kind, size in first.items()]
        super().__init__(len(space.choices), weights, optimizer, penalty_weight)

    def head_logits(self, logits: tf.Tensor) -> tf.Tensor:
        """Logits of a decision by softmax, from the projected output."""
        return logits

    def skip_logits(self, scores: tf.Tensor) -> tf.Tensor:
        """Logits of P(skip) from the attention's scores."""
        return scores

    def skip_penalty(self, scores: tf.Tensor) -> tf.Tensor:
        """The penalty of each skip; it is summed over a layer and averaged over the layers that have skips."""
        return tf.zeros_like(scores)

    def walk(self, uniforms: tf.Tensor, forced: tf.Tensor) -> Walk:
        """Decides layer by layer; see :meth:`Controller.walk`."""
        batch = tf.shape(uniforms)[0]
        numbers, fixed = tf.gather(uniforms, self._columns, axis=1), tf.gather(forced, self._columns, axis=1)
        zeros = tf.zeros([batch])

        def body(layer, x, state, anchors, keys, log_prob, entropy, penalty, picks):  # type: ignore[no-untyped-def]
            u, f = numbers[:, layer], fixed[:, layer]
            x, state, plain = self._plain(x, state, u, f)
            h, state = self._lstm(x, state)
            scores = self._attention(keys, h)
            skips = bernoulli(self.skip_logits(scores), u[:, len(plain) :], f[:, len(plain) :])
            earlier = tf.cast(tf.range(self._depth) < layer, tf.float32)
            x = self._next_input(layer, anchors, tf.cast(skips.pick, tf.float32) * earlier)
            anchors, keys = put(anchors, layer, h), put(keys, layer, self._attention.key(h))
            log_prob += tf.add_n([d.log_prob for d in plain]) + tf.reduce_sum(earlier * skips.log_prob, axis=1)
            told = tf.add_n([d.entropy for d in plain]) + tf.reduce_sum(earlier * skips.entropy, axis=1)
            entropy += tf.stop_gradient(told)
            penalty += tf.reduce_sum(earlier * self.skip_penalty(scores), axis=1) / max(1, self._depth - 1)
            picks = picks.write(layer, tf.concat([*(d.pick[:, None] for d in plain), skips.pick], axis=1))
            return layer + 1, x, state, anchors, keys, log_prob, entropy, penalty, picks

        start = tf.zeros([batch, 1]) + self._begin
        empty = tf.zeros([batch, self._depth, self._lstm.units])
        drawn = tf.TensorArray(tf.int32, self._depth)
        loop = (0, start, self._lstm.start(batch), empty, empty, zeros, zeros, zeros, drawn)
        *_, log_prob, entropy, penalty, drawn = tf.while_loop(
            lambda layer, *_: layer < self._depth, body, loop, maximum_iterations=self._depth
        )
        by_layer = tf.reshape(tf.transpose(drawn.stack(), [1, 0, 2]), [batch, self._columns.size])
        picks = tf.gather(by_layer, _positions(self._columns, self.decisions), axis=1)
        return Walk(picks, log_prob, entropy, penalty)

    def _plain(
        self, x: tf.Tensor, state: tuple[tf.Tensor, ...], uniforms: tf.Tensor, forced: tf.Tensor
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...], list[Decision]]:
        """A layer's decisions by softmax: the next input, the LSTM's state and the decisions."""
        decisions = []
        for kind, (head, embedding) in enumerate(zip(self._heads, self._embeddings, strict=True)):
            h, state = self._lstm(x, state)
            logits = self.head_logits(tf.matmul(h, head))
            decisions.append(categorical(logits, uniforms[:, kind], forced[:, kind]))
            x = tf.matmul(tf.one_hot(decisions[-1].pick, embedding.shape[0]), embedding)
        return x, state, decisions

    def _next_input(self, layer: tf.Tensor, anchors: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        total = tf.reduce_sum(tf.expand_dims(chosen, 2) * anchors, axis=1)
        mean = total / (1.0 + tf.reduce_sum(chosen, axis=1, keepdims=True))
        return mean + tf.cast(tf.equal(layer, 0), tf.float32) * self._begin


def _columns(layers: Sequence[Sequence[int]], plain: int) -> np.ndarray:
    """``(layers, plain + layers)``: the positions of each layer's choices; 0 stands for a skip from a later layer.

    Args:
        layers: the positions of each layer's choices: the plain ones, then one skip bit per earlier layer.
        plain: how many plain choices a layer has.
    """
    columns = np.zeros((len(layers), plain + len(layers)), np.int32)
    for row, positions in zip(columns, layers, strict=True):
        row[: len(positions)] = positions
    return columns


def _positions(columns: np.ndarray, decisions: int) -> np.ndarray:
    """The position of each decision in the flattened ``columns``."""
    return np.array([np.flatnonzero(columns.ravel() == decision)[0] for decision in range(decisions)], np.int32)
