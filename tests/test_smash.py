"""SMASH: memory banks as a space, weights that a HyperNet makes, and the search that ranks architectures by them."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf

from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.primitives import Conv
from harness.core.seeds import rng
from harness.core.space import Genotype, Size
from harness.nets.build import assign, build_architecture
from harness.nets.supernets.smash import GatedSmash
from harness.spaces import get_space
from harness.spaces.smash import BANKS, BLOCKS, SmashSpace, most_filled

SPACE = SmashSpace("smash-3", 3)
SHAPE, CLASSES, SIZE = (9, 9, 2), 3, Size(4, 3)


@functools.cache
def net() -> GatedSmash:
    made = GatedSmash(SPACE, SIZE, SHAPE, CLASSES, rng(0, "weights"), hyper_layers=3, growth=4)
    generator = rng(2, "offsets")  # so that a normalisation of zeros is not zero
    made.weights.assign(made.weights.numpy() + generator.normal(0, 0.1, made.weights.shape).astype(np.float32))
    return made


def images(n: int = 5) -> np.ndarray:
    return rng(1, "images").normal(size=(n, *SHAPE)).astype(np.float32)


def of(*operations: tuple[set[int], str, int]) -> Genotype:
    """The genotype whose blocks all have these operations: what is read and written, and the kernel."""
    picks: list[int] = []
    position = 0
    for _ in range(BLOCKS):
        for number, (reads, writes, kernel) in enumerate(operations):
            bits = [int(bank in reads) for bank in range(most_filled(number))] if number else []
            for option in (*bits, writes, kernel):
                picks.append(SPACE.choices[position].options.index(option))
                position += 1
    return SPACE.genotype(tuple(picks))


RESIDUAL = of(({0}, "0", 3), ({0}, "0", 3), ({0}, "0", 3))
DENSE = of(({0}, "1", 3), ({0, 1}, "2", 3), ({0, 1, 2}, "3", 3))


def genotypes() -> list[Genotype]:
    generator = np.random.default_rng(5)
    return [RESIDUAL, DENSE, *(SPACE.sample(generator) for _ in range(8))]


@pytest.mark.parametrize("number", range(10))
def test_generated_weights_in_a_standalone_network_give_the_same_logits(number: int) -> None:
    genotype = genotypes()[number]
    model = build_architecture(SPACE.decode(genotype, SIZE), SHAPE, CLASSES, seed=0)
    assign(model, *net().cut(genotype.picks))
    own = model(images(), training=True).numpy()
    shared = net().logits(tf.constant(images()), tf.constant(net().vector(genotype.picks))).numpy()
    assert np.abs(own).max() > 0.1
    np.testing.assert_allclose(shared, own, rtol=1e-5, atol=1e-5)
