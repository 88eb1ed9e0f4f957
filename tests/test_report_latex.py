"""The LaTeX tables: well-formed, escaped, and accepted by TeX where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from report_records import examples, make

from harness.report.forms.latex import escape, tables_tex
from harness.report.model.cost import cost_table
from harness.report.model.groups import blocks
from harness.report.model.performance import performance_table


def performance_tex(runs):
    return tables_tex([performance_table(block) for block in blocks(runs)])


def cost_tex(runs):
    return tables_tex([cost_table(block, dataset) for block in blocks(runs) for dataset in block.datasets])


WRITERS = (performance_tex, cost_tex)
HOSTILE = r"100 % of A&B_c #1 $x$ {y} \end{tabular} ~^ <i> | ±"


def tabulars(text: str) -> list[tuple[str, list[str]]]:
    """Column specification and rows of every tabular."""
    found = re.findall(r"\\begin\{tabular\}\{([lr]+)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL)
    return [(spec, [line.strip() for line in body.splitlines() if "\\\\" in line]) for spec, body in found]


def width(row: str) -> int:
    """How many columns a row fills."""
    cells = re.split(r"(?<!\\)&", row.removesuffix(r"\\"))
    spans = [re.search(r"\\multicolumn\{(\d+)\}", cell) for cell in cells]
    return sum(int(span[1]) if span else 1 for span in spans)


@pytest.mark.parametrize("write", WRITERS)
def test_environments_close_and_every_row_fills_its_columns(write):
    text = write([*examples(), make("darts", 0.9, title=HOSTILE, profile="a_b")])
    open_ = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text.replace(escape(HOSTILE), "")):
        if kind == "begin":
            open_.append(name)
        else:
            assert open_.pop() == name
    assert not open_
    assert tabulars(text)
    for spec, rows in tabulars(text):
        assert {width(row) for row in rows} == {len(spec)}


@pytest.mark.parametrize("write", WRITERS)
def test_captions_name_profile_and_budget(write):
    captions = re.findall(r"\\caption\{(.*)\}", write(examples()))
    assert any("profile quick, search budget 60s" in caption for caption in captions)
    assert any("profile smoke, search budget 40 steps" in caption for caption in captions)
    labels = re.findall(r"\\label\{(.*)\}", write(examples()))
    assert len(set(labels)) == len(labels) == len(captions)


def test_the_numbers_are_there():
    text = performance_tex(examples())
    assert r"92.20 $\pm$ 0.20 (3)" in text
    assert "90.50 (2), 1 failed" in text
    assert "2 failed" in text
    assert "1 unsupported" in text
    assert "not run" in text
    assert "95.74" in text
    assert "+7.21" in text  # (92.2 - 86) / 86
    assert r"7.80 $\pm$ 0.20 (3)" in cost_tex(examples())


def test_nothing_special_survives_escaping():
    made = escape(HOSTILE)
    harmless = re.sub(r"\\(text\w+\{\}|[&%$#_{}])|\$\\pm\$", "", made)
    assert not re.search(r"[\\&%$#_{}~^<>|±]", harmless)
    assert escape("two\nlines") == "two lines"


def test_tex_accepts_the_tables(tmp_path: Path):
    tex = shutil.which("pdflatex")
    if tex is None:
        pytest.skip("there is no pdflatex here (Debian: texlive-latex-base, texlive-latex-recommended)")
    runs = [*examples(), make("darts", 0.9, title=HOSTILE, profile="a_b")]
    for write in WRITERS:
        (tmp_path / f"{write.__name__}.tex").write_text(write(runs), encoding="utf-8")
    inputs = "".join(f"\\input{{{write.__name__}}}" for write in WRITERS)
    main = f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}{inputs}\\end{{document}}"
    (tmp_path / "main.tex").write_text(main)
    words = [tex, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "main.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    if "booktabs.sty' not found" in done.stdout:
        pytest.skip("this TeX has no booktabs (Debian: texlive-latex-recommended)")
    assert done.returncode == 0, done.stdout[-2000:]
