from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.commands.zoo import counted
from harness.core.errors import InputError
from harness.core.home import CHECKOUT as ROOT
from harness.plugins.catalogue import Catalogue
from harness.report.model import literature as published
from harness.spaces.zoo import MISSING, PUBLISHED

SPECS = Path(__file__).parents[2] / "shared" / "specs" / "published_tables.json"


def test_every_data_set_has_a_value_in_every_column():
    table = published.table_a()
    assert len(table.values) == len(table.columns) * len(table.datasets) == 30
    assert all(0 < value < 100 for value in table.values.values())
    assert table.source
    assert published.table_b().source


def test_methods_are_found_by_their_names_here():
    table = published.table_a()
    assert table.values["cifar10", "enas_micro"] == 96.16
    assert table.values["imagenet10_2", "nao_ws"] == 61.20
    assert table.column("random_search") is None
    assert (table.columns[0].method, table.columns[0].name) == ("morphism_bo", "AutoKeras 0.2.18")
    assert [(one.method, one.name) for one in table.beside] == [("autokeras", "AutoKeras 3.0")]
    assert table.value("cifar10", "autokeras") is None
    names = set(Catalogue().names("method"))
    assert {one.method for one in (*table.columns, *table.beside)} <= names


def test_every_system_of_table_b_has_something_here_or_a_reason():
    rows = published.table_b().rows
    assert len(rows) == 19
    for row in rows:
        assert bool(row.search) != bool(row.no_search), row.name
        assert bool(row.network) != bool(row.no_network), row.name
        for name in row.methods:
            Catalogue().source("method", name)


def test_rebuilt_counts_are_those_of_the_networks():
    for row in published.table_b().rows:
        assert row.rebuilt == (counted(row.network).parameters if row.network else None)
        zoo = [entry.row for entry in PUBLISHED.values() if entry.name == row.network]
        assert all(row.name.startswith(name) for name in zoo)
        why = [entry for entry in MISSING if row.name.startswith(entry.row) and len(entry.row) > 4]
        assert bool(row.no_network) or not why


def test_rows_of_table_b_belong_to_cifar10():
    row = published.table_b().row("cifar10", "nas_rl")
    assert row is not None
    assert (row.gpus, row.days, row.params_millions, row.error) == ("800", "21-28", 7.1, 4.47)
    assert published.table_b().row("cifar100", "nas_rl") is None
    assert published.table_b().row("cifar10", "darts") is None
    unknown = published.table_b().rows[3]
    assert (unknown.gpus, unknown.days, unknown.params_millions, unknown.error) == (None, None, None, 9.21)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        *(("darts", "darts"), ("darts:order=2", "darts"), ("darts:order=2:epochs=3", "darts")),
        *(("nas_rl:filters=+", "nas_rl:filters=+"), ("nas_rl:replicas=2:filters=+", "nas_rl:filters=+")),
        *(
            ("nas_rl:replicas=2", "nas_rl"),
            ("nas_rl:filters=", "nas_rl"),
            ("enas_macro:channels=+", "enas_macro:channels=+"),
        ),
        *(("mine:rate=0.1", "mine"), ("published/nasnet_a", "published/nasnet_a")),
    ],
)
def test_the_tables_know_a_method_without_the_settings_that_they_do_not_name(method: str, name: str):
    assert published.stands_for(method) == name


def test_numbers_equal_the_specification():
    if not SPECS.exists():
        pytest.skip("the specification lies beside the checkout and is not here")
    specified = json.loads(SPECS.read_text(encoding="utf-8"))
    table = published.table_a()
    for name, values in specified["table_a"]["rows"].items():
        [dataset] = [here for here, there in table.datasets.items() if there == name]
        assert [table.values[dataset, column.method] for column in table.columns] == values
    rows = [[r.name, r.gpus, r.days, r.params_millions, r.error] for r in published.table_b().rows]
    assert rows == specified["table_b"]["rows"]


def test_the_blocks_of_nasbench201_name_methods_of_the_harness():
    blocks = published.nasbench201()
    assert [block.profile for block in blocks] == ["nb201", "nb201-weights", ""]
    methods = {method for block in blocks for _, method, _ in block.rows if method}
    for name in methods:
        Catalogue().source("method", name)


def test_the_page_on_nasbench201_quotes_the_stored_numbers():
    text = (ROOT / "docs" / "nasbench201.md").read_text(encoding="utf-8")
    for block, part in zip(published.nasbench201()[:2], ("measured", "weights"), strict=True):
        [table] = re.findall(rf"<!-- {part}:begin -->(.*?)<!-- {part}:end -->", text, re.DOTALL)
        quoted = {}
        for name, cells in re.findall(r"^\| `(\w+)`(.*)\|$", table, re.MULTILINE):
            told = [re.findall(r"\d+\.\d+", cell) for cell in cells.split("|")[-5::2]]
            quoted |= {name: told} if any(told) else {}
        stored = {
            method or name.lower(): [[f"{value.mean:.2f}", f"{value.deviation:.2f}"] for value in values]
            for name, method, values in block.rows
            if method != "darts:order=2"  # the page has a row for DARTS, and both orders the same numbers
        }
        assert quoted == stored


def test_the_blocks_of_nasbench201_equal_the_specification():
    blocks = published.nasbench201()
    rows = SPECS.parent / "nasbench201_published.json"
    if not rows.exists():
        pytest.skip("the specification lies beside the checkout and is not here")
    told = {"no_weight_sharing": 0, "weight_sharing_batch_statistics": 1, "weight_sharing_running_statistics": 2}
    columns = ("cifar10_test", "cifar100_test", "imagenet16_test")
    specified: list[set[tuple[float, ...]]] = [set(), set(), set()]
    for row in json.loads(rows.read_text(encoding="utf-8"))["table_iclr2020"]:
        if row.get("block") in told:
            values = tuple(row[name][kind] for name in columns for kind in ("mean", "std"))
            specified[told[row["block"]]].add(values)
    stored = [
        {tuple(x for v in values for x in (v.mean, v.deviation)) for _, _, values in block.rows} for block in blocks
    ]
    assert stored == specified


def test_without_the_files_the_sentence_says_how_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(published, "DIRECTORY", tmp_path)
    with pytest.raises(InputError, match="pip install -e"):
        published.table_a.__wrapped__()
