"""What a process tells its parent of its items: lines of JSON through a pipe.

The process may be a search that puts anything there, or half a line, so nothing is unpickled and nothing waits for the
rest of a line.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any, get_args, get_type_hints

from harness.core.names import one_line
from harness.run.backends.base import Outcome, Position

_PAUSE = 0.25  # seconds between two tellings of a process
MOST_REASON = 1000  # characters of a reason
_STATUSES = get_args(get_type_hints(Outcome)["status"])


class Teller:
    """Tells through a pipe how far an item is, a few times a second.

    Args:
        pipe: to the parent.
        item: the item's number in its call.
    """

    def __init__(self, pipe: Connection, item: int) -> None:
        self._pipe, self._item, self._next = pipe, item, 0.0

    def __call__(self, share: float, words: str) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PAUSE
            _send(self._pipe, {"item": self._item, "share": share, "words": words})


def tell_outcome(pipe: Connection, item: int, outcome: Outcome) -> None:
    """Tells how an item ended."""
    _send(pipe, {"item": item, "outcome": asdict(outcome)})


def _send(pipe: Connection, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the parent is gone, and this process about to be
        os.write(pipe.fileno(), json.dumps(message).encode() + b"\n")


def understood(text: bytes, item: int) -> Outcome | Position | None:
    """What a process says of the item that it is at; None for anything else."""
    try:
        match json.loads(text):
            case {"item": number, "outcome": {"status": status, "reason": str(reason)}} if (
                number == item and status in _STATUSES
            ):
                return Outcome(status, one_line(reason, MOST_REASON))
            case {"item": number, "share": int(share) | float(share), "words": str(words)} if number == item:
                return Position(item, min(1.0, max(0.0, share)), one_line(words))
    except (ValueError, RecursionError):
        pass
    return None
