"""Paths as people write them: accented letters in two spellings, commas inside, slashes at the end."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path


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
    """The one name of a data set: of ``folder:X`` and ``folder:X/`` it is the same."""
    kind, colon, path = word.partition(":")
    return f"{kind}:{spelled(str(Path(path)))}" if colon and path else word


def dataset_names(text: str) -> list[str]:
    """The names in ``a,folder:B``; commas in the path of a folder or a table belong to it if such a path exists."""
    words = text.split(",")
    names: list[str] = []
    while words:
        taken = 1
        _, colon, path = words[0].strip().partition(":")
        for count in range(len(words), 1, -1) if colon else ():
            if os.path.lexists(existing(Path(",".join([path, *words[1:count]])).expanduser().absolute())):
                taken = count
                break
        name = ",".join(words[:taken]).strip()
        names += [dataset_name(name)] if name else []
        words = words[taken:]
    return names
