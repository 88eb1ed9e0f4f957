"""MetaQNN's chains: what may follow what, and the networks."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.graph import LayerGraph
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.primitives import Conv, Flatten, FloorPool
from harness.core.space import Genotype, Size
from harness.spaces import get_space
from harness.spaces.metaqnn import LAYERS, ChainLayer, ChainState, LayerChainSpace

SIZE = Size(64, 0)
POOL = "max_pool_5x5_s3"  # 32 pixels become 9, 9 become 1
SHRUNK = (POOL, "conv_1x1_64", "max_pool_2x2_s2")  # 32, 9, 4 pixels


def space_of(layers: int) -> LayerChainSpace:
    space = get_space(f"qchain-{layers}")
    assert isinstance(space, LayerChainSpace)
    return space


def chain(*words: str, layers: int = 8) -> Genotype:
    space = space_of(layers)
    return space.parse(f"{space.name}:{','.join([*words, *['end'] * (layers - len(words))])}")


def kept(*words: str) -> list[str]:
    """What is left of a chain."""
    by_layer = {layer: word for word, layer in LAYERS.items()}
    return [by_layer[layer] for layer in space_of(8).read(chain(*words))]


def state_behind(*words: str) -> ChainState:
    state = LayerChainSpace.start
    for word in words:
        assert state.allows(LAYERS[word])
        state = state.then(LAYERS[word])
    return state


def legal(*words: str) -> set[str]:
    state = state_behind(*words)
    return {word for word, layer in LAYERS.items() if state.allows(layer)}


def of_kind(*kinds: str) -> set[str]:
    return {word for word, layer in LAYERS.items() if layer.kind in kinds}


def test_there_are_twenty_layers() -> None:
    assert len(LAYERS) == 20
    assert [len(of_kind(kind)) for kind in ("conv", "pool", "dense", "global", "end")] == [12, 3, 3, 1, 1]
    assert get_space("qchain").cardinality == 20**18


def test_a_chain_does_not_start_with_a_pooling_nor_has_two_in_a_row() -> None:
    assert legal() == of_kind("conv", "global", "end")
    assert legal("conv_3x3_64") == of_kind("conv", "pool", "global", "end")
    assert legal("conv_3x3_64", "max_pool_2x2_s2") == of_kind("conv", "global", "end")


def test_windows_are_smaller_than_the_image() -> None:
    behind = legal("conv_1x1_64", *SHRUNK[:3])
    assert "conv_3x3_64" in behind
    assert not behind & {"conv_5x5_64", *of_kind("pool")}
    assert legal("conv_1x1_64", *SHRUNK, "conv_3x3_64") & of_kind("pool") == {"max_pool_3x3_s2", "max_pool_2x2_s2"}


def test_on_three_pixels_or_less_nothing_looks_at_the_image_any_more() -> None:
    behind = legal("conv_1x1_64", *SHRUNK, "conv_1x1_64", "max_pool_2x2_s2")
    assert behind == of_kind("dense", "global", "end")


def test_dense_layers_need_a_small_image_and_do_not_grow() -> None:
    assert not legal("conv_1x1_64", POOL) & of_kind("dense")
    assert of_kind("dense") <= legal("conv_1x1_64", *SHRUNK)
    assert legal("conv_1x1_64", *SHRUNK, "dense_256") == {"dense_256", "dense_128", "end"}
    assert legal("conv_1x1_64", *SHRUNK, "dense_256", "dense_256") == {"end"}


def test_nothing_follows_global_pooling() -> None:
    assert legal("conv_3x3_64", "global_pool") == {"end"}


def test_every_walk_over_four_layers_ends_and_no_state_is_without_action() -> None:
    space = space_of(4)
    waiting: list[tuple[ChainState, tuple[int, ...]]] = [(space.start, ())]
    ends, seen = 0, set()
    while waiting:
        state, taken = waiting.pop()
        if (state, state.side) in seen:
            continue
        seen.add((state, state.side))
        actions = space.actions(state)
        assert actions
        for action in actions:
            following = space.after(state, action)
            path = (*taken, action)
            if following is not None:
                waiting.append((following, path))
                continue
            ends += 1
            told = [LAYERS[str(space.option(space.complete(path), place))] for place in range(len(path))]
            assert list(space.read(space.complete(path))) == [layer for layer in told if layer.kind != "end"]
    assert ends > 100


def test_states_in_one_bucket_are_one_state_with_the_same_actions() -> None:
    nine, fifteen = state_behind("conv_1x1_64", POOL), state_behind("conv_1x1_64", "max_pool_2x2_s2")
    assert (nine.side, fifteen.side, nine.bucket, fifteen.bucket) == (9, 15, 8, 8)
    layer = LAYERS["conv_1x1_64"]
    alike = [ChainState(3, layer, 0, 8, side) for side in (9, 15)]
    assert alike[0] == alike[1]
    assert hash(alike[0]) == hash(alike[1])


def test_what_may_not_stand_where_it_does_is_left_out() -> None:
    assert kept("max_pool_2x2_s2", "conv_3x3_64", "dense_512", "conv_1x1_64") == ["conv_3x3_64", "conv_1x1_64"]
    assert kept("conv_3x3_64", "global_pool", "conv_3x3_64") == ["conv_3x3_64", "global_pool"]
    assert kept("conv_3x3_64", "end", "conv_3x3_64") == ["conv_3x3_64"]
    assert kept("end") == []


def test_the_papers_best_network_is_in_the_space() -> None:
    """Table A2; its convolutions have 11,181,824 weights with biases, in whose place here are scales and offsets."""
    words = ["conv_5x5_512", "conv_3x3_256", "conv_5x5_256", "conv_3x3_256", POOL, "conv_3x3_512", "conv_5x5_512"]
    genotype = chain(*words, "max_pool_2x2_s2")
    assert kept(*words, "max_pool_2x2_s2") == [*words, "max_pool_2x2_s2"]
    sizes = measure(space_of(8).decode(genotype, SIZE), (32, 32, 3), 10)
    biases = 512 + 256 + 256 + 256 + 512 + 512
    assert sizes.parameters == 11_181_824 + biases + 4 * 4 * 512 * 10 + 10


def steps(graph: LayerGraph, kind: type) -> list[object]:
    return [step for layer in graph.layers for step in layer.primitives if isinstance(step, kind)]


def test_the_size_scales_filters_and_units() -> None:
    genotype = chain("conv_3x3_128", *SHRUNK, "dense_256")
    space = space_of(8)
    for channels, share in ((64, 1), (128, 1), (16, 4)):
        graph = space.decode(genotype, Size(channels, 0))
        assert steps(graph, Conv) == [Conv(3, 3, 128 // share), Conv(1, 1, 64 // share), Conv(1, 1, 256 // share)]
        assert steps(graph, FloorPool) == [FloorPool(5, 3), FloorPool(2, 2)]


@pytest.mark.parametrize(
    ("words", "width"),
    [
        (("conv_3x3_64",), 64 * 8 * 8),
        (("conv_3x3_64", "global_pool"), 64),
        (("end",), 3 * 8 * 8),
        (("global_pool",), 3),
    ],
)
def test_the_classifier_reads_all_pixels_unless_they_were_averaged(words: tuple[str, ...], width: int) -> None:
    with_weights = measure(space_of(8).decode(chain(*words), SIZE), (8, 8, 3), 7)
    other = measure(space_of(8).decode(chain(*words), SIZE), (8, 8, 3), 8)
    assert other.parameters - with_weights.parameters == width + 1


def test_two_dense_layers_flatten_once() -> None:
    graph = space_of(8).decode(chain("conv_1x1_64", *SHRUNK, "dense_256", "dense_128"), SIZE)
    assert len(steps(graph, Flatten)) == 1


def test_every_chain_has_a_network_on_every_image() -> None:
    rng = np.random.default_rng(0)
    for name in ("qchain", "qchain-6", "qchain-4"):
        space = get_space(name)
        for image in ((28, 28, 1), (32, 32, 3), (16, 16, 1), (1, 1, 1)):
            for _ in range(100):
                assert measure(lower(space.decode(space.sample(rng), Size(8, 3, 2))), image, 10).parameters > 0


@pytest.mark.parametrize("image", [(28, 28, 1), (32, 32, 3), (16, 16, 1)])
def test_chains_can_be_built(image: tuple[int, int, int]) -> None:
    from harness.nets.build import build_model
    from harness.nets.count import macs, parameters

    space = space_of(8)
    shrinking = ("conv_5x5_64", POOL, "conv_3x3_64", "max_pool_2x2_s2", "conv_3x3_64")
    for words in (("end",), ("global_pool",), shrinking, (*shrinking, "max_pool_2x2_s2", "dense_512", "dense_128")):
        genotype, size = chain(*words), Size(8, 3, 2)
        model = build_model(genotype, space, size, image, 10, seed=0)
        counted = measure(space.decode(genotype, size), image, 10)
        assert model.output_shape == (None, 10)
        assert (parameters(model), macs(model)) == (counted.parameters, counted.macs)


def test_a_layer_is_what_its_word_says() -> None:
    assert LAYERS["conv_5x5_256"] == ChainLayer("conv", 5, 256)
    assert LAYERS["max_pool_3x3_s2"] == ChainLayer("pool", 3, 2)
