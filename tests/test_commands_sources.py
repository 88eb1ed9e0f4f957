"""Files of experience in ``transfer:source=FILE.csv``: found from where the command is given, looked at before work."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness import InputError, compare
from harness.commands.sources import with_sources
from harness.core.home import CHECKOUT
from harness.core.record import Record
from harness.run.request import Request, make_request
from harness.spaces import get_space

HEAD = "dataset,space,genotype,accuracy\n"
ROW = HEAD + "elsewhere,cell,x,0.5\n"


def asked(*methods: str, out: str = "runs") -> Request:
    return make_request(methods=list(methods), out=out)


def test_a_relative_file_is_one_of_the_directory_that_the_command_was_given_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "e.csv").write_text(ROW)
    monkeypatch.chdir(tmp_path)
    whole = f"transfer:source={tmp_path}/e.csv"
    request = replace(asked("darts", "transfer:base=gp:source=e.csv"), redo=("transfer:source=./e.csv",))
    assert with_sources(request).methods == ("darts", f"transfer:base=gp:source={tmp_path}/e.csv")
    assert with_sources(request).redo == (whole,)
    assert with_sources(asked(whole)).methods == (whole,)
    with pytest.raises(InputError, match="named twice"):
        with_sources(asked("transfer:source=e.csv", whole))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert with_sources(asked("transfer:source=~/e.csv")).methods == ("transfer:source=~/e.csv",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"a,b\n1,2\n", "has no column dataset"),
        (HEAD.encode(), "has no rows"),
        (b"\xff\xfe\x00PK", "is no table of text"),
        (HEAD.encode() + b"a,cell,x,93.1\n", "line 2 of the experience .* has the accuracy '93.1'"),
        (HEAD.encode() + b"a,cell\n", "line 2 of the experience .* has the accuracy ''"),
    ],
)
def test_a_file_of_something_else_is_refused_before_any_work(
    content: bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "e.csv").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        compare(["transfer:source=e.csv"], out="runs")
    assert not (tmp_path / "runs").exists()


def test_what_no_search_can_read_is_refused_before_any_work(tmp_path: Path) -> None:
    for name in ("missing.csv", "."):
        with pytest.raises(InputError, match="cannot be read"):
            with_sources(asked(f"transfer:source={tmp_path}/{name}", out=str(tmp_path / "runs")))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/e.csv").write_text(ROW)
    (tmp_path / "link.csv").symlink_to(tmp_path / "runs/e.csv")
    closed = [tmp_path / "runs/e.csv", tmp_path / "link.csv", *([CHECKOUT / "README.md"] if CHECKOUT else [])]
    for path in closed:
        with pytest.raises(InputError, match=re.escape("which no search may read; move the file elsewhere")):
            with_sources(asked(f"transfer:source={path}", out=str(tmp_path / "runs")))


def test_a_search_begins_with_a_file_that_was_named_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space = get_space("nasbench201:skip_connect,nor_conv_3x3,avg_pool_3x3")
    with (tmp_path / "e.csv").open("w", newline="") as file:
        row = ("elsewhere", space.name, str(space.genotype((1,) * 6)), 0.5)
        csv.writer(file).writerows([HEAD.strip().split(","), row])
    methods = ["transfer:source=e.csv"]
    results = compare(methods, "tables/fashion_mnist", seeds=0, baselines=False, budget="12evals", out="runs")
    assert [(record.status, record.reason) for record in results.records] == [("ok", "")]
    assert results.records[0].search["planned_sources"] == 1
    stored = [Record.read(path) for path in (tmp_path / "runs").rglob("record.json")]
    assert [record.method for record in stored] == [f"transfer:source={tmp_path}/e.csv"]
    assert stored[0].settings["source"] == f"{tmp_path}/e.csv"
