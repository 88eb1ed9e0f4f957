"""Architectures in the notations that people pass around."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import InputError
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.primitives import Conv, Norm, Relu, primitives_of
from harness.core.space import Size
from harness.spaces import get_space
from harness.spaces.notation import LARGEST, read_text, text_in
from harness.spaces.zoo import PUBLISHED

V2 = """Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),
 ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5],
 reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0),
 ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"""
"""DARTS' second-order cells, in the text of its authors."""
ODD = {
    "normal": [["sep_conv_7x7", 0], ["conv_7x1_1x7", 0], ["none", 2], ["skip_connect", 1]],
    "normal_concat": [3],
    "reduce": [["max_pool_3x3", 0], ["avg_pool_3x3", 1]],
    "reduce_concat": [2],
}
"""Cells that are in no space: repeated inputs, ``none``, two nodes and one, one of them left out of the output."""


@pytest.mark.parametrize(
    "text",
    [
        V2,
        f"DARTS_V2 = {V2}\n",
        f"2018-06-01 12:00:00 genotype = {V2}\n2018-06-01 12:00:01 epoch 3\n2018-06-01 genotype = {V2}",
        V2.replace("[2, 3, 4, 5]", "range(2, 6)"),
        f"from collections import namedtuple\nGenotype = namedtuple('Genotype', 'normal normal_concat')\nD = {V2}",
    ],
)
def test_the_authors_text_is_the_point_of_the_space_that_the_paper_found(text: str) -> None:
    found = get_space("cell").parse(text_in(text, "x"))
    size = Size(36, 20)
    shape = (32, 32, 3), 10
    own = measure(lower(get_space("cell").decode(found, size)), *shape)
    assert own == measure(lower(PUBLISHED["darts_v2"].build(size)), *shape)


def test_all_notations_of_one_architecture_give_one_text(tmp_path: Path) -> None:
    text = text_in(V2, "x")
    assert text.startswith("cell:")
    rows = [json.dumps(text), f"  {text}\n"]
    for number, content in enumerate(rows):
        file = tmp_path / str(number)
        file.write_text(content)
        assert read_text(file) == text


def test_cells_of_no_space_are_kept_as_they_are() -> None:
    text = text_in(json.dumps(ODD), "x")
    space = get_space("given")
    genotype = space.parse(text)
    assert space.contains(genotype)
    assert str(genotype) == text
    net = space.decode(genotype, Size(8, 3))
    assert [edge.op for edge in net.normal.edges] == [op for op, _ in ODD["normal"]]  # type: ignore[attr-defined]
    assert net.normal.output == (3,)
    assert measure(lower(net), (8, 8, 3), 2).parameters > 0
    cells = ", ".join(f"{key}={value!r}" for key, value in ODD.items()).replace("['", "('").replace("]", "]")
    assert text_in(f"Genotype({cells})".replace("('", "['"), "x") == text


@pytest.mark.parametrize("name", ["cell", "cell-2", "cell-3"])
def test_a_cell_of_a_space_comes_back_as_the_same_network(name: str) -> None:
    space = get_space(name)
    genotype = space.sample(np.random.default_rng(1))
    net = space.decode(genotype, Size(4, 3))
    cells: dict[str, object] = {}
    for key, cell in (("normal", net.normal), ("reduce", net.reduction)):  # type: ignore[union-attr]
        cells[key] = [[edge.op, edge.source] for edge in cell.edges]
        cells[f"{key}_concat"] = list(cell.output)
    assert text_in(json.dumps(cells), "x") == str(genotype)


def test_the_benchmarks_own_string_is_its_genotype() -> None:
    space = get_space("nasbench201")
    genotype = space.sample(np.random.default_rng(0))
    assert text_in(space.to_official(genotype), "x") == str(genotype)  # type: ignore[attr-defined]


def test_the_authors_seven_by_one_is_rectified_and_normalised_once() -> None:
    layers = primitives_of("conv_7x1_1x7", 4, 2)
    assert layers == (Relu(), Conv(1, 7, 4, (1, 2)), Conv(7, 1, 4, (2, 1)), Norm(True))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no architecture"),
        ("cell", "holds no architecture"),
        ("hello: world", "holds no architecture"),
        ("[" * 100_000, "holds no architecture"),
        ("Genotype(" + "[" * 100_000 + "]" * 100_000 + ")", "no Genotype"),
        ("Genotype(normal=[('sep_conv_3x3', 0)", "cut off"),
        ("Genotype(normal=open('x'))", "no Genotype"),
        ("Genotype(normal=[('sep_conv_3x3', 0), ('none', 1)])", "exactly the keys"),
        (f"A = {V2}\nB = {V2.replace('max_pool_3x3', 'avg_pool_3x3')}", "not all are the same"),
        ("|nor_conv_3x3~0|", "no NAS-Bench-201"),
        ("3", "two cells"),
    ],
)
def test_anything_else_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        text_in(text, "x.txt")


def test_files_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path / "bytes")
    (tmp_path / "large").write_text("x" * (LARGEST + 1))
    with pytest.raises(InputError, match="larger"):
        read_text(tmp_path / "large")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for name in ("pipe", "zeros"):
        with pytest.raises(InputError, match=f"{name} is no file"):
            read_text(tmp_path / name)
