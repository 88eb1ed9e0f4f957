"""A sampled network as written graphs: what a proxy training trains.

The same function, with the same initial weights, as the Keras model of :mod:`harness.nets.build`, without Keras layers
and without tracing, which take longer than fifty gradient steps. All weights are one vector and all moving statistics
another. What several layers compute alike of the same node, its rectified image for example, is computed once.

Validation needs no normalisations: their moving statistics become factors of the kernels before them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf

from harness.core.dataset import Images, Labels, SearchData
from harness.core.graph import Layer, LayerGraph
from harness.core.measure import Shape, merged_shape, shape_after
from harness.core.primitives import (
    Conv,
    Depthwise,
    FactorizedReduce,
    Flatten,
    FloorPool,
    Norm,
    Pool,
    Primitive,
    Relu,
    Zero,
    weight_shapes,
)
from harness.core.recipe import Recipe
from harness.core.seeds import derive_seed
from harness.nets import rules
from harness.nets.augment import normalise
from harness.nets.initial import he_deviation
from harness.nets.layout import Layout
from harness.nets.norm import EPSILON, KEPT
from harness.nets.sgd import augmented_batch, stepped
from harness.nets.written import Function, Graph, Value

_KNOWN = (Relu, Conv, Depthwise, Norm, Pool, FactorizedReduce, FloorPool, Flatten, Zero)
_LIGHT = (Relu, Pool)


def can_be_written(graph: LayerGraph) -> bool:
    """Whether a graph can be a :class:`Child`; those of the search spaces can, some published networks cannot."""
    steps = [step for layer in graph.layers for step in layer.primitives]
    known = all(isinstance(step, _KNOWN) and step != Norm(affine=False) for step in steps)
    return known and all(layer.merge != "shake" for layer in graph.layers)


class Shared:
    """What all children of a search have in common, traced once: images made ready, and the update of the weights.

    Args:
        data, recipe: of the trainings.
    """

    def __init__(self, data: SearchData, recipe: Recipe) -> None:
        self._data, self._recipe = data, recipe
        self.normalised = tf.function(
            lambda images: normalise(images, data.mean, data.std),
            input_signature=[tf.TensorSpec([None, *data.image_shape], tf.uint8)],
            autograph=False,
        )
        self._augment: dict[int, tf.types.experimental.ConcreteFunction] = {}

    @cached_property
    def updated(self) -> tf.types.experimental.ConcreteFunction:
        """The update of the weights; traced when the first child needs it, because tracing fixes the threads."""
        vector, number = tf.TensorSpec([None]), tf.TensorSpec([])
        return tf.function(self._updated, autograph=False).get_concrete_function(*[vector] * 6, number)

    def augmented(self, batch: int) -> tf.types.experimental.ConcreteFunction:
        """From so many uint8 images, their int64 labels and two int32 seeds to a network's images and targets."""
        if batch not in self._augment:
            images = tf.TensorSpec([batch, *self._data.image_shape], tf.uint8)
            labels, seed = tf.TensorSpec([batch], tf.int64), tf.TensorSpec([2], tf.int32)
            function = tf.function(self._augmented, autograph=False)
            self._augment[batch] = function.get_concrete_function(images, labels, seed)
        return self._augment[batch]

    def _augmented(self, images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        classes, smoothing = self._data.classes, self._recipe.label_smoothing
        targets = tf.one_hot(labels, classes) * (1.0 - smoothing) + smoothing / classes
        return augmented_batch(images, seed, self._data, self._recipe), targets

    def _updated(
        self,
        weights: tf.Tensor,
        buffer: tf.Tensor,
        gradient: tf.Tensor,
        statistics: tf.Tensor,
        now: tf.Tensor,
        factors: tf.Tensor,
        learning_rate: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        gradient = stepped(gradient, weights, self._recipe)
        buffer = self._recipe.momentum * buffer + gradient
        moved = weights - learning_rate * (gradient + self._recipe.momentum * buffer)
        return moved, buffer, statistics + (1.0 - KEPT) * (now * factors - statistics)


class Child:
    """A network with its weights.

    Args:
        graph: one that :func:`can_be_written`.
        image_shape, classes: of the data.
        seed: of the initial weights, which are those of :func:`harness.nets.build.build_architecture`.
        shared: what it shares with other children.

    Attributes:
        layout: of the weights, in the builder's order; dead ends have none.
        weights, statistics: the vectors; statistics are the means of all normalisations, then the variances.
    """

    def __init__(self, graph: LayerGraph, image_shape: Shape, classes: int, seed: int, shared: Shared) -> None:
        self.image_shape, self.classes, self.shared, self._graph = image_shape, classes, shared, graph
        self._live = graph.live()
        self._widths: list[int] = []
        self._counts: list[int] = []
        initial = self._laid_out(seed)
        self.layout = Layout([value.shape for value in initial])
        self.weights = tf.constant(self.layout.join(initial))
        zeros = np.zeros(sum(self._widths), np.float32)
        self.statistics = tf.constant(np.concatenate([zeros, zeros + 1.0]))
        self._inference: Function | None = None

    def _laid_out(self, seed: int) -> list[np.ndarray]:
        """Initial values in the builder's order, each kernel with the seed that the builder gives it."""
        values: list[np.ndarray] = []
        shapes: list[Shape] = [self.image_shape]
        kernels = 0
        for node, layer in enumerate(self._graph.layers, start=1):
            shape, first = merged_shape(layer, shapes), len(values)
            for step in layer.primitives:
                seeds = []
                for wanted in weight_shapes((step,), shape[2]):
                    kernels += len(wanted) == 4
                    seeds.append((wanted, derive_seed(seed, f"layer {kernels}")))
                if self._live[node]:
                    values += _initial(step, seeds)
                    self._widths += [shape[2]] if isinstance(step, Norm) else []
                shape = shape_after(step, shape)
            shapes.append(shape)
            self._counts.append(len(values) - first)
        width = shapes[self._graph.output][2]
        limit = float(np.sqrt(6.0 / (width + self.classes)))
        uniform = keras.initializers.RandomUniform(-limit, limit, seed=derive_seed(seed, f"layer {kernels + 1}"))
        values.append(uniform((width, self.classes)).numpy())
        return [*values, np.zeros(self.classes, np.float32)] if self._graph.bias else values

    def training_function(self, batch: int) -> tuple[Function, np.ndarray]:
        """A gradient step.

        Returns:
            The function from ``batch`` uint8 images, int64 labels, two int32 seeds, weights, momentum, moving
            statistics, the factors and the learning rate to the loss, weights, momentum and moving statistics; and the
            factors, which make the batch's statistics those that are averaged.
        """
        graph, shared = Graph(), self.shared
        raw = graph.argument((batch, *self.image_shape), dtype=tf.uint8)
        labels, seed = graph.argument((batch,), dtype=tf.int64), graph.argument((2,), dtype=tf.int32)
        images, targets = graph.call(shared.augmented(batch), [raw, labels, seed])
        vector = graph.argument((self.layout.size,))
        buffer, averaged, scales, rate = (graph.argument(shape) for shape in ((self.layout.size,), *[(-1,)] * 2, ()))
        arrays = _taken_apart(graph, vector, self.layout, varies=True)
        found: list[tuple[str, str, float, int]] = []

        def norm(x: Value, scale: Value, offset: Value) -> Value:
            y, mean, variance, factor = rules.normalised(graph, x, scale, offset)
            found.append((mean, variance, factor, x.shape[3]))
            return y

        logits = _Pass(graph, self._graph, self._live, norm).logits(images, arrays, self._counts)
        loss, upstream = rules.cross_entropy(graph, logits, targets)
        gradients = graph.gradients(logits, upstream, arrays)
        gradient = _put_together(graph, self.layout, gradients)
        means = [Value(mean, (width,), False) for mean, _, _, width in found]
        parts = means + [Value(variance, (width,), False) for _, variance, _, width in found]
        statistics = rules.joined(graph, parts, 0) if parts else Value(graph.filled(0.0, (0,)), (0,), False)
        factors = [np.full(width, factor) for *_, factor, width in found]
        ones = [np.ones(width) for *_, width in found]
        moved = graph.call(shared.updated, [vector, buffer, gradient, averaged, statistics, scales, rate])
        function = graph.function([loss, *moved])
        return function, np.concatenate([*ones, *factors, np.zeros(0)]).astype(np.float32)

    def classifier(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """The function from uint8 images to logits by the present weights and moving statistics."""
        if self._inference is None:
            self._inference = self._inference_function()
        inference, folded = self._inference, tf.constant(self.layout.join(self._folded()))
        return lambda images: inference(self.shared.normalised(images), folded)[0]

    def _inference_function(self) -> Function:
        graph = Graph()
        images, vector = graph.argument((-1, *self.image_shape)), graph.argument((self.layout.size,))
        arrays = _taken_apart(graph, vector, self.layout, varies=False)

        def norm(x: Value, scale: Value, offset: Value) -> Value:
            return rules.biased(graph, x, offset)

        network = _Pass(graph, self._graph, self._live, norm, scaled_norms=True)
        return graph.function([network.logits(images, arrays, self._counts)])

    def _folded(self) -> list[np.ndarray]:
        """The weights with each normalisation's factor in the kernel before it, or as its scale where that is none."""
        arrays = [np.array(array) for array in self.layout.split(self.weights.numpy())]
        means, variances = np.split(self.statistics.numpy(), 2)
        first = place = 0
        for node, layer in enumerate(self._graph.layers, start=1):
            if not self._live[node]:
                continue
            for position, step in enumerate(layer.primitives):
                count = len(weight_shapes((step,), 1))
                if isinstance(step, Norm):
                    own = slice(first, first + len(arrays[place]))
                    factor = arrays[place] / np.sqrt(variances[own] + EPSILON)
                    arrays[place + 1] -= factor * means[own]
                    first = own.stop
                    if position and isinstance(layer.primitives[position - 1], Conv):
                        arrays[place - 1] *= factor
                    arrays[place] = factor
                place += count
        return arrays


class _Pass:
    """One way through a network in one written graph.

    Args:
        graph: to write to.
        network, live: what is written, and which of its nodes count.
        norm: called once per normalisation, in order.
        scaled_norms: whether a normalisation behind anything but a convolution begins with its scale.
    """

    def __init__(
        self,
        graph: Graph,
        network: LayerGraph,
        live: Sequence[bool],
        norm: Callable[[Value, Value, Value], Value],
        *,
        scaled_norms: bool = False,
    ) -> None:
        self._graph, self._network, self._live, self._norm = graph, network, live, norm
        self._scaled_norms = scaled_norms
        self._prepared: dict[tuple[int, tuple[Primitive, ...]], Value] = {}

    def logits(self, images: Value, weights: Sequence[Value], counts: Sequence[int]) -> Value:
        """The output; ``counts`` says how many weights each layer takes."""
        graph, nodes, first = self._graph, [images], 0
        for node, (layer, count) in enumerate(zip(self._network.layers, counts, strict=True), start=1):
            # A dead end has no value; nothing that counts reads it.
            nodes.append(self._layer(layer, nodes, weights[first : first + count]) if self._live[node] else images)
            first += count
        logits = rules.product(graph, rules.averaged_pixels(graph, nodes[self._network.output]), weights[first])
        return rules.biased(graph, logits, weights[first + 1]) if self._network.bias else logits

    def _layer(self, layer: Layer, nodes: Sequence[Value], weights: Sequence[Value]) -> Value:
        steps = layer.primitives
        if len(layer.inputs) == 1:
            light = next((place for place, step in enumerate(steps) if not isinstance(step, _LIGHT)), len(steps))
            x = self._without_weights(layer.inputs[0], steps[:light], nodes)
        else:
            light = 0
            x = rules.merged(self._graph, [nodes[source] for source in layer.inputs], layer.merge)
        remaining = iter(weights)
        for place in range(light, len(steps)):
            own = [next(remaining) for _ in weight_shapes((steps[place],), 1)]
            if self._scaled_norms and isinstance(steps[place], Norm):
                behind = place > 0 and isinstance(steps[place - 1], Conv)
                x = x if behind else rules.scaled(self._graph, x, own[0])
            x = self._step(steps[place], x, own)
        return x

    def _without_weights(self, node: int, steps: tuple[Primitive, ...], nodes: Sequence[Value]) -> Value:
        """A node with steps that have no weights; the same ones of the same node are taken once."""
        if not steps:
            return nodes[node]
        if (node, steps) not in self._prepared:
            self._prepared[node, steps] = self._step(steps[-1], self._without_weights(node, steps[:-1], nodes), ())
        return self._prepared[node, steps]

    def _step(self, step: Primitive, x: Value, weights: Sequence[Value]) -> Value:
        graph = self._graph
        match step:
            case Relu():
                return rules.relu(graph, x)
            case Conv(_, _, _, strides):
                return rules.convolved(graph, x, weights[0], strides)
            case Depthwise(_, stride, dilation):
                return rules.depthwise(graph, x, weights[0], stride, dilation)
            case Norm():
                return self._norm(x, *weights)
            case Pool(kind, size, stride):
                return rules.pooled(graph, kind, x, size, (stride, stride))
            case FactorizedReduce():
                return rules.halved(graph, x, weights)
            case FloorPool(size, stride):
                return rules.floor_pool(graph, x, size, stride)
            case Flatten():
                return rules.reshaped(graph, x, (x.shape[0], 1, 1, int(np.prod(x.shape[1:]))))
            case Zero():
                return rules.zeros(graph, x)
        raise ValueError(f"a written graph has no kernel for {step}")


def _taken_apart(graph: Graph, vector: Value, layout: Layout, *, varies: bool) -> list[Value]:
    """The arrays of a vector of weights."""
    groups = layout.groups()
    sizes = tuple(len(places) * int(np.prod(shape)) for shape, places in groups)
    inputs = [vector, graph.constant(sizes), graph.constant(0)]
    names = graph.node("SplitV", inputs, len(groups), T=tf.float32, Tlen=tf.int32, num_split=len(groups))
    found: dict[int, Value] = {}
    for name, (shape, places) in zip(names, groups, strict=True):
        [block] = graph.node("Reshape", [name, graph.constant((len(places), *shape))], T=tf.float32, Tshape=tf.int32)
        parts = graph.node("Unpack", [block], len(places), T=tf.float32, num=len(places), axis=0)
        found.update((place, Value(part, shape, varies)) for place, part in zip(places, parts, strict=True))
    return [found[place] for place in range(len(found))]


def _put_together(graph: Graph, layout: Layout, arrays: Sequence[Value | None]) -> Value:
    """A vector of arrays laid out; zeros where there is none."""
    blocks: list[Value] = []
    for shape, places in layout.groups():
        parts = [array.name if (array := arrays[place]) else graph.filled(0.0, shape) for place in places]
        [block] = graph.node("Pack", parts, N=len(parts), T=tf.float32, axis=0)
        size = len(places) * int(np.prod(shape))
        [flat] = graph.node("Reshape", [block, graph.constant((size,))], T=tf.float32, Tshape=tf.int32)
        blocks.append(Value(flat, (size,), False))
    return rules.joined(graph, blocks, 0)


def _initial(step: Primitive, weights: Sequence[tuple[tuple[int, ...], int]]) -> list[np.ndarray]:
    """He-normal kernels from their seeds; of a normalisation scales of one and offsets of zero."""
    if isinstance(step, Norm):
        return [np.full(shape, value, np.float32) for (shape, _), value in zip(weights, (1.0, 0.0), strict=True)]
    return [
        keras.initializers.RandomNormal(0.0, he_deviation(shape), seed=seed)(shape).numpy() for shape, seed in weights
    ]


class ChildStep:
    """Trains a child in place, one batch per call; as :class:`harness.nets.sgd.TrainingStep`, and equal to it.

    Args:
        child: trained by the data and the recipe of its :class:`Shared`, which has neither drop path nor auxiliary
            head.
        batch: images per step.
        seed: of the augmentation.
        buffer: the momentum of an interrupted training; None: zeros.
    """

    def __init__(self, child: Child, batch: int, seed: int, buffer: np.ndarray | None = None) -> None:
        self._child, self._seed = child, derive_seed(seed, "augmentation")
        self._buffer = tf.constant(np.zeros(child.layout.size, np.float32) if buffer is None else buffer)
        function, factors = child.training_function(batch)
        self._function, self._factors = function, tf.constant(factors)

    def __call__(self, images: Images, labels: Labels, step: int, learning_rate: float, drop_path: float) -> float:
        """Takes gradient step number ``step`` on uint8 ``images`` and returns the loss before it."""
        child = self._child
        given = tf.constant(images), tf.constant(labels, tf.int64), tf.constant([self._seed, step], tf.int32)
        moving = child.weights, self._buffer, child.statistics
        loss, child.weights, self._buffer, child.statistics = self._function(
            *given, *moving, self._factors, tf.constant(learning_rate)
        )
        return float(loss)

    def buffer(self) -> np.ndarray:
        """The momentum buffer, for a checkpoint."""
        return self._buffer.numpy()
