"""Network morphisms: every operator keeps the function, alone and in a row; negative tests; weights in a checkpoint."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from fakes import make_task, tiny_data
from harness.methods.common.forward import rectified_output
from harness.methods.common.inheriting import Inheriting
from harness.methods.common.morphism import LOGITS, Morphisms, Net, Noise

from harness.core.recipe import Recipe
from harness.core.space import Size
from harness.nets.augment import normalise
from harness.spaces import get_space
from harness.spaces.morphism import ADD, CONCAT, Chain, Convolution, MorphSpace, Skip

SIZE = Size(8, 3)
IMAGES = tf.constant(np.random.default_rng(0).normal(size=(16, 8, 8, 1)), tf.float32)


def setup(name: str) -> tuple[Inheriting, Morphisms]:
    space = get_space(name)
    assert isinstance(space, MorphSpace)
    recipe = Recipe(size=SIZE, steps=3, batch=8, learning_rate=0.05)
    return Inheriting(make_task(space, recipe=recipe, data=tiny_data())), Morphisms(space, SIZE)


def shaken(inheriting: Inheriting, chain: Chain, seed: int = 1) -> Net:
    """A network whose weights and normalisations are all random and not trivial."""
    rng = np.random.default_rng(seed)
    net = inheriting.first(chain)
    weights = {}
    for key, (kernel, *norm) in net.weights.items():
        if key == LOGITS:
            weights[key] = (kernel, rng.normal(size=norm[0].shape).astype(np.float32))
        elif norm:
            gamma, beta, mean = (rng.normal(size=norm[0].shape).astype(np.float32) for _ in range(3))
            weights[key] = (kernel, gamma + 1, beta, mean, rng.uniform(0.5, 2, norm[0].shape).astype(np.float32))
        else:
            weights[key] = (kernel,)
    return Net(net.chain, weights)


def difference(inheriting: Inheriting, a: Net, b: Net) -> float:
    before, after = inheriting.logits(a, IMAGES), inheriting.logits(b, IMAGES)
    return float(np.abs(before - after).max() / np.abs(before).max())


CHAIN = Chain(
    (
        (Convolution(3, 64), Convolution(3, 64)),
        (Convolution(3, 128),),
        (Convolution(3, 64), Convolution(3, 64)),
    ),
    (64, 128),
    (Skip(ADD, 0, 2), Skip(CONCAT, 1, 3), Skip(ADD, 1, 3), Skip(CONCAT, 3, 4)),
)
"""Skips inside a block, across poolings, and two into one convolution; the flattened image has four pixels."""


@pytest.mark.parametrize("key", [*(("conv", number) for number in range(5)), ("dense", 0), ("dense", 1)])
def test_wider_keeps_the_function(key: tuple[str, int]) -> None:
    inheriting, morphisms = setup("morph")
    net = shaken(inheriting, CHAIN)
    wide = morphisms.wider(net, key, 256, Noise(np.random.default_rng(2)))
    assert difference(inheriting, net, wide) < 1e-5
    assert wide.weights[key][0].shape[-1] == 32
    assert net.chain == CHAIN


def test_copies_share_what_their_reader_had() -> None:
    inheriting, morphisms = setup("eas-2")
    net = shaken(inheriting, inheriting.space.start)
    wide = morphisms.wider(net, ("conv", 1), 96, Noise(np.random.default_rng(3)))
    old, new = (x.weights["conv", 2][0] for x in (net, wide))
    first = wide.weights["conv", 1][0]
    for channel in range(old.shape[2]):
        copies = [c for c in range(new.shape[2]) if np.array_equal(first[..., c], first[..., channel])]
        assert new[:, :, copies].sum(axis=2) == pytest.approx(old[:, :, channel], abs=1e-6)


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_deeper_keeps_the_function(number: int, kernel: int) -> None:
    inheriting, morphisms = setup("eas" if kernel != 3 else "morph")
    chain = Chain((*CHAIN.blocks, ()), (64, 128)) if kernel != 3 else CHAIN
    net = shaken(inheriting, chain)
    deep = morphisms.deeper(net, number, kernel, Noise(np.random.default_rng(4)))
    assert len(deep.chain.convolutions) == 6
    assert difference(inheriting, net, deep) < 1e-5


def test_a_deeper_dense_part_keeps_the_function() -> None:
    inheriting, morphisms = setup("morph")
    net = shaken(inheriting, inheriting.space.start)
    deep = morphisms.deeper_dense(net, 0, Noise(np.random.default_rng(4)))
    assert deep.chain.dense == (64, 64)
    assert difference(inheriting, net, deep) < 1e-5


def test_with_measured_statistics_it_keeps_the_function_in_training_too() -> None:
    """On the images that were measured, a normalisation by the batch's own statistics is undone."""
    inheriting, morphisms = setup("eas-2")
    net = shaken(inheriting, inheriting.space.start)
    measured = inheriting.statistics(net, ("conv", 2))
    noise = Noise(np.random.default_rng(5))
    gaps = []
    for statistics in (measured, None):
        deep = morphisms.deeper(net, 2, 3, noise, statistics)
        mean, variance = inheriting.statistics(deep, ("conv", 2))
        gamma, beta = deep.weights["conv", 3][1:3]
        x = np.abs(np.random.default_rng(6).normal(size=(100, len(mean)))) * np.sqrt(variance) + mean
        y = gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta
        gaps.append(np.abs(y - x).max())
    assert gaps[0] < 1e-4 < 0.1 < gaps[1]


def in_training(inheriting: Inheriting, net: Net, images: tf.Tensor) -> tuple[np.ndarray, Net]:
    """The logits by the batch's own statistics, and the network with these as its moving ones."""
    model = inheriting._build(net.chain, "in training")
    inheriting._write(net, model)
    for layer in model.layers:
        if layer.name.startswith("norm_"):
            layer.momentum = 0.0
    logits = model(images, training=True).numpy()
    return logits, Net(net.chain, inheriting._read(net.chain, model))


@pytest.mark.parametrize(
    "skips",
    [
        (),
        (Skip(ADD, 0, 2),),
        (Skip(CONCAT, 0, 2),),
        (Skip(ADD, 0, 2), Skip(CONCAT, 1, 2)),
        (Skip(CONCAT, 0, 2), Skip(ADD, 1, 2)),
    ],
)
def test_a_layer_behind_the_end_of_a_skip_keeps_the_function_in_training_too(skips: tuple[Skip, ...]) -> None:
    """What the new layer reads is what skips were merged into. No dense layer, because dropout is never the same."""
    inheriting, morphisms = setup("morph")
    data = make_task(inheriting.space, data=tiny_data()).data
    images = normalise(tf.constant(data.x_train), data.mean, data.std)
    net = shaken(inheriting, Chain(CHAIN.blocks, (), (*skips, Skip(ADD, 2, 4))))
    assert all(net.weights[skip][0].any() for skip in skips), "a new skip would change nothing"
    wanted, net = in_training(inheriting, net, images)
    gaps = []
    for statistics in (inheriting.statistics(net, ("conv", 2)), None):
        deep = morphisms.deeper(net, 2, 3, Noise(np.random.default_rng(5)), statistics)
        found, _ = in_training(inheriting, deep, images)
        gaps.append(np.abs(found - wanted).max() / np.abs(wanted).max())
    assert gaps[0] < 1e-4 < 0.01 < gaps[1]


@pytest.mark.parametrize("skips", [(), (Skip(ADD, 0, 4), Skip(CONCAT, 2, 3), Skip(ADD, 0, 1))])
def test_outputs_of_layers_are_what_the_built_network_reads_behind_them(skips: tuple[Skip, ...]) -> None:
    """Behind a convolution another one is put, because a pooling may follow there."""
    inheriting, morphisms = setup("morph")
    net = shaken(inheriting, Chain(tuple((Convolution(3, 64),) * count for count in (2, 1, 2)), (64, 64), skips))
    graph, parts = inheriting.space.lay_out(net.chain, SIZE)
    for kind, number in [*(("conv", number) for number in range(5)), ("dense", 0), ("dense", 1)]:
        whole = morphisms.deeper(net, number, 3, Noise(np.random.default_rng(4))) if kind == "conv" else net
        model = inheriting._build(whole.chain, "outputs")
        inheriting._write(whole, model)
        readers = {part.key: f"conv_{place}" for place, part in inheriting._numbered(whole.chain)}
        readers["dense", 2] = "features"
        reader = model.get_layer(readers[kind, number + 1])
        wanted = keras.Model(model.inputs, reader.input)(IMAGES, training=False).numpy()
        found = rectified_output(graph, parts, net.weights, (kind, number), IMAGES)
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * wanted.max())


def test_a_layer_that_is_not_there_has_no_output() -> None:
    inheriting, _ = setup("morph")
    net = inheriting.first(inheriting.space.start)
    with pytest.raises(KeyError):
        inheriting.statistics(net, ("conv", 3))


@pytest.mark.parametrize("skip", [Skip(ADD, 0, 4), Skip(CONCAT, 0, 4), Skip(ADD, 0, 1), Skip(CONCAT, 2, 3)])
def test_a_new_skip_keeps_the_function(skip: Skip) -> None:
    inheriting, morphisms = setup("morph")
    for before in ((), (Skip(CONCAT, 1, 4), Skip(ADD, 0, 3))):
        net = shaken(inheriting, Chain(CHAIN.blocks, (64,), before))
        assert difference(inheriting, net, morphisms.skip(net, skip)) < 1e-5


def test_an_added_skip_can_learn() -> None:
    """The zero kernel gets a gradient because the scale of its normalisation is not zero too."""
    inheriting, morphisms = setup("morph")
    net = morphisms.skip(inheriting.first(inheriting.space.start), Skip(ADD, 0, 2))
    kernel, gamma, *_ = net.weights[Skip(ADD, 0, 2)]
    assert not kernel.any()
    assert gamma.all()


@pytest.mark.parametrize("seed", range(3))
def test_nine_random_transformations_in_a_row_keep_the_function(seed: int) -> None:
    inheriting, morphisms = setup("morph")
    rng = np.random.default_rng(seed)
    net = start = shaken(inheriting, inheriting.space.start, seed)
    done = 0
    while done < 9:
        count = len(net.chain.convolutions)
        number, other = int(rng.integers(count)), int(rng.integers(count))
        match int(rng.integers(4)):
            case 0 if net.chain.convolutions[number].width < 512:
                net = morphisms.wider(net, ("conv", number), 2 * net.chain.convolutions[number].width, Noise(rng))
            case 1 if len(net.chain.blocks[net.chain.block_of(number)]) < 4:
                net = morphisms.deeper(net, number, 3, Noise(rng))
            case 2 if number < other and len(net.chain.skips) < 4:
                net = morphisms.skip(net, Skip(rng.choice([ADD, CONCAT]), number, other))
            case 3 if net.chain.dense[0] < 256:
                net = morphisms.wider(net, ("dense", 0), 2 * net.chain.dense[0], Noise(rng))
            case _:
                continue
        done += 1
    assert difference(inheriting, start, net) < 1e-5


def test_noise_moves_the_copies_alone() -> None:
    inheriting, morphisms = setup("eas-2")
    net = shaken(inheriting, inheriting.space.start)
    noisy = morphisms.wider(net, ("conv", 1), 96, Noise(np.random.default_rng(7), wider=0.01))
    old = net.weights["conv", 1][0]
    assert np.array_equal(noisy.weights["conv", 1][0][..., : old.shape[-1]], old)
    assert 1e-5 < difference(inheriting, net, noisy) < 0.2


def test_a_trained_network_comes_back_from_a_checkpoint() -> None:
    inheriting, morphisms = setup("morph")
    start = inheriting.train(inheriting.first(inheriting.space.start), 0)
    assert start.weights is not None
    child = morphisms.skip(Net(start.chain, start.weights), Skip(CONCAT, 0, 1))
    second = inheriting.train(child, start.behind)
    assert (second.inherited, second.behind) == (3, 6)
    again = inheriting.loaded(inheriting.saved([start, second]))
    for before, after in zip([start, second], again, strict=True):
        assert (before.chain, before.accuracy, before.behind) == (after.chain, after.accuracy, after.behind)
        assert before.weights is not None
        assert after.weights is not None
        assert list(before.weights) == list(after.weights)
        for key, arrays in before.weights.items():
            assert all(np.array_equal(a, b) for a, b in zip(arrays, after.weights[key], strict=True))
