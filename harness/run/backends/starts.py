"""What a call keeps when its node is lost and it is started again, and when that is given up."""

from __future__ import annotations

from dataclasses import dataclass

from filelock import BaseFileLock

from harness.run.backends.base import Position

IN_VAIN = 5
"""Times in a row that a call is lost without having come further than ever before, until its item counts as failed."""


@dataclass(eq=False)
class Starts:
    """The starts of a call so far.

    A loss after which it had come further begins the count anew: however many nodes a long search loses, it ends. A
    call that takes its node down with it does so at about the same place each time.

    Args:
        locks: of the items' directories on the head.
        furthest: the item, and the share of it, that the call had come to in any of its starts.
        in_vain: how often in a row it was lost and had come no further than in the starts before.
    """

    locks: list[BaseFileLock]
    furthest: tuple[int, float] = (0, 0.0)
    in_vain: int = 0

    def lost(self, position: Position) -> bool:
        """Notes that it was lost, and where; whether it is worth another start."""
        reached = position.item, position.share
        self.in_vain = self.in_vain + 1 if reached <= self.furthest else 0
        self.furthest = max(self.furthest, reached)
        return self.in_vain < IN_VAIN

    def release(self) -> None:
        """Lets go of the directories."""
        for held in self.locks:
            held.release()
