"""The builder: an architecture becomes a Keras model. It knows graphs and skeletons, not spaces or methods.

The model takes normalised float32 images and returns logits; with an auxiliary head, ``[logits, auxiliary logits]``.
Trainable weights agree exactly with the reference implementations of DARTS and NAS-Bench-201 (tested). Strided
convolutions pad as TensorFlow does (PyTorch pads symmetrically): same weights, borders one pixel apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TypeAlias

import keras
import numpy as np

from harness.core.architecture import Architecture, Cell, CellStack, ConvChain, MacroStack, ResidualStages
from harness.core.errors import InputError
from harness.core.seeds import derive_seed
from harness.core.space import Genotype, Size, Space
from harness.core.task import KerasConfig, Proposal
from harness.nets.layers import DropPath
from harness.nets.norm import FusedBatchNormalization
from harness.nets.ops import (
    Conv,
    Depthwise,
    Halve,
    Norm,
    Pool,
    Relu,
    Step,
    halve,
    he_deviation,
    macro_steps_of,
    relu_conv_norm,
    steps_of,
)

Tensor: TypeAlias = keras.KerasTensor
ImageShape = tuple[int, int, int]
_CHAIN_CONV = re.compile(r"^conv_(\d+)x(\d+)_(\d+)_s(\d+)x(\d+)$")


def build_model(
    proposal: Proposal,
    space: Space,
    size: Size,
    image_shape: ImageShape,
    classes: int,
    *,
    seed: int,
    drop_path: bool = False,
    auxiliary: bool = False,
) -> keras.Model:
    """The network of a proposal.

    Args:
        proposal: a genotype of ``space``, or a Keras model as JSON.
        size: scale of the network (ignored for a Keras model).
        image_shape: height, width, channels.
        seed: of the initial weights and of drop path; the same seed gives the same weights.
        drop_path: insert :class:`DropPath` on the edges of cells.
        auxiliary: add DARTS' auxiliary head where the skeleton has cells; other networks ignore it.

    Raises:
        InputError: the Keras model does not fit the images or the classes.
    """
    match proposal:
        case Genotype():
            architecture = space.decode(proposal, size)
            return build_architecture(
                architecture, image_shape, classes, seed=seed, drop_path=drop_path, auxiliary=auxiliary
            )
        case KerasConfig():
            return _from_config(proposal, image_shape, classes, seed)


def build_architecture(
    architecture: Architecture,
    image_shape: ImageShape,
    classes: int,
    *,
    seed: int,
    drop_path: bool = False,
    auxiliary: bool = False,
) -> keras.Model:
    """The network of a graph; arguments as for :func:`build_model`."""
    layers = _Layers(seed, drop_path)
    image = keras.Input(image_shape, name="image")
    extra: list[Tensor] = []
    match architecture:
        case CellStack():
            features, inside = _cell_stack(architecture, image, layers)
            if auxiliary:
                extra = [_auxiliary_head(inside, classes, layers)]
        case ResidualStages():
            features = _residual_stages(architecture, image, layers)
        case MacroStack():
            features = _macro_stack(architecture, image, layers)
        case ConvChain():
            features = _conv_chain(architecture, image, layers)
    pooled = keras.layers.GlobalAveragePooling2D(name="features")(features)
    logits = layers.dense(pooled, classes, "logits")
    return keras.Model(image, [logits, *extra] if extra else logits)


def assign(model: keras.Model, values: Sequence[Sequence[np.ndarray]], dense: Sequence[np.ndarray]) -> None:
    """Sets the trainable weights of a built model: how a child is cut out of a supernet.

    Args:
        model: made by :func:`build_architecture`, without auxiliary head.
        values: one list per convolution or normalisation, in the builder's order of creation (its layers' numbers),
            including those that turned out to be dead ends and are not in the model.
        dense: kernel and bias of the classifier.
    """
    for layer in model.layers:
        if layer.name == "logits":
            new: Sequence[np.ndarray] = dense
        elif layer.trainable_weights:
            new = values[int(layer.name.rsplit("_", 1)[1]) - 1]
        else:
            continue
        for variable, value in zip(layer.trainable_weights, new, strict=True):
            variable.assign(value)


class _Layers:
    """Makes layers with names and seeds that depend only on their order."""

    def __init__(self, seed: int, drop_path: bool) -> None:
        self.seed, self.drop_path, self.count, self.weighted = seed, drop_path, 0, 0

    def _next_seed(self) -> int:
        self.count += 1
        return derive_seed(self.seed, f"layer {self.count}")

    def _name(self, kind: str) -> str:
        self.weighted += 1
        return f"{kind}_{self.weighted}"

    def dense(self, x: Tensor, units: int, name: str) -> Tensor:
        limit = float(np.sqrt(6.0 / (int(x.shape[-1]) + units)))
        initializer = keras.initializers.RandomUniform(-limit, limit, seed=self._next_seed())
        return keras.layers.Dense(units, kernel_initializer=initializer, name=name)(x)

    def kernel(self, height: int, width: int, channels: int, filters: int) -> keras.initializers.Initializer:
        deviation = he_deviation((height, width, channels, filters))
        return keras.initializers.RandomNormal(0.0, deviation, seed=self._next_seed())

    def conv(self, x: Tensor, height: int, width: int, filters: int, strides: tuple[int, int] = (1, 1)) -> Tensor:
        initializer = self.kernel(height, width, int(x.shape[-1]), filters)
        if (height, width) == (1, 1) and strides != (1, 1):
            x, strides = keras.layers.MaxPooling2D(1, strides)(x), (1, 1)  # subsampling; see harness.nets.ops.Conv
        return keras.layers.Conv2D(
            filters,
            (height, width),
            strides,
            "same",
            use_bias=False,
            kernel_initializer=initializer,
            name=self._name("conv"),
        )(x)

    def apply(self, steps: Sequence[Step], x: Tensor) -> Tensor:
        for step in steps:
            match step:
                case Relu():
                    x = keras.layers.ReLU()(x)
                case Conv(height, width, filters, strides):
                    x = self.conv(x, height, width, filters, strides)
                case Depthwise(size, stride, dilation):
                    x = keras.layers.DepthwiseConv2D(
                        size,
                        stride,
                        "same",
                        dilation_rate=dilation,
                        use_bias=False,
                        depthwise_initializer=self.kernel(size, size, int(x.shape[-1]), 1),
                        name=self._name("depthwise"),
                    )(x)
                case Norm(affine):
                    x = FusedBatchNormalization(affine=affine, name=self._name("norm"))(x)
                case Pool("max", size, stride):
                    x = keras.layers.MaxPooling2D(size, stride, "same")(x)
                case Pool(_, size, stride):
                    x = keras.layers.AveragePooling2D(size, stride, "same")(x)
                case Halve(filters):
                    moved = keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
                    moved = keras.layers.Cropping2D(((1, 0), (1, 0)))(moved)
                    first = self.conv(x, 1, 1, filters // 2, (2, 2))
                    x = keras.layers.Concatenate()([first, self.conv(moved, 1, 1, filters - filters // 2, (2, 2))])
        return x

    def edge(self, steps: Sequence[Step], x: Tensor) -> Tensor:
        """An edge of a cell: its operation, then drop path unless it is the identity (DARTS' rule)."""
        x = self.apply(steps, x)
        return DropPath(seed=self._next_seed())(x) if self.drop_path and steps else x


def _total(terms: list[Tensor]) -> Tensor:
    return terms[0] if len(terms) == 1 else keras.layers.Add()(terms)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else keras.layers.Concatenate()(parts)


def _cell_stack(net: CellStack, image: Tensor, layers: _Layers) -> tuple[Tensor, Tensor]:
    """Features, and the output of the cell that carries the auxiliary head (two thirds of the way)."""
    channels = net.channels
    stem = (Conv(3, 3, net.stem_multiplier * channels, (net.stem_stride,) * 2), Norm())
    before = last = layers.apply(stem, image)
    inside, halved = last, False
    for number in range(net.layers):
        reduces = number in net.reductions
        channels *= 2 if reduces else 1
        first = layers.apply(halve(channels) if halved else relu_conv_norm(channels), before)
        second = layers.apply(relu_conv_norm(channels), last)
        if reduces and net.reduce == "inputs":
            first, second = layers.apply(halve(channels), first), layers.apply(halve(channels), second)
        cell = net.reduction if reduces else net.normal
        stride = 2 if reduces and net.reduce == "edges" else 1
        output = _cell(cell, [first, second], channels, stride, layers)
        if net.project:
            output = layers.apply(relu_conv_norm(channels), output)
        before, last, halved = last, output, reduces
        if number == 2 * net.layers // 3:
            inside = last
    return last, inside


def _cell(cell: Cell, inputs: list[Tensor], channels: int, stride: int, layers: _Layers) -> Tensor:
    states = list(inputs)
    for node in range(cell.inputs, cell.nodes):
        terms = []
        for edge in cell.into(node):
            steps = steps_of(edge.op, channels, stride if edge.source < cell.inputs else 1)
            if steps is not None:
                terms.append(layers.edge(steps, states[edge.source]))
        states.append(_total(terms) if terms else keras.layers.Rescaling(0.0)(states[0]))
    return _joined([states[node] for node in cell.output])


def _auxiliary_head(x: Tensor, classes: int, layers: _Layers) -> Tensor:
    """DARTS' auxiliary head for 8x8 feature maps; smaller maps are padded."""
    roomy = int(x.shape[1]) >= 8 and int(x.shape[2]) >= 8
    padding = "valid" if roomy else "same"
    x = keras.layers.ReLU()(x)
    x = keras.layers.AveragePooling2D(5, 3, padding)(x)
    x = layers.apply((Conv(1, 1, 128), Norm(), Relu()), x)
    x = keras.layers.Conv2D(768, 2, padding=padding, use_bias=False, kernel_initializer=layers.kernel(2, 2, 128, 768))(
        x
    )
    x = layers.apply((Norm(), Relu()), x)
    return layers.dense(keras.layers.Flatten()(x), classes, "auxiliary_logits")


def _residual_stages(net: ResidualStages, image: Tensor, layers: _Layers) -> Tensor:
    channels = net.channels
    x = layers.apply((Conv(3, 3, channels, (net.stem_stride,) * 2), Norm()), image)
    for stage in range(3):
        if stage > 0:
            channels *= 2
            residual = layers.apply(relu_conv_norm(channels, 3, 2) + relu_conv_norm(channels, 3), x)
            x = _total([residual, layers.apply((Pool("avg", 2, 2), Conv(1, 1, channels)), x)])
        for _ in range(net.repeats):
            x = _cell(net.cell, [x], channels, 1, layers)
    return layers.apply((Norm(), Relu()), x)


def _macro_stack(net: MacroStack, image: Tensor, layers: _Layers) -> Tensor:
    channels = net.channels
    outputs = [layers.apply((Conv(3, 3, channels, (net.stem_stride,) * 2), Norm()), image)]
    for number in range(1, net.graph.nodes):
        terms = []
        for edge in net.graph.into(number):
            skip = edge.op == "skip"
            terms.append(outputs[edge.source] if skip else layers.apply(macro_steps_of(edge.op, channels), outputs[-1]))
        outputs.append(layers.apply((Norm(),), _total(terms)))
        if number in net.reductions:
            channels *= 2
            outputs = [layers.apply((Halve(channels), Norm()), output) for output in outputs]
    return outputs[-1]


def _conv_chain(net: ConvChain, image: Tensor, layers: _Layers) -> Tensor:
    graph = net.graph
    stem: tuple[Step, ...] = (Pool("avg", net.stem_stride, net.stem_stride),) if net.stem_stride > 1 else ()
    states: list[Tensor] = [layers.apply(stem, image)]
    for node in range(1, graph.nodes):
        edges = graph.into(node)
        if all(edge.op == "concat" for edge in edges):
            states.append(_joined(_padded([states[edge.source] for edge in edges])))
            continue
        [edge] = edges
        match = _CHAIN_CONV.match(edge.op)
        if match is None:
            states.append(layers.apply((Pool("max", 2, 2),), states[edge.source]))
            continue
        height, width, filters, vertical, horizontal = (int(word) for word in match.groups())
        steps = (Conv(height, width, max(1, round(filters * net.widen)), (vertical, horizontal)), Norm(), Relu())
        states.append(layers.apply(steps, states[edge.source]))
    return _joined(_padded([states[node] for node in graph.output]))


def _padded(parts: list[Tensor]) -> list[Tensor]:
    """Brings all parts to the largest height and width with zeros at the bottom and at the right."""
    height, width = (max(int(part.shape[axis]) for part in parts) for axis in (1, 2))
    out = []
    for part in parts:
        below, right = height - int(part.shape[1]), width - int(part.shape[2])
        out.append(keras.layers.ZeroPadding2D(((0, below), (0, right)))(part) if below or right else part)
    return out


def _from_config(proposal: KerasConfig, image_shape: ImageShape, classes: int, seed: int) -> keras.Model:
    """A Keras model from JSON, freshly initialised from ``seed``, with its final softmax taken off."""
    config = json.loads(proposal.json)
    _reseed(config, seed)
    model = keras.models.model_from_json(json.dumps(config))
    last = model.layers[-1]
    if isinstance(last, keras.layers.Softmax) or _is_softmax(last):
        if isinstance(last, keras.layers.Dense):
            last.activation = keras.activations.linear
        else:
            model = keras.Model(model.inputs[0], last.input)
    if tuple(model.input_shape[1:]) != image_shape or model.output_shape[-1] != classes:
        raise InputError(
            f"the proposed Keras model maps {model.input_shape[1:]} to {model.output_shape[-1]} classes, "
            f"the data set needs {image_shape} to {classes}"
        )
    return model


def _is_softmax(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Dense | keras.layers.Activation) and (
        layer.activation is keras.activations.softmax
    )


def _reseed(node: object, seed: int) -> None:
    """Sets every ``seed`` entry of a configuration, so that the weights depend on ``seed`` and on nothing else."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "seed":
                node[key] = seed
            else:
                _reseed(value, derive_seed(seed, str(key)))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            _reseed(value, derive_seed(seed, str(place)))
