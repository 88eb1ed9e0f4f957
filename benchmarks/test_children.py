"""Training a child: against PyTorch, against the machine's matrix product, and what the loop around the step costs."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import networks
from benchmarks.conftest import Claims, in_turn
from benchmarks.networks import BATCH, SHAPES, bare, loop, noise
from harness.nets.count import macs
from harness.nets.training import CHECKPOINT_SECONDS, train

KINDS = {"plain": networks.plain, "separable": networks.separable}
TRAINING = 6
"""Floating-point operations of a step per multiply-accumulate: two forward, four backward."""


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_child_against_pytorch(benchmark: BenchmarkFixture, claim: Claims, cores: int, kind: str, shape: str) -> None:
    """Our whole loop against their bare step."""
    torch = pytest.importorskip("torch", reason="the yardstick is PyTorch: pip install torch")
    from benchmarks import torch_networks

    torch.set_num_threads(cores)
    size = SHAPES[shape]
    theirs = torch_networks.training_step(getattr(torch_networks, kind)(size[2], 10, networks.WIDTHS), BATCH, size)
    ours = loop(KINDS[kind](size), noise(size))
    seconds = in_turn(ours, theirs)
    claim(f"{kind} child {shape}, images/s, times PyTorch", seconds[1] / seconds[0], "at least", 1.1)
    benchmark.pedantic(ours, rounds=5)


def product_rate() -> float:
    """Multiply-accumulates per second of a large matrix product."""
    a = tf.random.stateless_normal([2048, 2048], [0, 1])
    return 2048**3 / min(in_turn(lambda: tf.matmul(a, a).numpy()) for _ in range(3))[0]


@pytest.mark.parametrize("wider", [1, 2, 3])
def test_plain_child_against_the_matrix_product(
    benchmark: BenchmarkFixture, claim: Claims, cores: int, wider: int
) -> None:
    """Wider networks come nearer to the rate: 24 channels fill one and a half vectors of sixteen numbers."""
    shape, widths = SHAPES["28x28"], tuple(wider * width for width in networks.WIDTHS)
    model, data = networks.plain(shape, widths=widths), noise(shape)
    ours = bare(model, data.x_train[:BATCH], data.y_train[:BATCH])
    peak = product_rate()
    [seconds] = in_turn(ours)
    rate = macs(model) * BATCH * TRAINING / 2 / seconds
    name = "plain child 28x28" if wider == 1 else f"plain child 28x28, {widths[0]} channels and more"
    claim(f"{name}, share of the matrix product's rate", rate / peak, "at least", 0.85)
    benchmark.pedantic(ours, rounds=5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loop_around_the_step(claim: Claims, cores: int, kind: str, tmp_path: Path) -> None:
    """Wall clock of the whole loop with its checkpoints, in turn with the bare step; validations are left out."""
    shape = SHAPES["28x28"]
    data, marks = noise(shape), list[tuple[float, float]]()
    step = bare(KINDS[kind](shape), data.x_train[:BATCH], data.y_train[:BATCH])

    def on_step(done: int, total: int) -> None:
        entered = time.perf_counter()
        step()
        marks.append((entered, time.perf_counter()))

    # As long as it takes to a checkpoint on the way, on a machine of any speed.
    recipe = dataclasses.replace(networks.RECIPE, steps=1_000_000, seconds=CHECKPOINT_SECONDS)
    train(KINDS[kind](shape), data, recipe, seed=0, on_step=on_step, checkpoint=tmp_path / "training.npz")
    assert time.perf_counter() - marks[0][0] > CHECKPOINT_SECONDS, "no checkpoint on the way"
    entered, left = np.array(marks[5:]).T
    whole, bare_seconds = (entered[1:] - left[:-1]).sum(), (left - entered)[1:].sum()
    claim(f"{kind} child, whole loop over bare step", whole / bare_seconds, "at most", 1.05)


def test_fused_normalisation_against_keras(claim: Claims, cores: int) -> None:
    import keras

    shape = SHAPES["28x28"]
    arrays = noise(shape).x_train[:BATCH], noise(shape).y_train[:BATCH]
    plainly = networks.plain(shape, lambda: keras.layers.BatchNormalization(momentum=0.9))
    fused, unfused = in_turn(bare(networks.plain(shape), *arrays), bare(plainly, *arrays))
    claim("plain child, Keras' own normalisation over the fused one", unfused / fused, "at least", 1.1)
