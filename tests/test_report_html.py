"""``report.html`` without a browser: well-formed, self-contained, every number behind a link to its records."""

from __future__ import annotations

import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from report_records import PROVENANCE, examples, make, save, with_logs

from harness.commands.inspection import proposed
from harness.core.record import Run
from harness.core.seeds import rng
from harness.report.forms.charts import MARKS
from harness.report.forms.html import LISTED, report_html
from harness.report.model.nodes import nodes_table, where
from harness.report.model.table import Heading, Text
from harness.report.stats.verdict import verdicts
from harness.spaces import get_space

EMPTY = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
SIZES = {"channels": 16, "layers": 6, "stem_stride": 2}
HOSTILE = "</script><script>alert(1)</script> \"quoted\" & <b>bold</b> 'single' [x](y)"


class Reader(HTMLParser):
    """The elements of a page; fails where they do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str], str]] = []
        self._open: list[int] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}, ""))
        if tag not in EMPTY:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}, ""))

    def handle_endtag(self, tag):
        assert self.elements[self._open.pop()][0] == tag

    def handle_data(self, data):
        for place in self._open:
            tag, attributes, text = self.elements[place]
            self.elements[place] = (tag, attributes, text + data)

    def all(self, tag: str, **wanted: str) -> list[tuple[dict[str, str], str]]:
        return [(a, text) for name, a, text in self.elements if name == tag and wanted.items() <= a.items()]


@pytest.fixture(autouse=True)
def _without_plotly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five megabytes that these tests do not look at."""
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "")


def page(runs: list[Run], directory: Path = Path("/out")) -> str:
    return report_html(
        runs,
        directory,
        proposed,
        verdicts(runs),
        [Heading(1, "Statistics"), Heading(2, "Spread"), Text("text")],
        ["performance.md"],
    )


def found(method: str, accuracy: float, seed: int = 0, space: str = "cell", **changes) -> Run:
    """A run whose proposal can be drawn."""
    text = str(get_space(space).sample(rng(changes.pop("draw", seed), "test")))
    return make(method, accuracy, seed, space=space, proposal=text, recipes={"final": {"size": SIZES}}, **changes)


def test_the_same_records_give_the_same_page_in_any_order():
    runs = examples()
    assert page(random.Random(1).sample(runs, len(runs))) == page(runs)


def test_the_page_is_well_formed_and_loads_nothing():
    read = Reader(page([with_logs(found("darts", 0.9), (1.0, 0.5), shared=True), *examples()]))
    assert not read.all("link") + read.all("img") + read.all("iframe")
    assert all("src" not in attributes for attributes, _ in read.all("script"))
    styles = "".join(text for _, text in read.all("style"))
    assert "url(" not in styles
    assert "@import" not in styles
    [(policy, _)] = [(a, t) for a, t in read.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy["content"].startswith("default-src 'none'")
    assert all(not re.match(r"\w+:|//", attributes["href"]) for attributes, _ in read.all("a"))


def test_texts_from_records_stay_texts():
    runs = [make("darts", None, title=HOSTILE, reason=HOSTILE, dataset="d<i>", proposal=HOSTILE)]
    runs.append(make("random_search", 0.9, title=HOSTILE, dataset="d<i>", proposal=HOSTILE))
    read = Reader(page([with_logs(run, (1.0, 0.5)) for run in runs]))
    assert all(HOSTILE in text for _, text in read.all("b"))
    assert not read.all("i")
    assert all("alert" not in text for attributes, text in read.all("script") if not attributes)
    assert sum(HOSTILE in text for _, text in read.all("th")) >= 2
    assert any(HOSTILE in text for _, text in read.all("li"))


def test_every_link_leads_somewhere(tmp_path: Path):
    runs = [found("darts", 0.9 + 0.01 * seed, seed, dataset="a b/c%d") for seed in range(3)]
    runs = [Run(save(run, tmp_path), run.record, (), ()) for run in [*runs, make("random_search", None)]]
    (tmp_path / "performance.md").touch()
    read = Reader(page(runs, tmp_path))
    targets = {attributes["href"] for attributes, _ in read.all("a")}
    assert sum(target.endswith("record.json") for target in targets) == len(runs)
    names = [attributes["id"] for _, attributes, _ in read.elements if "id" in attributes]
    assert len(set(names)) == len(names)
    for target in targets:
        if target.startswith("#"):
            assert target[1:] in names
        else:
            assert (tmp_path / unquote(target)).is_file(), target


def test_every_number_of_the_tables_is_behind_a_link():
    text = page([*examples(), *(found("local_search", 0.9, seed) for seed in range(2))])
    block = text[text.index('<section id="block-0">') : text.index('<section id="statistics">')]
    for cell in re.findall(r"<td data-value=\"[\d.]+\">(.*?)</td>", block):
        assert re.match(r"<a [^>]*href=\"[^\"]+\">[\d.,]+( ± [\d.]+)?( \(\d+\))?</a>", cell), cell


def test_profile_budget_and_provenance_are_visible():
    read = Reader(page(examples()))
    facts = dict(zip((t for _, t in read.all("dt")), (t for _, t in read.all("dd")), strict=True))
    assert facts["Profile"] == "quick, smoke"
    assert facts["Search budget"] == "40 steps, 60s"
    assert facts["Runs"].startswith(f"{len(examples())}, 3 failed, 1 unsupported")
    assert facts["Commit"] == "0123abc, 0123abc (dirty)"
    assert any("python -m harness run --methods all" in text for _, text in read.all("li"))


def test_published_numbers_are_labelled_and_have_a_source():
    text = page([make("darts", 0.9), make("random_search", 0.9)])
    assert "published 95.74" in text
    assert "Published, not measured here: documentation of NNI" in text
    assert "published 95.74" not in page([make("darts", 0.9, space="nasbench201")])


def test_failures_stand_in_their_cell_with_the_reason_below():
    text = page(examples())
    assert "1 failed [1]" in text
    assert "Random search on fashion_mnist, seed 2: failed: it ran out of memory" in text
    assert "not run" in text


@pytest.mark.parametrize("space", ["cell", "macro-6", "chain-6", "nasbench201"])
def test_what_was_found_is_drawn_once_per_different_architecture(space: str):
    same = [found("darts", 0.9, seed, space, draw=7) for seed in range(3)]
    other = found("darts", 0.9, 3, space, draw=8)
    each = 2 if space == "cell" else 1
    assert page(same).count("<svg") == each
    assert page([*same, other]).count("<svg") == 3 * each, "the most frequent one, and both in the list of runs"
    assert "seed 0</a> and 2 more" in page(same)


def test_a_proposal_that_cannot_be_drawn_is_shown_as_text():
    read = Reader(page([make("autokeras", 0.9, proposal="keras:Conv-<Dense>")]))
    assert "keras:Conv-<Dense>" in [text for _, text in read.all("code")]


@pytest.fixture(scope="module")
def many() -> list[Run]:
    """A search on tables: three methods, three data sets, five hundred seeds."""
    space = get_space("nasbench201")
    proposals = [str(space.sample(rng(number, "test"))) for number in range(20)]
    draw = random.Random(0)
    runs = []
    for dataset in ("cifar10", "cifar100", "imagenet16-120"):
        for method in ("random_search", "regularized_evolution", "reinforce"):
            for seed in range(500):
                run = make(
                    method,
                    draw.uniform(0.9, 0.95),
                    seed,
                    profile="nb201",
                    budget="12000s",
                    dataset=f"nasbench201/{dataset}",
                    space="nasbench201",
                    native="cell",
                    proposal=draw.choice(proposals),
                    recipes={"final": {"table": "t", "score": "test accuracy"}},
                )
                moments = sorted(draw.uniform(0, 12000) for _ in range(8))
                steps = [(moment, 0.5 + 0.01 * number) for number, moment in enumerate(moments)]
                proposals_ = with_logs(run, *steps).proposals
                runs.append(Run(run.path, run.record, (), proposals_))
    return runs


def test_thousands_of_runs_stay_legible_and_light(many: list[Run]):
    text = page(many)
    assert len(text) < 2_000_000, "with Plotly's 5 MB below 8 MB"
    read = Reader(text)
    assert len(read.all("details")) == 9
    for attributes, content in read.all("script"):
        if attributes.get("type") == "application/json":
            data = json.loads(content)
            assert all(points["runs"] == 500 for points in data["points"])
            assert all(100 <= len(points["accuracy"]) <= MARKS for points in data["points"])
            assert all(len(curve["x"]) <= 500 for curve in data["curves"])
            assert all(len(curve["x"]) == len(curve["middle"]) == len(curve["low"]) for curve in data["curves"])
    assert f"Of more than {MARKS} runs of a method only some are drawn" in text
    assert "20 different ones in 500 runs" in text


def test_a_long_list_of_runs_ends_with_where_the_others_are(many: list[Run]):
    first = many[0]
    runs = [make("random_search", 0.9, seed, proposal=first.record.proposal) for seed in range(LISTED + 3)]
    read = Reader(page(runs))
    [(_, content)] = read.all("details")
    assert content.count("seed ") == LISTED
    assert "3 more in records.csv" in content


def on(search: str, final: str, seed: int, /, **changes) -> Run:
    return found(
        "random_search", 0.9, seed, provenance={**PROVENANCE, "nodes": {"search": search, "final": final}}, **changes
    )


def nodes_of(runs: list[Run]) -> list[list[str]]:
    """The rows of the table of nodes."""
    [table] = nodes_table(runs)
    return [[cell.text for cell in row] for row in table.rows]


def test_a_page_says_what_ran_where_and_what_it_cost():
    short = {"seconds": 10.0}
    runs = [
        on("a (x86)", "b (x86)", 0, search=short, final={"seconds": 1000.0}),
        on("a (x86)", "a (x86)", 1, search={"seconds": 2.5}, final={"seconds": 0.5}),
        on("b (x86)", "b (x86)", 2, search=short, final={"seconds": 4.0}),
    ]
    assert nodes_of(runs) == [
        ["a (x86)", "2", "2", "12.5", "1", "0.5"],
        ["b (x86)", "2", "1", "10.0", "2", "1,004.0"],
    ]
    read = Reader(page(runs))
    heads = [
        place for place, (tag, _, text) in enumerate(read.elements) if tag == "th" and text in ("a (x86)", "b (x86)")
    ]
    rows = [[text for _, _, text in read.elements[place + 1 : place + 6]] for place in heads]
    assert rows == [["2", "2", "12.5", "1", "0.5"], ["2", "1", "10.0", "2", "1,004.0"]]
    listed = [" ".join(text.split()) for _, text in read.all("li") if text.startswith("seed")]
    assert any(text.endswith("search on a (x86), final training on b (x86)") for text in listed)
    assert any(text.endswith("on a (x86)") and "search on" not in text for text in listed)


def test_nodes_that_have_trained_children_of_a_search_are_named():
    run = on("a (x86)", "a (x86)", 0, search={"seconds": 10.0}, final={"seconds": 1.0})
    run.record.provenance["nodes"]["children"] = "b (x86); c (x86)"
    assert [row[:3] for row in nodes_of([run])] == [
        ["a (x86)", "1", "1"],
        ["b (x86)", "1", "0"],
        ["c (x86)", "1", "0"],
    ]
    assert where(run) == "on a (x86), children also on b (x86) and c (x86)"


def test_what_was_done_without_a_cluster_is_the_commands_machine():
    runs = [on("a (x86)", "a (x86)", 0), found("random_search", 0.9, 1)]
    assert [row[:3] for row in nodes_of(runs)] == [["a (x86)", "1", "1"], ["the machine of the command", "1", "1"]]


def test_a_failed_search_counts_where_it_was():
    lost = make("darts", None, provenance={**PROVENANCE, "nodes": {"search": "b (x86)"}}, search={}, final={})
    assert nodes_of([on("a (x86)", "a (x86)", 0), lost])[1] == ["b (x86)", "1", "1", "0.0", "0", "0.0"]


@pytest.mark.parametrize("nodes", [None, "a (x86)"])
def test_one_machine_needs_no_table_of_nodes(nodes: str | None):
    runs = [found("random_search", 0.9, seed) if nodes is None else on(nodes, nodes, seed) for seed in range(3)]
    assert nodes_table(runs) == []
    assert "What ran where" not in page(runs)
    assert nodes_table([]) == []


def test_a_phase_of_which_the_record_does_not_tell_is_nobodys():
    """The command was killed between search and final training, which another one has done."""
    half = make("darts", 0.9, provenance={**PROVENANCE, "nodes": {"final": "a (x86)"}})
    assert [row[:3] for row in nodes_of([half])] == [["a (x86)", "1", "0"], ["not recorded", "1", "1"]]
