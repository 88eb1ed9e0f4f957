"""Which files a process may read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

Strings = tuple[str, ...]


class Ground:
    """Which files may be read: of the directories around a file, the innermost that is closed or opened decides.

    What is in ``paths`` is hidden in any case, and there may be thousands of them.
    """

    def __init__(self, paths: Strings, closed: Strings, opened: Strings) -> None:
        self._states = dict.fromkeys(closed, False) | dict.fromkeys(opened, True)
        inside = [path for path in self._states if inside_any(path, paths)]
        self._states |= dict.fromkeys((*inside, *paths), False)
        self._below: dict[str, set[bool]] = {}
        for path, state in self._states.items():
            while (above := os.path.dirname(path)) != path:
                self._below.setdefault(above, set()).add(state)
                path = above

    def hidden(self, path: str, parent: Callable[[str], str] = os.path.dirname) -> bool:
        """Whether a path, without links in it, may not be read."""
        while path not in self._states:
            above = parent(path)
            if above == path:
                return False
            path = above
        return not self._states[path]

    def readable(self, top: str = "/", open_above: bool = True) -> Iterator[str]:
        """The largest files and directories that may be read with all that is in them; links are skipped."""
        is_open = self._states.get(top, open_above)
        if self._below.get(top, set()) <= {is_open}:
            if is_open:
                yield top
            return
        try:
            entries = [entry.path for entry in os.scandir(top) if not entry.is_symlink()]
        except OSError:
            return
        for entry in entries:
            yield from self.readable(entry, is_open)


def inside(name: str, roots: Strings, separator: str) -> bool:
    return any(name == root or name.startswith(root + separator) for root in roots)


def inside_any(path: str, roots: Strings) -> bool:
    return inside(path, roots, os.sep)
