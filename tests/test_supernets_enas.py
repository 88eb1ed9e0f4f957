"""Shared weights: a child is its standalone network, a step touches only its path, one trace serves all."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf
from deterministic import refused_on_cards

from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.seeds import rng
from harness.core.space import Genotype, Size
from harness.nets import norm, processor
from harness.nets.build import assign, build_architecture
from harness.nets.supernets import kernels as ops
from harness.nets.supernets.enas import GatedCells, GatedMacro
from harness.nets.supernets.gated import GatedSupernet
from harness.spaces.enas_macro import MACRO_OPERATIONS, MacroSpace
from harness.spaces.enas_micro import EnasCellSpace

SHAPE = (8, 8, 3)
SIZE = Size(4, 3)
MACRO = MacroSpace("macro-4", 4)
CELLS = EnasCellSpace("enas_cell-3", nodes=3)


@functools.cache
def made(kind: str) -> tuple[GatedSupernet, dict[str, np.ndarray]]:
    """A supernet, traced once for all tests, and its first state."""
    weights = rng(0, "weights")
    net: GatedSupernet = (
        GatedMacro(MACRO, SIZE, SHAPE, 3, weights) if kind == "macro" else GatedCells(CELLS, SIZE, SHAPE, 3, weights)
    )
    return net, net.state()


def supernet(kind: str) -> tuple[GatedSupernet, MacroSpace | EnasCellSpace]:
    """The supernet in its first state, and its space."""
    net, first = made(kind)
    net.restore(first)
    return net, MACRO if kind == "macro" else CELLS


def batch(n: int = 6) -> tuple[tf.Tensor, tf.Tensor]:
    generator = rng(1, "batch")
    images = generator.normal(size=(n, *SHAPE)).astype(np.float32)
    return tf.constant(images), tf.constant(generator.integers(3, size=n), tf.int64)


def cells(normal: str, reduction: str) -> Genotype:
    words = [
        ",".join(f"{pair[0]},{CELLS.operations[int(pair[1])]}" for pair in text.split()) for text in (normal, reduction)
    ]
    return CELLS.parse("enas_cell-3:" + ",".join(words))


ONE_LOOSE_END = "00 12 21 03 32 14"
ALL_LOOSE_ENDS = "00 12 01 13 04 10"
INPUT_UNREAD = "00 02 21 03 32 24"


@pytest.mark.parametrize("kind", ["macro", "cells"])
def test_child_equals_standalone_network(kind: str) -> None:
    net, space = supernet(kind)
    images, _ = batch()
    generator = rng(2, kind)
    genotypes = [space.sample(generator) for _ in range(4)]
    if kind == "cells":
        genotypes += [cells(ONE_LOOSE_END, ALL_LOOSE_ENDS), cells(INPUT_UNREAD, ONE_LOOSE_END)]
    else:
        genotypes += [MACRO.parse(f"macro-4:{op},{op},1,{op},0,1,{op},1,0,1") for op in MACRO_OPERATIONS]
    for genotype in genotypes:
        shared = net.logits(images, tf.constant(genotype.picks))
        model = build_architecture(space.searched(genotype, SIZE), SHAPE, 3, seed=9)
        assign(model, *net.cut(genotype.picks))
        np.testing.assert_allclose(model(images, training=True), shared, atol=1e-5)


@pytest.mark.parametrize("kind", ["macro", "cells"])
def test_a_step_can_repeat_itself_on_a_graphics_card(kind: str) -> None:
    net, _ = supernet(kind)
    assert not refused_on_cards(net.train_step.get_concrete_function())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["macro", "cells"])
def test_normalisation_goes_in_pairs_of_pixels_where_that_is_faster(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, ...]] = []

    def spy(x: tf.Tensor, *rest: object) -> object:
        calls.append(tuple(x.shape))
        return norm.training_around(x, *rest)

    monkeypatch.setattr(processor, "has_avx512", lambda: True)
    monkeypatch.setattr(processor, "has_graphics_card", lambda: False)
    monkeypatch.setattr(ops, "training_around", spy)
    size, weights = Size(24, 3), rng(0, "weights")
    net: GatedSupernet
    space: MacroSpace | EnasCellSpace
    if kind == "macro":
        net, space = GatedMacro(MACRO, size, SHAPE, 3, weights), MACRO
    else:
        net, space = GatedCells(CELLS, size, SHAPE, 3, weights), CELLS
    images, labels = batch()
    genotype = space.sample(rng(2, kind))
    with tf.device("CPU:0"):
        loss = net.train_step(images, labels, tf.constant(genotype.picks), tf.constant(0.0))
        monkeypatch.setattr(processor, "has_avx512", lambda: False)
        model = build_architecture(space.searched(genotype, size), SHAPE, 3, seed=9)
        assign(model, *net.cut(genotype.picks))
        logits = model(images, training=True)
    assert {shape[-1] for shape in calls} >= {24}
    own = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    np.testing.assert_allclose(loss, own, rtol=1e-4)


@pytest.mark.parametrize("kind", ["macro", pytest.param("cells", marks=pytest.mark.slow)])
def test_step_leaves_everything_off_the_path_as_it_was(kind: str) -> None:
    net, space = supernet(kind)
    images, labels = batch()
    generator = rng(3, kind)
    first, second = space.sample(generator), space.sample(generator)
    rate = tf.constant(0.1)
    net.train_step(images, labels, tf.constant(first.picks), rate)  # so that momentum is not zero
    before = net.state()
    net.train_step(images, labels, tf.constant(second.picks), rate)
    after = net.state()
    active = net.active(tf.constant(second.picks)).numpy()
    assert 0 < active.sum() < len(active)
    for name in ("weights", "velocity"):
        moved = before[name] != after[name]
        assert not moved[~active].any()
        assert moved[active].mean() > 0.9


@pytest.mark.parametrize("kind", ["macro", "cells"])
@pytest.mark.usefixtures("untraced")
def test_active_are_the_weights_that_the_loss_depends_on(kind: str) -> None:
    net, space = supernet(kind)
    images, _ = batch()
    for seed in range(3):
        picks = tf.constant(space.sample(rng(seed, kind)).picks)
        with tf.GradientTape() as tape:
            logits = net.logits(images, picks)
            loss = tf.reduce_sum(logits * tf.constant(rng(4, "direction").normal(size=(6, 3)), tf.float32))
        gradient, active = tape.gradient(loss, net.weights).numpy(), net.active(picks).numpy()
        assert not gradient[~active].any()
        for found, used in zip(net.layout.split(gradient), net.layout.split(active), strict=True):
            assert found.any() or not used.any()


@pytest.mark.parametrize("op", range(6))
def test_every_macro_operation_has_an_effect(op: int) -> None:
    net, space = supernet("macro")
    images, _ = batch()
    picks = list(space.sample(rng(5, "macro")).picks)
    outputs = []
    for other in range(6):
        picks[1] = other
        outputs.append(np.asarray(net.logits(images, tf.constant(picks))))
    assert all(np.abs(outputs[op] - outputs[other]).max() > 1e-4 for other in range(6) if other != op)


@pytest.mark.parametrize("kind", ["macro", "cells"])
def test_one_trace_serves_every_child_and_evaluation_changes_nothing(kind: str) -> None:
    net, space = supernet(kind)
    images, labels = batch()
    generator = rng(6, kind)
    before = net.state()
    scores = []
    for _ in range(30):
        scores.append(float(net.correct(images, labels, tf.constant(space.sample(generator).picks))))
    assert all(np.array_equal(before[name], value) for name, value in net.state().items())
    assert len(set(scores)) > 1
    for size in (6, 5):
        picks = tf.constant(space.sample(generator).picks)
        net.train_step(images[:size], labels[:size], picks, tf.constant(0.01))
    assert net.correct.experimental_get_tracing_count() == 1
    assert net.train_step.experimental_get_tracing_count() == 1


def test_state_round_trip() -> None:
    net, space = supernet("cells")
    images, labels = batch()
    picks = tf.constant(space.sample(rng(7, "cells")).picks)
    net.train_step(images, labels, picks, tf.constant(0.1))
    saved = net.state()
    net.train_step(images, labels, picks, tf.constant(0.1))
    once = net.state()
    net.restore(saved)
    net.train_step(images, labels, picks, tf.constant(0.1))
    again = net.state()
    assert all(np.array_equal(once[name], again[name]) for name in once)


def test_training_one_child_lowers_its_loss() -> None:
    net, space = supernet("macro")
    images, labels = batch()
    picks = tf.constant(space.sample(rng(8, "macro")).picks)
    losses = [float(net.train_step(images, labels, picks, tf.constant(0.05))) for _ in range(15)]
    assert losses[-1] < 0.5 * losses[0]


def test_a_path_of_cells_costs_its_child_and_the_whole_projections() -> None:
    net, space = supernet("cells")
    assert isinstance(space, EnasCellSpace)
    generator = rng(4, "paths")
    for genotype in [space.sample(generator) for _ in range(10)]:
        child = measure(lower(space.searched(genotype, SIZE)), SHAPE, 3).macs
        read = [space.nodes + 2 - len(cell.output) for cell in space.cells(genotype)]
        squares = (4 * 4 * 64 * read[0], 8 * 8 * 16 * read[1], 16 * 16 * 4 * read[1])
        assert net.macs(genotype.picks) == child + sum(squares)


def test_a_path_of_layers_costs_its_child_where_everything_is_read() -> None:
    net, space = supernet("macro")
    assert isinstance(space, MacroSpace)
    generator = rng(4, "paths")
    for _ in range(10):
        sampled = space.sample(generator)
        picks = [1 if "skip" in c.name else p for c, p in zip(space.choices, sampled.picks, strict=True)]
        child = measure(lower(space.searched(space.genotype(tuple(picks)), SIZE)), SHAPE, 3).macs
        alone = measure(lower(space.searched(sampled, SIZE)), SHAPE, 3).macs
        assert alone <= child
        # The operations differ, the bits do not cost anything: everything stored is halved anyway.
        assert net.macs(picks) == net.macs(sampled.picks) == child
