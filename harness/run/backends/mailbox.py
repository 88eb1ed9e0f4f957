"""What a process asks of other machines: files in its directory, which its back end collects and answers.

The process may be a search behind its fence, without a connection to any cluster: it writes what it asks into its own
directory, and finds the answers there. Names are numbers, contents are the process's own affair.
"""

from __future__ import annotations

import contextvars
import itertools
import shutil
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from harness.core.files import replacing

ASKED, ANSWERED = "asked", "answered"
"""Directories in that of the process."""
ANSWER, REASON, DECLINED = range(3)
"""Kinds of letters: what was asked for, why there is no answer, that nobody has begun with it."""
REST = 600.0
"""Seconds that a place rests at which a question has waited in vain: ten times as long as it has waited."""
_HEAD = struct.Struct("<Bdq")


@dataclass(frozen=True)
class Letter:
    """An answer.

    Args:
        kind: one of the above.
        content: the answer, or the reason as text.
        lost: seconds that machines were at it which are gone.
        losses: how many these were.
    """

    kind: int
    content: bytes = b""
    lost: float = 0.0
    losses: int = 0

    def packed(self) -> bytes:
        """For a file."""
        return _HEAD.pack(self.kind, self.lost, self.losses) + self.content

    @staticmethod
    def unpacked(packed: bytes) -> Letter:
        """What :meth:`packed` has packed."""
        kind, lost, losses = _HEAD.unpack_from(packed)
        return Letter(kind, packed[_HEAD.size :], lost, losses)


class Mailbox:
    """The process's side.

    Args:
        directory: of the process.
        places: how much may be asked at the same time.
    """

    def __init__(self, directory: Path, places: int) -> None:
        self.places, self._resting = places, list[float]()
        self._asked, self._answered = directory / ASKED, directory / ANSWERED
        self._numbers = itertools.count()
        for place in (self._asked, self._answered):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()

    @property
    def open(self) -> int:
        """Places that do not rest."""
        now = time.monotonic()
        self._resting = [end for end in self._resting if end > now]
        return self.places - len(self._resting)

    def rest(self) -> None:
        """Nobody has begun with a question: that may be so for the next one, too, and its place rests."""
        self._resting.append(time.monotonic() + REST)

    def ask(self, content: bytes) -> str:
        """Asks; the question's name."""
        name = str(next(self._numbers))
        with replacing(self._asked / name, durable=False) as new:
            new.write_bytes(content)
        return name

    def answer(self, name: str) -> Letter | None:
        """The answer, once it is there."""
        path = self._answered / name
        if not path.exists():
            return None
        letter = Letter.unpacked(path.read_bytes())
        path.unlink()
        self.take_back(name)
        return letter

    def take_back(self, name: str) -> None:
        """Nobody needs to work at a question any more; an answer that comes all the same stays unread."""
        (self._asked / name).unlink(missing_ok=True)


_PRESENT: contextvars.ContextVar[Mailbox | None] = contextvars.ContextVar("mailbox", default=None)


def open_mailbox(directory: Path, places: int) -> None:
    """Gives this process a mailbox."""
    _PRESENT.set(Mailbox(directory, places))


def mailbox() -> Mailbox | None:
    """That of this process, if other machines help it."""
    return _PRESENT.get()
