"""What a valid row of a log is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harness.core.files import MOST_TEXT, readable
from harness.core.record import EvaluationRow, ProposalRow
from harness.stored.fields import MOST, said

LogRow = TypeVar("LogRow", EvaluationRow, ProposalRow)


def read_rows(log: Path, kind: type[LogRow]) -> list[LogRow]:
    """The rows of a log. A last line without its newline may be half a row: a killed process left it.

    Args:
        log: one that is not there has no rows.
        kind: of its rows.

    Raises:
        OSError, ValueError: it cannot be read, or holds something else; the message is a sentence.
    """
    try:
        lines = readable(log, MOST_TEXT).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    decode = msgspec.json.Decoder(kind).decode
    rows: list[LogRow] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = decode(line)
            _check_row(row)
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:  # the lowest msgspec's are no ValueErrors
            if number == len(lines):
                break
            raise ValueError(f"line {number} of {log.name} is no row of this log ({said(error)})") from error
        rows.append(row)
    return rows


def _check_row(row: EvaluationRow | ProposalRow) -> None:
    """Looks whether the numbers of a row are in their range.

    Raises:
        ValueError: one is not; the message is a sentence.
    """
    accuracy = row["accuracy"]
    if accuracy is not None and not 0 <= accuracy <= 1:
        raise ValueError("an accuracy is a number from 0 to 1")
    if any(abs(number) > MOST for number in _numbers(row)):
        raise ValueError("a number in it is out of range")


def _numbers(row: Mapping[str, Any]) -> Iterator[float]:
    for value in row.values():
        if isinstance(value, int | float):
            yield value
        elif isinstance(value, list):
            yield from value
