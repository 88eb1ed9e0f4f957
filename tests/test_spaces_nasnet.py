"""NASNet's and PNAS' cells."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.core.architecture import Cell, Edge
from harness.core.errors import InputError
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.space import Genotype, Size, Space
from harness.spaces import get_space
from harness.spaces.nasnet import NASNET_OPERATIONS, PNAS_OPERATIONS, NasNetSpace, PnasSpace
from harness.spaces.zoo import PUBLISHED

SIZE = Size(16, 8)
WORDS = {
    "sep3": "sep_conv_3x3",
    "sep5": "sep_conv_5x5",
    "sep7": "sep_conv_7x7",
    "avg": "avg_pool_3x3",
    "max": "max_pool_3x3",
    "id": "skip_connect",
}
NASNET_NORMAL = "1 0 sep5 sep3, 0 0 sep5 sep3, 1 0 avg id, 0 0 avg avg, 1 1 sep3 id"
NASNET_REDUCTION = "1 0 sep5 sep7, 1 0 max sep7, 1 0 avg sep5, 3 2 id avg, 2 1 sep3 max"
PNASNET = "0 0 sep5 max, 1 1 sep7 max, 1 1 sep5 sep3, 4 1 sep3 max, 0 1 sep3 id"


def blocks(text: str, combine: str = "") -> str:
    """The words of a genotype from the short ones above."""
    found = []
    for block in text.split(", "):
        in0, in1, op0, op1 = block.split()
        found += [in0, in1, WORDS[op0], WORDS[op1], *([combine] if combine else [])]
    return ",".join(found)


def nasnet(normal: str, reduction: str, combine: str = "add") -> tuple[Cell, Cell]:
    space = NasNetSpace(blocks=normal.count(",") + 1)
    text = f"nasnet:{blocks(normal, combine)},{blocks(reduction, combine)}"
    stack = space.decode(space.parse(text), SIZE)
    return stack.normal, stack.reduction


def pnas(text: str, space: PnasSpace) -> Cell:
    count = text.count(",") + 1
    rest = ",0,0,sep_conv_3x3,sep_conv_3x3" * (space.blocks - count)
    return space.decode(space.parse(f"{space.name}:{count},{blocks(text)}{rest}"), SIZE).normal


def test_a_controller_makes_fifty_decisions_for_nasnet() -> None:
    space = NasNetSpace()
    assert len(space.choices) == 50
    sizes = [len(choice) for choice in space.choices]
    assert sizes[:25] == sizes[25:]
    assert sizes[:25] == [size for block in range(5) for size in (block + 2, block + 2, 13, 13, 2)]
    assert len(set(NASNET_OPERATIONS)) == 13


def test_pnas_has_the_published_number_of_ordered_cells() -> None:
    space = PnasSpace()
    per_block = [math.prod(len(choice) for choice in space.choices[i : i + 4]) for i in range(1, 21, 4)]
    assert per_block == [256, 576, 1024, 1600, 2304]
    assert math.prod(per_block) == pytest.approx(5.57e14, rel=1e-3)
    assert len(set(PNAS_OPERATIONS)) == 8
    assert set(PNAS_OPERATIONS) < set(NASNET_OPERATIONS)


@pytest.mark.parametrize("combine", ["add", "concat"])
def test_cells_concatenate_the_blocks_that_no_block_reads(combine: str) -> None:
    normal, reduction = nasnet(NASNET_NORMAL, NASNET_REDUCTION, combine)
    assert (len(normal.output), len(reduction.output)) == (5, 3)
    for cell in (normal, reduction):
        assert not {edge.source for edge in cell.edges} & set(cell.output)
        assert min(cell.output) >= 2


def test_nasnet_a_is_a_point_of_the_space_but_for_the_states_that_the_released_code_adds_to_the_output() -> None:
    published = PUBLISHED["nasnet_a"].build(SIZE)
    for cell, known, extra in zip(
        nasnet(NASNET_NORMAL, NASNET_REDUCTION), (published.normal, published.reduction), (0, 3), strict=True
    ):
        assert sorted(cell.edges) == sorted(known.edges)
        assert sorted([*cell.output, extra]) == sorted(known.output)


def test_pnasnet_5_is_a_point_of_the_space_but_for_the_block_that_the_released_code_adds_to_the_output() -> None:
    cell, known = pnas(PNASNET, PnasSpace()), PUBLISHED["pnasnet5_cifar"].build(SIZE).normal
    assert sorted(cell.edges) == sorted(known.edges)
    assert sorted([*cell.output, 4]) == sorted(known.output)


def test_pnas_uses_one_cell_everywhere_and_ignores_what_stands_behind_the_last_block() -> None:
    space, rng = PnasSpace(), np.random.default_rng(0)
    for _ in range(20):
        picks = space.sample(rng).picks
        used = 1 + 4 * (picks[0] + 1)
        other = (*picks[:used], *space.sample(rng).picks[used:])
        stack = space.decode(space.genotype(picks), SIZE)
        assert stack.normal == stack.reduction
        assert stack == space.decode(space.genotype(other), SIZE)
        assert len(stack.normal.edges) == 2 * (picks[0] + 1)


def test_a_concatenation_is_two_halves_that_each_get_a_1x1_convolution() -> None:
    normal, _ = nasnet("1 0 sep3 max, 2 2 id avg", "1 0 sep3 max, 2 2 id avg", "concat")
    assert normal.edges == (
        Edge(1, 2, "sep_conv_3x3"),
        Edge(0, 3, "max_pool_3x3"),
        Edge(2, 4, "conv_1x1"),
        Edge(3, 4, "conv_1x1"),
        Edge(4, 5, "skip_connect"),
        Edge(4, 6, "avg_pool_3x3"),
        Edge(5, 7, "conv_1x1"),
        Edge(6, 7, "conv_1x1"),
    )
    assert normal.output == (7,)


def test_reductions_stand_between_three_stages_of_equal_length() -> None:
    space = NasNetSpace()
    for normal in (1, 2, 6):
        stack = space.decode(space.sample(np.random.default_rng(0)), Size(8, 3 * normal + 2))
        assert stack.reductions == (normal, 2 * normal + 1)


@pytest.mark.parametrize("name", ["nasnet", "pnas", "nasnet-2", "pnas-2", "nasnet-1", "pnas-1"])
def test_every_network_can_be_written_out_and_counted(name: str) -> None:
    space, rng = get_space(name), np.random.default_rng(0)
    assert space.name == name
    for _ in range(20):
        genotype = space.sample(rng)
        sizes = [measure(lower(space.decode(genotype, Size(8, n))), (8, 8, 3), 10) for n in (3, 8)]
        assert 0 < sizes[0].parameters < sizes[1].parameters


def test_there_is_no_cell_without_blocks() -> None:
    for name in ("nasnet-0", "pnas-0", "pnas-x"):
        with pytest.raises(InputError):
            get_space(name)


def everything(space: Space) -> Genotype:
    """A cell whose blocks apply every operation to a cell input, where it may have to change width and resolution."""
    nasnet = isinstance(space, NasNetSpace)
    operations = NASNET_OPERATIONS if nasnet else PNAS_OPERATIONS
    pairs = zip(operations[::2], [*operations[1::2], operations[0]], strict=False)
    words = ",".join(f"0,1,{first},{second}{',concat' if nasnet else ''}" for first, second in pairs)
    return space.parse(f"{space.name}:{words},{words}" if nasnet else f"{space.name}:{len(operations) // 2},{words}")


@pytest.mark.parametrize("name", ["nasnet-7", "pnas-4"])
def test_the_builder_knows_every_operation(name: str) -> None:
    from harness.nets.build import build_model
    from harness.nets.count import parameters

    space, size = get_space(name), Size(8, 3)
    genotype = everything(space)
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    model = build_model(genotype, space, size, (8, 8, 3), 10, seed=0)
    logits = np.asarray(model(images))
    assert np.isfinite(logits).all()
    assert np.ptp(logits) > 0
    assert parameters(model) == measure(lower(space.decode(genotype, size)), (8, 8, 3), 10).parameters
