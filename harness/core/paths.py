"""Paths as people write them: accented letters in two spellings, commas inside, slashes at the end."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

from harness.core.errors import InputError


def spelled(name: str) -> str:
    """A name with its accented letters composed: an accented letter may be one character or two, as macOS writes it."""
    return unicodedata.normalize("NFC", name)


def existing(path: Path) -> Path:
    """``path`` as the file system spells it, where that differs in composed and decomposed letters only."""
    if os.path.lexists(path) or path.parent == path:
        return path
    parent = existing(path.parent)
    try:
        names = [name for name in os.listdir(parent) if spelled(name) == spelled(path.name)]
    except OSError:
        names = []
    return parent / (names[0] if len(names) == 1 else path.name)


def dataset_name(word: str) -> str:
    """The one name of a data set: of ``folder:X`` and ``folder:X/`` it is the same.

    Raises:
        InputError: nothing is behind the colon.
    """
    kind, colon, path = word.partition(":")
    if colon and not path:
        raise InputError(f"nothing is behind the colon of '{word}'; write {kind} alone, or {kind}:PATH if it takes one")
    return f"{kind}:{spelled(str(Path(path)))}" if colon and path else word


def dataset_names(text: str) -> list[str]:
    """The names in ``a,folder:B``; commas in the path of a folder or a table belong to it if such a path exists."""
    return [dataset_name(name) for name in _split(text, lambda word: word.partition(":")[2])]


def existing_paths(text: str) -> list[Path]:
    """The paths in ``a,B``; commas in a path belong to it if such a path exists."""
    return [existing(Path(word)) for word in _split(text, lambda word: word)]


def _split(text: str, path_in: Callable[[str], str]) -> list[str]:
    """The words between commas; several are one if that has a path in it which exists.

    Raises:
        InputError: a word is empty.
    """
    words = text.split(",")
    found: list[str] = []
    while words:
        taken = 1
        path = path_in(words[0].strip())
        for count in range(len(words), 1, -1) if path else ():
            if os.path.lexists(existing(Path(os.path.expanduser(",".join([path, *words[1:count]]))))):
                taken = count
                break
        word = ",".join(words[:taken]).strip()
        if not word and text.strip():
            raise InputError(f"there is nothing between two commas, or at an end, of '{text}'; leave that comma out")
        found += [word] if word else []
        words = words[taken:]
    return found
