"""ENAS' macro space."""

from __future__ import annotations

import numpy as np

from harness.core.architecture import Edge
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.primitives import Conv
from harness.core.space import Size
from harness.spaces import get_space
from harness.spaces.enas_macro import MACRO_OPERATIONS, MacroSpace


def test_twelve_layers_have_78_integers_and_the_published_size() -> None:
    space = MacroSpace()
    assert len(space.choices) == 78
    assert space.cardinality == 6**12 * 2**66
    assert [len(choice) for choice in space.choices[:4]] == [6, 6, 2, 6]


def test_a_layer_applies_its_operation_to_the_previous_one_and_adds_what_it_skips_to() -> None:
    space = MacroSpace(layers=3)
    graph = space.decode(space.parse("macro:conv_3x3,max_pool_3x3,1,sep_conv_5x5,1,0"), Size(8, 0)).graph
    assert set(graph.edges) == {
        Edge(0, 1, "conv_3x3"),
        Edge(1, 2, "max_pool_3x3"),
        Edge(0, 2, "skip"),
        Edge(2, 3, "sep_conv_5x5"),
        Edge(0, 3, "skip"),
    }
    assert graph.output == (3,)


def test_every_layer_has_one_operation_and_as_many_skips_as_bits() -> None:
    space, rng = MacroSpace(), np.random.default_rng(0)
    for _ in range(20):
        genotype = space.sample(rng)
        graph = space.decode(genotype, Size(8, 0)).graph
        bits = sum(genotype.picks) - sum(genotype.picks[layer * (layer - 1) // 2] for layer in range(1, 13))
        assert sum(edge.op == "skip" for edge in graph.edges) == bits
        for layer in range(1, 13):
            [op] = [edge for edge in graph.into(layer) if edge.op != "skip"]
            assert op.source == layer - 1
            assert op.op in MACRO_OPERATIONS


def test_the_search_network_has_one_width_and_the_final_one_the_published_size() -> None:
    space = MacroSpace()
    rng = np.random.default_rng(0)
    genotypes = [space.sample(rng) for _ in range(20)]
    searched = [lower(space.searched(g, Size(36, 12))) for g in genotypes]
    for graph in searched:
        assert {c.filters for layer in graph.layers for c in layer.primitives if isinstance(c, Conv)} == {36}
    finals = [measure(lower(space.decode(g, Size(96, 12))), (32, 32, 3), 10).parameters for g in genotypes]
    assert min(finals) > 1_500_000, "36 filters give 0.27 to 1.97 million"


def test_reductions_follow_a_third_and_two_thirds() -> None:
    for layers, expected in ((12, (4, 8)), (6, (2, 4)), (3, (1, 2))):
        space = MacroSpace(layers=layers)
        assert space.decode(space.sample(np.random.default_rng(0)), Size(8, 0)).reductions == expected
    assert len(get_space("macro-5").choices) == 15
