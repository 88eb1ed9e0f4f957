"""ENAS' shared weights: a child costs a step, never a trace."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count

import numpy as np
import pytest
import tensorflow as tf
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claims, in_turn
from harness.core.space import Size
from harness.nets.build import build_model
from harness.nets.runtime import graph_optimizer_off
from harness.nets.supernets.enas import GatedCells, GatedMacro
from harness.nets.supernets.gated import GatedSupernet
from harness.spaces import get_space

BATCH, SHAPE = 64, (32, 32, 3)
KINDS: dict[str, tuple[type[GatedSupernet], str, Size]] = {
    "macro": (GatedMacro, "macro-6", Size(16, 6, 2)),
    "micro": (GatedCells, "enas_cell-3", Size(16, 3, 2)),
}


def batch() -> tuple[tf.Tensor, tf.Tensor]:
    images = tf.random.stateless_normal((BATCH, *SHAPE), [0, 1])
    return images, tf.random.stateless_uniform((BATCH,), [0, 2], 0, 10, tf.int64)


def standalone(kind: str, genotype_seed: int) -> Callable[[], object]:
    """The child as a network of its own: forward, backward, the same clipping, decay and momentum."""
    _, name, size = KINDS[kind]
    space = get_space(name)
    genotype = space.sample(np.random.default_rng(genotype_seed))
    model = build_model(genotype, space, size, SHAPE, 10, seed=0)
    weights = [variable.value for variable in model.trainable_variables]
    buffers = [tf.Variable(tf.zeros_like(weight), trainable=False) for weight in weights]
    images, labels = batch()

    @tf.function(autograph=False)
    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, weights), 5.0)
        for weight, buffer, gradient in zip(weights, buffers, gradients, strict=True):
            tf.raw_ops.ResourceApplyMomentum(
                var=weight.handle,
                accum=buffer.handle,
                lr=0.05,
                grad=gradient + 1e-4 * weight,
                momentum=0.9,
                use_nesterov=True,
            )
        return loss

    return lambda: step(images, labels).numpy()


def _stepped(net: GatedSupernet, *arguments: tf.Tensor) -> np.ndarray:
    return net.train_step(*arguments).numpy()


def made(kind: str) -> GatedSupernet:
    cls, name, size = KINDS[kind]
    return cls(get_space(name), size, SHAPE, 10, np.random.default_rng(0))  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("kind", KINDS)
@graph_optimizer_off()
def test_a_child_of_the_supernet_against_itself(
    benchmark: BenchmarkFixture, claim: Claims, cores: int, kind: str
) -> None:
    """Mean over ten children of (step in the supernet / step of the standalone network).

    Both with the graph optimiser off, as searches and proxy trainings have it.
    """
    net, space, (images, labels), rate = made(kind), get_space(KINDS[kind][1]), batch(), tf.constant(0.05)
    ratios = []
    for seed in range(10):
        picks = tf.constant(space.sample(np.random.default_rng(seed)).picks)
        shared, alone = in_turn(partial(_stepped, net, images, labels, picks, rate), standalone(kind, seed))
        ratios.append(shared / alone)
    claim(f"ENAS {kind}, a child's step over the standalone network's", float(np.mean(ratios)), "at most", 1.3)
    draws = count()
    benchmark.pedantic(
        lambda: net.train_step(
            images, labels, tf.constant(space.sample(np.random.default_rng(next(draws))).picks), rate
        ).numpy(),
        rounds=20,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_children_share_one_trace(claim: Claims, kind: str) -> None:
    net, space, rng = made(kind), get_space(KINDS[kind][1]), np.random.default_rng(0)
    images, labels = (part[:2] for part in batch())
    for _ in range(1000):
        net.train_step(images, labels, tf.constant(space.sample(rng).picks), tf.constant(0.05))
    traces = net.train_step.experimental_get_tracing_count()
    claim(f"ENAS {kind}, traces for 1,000 children", traces, "at most", 1, "traces")
    assert traces == 1
