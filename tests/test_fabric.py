"""Fabrics: the trellis, sub-fabrics and paths, and the gated supernet that they are cut out of."""

from __future__ import annotations

import functools
from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
from harness.methods.common.fabric_training import strongest

from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.primitives import Conv, Unpool
from harness.core.seeds import rng
from harness.core.space import Genotype, Size
from harness.nets.build import assign, build_architecture
from harness.nets.supernets.fabric import GatedFabric
from harness.spaces import get_space
from harness.spaces.fabric import FabricEdge, FabricSpace, fabric_edges

SPACE = FabricSpace("fabric-3", 3, 3)
SHAPE, CLASSES, SIZE = (7, 7, 2), 3, Size(4, 3)


@functools.cache
def net() -> GatedFabric:
    made = GatedFabric(SPACE, SIZE, SHAPE, CLASSES, rng(0, "weights"))
    generator = rng(2, "offsets")  # so that a normalisation of zeros is not zero
    made.weights.assign(made.weights.numpy() + generator.normal(0, 0.1, made.weights.shape).astype(np.float32))
    return made


def images(n: int = 5) -> np.ndarray:
    return rng(1, "images").normal(size=(n, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize(("layers", "scales", "edges"), [(8, 6, 122), (2, 2, 6), (3, 3, 18), (4, 4, 36)])
def test_edges_and_nodes(layers: int, scales: int, edges: int) -> None:
    found = fabric_edges(layers, scales)
    assert len(found) == edges == (layers - 1) * (3 * scales - 2) + 2 * (scales - 1)
    nodes = {(0, 0), *(edge.target for edge in found)}
    assert len(nodes) == layers * scales
    assert len(set(found)) == len(found)
    seen = {(0, 0)}
    for edge in found:  # the order is topological
        assert edge.source in seen
        seen.add(edge.target)


def test_every_edge_of_the_whole_fabric_is_on_a_path() -> None:
    space = FabricSpace()
    assert len(space.live(space.whole().picks)) == len(space.edges) == 122


@pytest.mark.parametrize("side", [32, 28, 7])
def test_maps_have_the_side_of_their_scale_and_weights_are_counted(side: int) -> None:
    space, channels = FabricSpace("fabric-3", 3, 3), 4
    graph = lower(space.decode(space.whole(), Size(channels, 0)))
    nodes, kernel = 9, 9 * channels**2
    counted = measure(graph, (side, side, 3), 10)
    assert counted.idle == 0
    assert counted.parameters == 18 * kernel + 27 * channels + nodes * 2 * channels + (channels + 1) * 10
    model = build_architecture(space.decode(space.whole(), Size(channels, 0)), (side, side, 3), 10, seed=0)
    assert model.count_params() - counted.statistics == counted.parameters


def test_a_path_is_a_chain() -> None:
    space = FabricSpace("fabric-4", 4, 3)
    path = space.widest_path(np.ones(len(space.edges)))
    layers = lower(space.decode(space.of_edges(path), Size(4, 0))).layers
    assert all(len(layer.inputs) == 1 for layer in layers)
    convolutions = [p for layer in layers for p in layer.primitives if isinstance(p, Conv)]
    assert len(convolutions) == len(path) + 1


def test_the_widest_path_avoids_the_weakest_edges() -> None:
    space, generator = FabricSpace("fabric-4", 4, 3), np.random.default_rng(0)
    for _ in range(20):
        strengths = generator.random(len(space.edges))
        path = space.widest_path(strengths)
        weakest = min(strengths[number] for number in path)
        assert space.live(space.of_edges(path).picks) == path
        stronger = space.of_edges(np.flatnonzero(strengths > weakest))
        assert space.output(stronger.picks) != space.last, "without weaker edges there is no path at all"


def test_the_widest_path_through_an_edge_has_it_and_is_the_best_that_has() -> None:
    strengths = np.random.default_rng(3).random(len(SPACE.edges))
    ways = paths_of(SPACE)
    for edge in range(len(SPACE.edges)):
        through = [way for way in ways if edge in way]
        found = SPACE.widest_path(strengths.tolist(), through=edge)
        assert found in through
        assert min(strengths[found]) == max(min(strengths[way]) for way in through)


def paths_of(space: FabricSpace, at: tuple[int, int] = (0, 0)) -> list[list[int]]:
    """All paths from a node to the output, as numbers of edges."""
    if at == space.last:
        return [[]]
    return [
        [number, *rest]
        for number, edge in enumerate(space.edges)
        if edge.source == at
        for rest in paths_of(space, edge.target)
    ]


def test_dead_edges_change_nothing() -> None:
    space, generator = FabricSpace("fabric-4", 4, 3), np.random.default_rng(1)
    for _ in range(50):
        genotype = space.sample(generator)
        kept = space.of_edges(space.live(genotype.picks))
        assert lower(space.decode(kept, SIZE)) == lower(space.decode(genotype, SIZE))
        assert space.live(kept.picks) == space.live(genotype.picks)


def test_without_a_path_the_last_node_reached_is_read() -> None:
    space = FabricSpace("fabric-3", 3, 3)
    nothing = space.of_edges([])
    assert space.output(nothing.picks) == (0, 0)
    assert len(lower(space.decode(nothing, SIZE)).layers) == 1


def genotypes() -> list[Genotype]:
    generator = np.random.default_rng(5)
    wide = [number for number, edge in enumerate(SPACE.edges) if edge.step >= 0]
    nodes = [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (2, 2)]  # down, up again to an odd side, and down
    up = [SPACE.edges.index(FabricEdge(*pair)) for pair in pairwise(nodes)]
    return [SPACE.whole(), SPACE.of_edges(wide), SPACE.of_edges(up), *(SPACE.sample(generator) for _ in range(5))]


@pytest.mark.parametrize("number", range(8))
def test_a_sub_fabric_of_the_supernet_is_its_standalone_network(number: int) -> None:
    genotype = genotypes()[number]
    model = build_architecture(SPACE.decode(genotype, SIZE), SHAPE, CLASSES, seed=0)
    assign(model, *net().cut(genotype.picks))
    own = model(images(), training=True).numpy()
    shared = net().logits(tf.constant(images()), tf.constant(genotype.picks)).numpy()
    np.testing.assert_allclose(shared, own, rtol=1e-4, atol=1e-5)


def test_a_path_that_goes_up_again_is_among_them() -> None:
    graphs = [lower(SPACE.decode(genotype, SIZE)) for genotype in genotypes()]
    assert any(isinstance(p, Unpool) for layer in graphs[2].layers for p in layer.primitives)


def test_costs_are_those_of_the_convolutions() -> None:
    whole = measure(lower(SPACE.decode(SPACE.whole(), SIZE)), SHAPE, CLASSES)
    assert net().macs(SPACE.whole().picks) == whole.macs
    generator = np.random.default_rng(3)
    for _ in range(10):
        genotype = SPACE.sample(generator)
        live = SPACE.live(genotype.picks)
        counted = measure(lower(SPACE.decode(genotype, SIZE)), SHAPE, CLASSES)
        assert net().fixed_macs + net().edge_macs[live].sum() == counted.macs


def test_gates_given_per_image_are_those_of_all_images() -> None:
    labels = tf.constant([0, 1, 2, 0, 1], tf.int64)
    picks = np.array(genotypes()[4].picks)
    first = net().state()
    gates = tf.constant(np.tile(picks, (5, 1)).astype(np.float32))
    losses = net().drawn_step(tf.constant(images()), labels, gates, tf.constant(0.0))
    net().restore(first)
    logits = net().logits(tf.constant(images()), tf.constant(picks, tf.int32))
    wanted = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    np.testing.assert_allclose(losses.numpy(), wanted.numpy(), rtol=1e-5)


def test_every_image_passes_its_own_gates() -> None:
    """Images in another order with their gates have the same losses; with each other's gates they have not."""
    generator = np.random.default_rng(8)
    x, labels = images(), np.array([0, 1, 2, 0, 1])
    gates = np.array([generator.permutation(genotypes()[4].picks) for _ in labels], np.float32)
    order = np.array([3, 0, 4, 2, 1])
    assert len({row.tobytes() for row in gates}) == len(labels)

    def losses(chosen: np.ndarray, own: np.ndarray) -> np.ndarray:
        state = net().state()
        result = net().drawn_step(
            tf.constant(x[chosen]), tf.constant(labels[chosen]), tf.constant(own), tf.constant(0.0)
        )
        net().restore(state)
        return np.asarray(result.numpy())

    straight = losses(np.arange(5), gates)
    np.testing.assert_allclose(losses(order, gates[order]), straight[order], rtol=1e-4, atol=1e-5)
    assert np.abs(losses(order, gates) - straight[order]).max() > 1e-3


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("name", ["fabric-3", "fabric-4", "fabric"])
def test_a_pruned_fabric_keeps_the_share_of_edges_that_it_says(name: str, keep: float) -> None:
    """Also where norms are chance, and most of the strongest edges lead nowhere by themselves."""
    space = get_space(name)
    assert isinstance(space, FabricSpace)
    for seed in range(3):
        norms = np.random.default_rng(seed).random(len(space.edges))
        found = strongest(space, norms, keep)
        on = [number for number, pick in enumerate(found.picks) if pick]
        assert space.live(found.picks) == on, "each edge counts"
        assert set(space.widest_path(norms.tolist())) <= set(on)
        least = max(len(space.widest_path(norms.tolist())), round(keep * len(norms)))
        longest = space.layers + 2 * space.scales - 3
        assert least <= len(on) < least + longest, "the last edge may bring a path along"


def test_sized_fabrics_by_name() -> None:
    space = get_space("fabric-4")
    assert isinstance(space, FabricSpace)
    assert (space.layers, space.scales) == (4, 4)
