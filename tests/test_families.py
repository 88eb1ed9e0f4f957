"""Families: stated by methods, told by the report, its page and the documentation."""

from __future__ import annotations

import re
from dataclasses import replace

from report_records import make

from harness.commands import listing
from harness.core.families import FAMILIES, Member
from harness.core.home import CHECKOUT as ROOT
from harness.core.record import Run
from harness.plugins.catalogue import Catalogue
from harness.report.model.families import families
from harness.report.model.table import Table

MEMBERS = [
    Member("darts", "DARTS", ("differentiable",)),
    Member("enas_macro", "ENAS macro", ("reinforcement learning", "one-shot")),
]


def rows(runs: list[Run]) -> list[tuple[str, ...]]:
    [table] = [part for part in families(MEMBERS, runs) if isinstance(part, Table)]
    return [tuple(cell.text for cell in row) for row in table.rows]


def renamed(run: Run, method: str) -> Run:
    return replace(run, record=replace(run.record, method=method))


def test_every_family_has_a_row_and_a_method_stands_in_each_of_its_own() -> None:
    told = rows([])
    assert list(dict.fromkeys(row[0] for row in told)) == list(FAMILIES)
    assert len(FAMILIES) == 13
    assert [row[0] for row in told if row[1] == "enas_macro"] == ["reinforcement learning", "one-shot"]
    assert ("Bayesian", "none here", "none here", "none here") in told
    assert ("differentiable", "darts", "DARTS", "not run") in told


def test_what_was_measured_stands_beside_the_method_with_its_settings() -> None:
    runs = [make("random_sampling", 0.8), make("darts", 0.88), renamed(make("darts", 0.9), "darts:order=2")]
    [told] = [row[3] for row in rows(runs) if row[1] == "darts"]
    assert sorted(told.split("; ")) == [
        "fashion_mnist, cell, quick 60s, order=2: 90.00 (1), RI +12.50",
        "fashion_mnist, cell, quick 60s: 88.00 (1), RI +10.00",
    ]


def test_the_page_of_the_documentation_says_what_the_methods_state() -> None:
    text = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
    stated = {row["name"]: row for row in listing.families(Catalogue())}
    told = dict(re.findall(r"^\| ([^|]+) \| [^|]+ \| (.*) \|$", text, re.MULTILINE))
    assert list(told)[1:] == list(FAMILIES)
    for family, cell in list(told.items())[1:]:
        assert set(re.findall(r"`(\w+)`", cell)) == set(stated[family]["methods"])
        assert FAMILIES[family] in text
