"""Regularised (aging) evolution: tournament selection in a queue whose oldest member leaves.

Paper: Real, Aggarwal, Huang & Le, *Regularized evolution for image classifier architecture search*, AAAI 2019,
Algorithm 1; AmoebaNet-A. The sample is drawn with replacement; the result is the best of the whole history, even if it
has left the queue. Where cells choose inputs and operations mutation is the paper's: with probability 0.05 nothing
changes (the child is charged all the same), else, equally likely, one input of a node becomes another earlier state
(hidden-state mutation) or one operation becomes another (operation mutation); cell, node and element are uniform.

A child that has come up before is trained again, from other first weights: aging lives on that noise. A table
draws one of its repeated trainings again; one without repeats gives the same answer again.

Schedule: the queue holds a fifth of the children that the budget buys, 14 at least and the paper's 100 at most; half of
it, and 25 at most, take part in a tournament. From 500 children on these are the paper's settings. Under ``nb201`` they
are the benchmark's, 10 and 3. Below 15 children this is random search; docs/methods/regularized_evolution.md says from
how many on it is better.

Deviations: an operation mutation always changes the operation. NASNet's ways to combine and PNAS' number of blocks
count as operations. In the other spaces one uniform choice always changes.
Expected: C10 error 3.34 +- 0.06 % after 20,000 models; in NAS-Bench-201 with population 10 and sample 3
93.92 +- 0.30 % test accuracy on CIFAR-10 within 12,000 s. Cost: one proxy training per child, identity included.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from harness import Genotype, InputError, Method, Space, Task

from .common.cell_mutation import changes, has_cells

POPULATION, SAMPLE = 100, 25
"""The paper's settings, for 20,000 children."""
FEWEST = 14
"""Members that make up a queue: with fewer, random search is better at any number of children tried."""


@dataclass(frozen=True)
class RegularizedEvolution(Method):
    """Aging evolution; works in every space.

    Args:
        population: P, members of the queue; 0: from the budget.
        sample: S, draws per tournament, with replacement; 0: from the population.
        identity: probability of a mutation that changes nothing, where cells choose inputs and operations.
    """

    name = "regularized_evolution"
    title = "Regularized evolution"
    space = "cell"
    families = ("evolutionary",)
    position = 40
    look = 3
    seen = ("tables/fashion_mnist",)
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "nb201": {"population": 10, "sample": 3},
    }

    population: int = 0
    sample: int = 0
    identity: float = 0.05

    def __post_init__(self) -> None:
        if self.population < 0 or self.sample < 0 or not 0 <= self.identity < 1:
            raise InputError("regularized_evolution needs population >= 0, sample >= 0 and identity in [0, 1)")

    def search(self, task: Task, first: Sequence[Genotype] = ()) -> None:
        """Fills the queue with random members, then breeds; appending to the full queue drops the oldest.

        Args:
            task: of the search.
            first: members that take every other slot of the first queue, from the first slot on; those beyond the
                task's limits are left out.
        """
        queue: deque[tuple[Genotype, float]] = deque()
        given = (genotype for genotype in first if not task.refusal(genotype))
        while not queue or len(queue) < self.members(task.children()):
            member = None if len(queue) % 2 else next(given, None)
            self._train(task, queue, member or task.sample())
        members, draws = len(queue), self.sample or min(SAMPLE, -(-len(queue) // 2))
        task.plan(population=members, sample=draws)
        while True:
            drawn = [queue[member] for member in task.rng.integers(members, size=draws)]
            parent, _ = max(drawn, key=lambda member: member[1])
            self._train(task, queue, task.draw(partial(self.mutate, task.space, parent, task.rng)))
            queue.popleft()

    def members(self, children: int) -> int:
        """P for a budget of so many children."""
        return self.population or min(POPULATION, max(FEWEST, children // 5))

    def _train(self, task: Task, queue: deque[tuple[Genotype, float]], child: Genotype) -> None:
        [evaluation] = task.evaluate([child], again=True)
        queue.append((child, evaluation.accuracy))

    def mutate(self, space: Space, parent: Genotype, rng: np.random.Generator) -> Genotype:
        """A mutated copy of ``parent``."""
        if not has_cells(space):
            return space.mutate(parent, rng)
        if rng.random() < self.identity:
            return parent
        return space.mutate(parent, rng, changes(state=rng.random() < 0.5))


METHOD = RegularizedEvolution
