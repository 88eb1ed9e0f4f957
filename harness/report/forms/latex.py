r"""Tables as LaTeX, to be read into a paper by ``\input``: booktabs tables with caption and label.

They need ``\usepackage{booktabs}``. A caption names profile and budget, so that a quick number cannot pass for another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby, pairwise

from harness.report.model.numbers import DASH
from harness.report.model.table import Column, Table, TableCell
from harness.report.model.values import Name

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "·": r"$\cdot$",
    "–": "--",
} | {character: f"\\{character}" for character in "&%$#_{}"}
_HEADER = "% Generated from the records. Needs \\usepackage{booktabs}.\n"


def escape(text: str) -> str:
    """``text`` on one line, with the characters that LaTeX would act upon made printable."""
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))


def tables_tex(tables: Iterable[Table]) -> str:
    """The tables, one environment each, without the columns that paper has no room for."""
    return _HEADER + "\n".join(_environment(table.compact()) for table in tables)


def _environment(table: Table) -> str:
    """A table environment; its label is the table's name, reduced to letters, digits and hyphens."""
    caption = escape(f"{table.title}. {table.reading}")
    label = re.sub("[^A-Za-z0-9]+", "-", table.name)
    align = "".join("l" if column.left else "r" for column in table.columns)
    lines = [r"\begin{table}", r"  \centering", f"  \\caption{{{caption}}}", f"  \\label{{tab:{label}}}"]
    lines += [f"  \\begin{{tabular}}{{{align}}}", r"    \toprule", *_spans(table.columns)]
    lines += [_row([escape(column.head) for column in table.columns]), r"    \midrule"]
    lines += [_row(list(map(_cell, row))) for row in table.rows]
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    below = [*table.remarks, *(f"{number}. {note}" for number, note in enumerate(table.notes, start=1))]
    lines += [f"  \\par\\smallskip{{\\footnotesize {escape(sentence)}}}" for sentence in below]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _spans(columns: Sequence[Column]) -> list[str]:
    """The groups of columns, and a rule below each."""
    parts = [(group, len(list(part))) for group, part in groupby(columns, key=lambda column: column.group)]
    if not any(group for group, _ in parts):
        return []
    heads = [
        f"\\multicolumn{{{width}}}{{c}}{{{escape(group)}}}" if group else " & ".join([""] * width)
        for group, width in parts
    ]
    ends = pairwise(accumulate((width for _, width in parts), initial=0))
    rules = [
        f"\\cmidrule(lr){{{start + 1}-{end}}}" for (group, _), (start, end) in zip(parts, ends, strict=True) if group
    ]
    return [_row(heads), "    " + " ".join(rules)]


def _row(cells: Sequence[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"


def _cell(cell: TableCell) -> str:
    if isinstance(cell.value, Name):
        small = f" {{\\footnotesize {escape(cell.value.small)}}}" if cell.value.small else ""
        return f"{escape(cell.value.words)}{small}"
    text = cell.text if cell.result else cell.value.brief or DASH
    return ", ".join(filter(None, [escape(text), *cell.below]))
