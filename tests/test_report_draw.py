from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from harness.core.architecture import Cell, CellStack, Edge, ResidualStages
from harness.core.seeds import rng
from harness.core.space import Size
from harness.report.draw import _boxes, _chain_layers, _macro_layers, describe, draw_cell
from harness.report.layout import layered
from harness.spaces import get_space

SPACES = ("cell", "enas_cell", "macro", "macro-6", "chain", "chain-6", "nasbench201")


def sample(space: str, seed: int):
    found = get_space(space)
    return found.decode(found.sample(rng(seed, "test")), Size(16, 8))


@pytest.mark.parametrize("space", SPACES)
def test_every_space_can_be_drawn_and_the_same_picture_is_the_same_file(space: str, tmp_path: Path):
    architecture = sample(space, 0)
    for name in ("a", "b"):
        draw_cell(architecture, tmp_path / f"{name}.png")
    draw_cell(sample(space, 1), tmp_path / "c.png")
    first, second, other = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first.startswith(b"\x89PNG")
    assert first == second != other


@pytest.mark.parametrize("space", ["cell", "enas_cell", "nasbench201"])
def test_words_name_every_edge_of_every_cell(space: str):
    for seed in range(20):
        architecture = sample(space, seed)
        cells = (
            [architecture.normal, architecture.reduction]
            if isinstance(architecture, CellStack)
            else [architecture.cell]
        )
        terms = re.findall(r"(\w+)\((?:input|node)", describe(architecture).replace("concat(", "concat "))
        assert terms == [edge.op for cell in cells for node in range(cell.nodes) for edge in cell.into(node)]


def test_words_and_rows_of_the_macro_space_name_every_skip_once():
    for seed in range(20):
        macro = sample("macro", seed)
        skips = [(edge.source, edge.target) for edge in macro.graph.edges if edge.op == "skip"]
        layers = _macro_layers(macro)
        assert sorted((s, row) for row, layer in enumerate(layers) for s in layer.added) == sorted(skips)
        assert [row for row, layer in enumerate(layers) if layer.halved] == list(macro.reductions)
        assert describe(macro).count(" + layer") == len(skips)


def test_rows_of_a_chain_read_what_the_genotype_says():
    space = get_space("chain")
    for seed in range(20):
        genotype = space.sample(rng(seed, "test"))
        layers = _chain_layers(space.decode(genotype, Size(64, 1)))
        expected = [layer.inputs or (0,) for layer in space.read(genotype)]
        assert [layer.reads for layer in layers[1:-1]] == expected


def test_chain_counts_its_convolutions_and_not_its_poolings():
    text = describe(sample("chain-6", 0))
    assert text.startswith("a chain of 6 convolutions")
    assert "layer 6 = " in text
    assert "layer 7 = " not in text
    assert text.count(" = max_pool_2x2(") == 2


def test_a_node_that_nothing_enters_is_zero():
    cell = Cell(1, 4, (Edge(0, 3, "skip_connect"),), (3,))
    labels, _, _ = _boxes(cell)
    assert labels["node1"] == "1: zeros"
    assert "node 1 = 0" in describe(ResidualStages(cell, 16, 5))


@pytest.mark.parametrize("space", ["cell", "enas_cell"])
def test_layout_runs_downwards_and_keeps_boxes_apart(space: str):
    for seed in range(30):
        labels, edges, late = _boxes(sample(space, seed).normal)
        layout = layered(edges, late, list(labels))
        assert set(layout.places) == set(labels)
        for (source, target), line in zip(edges, layout.lines, strict=True):
            assert line[0] == layout.places[source]
            assert line[-1] == layout.places[target]
            ranks = [rank for _, rank in line]
            assert ranks == list(range(int(ranks[0]), int(ranks[-1]) + 1))
        for rank in {rank for _, rank in layout.places.values()}:
            row = sorted(x for x, r in layout.places.values() if r == rank)
            assert all(right - left > 0.99 for left, right in pairwise(row))


def test_layout_does_not_cross_what_need_not_cross():
    layout = layered([("a", "y"), ("b", "x"), ("c", "z"), ("b", "z")])
    places = {box: x for box, (x, _) in layout.places.items()}
    assert (places["a"] < places["b"]) == (places["y"] < places["x"])
    assert (places["b"] < places["c"]) == (places["x"] < places["z"])
