"""Successive halving's ladder: the shares of a training at which architectures are compared, and what each has told."""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import heappop, heappush

from harness.core.evaluation import Evaluation
from harness.core.space import Genotype
from harness.core.task import Task


def ladder(task: Task, eta: int, smallest: float) -> list[float]:
    """Shares of a training, ascending: ``smallest``, ``eta`` times that and so on, the last one 1.

    Fewer where the trainings cannot be stopped so early, and where the budget would not bring an architecture to the
    top: that costs about one complete training per rung. A budget in seconds says nothing before the first training.

    Args:
        task: says where its trainings can be stopped, and how many its budget buys.
        eta: how much longer a rung trains than the one below it.
        smallest: the lowest rung's share.
    """
    shares, share = {1.0}, 1.0
    unknown = task.meter.budget.unit == "s" and not task.evaluations
    while (unknown or len(shares) < task.children() // 2) and share / eta >= smallest * 0.999:
        share /= eta
        shares.add(task.stop(share))
    return sorted(shares)


class Rung:
    """The architectures that were trained up to one share, with their accuracies, and those that went further."""

    def __init__(self) -> None:
        self.accuracies: dict[Genotype, float] = {}
        self._order: list[tuple[float, int]] = []
        self._left: list[tuple[float, int, Genotype]] = []

    def tell(self, genotype: Genotype, evaluation: Evaluation) -> None:
        """Takes a result; that of an architecture which is here already, or was refused, changes nothing."""
        if genotype in self.accuracies or evaluation.refused:
            return
        place = -evaluation.accuracy, len(self.accuracies)
        self.accuracies[genotype] = evaluation.accuracy
        insort(self._order, place)
        if not evaluation.failure:
            heappush(self._left, (*place, genotype))

    def promotable(self, eta: int) -> Genotype | None:
        """The best one of the top ``1 / eta`` that has not gone further yet, if there is one; it counts as promoted.

        Of two equal ones the earlier is the better; a failed training goes no further.
        """
        if not self._left or bisect_left(self._order, self._left[0][:2]) >= len(self._order) // eta:
            return None
        return heappop(self._left)[2]
