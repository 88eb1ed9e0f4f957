"""NES-RE, neural ensemble search by regularised evolution: a pool that is bred for its ensemble.

Paper: Zaidi, Zela, Elsken, Holmes, Hutter & Teh, *Neural ensemble search for uncertainty estimation and dataset shift*,
NeurIPS 2021. A queue of random networks; forward selection on the validation images picks an ensemble from it, one of
these members, uniformly, is the parent, its mutation is trained and joins the queue, whose oldest member leaves. So
parents are networks that make a good ensemble together. In the end forward selection picks from the whole history.

A mutation takes one cell, uniformly, and, equally likely, changes nothing (another training of the same network),
changes one input or changes one operation; NASNet's ways to combine and PNAS' number of blocks count as operations. In
spaces that choose no inputs or no operations, nothing (one time in three) or one choice, uniformly, changes.

Schedule: the queue holds an eighth of the children that the budget buys, the paper's 50 of 400, and 4 at least; a fifth
of it, 2 at least and the paper's 10 at most, are candidates for a parent.

Deviations: as of ``nes_rs``: the pool is of proxy trainings, the members are trained again; five members; no shifted
images. Expected: in the paper slightly ahead of NES-RS. Cost: one proxy training per child; the selection averages
stored predictions. The final training takes as many trainings as there are members.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from harness import Genotype, Method, Space, Task, needs_predictions
from harness.core.errors import InputError

from .common.cell_mutation import cells, changes, has_cells
from .common.ensembles import Pool, check_settings

POPULATION, PARENTS, PER_MEMBER = 50, 10, 8
"""The paper's population and candidates; children per member of the population, 400 of 50."""
FEWEST = 4
"""Members that make up a queue."""


@dataclass(frozen=True)
class NesRe(Method):
    """Aging evolution whose parents are members of an ensemble; works in every space, on images.

    Args:
        members: M, networks of the ensemble.
        population: P, members of the queue; 0: from the budget.
        parents: m, candidates for a parent; 0: from the population.
    """

    name = "nes_re"
    title = "NES-RE"
    space = "cell"
    families = ("ensemble", "evolutionary")
    follows_signal = False
    position = 47
    look = 34
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {"smoke": {"members": 2}}

    members: int = 5
    population: int = 0
    parents: int = 0

    def __post_init__(self) -> None:
        check_settings("nes_re", self.members)
        if self.population < 0 or self.parents < 0:
            raise InputError("nes_re needs population >= 0 and parents >= 0")

    def unsupported(self, task: Task) -> str | None:
        """A table has no predictions to average."""
        return needs_predictions(task)

    def search(self, task: Task) -> None:
        """Fills the queue with random networks, then breeds; the ensemble is proposed anew after each training."""
        pool, queue = Pool(task, self.members), deque[int]()
        while not queue or len(queue) < self.size(task.children()):
            self._train(pool, queue, task.sample())
        size = len(queue)
        candidates = self.parents or min(PARENTS, max(2, size // 5))
        task.plan(population=size, parents=candidates)
        while True:
            able = pool.select(list(queue), candidates)
            parent = pool.genotypes[able[int(task.rng.integers(len(able)))]]
            self._train(pool, queue, task.draw(partial(mutated, task.space, parent, task.rng)))
            if len(queue) > size:
                queue.popleft()

    def size(self, children: int) -> int:
        """P for a budget of so many children."""
        return self.population or min(POPULATION, max(FEWEST, children // PER_MEMBER))

    def _train(self, pool: Pool, queue: deque[int], genotype: Genotype) -> None:
        number = pool.train(genotype)
        if number is not None:
            queue.append(number)


def mutated(space: Space, parent: Genotype, rng: np.random.Generator) -> Genotype:
    """The paper's mutation: of one cell nothing, an operation or an input, equally likely."""
    kind = int(rng.integers(3))
    if kind == 0:
        return parent
    if not has_cells(space):
        return space.mutate(parent, rng)
    state = kind == 2
    among, allowed = cells(space, state), changes(state)
    cell = among[int(rng.integers(len(among)))]
    return space.mutate(parent, rng, lambda choice: choice.cell in (cell, "") and allowed(choice))


METHOD = NesRe
