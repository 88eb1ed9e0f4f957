"""CSV files as spreadsheets write them: byte order marks, semicolons or tabs, decimal commas, empty columns at the end.

Nothing is guessed that could be meant otherwise: a file whose numbers have points and commas is refused, and every
refusal names the line.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import InputError
from harness.core.names import one_line

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_POINT, _COMMA = re.compile(r"[+-]?\d*\.\d*(e[+-]?\d+)?", re.I), re.compile(r"[+-]?\d*,\d*(e[+-]?\d+)?", re.I)


@dataclass(frozen=True)
class Row:
    """One row: the line of the file that it ends on, and its cells by column."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Sheet:
    """The rows of a file.

    Args:
        path: for messages.
        columns: names in the first line.
        rows: all others, without empty ones.
        delimiter: what separates the cells.
    """

    path: Path
    columns: tuple[str, ...]
    rows: Sequence[Row]
    delimiter: str

    def words(self, name: str) -> list[str]:
        """The cells of a column.

        Raises:
            InputError: there is no such column, or a cell of it is empty.
        """
        if name not in self.columns:
            raise InputError(f"{self.path} has no column '{name}'; it has {', '.join(self.columns)}")
        for row in self.rows:
            if not row.cells[name]:
                raise InputError(f"{self.path}, line {row.line}: an empty cell in column '{name}'")
        return [row.cells[name] for row in self.rows]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """The cells of a column as finite numbers, with decimal points or, in a file without commas, decimal commas.

        Raises:
            InputError: a cell is no number, or some have points and some commas.
        """
        words = self.words(name)
        commas = [row.line for row, word in zip(self.rows, words, strict=True) if _COMMA.fullmatch(word)]
        points = [row.line for row, word in zip(self.rows, words, strict=True) if _POINT.fullmatch(word)]
        if commas and points:
            raise InputError(
                f"{self.path}: column '{name}' has decimal commas (line {commas[0]}) and decimal points (line "
                f"{points[0]}); write all of its numbers in one way"
            )
        values = []
        for row, word in zip(self.rows, words, strict=True):
            try:
                value = float(word.replace(",", ".") if commas else word)
            except ValueError:
                value = float("nan")
            if not np.isfinite(value) or not word.isascii() or "_" in word:
                raise InputError(
                    f"{self.path}, line {row.line}: '{one_line(word, 40)}' in column '{name}' is no number"
                )
            values.append(value)
        return np.array(values)


def read_sheet(path: Path, needed: Sequence[str]) -> Sheet:
    """Reads a CSV file; the cells are separated by whatever makes the needed columns appear in the first line.

    Args:
        path: the file.
        needed: columns that it has to have.

    Raises:
        InputError: unreadable, empty, a column missing or there twice, or a row with too many cells.
    """
    text = _text(path)
    if not text.strip():
        raise InputError(f"{path} has no rows")
    headers = {delimiter: _header(path, text, delimiter) for delimiter in _DELIMITERS}
    fitting = [delimiter for delimiter, header in headers.items() if set(needed) <= set(header)]
    widest = max(headers, key=lambda delimiter: len(headers[delimiter]))
    delimiter = fitting[0] if fitting else widest
    columns = headers[delimiter]
    if odd := next((name for name in columns if not name.isprintable()), None):
        raise InputError(f"{path}: the name of the column {one_line(repr(odd), 40)} cannot be printed in a line")
    if absent := [name for name in needed if name not in columns]:
        raise InputError(
            f"{path} has no column '{absent[0]}'; separated by {_DELIMITERS[delimiter]}, its first line has "
            f"{', '.join(name for name in columns if name) or 'none'}"
        )
    if twice := next((name for name in columns if name and columns.count(name) > 1), None):
        raise InputError(f"{path} has two columns '{twice}'; rename one of them")
    rows = _rows(path, text, delimiter, columns)
    if not rows:
        raise InputError(f"{path} has no rows")
    return Sheet(path, tuple(name for name in columns if name), rows, delimiter)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if utf16 else "utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} is no readable CSV file ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no readable CSV file ({error}); save it as 'CSV UTF-8'") from error


def _header(path: Path, text: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])]
    except csv.Error as error:
        raise InputError(f"{path} is no readable CSV file ({error})") from error


def _rows(path: Path, text: str, delimiter: str, columns: Sequence[str]) -> list[Row]:
    rows = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        next(reader, None)
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue  # a spreadsheet writes the empty rows of its used range, too
            named = dict(zip(columns, cells, strict=False))
            named = {name: named.get(name, "") for name in columns}
            if odd := next((cell for cell in cells if not cell.isprintable()), None):
                raise InputError(
                    f"{path}, line {reader.line_num}: {one_line(repr(odd), 40)} cannot be printed in a line"
                )
            if any(cells[len(columns) :]) or named.get(""):
                raise InputError(f"{path}, line {reader.line_num}: more cells than the first line has columns")
            rows.append(Row(reader.line_num, named))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: no readable CSV ({error})") from error
    return rows
