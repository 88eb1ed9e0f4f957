"""A journal that is killed."""

from __future__ import annotations

from typing import Any

from fakes import MemoryJournal


class Stopped(Exception):
    """Stands for a kill."""


class Mortal(MemoryJournal):
    """Dies at one of its writes."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.left = writes

    def save(self, state: Any) -> None:
        super().save(state)
        self.left -= 1
        if self.left == 0:
            raise Stopped
