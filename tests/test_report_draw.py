from __future__ import annotations

import re
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.core.architecture import Cell, CellStack, Edge, ResidualStages
from harness.core.errors import InputError
from harness.core.graph import Layer, LayerGraph
from harness.core.primitives import Conv, Depthwise, Dropout, Flatten, Norm, Pool, Relu
from harness.core.seeds import rng
from harness.core.space import Size
from harness.report.drawing.describe import boxes, describe, parts
from harness.report.drawing.draw import STYLE, document, drawings, write_svg
from harness.report.drawing.layout import layered
from harness.spaces import get_space, names

SPACES = (*names(), "cell-2", "macro-6", "chain-6")


def sample(space: str, seed: int):
    found = get_space(space)
    return found.decode(found.sample(rng(seed, "test")), Size(16, 8))


SVG = "{http://www.w3.org/2000/svg}"


def numbers(element: ElementTree.Element, *names: str) -> list[float]:
    return [float(element.attrib[name]) for name in names]


@pytest.mark.parametrize("space", SPACES)
def test_every_space_is_drawn_as_the_same_file_and_says_what_describe_says(space: str, tmp_path: Path):
    architecture = sample(space, 0)
    write_svg(architecture, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert text == document(sample(space, 0)) != document(sample(space, 1))
    assert ElementTree.fromstring(text).findtext(f"{SVG}desc") == describe(architecture)


@pytest.mark.parametrize("space", SPACES)
def test_every_box_and_label_lies_inside_the_drawing_and_no_two_boxes_overlap(space: str):
    for seed in range(5):
        for part in drawings(sample(space, seed)):
            root = ElementTree.fromstring(part.svg())
            rects = [numbers(rect, "x", "y", "width", "height") for rect in root.iter("rect")]
            for x, y, width, height in rects:
                assert 0 <= x <= x + width <= part.width
                assert 0 <= y <= y + height <= part.height
            for (x, y, width, _), (x2, y2, width2, _) in combinations(rects, 2):
                assert y != y2 or x + width < x2 or x2 + width2 < x


def test_drawings_show_every_operation():
    for seed in range(10):
        network = sample("cell", seed)
        for (_, cell), part in zip(parts(network), drawings(network), strict=True):
            texts = [text.text for text in ElementTree.fromstring(part.svg()).iter("text")]
            assert sorted(set(texts) & {edge.op for edge in cell.edges}) == sorted({edge.op for edge in cell.edges})
            assert sum("_" in text for text in texts) == len(cell.edges)


def test_every_fill_that_is_used_is_in_the_style():
    used = {
        name
        for space in SPACES
        for part in drawings(sample(space, 1))
        for name in re.findall(r"var\((--\w+)\)", part.body)
    }
    assert used
    light, dark = STYLE.split("@media")
    assert all(f"{name}:" in light and f"{name}:" in dark for name in used)


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be written"):
        write_svg(sample("cell", 0), tmp_path / "none" / "a.svg")


def test_a_network_without_a_skeleton_is_told_layer_by_layer():
    graph = LayerGraph(
        (
            Layer((0,), (Conv(3, 3, 16), Norm(), Relu())),
            Layer((0,), (Pool("max", 2, 2),)),
            Layer((1,), (Depthwise(5), Dropout(0.5))),
            Layer((1, 3), (), merge="sum"),
            Layer((1, 4), (Flatten(),), merge="mean"),
        ),
        5,
    )
    text = describe(graph)
    assert "layer 1 = conv_3x3_16(image)" in text
    assert "layer 2 = depthwise_5x5, dropout_0.5(layer 1)" in text
    assert "layer 3 = layer 1 + layer 2" in text
    assert "layer 4 = flatten(mean(layer 1, layer 3))" in text
    assert "max_pool" not in text, "the output does not depend on it"
    assert "classifier = layer 4" in text
    [part] = drawings(graph)
    assert part.body.count("<rect") == 6


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
        [(_, layers)] = parts(macro)
        assert sorted((s, row) for row, layer in enumerate(layers) for s in layer.added) == sorted(skips)
        assert [row for row, layer in enumerate(layers) if layer.halved] == list(macro.reductions)
        assert len(re.findall(r" \+ (?:layer|stem)", describe(macro))) == len(skips)


def test_rows_of_a_chain_read_what_the_genotype_says():
    space = get_space("chain")
    for seed in range(20):
        genotype = space.sample(rng(seed, "test"))
        [(_, layers)] = parts(space.decode(genotype, Size(64, 1)))
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
    labels, _, _ = boxes(cell)
    assert labels["node1"] == "1: zeros"
    assert "node 1 = zeros" in describe(ResidualStages(cell, 16, 5))


@pytest.mark.parametrize("space", ["cell", "enas_cell"])
def test_layout_runs_downwards_and_keeps_boxes_apart(space: str):
    for seed in range(30):
        labels, edges, late = boxes(sample(space, seed).normal)
        layout = layered(edges, late, list(labels))
        assert set(layout.boxes) == set(labels)
        for (source, target), line in zip(edges, layout.lines, strict=True):
            assert line[0] == layout.boxes[source]
            assert line[-1] == layout.boxes[target]
            ranks = [rank for _, rank in line]
            assert ranks == list(range(int(ranks[0]), int(ranks[-1]) + 1))
        for rank in {rank for _, rank in layout.boxes.values()}:
            row = sorted(x for x, r in layout.boxes.values() if r == rank)
            assert all(right - left > 0.99 for left, right in pairwise(row))


def test_layout_does_not_cross_what_need_not_cross():
    layout = layered([("a", "y"), ("b", "x"), ("c", "z"), ("b", "z")])
    places = {box: x for box, (x, _) in layout.boxes.items()}
    assert (places["a"] < places["b"]) == (places["y"] < places["x"])
    assert (places["b"] < places["c"]) == (places["x"] < places["z"])
