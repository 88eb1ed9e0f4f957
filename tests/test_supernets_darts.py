"""DARTS' search network: exact count, one-hot mixing equals the discrete network, shared pieces change no number."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from harness.core.architecture import Cell, Edge
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.seeds import rng
from harness.core.space import Size
from harness.nets.supernets.cells import cell_edges
from harness.nets.supernets.darts import MixedSupernet
from harness.nets.supernets.kernels import run
from harness.spaces.cell import stacked
from harness.spaces.darts import DARTS_OPERATIONS

pytestmark = pytest.mark.usefixtures("untraced")


def small(nodes: int = 2, layers: int = 3) -> MixedSupernet:
    return MixedSupernet(nodes, DARTS_OPERATIONS, Size(4, layers), (8, 8, 3), 5, rng(0, "weights"))


def images(side: int = 8) -> tf.Tensor:
    return tf.constant(rng(1, "images").normal(size=(4, side, side, 3)).astype(np.float32))


def test_paper_size_has_the_reference_count() -> None:
    net = MixedSupernet(4, DARTS_OPERATIONS, Size(16, 8), (32, 32, 3), 10, rng(0, "weights"))
    assert sum(value.size for value in net.initial) == 1_930_618
    assert net.edges == 14


def by_definition(net: MixedSupernet, x: tf.Tensor, weights: list[tf.Tensor], mixing: list[tf.Tensor]) -> tf.Tensor:
    """Edge by edge and operation by operation, nothing shared."""
    before = last = run(net.frame.stem.steps, x, net.frame.stem.of(weights))
    for cell in net.frame.cells:
        states = [run(cell.before.steps, before, cell.before.of(weights))]
        states.append(run(cell.last.steps, last, cell.last.of(weights)))
        for target in range(2, net.nodes + 2):
            total = tf.zeros([])
            for row, (source, end) in enumerate(cell_edges(net.nodes)):
                if end != target:
                    continue
                for column, op in enumerate(net.operations):
                    handle = cell.mixed.candidates[source, target].get(op)
                    if handle is not None:
                        share = mixing[int(cell.reduces)][row, column]
                        total += share * run(handle.steps, states[source], handle.of(weights))
            states.append(total)
        before, last = last, tf.concat(states[2:], -1)
    kernel, bias = net.frame.head.of(weights)
    return tf.matmul(tf.reduce_mean(last, [1, 2]), kernel) + bias


@pytest.mark.parametrize("side", [8, 7])  # dilated candidates go another way where a side is odd
@pytest.mark.parametrize("kind", ["soft", "one-hot"])
def test_network_and_gradients_equal_the_definition(kind: str, side: int) -> None:
    net = small()
    generator = rng(2, kind)
    logits = generator.normal(size=(2, net.edges, len(net.operations))).astype(np.float32)
    values = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    if kind == "one-hot":
        values = np.eye(len(net.operations), dtype=np.float32)[
            generator.integers(1, len(net.operations), (2, net.edges))
        ]
    weights, mixing = [tf.constant(value) for value in net.initial], [tf.constant(value) for value in values]
    results = []
    for network in (
        lambda: net.logits(images(side), weights, *mixing),
        lambda: by_definition(net, images(side), weights, mixing),
    ):
        with tf.GradientTape() as tape:
            tape.watch([weights, mixing])
            output = network()
            loss = tf.reduce_sum(tf.sin(output))
        gradients = tape.gradient(loss, [*weights, *mixing], unconnected_gradients=tf.UnconnectedGradients.ZERO)
        results.append([output, *gradients])
    for ours, defined in zip(*results, strict=True):
        np.testing.assert_allclose(ours, defined, atol=1e-4 * max(1.0, float(tf.reduce_max(tf.abs(defined)))))


def test_only_none_gives_the_bias() -> None:
    net = small()
    nothing = np.zeros((net.edges, len(net.operations)), np.float32)
    nothing[:, 0] = 1.0
    logits = net.logits(images(), net.initial, tf.constant(nothing), tf.constant(nothing))
    np.testing.assert_allclose(logits, np.broadcast_to(net.initial[-1], logits.shape), atol=1e-6)


def test_multiply_accumulates_are_those_of_all_candidates() -> None:
    """A network in which every node reads every earlier one by one operation, summed over the operations."""
    nodes, size, image = 2, Size(4, 3), (8, 8, 3)
    net = small(nodes)
    cells = {op: Cell(2, 4, tuple(Edge(*edge, op) for edge in cell_edges(nodes)), (2, 3)) for op in DARTS_OPERATIONS}
    counts = {op: measure(lower(stacked(cell, cell, size)), image, 5).macs for op, cell in cells.items()}
    # A pooling has no multiply-accumulates: that network is what all networks have in common.
    frame = counts["max_pool_3x3"]
    assert net.macs == frame + sum(count - frame for op, count in counts.items() if op != "none")
