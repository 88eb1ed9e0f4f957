"""Documents as markdown: what a terminal and a repository show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.report.model.table import Fact, Facts, Heading, Part, Table, TableCell, Text
from harness.report.model.values import Name

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def markdown(parts: Iterable[Part]) -> str:
    """The parts of a document, an empty line between two of them."""
    return "\n\n".join(text for part in parts for text in _part(part)) + "\n"


def escape(text: str) -> str:
    """``text`` on one line, with the characters that markdown or HTML in it would act upon made harmless."""
    line = re.sub(r"([\\`*|<~])", r"\\\1", _line(text))
    # Emphasis by underscores, links, and character references.
    return re.sub(r"(?<!\w)_|_(?!\w)|\](?=\()|&(?=#?\w+;)", lambda match: f"\\{match[0]}", line)


def _part(part: Part) -> list[str]:
    match part:
        case Heading(level, text):
            return [f"{'#' * level} {escape(text)}"]
        case Text(text):
            return [escape(text)]
        case Facts(facts):
            return ["\n".join(map(_fact, facts))]
        case Table():
            notes = "\n".join(f"{number}. {escape(note)}" for number, note in enumerate(part.notes, start=1))
            return [_table(part), *map(escape, part.remarks), *([notes] if notes else [])]


def _fact(fact: Fact) -> str:
    values = (f"{_code(text) if fact.code else escape(text)}{remark}" for text, remark in fact.values)
    return f"- {escape(fact.name)}: {'; '.join(values)}"


def _code(text: str) -> str:
    """A code span; a backtick would end it."""
    return f"`{_line(text).replace('`', ' ')}`"


def _line(text: str) -> str:
    """A text on one line, without characters that a terminal would act upon."""
    return " ".join((text if text.isprintable() else _CONTROL.sub(" ", text)).split())


def _table(table: Table) -> str:
    head = [_head(words, column.small) for words, column in zip(table.heads(), table.columns, strict=True)]
    rule = [":---" if column.left else "---:" for column in table.columns]
    lines: list[Sequence[str]] = [head, rule, *([_cell(cell) for cell in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _head(words: str, small: str) -> str:
    return f"{escape(words)}<br><sub>{escape(small)}</sub>" if small else escape(words)


def _cell(cell: TableCell) -> str:
    if isinstance(cell.value, Name):
        small = f" <sub>{escape(cell.value.small)}</sub>" if cell.value.small else ""
        return f"{escape(cell.value.words)}{small}"
    lines = [escape(cell.text), *cell.below, *(f"<sub>{escape(aside)}</sub>" for aside in cell.asides)]
    return "<br>".join(filter(None, lines))
