"""Tables of the user's own."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from harness.datasets.common.described import _COLUMN_KEYS, _KEYS, _Rows
from harness.datasets.common.spreadsheet import Row, Sheet
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
    path.write_text("arch,v,w,s\n" + "".join(f'"{text}",0.5,0.6,10\n' for text in genotypes))
    path.with_suffix(".toml").write_text(
        'genotype = "arch"\nspace = "nasbench201"\nsignal = "v"\nseconds = "s"\nscore = "w"\n'
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
        (GOOD + f"scale = {'9' * 5000}\n", "no readable TOML"),
        (GOOD + "#" * 2**20, "and 1 are read"),
        (GOOD.replace('choices = ["first"]', 'genotype = "first"'), "either genotype and space, or choices"),
        (GOOD.replace('["first"]', '"first"'), "list of columns"),
        (GOOD.replace("first", "nothing"), "no column 'nothing'"),
        (GOOD.replace('"cost"', '"first"') + 'scale = 0.01\nrepeats = "mean"\n', "is no number"),
        (GOOD.replace('["first"]', '["first", "second", "third"]'), "outside 0..1; for percent, write scale = 0.01"),
        (GOOD + "scale = 0.01\n", "are both table:a; write repeats"),
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


# --- as spreadsheets write them -------------------------------------------------------------------------------------

PLAIN = 'choices = ["a", "b"]\nsignal = "valid"\nscore = "test"\n'
ROWS = [("x", "u", 0.5, 0.25), ("x", "v", 0.625, 0.5), ("y", "u", 0.75, 1.0), ("y", "v", 0.875, 0.125)]


def write(path: Path, content: str | bytes, description: str = PLAIN) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.with_suffix(".toml").write_text(description, encoding="utf-8")
    return path


def text(separator: str = ",", point: str = ".", end: str = "", newline: str = "\n") -> str:
    lines = [["a", "b", "valid", "test"], *([a, b, str(v), str(t)] for a, b, v, t in ROWS)]
    return newline.join(separator.join(cell.replace(".", point) for cell in line) + end for line in lines) + newline


@pytest.mark.parametrize(
    "content",
    [
        text().encode(),
        b"\xef\xbb\xbf" + text(newline="\r\n").encode(),
        b"\xef\xbb\xbf" + text(";", ",", newline="\r\n").encode(),
        text(";", ",", end=";;").encode(),
        (text(";", ",", end=";;") + ";;;;;\n;;;;;\n").encode(),
        text("\t", ",").encode("utf-16"),
        text(";").encode(),
        text(end=",").encode(),
    ],
    ids=["plain", "bom", "excel", "trailing", "empty rows", "tabs", "points", "trailing commas"],
)
def test_a_spreadsheets_csv_is_read(tmp_path: Path, content: bytes) -> None:
    table = load(write(tmp_path / "t.csv", content))
    assert table.genotypes == ("table:x,u", "table:x,v", "table:y,u", "table:y,v")
    np.testing.assert_array_equal(table.signals["valid"].accuracy, [row[2] for row in ROWS])
    np.testing.assert_array_equal(table.score, [row[3] for row in ROWS])
    np.testing.assert_array_equal(table.signals["valid"].seconds, 1.0)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("0.75", "nan", "line 4: 'nan' in column 'valid' is no number"),
        ("0.75", "inf", "line 4: 'inf'"),
        ("0.75", "0,75", "more cells than the first line"),
        ("0.75", '"0,75"', r"decimal commas \(line 4\) and decimal points \(line 2\)"),
        ("0.75", "7_5", "line 4: '7_5'"),
        ("0.75", "\u0665", "line 4: .* is no number"),
        ("0.75", "", "line 4: an empty cell in column 'valid'"),
        ("0.75", "1.75", "outside 0..1"),
        ("b,valid", "a,valid", "no column 'b'"),
        ("b,valid,test", "b,valid,test,test", "two columns 'test'"),
        ("y,u", "x,v", 'lines 3 and 4 are both table:x,v; write repeats = "mean"'),
        ("y,u,0.75,1.0", "y,u,0.75,1.0,9", "line 4: more cells"),
        ("y,u", '"y,z",u', "has a comma in it"),
        ("y,u", "y\0,u", r"line 4: 'y\\x00' cannot be printed in a line"),
        ("y,u", '"y\nz",u', r"line 5: 'y\\nz' cannot be printed"),
        ("y,u", "y\x1b[31m,u", r"'y\\x1b\[31m' cannot be printed"),
        ("b,valid", '"b\nc",valid', r"the column 'b\\nc' cannot be printed"),
        ("0.75", "9" * 5000, r"line 4: '9{37}\.\.\.' in column"),
    ],
)
def test_what_a_cell_cannot_be_is_refused_with_its_line(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in text()
    path = write(tmp_path / "t.csv", text().replace(old, new, 1))
    with pytest.raises(InputError, match=sentence) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_of_one_architecture_are_averaged_if_that_is_said(tmp_path: Path) -> None:
    content = text() + "x,u,0.7,0.75\nx,u,0.9,0.5\n"
    table = load(write(tmp_path / "t.csv", content, PLAIN + 'repeats = "mean"\n'))
    assert len(table.genotypes) == 4
    assert table.signals["valid"].accuracy[0] == pytest.approx(0.7)
    assert table.score[0] == pytest.approx(0.5)
    assert table.score[1] == 0.5
    assert "6 rows of 4 architectures, n = 1 to 3 each" in table.note


class Counted(str):
    """A genotype that counts how often it is compared."""

    __slots__ = ()
    __hash__ = str.__hash__
    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return super().__eq__(other)


@pytest.mark.parametrize("average", [True, False])
def test_repeated_rows_are_found_in_a_few_comparisons_each(average: bool) -> None:
    """Compared each with each, the rows of a table of 80,000 took most of its 17 seconds."""
    texts = [Counted(number % 500) for number in range(1000)]
    sheet = Sheet(Path("t.csv"), (), tuple(Row(line, {}) for line in range(2, 1002)), ",")
    Counted.compared = 0
    if average:
        assert len(_Rows(sheet, texts, average).genotypes) == 500
    else:
        with pytest.raises(InputError, match="lines 2 and 502 are both 0;"):
            _Rows(sheet, texts, average)
    assert Counted.compared < 5 * len(texts)


@pytest.mark.parametrize(
    ("order", "lines"), [("abcb", "3 and 5"), ("abca", "2 and 5"), ("aab", "2 and 3"), ("abba", "3 and 4")]
)
def test_the_first_row_that_is_there_again_is_named(order: str, lines: str) -> None:
    sheet = Sheet(Path("t.csv"), (), tuple(Row(line, {}) for line in range(2, 2 + len(order))), ",")
    with pytest.raises(InputError, match=f"lines {lines} are both"):
        _Rows(sheet, list(order), False)


def test_a_cell_in_the_spelling_of_nasbench201(tmp_path: Path) -> None:
    space = NasBench201Space()
    rng = np.random.default_rng(0)
    genotypes = list(dict.fromkeys(space.sample(rng) for _ in range(5)))
    rows = "".join(f"{space.to_official(g)};0,5;0,6\n" for g in genotypes)
    description = 'genotype = "arch"\nspace = "nasbench201"\nsignal = "v"\nscore = "t"\n'
    table = load(write(tmp_path / "t.csv", "arch;v;t\n" + rows, description))
    assert table.genotypes == tuple(str(g) for g in genotypes)
    damaged = write(tmp_path / "t.csv", "arch;v;t\n" + rows.replace("nor_conv_3x3", "conv_9x9"), description)
    with pytest.raises(InputError, match=r"line \d"):
        load(damaged)


CODES = "arch,valid,test\n010,0.5,0.4\n120,0.6,0.5\n211,0.7,0.6\n002,0.4,0.3\n"
OF_CODES = 'characters = "arch"\nsignal = "valid"\nscore = "test"\n'


def test_every_character_of_a_code_is_a_choice(tmp_path: Path) -> None:
    table = load(write(tmp_path / "t.csv", CODES, OF_CODES))
    assert [choice.name for choice in table.space.choices] == ["arch[0]", "arch[1]", "arch[2]"]
    assert table.genotypes[1] == "table:1,2,0"
    spreadsheet = CODES.replace("010", "10").replace("002", "2")
    with pytest.raises(InputError, match="line 2: '10' has 2 characters and others have 3; a spreadsheet drops zeros"):
        load(write(tmp_path / "t.csv", spreadsheet, OF_CODES))


# --- what is good ---------------------------------------------------------------------------------------------------

LOSSES = "a,val_loss,test_loss\nx,0.75,2.0\ny,0.25,3.0\nz,0.5,1.0\n"
MINIMAL = (
    'choices = ["a"]\nsignal = { column = "val_loss", goal = "min" }\n'
    'score = { column = "test_loss", goal = "min", unit = "nats", name = "test loss" }\n'
)


def test_less_is_better_if_that_is_said(tmp_path: Path) -> None:
    table = load(write(tmp_path / "t.csv", LOSSES, MINIMAL))
    np.testing.assert_allclose(table.signals["val_loss"].accuracy, [0.0, 1.0, 0.5])
    np.testing.assert_allclose(table.score, [0.5, 0.0, 1.0])
    assert table.scored is not None
    assert (table.scored.name, table.scored.unit, table.scored.goal) == ("test loss", "nats", "min")
    assert [table.scored.value(share) for share in table.score] == [2.0, 3.0, 1.0]
    assert table.measure == "test loss"
    assert table.scored.words() == "test loss as a share, 3 nats being 0 % and 1 nats being 100 %"


def test_an_own_unit_of_which_more_is_better(tmp_path: Path) -> None:
    description = MINIMAL.replace('goal = "min", unit = "nats", name = "test loss"', 'goal = "max", unit = "dB"')
    table = load(write(tmp_path / "t.csv", LOSSES, description))
    np.testing.assert_allclose(table.score, [0.5, 1.0, 0.0])
    assert table.scored is not None
    assert table.scored.goal == "max"


@pytest.mark.parametrize(
    "name", ["loss", "val_loss", "test error", "err", "top1_err", "ppl", "perplexity", "RMSE", "NLL"]
)
def test_a_column_that_sounds_like_a_loss_needs_its_goal(tmp_path: Path, name: str) -> None:
    description = f'choices = ["a"]\nsignal = "{name}"\nscore = "test"\n'
    path = write(tmp_path / "t.csv", f"a,{name},test\nx,0.5,0.5\ny,0.6,0.4\n", description)
    with pytest.raises(InputError, match='goal = "min"'):
        load(path)
    stated = description.replace(f'"{name}"', f'{{ column = "{name}", goal = "max" }}')
    assert load(write(path, path.read_bytes(), stated)).signals[name].accuracy.tolist() == [0.5, 0.6]


@pytest.mark.parametrize("name", ["valid", "val_acc", "accuracy", "terrain", "score", "merry"])
def test_other_names_do_not(tmp_path: Path, name: str) -> None:
    description = f'choices = ["a"]\nsignal = "{name}"\nscore = "test"\n'
    load(write(tmp_path / "t.csv", f"a,{name},test\nx,0.5,0.5\ny,0.6,0.4\n", description))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"valid"', '"test"', "would be told what counts"),
        ('"valid"', '{ column = "valid", goal = "most" }', 'has to be "max" or "min"'),
        ('"valid"', '{ column = "valid", target = "max" }', "unknown entry 'target'"),
        ('"valid"', '{ goal = "max" }', "has to say signal"),
        ('"valid"', "7", "has to say signal"),
        ('choices = ["a", "b"]', 'characters = "a"\nchoices = ["b"]', "or characters"),
        ('score = "test"', 'score = "test"\nrepeats = "best"', 'can only be "mean"'),
        ('score = "test"', 'score = "test"\nscale = inf', "positive number"),
        ('score = "test"', 'score = "test"\nparameters = "valid"', "no number of parameters"),
        ('score = "test"', 'score = "test"\nseconds = 3', "has to say seconds"),
        ('"valid"', '{ column = "same", unit = "m" }', "is 1 in every row"),
    ],
)
def test_a_description_that_cannot_be_meant_is_refused(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    content = text().replace("test\n", "test,same\n").replace("25\n", "25,1\n").replace("0.5\n", "0.5,1\n")
    content = content.replace("1.0\n", "1.0,1\n")
    with pytest.raises(InputError, match=sentence):
        load(write(tmp_path / "t.csv", content, PLAIN.replace(old, new)))


def test_the_example_of_the_page_loads(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "tables.md").read_text(encoding="utf-8")
    csv, toml = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("csv", "toml"))
    assert csv is not None
    assert toml is not None
    table = load(write(tmp_path / "macro.csv", csv[1], toml[1]))
    assert len(table.genotypes) == 4
    assert table.parameters is not None
    for entry in re.findall(r"^\| `(\w+)`", page, re.MULTILINE):
        assert entry in _KEYS | _COLUMN_KEYS, f"the page describes '{entry}', which is no entry"
    for entry in _KEYS | _COLUMN_KEYS:
        assert f"| `{entry}`" in page, f"the page does not describe '{entry}'"
