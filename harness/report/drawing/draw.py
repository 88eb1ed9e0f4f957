"""Draws an architecture as SVG: on the page of the report, and as a file of its own for ``show``.

A cell runs from its inputs down to its output: a box per operation, a circle per node that sums what comes in. The
two chain-like spaces are a column of layers with their skip connections as arcs. The same architecture gives the same
bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

from harness.core.architecture import Architecture, Cell
from harness.core.errors import InputError
from harness.core.files import replace_text
from harness.report.drawing.describe import ChainRow, boxes, describe, parts
from harness.report.drawing.layout import layered

_FAMILIES = ("sep_conv", "dil_conv", "nor_conv", "conv", "avg_pool", "max_pool", "skip")
"""Families of operations, each with a fill of its own; the text says it all, the colour helps to find it."""

STYLE = """\
.net{font:12px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;color:#24292f;--box:#eceef1;--edge:#8b949e;
--sep_conv:#cfe3f3;--dil_conv:#d5ebd3;--conv:#f3e3b8;--nor_conv:#f3e3b8;--avg_pool:#f3d0d4;--max_pool:#e9c6df;--skip:#fff}
.net text{fill:currentColor;text-anchor:middle;dominant-baseline:central}
.net rect,.net circle{fill:var(--fill,var(--box));stroke:var(--edge)}
.net path{fill:none;stroke:var(--edge);stroke-width:1.2}
.net .head{fill:var(--edge);stroke:none}
.net .name{font-weight:600}
@media screen and (prefers-color-scheme:dark){
.net{color:#e6e8eb;--box:#2b3138;--edge:#768390;--sep_conv:#1f4463;--dil_conv:#24502a;--conv:#594713;--nor_conv:#594713;
--avg_pool:#642f38;--max_pool:#5b2b4f;--skip:#14181d}}
"""
"""Colours and font of the drawings, for the style sheet around them; dark where the reader's screen is."""

_LETTER = 7.3  # width of a letter of the font above
_HEIGHT = 24.0  # of a box
_ROUND = _HEIGHT / 2
_MARGIN = 10.0


@dataclass(frozen=True)
class Drawing:
    """A part of an architecture.

    Args:
        title: what it is.
        width, height: in pixels.
        body: SVG elements, from (0, 0).
    """

    title: str
    width: float
    height: float
    body: str

    def svg(self) -> str:
        """An element for a page whose style sheet has :data:`STYLE`."""
        size = f'width="{self.width:.0f}" height="{self.height:.0f}" viewBox="0 0 {self.width:.0f} {self.height:.0f}"'
        return f'<svg class="net" role="img" aria-label="{escape(self.title)}" {size}>{self.body}</svg>'


def drawings(architecture: Architecture) -> list[Drawing]:
    """The cells of an architecture, or its chain of layers."""
    return [
        _cell(title, part) if isinstance(part, Cell) else _chain(title, part) for title, part in parts(architecture)
    ]


def write_svg(architecture: Architecture, path: Path) -> None:
    """Writes :func:`document` to ``path``, replacing a file that is there.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        replace_text(path, document(architecture))
    except OSError as error:
        raise InputError(f"the drawing cannot be written to {path} ({error}); name another file") from error


def document(architecture: Architecture) -> str:
    """A complete SVG document: the parts side by side with their titles, and the architecture in words."""
    title = 24.0
    drawn = drawings(architecture)
    width = sum(part.width for part in drawn) + _MARGIN * 2 * (len(drawn) - 1)
    height = max(part.height for part in drawn) + title
    bodies, x = [], 0.0
    for part in drawn:
        heading = f'<text class="name" x="{part.width / 2:.1f}" y="{-title / 2:.1f}">{escape(part.title)}</text>'
        bodies.append(f'<g transform="translate({x:.1f} {title:.1f})">{heading}{part.body}</g>')
        x += part.width + _MARGIN * 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="net" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">\n<style>{STYLE}</style>\n'
        f"<desc>{escape(describe(architecture))}</desc>\n" + "\n".join(bodies) + "\n</svg>\n"
    )


def _cell(title: str, cell: Cell) -> Drawing:
    labels, edges, operations = boxes(cell)
    layout = layered(edges, late=operations, alone=list(labels))
    step = _LETTER * max(map(len, labels.values())) + 26
    left = min(x for line in (*layout.lines, tuple(layout.boxes.values())) for x, _ in line)
    right = max(x for line in (*layout.lines, tuple(layout.boxes.values())) for x, _ in line)

    def position(x: float, rank: float) -> tuple[float, float]:
        return _MARGIN + step * (x - left + 0.5), _MARGIN + _ROUND + 46 * rank

    body = [_curve([position(x, rank) for x, rank in line]) for line in layout.lines]
    for box, (x, rank) in layout.boxes.items():
        body.append(_box(*position(x, rank), labels[box]))
    ranks = max(rank for _, rank in layout.boxes.values())
    return Drawing(title, step * (right - left + 1) + 2 * _MARGIN, 46 * ranks + _HEIGHT + 2 * _MARGIN, "".join(body))


def _curve(points: list[tuple[float, float]]) -> str:
    """From the lower edge of the first box to the upper edge of the last one, vertical at both and at every bend."""
    (x, y), *_ = points
    words = [f"M{x:.1f} {y + _ROUND:.1f}"]
    for number, ((x0, y0), (x1, y1)) in enumerate(pairwise(points), start=2):
        start = y0 + _ROUND if number == 2 else y0
        end = y1 - _ROUND if number == len(points) else y1
        middle = (start + end) / 2
        words.append(f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {end:.1f}")
    return f'<path d="{"".join(words)}"/>'


def _box(x: float, y: float, label: str, width: float = 0.0) -> str:
    """A label in a box, or in a circle if it is the number of a node; ``width`` 0 fits the label."""
    text = f'<text x="{x:.1f}" y="{y:.1f}">{escape(label)}</text>'
    if label.isdigit():
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_ROUND:g}"/>{text}'
    op = label.rpartition(": ")[2]
    family = next((name for name in _FAMILIES if op.startswith(name)), "")
    fill = f' style="--fill:var(--{family})"' if family else ""
    width = width or _LETTER * len(label) + 14
    rect = f'<rect x="{x - width / 2:.1f}" y="{y - _ROUND:.1f}" width="{width:.1f}" height="{_HEIGHT:g}" rx="5"{fill}/>'
    return rect + text


def _chain(title: str, rows: list[ChainRow]) -> Drawing:
    """Rows from top to bottom. A row reads the one above it by a straight line, all others by arcs on the right."""
    labels = [": ".join(filter(None, (row.name, row.op))) + (", halved" if row.halved else "") for row in rows]
    box = _LETTER * max(map(len, labels)) + 14
    middle = _MARGIN + box / 2

    def height(row: int) -> float:
        return _MARGIN + _ROUND + 38 * row

    arcs = [
        (source, number)
        for number, row in enumerate(rows)
        for source in (*row.added, *(source for source in row.reads if source != number - 1))
    ]
    body, reach = [], 0.0
    for source, number in arcs:
        # Starts below and ends above the middle of the boxes: what leaves a row is told from what enters it. Longer
        # arcs reach further to the right, so that they nest.
        start, end, bulge = height(source) + 5, height(number) - 5, 14.0 + 9 * (number - source)
        reach = max(reach, bulge)
        x, far = middle + box / 2, middle + box / 2 + bulge * 4 / 3
        body.append(f'<path d="M{x:.1f} {start:.1f}C{far:.1f} {start:.1f} {far:.1f} {end:.1f} {x + 6:.1f} {end:.1f}"/>')
        body.append(f'<path class="head" d="M{x:.1f} {end:.1f}l7 -3.5v7z"/>')
    for number, row in enumerate(rows):
        if number - 1 in row.reads:
            body.append(_curve([(middle, height(number - 1)), (middle, height(number))]))
        body.append(_box(middle, height(number), labels[number], box))
    return Drawing(title, box + reach + 2 * _MARGIN, height(len(rows) - 1) + _ROUND + _MARGIN, "".join(body))
