"""Local search: hill climbing over architectures that differ in one choice, from random starts.

Paper: White, Nolen & Savani, *Exploring the loss landscape in neural architecture search*, UAI 2021, Algorithm 1:
evaluate all neighbours of an architecture, move to the best one, and stop if none is better.

Deviations: at a local optimum it starts again at a random architecture, because only the budget ends the search. A
start is charged even if it was evaluated before; a neighbour that was evaluated before is not evaluated again. With
``whole_neighbourhood=False`` it moves to the first better neighbour, which the authors also describe; this suits
budgets smaller than one neighbourhood (an architecture of the cell space has more than a hundred neighbours).
Expected: 94.02 +- 0.41 % test accuracy on CIFAR-10 in NAS-Bench-201 within 12,000 s, and 94.16 +- 0.27 if it moves at
the first improvement (500 seeds, measured).
Cost: one proxy training per new neighbour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness import Genotype, Method, Task


@dataclass(frozen=True)
class LocalSearch(Method):
    """Hill climbing with restarts; works in every space.

    Args:
        whole_neighbourhood: look at all neighbours and take the best (the paper's algorithm), or take the first one
            that is better.
    """

    name = "local_search"
    title = "Local search"
    space = "cell"
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"whole_neighbourhood": False},
        "quick": {"whole_neighbourhood": False},
        "hour": {"whole_neighbourhood": False},
    }

    whole_neighbourhood: bool = True

    def search(self, task: Task) -> None:
        """Climbs from random starts, one after the other."""
        known: dict[Genotype, float] = {}
        while True:
            here = task.space.sample(task.rng)
            [start] = task.evaluate([here])
            known[here] = start.accuracy
            while (better := self._climb(task, here, known)) is not None:
                here = better

    def _climb(self, task: Task, here: Genotype, known: dict[Genotype, float]) -> Genotype | None:
        """The neighbour to move to, or None at a local optimum; neighbours are visited in random order."""
        neighbours = list(task.space.neighbours(here))
        best = here
        for index in task.rng.permutation(len(neighbours)):
            neighbour = neighbours[index]
            if neighbour not in known:
                [evaluation] = task.evaluate([neighbour])
                known[neighbour] = evaluation.accuracy
            if known[neighbour] > known[best]:
                best = neighbour
                if not self.whole_neighbourhood:
                    break
        return None if best is here else best


METHOD = LocalSearch
