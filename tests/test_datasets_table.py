"""Tables of the user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from harness.datasets.table import source
from tables_on_disk import write_table

from harness.core.errors import InputError
from harness.core.table import Table
from harness.spaces.nasbench201 import NasBench201Space
from harness.spaces.table import TableSpace


def load(path: Path) -> Table:
    table = source(path).load(path.parent)
    assert isinstance(table, Table)
    return table


def test_columns_become_choices(tmp_path: Path) -> None:
    path = write_table(tmp_path)
    table = load(path)
    assert source(path).missing(tmp_path) is None
    assert [(choice.name, choice.options) for choice in table.space.choices] == [
        (name, ("a", "b", "c", "d")) for name in ("first", "second", "third")
    ]
    assert len(table.genotypes) == table.space.cardinality == 64
    row = table.rows["table:d,d,d"]
    assert table.signals["valid"].accuracy[row] == pytest.approx(0.75)
    assert table.parameters is not None
    assert table.parameters.dtype == np.int64
    with pytest.raises(InputError, match="names no network"):
        table.space.decode(table.space.parse("table:d,d,d"), None)  # type: ignore[arg-type]


def test_genotypes_of_a_known_space(tmp_path: Path) -> None:
    space = NasBench201Space()
    rng = np.random.default_rng(0)
    genotypes = list(dict.fromkeys(str(space.sample(rng)) for _ in range(5)))
    path = tmp_path / "mine.csv"
    path.write_text("arch,v,s\n" + "".join(f'"{text}",0.5,10\n' for text in genotypes))
    path.with_suffix(".toml").write_text(
        'genotype = "arch"\nspace = "nasbench201"\nsignal = "v"\nseconds = "s"\nscore = "v"\n'
        'measure = "validation accuracy"\n'
    )
    table = load(path)
    assert table.space.name == "nasbench201"
    assert not isinstance(table.space, TableSpace)
    assert list(table.genotypes) == genotypes
    assert table.measure == "validation accuracy"


GOOD = 'choices = ["first"]\nsignal = "valid"\nseconds = "cost"\nscore = "test"\n'


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        ("choices = [", "no readable TOML"),
        (GOOD + "speed = 1\n", "unknown entry 'speed'"),
        (GOOD.replace('score = "test"\n', ""), "score ="),
        (GOOD + "scale = 0\n", "positive number"),
        (GOOD + 'measure = "beauty"\n', "measure has to be"),
        (GOOD.replace('choices = ["first"]', 'genotype = "first"'), "either genotype and space, or choices"),
        (GOOD.replace('["first"]', '"first"'), "list of columns"),
        (GOOD.replace("first", "nothing"), "no column 'nothing'"),
        (GOOD.replace('"cost"', '"first"'), "not all numbers"),
        (GOOD, "outside 0..1"),
        (GOOD + "scale = 0.01\n", "two rows"),
    ],
)
def test_a_broken_description_is_one_sentence(tmp_path: Path, description: str, sentence: str) -> None:
    path = write_table(tmp_path, description=description)
    with pytest.raises(InputError, match=sentence) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_broken_file_is_one_sentence(tmp_path: Path) -> None:
    path = write_table(tmp_path)
    text = path.read_text()
    for content, sentence in (
        ("", "no rows"),
        (text.replace("a,a,a,0.0", "a,,a,0.0"), "empty cell"),
        ("first\n\xff", "no column"),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=sentence) as caught:
            load(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_what_is_not_there_is_said_before_loading(tmp_path: Path) -> None:
    path = write_table(tmp_path)
    path.with_suffix(".toml").unlink()
    assert "names the columns" in (source(path).missing(tmp_path) or "")
    path.unlink()
    assert "is missing" in (source(path).missing(tmp_path) or "")
