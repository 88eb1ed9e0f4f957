"""A journal that keeps every checkpoint, so that a search can be resumed from any."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from fakes import MemoryJournal

TIMES = {"times", "path_times", "pace"}
"""A process' first step counts in none of them."""


class Kept(NamedTuple):
    """A checkpoint, and how many calls and evaluations came before it."""

    state: dict[str, np.ndarray]
    calls: int
    evaluations: int


class Keeping(MemoryJournal):
    """Keeps every checkpoint.

    Attributes:
        calls: of a fake supernet or the like, whose list a test puts here.
        kept: the checkpoints in their order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []
        self.kept: list[Kept] = []

    def save(self, state: Any) -> None:
        super().save(state)
        assert self.state is not None
        self.kept.append(Kept(dict(self.state), len(self.calls), len(self.evaluations)))

    def cut(self, number: int) -> Keeping:
        """What a kill right after this checkpoint leaves."""
        left = Keeping()
        left.state = self.kept[number].state
        left.evaluations = self.evaluations[: self.kept[number].evaluations]
        return left

    def goes_on_as(self, whole: Keeping, number: int) -> None:
        """Its checkpoints are those of the other after this one."""
        for one, other in zip(self.kept, whole.kept[number + 1 :], strict=True):
            assert one.state.keys() == other.state.keys()
            for name in one.state.keys() - TIMES:
                np.testing.assert_array_equal(one.state[name], other.state[name], err_msg=name)
