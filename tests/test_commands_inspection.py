"""Architectures from files and records."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from report_records import make

from harness.commands.inspection import from_file, parse_image, proposed
from harness.core.architecture import Edge, ResidualStages
from harness.core.errors import InputError
from harness.core.space import Size
from harness.spaces import get_space
from harness.spaces.given import cell_stack

CELL = [["sep_conv_3x3", 0], ["none", 0], ["skip_connect", 2], ["max_pool_3x3", 1]]
WHOLE = {"normal": CELL, "normal_concat": [2, 3], "reduce": CELL[:2], "reduce_concat": [2]}
SIZE = Size(4, 6)


def test_cells_are_read_with_any_number_of_nodes_and_repeated_inputs() -> None:
    net = cell_stack(WHOLE, SIZE, "x.json")
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


@pytest.mark.parametrize(("text", "shape"), [("32x32", (32, 32, 3)), ("28x30x1", (28, 30, 1))])
def test_image_sizes_are_read(text: str, shape: tuple[int, int, int]) -> None:
    assert parse_image(text) == shape


@pytest.mark.parametrize("text", ["", "32", "0x3", "axb", "3x3x0", "3x3x3x3"])
def test_nonsense_is_no_image_size(text: str) -> None:
    with pytest.raises(InputError):
        parse_image(text)


@pytest.mark.parametrize("name", ["cell", "enas_cell-3", "macro-4", "chain-3", "nasbench201"])
def test_a_proposal_is_decoded_at_the_size_of_the_final_training(name: str) -> None:
    space = get_space(name)
    genotype = space.sample(np.random.default_rng(0))
    size = Size(24, 9, 2)
    record = make("darts", 0.9, proposal=str(genotype), recipes={"final": {"size": asdict(size)}}).record
    assert proposed(record) == space.decode(genotype, size)


@pytest.mark.parametrize("proposal", ["", "keras:a net", "table:a,b", "elsewhere:1", "cell:0+1"])
def test_what_names_no_architecture_is_none(proposal: str) -> None:
    assert proposed(make("darts", 0.9, proposal=proposal).record) is None


def test_what_a_search_on_a_table_found_has_the_size_of_the_benchmarks_networks() -> None:
    text = str(get_space("nasbench201").sample(np.random.default_rng(0)))
    found = proposed(
        make("darts", 0.9, proposal=text, recipes={"final": {"table": "t", "score": "test accuracy"}}).record
    )
    assert isinstance(found, ResidualStages)
    assert (found.channels, found.repeats) == (16, 5)
