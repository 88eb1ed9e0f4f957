"""A whole fabric with a gate on every edge: what is trained before it is pruned, and a budgeted super network.

A gate multiplies the output of its edge's convolution. Gates are given per image, because budgeted super networks draw
them per image, or as the picks of a sub-fabric. All convolutions are computed, whatever the gates are, so every step
costs what the whole fabric does. Normalisations use the statistics of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from harness.core.measure import Shape, macs_of
from harness.core.primitives import Conv, Norm, Relu
from harness.core.space import Size
from harness.nets.constants import Constants
from harness.nets.pixels import pooled
from harness.nets.supernets.flat_weights import Handle, Weights
from harness.nets.supernets.gated import GatedSupernet
from harness.nets.supernets.kernels import run
from harness.nets.supernets.relaxed import Layers
from harness.spaces.fabric import FIRST, FabricEdge, FabricSpace, Node


class GatedFabric(GatedSupernet):
    """The fabric of a space.

    Args:
        space: picks are its genotypes' picks.
        size: channels and stem stride.
        image_shape, classes: of the data.

    Attributes:
        edge_macs: multiply-accumulates of each edge's convolution for one image.
        edge_parameters: numbers in each edge's kernel.
        fixed_macs: of the first convolution and the classifier.
    """

    def __init__(
        self,
        space: FabricSpace,
        size: Size,
        image_shape: Shape,
        classes: int,
        rng: np.random.Generator,
        *,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        clip: float = 5.0,
    ) -> None:
        self._space, self._stride = space, size.stem_stride
        weights, channels = Weights(rng), size.channels
        height, width = (-(-side // size.stem_stride) for side in image_shape[:2])
        self._sides = [(-(-height // 2**scale), -(-width // 2**scale)) for scale in range(space.scales)]
        self._stem = weights.add((Conv(3, 3, channels),), image_shape[2])
        kernel = Conv(3, 3, channels)
        self._edges = [weights.add((kernel,), channels) for _ in space.edges]
        nodes = dict.fromkeys([FIRST, *(edge.target for edge in space.edges)])
        self._norms: dict[Node, Handle] = {node: weights.add((Norm(),), channels) for node in nodes}
        self._head = weights.add_dense(channels, classes)
        self.edge_macs = np.array([self._cost(edge) * 9 * channels**2 for edge in space.edges])
        self.edge_parameters = np.full(len(space.edges), 9 * channels**2)
        self.fixed_macs = macs_of((kernel,), (height, width, image_shape[2]))[0] + channels * classes
        super().__init__(
            weights, len(space.edges), image_shape, momentum=momentum, weight_decay=weight_decay, clip=clip
        )
        gates = tf.TensorSpec([None, len(space.edges)], tf.float32)
        images, labels = tf.TensorSpec([None, *image_shape], tf.float32), tf.TensorSpec([None], tf.int64)
        signature = [images, labels, gates, tf.TensorSpec([], tf.float32)]
        self.drawn_step = tf.function(self._drawn_step, input_signature=signature, autograph=False)

    def _cost(self, edge: FabricEdge) -> int:
        """Pixels that an edge's convolution is computed at: an upsampled image may be a pixel longer than its node."""
        height, width = self._sides[edge.target[1]]
        if edge.step < 0:
            below, right = self._sides[edge.source[1]]
            height, width = 2 * below, 2 * right
        return height * width

    def macs(self, picks: Sequence[int] | np.ndarray) -> int:
        return int(self.fixed_macs + self.edge_macs.sum())

    def network(self, images: tf.Tensor, weights: Sequence[tf.Tensor], picks: tf.Tensor) -> tf.Tensor:
        return self._logits(images, weights, tf.cast(picks, tf.float32)[None])

    def _logits(self, images: tf.Tensor, weights: Sequence[tf.Tensor], gates: tf.Tensor) -> tf.Tensor:
        """Logits (n, classes) under gates (n, edges), or (1, edges) for all images alike."""
        constants, space = Constants(), self._space
        x = pooled("avg", images, self._stride, (self._stride, self._stride)) if self._stride > 1 else images
        stem = run(self._stem.steps, x, self._stem.of(weights), constants=constants)
        outputs: dict[Node, tf.Tensor] = {FIRST: self._node(FIRST, [stem], weights, constants)}
        reached: dict[Node, tf.Tensor] = {FIRST: tf.ones_like(gates[:, 0])}
        factors = tf.unstack(gates, axis=1)
        entering: dict[Node, list[int]] = {}
        for number, edge in enumerate(space.edges):
            entering.setdefault(edge.target, []).append(number)
        for target, numbers in entering.items():
            parts = []
            for number in numbers:
                [kernel] = self._edges[number].of(weights)
                y = self._edge(space.edges[number], outputs[space.edges[number].source], kernel)
                parts.append(y * factors[number][:, None, None, None])
            sources = [reached[space.edges[number].source] * tf.sign(factors[number]) for number in numbers]
            reached[target] = tf.reduce_max(tf.stack(sources), axis=0)
            # A node that no open path reaches says nothing, whatever its normalisation makes of zeros.
            there = reached[target][:, None, None, None]
            outputs[target] = self._node(target, parts, weights, constants) * there
        kernel, bias = self._head.of(weights)
        return tf.matmul(self._features(outputs, reached), kernel) + bias

    def _edge(self, edge: FabricEdge, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        x = _unpooled(x) if edge.step < 0 else x
        stride = 2 if edge.step > 0 else 1
        y = tf.raw_ops.Conv2D(input=x, filter=kernel, strides=[1, stride, stride, 1], padding="SAME")
        height, width = self._sides[edge.target[1]]
        return y[:, :height, :width]

    def _node(
        self, node: Node, parts: Sequence[tf.Tensor], weights: Sequence[tf.Tensor], constants: Constants
    ) -> tf.Tensor:
        total = parts[0] if len(parts) == 1 else tf.add_n(parts)
        norm = self._norms[node]
        return run((*norm.steps, Relu()), total, norm.of(weights), constants=constants)

    def _features(self, outputs: dict[Node, tf.Tensor], reached: dict[Node, tf.Tensor]) -> tf.Tensor:
        """Features (n, channels) of each image's output node: the last one that its open gates reach."""
        last = self._space.last
        left, features = tf.ones_like(reached[last]), tf.constant(0.0)
        for node in [last, *sorted(reached.keys() - {last}, reverse=True)]:
            features += (left * reached[node])[:, None] * tf.reduce_mean(outputs[node], [1, 2])
            left *= 1.0 - reached[node]
        return features

    def _drawn_step(self, images: tf.Tensor, labels: tf.Tensor, gates: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        """A step on the mean cross-entropy under gates (n, edges); the cross-entropies (n,) before it."""
        weights = tf.convert_to_tensor(self.weights)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            logits = self._logits(images, self.layout.split_tensor(weights), gates)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(losses)
        self.descend(tape.gradient(loss, weights), tf.constant(True), rate)
        return losses

    def norms(self) -> np.ndarray:
        """Euclidean norm of each edge's kernel."""
        values = self.values()
        return np.array([float(np.linalg.norm(handle.of(values)[0])) for handle in self._edges])

    def gated(self) -> list[tuple[Handle, np.ndarray]]:
        return [(handle, np.array(0)) for handle in self._edges]

    def flags(self, picks: tf.Tensor) -> list[tf.Tensor]:
        return [picks > 0]

    def cut(self, picks: Sequence[int]) -> tuple[Layers, list[np.ndarray]]:
        values = self.values()
        layers: Layers = [self._stem.of(values), self._norms[FIRST].of(values)]
        live = self._space.live(picks)
        for target in dict.fromkeys(self._space.edges[number].target for number in live):
            entering = [number for number in live if self._space.edges[number].target == target]
            layers += [self._edges[number].of(values) for number in entering]
            layers.append(self._norms[target].of(values))
        return layers, self._head.of(values)


def _unpooled(x: tf.Tensor) -> tf.Tensor:
    """Every pixel in the upper left of a 2x2 square of zeros."""
    _, height, width, channels = x.shape
    x = tf.pad(tf.reshape(x, [-1, height, 1, width, 1, channels]), [[0, 0], [0, 0], [0, 1], [0, 0], [0, 1], [0, 0]])
    return tf.reshape(x, [-1, 2 * height, 2 * width, channels])
