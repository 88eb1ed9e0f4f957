"""One path through a relaxed network: equals the standalone network and the mixed one, moves only its own weights."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf

from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.seeds import rng
from harness.core.space import Size, Space
from harness.nets.build import assign, build_architecture
from harness.nets.supernets.paths import GatedPaths, path_of, without_dead_ends
from harness.spaces import get_space
from harness.spaces.darts import CellSpace
from harness.spaces.nasbench201 import NB201_OPERATIONS, NasBench201Space

SHAPE = (8, 8, 3)
SIZE = Size(4, 3)
OPERATIONS = ("max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3")
SPACES: dict[str, Space] = {
    "cells": CellSpace("cell-2", nodes=2, operations=OPERATIONS),
    "nb201": get_space("nasbench201"),
}


@functools.cache
def made(kind: str) -> tuple[GatedPaths, dict[str, np.ndarray]]:
    """A supernet, traced once for all tests, and its first state."""
    net = GatedPaths(SPACES[kind], SIZE, SHAPE, 3, rng(0, "weights"))
    return net, net.state()


def supernet(kind: str) -> tuple[GatedPaths, Space]:
    """The supernet in its first state, and its space."""
    net, first = made(kind)
    net.restore(first)
    return net, SPACES[kind]


def batch(n: int = 6) -> tuple[tf.Tensor, tf.Tensor]:
    generator = rng(1, "batch")
    images = generator.normal(size=(n, *SHAPE)).astype(np.float32)
    return tf.constant(images), tf.constant(generator.integers(3, size=n), tf.int64)


def path(net: GatedPaths, space: Space, seed: int) -> tf.Tensor:
    return tf.constant(net.vector(space.sample(rng(seed, "path")).picks))


def one_hot(net: GatedPaths, ops: tf.Tensor) -> tf.Tensor:
    """The path as shares, (kinds, edges, operations)."""
    return tf.reshape(tf.one_hot(ops, len(net.net.operations)), [net.net.kinds, net.net.edges, -1])


def genotypes(kind: str) -> list[tuple[int, ...]]:
    """Random ones and, in NAS-Bench-201, cells with dead ends and without any way through."""
    found = [SPACES[kind].sample(rng(2, f"{kind} {i}")).picks for i in range(3)]
    if kind == "nb201":
        found += [(0,) * 6, (3, 0, 0, 1, 0, 0), (0, 3, 2, 0, 3, 4), (3, 2, 1, 4, 0, 3)]
    return found


@pytest.mark.parametrize("kind", SPACES)
def test_child_equals_standalone_network(kind: str) -> None:
    net, space = supernet(kind)
    images, _ = batch()
    for picks in genotypes(kind):
        shared = net.logits(images, tf.constant(net.vector(picks)))
        model = build_architecture(space.decode(space.genotype(picks), SIZE), SHAPE, 3, seed=9)
        assign(model, *net.cut(picks))
        np.testing.assert_allclose(model(images, training=True), shared, atol=2e-5)


@pytest.mark.parametrize("operations", [("skip_connect", "nor_conv_3x3", "avg_pool_3x3"), ("none", "nor_conv_1x1")])
def test_child_of_a_part_of_nasbench201_equals_standalone_network(operations: tuple[str, ...]) -> None:
    space = NasBench201Space(operations)
    net = GatedPaths(space, SIZE, SHAPE, 3, rng(0, "weights"))
    images, _ = batch()
    for picks in [space.sample(rng(seed, "part")).picks for seed in range(2)]:
        model = build_architecture(space.decode(space.genotype(picks), SIZE), SHAPE, 3, seed=9)
        assign(model, *net.cut(picks))
        shared = net.logits(images, tf.constant(net.vector(picks)))
        np.testing.assert_allclose(model(images, training=True), shared, atol=2e-5)


@pytest.mark.parametrize("kind", SPACES)
def test_a_path_equals_the_mixed_network_without_the_rest(kind: str) -> None:
    net, space = supernet(kind)
    images, _ = batch()
    weights = net.layout.split_tensor(tf.convert_to_tensor(net.weights))
    for seed in range(2):
        ops = path(net, space, seed)
        mixed = net.net.logits(images, weights, *tf.unstack(one_hot(net, ops)))
        np.testing.assert_allclose(net.logits(images, ops), mixed, atol=2e-5)


@pytest.mark.parametrize("kind", [pytest.param("cells", marks=pytest.mark.slow), "nb201"])
def test_step_leaves_everything_off_the_path_as_it_was(kind: str) -> None:
    net, space = supernet(kind)
    images, labels = batch()
    first, second, rate = path(net, space, 3), path(net, space, 4), tf.constant(0.1)
    net.train_step(images, labels, first, rate)  # so that momentum is not zero
    before = net.state()
    net.train_step(images, labels, second, rate)
    active = net.active(second).numpy()
    assert 0 < active.sum() < len(active)
    for name, value in net.state().items():
        moved = before[name] != value
        assert not moved[~active].any()
        assert moved[active].mean() > 0.9


@pytest.mark.parametrize("kind", SPACES)
def test_active_are_the_weights_that_the_loss_depends_on(kind: str) -> None:
    net, space = supernet(kind)
    images, _ = batch()
    direction = tf.constant(rng(4, "direction").normal(size=(6, 3)), tf.float32)
    for seed in range(3):
        ops = path(net, space, seed)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(net.logits(images, ops) * direction)
        gradient, active = tape.gradient(loss, net.weights).numpy(), net.active(ops).numpy()
        assert not gradient[~active].any()
        for own, used in zip(net.layout.split(gradient), net.layout.split(active), strict=True):
            assert own.any() or not used.any()


@pytest.mark.parametrize("kind", SPACES)
def test_a_mixed_step_with_one_path_is_the_step_of_that_path(kind: str) -> None:
    net, space = supernet(kind)
    images, labels = batch()
    ops, rate = path(net, space, 5), tf.constant(0.1)
    net.train_step(images, labels, ops, rate)
    alone = net.state()
    supernet(kind)
    net.mixed_step(images, labels, one_hot(net, ops)[None], rate)
    for name, value in net.state().items():
        np.testing.assert_allclose(value, alone[name], atol=1e-4)


def test_parts_of_a_batch_have_shares_of_their_own() -> None:
    """Two parts with a path each: the gradient is the mean of both, and what neither uses rests."""
    net, space = supernet("nb201")
    images, labels = batch()
    first, second, rate = path(net, space, 6), path(net, space, 7), tf.constant(0.1)
    before = net.state()["weights"]
    net.mixed_step(images, labels, tf.stack([one_hot(net, first), one_hot(net, second)]), rate)
    moved = net.state()["weights"] != before
    used = net.active(first).numpy() | net.active(second).numpy()
    assert not moved[~used].any()
    assert moved[used].mean() > 0.9


@pytest.mark.parametrize("kind", [pytest.param("cells", marks=pytest.mark.slow), "nb201"])
def test_gradient_for_a_gate_is_that_of_the_share_of_the_chosen_operation(kind: str) -> None:
    net, space = supernet(kind)
    images, labels = batch()
    ops = path(net, space, 8)
    gates, accuracy = net.gate_gradient(images, labels, ops)
    shares, same = net.mixing_gradient(images, labels, one_hot(net, ops))
    chosen = tf.gather(tf.reshape(shares, [-1, shares.shape[-1]]), ops, batch_dims=1)
    np.testing.assert_allclose(gates, chosen, atol=1e-4)
    assert float(accuracy) == float(same)


def cost(space: Space, picks: tuple[int, ...]) -> int:
    return measure(lower(space.decode(space.genotype(picks), SIZE)), SHAPE, 3).macs


def test_a_path_of_cells_costs_its_child_and_adapters_that_nobody_reads() -> None:
    net, space = supernet("cells")
    for picks in genotypes("cells"):
        assert 0 <= net.macs(picks) - cost(space, picks) <= 4 * 4 * 24 * 16
        assert net.macs(picks) < net.net.macs


def test_a_path_of_nasbench201_costs_its_child_without_dead_ends() -> None:
    net, space = supernet("nb201")
    for picks in genotypes("nb201"):
        assert net.macs(picks) == cost(space, tuple(net.vector(picks).tolist()))
        assert net.macs(picks) < net.net.macs


def test_one_trace_serves_every_path_and_batches_of_any_size() -> None:
    net, space = supernet("nb201")
    images, labels = batch()
    for seed in range(4):
        net.correct(images, labels, path(net, space, seed))
        net.train_step(images[: 6 - seed], labels[: 6 - seed], path(net, space, seed), tf.constant(0.01))
    assert net.correct.experimental_get_tracing_count() == 1
    assert net.train_step.experimental_get_tracing_count() == 1


def test_dead_ends_are_the_edges_that_change_nothing() -> None:
    """Against the definition: an edge lives if some way from the input to the output takes it."""
    space = NasBench201Space()
    ways = [(3,), (0, 4), (1, 5), (0, 2, 5)]
    for picks in [space.sample(rng(seed, "dead")).picks for seed in range(200)]:
        open_ways = [way for way in ways if all(picks[edge] for edge in way)]
        expected = [op if any(edge in way for way in open_ways) else 0 for edge, op in enumerate(picks)]
        assert without_dead_ends(NB201_OPERATIONS, np.array(picks)).tolist() == expected


def test_a_space_without_none_has_no_dead_ends() -> None:
    picks = np.array([0, 1, 0, 1, 0, 1], np.int32)
    assert without_dead_ends(NB201_OPERATIONS[1:3], picks) is picks


def test_path_of_a_cell_has_two_edges_per_node() -> None:
    space = SPACES["cells"]
    assert isinstance(space, CellSpace)
    genotype = space.sample(rng(0, "genotype"))
    edges = [
        [(int(op), edge) for edge, op in enumerate(half) if op] for half in path_of(space, genotype.picks).reshape(2, 5)
    ]
    ends = [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    cells = [[(OPERATIONS[op - 1], ends[edge][0]) for op, edge in half] for half in edges]
    assert space.from_edges(*cells) == genotype
