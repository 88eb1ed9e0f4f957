"""Names: the check of a name with a hint at similar ones, and the directory of a name."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable
from urllib.parse import quote

from harness.core.errors import InputError

_LONGEST = 150


def one_of(kind: str, name: str, known: Iterable[str]) -> str:
    """``name`` if it is known.

    Raises:
        InputError: it is not; the sentence lists similar names, or all.
    """
    names = list(known)
    if name in names:
        return name
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names) or 'none'}"
    raise InputError(f"there is no {kind} '{name}'; {hint}")


def directory_name(name: str) -> str:
    """A name as one path component: percent-quoted; a very long one is cut and ends with a hash."""
    quoted = quote(name, safe="@+=,") or "%"
    if quoted in (".", ".."):
        quoted = quoted.replace(".", "%2E")
    if len(quoted) <= _LONGEST:
        return quoted
    return f"{quoted[:_LONGEST]}%{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def printable(text: str) -> str:
    """A text without halves of characters, which no file takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def sentence(error: BaseException) -> str:
    """An exception in one line of at most 300 characters: its type and its message."""
    text = one_line(str(error))
    return one_line(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def one_line(text: str, most: int = 300) -> str:
    """A text in one line of at most so many characters, of which a terminal and a file take each."""
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in printable(text)).split())
    return line if len(line) <= most else f"{line[: most - 3]}..."
