"""What commands print: JSON for programs, columns for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def print_json(value: Any) -> None:
    """A value as JSON."""
    print(json.dumps(value, indent=1))


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Columns as wide as needed; the last one takes the rest of the line, and more lines if it has to."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    names = list(rows[0]) if rows else []
    cells = [[_cell(row[name]) for name in names] for row in rows]
    table = Table(*names[:-1], box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column, *words in zip(table.columns, *cells, strict=False):
        column.no_wrap, column.min_width = True, max(map(len, [str(column.header), *words]))
    for name in names[-1:]:
        table.add_column(name, overflow="fold")
    for line in cells:
        table.add_row(*map(escape, line))
    needed = sum((column.min_width or 0) + 2 for column in table.columns)
    Console(highlight=False, width=max(Console().width, needed + 40)).print(table)


def _cell(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return ""
        case list():
            return ",".join(str(part) for part in value)
        case _:
            return str(value)
