"""The builder: exact parameter counts of the reference implementations, shapes, repair rules, determinism."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import keras
import numpy as np
import pytest

from harness.core.errors import InputError
from harness.core.evaluation import KerasConfig
from harness.core.seeds import rng
from harness.core.space import Size
from harness.nets.build import build_architecture, build_model
from harness.nets.count import macs, parameters
from harness.spaces import get_space
from harness.spaces.nasbench201 import NasBench201Space
from harness.spaces.zoo import DARTS_V1, DARTS_V2, ZooNetwork

SHARED = Path(__file__).parents[2] / "shared"
ALL_SPACES = ("cell", "enas_cell", "macro-6", "chain-6", "nasbench201")


@pytest.mark.parametrize(
    ("published", "multiply_accumulates"),
    [
        pytest.param(DARTS_V1, 500_987_520, id="v1", marks=pytest.mark.slow),
        pytest.param(DARTS_V2, 528_359_040, id="v2"),
    ],
)
def test_darts_networks_have_the_reference_counts(published: ZooNetwork, multiply_accumulates: int) -> None:
    size = Size(published.channels, published.layers)
    model = build_model(published.genotype, get_space("cell"), size, (32, 32, 3), 10, seed=0)
    assert parameters(model) == published.parameters
    assert macs(model) == multiply_accumulates


@pytest.mark.slow
def test_auxiliary_head_has_the_reference_count_and_is_not_counted() -> None:
    size = Size(DARTS_V2.channels, DARTS_V2.layers)
    model = build_model(DARTS_V2.genotype, get_space("cell"), size, (32, 32, 3), 10, seed=0, auxiliary=True)
    everything = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert everything - DARTS_V2.parameters == 476_426
    assert parameters(model) == DARTS_V2.parameters


def nasbench201_count(space: NasBench201Space, index_text: str, classes: int) -> int:
    """The formula of the benchmark: 72,656 + 65 K + 243,040 n3 + 28,000 n1."""
    text = space.to_official(space.from_official(index_text))
    return 72_656 + 65 * classes + 243_040 * text.count("nor_conv_3x3") + 28_000 * text.count("nor_conv_1x1")


@pytest.mark.parametrize(
    ("cell", "count"),
    [
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", 73_306),
        ("|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_1x1~2|", 241_306),
        ("|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|", 559_386),
        ("|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|", 802_426),
    ],
)
def test_nasbench201_networks_have_the_published_counts(cell: str, count: int) -> None:
    space = NasBench201Space()
    model = build_model(space.from_official(cell), space, Size(16, 15), (32, 32, 3), 10, seed=0)
    # A convolution whose output nothing reads is a dead end that Keras leaves out; these cells have none.
    assert parameters(model) == count == nasbench201_count(space, cell, 10)


@pytest.mark.slow
def test_nasbench201_table_sample() -> None:
    table = SHARED / "data" / "nasbench201" / "nb201.csv.gz"
    if not table.exists():
        pytest.skip("the NAS-Bench-201 extract is not here")
    space = NasBench201Space()
    with gzip.open(table, "rt") as lines:
        rows = list(csv.DictReader(lines))
    for row in (rows[int(i)] for i in rng(0, "sample").choice(len(rows), 40, replace=False)):
        count = nasbench201_count(space, row["arch_str"], 10)
        if abs(float(row["cifar10_params_M"]) * 1e6 - count) > 0.5:
            continue  # one of the 150 rows that hold another member's value
        genotype = space.from_official(row["arch_str"])
        dead = _dead_convolutions(space, row["arch_str"])
        if not dead:
            assert parameters(build_model(genotype, space, Size(16, 15), (32, 32, 3), 10, seed=0)) == count


def _dead_convolutions(space: NasBench201Space, text: str) -> bool:
    genotype = space.from_official(text)
    cell = space.decode(genotype, Size(16, 15)).cell
    useful = {3}
    for edge in sorted(cell.edges, key=lambda edge: -edge.target):
        if edge.target in useful:
            useful.add(edge.source)
    return any(edge.target not in useful for edge in cell.edges)


@pytest.mark.parametrize("name", ALL_SPACES)
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (7, 9, 3)])
def test_every_genotype_builds_at_every_size(name: str, shape: tuple[int, int, int]) -> None:
    space = get_space(name)
    generator = rng(0, name)
    for classes in (2, 7):
        model = build_model(space.sample(generator), space, Size(4, 3, 2), shape, classes, seed=1)
        output = model(np.zeros((2, *shape), np.float32), training=False)
        assert output.shape == (2, classes)
        assert np.isfinite(np.asarray(output)).all()


@pytest.mark.parametrize("name", ALL_SPACES)
def test_weights_depend_on_the_seed_and_on_nothing_else(name: str) -> None:
    space = get_space(name)
    genotype = space.sample(rng(3, name))

    def weights(seed: int) -> np.ndarray:
        model = build_model(genotype, space, Size(4, 3), (8, 8, 3), 3, seed=seed)
        return np.concatenate([np.ravel(weight) for weight in model.get_weights()])

    assert np.array_equal(weights(5), weights(5))
    assert not np.array_equal(weights(5), weights(6))


def test_chain_repair_rules() -> None:
    space = get_space("chain-3")
    assert space.choices[3].name == "2.height"
    # No skips at all: every layer reads the image and every output reaches the classifier.
    genotype = space.genotype(tuple(0 for _ in space.choices))
    model = build_architecture(space.decode(genotype, Size(64, 3)), (12, 12, 3), 5, seed=0)
    assert model.get_layer("features").input.shape == (None, 12, 12, 72)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.input.shape[-1] for layer in convolutions] == [3, 3, 3]


def test_foreign_model_loses_its_softmax_and_is_reinitialised_from_the_seed() -> None:
    image = keras.Input((6, 6, 1))
    hidden = keras.layers.Flatten()(image)
    for last in (
        keras.layers.Dense(4, activation="softmax")(hidden),
        keras.layers.Softmax()(keras.layers.Dense(4)(hidden)),
    ):
        config = KerasConfig("net", keras.Model(image, last).to_json())
        built = [build_model(config, get_space("cell"), Size(1, 1), (6, 6, 1), 4, seed=seed) for seed in (1, 1, 2)]
        kernels = [model.get_weights()[0] for model in built]
        assert np.array_equal(kernels[0], kernels[1])
        assert not np.array_equal(kernels[0], kernels[2])
        logits = np.asarray(built[0](np.ones((1, 6, 6, 1), np.float32)))
        assert not np.isclose(logits.sum(), 1.0)
    with pytest.raises(InputError, match="classes"):
        build_model(config, get_space("cell"), Size(1, 1), (6, 6, 1), 5, seed=0)
