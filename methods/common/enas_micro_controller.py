"""ENAS' controller for the micro space (Pham et al., ICML 2018): two cells, four decisions per node.

A node takes five LSTM time steps. The first two decide its inputs by attention over all earlier nodes (logits
1.10 tanh(.)); the anchor of the chosen node is the next input of the LSTM. The next two decide its operations (logits
0.44 tanh(. + b); the trained b starts at 10 for the convolutions and 0 for the others, and in the normal cell a fixed
0.25 is added for convolutions and subtracted for the others); the embedding of the chosen operation is the next input.
The output of the last time step is the node's anchor. The two inputs of a cell get one time step each, for their key in
the attention; their anchors are zeros. The reduction cell continues with the LSTM state of the normal cell. The LSTM
has one layer of 64 units without biases; weights start in U(-0.1, 0.1).
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from harness.core.space import positions_by_node
from harness.spaces.enas_micro import EnasCellSpace

from .policy import (
    IMPOSSIBLE,
    Attention,
    Controller,
    ControllerWeights,
    Decision,
    Lstm,
    Walk,
    categorical,
    put,
    squeeze,
)

KINDS = ("input", "op")
"""The kinds of a node's choices in the order in which the controller makes them, two of each."""


class EnasMicroController(Controller):
    """The policy over :class:`EnasCellSpace`.

    Args:
        space: any number of nodes; its convolutions are the operations with ``conv`` in their name.
        rng: draws the weights.
        units: of the LSTM.
        bound: weights start in U(-bound, bound).
        tanh_constant: bound of the inputs' logits.
        op_tanh_reduce: the operations' bound is ``tanh_constant / op_tanh_reduce``.
        conv_bias: start of the trained bias of convolutions, inside the tanh.
        normal_bias: the fixed bias of the normal cell, plus for convolutions, minus for the rest.
        learning_rate: Adam's, with beta_1 = 0 and epsilon 1e-3.
        clip: the largest norm of the gradient; 0: any, as in ENAS' code.
    """

    def __init__(
        self,
        space: EnasCellSpace,
        rng: np.random.Generator,
        *,
        units: int = 64,
        bound: float = 0.1,
        tanh_constant: float = 1.10,
        op_tanh_reduce: float = 2.5,
        conv_bias: float = 10.0,
        normal_bias: float = 0.25,
        learning_rate: float = 3.5e-3,
        clip: float = 0.0,
    ) -> None:
        weights = ControllerWeights(rng, bound)
        convolution = np.array(["conv" in operation for operation in space.operations])
        self._nodes, self._tanh, self._op_tanh = space.nodes, tanh_constant, tanh_constant / op_tanh_reduce
        self._columns = _columns(space)
        self._lstm = Lstm(weights, units)
        self._attention = Attention(weights, units)
        self._begin = weights.uniform("start", 1, units)
        self._head = weights.uniform("head.op", units, len(space.operations))
        self._bias = weights.constant("bias.op", np.where(convolution, conv_bias, 0.0))
        self._fixed = np.where(convolution, normal_bias, -normal_bias).astype(np.float32)
        self._embedding = weights.uniform("embedding.op", len(space.operations), units)
        adam = keras.optimizers.Adam(learning_rate, beta_1=0.0, epsilon=1e-3, global_clipnorm=clip or None)
        super().__init__(len(space.choices), weights, adam)

    def input_logits(self, keys: tf.Tensor, h: tf.Tensor, node: tf.Tensor | int) -> tf.Tensor:
        """``(batch, nodes + 2)``: logits of the nodes before ``node``; the others are impossible."""
        earlier = tf.range(self._nodes + 2) < node
        return tf.where(earlier, squeeze(self._attention(keys, h), self._tanh), IMPOSSIBLE)

    def op_logits(self, h: tf.Tensor, normal: tf.Tensor | bool) -> tf.Tensor:
        """``(batch, operations)`` from the LSTM's output in the normal or in the reduction cell."""
        logits = squeeze(tf.matmul(h, self._head) + self._bias, self._op_tanh)
        return logits + tf.cast(normal, tf.float32) * self._fixed

    def walk(self, uniforms: tf.Tensor, forced: tf.Tensor) -> Walk:
        """Decides the nodes of both cells in one loop; see :meth:`Controller.walk`."""
        batch = tf.shape(uniforms)[0]
        numbers, fixed = tf.gather(uniforms, self._columns, axis=1), tf.gather(forced, self._columns, axis=1)
        nodes = len(self._columns)  # of both cells

        def body(index, state, anchors, keys, log_prob, entropy, drawn):  # type: ignore[no-untyped-def]
            first = tf.equal(index % self._nodes, 0)
            begun = self._begin_cell(state)
            state, anchors, keys = tf.nest.map_structure(
                lambda new, old: tf.where(first, new, old), begun, (state, anchors, keys)
            )
            node = index % self._nodes + 2
            normal = index < self._nodes
            state, h, decisions = self._node(normal, node, numbers[:, index], fixed[:, index], state, anchors, keys)
            anchors, keys = put(anchors, node, h), put(keys, node, self._attention.key(h))
            log_prob += tf.add_n([decision.log_prob for decision in decisions])
            entropy += tf.stop_gradient(tf.add_n([decision.entropy for decision in decisions]))
            drawn = drawn.write(index, tf.stack([decision.pick for decision in decisions], axis=1))
            return index + 1, state, anchors, keys, log_prob, entropy, drawn

        none, zeros = tf.zeros([batch, self._nodes + 2, self._lstm.units]), tf.zeros([batch])
        loop = (0, self._lstm.start(batch), none, none, zeros, zeros, tf.TensorArray(tf.int32, nodes))
        *_, log_prob, entropy, drawn = tf.while_loop(
            lambda index, *_: index < nodes, body, loop, maximum_iterations=nodes
        )  # fmt: skip
        in_order = tf.reshape(tf.transpose(drawn.stack(), [1, 0, 2]), [batch, self._columns.size])
        return Walk(tf.gather(in_order, np.argsort(self._columns.ravel()), axis=1), log_prob, entropy, zeros)

    def _begin_cell(self, state: tuple[tf.Tensor, ...]) -> tuple[tuple[tf.Tensor, ...], tf.Tensor, tf.Tensor]:
        """The LSTM's state, the anchors and the keys after the time steps of the two cell inputs."""
        start = tf.zeros_like(state[0]) + self._begin
        anchors = keys = tf.zeros([tf.shape(start)[0], self._nodes + 2, self._lstm.units])
        for node in range(2):
            h, state = self._lstm(start, state)
            keys = put(keys, node, self._attention.key(h))
        return state, anchors, keys

    def _node(
        self,
        normal: tf.Tensor,
        node: tf.Tensor,
        uniforms: tf.Tensor,
        forced: tf.Tensor,
        state: tuple[tf.Tensor, ...],
        anchors: tf.Tensor,
        keys: tf.Tensor,
    ) -> tuple[tuple[tf.Tensor, ...], tf.Tensor, list[Decision]]:
        """Decides a node: the LSTM's new state, the node's anchor and the four decisions."""
        x = tf.zeros_like(state[0]) + self._begin
        decisions = []
        for number in range(4):
            h, state = self._lstm(x, state)
            is_input = number < 2
            logits = self.input_logits(keys, h, node) if is_input else self.op_logits(h, normal)
            decisions.append(categorical(logits, uniforms[:, number], forced[:, number]))
            picked = tf.one_hot(decisions[-1].pick, logits.shape[1])
            if is_input:
                x = tf.reduce_sum(tf.expand_dims(picked, 2) * anchors, axis=1)
            else:
                x = tf.matmul(picked, self._embedding)
        h, state = self._lstm(x, state)
        return state, h, decisions


def _columns(space: EnasCellSpace) -> np.ndarray:
    """``(2 nodes, 4)``: the positions of each node's choices in the controller's order, normal cell first."""
    nodes = positions_by_node(space.choices).values()
    return np.array([[p for kind in KINDS for p in node if space.choices[p].kind == kind] for node in nodes])
