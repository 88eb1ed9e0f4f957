"""The three NAS-Bench-201 tables, and where they come from."""

from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.datasets import cifar10
from harness.datasets.common import nasbench201_bring as _bring
from harness.datasets.common import nasbench201_extract as _extract
from harness.datasets.common.fetch import SourceError
from nb201 import TABLE, needs_table

from harness.core.budget import Budget
from harness.core.errors import InputError
from harness.core.table import Table
from harness.run import tables
from harness.run.images import locate
from harness.run.parts import parts
from harness.spaces.nasbench201 import NasBench201Space

SPACE = NasBench201Space()
ROOT = Path(os.environ.get("HARNESS_DATA", "~/.cache/nas-harness")).expanduser()


def load(name: str, root: Path) -> Table:
    table = _extract.source(name, "").load(root)
    assert isinstance(table, Table)
    return table


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_NB201", str(TABLE))


@needs_table
@pytest.mark.parametrize(
    ("name", "best", "mean", "skip"),
    [("cifar10", 94.373, 87.06, 54.30), ("cifar100", 73.513, 61.41, 15.61), ("imagenet16-120", 47.311, 33.59, 16.32)],
)
@pytest.mark.usefixtures("here")
def test_the_tables_have_the_known_facts(name: str, best: float, mean: float, skip: float, tmp_path: Path) -> None:
    table = load(name, tmp_path)
    assert len(table.genotypes) == SPACE.cardinality == 15_625
    assert 100 * table.score.max() == pytest.approx(best, abs=5e-4)
    assert 100 * table.score.mean() == pytest.approx(mean, abs=5e-3)
    all_skip = table.rows[str(SPACE.genotype((1,) * 6))]
    assert 100 * table.score[all_skip] == pytest.approx(skip, abs=5e-3)
    own, published = table.signals["12"], table.signals["cifar10-12"]
    assert (own is published) == (name == "cifar10")
    assert next(iter(table.signals)) == "12"
    assert np.allclose(table.signals["200"].seconds * 12 / 200, own.seconds)
    assert published.seconds.mean() == pytest.approx(109.7, abs=0.05)


@needs_table
@pytest.mark.usefixtures("here")
def test_the_images_of_cifar10_are_at_hand_and_split_in_halves(tmp_path: Path) -> None:
    tables_ = {name: load(name, tmp_path) for name in _extract.SETS}
    behind = tables_["cifar10"].behind
    assert behind is not None
    assert [name for name, table in tables_.items() if table.behind] == ["cifar10"]
    if absent := cifar10.DATASET.missing(ROOT):
        pytest.skip(absent)
    data = cifar10.DATASET.load(ROOT)
    assert behind.dataset == data.name
    assert locate(data, behind.share, tmp_path).checksum == behind.checksum
    for part in parts(data, behind.share, 0):
        assert np.bincount(data.y_train[part]).tolist() == [2500] * 10


@pytest.mark.parametrize(
    ("conv3", "conv1", "classes", "known"),
    [(0, 0, 10, 73_306), (0, 6, 100, 247_156), (6, 0, 120, 1_538_696), (3, 0, 10, 802_426)],
)
def test_parameters_are_the_networks_own(conv3: int, conv1: int, classes: int, known: int) -> None:
    assert _extract.parameters(conv3, conv1, classes) == known


def test_without_a_file_there_is_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_extract, "_BESIDE", tmp_path / "nowhere")
    monkeypatch.delenv("HARNESS_NB201", raising=False)
    source = _extract.source("cifar10", "")
    assert "python -m harness fetch nasbench201/cifar10" in (source.missing(tmp_path) or "")
    monkeypatch.setenv("HARNESS_NB201", str(tmp_path / "lost"))
    assert "named by HARNESS_NB201" in (source.missing(tmp_path) or "")


@needs_table
@pytest.mark.usefixtures("here")
def test_a_damaged_extract_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = TABLE.read_bytes()
    text = gzip.decompress(content).decode()
    path = tmp_path / "nb201.csv.gz"
    monkeypatch.setenv("HARNESS_NB201", str(path))
    lines = text.splitlines(keepends=True)
    for damaged, sentence in (
        (content[:-1000], "truncated"),
        ("".join(lines[:-3]).encode(), "15622 rows instead of 15625"),
        (text.replace("cifar100_val200_mean", "other").encode(), "no column cifar100_val200_mean"),
        (text.replace(lines[1].split(",")[4], "much", 1).encode(), "damaged"),
        (text.replace("nor_conv_3x3~0", "nor_conv_9x9~0", 1).encode(), "damaged"),
        (b"", "no column arch_str"),
    ):
        path.write_bytes(damaged)
        _extract._read.cache_clear()
        with pytest.raises(InputError, match=sentence) as caught:
            load("cifar10", tmp_path)
        assert str(path) in str(caught.value)


class StandIn:
    """What of NATS-Bench's interface is used: iteration over architectures, and one question."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.texts = [SPACE.to_official(SPACE.sample(rng)) for _ in range(3)]

    def __iter__(self) -> Any:
        return iter(self.texts)

    def get_more_info(self, index: int, dataset: str, *, hp: str, is_random: bool) -> dict[str, float]:
        assert not is_random
        base = index + {"cifar10-valid": 10, "cifar10": 20, "cifar100": 30, "ImageNet16-120": 40}[dataset]
        return {"valid-accuracy": base + 0.1 * (hp == "12"), "test-accuracy": base + 0.5, "train-all-time": 1000.0}


def test_rows_of_the_official_files_use_the_right_records() -> None:
    rows = list(_bring.from_nats_bench(StandIn(), tuple(_extract.SETS)))
    assert rows[1]["cifar10_val12"] == pytest.approx(11.1)
    assert rows[1]["cifar10_val200_mean"] == 11
    assert rows[1]["cifar10_test200_mean"] == 21.5, "tested after training on the whole training set"
    assert rows[2]["imagenet16-120_test200_mean"] == 42.5
    assert set(rows[0]) == {
        "arch_str",
        *(f"{n}_{w}" for n in _extract.SETS for w in ("val12", "val200_mean", "test200_mean", "train_seconds200")),
    }


def test_an_extract_of_validation_accuracies_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = {"".join(map(str, picks)) for picks in np.ndindex(*(5,) * 6)}
    record = {"val_acc": [60.0, 70.0], "train_time": [100.0, 300.0]}
    rows = list(_bring.from_records({name: dict.fromkeys(sorted(every), record) for name in _extract.SETS}))
    monkeypatch.setenv("HARNESS_NB201", str(tmp_path))
    (tmp_path / "nb201.csv.gz").write_bytes(gzip.compress(_bring._csv(rows)))
    table = load("cifar100", tmp_path)
    assert table.measure == "validation accuracy"
    assert set(table.signals) == {"200", "cifar10-200"}
    assert table.score[0] == pytest.approx(0.65)
    assert table.signals["200"].seconds[0] == pytest.approx(200)
    with pytest.raises(InputError, match=r"no signal .cifar10-12.*; use --profile nb201-full$"):
        tables.locate(table, "cifar10-12", tmp_path, Budget(1, "s"))


def test_a_table_says_where_it_was_validated_on_other_trainings_than_it_was_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {f"{n}_{w}": 50.0 for n in _extract.SETS for w in ("val12", "val200_mean", "test200_mean")}
    columns |= {f"{name}_train_seconds200": 100.0 for name in _extract.SETS}
    rows = [{"arch_str": SPACE.to_official(genotype), **columns} for genotype in SPACE.every()]
    monkeypatch.setenv("HARNESS_NB201", str(tmp_path))
    (tmp_path / "nb201.csv.gz").write_bytes(gzip.compress(_bring._csv(rows)))
    images_of_the_tested = {"cifar10": 50_000, "cifar100": 50_000, "imagenet16-120": 151_700}
    for name, images in images_of_the_tested.items():
        table = load(name, tmp_path)
        validated = table.signals[table.final_signal].trained
        assert validated is not None
        assert ("on half of the training images" in table.note) == (validated.images != 200 * images)
        assert "\n" not in table.note


def test_a_pickle_that_wants_more_than_containers_is_refused() -> None:
    assert _bring.plain_pickle(pickle.dumps({"a": [1.0, 2.0]})) == {"a": [1.0, 2.0]}
    with pytest.raises(SourceError, match="it wants"):
        _bring.plain_pickle(pickle.dumps(Path("x")))
