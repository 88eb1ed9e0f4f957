"""The part of ``report.html`` about one table: accuracy, plots, cost, drawings, and the runs behind every number."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from harness.core.architecture import Architecture
from harness.core.record import Record, Run
from harness.report.drawing.draw import drawings
from harness.report.forms.charts import MARKS, chart
from harness.report.forms.text import escape as markdown
from harness.report.forms.text import mean, mean_text, numbers, signed, to_html
from harness.report.model.cells import Cell, cell, measures
from harness.report.model.groups import Block, Notes, accuracies, failures
from harness.report.model.published import table_b

Decode = Callable[[Record], Architecture | None]
"""What a run found, as a graph; None where its proposal names none."""

LISTED = 500
"""Runs that are listed per cell; the others are in ``records.csv``."""
DRAWN = 5
"""Of up to so many runs in a cell all architectures are drawn; of more, the one that was found most often."""
_DASH = "–"


@dataclass(frozen=True)
class Page:
    """Where the page will lie, for relative links, and how to read a proposal."""

    directory: Path
    decode: Decode

    def link(self, run: Run) -> str:
        """The address of a run's record."""
        path = os.path.relpath(run.path / "record.json", self.directory)
        return quote(Path(path).as_posix())


@dataclass(frozen=True)
class _Spot:
    """A cell of the table on the page; ``anchor`` names its list of runs."""

    page: Page
    cell: Cell
    anchor: str

    @property
    def title(self) -> str:
        return escape(self.cell.block.heading(self.cell.place))

    def linked(self, text: str, attributes: str = "") -> str:
        """``text`` as a link to the record, or to the list of records, behind it."""
        target = f"#{self.anchor}" if len(self.cell.runs) > 1 else self.page.link(self.cell.runs[0])
        return f'<a {attributes}href="{target}">{text}</a>'


def block_html(page: Page, number: int, block: Block) -> str:
    """Everything about the ``number``-th table."""
    spots = {
        dataset: [
            _Spot(page, cell(block, dataset, place), f"runs-{number}-{row}-{column}")
            for column, place in enumerate(block.columns)
        ]
        for row, dataset in enumerate(block.datasets)
    }
    title = block.title[:1].upper() + block.title[1:]
    parts = [f'<section id="block-{number}">\n<h2>{escape(title)}</h2>', _accuracy_table(block, spots)]
    for dataset, here in spots.items():
        parts += [f"<h3>{escape(dataset)}</h3>", _charts(page, block, dataset), _cost_table(dataset, here)]
        parts += [_architectures(dataset, here), f'<h4 class="runs">Runs on {escape(dataset)}</h4>', *map(_runs, here)]
    return "\n".join([*parts, "</section>"])


def scrolling_table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in a box of its own, which scrolls where the screen is narrow; ``rows`` hold ``td``, ``th`` elements."""
    head = "".join(f'<th scope="col">{text}</th>' for text in header)
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<p class="note">{caption}</p>\n<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _accuracy_table(block: Block, spots: dict[str, list[_Spot]]) -> str:
    """Methods x data sets, and below it why runs have no result."""
    notes = Notes()
    rows = [
        [_row_head(block, column), *(_accuracy(here[column], notes) for here in spots.values())]
        for column in range(len(block.columns))
    ]
    header = ["method", *map(escape, spots)]
    caption = (
        "Test accuracy in %: mean ± sample standard deviation (number of seeds); no ± below three. RI: relative "
        "improvement over random sampling."
    )
    caption += "".join(f" {escape(words)}" for words in measures(block, *spots))
    sources = {spot.cell.published.source for here in spots.values() for spot in here if spot.cell.published}
    caption += "".join(f" Published, not measured here: {escape(source)}." for source in sorted(sources))
    return scrolling_table(caption, header, rows) + to_html("\n".join(notes.lines()))


def _row_head(block: Block, column: int) -> str:
    place = block.columns[column]
    space = "" if block.common else f"<small>{escape(place.space)}</small>"
    return f'<th scope="row">{escape(block.heading(place))}{space}</th>'


def _accuracy(spot: _Spot, notes: Notes) -> str:
    found = spot.cell
    if not found.runs:
        return '<td data-value="">not run</td>'
    what = f"{markdown(found.block.heading(found.place))} on {markdown(found.dataset)}"
    small = [spot.linked(text) for text in failures(found.runs, what, notes)]
    if found.improvement is not None:
        small.append(f"RI {signed(found.improvement)} %")
    if found.published:
        small.append(f"published {escape(str(found.published))}")
    text = spot.linked(mean_text(found.accuracies)) if found.accuracies else ""
    text += "".join(f"<small>{words}</small>" for words in small)
    return f'<td data-value="{"" if found.mean is None else found.mean}">{text}</td>'


def _cost_table(dataset: str, here: Sequence[_Spot]) -> str:
    """Columns in which nothing was recorded are left out."""
    forms = {
        "search_seconds": ("search (s)", ",.1f", 1.0),
        "final_seconds": ("final training (s)", ",.1f", 1.0),
        "evaluations": ("evaluations", ",.0f", 1.0),
        "unique": ("unique", ",.0f", 1.0),
        "steps": ("steps", ",.0f", 1.0),
        "parameters": ("parameters", ",.0f", 1.0),
        "macs": ("MACs (M)", ",.2f", 1e6),
    }
    header = ["method"]
    columns = [[f'<th scope="row">{spot.title}</th>' for spot in here]]
    for name, (words, form, unit) in forms.items():
        values = [spot.cell.cost(name) for spot in here]
        if any(value is not None for value in values):
            header.append(words)
            columns.append(
                [_number(spot, None if v is None else v / unit, form) for spot, v in zip(here, values, strict=True)]
            )
    header.append("error (%)")
    columns.append([_number(s, None if s.cell.mean is None else 100 - s.cell.mean, ".2f") for s in here])
    caption = f"Cost on {escape(dataset)}: means over the seeds with a result."
    if any(spot.cell.published_cost for spot in here):
        header += ["published: GPU days", "parameters (M)", "error (%)"]
        for place in range(3):
            columns.append([_published(spot, place) for spot in here])
        caption += f" Published, not measured here: {escape(table_b().source)}."
    return scrolling_table(caption, header, list(zip(*columns, strict=True)))


def _number(spot: _Spot, value: float | None, form: str) -> str:
    """A number with a link that the tab key passes over: the table above has the same one."""
    if value is None:
        return f'<td data-value="">{_DASH if spot.cell.runs else "not run"}</td>'
    text = f"{value:{form}}"
    return f'<td data-value="{value}">{spot.linked(text, "tabindex=-1 ")}</td>'


def _published(spot: _Spot, place: int) -> str:
    row = spot.cell.published_cost
    return f"<td>{escape(row.texts()[1:][place])}</td>" if row else f'<td data-value="">{_DASH}</td>'


def _charts(page: Page, block: Block, dataset: str) -> str:
    """Room for the two plots, which the script fills, and their data."""
    data = chart(block, dataset, page.link)
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    about = (
        "Lines: what the search would have proposed so far, median over the seeds, from three on with quartiles; "
        "dashed: measured under shared weights, not comparable. Marks: the final networks; a mark opens its record."
    )
    thinned = [points for points in data["points"] if points["runs"] > len(points["accuracy"])]
    if thinned:
        about += f" Of more than {MARKS} runs of a method only some are drawn, evenly spaced by seed."
    if data["silent"]:
        about += f" Accuracy during the search not known: {', '.join(map(escape, data['silent']))}."
    over = f"Validation accuracy over {data['unit']}"
    options = "".join(f'<option value="{name}">{words}</option>' for name, words in data["axes"].items())
    return (
        f'<figure class="charts"><script type="application/json">{text}</script>\n'
        f'<div class="legend" role="group" aria-label="Methods in the plots"></div>\n'
        f'<div class="pair"><div class="curves" role="img" aria-label="{over}"></div>\n'
        f'<div><div class="cloud" role="img" aria-label="Test accuracy over cost"></div>\n'
        f'<label class="cost">cost: <select>{options}</select></label></div></div>\n'
        f"<figcaption>{about}</figcaption></figure>"
    )


def _architectures(dataset: str, here: Sequence[_Spot]) -> str:
    """What the methods found, side by side, the architecture that was found most often for each."""
    title = f"Architectures found on {escape(dataset)}"
    cards = [card for spot in here for card in _cards(spot)[:1]]
    return f"<h4>{title}</h4>\n{_strip(title, cards)}" if cards else ""


def _strip(title: str, cards: Sequence[str]) -> str:
    lines = "\n".join(cards)
    return f'<div class="strip" tabindex="0" role="region" aria-label="{title}">\n{lines}\n</div>'


def _cards(spot: _Spot) -> list[str]:
    """The different architectures of a cell, the one found most often first; no more than the first of many."""
    runs = [run for run in spot.cell.runs if run.record.proposal and accuracies([run])]
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.record.proposal, []).append(run)
    shown = sorted(found.values(), key=len, reverse=True)
    return [_card(spot, same, len(runs), len(found)) for same in shown[: None if len(runs) <= DRAWN else 1]]


def _card(spot: _Spot, same: Sequence[Run], runs: int, different: int) -> str:
    """One architecture and the runs that found it."""
    seeds = f"seed {numbers(run.record.seed for run in same[:1])}"
    link = f'<a href="{spot.page.link(same[0])}">{seeds}</a>'
    if len(same) > 1:
        link += f" and {len(same) - 1} more"
    text = f"{link}, {mean(accuracies(same)):.2f} %"
    if runs > DRAWN:
        text += f"<br>found most often; {different} different ones in {runs} runs"
    architecture = spot.page.decode(same[0].record)
    if architecture is None:
        drawn = f"<code>{escape(same[0].record.proposal)}</code>"
    else:
        drawn = "".join(f"<p>{part.title}</p>{part.svg()}" for part in drawings(architecture))
    return f"<figure><figcaption><b>{spot.title}</b> {text}</figcaption>\n{drawn}</figure>"


def _runs(spot: _Spot) -> str:
    """The records behind a cell, and the drawings that are not shown above."""
    runs = spot.cell.runs
    if not runs:
        return ""
    items = "".join(f"<li>{_run(spot, run)}</li>" for run in runs[:LISTED])
    more = f'<p>{len(runs) - LISTED:,} more in <a href="records.csv">records.csv</a>.</p>' if len(runs) > LISTED else ""
    cards = _cards(spot)
    strip = _strip(f"Architectures found by {spot.title}", cards) if len(cards) > 1 else ""
    count = f"{len(runs):,} run{'s' if len(runs) > 1 else ''}"
    return (
        f'<details class="runs" id="{spot.anchor}"><summary>{spot.title}: {count}</summary>'
        f"<ul>{items}</ul>{more}{strip}</details>"
    )


def _run(spot: _Spot, run: Run) -> str:
    record = run.record
    link = f'<a href="{spot.page.link(run)}">seed {record.seed}</a>'
    values = accuracies([run])
    return f"{link} {values[0]:.2f}" if values else f"{link} {escape(record.status)}: {escape(record.reason)}"
