"""Published networks: the counts are reached exactly, and the graphs are what the papers describe."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from harness.core.architecture import CellStack
from harness.core.graph import LayerGraph
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.primitives import BiasedConv, Conv, Dropout, Norm, Pool, Unpool
from harness.core.space import Size
from harness.report.model.literature import table_b
from harness.spaces import get_space, names
from harness.spaces.zoo import MISSING, PUBLISHED
from harness.spaces.zoo.entry import FULL, ZooNetwork, multiple
from harness.spaces.zoo.notation import cell, coded

SPECS = Path(__file__).parents[2] / "shared" / "specs" / "published_architectures.json"
CIFAR = (32, 32, 3)


def graph(name: str, size: Size | None = None) -> LayerGraph:
    entry = PUBLISHED[name]
    return lower(entry.build(size or entry.size))


def convolutions(network: LayerGraph) -> list[Conv | BiasedConv]:
    return [step for layer in network.layers for step in layer.primitives if isinstance(step, Conv | BiasedConv)]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_count_is_reached_exactly(name: str) -> None:
    entry = PUBLISHED[name]
    assert entry.count(measure(graph(name), CIFAR, 10)) == entry.parameters


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_network_says_where_it_is_from_and_what_is_open(name: str) -> None:
    entry = PUBLISHED[name]
    assert entry.name == name
    assert entry.sources
    assert entry.paper
    differs = entry.millions is not None and round(entry.parameters / 1e6, 1) != entry.millions
    assert entry.open or not (differs or entry.also_counted)


def test_names_and_numbers_of_the_papers_are_those_of_table_b() -> None:
    stored = {row.name.partition(" (")[0]: row for row in table_b().rows}
    here = {entry.row: entry for entry in (*PUBLISHED.values(), *MISSING) if entry.row}
    assert here.keys() == stored.keys()
    for name, entry in here.items():
        row = stored[name]
        assert (entry.millions, entry.error) == (row.params_millions, row.error), name
        assert row.network == (entry.name if isinstance(entry, ZooNetwork) else None), name


def test_everything_in_the_specification_is_here_with_its_numbers() -> None:
    if not SPECS.exists():
        pytest.skip("the specification lies beside the checkout and is not here")
    specified = {entry["name"]: entry for entry in json.loads(SPECS.read_text(encoding="utf-8"))}
    assert {entry.name for entry in MISSING} == {name for name, e in specified.items() if e["count_verified"] is None}
    assert set(PUBLISHED) == set(specified) - {entry.name for entry in MISSING}
    for entry in PUBLISHED.values():
        assert entry.parameters == specified[entry.name]["count_verified"]
    for entry in (*PUBLISHED.values(), *MISSING):
        fact = specified[entry.name]
        assert (entry.millions, entry.error) == (fact["params_millions_published"], fact["error_published"])


def test_the_counting_of_hierarchical_nas_meets_the_narrower_network_too() -> None:
    entry = PUBLISHED["hierarchical_nas"]
    assert round(entry.count(measure(graph("hierarchical_nas", Size(64, 2)), CIFAR, 10)) / 1e6, 1) == 15.7


def test_siblings_of_the_papers_have_their_published_counts() -> None:
    assert measure(graph("densenet_bc_190_40", Size(12, 16)), CIFAR, 10).parameters == 769_162
    for width, count in ((32, 2_923_162), (64, 11_653_978), (112, 35_640_442)):
        assert measure(graph("shake_shake_26_2x96d", Size(width, 4)), CIFAR, 10).parameters == count
    amoeba = measure(graph("amoebanet_a", Size(32, 20)), CIFAR, 10)
    assert amoeba.parameters == 2_518_442
    assert measure(graph("enas_micro", Size(36, 17)), CIFAR, 10).parameters == 3_894_372


class TestDenseNet:
    def test_concatenation_widens_a_block_by_the_growth_rate(self) -> None:
        network = graph("densenet_bc_190_40")
        widths = [step.filters for step in convolutions(network)]
        assert widths[0] == 80
        assert [width for width in widths[1:] if width not in (160, 40)] == [660, 950]
        joins = [layer for layer in network.layers if layer.merge == "concat"]
        assert len(joins) == 3 * 31
        for layer in joins:
            block_so_far, new = layer.inputs
            assert network.layers[new - 1].inputs == (block_so_far,)


class TestShakeShake:
    def test_two_branches_are_mixed_and_added_to_the_skip(self) -> None:
        network = graph("shake_shake_26_2x96d")
        mixes = [node for node, layer in enumerate(network.layers, start=1) if layer.merge == "shake"]
        assert len(mixes) == 12
        for node in mixes:
            first, second = network.layers[node - 1].inputs
            assert network.layers[first - 1] == network.layers[second - 1], "two branches of one form"
            [sum_] = [layer for layer in network.layers if node in layer.inputs]
            assert sum_.merge == "sum"
            assert not sum_.primitives
        deepest = longest(network, lambda step: isinstance(step, Conv) and step.height == 3)
        assert deepest == 25, "26 with the classifier"


class TestFractalNet:
    def test_columns_have_one_two_and_four_convolutions_and_join_in_means(self) -> None:
        network = graph("fractalnet_3col_5block")
        assert len(convolutions(network)) == 5 * 7
        assert longest(network, lambda step: isinstance(step, Conv)) == 20
        joins = Counter(len(layer.inputs) for layer in network.layers if layer.merge == "mean")
        assert joins == {2: 5, 3: 5}
        last = [layer for layer in network.layers if layer.merge == "mean"][-1]
        assert all(Pool("max", 2, 2) in network.layers[node - 1].primitives for node in last.inputs)


class TestFabric:
    def test_trellis(self) -> None:
        layers, scales = 8, 6
        network = graph("convolutional_neural_fabric_dense")
        inner = [step for step in convolutions(network) if isinstance(step, BiasedConv)]
        assert len(inner) == 1 + (layers - 1) * (3 * scales - 2) + 2 * (scales - 1) == 123
        nodes = [layer for layer in network.layers if layer.primitives[:1] == (Norm(),)]
        assert len(nodes) == layers * scales
        assert all(network.live())

    def test_every_scale_has_half_the_rows_of_the_finer_one(self) -> None:
        network = graph("convolutional_neural_fabric_dense")
        up = sum(isinstance(step, Unpool) for layer in network.layers for step in layer.primitives)
        down = sum(isinstance(step, BiasedConv) and step.stride == 2 for step in convolutions(network))
        assert (up, down) == (7 * 5, 9 * 5)


class TestMetaQnn:
    def test_dropout_grows_behind_every_second_layer(self) -> None:
        rates = [
            step.rate
            for layer in graph("metaqnn_top1").layers
            for step in layer.primitives
            if isinstance(step, Dropout)
        ]
        assert rates == [0.125, 0.25, 0.375, 0.5]


class TestEnasMacro:
    def test_unread_reductions_are_what_is_idle(self) -> None:
        sizes = measure(graph("enas_macro"), CIFAR, 10)
        assert sizes.idle == 93_312
        assert sizes.parameters + sizes.idle == 21_320_928

    def test_every_merge_reads_the_newest_output_last(self) -> None:
        for layer in graph("enas_macro").layers:
            if layer.merge == "concat":
                assert list(layer.inputs) == sorted(layer.inputs)


class TestNasV1:
    def test_everything_is_read_at_last_by_the_classifier(self) -> None:
        network = graph("nas_v1_figure7")
        assert all(network.live())
        assert len(convolutions(network)) == 15


def longest(network: LayerGraph, counts: object) -> int:
    """The most steps that ``counts`` accepts on a way from the image to the classifier."""
    lengths = [0]
    for layer in network.layers:
        own = sum(map(counts, layer.primitives))  # type: ignore[call-overload]
        lengths.append(own + max(lengths[source] for source in layer.inputs))
    return lengths[network.output]


class TestNotation:
    def test_texts_and_numbers_name_the_same_cell(self) -> None:
        assert coded("0 1 0 4  2 2 1 3") == cell("sep5 0, id 0; avg3 2, max3 1")
        assert coded("1 8 0 13").edges[1].op == "avg_pool_2x2"
        assert [edge.op for edge in cell("conv1x7 0, conv3 1").edges] == ["conv_1x7_7x1", "conv_3x3"]

    def test_what_nobody_reads_is_the_output(self) -> None:
        assert cell("id 0, id 0; max3 1, sep7 1").output == (2, 3)
        assert cell("id 0, id 0; max3 2, sep7 0").output == (1, 3)
        assert cell("id 0, id 1; max3 2, id 0", (2, 3)).output == (2, 3)

    def test_unknown_words(self) -> None:
        with pytest.raises(ValueError, match="unknown operation 'sep1x3'"):
            cell("sep1x3 0, id 0")


@pytest.mark.parametrize("name", PUBLISHED)
def test_networks_shrink_with_the_profile_and_are_published_at_its_full_size(name: str) -> None:
    entry = PUBLISHED[name]
    assert entry.scaled(FULL) == entry.size
    assert entry.scaled(Size(2 * FULL.channels, 2 * FULL.layers)) == entry.size
    sizes = [entry.scaled(size) for size in (Size(8, 3, 2), Size(16, 5), Size(24, 8), FULL)]
    assert sizes[0].stem_stride == 2
    assert all(size.channels % 8 == 0 and size.layers >= entry.least for size in sizes[:-1])
    counts = [measure(graph(name, size), CIFAR, 10).macs for size in sizes]
    assert all(small < large for small, large in pairwise(counts))


def test_widths_are_multiples_of_eight() -> None:
    assert [multiple(width) for width in (0.4, 11, 12.1, 227.6)] == [8, 8, 16, 224]


class TestSpace:
    def test_its_one_choice_names_the_network(self) -> None:
        space = get_space("published")
        assert space.cardinality == len(PUBLISHED)
        genotype = space.parse("published:nasnet_a")
        network = space.decode(genotype, FULL)
        assert isinstance(network, CellStack)
        assert (network.channels, network.layers, network.reductions) == (32, 20, (6, 13))
        assert space.decode(genotype, Size(18, 10)).channels == 16

    def test_it_is_no_space_to_search_in(self) -> None:
        assert "published" not in names()
