"""Markdown tables and numbers as text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

NOT_RECORDED = "not recorded"


def escape(text: str) -> str:
    """``text`` on one line, with the characters that markdown or a table cell would swallow made harmless."""
    return re.sub(r"([\\`*|<~])", r"\\\1", " ".join(text.split()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A markdown table; the first ``left`` columns are aligned left, the others right. Cells are taken as they are."""
    rule = [":---" if place < left else "---:" for place in range(len(header))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))


def to_html(markdown: str) -> str:
    """The report's own markdown as HTML: headings one level down, every table in a box that may scroll."""
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    for level in (4, 3, 2):
        made = made.replace(f"<h{level}>", f"<h{level + 1}>").replace(f"</h{level}>", f"</h{level + 1}>")
    return made.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean, summed exactly, so that it does not depend on the order."""
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    """Sample standard deviation (divided by n - 1) of at least two values."""
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def mean_text(values: Sequence[float]) -> str:
    """``mean ± standard deviation (n)`` with two decimals; no ± below three values, n always."""
    spread = f" ± {deviation(values):.2f}" if len(values) >= 3 else ""
    return f"{mean(values):.2f}{spread} ({len(values)})"


def signed(value: float) -> str:
    """Two decimals with a sign, and no sign on nothing."""
    text = f"{value:+.2f}"
    return "0.00" if float(text) == 0 else text


def numbers(values: Iterable[int]) -> str:
    """Sorted and without repeats, runs of three and more joined: ``0-3, 7``."""
    parts: list[list[int]] = []
    for value in sorted(set(values)):
        if parts and value == parts[-1][-1] + 1:
            parts[-1].append(value)
        else:
            parts.append([value])
    return ", ".join(f"{p[0]}-{p[-1]}" if len(p) > 2 else ", ".join(map(str, p)) for p in parts)
