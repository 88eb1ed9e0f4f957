"""BlockQNN's blocks: Network Structure Code and networks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from harness.core.architecture import CellStack, Edge
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.space import Genotype, Size
from harness.spaces import get_space
from harness.spaces.blockqnn import BlockLayer, BlockSpace, layers_at

SIZE = Size(8, 3, 2)
Code = tuple[int, int, int, int, int]
"""A layer in the paper's notation: index, type, kernel, predecessor, second predecessor."""
TYPES = {
    "conv_1x1": (1, 1),
    "conv_3x3": (1, 3),
    "conv_5x5": (1, 5),
    "max_pool_1x1": (2, 1),
    "max_pool_3x3": (2, 3),
    "avg_pool_1x1": (3, 1),
    "avg_pool_3x3": (3, 3),
    "skip_connect": (4, 0),
    "add": (5, 0),
    "concat": (6, 0),
}
"""Type and kernel in a code, by the operation's name."""
END = 7
"""Type of the terminal code."""
RESIDUAL: list[Code] = [(1, 1, 3, 0, 0), (2, 1, 5, 1, 0), (3, 5, 0, 0, 2), (4, 7, 0, 0, 0)]


def space_of(layers: int) -> BlockSpace:
    space = get_space(f"block-{layers}")
    assert isinstance(space, BlockSpace)
    return space


def codes_of(space: BlockSpace, genotype: Genotype) -> list[Code]:
    """A block in the paper's notation; the terminal code is left out after the largest number of layers."""
    codes = []
    for index, layer in enumerate(space.read(genotype), start=1):
        first, second = (*layer.reads, 0)[:2]
        codes.append((index, *TYPES[layer.op], first, second))
    return codes if len(codes) == len(space.choices) else [*codes, (len(codes) + 1, END, 0, 0, 0)]


def genotype_of(space: BlockSpace, codes: Iterable[Code]) -> Genotype:
    """The genotype of a block in the paper's notation; the terminal code is optional."""
    names = {numbers: op for op, numbers in TYPES.items()}
    actions = []
    for index, kind, kernel, first, second in codes:
        if kind != END:
            op = names[kind, kernel]
            actions.append(layers_at(index).index(BlockLayer(op, (first, second) if kind in (5, 6) else (first,))))
    return space.complete(actions)


def decoded(*codes: Code) -> CellStack:
    space = space_of(6)
    return space.decode(genotype_of(space, codes), SIZE)


def test_codes_and_genotypes_are_the_same_thing() -> None:
    space, rng = space_of(6), np.random.default_rng(0)
    for _ in range(100):
        sampled = space.sample(rng)
        codes = codes_of(space, sampled)
        genotype = genotype_of(space, codes)
        assert codes_of(space, genotype) == codes
        assert space.decode(genotype, SIZE) == space.decode(sampled, SIZE)


def test_a_block_reads_like_its_code() -> None:
    space = space_of(6)
    genotype = genotype_of(space, RESIDUAL)
    assert str(genotype) == "block-6:conv_3x3@0,conv_5x5@1,add@0+2,terminal,terminal,terminal"
    assert codes_of(space, genotype) == RESIDUAL


def test_predecessors_come_before_and_pairs_are_two() -> None:
    for index in range(1, 8):
        known = layers_at(index)
        assert all(read < index for layer in known for read in layer.reads)
        assert all(len(set(layer.reads)) == 2 for layer in known if layer.op in ("add", "concat"))
        assert len(known) == len(set(known)) == 8 * index + index * (index - 1)
    assert not {layer.op for layer in layers_at(1)} & {"add", "concat"}


def test_the_first_layer_is_never_terminal() -> None:
    assert "terminal" not in space_of(4).choices[0].options
    assert all(choice.options[-1] == "terminal" for choice in space_of(4).choices[1:])


def test_a_walk_ends_at_the_terminal_or_at_the_longest() -> None:
    space = space_of(3)
    terminal = len(space.choices[1]) - 1
    assert space.after((0, 0), 3) == (1, 3)
    assert space.after((1, 3), terminal) is None
    assert space.after((2, 0), 0) is None
    assert space.complete((3, terminal)) == space.parse("block-3:max_pool_1x1@0,terminal,terminal")


def test_what_stands_behind_the_terminal_means_nothing() -> None:
    space = space_of(3)
    one, other = (space.parse(f"block-3:conv_3x3@0,terminal,{last}") for last in ("terminal", "conv_5x5@1"))
    assert space.decode(one, SIZE) == space.decode(other, SIZE)
    assert space.read(one) == space.read(other)


def test_a_layer_becomes_edges_into_its_node() -> None:
    """Nodes 0 and 1 are a cell's inputs, of which a block reads the last; layer i is node i + 1."""
    cell = decoded(*RESIDUAL).normal
    assert cell.edges == (
        Edge(1, 2, "conv_3x3"),
        Edge(2, 3, "conv_5x5"),
        Edge(1, 4, "skip_connect"),
        Edge(3, 4, "skip_connect"),
    )
    assert cell.output == (4,)


def test_what_no_layer_reads_is_concatenated() -> None:
    two = decoded((1, 1, 3, 0, 0), (2, 2, 3, 0, 0))
    one = decoded((1, 1, 3, 0, 0), (2, 2, 3, 1, 0))
    assert (two.normal.output, one.normal.output) == ((2, 3), (3,))
    # The classifier behind the last stage, of 32 channels, reads twice as many.
    wide, narrow = (
        measure(lower(net), (28, 28, 1), 11).parameters - measure(lower(net), (28, 28, 1), 10).parameters
        for net in (two, one)
    )
    assert (wide, narrow) == (2 * 32 + 1, 32 + 1)


def test_a_concatenation_costs_a_pointwise_convolution_of_each_part() -> None:
    parts: list[Code] = [(1, 4, 0, 0, 0), (2, 2, 3, 0, 0)]
    added, joined = (measure(lower(decoded(*parts, (3, kind, 0, 1, 2))), (28, 28, 1), 10).parameters for kind in (5, 6))
    assert joined - added == sum(2 * (width * width + 2 * width) for width in (8, 16, 32))


def test_a_network_is_three_stages_of_blocks_with_poolings_between() -> None:
    net = space_of(6).decode(genotype_of(space_of(6), RESIDUAL), Size(16, 8))
    assert (net.layers, net.reductions) == (8, (2, 5))
    assert {edge.op for edge in net.reduction.edges} == {"max_pool_2x2"}
    small = decoded(*RESIDUAL)
    assert (small.layers, small.reductions) == (5, (1, 3))


def blocks() -> list[Genotype]:
    """Everything a block can be made of, the smallest and some at random."""
    space, rng = space_of(6), np.random.default_rng(2)
    everything: list[Code] = [
        *[(1, 2, 1, 0, 0), (2, 3, 1, 0, 0), (3, 6, 0, 1, 2), (4, 5, 0, 0, 3), (5, 1, 1, 4, 0), (6, 3, 3, 4, 0)]
    ]
    smallest = genotype_of(space, [(1, 4, 0, 0, 0)])
    return [genotype_of(space, everything), smallest, *(space.sample(rng) for _ in range(2))]


@pytest.mark.parametrize("image", [(28, 28, 1), (32, 32, 3), (16, 16, 1)])
def test_blocks_can_be_built(image: tuple[int, int, int]) -> None:
    from harness.nets.build import build_model
    from harness.nets.count import macs, parameters

    space = space_of(6)
    for genotype in blocks():
        model = build_model(genotype, space, SIZE, image, 10, seed=0)
        counted = measure(lower(space.decode(genotype, SIZE)), image, 10)
        assert model.output_shape == (None, 10)
        assert (parameters(model), macs(model)) == (counted.parameters, counted.macs)


def test_every_block_has_a_network_on_every_image() -> None:
    rng = np.random.default_rng(0)
    for name in ("block", "block-5", "block-3"):
        space = get_space(name)
        for image in ((28, 28, 1), (32, 32, 3), (16, 16, 1), (1, 1, 1)):
            for _ in range(30):
                assert measure(lower(space.decode(space.sample(rng), SIZE)), image, 10).parameters > 0
