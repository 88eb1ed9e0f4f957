r"""The tables as LaTeX, to be read into a paper by ``\input``: booktabs tables with caption and label.

They need ``\usepackage{booktabs}``. A caption names profile and budget, so that a quick number cannot pass for another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import TypeVar

from harness.core.record import Run
from harness.report.forms.text import signed
from harness.report.model.cells import Cell, cell, measures
from harness.report.model.groups import Block, blocks
from harness.report.model.published import table_b

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "–": "--",
} | {character: f"\\{character}" for character in "&%$#_{}"}
_HEADER = "% Generated from the records. Needs \\usepackage{booktabs}.\n"
_DASH = "--"
_MILLION = 1e6

T = TypeVar("T")


def escape(text: str) -> str:
    """``text`` on one line, with the characters that LaTeX would act upon made printable."""
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))


def performance_tex(runs: Sequence[Run]) -> str:
    """Accuracy per method and data set, RI and published values beside it; one table per profile, budget and space."""
    return _HEADER + "\n".join(_performance(block) for block in blocks(runs))


def cost_tex(runs: Sequence[Run]) -> str:
    """Cost per method, published values beside it; one table per profile, budget, space and data set."""
    return _HEADER + "\n".join(_cost(block, dataset) for block in blocks(runs) for dataset in block.datasets)


def _performance(block: Block) -> str:
    columns = [["Method", *(escape(block.heading(place)) for place in block.columns)]]
    columns.append(["Space", *(escape(place.space) for place in block.columns)])
    spans: list[tuple[str, int]] = []
    caption = (
        f"Test accuracy in \\%, {escape(block.title)}: mean $\\pm$ sample standard deviation (number of seeds); no "
        "$\\pm$ below three. RI: relative improvement over random sampling in \\%."
    )
    sources: set[str] = set()
    for dataset in block.datasets:
        found = [cell(block, dataset, place) for place in block.columns]
        sources |= {one.published.source for one in found if one.published}
        group = [["Accuracy", *map(_accuracy, found)]]
        if any(one.improvement is not None for one in found):
            group.append(["RI", *(_optional(one.improvement, signed) for one in found)])
        if any(one.published for one in found):
            group.append(["Published", *(_optional(one.published, lambda value: escape(str(value))) for one in found)])
        spans.append((escape(dataset), len(group)))
        columns += group
    caption += "".join(f" {escape(words)}" for words in measures(block, *block.datasets))
    caption += "".join(f" Published, not measured here: {escape(source)}." for source in sorted(sources))
    rows = [list(row) for row in zip(*columns, strict=True)]
    return _table(caption, f"performance {block.title}", rows, left=2, spans=spans)


def _cost(block: Block, dataset: str) -> str:
    found = [cell(block, dataset, place) for place in block.columns]
    header = ["Method", "Search (s)", "Training (s)", "Evaluations", "Steps", "Parameters (M)", "MACs (M)", "Error"]
    rows = [header, *(_cost_row(one) for one in found)]
    caption = f"Cost on {escape(dataset)}, {escape(block.title)}; test error in \\%, means over the seeds."
    caption += "".join(f" {escape(words)}" for words in measures(block, dataset))
    if any(one.published_cost for one in found):
        header += ["days", "par. (M)", "error"]
        for row, one in zip(rows[1:], found, strict=True):
            row += map(escape, one.published_cost.texts()[1:] if one.published_cost else (_DASH,) * 3)
        caption += f" On the right, published: {escape(table_b().source)}, not measured here."
    return _table(caption, f"cost {dataset} {block.title}", rows, left=1)


def _cost_row(found: Cell) -> list[str]:
    return [
        escape(found.block.heading(found.place)),
        _optional(found.cost("search_seconds"), "{:.1f}".format),
        _optional(found.cost("final_seconds"), "{:.1f}".format),
        _optional(found.cost("evaluations"), "{:.0f}".format),
        _optional(found.cost("steps"), "{:.0f}".format),
        _optional(found.cost("parameters"), lambda value: f"{value / _MILLION:.3f}"),
        _optional(found.cost("macs"), lambda value: f"{value / _MILLION:.2f}"),
        _accuracy(found, error=True),
    ]


def _accuracy(found: Cell, *, error: bool = False) -> str:
    """Mean, deviation and number of seeds; the runs without a result are counted behind."""
    parts = []
    if found.mean is not None:
        value = 100 - found.mean if error else found.mean
        spread = "" if found.deviation is None else f" $\\pm$ {found.deviation:.2f}"
        parts.append(f"{value:.2f}{spread} ({len(found.accuracies)})")
    parts += [f"{count} {status}" for status in ("failed", "unsupported") if (count := found.count(status))]
    return ", ".join(parts) or "not run"


def _optional(value: T | None, text: Callable[[T], str]) -> str:
    return _DASH if value is None else text(value)


def _table(
    caption: str, label: str, rows: Sequence[Sequence[str]], left: int, spans: Sequence[tuple[str, int]] = ()
) -> str:
    """A table environment.

    Args:
        caption, label: the label may hold anything; it is reduced to letters, digits and hyphens.
        rows: the header first.
        left: how many columns are aligned left.
        spans: headings over the columns behind the left ones, with the number of columns that each spans.
    """
    lines = [r"\begin{table}", r"  \centering", f"  \\caption{{{caption}}}"]
    lines.append(f"  \\label{{tab:{re.sub('[^A-Za-z0-9]+', '-', label)}}}")
    lines += [f"  \\begin{{tabular}}{{{'l' * left}{'r' * (len(rows[0]) - left)}}}", r"    \toprule"]
    if spans:
        heads = [f"\\multicolumn{{{width}}}{{c}}{{{text}}}" for text, width in spans]
        lines.append("    " + " & ".join([*[""] * left, *heads]) + r" \\")
        ends = list(accumulate((width for _, width in spans), initial=left))
        lines.append("    " + " ".join(f"\\cmidrule(lr){{{start + 1}-{end}}}" for start, end in pairwise(ends)))
    head, *body = ["    " + " & ".join(row) + r" \\" for row in rows]
    lines += [head, r"    \midrule", *body, r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"
