"""Cells of one function of NAS-Bench-201's space have equal networks; cells of one formula may have different ones."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest
import tensorflow as tf

from harness.core.dataset import SearchData
from harness.core.lowering import lower
from harness.core.recipe import Recipe
from harness.core.space import Genotype, Size
from harness.nets.child import Child, Shared
from harness.spaces import get_space

SIZE, SHAPE, CLASSES = Size(4, 3), (8, 8, 1), 3
STEM, REDUCTION = 3, 7
"""Arrays of the stem, and of a residual block between two stages."""
IMAGES = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)


def shared() -> Shared:
    labels = np.zeros(5, np.int64)
    data = SearchData("t", IMAGES, labels, IMAGES, labels, CLASSES, (128.0,), (64.0,), False, 0, 0)
    return Shared(data, Recipe(size=SIZE, steps=1))


SHARED = shared()


def network(space_name: str, genotype: Genotype) -> Child:
    return Child(lower(get_space(space_name).decode(genotype, SIZE)), SHAPE, CLASSES, 0, SHARED)


def blocks(child: Child) -> tuple[int, list[list[int]]]:
    """Convolutions of a cell, and the positions of each one's arrays in the three stages."""
    count = len(child.layout.split(child.weights.numpy()))
    many = (count - STEM - 2 * REDUCTION - 2 - 2) // 9
    stages = [STEM + stage * (3 * many + REDUCTION) for stage in range(3)]
    return many, [[first + 3 * conv + part for first in stages for part in range(3)] for conv in range(many)]


def logits(child: Child, arrays: list[np.ndarray]) -> np.ndarray:
    child.weights = tf.constant(child.layout.join(arrays))
    return child.classifier()(tf.constant(IMAGES)).numpy()


def equal(one: Child, other: Child) -> bool:
    """Whether some assignment of the one's convolutions to the other's makes them the same function."""
    (many, mine), (theirs, places) = blocks(one), blocks(other)
    if many != theirs:
        return False
    generator = np.random.default_rng(1)
    arrays = [generator.normal(0.3, 0.5, array.shape).astype(np.float32) for array in one.layout.split(one.weights)]
    wanted = logits(one, arrays)
    for order in itertools.permutations(range(many)):
        moved = list(arrays)
        for conv, place in zip(order, places, strict=True):
            for source, target in zip(mine[conv], place, strict=True):
                moved[target] = arrays[source]
        if np.allclose(logits(other, moved), wanted, rtol=1e-3, atol=1e-3 * float(np.abs(wanted).max())):
            return True
    return False


NAME = "nasbench201:skip_connect,nor_conv_3x3,avg_pool_3x3"
SPACE = get_space(NAME)


def pairs(most: int) -> list[tuple[Genotype, Genotype]]:
    """Pairs of different cells of one function, with at most so many convolutions; drawn among all of them."""
    alike = defaultdict(list)
    for genotype in SPACE.every():
        if genotype.picks.count(1) <= most:
            alike[SPACE.function(genotype)].append(genotype)
    found = [pair for same in alike.values() for pair in itertools.combinations(same, 2)]
    chosen = np.random.default_rng(2).permutation(len(found))[:12]
    return [found[place] for place in chosen]


@pytest.mark.parametrize("pair", pairs(3), ids=lambda pair: f"{pair[0].picks}-{pair[1].picks}")
def test_cells_of_one_function_have_equal_logits(pair: tuple[Genotype, Genotype]) -> None:
    one, other = pair
    assert one != other
    assert equal(network(NAME, one), network(NAME, other))


def test_twice_one_convolution_is_not_the_sum_of_two() -> None:
    """1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2: the convolution of edge 1<-0 is read twice, or there are two of them."""
    space = get_space("nasbench201:none,skip_connect,nor_conv_3x3,avg_pool_3x3")
    zero, skip, conv = 0, 1, 2
    twice = space.genotype((conv, zero, skip, zero, skip, skip))
    two = space.genotype((zero, conv, zero, conv, zero, skip))
    other_two = space.genotype((conv, conv, zero, zero, skip, skip))
    assert space.function(twice) != space.function(two)
    assert space.function(two) == space.function(other_two)
    assert not equal(network(space.name, twice), network(space.name, two))
    assert equal(network(space.name, two), network(space.name, other_two))
