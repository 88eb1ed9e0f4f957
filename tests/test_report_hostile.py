"""Texts from records in every form: whatever a title, a reason or a name holds, it is printed and never acted upon."""

from __future__ import annotations

import csv
import html
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_records import PROVENANCE, make, save, with_logs

from harness.core.record import Run
from harness.report.forms import latex, markdown
from harness.report.forms.write import write_all

HOSTILE = (
    "</script><script>alert(1)</script>\n\"double\" 'single' `tick` | pipe \\ back & amp &lt; 100 % #1 $x$ a_b _c_ {d} "
    "~ ^ *e* [f](javascript:alert(2)) <img src=x onerror=alert(3)> \\end{table} {{ 7 * 7 }} {% raw %} ±"
)
LINE = " ".join(HOSTILE.split())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on two methods whose every text is hostile, one failed run among them."""
    directory = tmp_path_factory.mktemp("hostile")
    texts = {
        "title": HOSTILE,
        "dataset": HOSTILE.replace("/", "-"),
        "space": HOSTILE,
        "native": HOSTILE,
        "profile": HOSTILE,
        "budget": f"{HOSTILE} steps",
        "proposal": HOSTILE,
        "settings": {"class": HOSTILE},
        "provenance": PROVENANCE | {"device": HOSTILE, "commit": HOSTILE, "command": HOSTILE, "data": HOSTILE},
        "recipes": {"final": {"table": HOSTILE, "score": HOSTILE}},
    }
    runs = [
        make("random_search", 0.9, 0, **texts),
        make("random_search", None, 1, reason=HOSTILE, **texts),
        make(f"darts:{HOSTILE}", 0.8, 0, **texts),
    ]
    saved = []
    for number, run in enumerate(with_logs(run, (1.0, 0.5)) for run in runs):
        home = save(Run(Path(str(number)), run.record, run.evaluations, run.proposals), directory)
        saved.append(Run(home, run.record, run.evaluations, run.proposals))
    write_all(saved, directory)
    return directory


class Page(HTMLParser):
    """The tags of a page, its texts, and the scripts that a browser would run."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        tag, attributes = self.tags[-1] if self.tags else ("", {})
        if tag == "script" and not attributes:
            self.scripts.append(data)
        else:
            self.texts.append(data)


def test_the_page_prints_it_and_runs_nothing_of_it(report: Path) -> None:
    text = (report / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert sum(tag == "script" for tag, _ in page.tags) == 1 + 1 + 1, "plots of one data set, Plotly, the page's own"
    assert not any("alert(" in script for script in page.scripts)
    assert not any(tag == "img" or name.startswith("on") for tag, attributes in page.tags for name in attributes)
    shown = " ".join(" ".join(page.texts).split())
    for _ in range(3):
        assert LINE in shown
    assert "49" not in re.findall(r"\d+", shown), "a template acted upon a text"
    hrefs = [attributes["href"] or "" for tag, attributes in page.tags if tag == "a"]
    assert all(re.fullmatch(r"#[\w-]+|[\w%./-]+", href) for href in hrefs)


@pytest.mark.parametrize("name", ["performance.md", "cost.md", "statistics.md"])
def test_markdown_shows_it_as_it_is(report: Path, name: str) -> None:
    text = (report / name).read_text(encoding="utf-8")
    for line in text.splitlines():
        outside_code = re.sub(r"`[^`]*`", "", line.replace("\\`", ""))
        assert not re.search(r"(?<!\\)<(?!/?sub>|br>)", outside_code), line
        assert not re.search(r"(?<!\\)\]\(", outside_code), line
    widths = [
        {len(re.split(r"(?<!\\)\|", line)) for line in block.splitlines()}
        for block in re.split(r"\n\n", text)
        if block.startswith("|")
    ]
    assert widths
    assert all(len(found) == 1 for found in widths), "a text made a cell of its own"
    assert markdown.escape(HOSTILE) in text


@pytest.mark.parametrize("name", ["performance.tex", "cost.tex"])
def test_latex_prints_it(report: Path, name: str) -> None:
    text = (report / name).read_text(encoding="utf-8")
    assert latex.escape(HOSTILE) in text
    rest = text.replace(latex.escape(HOSTILE), "").replace(latex.escape(HOSTILE.replace("/", "-")), "")
    rest = re.sub(r"\\label\{tab:[A-Za-z0-9-]+\}", "", rest)
    assert "alert" not in rest
    assert rest.count(r"\begin{table}") == rest.count(r"\end{table}") == text.count(r"\end{table}")


@pytest.mark.parametrize("name", ["performance.csv", "cost.csv", "records.csv"])
def test_csv_gives_it_back(report: Path, name: str) -> None:
    rows = list(csv.DictReader(io.StringIO((report / name).read_text(encoding="utf-8"), newline="")))
    assert len(rows) == (3 if name == "records.csv" else 2)
    for row in rows:
        assert None not in row, "a text made a cell of its own"
        assert row["title"] == row["space"] == row["profile"] == HOSTILE
        assert row["dataset"] == HOSTILE.replace("/", "-")


def test_the_hostile_text_would_do_harm_without_escaping() -> None:
    page = Page(f"<p>{HOSTILE}</p>")
    assert any("onerror" in attributes for _, attributes in page.tags)
    assert html.escape(HOSTILE) != HOSTILE
