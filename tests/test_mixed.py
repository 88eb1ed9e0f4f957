"""DARTS' search network: exact count, one-hot mixing equals the discrete network, shared pieces change no number."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from harness.core.seeds import rng
from harness.core.space import Size
from harness.nets.mixed import MixedSupernet, cell_edges
from harness.nets.ops import run
from harness.spaces.cell import DARTS_OPERATIONS


def small(nodes: int = 2, layers: int = 3) -> MixedSupernet:
    return MixedSupernet(nodes, DARTS_OPERATIONS, Size(4, layers), 3, 5, rng(0, "weights"))


def images(side: int = 8) -> tf.Tensor:
    return tf.constant(rng(1, "images").normal(size=(4, side, side, 3)).astype(np.float32))


def test_paper_size_has_the_reference_count() -> None:
    net = MixedSupernet(4, DARTS_OPERATIONS, Size(16, 8), 3, 10, rng(0, "weights"))
    assert sum(value.size for value in net.initial) == 1_930_618
    assert net.edges == 14


def plain_cell(net: MixedSupernet, number: int, states: list[tf.Tensor], mixing: np.ndarray) -> tf.Tensor:
    """Edge by edge and operation by operation, nothing shared: the definition."""
    cell = net._cells[number]
    for target in range(2, net.nodes + 2):
        total = tf.zeros([])
        for row, (source, end) in enumerate(cell_edges(net.nodes)):
            if end != target:
                continue
            for column, op in enumerate(net.operations):
                handle = cell.candidates[source, target].get(op)
                if handle is not None:
                    total += mixing[row, column] * run(handle.steps, states[source], handle.of(net.initial))
        states.append(total)
    return tf.concat(states[2:], -1)


@pytest.mark.parametrize("side", [8, 7])  # dilated candidates go another way where a side is odd
@pytest.mark.parametrize("kind", ["soft", "one-hot"])
def test_network_equals_the_definition(kind: str, side: int) -> None:
    net = small()
    generator = rng(2, kind)
    logits = generator.normal(size=(2, net.edges, len(net.operations))).astype(np.float32)
    mixing = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    if kind == "one-hot":
        mixing = np.eye(len(net.operations), dtype=np.float32)[
            generator.integers(1, len(net.operations), (2, net.edges))
        ]
    x = run(net._stem.steps, images(side), net._stem.of(net.initial))
    before = last = x
    for number, cell in enumerate(net._cells):
        first = run(cell.before.steps, before, cell.before.of(net.initial))
        second = run(cell.last.steps, last, cell.last.of(net.initial))
        before, last = last, plain_cell(net, number, [first, second], mixing[int(cell.reduces)])
    kernel, bias = net._head.of(net.initial)
    expected = tf.matmul(tf.reduce_mean(last, [1, 2]), kernel) + bias
    found = net.logits(images(side), net.initial, tf.constant(mixing[0]), tf.constant(mixing[1]))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_only_none_gives_the_bias() -> None:
    net = small()
    nothing = np.zeros((net.edges, len(net.operations)), np.float32)
    nothing[:, 0] = 1.0
    logits = net.logits(images(), net.initial, tf.constant(nothing), tf.constant(nothing))
    np.testing.assert_allclose(logits, np.broadcast_to(net.initial[-1], logits.shape), atol=1e-6)
