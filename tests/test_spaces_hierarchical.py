"""The space of motifs: its text, what is left out, and which weights are shared (none)."""

from __future__ import annotations

import numpy as np

from harness.core.graph import LayerGraph
from harness.core.measure import measure
from harness.core.primitives import Conv, Depthwise, Pool
from harness.core.space import Size
from harness.spaces import get_space
from harness.spaces.hierarchical import NONE, PRIMITIVES, HierarchicalSpace, Motif, network
from harness.spaces.zoo.hierarchical import CELL, MOTIFS

SPACE = HierarchicalSpace()
IDENTITY = Motif(4, ((1, 2, "skip_connect"), (2, 3, "skip_connect"), (3, 4, "skip_connect")))
CHAIN = Motif(5, ((1, 2, "motif1"), (2, 3, "motif1"), (3, 4, "motif1"), (4, 5, "motif1")))
SMALL = Size(8, 3)


def layers(motifs: dict[str, Motif], cell: Motif, size: Size = SMALL) -> LayerGraph:
    return SPACE.decode(SPACE.write(motifs, cell), size)


def live_steps(graph: LayerGraph, *kinds: type) -> int:
    alive = graph.live()
    return sum(
        isinstance(p, kinds) for node, layer in enumerate(graph.layers, 1) if alive[node] for p in layer.primitives
    )


def test_it_has_the_papers_size() -> None:
    assert len(SPACE.choices) == 6 * 6 + 10
    assert SPACE.cardinality == 7**46
    assert {choice.options for choice in SPACE.choices[:36]} == {(NONE, *PRIMITIVES)}
    assert len(SPACE.graphs[-1]) * len(SPACE.graphs[0]) == 60, "so many edges a flattened cell can have"


def test_graphs_and_genotypes_are_the_same_thing() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        genotype = SPACE.sample(rng)
        assert SPACE.write(*SPACE.read(genotype)) == genotype


def test_the_published_cell_is_in_the_space() -> None:
    motifs, cell = SPACE.read(SPACE.write(MOTIFS, CELL))
    assert {name: motifs[name] for name in MOTIFS} == MOTIFS
    assert cell == CELL
    size = Size(16, 6)
    assert SPACE.decode(SPACE.write(MOTIFS, CELL), size) == network(CELL, MOTIFS, 16, 2, 1)


def test_the_identity_chain_is_the_identity_up_to_the_convolutions_that_restore_the_width() -> None:
    graph = layers({"motif1": IDENTITY}, CHAIN)
    assert live_steps(graph, Pool) == 0
    assert live_steps(graph, Depthwise) == 2, "those between three cells"
    assert live_steps(graph, Conv) == 1 + 2 + 3 * 4, "stem, between the cells, and one per motif"


def test_a_motif_used_twice_has_two_sets_of_weights() -> None:
    """A second use in a row adds as many weights as the first."""
    motif = Motif(4, ((1, 2, "sep_conv_3x3"), (2, 4, "dep_conv_3x3")))
    cells = [Motif(5, ((1, 5, "motif2"),)), Motif(5, ((1, 2, "motif2"), (2, 5, "motif2")))]
    none, once, twice = (
        measure(layers({"motif2": motif}, cell), (32, 32, 3), 10).parameters for cell in (Motif(5, ()), *cells)
    )
    assert twice - once == once - none > 0


def test_what_nothing_reaches_is_left_out() -> None:
    dead = Motif(4, ((2, 3, "conv_1x1"), (2, 4, "conv_1x1"), (3, 4, "sep_conv_3x3")))
    motifs = {"motif1": IDENTITY, "motif2": dead}
    plain = layers(motifs, Motif(5, ((1, 5, "motif1"),)))
    assert layers(motifs, Motif(5, ((1, 5, "motif1"), (1, 2, "motif2"), (2, 5, "motif1")))) == plain
    empty = layers(motifs, Motif(5, ()))
    unfinished = layers(motifs, Motif(5, ((1, 2, "motif1"), (2, 3, "motif1"), (4, 5, "motif1"))))
    assert live_steps(unfinished, Conv) == live_steps(empty, Conv) == 3
    assert layers(motifs, Motif(5, ((1, 5, "motif2"),))) == empty


def test_small_ones_have_fewer_motifs_and_nodes() -> None:
    small = get_space("hierarchical-2")
    assert isinstance(small, HierarchicalSpace)
    assert [len(graph) for graph in small.graphs] == [3, 3, 6]
