"""Architectures from files, and drawings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.core.architecture import CellStack, Edge
from harness.core.errors import InputError
from harness.core.space import Size
from harness.run.drawing import draw, sparkline
from harness.run.inspection import cell_stack, from_file, parse_image, published
from harness.spaces import get_space
from harness.spaces.published import PUBLISHED

CELL = [["sep_conv_3x3", 0], ["none", 0], ["skip_connect", 2], ["max_pool_3x3", 1]]
WHOLE = {"normal": CELL, "normal_concat": [2, 3], "reduce": CELL[:2], "reduce_concat": [2]}
SIZE = Size(4, 6)


def test_cells_are_read_with_any_number_of_nodes_and_repeated_inputs() -> None:
    net = cell_stack(WHOLE, SIZE, Path("x.json"))
    assert (net.normal.nodes, net.reduction.nodes, net.reductions) == (4, 3, (2, 4))
    assert net.normal.edges[:2] == (Edge(0, 2, "sep_conv_3x3"), Edge(0, 2, "none"))
    assert net.normal.output == (2, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"normal": CELL[:3]},
        {"normal": []},
        {"normal": "cell"},
        {"normal": [["sep_conv_9x9", 0], ["none", 0]]},
        {"normal": [["none", 2], ["none", 0]]},
        {"normal": [["none", -1], ["none", 0]]},
        {"normal": [["none", 0, 0], ["none", 0]]},
        {"normal": [["none", "0"], ["none", 0]]},
        {"normal_concat": []},
        {"normal_concat": [4]},
        {"normal_concat": 2},
        {"more": 1},
    ],
)
def test_anything_else_is_bad_input(tmp_path: Path, change: dict[str, object]) -> None:
    file = tmp_path / "cell.json"
    file.write_text(json.dumps({**WHOLE, **change}))
    with pytest.raises(InputError, match=r"cell\.json"):
        from_file(file, get_space("cell"), SIZE)


@pytest.mark.parametrize("name", ["cell", "enas_cell", "macro-4", "chain-3", "nasbench201"])
@pytest.mark.parametrize("wrap", [str, json.dumps])
def test_a_genotypes_text_is_read(tmp_path: Path, name: str, wrap: object) -> None:
    space = get_space(name)
    genotype = space.sample(np.random.default_rng(0))
    file = tmp_path / "genotype.txt"
    file.write_text(f"{wrap(str(genotype))}\n")  # type: ignore[operator]
    assert from_file(file, space, SIZE) == space.decode(genotype, SIZE)


def test_a_benchmarks_own_string_is_read(tmp_path: Path) -> None:
    space = get_space("nasbench201")
    genotype = space.sample(np.random.default_rng(0))
    file = tmp_path / "genotype.txt"
    file.write_text(space.to_official(genotype))  # type: ignore[attr-defined]
    assert from_file(file, space, SIZE) == space.decode(genotype, SIZE)


def test_published_networks_come_at_their_own_size_or_another() -> None:
    net, size = published("darts_v2", None, None)
    assert size == Size(PUBLISHED["darts_v2"].channels, PUBLISHED["darts_v2"].layers)
    assert isinstance(net, CellStack)
    assert published("darts_v2", 4, 8)[1] == Size(4, 8)


@pytest.mark.parametrize(("text", "shape"), [("32x32", (32, 32, 3)), ("28x30x1", (28, 30, 1))])
def test_image_sizes_are_read(text: str, shape: tuple[int, int, int]) -> None:
    assert parse_image(text) == shape


@pytest.mark.parametrize("text", ["", "32", "0x3", "axb", "3x3x0", "3x3x3x3"])
def test_nonsense_is_no_image_size(text: str) -> None:
    with pytest.raises(InputError):
        parse_image(text)


def test_a_drawing_names_every_node_and_operation() -> None:
    genotype = PUBLISHED["darts_v2"].genotype
    lines = draw(str(genotype))
    assert lines[0] == "normal cell"
    assert "    2 = sep_conv_3x3(previous but one) + sep_conv_3x3(previous cell)" in lines
    assert "  out = concat(2, 3, 4, 5)" in lines
    for name in ("macro-4", "chain-4", "nasbench201", "enas_cell"):
        space = get_space(name)
        assert len(draw(str(space.sample(np.random.default_rng(0))))) > 3
    assert draw("keras:a net") == ["keras:a net"]


def test_a_sparkline_goes_from_low_to_high() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([3.0, 3.0]) == "▁▁"
    assert sparkline([]) == ""
