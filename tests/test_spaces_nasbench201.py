"""NAS-Bench-201's cells."""

from __future__ import annotations

from itertools import product

import pytest

from harness.core.errors import InputError
from harness.core.space import Size
from harness.spaces.nasbench201 import NB201_OPERATIONS, NasBench201Space

SPACE = NasBench201Space()
SIZE = Size(16, 15)
RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"


def test_all_15625_cells_round_trip_through_both_notations() -> None:
    assert SPACE.cardinality == 15_625
    official = set()
    for picks in product(range(5), repeat=6):
        genotype = SPACE.genotype(picks)
        text = SPACE.to_official(genotype)
        assert SPACE.from_official(text) == genotype == SPACE.parse(str(genotype))
        official.add(text)
    assert len(official) == 15_625


def test_edges_are_in_the_benchmarks_order() -> None:
    genotype = SPACE.from_official(RESNET)
    assert [NB201_OPERATIONS[pick] for pick in genotype.picks] == [
        *("nor_conv_3x3", "none", "nor_conv_3x3", "skip_connect", "none", "skip_connect"),
    ]
    cell = SPACE.decode(genotype, SIZE).cell
    assert {(e.source, e.target, e.op) for e in cell.edges} == {
        (0, 1, "nor_conv_3x3"),
        (1, 2, "nor_conv_3x3"),
        (0, 3, "skip_connect"),
        (2, 3, "skip_connect"),
    }
    assert cell.output == (3,)


def test_fifteen_layers_are_three_stages_of_five() -> None:
    genotype = SPACE.from_official(RESNET)
    assert SPACE.decode(genotype, SIZE).repeats == 5
    assert SPACE.decode(genotype, Size(8, 2)).repeats == 1


@pytest.mark.parametrize(
    "text",
    ["", "resnet", RESNET[:-1], RESNET.replace("~2", "~1"), RESNET.replace("none", "max_pool_3x3"), RESNET + RESNET],
)
def test_refuses_what_is_no_cell(text: str) -> None:
    with pytest.raises(InputError):
        SPACE.from_official(text)
