"""Nodes that combine two operations on two inputs: which spellings are one architecture."""

from __future__ import annotations

import numpy as np
import pytest
from harness.methods.common.symmetry import Symmetry

from harness.spaces import get_space

PAIRED = ("enas_cell", "nao_cell", "nasnet", "pnas")


def drawn(name: str, count: int) -> np.ndarray:
    space, rng = get_space(name), np.random.default_rng(0)
    return np.array([space.sample(rng).picks for _ in range(count)], np.int32)


@pytest.mark.parametrize("name", PAIRED)
def test_a_swapped_copy_is_another_spelling_of_the_same_architecture(name: str) -> None:
    symmetry, picks = Symmetry(get_space(name).choices), drawn(name, 200)
    copies = symmetry.swapped(picks, np.random.default_rng(1))
    assert copies.shape == picks.shape
    assert (copies != picks).any(axis=1).mean() > 0.5
    for row, copy in zip(picks.tolist(), copies.tolist(), strict=True):
        assert symmetry.canonical(tuple(row)) == symmetry.canonical(tuple(copy))
        get_space(name).genotype(tuple(copy))


@pytest.mark.parametrize("name", PAIRED)
def test_the_canonical_spelling_is_one_of_the_spellings_and_canonical_itself(name: str) -> None:
    symmetry = Symmetry(get_space(name).choices)
    for row in drawn(name, 50).tolist():
        canonical = symmetry.canonical(tuple(row))
        assert sorted(canonical) == sorted(row)
        assert symmetry.canonical(canonical) == canonical


def test_a_copy_swaps_one_node_of_each_cell() -> None:
    picks = drawn("enas_cell", 300)
    copies = Symmetry(get_space("enas_cell").choices).swapped(picks, np.random.default_rng(2))
    nodes, changed = picks.reshape(300, 2, 5, 4), (copies != picks).reshape(300, 2, 5, 4).any(axis=3)
    differ = (nodes[..., :2] != nodes[..., 2:]).any(axis=3)
    assert (changed.sum(axis=2) <= 1).all()
    assert (changed.sum(axis=2)[differ.all(axis=2)] == 1).all()
    assert changed.any(axis=(0, 1)).all(), "every node has its turn"
    swapped = copies.reshape(300, 2, 5, 4)[changed]
    assert (swapped == nodes[changed][:, [2, 3, 0, 1]]).all()


def test_architectures_that_differ_in_one_pick_are_different() -> None:
    space = get_space("nao_cell-2")
    symmetry, start = Symmetry(space.choices), space.parse("nao_cell-2:" + ",".join(["0,conv_1x1,1,conv_3x3"] * 4))
    spellings = {symmetry.canonical(neighbour.picks) for neighbour in space.neighbours(start)}
    assert len(spellings) == len(list(space.neighbours(start)))


@pytest.mark.parametrize("name", ["nasbench201", "chain-4", "cell"])
def test_other_spaces_have_no_second_spelling(name: str) -> None:
    symmetry, picks = Symmetry(get_space(name).choices), drawn(name, 20)
    assert len(symmetry.swapped(picks, np.random.default_rng(0))) == 0
    assert all(symmetry.canonical(tuple(row)) == tuple(row) for row in picks.tolist())
