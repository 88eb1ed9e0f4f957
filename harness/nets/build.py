"""The builder: an architecture becomes a Keras model. It knows graphs, not spaces or methods.

The model takes normalised float32 images and returns logits; with an auxiliary head, ``[logits, auxiliary logits]``.
Trainable weights agree exactly with the reference implementations of DARTS and NAS-Bench-201 (tested). Strided
convolutions pad as TensorFlow does (PyTorch pads symmetrically): same weights, borders one pixel apart.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import keras
import numpy as np

from harness.core.architecture import Architecture
from harness.core.errors import InputError
from harness.core.evaluation import Ensemble, KerasConfig, Proposal
from harness.core.lowering import lower
from harness.core.primitives import Conv, Norm, Relu
from harness.core.seeds import derive_seed
from harness.core.space import Genotype, Size, Space
from harness.nets import count
from harness.nets.ensemble import averaged
from harness.nets.make import Maker, Tensor

ImageShape = tuple[int, int, int]


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
        proposal: a genotype of ``space``, a Keras model as JSON, or an ensemble, whose members get seeds of their own.
        size: scale of the network (ignored for a Keras model).
        image_shape: height, width, channels.
        seed: of the initial weights and of drop path; the same seed gives the same weights.
        drop_path: insert :class:`DropPath` on the edges of cells.
        auxiliary: add DARTS' auxiliary head where the graph has a place for it; other networks ignore it.

    Raises:
        InputError: the Keras model does not fit the images or the classes, or cannot be counted.
    """
    match proposal:
        case Genotype():
            architecture = space.decode(proposal, size)
            return build_architecture(
                architecture, image_shape, classes, seed=seed, drop_path=drop_path, auxiliary=auxiliary
            )
        case KerasConfig():
            return _from_config(proposal, image_shape, classes, seed)
        case Ensemble(members):
            return averaged(
                [
                    build_model(member, space, size, image_shape, classes, seed=derive_seed(seed, f"member {number}"))
                    for number, member in enumerate(members)
                ]
            )


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
    graph, maker = lower(architecture), Maker(seed, drop_path)
    image = keras.Input(image_shape, name="image")
    nodes: list[Tensor] = [image]
    for layer in graph.layers:
        nodes.append(maker.node(layer, nodes))
    extra: list[Tensor] = []
    if auxiliary and graph.auxiliary is not None:
        extra = [_auxiliary_head(nodes[graph.auxiliary], classes, maker)]
    pooled = keras.layers.GlobalAveragePooling2D(name="features")(nodes[graph.output])
    logits = maker.dense(pooled, classes, "logits", bias=graph.bias)
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


def _auxiliary_head(x: Tensor, classes: int, maker: Maker) -> Tensor:
    """DARTS' auxiliary head for 8x8 feature maps; smaller maps are padded."""
    roomy = int(x.shape[1]) >= 8 and int(x.shape[2]) >= 8
    padding = "valid" if roomy else "same"
    x = keras.layers.ReLU()(x)
    x = keras.layers.AveragePooling2D(5, 3, padding)(x)
    x = maker.apply((Conv(1, 1, 128), Norm(), Relu()), x)
    x = keras.layers.Conv2D(768, 2, padding=padding, use_bias=False, kernel_initializer=maker.kernel(2, 2, 128, 768))(x)
    x = maker.apply((Norm(), Relu()), x)
    return maker.dense(keras.layers.Flatten()(x), classes, "auxiliary_logits")


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
    # The record of a final network has its multiply-accumulates; without them the training would be in vain.
    count.macs(model)
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
