"""A synthetic task for comparing searches with random search: accuracy is a sum over the choices of a space.

Every option of every choice has a worth of its own, drawn anew per seed; an architecture's accuracy is the mean of the
worths of its picks, scaled to 0..1 between the worst and the best architecture. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from fakes import VectorSpace, make_task, run
from harness.methods.random_search import METHOD as RANDOM_SEARCH
from scipy.stats import wilcoxon

from harness.core.method import Method
from harness.core.space import Genotype, Space
from harness.core.task import Proposal

TOY = VectorSpace(8, 5)


def additive(space: Space, seed: int) -> Callable[[Proposal], float]:
    """The score of one seed's task: 0 for its worst architecture, 1 for its best."""
    rng = np.random.default_rng([seed, 77])
    worth = [rng.random(len(choice)) for choice in space.choices]
    low, high = sum(w.min() for w in worth), sum(w.max() for w in worth)

    def score(proposal: Proposal) -> float:
        assert isinstance(proposal, Genotype)
        total = sum(float(w[pick]) for w, pick in zip(worth, proposal.picks, strict=True))
        return (total - low) / (high - low)

    return score


def best(method: Method, budget: str, seeds: int, space: Space = TOY) -> np.ndarray:
    """The best accuracy that each of ``seeds`` searches has seen, each on its own task."""
    found = []
    for seed in range(seeds):
        task = run(method, make_task(space, budget, score=additive(space, seed), seed=seed))
        assert task.best is not None
        found.append(task.best.accuracy)
    return np.array(found)


def against_random_search(method: Method, budget: str, seeds: int = 100, space: Space = TOY) -> tuple[float, float]:
    """The mean lead over random search on the same tasks, and the p-value of Wilcoxon's test that there is none."""
    lead = best(method, budget, seeds, space) - best(RANDOM_SEARCH(), budget, seeds, space)
    return float(lead.mean()), float(wilcoxon(lead, alternative="greater").pvalue)
