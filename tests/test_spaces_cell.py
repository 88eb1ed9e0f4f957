"""DARTS', ENAS micro's and NAO's cells."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from harness.core.architecture import Cell
from harness.core.space import Size
from harness.spaces.cell import reductions
from harness.spaces.darts import CellSpace
from harness.spaces.enas_micro import EnasCellSpace
from harness.spaces.nao import NaoCellSpace
from harness.spaces.zoo import DARTS_V1, DARTS_V2, PUBLISHED, ZooNetwork

SIZE = Size(16, 8)
ENAS_NORMAL = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1"
ENAS_REDUCTION = "1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"


def enas(normal: str, reduction: str) -> tuple[Cell, Cell]:
    space = EnasCellSpace()
    architecture = space.decode(space.genotype(tuple(int(word) for word in f"{normal} {reduction}".split())), SIZE)
    return architecture.normal, architecture.reduction


def test_darts_space_has_the_published_size() -> None:
    assert CellSpace().cardinality == 1_037_664_180**2


def test_darts_nodes_read_two_different_earlier_nodes_and_the_four_nodes_are_the_output() -> None:
    space, rng = CellSpace(), np.random.default_rng(0)
    for _ in range(50):
        architecture = space.decode(space.sample(rng), SIZE)
        for cell in (architecture.normal, architecture.reduction):
            assert cell.output == (2, 3, 4, 5)
            for node in range(2, 6):
                first, second = cell.into(node)
                assert first.source != second.source
                assert "none" not in (first.op, second.op)


def test_darts_notation_does_not_depend_on_the_order_of_a_nodes_entries() -> None:
    space = CellSpace(nodes=2)
    one = [("sep_conv_3x3", 0), ("skip_connect", 1), ("max_pool_3x3", 2), ("avg_pool_3x3", 0)]
    other = [one[1], one[0], one[3], one[2]]
    genotype = space.from_edges(one, other)
    assert genotype == space.from_edges(other, one)
    assert {(e.op, e.source) for e in space.decode(genotype, SIZE).normal.into(3)} == set(one[2:])


def test_reductions_at_a_third_and_two_thirds() -> None:
    assert [reductions(layers) for layers in (20, 8, 3, 1)] == [(6, 13), (2, 5), (1, 2), (0,)]


@pytest.mark.parametrize("entry", [DARTS_V1, DARTS_V2], ids=lambda entry: entry.name)
def test_published_cells_belong_to_the_space(entry: ZooNetwork) -> None:
    assert entry.genotype is not None
    assert CellSpace().contains(entry.genotype)


def test_enas_space_has_forty_integers_and_the_counted_size() -> None:
    space = EnasCellSpace()
    assert len(space.choices) == 40
    assert space.cardinality == prod((5 * b) ** 2 for b in range(2, 7)) ** 2
    assert space.cardinality**0.5 == pytest.approx(5.06e12, rel=1e-3)


def test_unread_nodes_of_the_published_enas_cell() -> None:
    normal, reduction = enas(ENAS_NORMAL, ENAS_REDUCTION)
    assert normal.output == (2, 3, 4, 5, 6)
    assert reduction.output == (2, 4, 5, 6)


def test_a_cell_input_that_nobody_reads_is_part_of_the_output() -> None:
    chain = " ".join(f"{source} 0 {source} 4" for source in (0, 2, 3, 4, 5))
    normal, _ = enas(chain, ENAS_REDUCTION)
    assert normal.output == (1, 6)


def test_enas_inputs_may_coincide_and_lie_before_their_node() -> None:
    space, rng = EnasCellSpace(), np.random.default_rng(0)
    coincided = False
    for _ in range(50):
        genotype = space.sample(rng)
        architecture, path = space.decode(genotype, SIZE), space.searched(genotype, SIZE)
        assert (architecture.reduce, architecture.project) == ("edges", False), "as the authors train a fixed cell"
        assert (path.reduce, path.project) == ("inputs", True), "as the shared network computes it"
        for node in range(2, 7):
            first, second = architecture.normal.into(node)
            assert max(first.source, second.source) < node
            coincided |= first.source == second.source
    assert coincided


def test_nao_space_has_eleven_operations_and_holds_the_published_cell() -> None:
    space = NaoCellSpace()
    assert len(space.choices) == 40
    assert space.cardinality == prod((11 * b) ** 2 for b in range(2, 7)) ** 2
    normal = "0 7 1 15 2 8 1 7 0 6 1 7 0 8 4 7 1 5 0 7"
    reduction = "0 7 1 13 0 6 0 14 0 9 1 10 0 14 2 6 1 11 0 7"
    codes = [int(word) for word in f"{normal} {reduction}".split()]
    genotype = space.genotype(tuple(code - 5 * (place % 2) for place, code in enumerate(codes)))
    entry = PUBLISHED["naonet_a_36"]
    assert space.decode(genotype, entry.size) == entry.build(entry.size)


def test_nao_and_enas_name_the_same_graph_differently_built() -> None:
    enas_space, nao_space = EnasCellSpace(nodes=2), NaoCellSpace(nodes=2)
    words = "0,max_pool_3x3,1,skip_connect,2,avg_pool_3x3,0,skip_connect"
    nets = [space.decode(space.parse(f"{space.name}:{words},{words}"), SIZE) for space in (enas_space, nao_space)]
    assert nets[0].normal == nets[1].normal
    assert nets[0] != nets[1]
