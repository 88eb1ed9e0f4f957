"""Counting a graph and counting the Keras model that is built from it give the same numbers."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from harness.core.architecture import Architecture, Cell, CellStack, Edge, Style
from harness.core.graph import LayerGraph, Layers
from harness.core.lowering import lower
from harness.core.measure import floor_pooled, floor_window, macs_of, measure, shape_after
from harness.core.primitives import (
    BiasedConv,
    Conv,
    Depthwise,
    Dropout,
    FactorizedReduce,
    Flatten,
    FloorPool,
    Norm,
    Pool,
    Relu,
    ShakeShortcut,
    Unpool,
    Zero,
)
from harness.core.seeds import rng
from harness.core.space import Size
from harness.nets.build import build_architecture
from harness.nets.count import macs, parameters
from harness.spaces import get_space, names

SHAPES = [(9, 8, 3), (28, 28, 1)]


def check(architecture: Architecture, shape: tuple[int, int, int], classes: int) -> None:
    counted = measure(lower(architecture), shape, classes)
    model = build_architecture(architecture, shape, classes, seed=0)
    assert counted.parameters == parameters(model)
    assert counted.macs == macs(model)
    everything = sum(int(np.prod(weight.shape)) for weight in model.weights)
    assert counted.statistics == everything - parameters(model)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [*names(), "macro-4", "chain-4"])
def test_the_graph_of_a_genotype_counts_like_its_model(name: str, shape: tuple[int, int, int]) -> None:
    space = get_space(name)
    check(space.decode(space.sample(rng(0, name)), Size(8, 3, 2)), shape, 5)


OUTPUT_WITH_INPUTS = Cell(
    2,
    4,
    (Edge(0, 2, "skip_connect"), Edge(1, 2, "max_pool_3x3"), Edge(2, 3, "conv_3x3"), Edge(0, 3, "conv_1x3_3x1")),
    (0, 1, 3),
)


@pytest.mark.parametrize("style", ["darts", "nasnet", "enas", "nao"])
def test_cells_that_put_their_inputs_out_fit_together_under_all_rules(style: Style) -> None:
    net = CellStack(OUTPUT_WITH_INPUTS, OUTPUT_WITH_INPUTS, 8, 4, (1, 2), style=style)
    check(net, (9, 8, 3), 4)


def test_a_node_without_edges_is_zero_also_where_the_image_is_halved() -> None:
    empty = Cell(2, 4, (Edge(0, 2, "none"), Edge(1, 3, "conv_3x3")), (2, 3))
    check(CellStack(empty, empty, 8, 3, (1,)), (9, 8, 3), 4)


def all_steps() -> LayerGraph:
    layers = Layers()
    first = layers.add(0, Conv(3, 5, 8, (2, 1)), Norm(), Relu(), Unpool(), Zero())
    second = layers.add(
        0, BiasedConv(3, 6, 2), Depthwise(5), Depthwise(3, dilation=2), Pool("avg", 3, 2), FactorizedReduce(8)
    )
    branches = [layers.add(second, Dropout(0.5), ShakeShortcut(8, 1)) for _ in range(2)]
    mixed = layers.add(branches, merge="shake")
    layers.add(second, BiasedConv(3, 4))
    joined = layers.add([mixed, first], merge="concat")
    added = layers.add([layers.add(joined, Conv(1, 1, 8)), mixed], Norm(), merge="mean")
    return layers.graph(layers.add(added, FloorPool(2, 2), Flatten(), Conv(1, 1, 8)), bias=False)


@pytest.mark.parametrize("shape", [(16, 15, 3), (32, 32, 1)])
def test_every_step_and_merge_counts_like_its_layer(shape: tuple[int, int, int]) -> None:
    graph = all_steps()
    check(graph, shape, 3)
    assert measure(graph, shape, 3).idle == 9 * 8 * 4 + 4


def test_shapes() -> None:
    assert shape_after(FloorPool(5, 3), (32, 32, 4)) == (9, 9, 4)
    assert shape_after(FloorPool(2, 2), (9, 1, 4)) == (4, 1, 4)
    assert shape_after(Conv(3, 3, 7, (2, 3)), (9, 9, 4)) == (5, 3, 7)
    assert shape_after(Flatten(), (4, 4, 256)) == (1, 1, 4096)


def test_windows_of_a_floor_pool_cover_what_is_said_and_fit_the_image() -> None:
    for length, size, stride in product(range(1, 12), (2, 3, 5), (2, 3)):
        window, covered = floor_window(length, size, stride)
        starts = range(0, covered - window + 1, stride)
        assert len(starts) == floor_pooled(length, size, stride)
        assert starts[-1] + window == covered <= length
        assert window == min(size, length)


@pytest.mark.parametrize("stride", [1, 2])
def test_an_image_is_halved_by_averaging_or_read_as_it_is(stride: int) -> None:
    layers = Layers()
    graph = layers.graph(layers.image(stride))
    assert len(graph.layers) == stride - 1
    last = (8, 6, 3) if stride == 1 else (4, 3, 3)
    assert measure(graph, (8, 6, 3), 5).macs == 5 * last[2]
    assert [shape_after(step, (8, 6, 3)) for layer in graph.layers for step in layer.primitives] == [last] * (
        stride - 1
    )


@pytest.mark.parametrize("shape", [(9, 14, 3), (32, 7, 1)])
def test_steps_cost_what_a_layer_of_them_costs_and_leave_its_shape(shape: tuple[int, int, int]) -> None:
    steps = (Conv(3, 5, 8, (2, 1)), Norm(), Relu(), Depthwise(3, stride=2), Unpool(), Conv(1, 1, 6), Pool("max", 3, 1))
    layers = Layers()
    graph = layers.graph(layers.add(0, *steps), bias=False)
    macs_, last = macs_of(steps, shape)
    assert macs_ == measure(graph, shape, 5).macs - 5 * last[2]
    between, found = shape, 0
    for step in steps:
        more, between = macs_of((step,), between)
        found += more
    assert (found, between) == (macs_, last)
    assert last == (2 * math.ceil(shape[0] / 4), 2 * math.ceil(shape[1] / 2), 6)
    assert macs_of((), shape) == (0, shape)


def test_a_convolution_multiplies_each_weight_once_per_place() -> None:
    """3 x 5 weights for each of 4 x 8 pairs of channels, at 5 x 9 places of the output."""
    assert macs_of((Conv(3, 5, 8, (2, 1)),), (9, 9, 4)) == (3 * 5 * 4 * 8 * 5 * 9, (5, 9, 8))
    assert macs_of((Depthwise(3, stride=2),), (9, 8, 4)) == (3 * 3 * 4 * 5 * 4, (5, 4, 4))


def test_layers_read_earlier_ones_only() -> None:
    layers = Layers()
    assert layers.merged([layers.add(0, Relu())]) == 1
    assert layers.merged([0, 1]) == 2
    assert layers.graph(1).live() == [True, True, False]
    layers.add(3)
    with pytest.raises(ValueError, match="node 3 reads"):
        layers.graph(3)
