"""The leads over random search as one SVG drawing: a row per method, from the largest lead to the largest loss.

A mark is the mean difference of the pairs with the same seed, filled where it is beyond chance, and a line is its 95 %
interval; where pairs are few, a tick per pair shows what both were made of. The same records give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from harness.report.model.groups import Block
from harness.report.model.numbers import signed
from harness.report.stats import inference as stats
from harness.report.stats.leader import FEWEST
from harness.report.stats.standing import Standing
from harness.report.style import short

STYLE = """\
.leads{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;color:#1f2328;--soft:#59636e;
--rule:#d8dee4;--better:#117733;--worse:#a3304c;--open:#59636e;--ground:#fff;max-width:100%;height:auto}
.leads text{fill:currentColor;dominant-baseline:central}
.leads .soft{fill:var(--soft);font-size:12px}
.leads .end{text-anchor:end}
.leads .middle{text-anchor:middle}
.leads line{stroke:var(--rule)}
.leads .zero{stroke:var(--soft);stroke-width:1.5}
.leads .mark line{stroke:var(--mark);stroke-width:2}
.leads .mark .pair{stroke-width:1;opacity:.6}
.leads circle{stroke:var(--mark);stroke-width:2;fill:var(--ground)}
.leads .clear circle{fill:var(--mark)}
@media screen and (prefers-color-scheme:dark){
.leads{color:#e6e8eb;--soft:#9aa4af;--rule:#2d343c;--better:#4fb878;--worse:#e5899a;--open:#9aa4af;--ground:#0f1318}}
"""
"""Colours and font, for the style sheet around it; dark where the reader's screen is."""

_NAMES = 350.0  # width of the column of names, which end there
_PLOT = 400.0  # of the axis
_TEXTS = 190.0  # of the column of numbers
_ROOM = 16.0  # between the columns
_MARGIN = 8.0
_WIDTH = _NAMES + _PLOT + _TEXTS + 2 * _ROOM + _MARGIN
_ROW = 24.0
_HEAD = 54.0  # height above the first row
_FOOT = 46.0  # below the last one
_LETTERS = 52  # of a name and its space
_TICKS = 6  # at most on the axis
_FEW = 20
"""With more pairs than this they are not drawn one by one."""


@dataclass(frozen=True)
class _Row:
    """A method's mean lead, in points, with its interval, and its pairs in which neither run failed."""

    name: str
    outcome: str
    lead: float
    interval: tuple[float, float] | None
    pairs: tuple[float, ...]

    @property
    def reach(self) -> tuple[float, ...]:
        """All that the axis has to hold."""
        return (self.lead, *(self.interval or ()), *(self.pairs if len(self.pairs) <= _FEW else ()))


def leads_svg(block: Block, stands: Sequence[Standing]) -> str:
    """An ``<svg>`` element for a page whose style sheet has :data:`STYLE`; empty where no method has pairs enough."""
    height, body = _drawn(block, stands)
    if not body:
        return ""
    label = f"Points over random search, {block.title}"
    size = f'width="{_WIDTH:.0f}" height="{height:.0f}" viewBox="0 0 {_WIDTH:.0f} {height:.0f}"'
    return f'<svg class="leads" role="img" aria-label="{escape(label)}" {size}>{body}</svg>'


def leads_document(tables: Sequence[tuple[Block, Sequence[Standing]]]) -> str:
    """The drawings of several tables below each other as one SVG document; empty where none has anything to show."""
    bodies, top = list[str](), 0.0
    for block, stands in tables:
        height, body = _drawn(block, stands)
        if body:
            bodies.append(f'<g transform="translate(0 {top:.0f})">{body}</g>')
            top += height
    if not bodies:
        return ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="leads" width="{_WIDTH:.0f}" height="{top:.0f}" '
        f'viewBox="0 0 {_WIDTH:.0f} {top:.0f}">\n<style>{STYLE}</style>\n'
        '<rect width="100%" height="100%" style="fill:var(--ground)"/>\n' + "\n".join(bodies) + "\n</svg>\n"
    )


def _drawn(block: Block, stands: Sequence[Standing]) -> tuple[float, str]:
    """Height and elements; none where there is nothing to show."""
    ordered = sorted(stands, key=lambda stand: -stand.lead)
    rows = [row for stand in ordered if (row := _row(block, stand))]
    if not rows:
        return 0.0, ""
    axis = _Axis.over([value for row in rows for value in row.reach])
    bottom = _HEAD + _ROW * len(rows)
    body = [
        _text(_MARGIN, 14, short(block.title[:1].upper() + block.title[1:], 130), "soft"),
        _text(axis.at(0), _HEAD - 18, "random search", "soft middle"),
        _text(_WIDTH - _MARGIN, _HEAD - 18, "points (95 % interval)", "soft end"),
    ]
    for tick in axis.ticks:
        zero = ' class="zero"' if tick == 0 else ""
        body.append(
            f'<line{zero} x1="{axis.at(tick):.1f}" y1="{_HEAD - 8:.0f}" x2="{axis.at(tick):.1f}" y2="{bottom:.0f}"/>'
        )
        body.append(_text(axis.at(tick), bottom + 12, axis.label(tick), "soft middle"))
    told = (
        "filled: beyond chance; small ticks: single pairs"
        if any(len(row.pairs) <= _FEW for row in rows)
        else "filled: beyond chance"
    )
    body.append(
        _text(
            _NAMES + _ROOM + _PLOT / 2,
            bottom + 32,
            f"points over random search in the same space ({told})",
            "soft middle",
        )
    )
    for number, row in enumerate(rows):
        body.append(_lead(row, axis, _HEAD + _ROW * (number + 0.5)))
    return bottom + _FOOT, "".join(body)


def _row(block: Block, stand: Standing) -> _Row | None:
    """The row of a method; None with fewer pairs, in which neither run failed, than say anything."""
    ended = stand.comparison.ended if stand.comparison else ()
    if len(ended) < FEWEST:
        return None
    title = block.title_of(stand.method)
    name = title if block.common else f"{title} in {stand.method.space}"
    return _Row(short(name, _LETTERS), stand.outcome, stand.lead, stats.mean_interval(ended), ended)


def _lead(row: _Row, axis: _Axis, y: float) -> str:
    clear = row.outcome in ("better", "worse")
    kind, colour = ("clear", row.outcome) if clear else ("open", "open")
    mark = f'<g class="mark {kind}" style="--mark:var(--{colour})">'
    parts = [_text(_NAMES, y, row.name, "end"), mark]
    if row.interval:
        low, high = map(axis.at, row.interval)
        parts.append(f'<line x1="{low:.1f}" y1="{y:.1f}" x2="{high:.1f}" y2="{y:.1f}"/>')
    if len(row.pairs) <= _FEW:
        parts += [
            f'<line class="pair" x1="{axis.at(pair):.1f}" y1="{y - 6:.1f}" x2="{axis.at(pair):.1f}" y2="{y + 6:.1f}"/>'
            for pair in row.pairs
        ]
    parts.append(f'<circle cx="{axis.at(row.lead):.1f}" cy="{y:.1f}" r="4.5"/></g>')
    interval = f" ({signed(row.interval[0])} to {signed(row.interval[1])})" if row.interval else ""
    return "".join([*parts, _text(_WIDTH - _MARGIN, y, f"{signed(row.lead)}{interval}", "end")])


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


@dataclass(frozen=True)
class _Axis:
    """Points along the drawing, with ticks at multiples of 1, 2 or 5 times a power of ten."""

    low: float
    high: float
    step: float

    @classmethod
    def over(cls, values: Sequence[float]) -> _Axis:
        """The axis that holds all values, zero, and a little room."""
        low, high = min(0.0, *values), max(0.0, *values)
        room = 0.04 * (high - low) or 0.5
        low, high = low - room, high + room
        least = (high - low) / _TICKS
        power = 10 ** math.floor(math.log10(least))
        return cls(low, high, next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least))

    def at(self, value: float) -> float:
        """The place of a value, in pixels."""
        return _NAMES + _ROOM + _PLOT * (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[float]:
        first, last = math.ceil(self.low / self.step), math.floor(self.high / self.step)
        return [number * self.step for number in range(first, last + 1)]

    def label(self, tick: float) -> str:
        decimals = max(0, -math.floor(math.log10(self.step)))
        return f"{tick:+.{decimals}f}" if tick else "0"
