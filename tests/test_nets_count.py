"""Multiply-accumulates of Keras models of any make: closed forms, layers that are called twice, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pytest

from harness.core.errors import InputError
from harness.core.evaluation import KerasConfig
from harness.core.space import Size
from harness.nets.build import build_model
from harness.nets.count import macs
from harness.nets.layers import DropPath
from harness.nets.norm import FusedBatchNormalization
from harness.spaces import get_space

Make = Callable[[], Any]
layers = keras.layers

COUNTED = [
    pytest.param(lambda: layers.Dense(7), (5,), 5 * 7, id="dense"),
    pytest.param(lambda: layers.Dense(7), (6, 4, 5), 5 * 7 * 6 * 4, id="dense on a map"),
    pytest.param(lambda: layers.Conv1D(7, 3), (9, 5), 3 * 5 * 7 * 7, id="conv 1d"),
    pytest.param(lambda: layers.Conv1D(7, 3, padding="causal"), (9, 5), 3 * 5 * 7 * 9, id="causal"),
    pytest.param(lambda: layers.Conv2D(6, (3, 2), 2, "same"), (9, 8, 4), 3 * 2 * 4 * 6 * 5 * 4, id="conv 2d"),
    pytest.param(lambda: layers.Conv2D(6, 3, groups=2), (9, 8, 4), 9 * 2 * 6 * 7 * 6, id="grouped"),
    pytest.param(lambda: layers.Conv2D(6, 3, data_format="channels_first"), (4, 9, 8), 9 * 4 * 6 * 7 * 6, id="turned"),
    pytest.param(lambda: layers.Conv3D(2, 3), (5, 6, 7, 4), 27 * 4 * 2 * 3 * 4 * 5, id="conv 3d"),
    pytest.param(lambda: layers.DepthwiseConv1D(3, depth_multiplier=2), (9, 5), 3 * 5 * 2 * 7, id="depthwise 1d"),
    pytest.param(lambda: layers.DepthwiseConv2D(3, 2, "same"), (9, 8, 4), 9 * 4 * 5 * 4, id="depthwise 2d"),
    pytest.param(lambda: layers.SeparableConv1D(7, 3), (9, 5), (3 * 5 + 5 * 7) * 7, id="separable 1d"),
    pytest.param(lambda: layers.SeparableConv2D(7, 3, 2), (9, 9, 5), (9 * 5 + 5 * 7) * 4 * 4, id="separable 2d"),
    pytest.param(lambda: layers.Conv1DTranspose(7, 3, 2), (9, 5), 3 * 5 * 7 * 9, id="transposed 1d"),
    pytest.param(lambda: layers.Conv2DTranspose(6, 3, 2, "same"), (9, 8, 4), 9 * 4 * 6 * 9 * 8, id="transposed 2d"),
    pytest.param(lambda: layers.Conv3DTranspose(2, 3), (5, 6, 7, 4), 27 * 4 * 2 * 5 * 6 * 7, id="transposed 3d"),
]
FREE = [
    *(layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization, layers.RMSNormalization),
    *(layers.PReLU, layers.Normalization, FusedBatchNormalization, DropPath),
]


@pytest.mark.parametrize(("make", "shape", "expected"), COUNTED)
def test_a_layer_counts_by_its_closed_form_at_each_of_its_calls(
    make: Make, shape: tuple[int, ...], expected: int
) -> None:
    image, layer, other = keras.Input(shape), make(), make()
    once = layer(image)
    again = layer(layers.ReLU()(image))
    assert macs(keras.Model(image, once)) == expected, "a call beside the model's own is none of its"
    assert macs(keras.Model(image, layers.Add()([once, again]))) == 2 * expected
    assert macs(keras.Model(image, layers.Add()([once, other(image)]))) == 2 * expected, "as layers of their own"


@pytest.mark.parametrize(("make", "shape", "expected"), COUNTED)
def test_nested_models_count_at_each_of_their_calls(make: Make, shape: tuple[int, ...], expected: int) -> None:
    image, inner = keras.Input(shape), keras.Input(shape)
    for nested in (keras.Model(inner, make()(inner)), keras.Sequential([keras.Input(shape), make()])):
        assert macs(nested) == expected
        twice = layers.Add()([nested(image), nested(layers.ReLU()(image))])
        whole = keras.Model(image, twice)
        assert macs(whole) == 2 * expected
        again = keras.Input(shape)
        assert macs(keras.Model(again, whole(again))) == 2 * expected


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_transposed_convolution_costs_what_the_one_costs_that_it_turns_round(stride: int, padding: str) -> None:
    small, large = keras.Input((5, 4, 3)), layers.Conv2DTranspose(6, 3, stride, padding)
    model = keras.Model(small, large(small))
    back = keras.Input(model.output_shape[1:])
    turned = keras.Model(back, layers.Conv2D(3, 3, stride, padding)(back))
    assert turned.output_shape == model.input_shape
    assert macs(model) == macs(turned)


@pytest.mark.parametrize("kind", FREE)
def test_layers_that_multiply_no_matrix_count_nothing(kind: Callable[..., Any]) -> None:
    options = {"groups": 2} if kind is layers.GroupNormalization else {}
    image, layer = keras.Input((6, 6, 4)), kind(**options)
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(layer(image))))
    assert layer.weights
    assert macs(model) == 6 * 6 * 4 * 3


def test_an_embedding_counts_nothing() -> None:
    words = keras.Input((6,))
    assert macs(keras.Model(words, layers.Dense(2)(layers.Embedding(9, 4)(words)))) == 6 * 4 * 2


def test_networks_of_keras_are_counted() -> None:
    """Published: 569 million for MobileNet 1.0."""
    model = keras.applications.MobileNet(weights=None)
    assert macs(model) == pytest.approx(569e6, rel=0.01)


UNKNOWN = [
    pytest.param(lambda: layers.LSTM(4), id="recurrent"),
    pytest.param(lambda: layers.TimeDistributed(layers.Dense(4)), id="wrapped"),
    pytest.param(lambda: layers.EinsumDense("abc,cd->abd", (6, 4)), id="einsum"),
]


@pytest.mark.parametrize("make", UNKNOWN)
def test_a_proposal_with_a_layer_that_nobody_counts_is_refused_before_its_training(make: Make) -> None:
    image = keras.Input((6, 6, 1), name="image")
    hidden = layers.Flatten()(make()(layers.Reshape((6, 6))(image)))
    model = keras.Model(image, layers.Dense(3)(hidden))
    with pytest.raises(InputError, match="nobody counts"):
        macs(model)
    with pytest.raises(InputError, match="nobody counts"):
        build_model(KerasConfig("net", model.to_json()), get_space("keras"), Size(1, 1), (6, 6, 1), 3, seed=0)


def test_a_map_without_a_fixed_size_is_refused() -> None:
    free, image = keras.Input((None, None, 2)), keras.Input((6, 6, 2))
    nested = keras.Model(free, layers.Conv2D(3, 3)(free))
    with pytest.raises(InputError, match="no fixed size"):
        macs(keras.Model(image, nested(image)))
