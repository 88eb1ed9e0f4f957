"""A sampled network on raw kernels: what a proxy training trains.

The same function, with the same initial weights, as the Keras model of :mod:`harness.nets.build`, without Keras layers,
of which building and tracing take longer than fifty gradient steps. All weights are one vector and all moving
statistics another. What several layers compute alike of the same node, its rectified image for example, is computed
once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from harness.core.dataset import Images, Labels, SearchData
from harness.core.graph import Layer, LayerGraph
from harness.core.measure import Shape, merged_shape, shape_after
from harness.core.primitives import Dropout, Norm, Pool, Primitive, Relu, weight_shapes
from harness.core.recipe import Recipe
from harness.core.seeds import derive_seed
from harness.nets.constants import Constants
from harness.nets.norm import EPSILON, bessel, inference, is_slow, training_in_pairs
from harness.nets.pixels import cropped
from harness.nets.sgd import augmented_batch, classification_loss, update
from harness.nets.supernets.flat_weights import Layout
from harness.nets.supernets.kernels import he_deviation, run

_KEPT = 0.9
"""Share of its old value that a moving statistic keeps per step."""


def has_raw_kernels(graph: LayerGraph) -> bool:
    """Whether a graph can be a :class:`Child`: nothing in it is random."""
    return not any(
        layer.merge == "shake" or any(isinstance(step, Dropout) for step in layer.primitives) for layer in graph.layers
    )


class Child:
    """A network with its weights.

    Args:
        graph: without random parts, see :func:`has_raw_kernels`.
        image_shape, classes: of the data.
        seed: of the initial weights, which are those of :func:`harness.nets.build.build_architecture`.

    Attributes:
        image_shape, classes: as given.
        layout: of the weights, in the builder's order; dead ends have none.
        weights, statistics: the vectors; statistics are the means of all normalisations, then the variances.
    """

    def __init__(self, graph: LayerGraph, image_shape: Shape, classes: int, seed: int) -> None:
        self.image_shape, self.classes, self._graph = image_shape, classes, graph
        self._live = graph.live()
        initial = self._laid_out(seed)
        self.layout = Layout([value.shape for value in initial])
        self.weights = tf.Variable(self.layout.join(initial), trainable=False)
        zeros = np.zeros(sum(self._widths), np.float32)
        self.statistics = tf.Variable(np.concatenate([zeros, zeros + 1.0]), trainable=False)

    @property
    def variables(self) -> list[tf.Variable]:
        """All that a training changes, for a checkpoint."""
        return [self.weights, self.statistics]

    def _laid_out(self, seed: int) -> list[np.ndarray]:
        """Initial values in the builder's order, each kernel with the seed that the builder gives it."""
        values: list[np.ndarray] = []
        shapes: list[Shape] = [self.image_shape]
        self._counts: list[int] = []
        self._widths: list[int] = []
        kernels = 0
        for node, layer in enumerate(self._graph.layers, start=1):
            shape, first = merged_shape(layer, shapes), len(values)
            for step in layer.primitives:
                scale_next = isinstance(step, Norm)
                for wanted in weight_shapes((step,), shape[2]):
                    kernels += len(wanted) == 4
                    if not self._live[node]:
                        continue
                    if len(wanted) == 4:
                        values.append(_normal(wanted, derive_seed(seed, f"layer {kernels}")))
                    else:
                        values.append(np.full(wanted, float(scale_next), np.float32))
                        scale_next = False
                if isinstance(step, Norm) and self._live[node]:
                    self._widths.append(shape[2])
                shape = shape_after(step, shape)
            shapes.append(shape)
            self._counts.append(len(values) - first)
        width = shapes[self._graph.output][2]
        limit = float(np.sqrt(6.0 / (width + self.classes)))
        uniform = keras.initializers.RandomUniform(-limit, limit, seed=derive_seed(seed, f"layer {kernels + 1}"))
        values.append(uniform((width, self.classes)).numpy())
        return [*values, np.zeros(self.classes, np.float32)] if self._graph.bias else values

    def trained(self, images: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Logits by the batch's statistics, and the batch's means and variances, laid out as :attr:`statistics`.

        Args:
            images: normalised, (n, h, w, c).
            weights: a vector.
        """
        constants = Constants()
        nothing, means, variances, factors = (
            constants.filled(0.0, 0),
            list[tf.Tensor](),
            list[tf.Tensor](),
            list[float](),
        )

        def normaliser(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
            if is_slow(x):
                y, mean, variance = training_in_pairs(x, scale, offset, EPSILON)
                factor = 1.0
            else:
                y, mean, variance, *_ = tf.raw_ops.FusedBatchNorm(
                    x=x, scale=scale, offset=offset, mean=nothing, variance=nothing, epsilon=EPSILON, is_training=True
                )
                factor = 1.0 / bessel(x)
            means.append(mean)
            variances.append(variance)
            factors.extend([factor] * int(x.shape[-1]))
            return y

        logits = _Pass(self._graph, self._live, constants, normaliser).logits(
            images, self.layout.split_tensor(weights), self._counts
        )
        if not means:
            return logits, tf.zeros([0])
        biased = tf.concat(variances, 0) * tf.constant(factors, tf.float32)
        return logits, tf.concat([*means, biased], 0)

    def logits(self, images: tf.Tensor) -> tf.Tensor:
        """Logits by the moving statistics, of normalised images (n, h, w, c)."""
        constants = Constants()
        weights = self.layout.split_tensor(tf.convert_to_tensor(self.weights))
        parts = iter(tf.split(tf.convert_to_tensor(self.statistics), self._widths * 2) if self._widths else ())
        means = [next(parts) for _ in self._widths]
        pairs = iter([(mean, next(parts)) for mean in means])

        def normaliser(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
            mean, variance = next(pairs)
            return inference(x, scale, offset, mean, variance, EPSILON)

        return _Pass(self._graph, self._live, constants, normaliser).logits(images, weights, self._counts)


class _Pass:
    """One way through a network in one graph.

    Args:
        graph, live: the network, and which of its nodes count.
        constants: of the graph.
        normaliser: called once per normalisation, in order.
    """

    def __init__(
        self, graph: LayerGraph, live: Sequence[bool], constants: Constants, normaliser: Callable[..., tf.Tensor]
    ) -> None:
        self._graph, self._live, self._constants, self._normaliser = graph, live, constants, normaliser
        self._prepared: dict[tuple[int, tuple[Primitive, ...]], tf.Tensor] = {}

    def logits(self, images: tf.Tensor, weights: Sequence[tf.Tensor], counts: Sequence[int]) -> tf.Tensor:
        """The output; ``counts`` says how many weights each layer takes."""
        nodes: list[tf.Tensor | None] = [images]
        first = 0
        for node, (layer, count) in enumerate(zip(self._graph.layers, counts, strict=True), start=1):
            nodes.append(self._layer(layer, nodes, weights[first : first + count]) if self._live[node] else None)
            first += count
        mean = tf.raw_ops.Mean(input=nodes[self._graph.output], axis=self._constants.of((1, 2)))
        logits = tf.raw_ops.MatMul(a=mean, b=weights[first])
        return tf.raw_ops.BiasAdd(value=logits, bias=weights[first + 1]) if self._graph.bias else logits

    def _layer(self, layer: Layer, nodes: Sequence[tf.Tensor | None], weights: Sequence[tf.Tensor]) -> tf.Tensor:
        steps = layer.primitives
        if len(layer.inputs) == 1:
            light = next((place for place, step in enumerate(steps) if not isinstance(step, Relu | Pool)), len(steps))
            x = self._light(layer.inputs[0], steps[:light], nodes)
            steps = steps[light:]
        else:
            x = merged([nodes[source] for source in layer.inputs], layer.merge)
        return run(steps, x, weights, constants=self._constants, normaliser=self._normaliser)

    def _light(self, node: int, steps: tuple[Primitive, ...], nodes: Sequence[tf.Tensor | None]) -> tf.Tensor:
        """A node with steps that have no weights; the same ones of the same node are taken once."""
        if not steps:
            return nodes[node]
        if (node, steps) not in self._prepared:
            before = self._light(node, steps[:-1], nodes)
            self._prepared[node, steps] = run(steps[-1:], before, (), constants=self._constants)
        return self._prepared[node, steps]


def merged(parts: Sequence[tf.Tensor], merge: str) -> tf.Tensor:
    """Inputs as one: see :data:`harness.core.graph.Merge`."""
    if len(parts) == 1:
        return parts[0]
    sides = [tuple(map(int, part.shape[1:3])) for part in parts]
    heights, widths = zip(*sides, strict=True)
    if merge == "concat":
        height, width = max(heights), max(widths)
        rest = [[[0, 0], [0, height - down], [0, width - right], [0, 0]] for down, right in sides]
        fitted = [tf.pad(part, edges) if np.any(edges) else part for part, edges in zip(parts, rest, strict=True)]
        return tf.concat(fitted, -1)
    height, width = min(heights), min(widths)
    fitted = [
        part if side == (height, width) else cropped(part, 0, side[0] - height, 0, side[1] - width)
        for part, side in zip(parts, sides, strict=True)
    ]
    total = tf.add_n(fitted)
    return total / len(parts) if merge == "mean" else total


def _normal(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return keras.initializers.RandomNormal(0.0, he_deviation(shape), seed=seed)(shape).numpy()


class ChildStep:
    """Trains a child in place, one batch per call; as :class:`harness.nets.sgd.TrainingStep`, and equal to it.

    Args:
        child, data, recipe: what is trained, on what and how; of the recipe neither drop path nor an auxiliary head.
        seed: of the augmentation.
        buffer: the momentum of an interrupted training; None: zeros.
    """

    def __init__(
        self, child: Child, data: SearchData, recipe: Recipe, seed: int, buffer: np.ndarray | None = None
    ) -> None:
        self._child, self._data, self._recipe = child, data, recipe
        self._seed = derive_seed(seed, "augmentation")
        self._buffer = tf.Variable(np.zeros(child.layout.size, np.float32) if buffer is None else buffer)
        self._traced = tf.function(self._step, autograph=False)

    def __call__(self, images: Images, labels: Labels, step: int, learning_rate: float, drop_path: float) -> float:
        """Takes gradient step number ``step`` on uint8 ``images`` and returns the loss before it."""
        seed = tf.constant([self._seed, step])
        return float(self._traced(tf.constant(images), tf.constant(labels), seed, tf.constant(learning_rate)))

    def buffer(self) -> np.ndarray:
        """The momentum buffer, for a checkpoint."""
        return self._buffer.numpy()

    def _step(self, images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, learning_rate: tf.Tensor) -> tf.Tensor:
        child, recipe = self._child, self._recipe
        x = augmented_batch(images, seed, self._data, recipe)
        weights = tf.convert_to_tensor(child.weights)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            logits, statistics = child.trained(x, weights)
            loss = classification_loss(labels, logits, recipe, child.classes)
        update(child.weights, self._buffer, tape.gradient(loss, weights), weights, recipe, learning_rate)
        child.statistics.assign_add((1.0 - _KEPT) * (statistics - child.statistics), read_value=False)
        return loss
