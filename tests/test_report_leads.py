"""The drawing of the leads over random search: it shows what the verdict says, to scale."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from report_records import make

from harness.core.record import Run
from harness.report.drawing.leads import leads_document, leads_svg
from harness.report.forms.write import write_all
from harness.report.stats.inference import mean_interval
from harness.report.stats.verdict import verdicts

SVG = "{http://www.w3.org/2000/svg}"
BASE = np.linspace(0.70, 0.74, 12)


@pytest.fixture
def _only_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures and Plotly take seconds, and these tests do not look at them."""
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "")
    for name in ("anytime", "accuracy_parameters"):
        monkeypatch.setattr(f"harness.report.forms.write.{name}", lambda _, path: path.touch())


def series(method: str, accuracies, **changes) -> list[Run]:
    return [
        make(method, None if value is None else float(value), seed, **changes) for seed, value in enumerate(accuracies)
    ]


def league(**leads: list[float]) -> list[Run]:
    """Random search, and methods with these leads in points, seed by seed."""
    runs = series("random_search", BASE)
    for method, points in leads.items():
        runs += series(method, BASE[: len(points)] + np.array(points) / 100)
    return runs


def drawn(runs: list[Run]) -> ElementTree.Element:
    """The only table of these runs."""
    (one,) = verdicts(runs)
    return ElementTree.fromstring(leads_svg(one.block, one.stands))


def rows(root: ElementTree.Element) -> dict[str, dict]:
    """Per name, from top to bottom: kind, places of mark, interval and pairs, and the numbers printed."""
    found: dict[str, dict] = {}
    marks = {float(g.find("circle").attrib["cy"]): g for g in root.iter("g")}
    texts = {(float(t.attrib["y"]), t.attrib["class"], float(t.attrib["x"])): t.text for t in root.iter("text")}
    for y, group in sorted(marks.items()):
        name, number = (
            text for (_, _, _), text in sorted((key, text) for key, text in texts.items() if key[:2] == (y, "end"))
        )
        lines = [(line.get("class"), float(line.attrib["x1"]), float(line.attrib["x2"])) for line in group.iter("line")]
        found[name] = {
            "kind": group.attrib["class"].split()[1],
            "colour": group.attrib["style"],
            "mark": float(group.find("circle").attrib["cx"]),
            "interval": next(((x1, x2) for kind, x1, x2 in lines if kind is None), None),
            "pairs": [x1 for kind, x1, _ in lines if kind == "pair"],
            "number": number,
        }
    return found


def scale(root: ElementTree.Element):
    """Points to pixels, as the labels of the axis say."""
    ticks = {
        float(text.text): float(text.attrib["x"])
        for text in root.iter("text")
        if "middle" in text.attrib["class"] and re.fullmatch(r"[+-]?[\d.]+", text.text)
    }
    (low, x0), (high, x1) = min(ticks.items()), max(ticks.items())
    return lambda points: x0 + (points - low) * (x1 - x0) / (high - low)


LEADS = {
    "darts": [2.0, 2.1, 1.9, 2.2, 1.8, 2.4, 1.6, 2.05, 1.95, 2.15, 1.85, 2.3],
    "local_search": [-3.0, -3.2, -2.8, -3.1, -2.9, -3.3, -2.7, -3.05, -2.95, -3.15, -2.85, -3.4],
    "gdas": [0.5, -0.4, 0.3, -0.6, 0.2, -0.1, 0.45, -0.35, 0.15, -0.25, 0.05, -0.55],
    "bohb": [0.9, 1.1, 1.0],
}


def test_marks_intervals_and_pairs_stand_where_the_axis_says():
    root = drawn(league(**LEADS))
    place, shown = scale(root), rows(root)
    assert list(shown) == ["DARTS in cell", "bohb in cell", "gdas in cell", "local_search in cell"], (
        "largest lead first"
    )
    for name, points in zip(shown, (LEADS["darts"], LEADS["bohb"], LEADS["gdas"], LEADS["local_search"]), strict=True):
        row, interval = shown[name], mean_interval(points)
        assert row["mark"] == pytest.approx(place(np.mean(points)), abs=0.11)
        assert row["interval"] == pytest.approx([place(end) for end in interval], abs=0.11)
        assert sorted(row["pairs"]) == pytest.approx(sorted(map(place, points)), abs=0.11)
        assert row["number"] == f"{np.mean(points):+.2f} ({interval[0]:+.2f} to {interval[1]:+.2f})"


def test_a_mark_is_filled_where_the_verdict_says_beyond_chance():
    runs = league(**LEADS)
    (one,) = verdicts(runs)
    outcomes = {one.block.heading(stand.method): stand.outcome for stand in one.stands}
    assert set(outcomes.values()) == {"better", "worse", "undecided", "too few"}
    for name, row in rows(drawn(runs)).items():
        outcome = outcomes[name.removesuffix(" in cell")]
        clear = outcome in ("better", "worse")
        assert row["kind"] == ("clear" if clear else "open")
        assert row["colour"] == f"--mark:var(--{outcome if clear else 'open'})"


@pytest.mark.parametrize(
    "leads",
    [
        {"darts": [0.0] * 3},
        {"darts": [1.0] * 5},
        {"darts": [-25.0, 24.0, -20.0, 21.0], "gdas": [0.001, 0.002, 0.003]},
        {"darts": [1e-7, 2e-7, 1e-7]},
        {f"method{n}": [float(n), n + 0.5, n - 0.5] for n in range(34)},
    ],
)
def test_everything_lies_inside_the_drawing_and_no_two_rows_overlap(leads: dict[str, list[float]]):
    root = drawn(league(**leads))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for element in root.iter():
        for name, value in element.attrib.items():
            if name in ("x", "x1", "x2", "cx"):
                assert 0 <= float(value) <= width
            if name in ("y", "y1", "y2", "cy"):
                assert 0 <= float(value) <= height
    heights = sorted(float(circle.attrib["cy"]) for circle in root.iter("circle"))
    assert len(heights) == len(leads)
    assert all(high - low >= 20 for low, high in pairwise(heights))
    assert len({text.attrib["x"] for text in root.iter("text") if text.text == "0"}) == 1


def test_many_pairs_are_not_drawn_one_by_one():
    base = np.linspace(0.70, 0.72, 30)
    (row,) = rows(drawn(series("random_search", base) + series("darts", base + 0.01))).values()
    assert not row["pairs"]


def test_failed_runs_have_no_place_in_points():
    values: list[float | None] = list(BASE + 0.02)
    values[3] = None
    (row,) = rows(drawn(series("random_search", BASE) + series("darts", values))).values()
    assert len(row["pairs"]) == len(BASE) - 1


def test_titles_are_no_markup():
    runs = series("random_search", BASE) + series("darts", BASE + 0.01, title='<script>"&</script>')
    assert '<script>"&</script> in cell' in rows(drawn(runs))


@pytest.mark.usefixtures("_only_texts")
def test_the_file_is_the_same_in_any_order_and_goes_with_the_seeds(tmp_path: Path):
    runs = league(**LEADS)
    write_all(runs, tmp_path / "a")
    write_all(random.Random(1).sample(runs, len(runs)), tmp_path / "b")
    text = (tmp_path / "a" / "leads.svg").read_text(encoding="utf-8")
    assert text == (tmp_path / "b" / "leads.svg").read_text(encoding="utf-8")
    assert len(list(ElementTree.fromstring(text).iter(f"{SVG}circle"))) == len(LEADS)
    few = [run for run in runs if run.record.seed < 2]
    assert leads_document([(one.block, one.stands) for one in verdicts(few)]) == ""
    assert tmp_path / "a" / "leads.svg" not in write_all(few, tmp_path / "a")
    assert not (tmp_path / "a" / "leads.svg").exists(), "an older one would be of other runs"


def test_several_tables_stand_below_each_other():
    runs = league(**LEADS) + [
        make(r.record.method, r.record.test_accuracy, r.record.seed, budget="90s") for r in league(**LEADS)
    ]
    tables = [(one.block, one.stands) for one in verdicts(runs)]
    root = ElementTree.fromstring(leads_document(tables))
    single = [ElementTree.fromstring(leads_svg(*table)) for table in tables]
    assert float(root.attrib["height"]) == sum(float(one.attrib["height"]) for one in single)


@pytest.mark.usefixtures("_only_texts")
def test_the_page_draws_the_leads_and_folds_a_long_list(tmp_path: Path):
    write_all(league(**LEADS), tmp_path / "few")
    few = (tmp_path / "few" / "report.html").read_text(encoding="utf-8")
    assert '<svg class="leads"' in few
    assert "Each method in words" not in few
    write_all(league(**{f"method{n}": [1.0, 1.5, 0.5] for n in range(12)}), tmp_path / "many")
    many = (tmp_path / "many" / "report.html").read_text(encoding="utf-8")
    assert "<summary>Each method in words</summary>" in many
    assert "method7 in cell: too few seeds" in many
