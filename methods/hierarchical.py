"""Hierarchical evolution: tournaments in a population that never forgets, on graphs of motifs.

Paper: Liu, Simonyan, Vinyals, Fernando & Kavukcuoglu, *Hierarchical representations for efficient architecture search*,
ICLR 2018. Every architecture of the first population starts as chains of identities and takes 1,000 random mutations.
Then a tournament draws 5 % of the population, its winner is copied and mutated, the child is trained and added; nobody
dies. A mutation draws a level, one of its motifs, a node and an earlier node, and replaces what is on that edge by a
random operation of the level below, ``none`` included: it adds, changes or removes at most one edge, or nothing.
``control=random`` is the paper's control: no tournaments, the first population goes on for ever.

Deviations: the first population is a quarter of what the budget affords, at most the paper's 200 (of 7,200), and a
tournament has five members at least, because 5 % of a small population is one member and no selection; one worker
instead of 200; one training per child instead of the mean of four. In other spaces there is one level, a mutation
draws a choice and an option uniformly, and the first population is drawn from the space.
Expected: C10 error 3.75 +- 0.12 % (3.63 % at 61.3M weights) after 7,000 children; random control 3.91 %, 200 of them.
Cost: one proxy training per child, unchanged ones included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any, ClassVar

import numpy as np

from harness import InputError, Method, Space, Task, needs_choices
from harness.core.names import one_of
from harness.spaces.hierarchical import HierarchicalSpace

CONTROLS = ("none", "random")
FEWEST = 4
"""Smallest first population that follows the budget."""
MOST = 200
"""The paper's first population."""


@dataclass(frozen=True)
class HierarchicalEvolution(Method):
    """Evolution without death, and its random control; works in every space with genotypes.

    Args:
        control: ``none`` for evolution, ``random`` for the first population's distribution alone.
        population: the first one; 0 for a quarter of what the budget affords, 4 to 200.
        tournament: share of the present population that a tournament draws, without replacement.
        least: members of a tournament at least, as far as there are so many.
        mutations: that make a member of the first population from chains of identities.
    """

    name = "hierarchical"
    title = "Hierarchical evolution"
    space = "hierarchical"
    families = ("hierarchical", "evolutionary")
    position = 45
    look = 19
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    control: str = "none"
    population: int = 0
    tournament: float = 0.05
    least: int = 5
    mutations: int = 1000

    def __post_init__(self) -> None:
        one_of("control of hierarchical", self.control, CONTROLS)
        if not 0 < self.tournament <= 1 or self.least < 1 or min(self.population, self.mutations) < 0:
            raise InputError(
                "hierarchical needs tournament in (0, 1], least of at least 1, and population and mutations >= 0"
            )

    def unsupported(self, task: Task) -> str | None:
        """There has to be something to change."""
        return needs_choices(task)

    def search(self, task: Task) -> None:
        """Fills the population, then breeds. An interrupted run breeds again from its log."""
        breeder = breeder_of(task.space)
        population: list[tuple[tuple[int, ...], float]] = []
        while True:
            if self.control == "random" or len(population) < self.first_population(task):
                member = partial(breeder.first, self.mutations, task.rng)
            else:
                drawn = task.rng.choice(len(population), self.tournament_size(len(population)), replace=False)
                parent, _ = max((population[member] for member in drawn), key=lambda member: member[1])
                member = partial(breeder.mutated, parent, task.rng)
            genotype = task.draw(lambda member=member: task.space.genotype(member()))  # type: ignore[misc]
            [evaluation] = task.evaluate([genotype])
            population.append((genotype.picks, evaluation.accuracy))

    def first_population(self, task: Task) -> int:
        """Number of architectures that are drawn before the first tournament."""
        return self.population or int(np.clip(task.children() // 4, FEWEST, MOST))

    def tournament_size(self, population: int) -> int:
        """Members of a tournament in a population of this size."""
        return min(population, max(self.least, ceil(self.tournament * population)))


class Breeder:
    """Mutations in a space of one level: any choice, then any of its options, also the one it has."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._sizes = [len(choice) for choice in space.choices]

    def first(self, mutations: int, rng: np.random.Generator) -> tuple[int, ...]:
        """A member of the first population."""
        return self._space.sample(rng).picks

    def mutated(self, picks: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        """A copy in which at most one pick differs."""
        position = self.position(rng)
        return (*picks[:position], int(rng.integers(self._sizes[position])), *picks[position + 1 :])

    def position(self, rng: np.random.Generator) -> int:
        """The choice that a mutation draws anew."""
        return int(rng.integers(len(self._sizes)))


class MotifBreeder(Breeder):
    """Mutations of motifs: level, motif, target and source are uniform, one after the other."""

    def __init__(self, space: HierarchicalSpace) -> None:
        super().__init__(space)
        self._levels = (space.graphs[:-1], space.graphs[-1:])
        self._identity = space.identity().picks

    def first(self, mutations: int, rng: np.random.Generator) -> tuple[int, ...]:
        """Chains of identities after many mutations."""
        picks = self._identity
        for _ in range(mutations):
            picks = self.mutated(picks, rng)
        return picks

    def position(self, rng: np.random.Generator) -> int:
        """See :class:`MotifBreeder`."""
        graphs = self._levels[int(rng.integers(len(self._levels)))]
        graph = graphs[int(rng.integers(len(graphs)))]
        target = int(rng.integers(2, max(end for _, end in graph) + 1))
        return graph[int(rng.integers(1, target)), target]


def breeder_of(space: Space) -> Breeder:
    """The breeder that fits the space."""
    return MotifBreeder(space) if isinstance(space, HierarchicalSpace) else Breeder(space)


METHOD = HierarchicalEvolution
