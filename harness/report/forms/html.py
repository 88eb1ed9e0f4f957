"""``report.html``: the whole report as one page that needs neither a server nor a network.

Tables that sort, plots that answer, the found architectures drawn, and behind every number the records it was made of.
The style sheet and the script in ``page/`` and Plotly's own script are written into the page; a content security policy
keeps it from loading anything. Without scripts the tables, drawings and links are still there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from harness.core.record import Record, Run
from harness.report.drawing.draw import STYLE
from harness.report.forms.cost import provenance
from harness.report.forms.cost import published_table as published_costs
from harness.report.forms.html_blocks import Decode, Page, block_html
from harness.report.forms.tables import published_table as published_accuracies
from harness.report.forms.text import NOT_RECORDED, numbers, to_html
from harness.report.model.groups import Block, accuracies, blocks
from harness.report.style import DARK_PALETTE, PALETTE

_ASSETS = Path(__file__).with_name("page")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"


def report_html(runs: Sequence[Run], directory: Path, decode: Decode, statistics: str, files: Sequence[str]) -> str:
    """The page as a document.

    Args:
        runs: at least one.
        directory: where the page will lie; links to records are relative to it.
        decode: what a run found.
        statistics: as markdown.
        files: names of the report's other files beside the page.
    """
    from plotly.offline import get_plotlyjs

    page = Page(directory, decode)
    found = blocks(runs)
    published = "\n\n".join([*published_accuracies(runs), *published_costs(runs)])
    links = " · ".join(f'<a href="{quote(name)}">{escape(name)}</a>' for name in files)
    sections = {
        "Statistics": to_html(statistics.partition("\n\n")[2]),
        "Published": to_html(published),
        "Provenance": to_html("\n".join(provenance(runs))),
        "Files": f"<p>{links}</p>",
    }
    body = [
        _head(runs, found, list(sections)),
        *(block_html(page, number, block) for number, block in enumerate(found)),
        *(f'<section id="{name.lower()}">\n<h2>{name}</h2>\n{text}\n</section>' for name, text in sections.items()),
    ]
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(_title(runs))}</title>",
            f"<style>\n{_colours()}\n{_asset('report.css')}\n{STYLE}</style>\n</head>\n<body>",
            *body,
            f"<script>{get_plotlyjs()}</script>",
            f"<script>\n{_asset('report.js')}</script>",
            "</body>\n</html>\n",
        ]
    )


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _colours() -> str:
    """The methods' colours as custom properties, lighter ones on a dark screen."""
    light, dark = (
        "".join(f"--m{number}:{colour};" for number, colour in enumerate(palette))
        for palette in (PALETTE, DARK_PALETTE)
    )
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def _title(runs: Sequence[Run]) -> str:
    return f"Architecture search on {', '.join(sorted({run.record.dataset for run in runs}))}"


def _head(runs: Sequence[Run], found: Sequence[Block], sections: Sequence[str]) -> str:
    """What was compared, in a few facts, and what is where on the page."""
    records = [run.record for run in runs]
    status = Counter("failed" if r.record.status == "ok" and not accuracies([r]) else r.record.status for r in runs)
    counts = [f"{len(runs):,}", *(f"{status[name]:,} {name}" for name in ("failed", "unsupported") if status[name])]
    facts = {
        "Profile": ", ".join(sorted({record.profile for record in records})),
        "Search budget": ", ".join(sorted({record.budget for record in records})),
        "Methods": str(len({record.method for record in records})),
        "Data sets": ", ".join(sorted({record.dataset for record in records})),
        "Seeds": numbers(record.seed for record in records),
        "Runs": ", ".join(counts),
        "Commit": ", ".join(sorted(set(map(_commit, records)))),
    }
    items = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    links = {f"block-{number}": block.title[:1].upper() + block.title[1:] for number, block in enumerate(found)}
    links |= {name.lower(): name for name in sections}
    nav = "".join(f'<li><a href="#{anchor}">{escape(text)}</a></li>' for anchor, text in links.items())
    return (
        f'<header>\n<h1>{escape(_title(runs))}</h1>\n<dl class="facts">{items}</dl>\n'
        f'<nav aria-label="Contents"><ul>{nav}</ul></nav>\n</header>'
    )


def _commit(record: Record) -> str:
    """Its first digits, and whether there were changes; in full under Provenance."""
    dirty = " (dirty)" if record.provenance.get("dirty") else ""
    return str(record.provenance.get("commit") or NOT_RECORDED)[:12] + dirty
