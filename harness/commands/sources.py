"""Files of experience that a command's methods begin with, ``transfer:source=FILE.csv``: looked at before any work."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import replace
from pathlib import Path

from harness.commands.experience import COLUMNS
from harness.core.errors import InputError
from harness.core.files import read_text
from harness.core.home import CHECKOUT
from harness.run.request import Request, absolute_path

_METHOD, _SETTING = "transfer", "source"
_MAKE = "make one with: python -m harness experience RUNS FILE.csv"


def with_sources(request: Request) -> Request:
    """The request with whole paths of such files: a search works in a directory of its own, where a relative one leads
    nowhere, and the name of a method tells its runs from others. ``~`` stays, which is the same anywhere.

    Raises:
        InputError: a file is none of experience, or no search may read it; or a method is named twice so.
    """
    methods = tuple(_with_whole_path(name) for name in request.methods)
    if len(set(methods)) < len(set(request.methods)):
        raise InputError(f"a method is named twice in '{', '.join(request.methods)}'")
    for name in methods:
        for _, path in _sources(name):
            _check(absolute_path(path), path, request.out)
    return replace(request, methods=methods, redo=tuple(_with_whole_path(name) for name in request.redo))


def _sources(name: str) -> list[tuple[int, str]]:
    """The place and the path of each such setting in the name of a method."""
    method, *settings = name.split(":")
    if method != _METHOD:
        return []
    parted = ((number, word.partition("=")) for number, word in enumerate(settings, start=1))
    return [(number, path) for number, (key, _, path) in parted if key == _SETTING and path]


def _with_whole_path(name: str) -> str:
    words = name.split(":")
    for number, path in _sources(name):
        if not path.startswith("~"):
            words[number] = f"{_SETTING}={absolute_path(path)}"
    return ":".join(words)


def _check(path: Path, named: str, out: Path) -> None:
    """Looks whether a file holds accuracies; which spaces they are of, the search will see.

    Raises:
        InputError: it does not, or no search may read it.
    """
    real = Path(os.path.realpath(path))
    for closed in (out, CHECKOUT):
        if closed is not None and real.is_relative_to(os.path.realpath(closed)):
            raise InputError(
                f"the experience {named} is in {closed}, which no search may read; move the file elsewhere"
            )
    try:
        with path.open(encoding="utf-8"):  # says of a directory, and of what is not there, what they are
            lines = csv.DictReader(io.StringIO(read_text(path), newline=""))
        if not lines.fieldnames:
            raise InputError(f"the experience {named} is empty; {_MAKE}")
        if absent := [name for name in COLUMNS if name not in lines.fieldnames]:
            raise InputError(f"the experience {named} has no column {absent[0]}; {_MAKE}")
        rows = 0
        for row in lines:
            rows += 1
            _check_accuracy(row["accuracy"], f"line {lines.line_num} of the experience {named}")
    except OSError as error:
        raise InputError(
            f"the experience {named} cannot be read ({error.strerror}); name another, or {_MAKE}"
        ) from error
    except (ValueError, csv.Error) as error:  # bytes that are no text, among others
        raise InputError(f"the experience {named} is no table of text ({error}); {_MAKE}") from error
    if not rows:
        raise InputError(f"the experience {named} has no rows; {_MAKE}")


def _check_accuracy(text: str | None, where: str) -> None:
    try:
        fits = 0 <= float(text or "") <= 1
    except ValueError:
        fits = False
    if not fits:
        raise InputError(f"{where} has the accuracy '{text or ''}'; it has to be a number from 0 to 1")
