"""``report.html``: the whole report as one page that needs neither a server nor a network.

Tables that sort, plots that answer, the proposed architectures drawn, and behind every number the records it was made
of. The templates in ``page/`` escape every text that they print. Style sheet, script and Plotly's own script are
written into the page; a content security policy keeps it from loading anything. Without scripts the tables, drawings
and links are still there.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harness.core.record import Record, Run
from harness.report.drawing.draw import STYLE
from harness.report.drawing.leads import STYLE as LEADS_STYLE
from harness.report.drawing.leads import leads_svg
from harness.report.drawing.learning import learning_svg
from harness.report.forms.cards import Decode, cards
from harness.report.forms.charts import MARKS, chart
from harness.report.forms.classes import classes
from harness.report.forms.networks import networks
from harness.report.forms.robustness import robustness
from harness.report.model.cost import cost_table, provenance
from harness.report.model.groups import Block, accuracies, blocks
from harness.report.model.load import about_unended
from harness.report.model.nodes import nodes_table, where
from harness.report.model.numbers import NOT_RECORDED, numbers
from harness.report.model.performance import brief, datasets_not_run, performance_table, published_tables
from harness.report.model.results import MethodResult, own_values, result_of
from harness.report.model.systems import published_costs
from harness.report.model.table import Facts, Heading, Part, Table, Text
from harness.report.model.values import Name
from harness.report.stats.verdict import Verdict, how_to_read
from harness.report.style import DARK_PALETTE, PALETTE

if TYPE_CHECKING:
    from jinja2 import Environment

LISTED = 500
"""Runs that are listed per method and data set; the others are in ``records.csv``."""

UNFOLDED = 8
"""Methods of a table that the page tells in words at once; more are folded below their drawing."""

_TEMPLATES = Path(__file__).with_name("page")


@dataclass
class Links:
    """Addresses on the page and from it.

    Args:
        directory: where the page will lie; links to records are relative to it.
    """

    directory: Path
    _anchors: dict[tuple[str, ...], str] = field(default_factory=dict)

    def record(self, run: Run) -> str:
        """The address of a run's record."""
        path = os.path.relpath(run.path / "record.json", self.directory)
        return quote(Path(path).as_posix())

    def anchor(self, result: MethodResult) -> str:
        """The name of the list of runs of one method on one data set."""
        key = (result.block.title, result.dataset, result.method.name, result.method.space)
        return self._anchors.setdefault(key, f"runs-{len(self._anchors)}")

    def target(self, result: MethodResult) -> str:
        """The record behind a number, or the list of records."""
        return f"#{self.anchor(result)}" if len(result.runs) > 1 else self.record(result.runs[0])


def report_html(
    runs: Sequence[Run],
    directory: Path,
    decode: Decode,
    tables: Sequence[Verdict],
    statistics: Sequence[Part],
    files: Sequence[str],
    families: Sequence[Part] = (),
) -> str:
    """The page as a document.

    Args:
        runs: at least one.
        directory: where the page will lie; links to records are relative to it.
        decode: tells which architecture a record's proposal means.
        tables: the verdict on each of the tables.
        statistics: as a document, its title first.
        files: names of the report's other files beside the page.
        families: as a document, its title first.
    """
    from plotly.offline import get_plotlyjs

    links = Links(directory)
    sections: dict[str, Sequence[Part]] = {
        "Statistics": statistics[1:],
        "Published": [*published_tables(runs), *published_costs(runs)],
        **({"Families": families[1:]} if families else {}),
        "Provenance": [provenance(runs), *nodes_table(runs)],
    }
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=f"Architecture search on {', '.join(sorted({run.record.dataset for run in runs}))}",
            verdicts=[(one.summary, leads_svg(one.block, one.stands), one.methods) for one in tables],
            how_to_read=how_to_read(tables),
            unfolded=UNFOLDED,
            facts=_facts(runs),
            blocks=[_block(block, decode, links) for block in blocks(runs)],
            sections=sections,
            files=files,
            links=links,
            listed=LISTED,
            palettes=(PALETTE, DARK_PALETTE),
            style=_asset("report.css") + STYLE + LEADS_STYLE,
            script=_asset("report.js"),
            plotly=get_plotlyjs(),
        )
    )


def _asset(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    """Templates that escape, that fail on a name they do not know, and whose JSON cannot end a script."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.filters["quoted"] = quote
    environment.globals.update(results=own_values, learning=learning_svg, told=_learnt, where=where)
    for kind in (Heading, Text, Facts, Table, Name):
        environment.tests[kind.__name__.lower()] = lambda part, kind=kind: isinstance(part, kind)
    return environment


def _block(block: Block, decode: Decode, links: Links) -> dict[str, Any]:
    """What the page shows of runs that may stand in one table."""
    return {
        "title": block.title[:1].upper() + block.title[1:],
        "performance": brief(performance_table(block)).compact().folded(),
        "not_run": datasets_not_run(block),
        "datasets": [_dataset(block, dataset, decode, links) for dataset in block.datasets],
    }


def _dataset(block: Block, dataset: str, decode: Decode, links: Links) -> dict[str, Any]:
    results = [result_of(block, dataset, method) for method in block.methods]
    # Decoding and drawing are done once, although the first card of each method is shown twice.
    drawn = [
        (result, cards(result, decode), [*networks(result), *robustness(result), *classes(result)])
        for result in results
        if result.runs
    ]
    return {
        "name": dataset,
        "chart": chart(block, dataset, links.record),
        "marks": MARKS,
        "cost": cost_table(block, dataset).compact(),
        "cards": [own[0] for _, own, _ in drawn if own],
        "runs": drawn,
    }


def _facts(runs: Sequence[Run]) -> dict[str, str]:
    """What was compared."""
    records = [run.record for run in runs]
    status = Counter("failed" if r.record.status == "ok" and not accuracies([r]) else r.record.status for r in runs)
    counts = [f"{len(runs):,}", *(f"{status[name]:,} {name}" for name in ("failed", "unsupported") if status[name])]
    left_out = {"Left out": " ".join(sentences)} if (sentences := about_unended(runs)) else {}
    return {
        "Profile": ", ".join(sorted({record.profile for record in records})),
        "Search budget": ", ".join(sorted({record.budget for record in records})),
        "Methods": str(len({record.method for record in records})),
        "Data sets": ", ".join(sorted({record.dataset for record in records})),
        "Seeds": numbers(record.seed for record in records),
        "Runs": ", ".join(counts),
        **left_out,
        "Commit": ", ".join(sorted(set(map(_commit, records)))),
    }


def _learnt(run: Run) -> str:
    """The end of a final training in words."""
    last = {name: values[-1] for name, values in run.record.learning.items() if values}
    return f"loss {last.get('loss', 0):.3g}, training accuracy {100 * last.get('accuracy', 0):.1f} %"


def _commit(record: Record) -> str:
    """Its first digits, and whether there were changes; in full under Provenance."""
    dirty = " (dirty)" if record.provenance.get("dirty") else ""
    return str(record.provenance.get("commit") or NOT_RECORDED)[:12] + dirty
