"""Zoph & Le's chain: size, order of decisions, repair rules."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.architecture import ConvChain
from harness.core.errors import InputError
from harness.core.lowering import lower
from harness.core.primitives import Conv
from harness.core.space import Size
from harness.spaces import get_space
from harness.spaces.nas_rl import ConvChainSpace

SIZE = Size(64, 0)


def chain(space: ConvChainSpace, skips: dict[int, tuple[int, ...]]) -> ConvChain:
    """The graph in which every layer is 3x5 with 36 filters and layer i reads ``skips[i]``."""
    words: list[str] = []
    for layer in range(1, space.layers + 1):
        words += ["3", "5", "36", *(["2", "3"] if space.strides else [])]
        words += ["1" if earlier in skips.get(layer, ()) else "0" for earlier in range(1, layer)]
    return space.decode(space.parse(f"{space.name}:{','.join(words)}"), SIZE)


def sources(graph: ConvChain, layer: int) -> list[int]:
    """Layers whose outputs layer ``layer`` gathers; 0 is the image (a chain without pools)."""
    return [edge.source // 2 for edge in graph.graph.into(2 * layer - 1)]


def test_fifteen_layers_have_2_to_the_195_networks() -> None:
    assert ConvChainSpace().cardinality == 2**195
    assert len(ConvChainSpace().choices) == 15 * 3 + 15 * 14 // 2


def test_strides_are_two_more_decisions_per_layer() -> None:
    assert ConvChainSpace(layers=4, strides=True).cardinality == 64**4 * 9**4 * 2**6
    graph = chain(ConvChainSpace(layers=2, strides=True), {})
    assert [edge.op for edge in graph.graph.into(2)] == ["conv_3x5_36_s2x3"]


def test_a_net_without_skips_feeds_the_image_to_every_layer_and_every_output_to_the_head() -> None:
    graph = chain(ConvChainSpace(layers=4), {})
    assert [sources(graph, layer) for layer in (1, 2, 3, 4)] == [[0]] * 4
    assert graph.graph.output == (2, 4, 6, 8)


def test_outputs_that_nobody_reads_reach_the_head() -> None:
    graph = chain(ConvChainSpace(layers=4), {2: (1,), 4: (1, 2)})
    assert [sources(graph, layer) for layer in (1, 2, 3, 4)] == [[0], [1], [0], [1, 2]]
    assert graph.graph.output == (6, 8)


def test_every_network_reads_the_image_and_loses_no_output() -> None:
    space, rng = ConvChainSpace(layers=6), np.random.default_rng(0)
    for _ in range(50):
        graph = space.decode(space.sample(rng), SIZE).graph
        assert all(graph.into(node) for node in range(1, graph.nodes))
        read = {edge.source for edge in graph.edges}
        assert 0 in read
        assert set(graph.output) == set(range(graph.nodes)) - read


def test_read_lists_what_the_genotype_says() -> None:
    space = ConvChainSpace(layers=3)
    layers = space.read(space.parse("chain:1,7,24,5,3,48,1,3,1,64,0,1"))
    assert [(layer.height, layer.width, layer.filters, layer.inputs) for layer in layers] == [
        (1, 7, 24, ()),
        (5, 3, 48, (1,)),
        (3, 1, 64, (2,)),
    ]


def test_pools_sit_behind_their_layer_and_readers_see_the_pooled_output() -> None:
    space = ConvChainSpace(layers=3, pools=(2,))
    graph = chain(space, {2: (1,), 3: (1, 2)}).graph
    [pool] = [edge for edge in graph.edges if edge.op == "max_pool_2x2"]
    assert pool.source == 4
    assert {edge.source for edge in graph.into(6)} == {2, pool.target}


def test_the_size_widens_the_filters() -> None:
    space = ConvChainSpace(layers=3)
    genotype = space.sample(np.random.default_rng(0))
    assert space.decode(genotype, Size(64, 0)).widen == space.decode(genotype, Size(32, 0)).widen == 1
    assert space.decode(genotype, Size(16, 0)).widen == 0.5


def test_more_filters_are_added_to_every_layer_before_the_network_shrinks() -> None:
    space = ConvChainSpace(layers=3)
    genotype = space.sample(np.random.default_rng(0))
    plain, more = (lower(space.decode(genotype, Size(16, 0, more=more))) for more in (0, 40))
    filters = [
        [p.filters for layer in net.layers for p in layer.primitives if isinstance(p, Conv)] for net in (plain, more)
    ]
    assert len(filters[0]) == 3
    assert [wide - slim for slim, wide in zip(*filters, strict=True)] == [20, 20, 20]


def test_sized_chains_by_name() -> None:
    space = get_space("chain-6")
    assert isinstance(space, ConvChainSpace)
    assert (space.layers, space.pools, space.name) == (6, (2, 4), "chain-6")
    with pytest.raises(InputError):
        get_space("chain-2")
