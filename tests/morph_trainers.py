"""A trainer of morphed networks that looks accuracies up, for the searches of EAS and AutoKeras' morphism."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.methods.common.morph_moves import Move, applied

from harness.core.journal import State
from harness.core.task import Task
from harness.spaces.morphism import Chain, MorphSpace


class LookUp:
    """Checks that moves lead where they should, from where there are weights.

    Args:
        task: gives the accuracies.
        dead: numbers of networks without weights.

    Attributes:
        asked: what was to be trained, also where the budget did not suffice.
        found: what was trained, with accuracies.
        starts: the networks that others began with.
    """

    def __init__(self, task: Task, dead: Sequence[int] = ()) -> None:
        self._task, self._dead = task, dead
        self.asked, self.found, self.starts = list[Chain](), list[tuple[Chain, float]](), list[int]()

    def known(self) -> Sequence[tuple[Chain, float]]:
        return self.found

    def start(self, chain: Chain) -> float:
        assert isinstance(self._task.space, MorphSpace)
        self.asked.append(chain)
        [evaluation] = self._task.evaluate([self._task.space.write(chain)])
        self.found.append((chain, evaluation.accuracy))
        return evaluation.accuracy

    def descend(self, ancestor: int, moves: Sequence[Move], chain: Chain) -> float:
        assert ancestor in self.ancestors()
        assert moves
        reached = self.found[ancestor][0]
        for move in moves:
            reached = applied(move, reached)
        assert reached == chain
        self.starts.append(ancestor)
        return self.start(chain)

    def ancestors(self) -> Sequence[int]:
        return [number for number in range(len(self.found)) if number not in self._dead]

    def hold(self, number: int) -> None:
        """All weights are kept."""

    def save(self, extra: Callable[[], State] = dict) -> None:
        """Nothing is interrupted here."""
