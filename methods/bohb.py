"""BOHB: Hyperband's brackets of successive halving, filled by a density model of the best architectures so far.

Paper: Falkner, Klein & Hutter, *BOHB: robust and efficient hyperparameter optimization at scale*, ICML 2018; Hyperband
is Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar, JMLR 18, 2018. Bracket s starts ceil((S + 1) / (s + 1) eta^s)
architectures at the share eta^-s of a training and trains the best 1/eta of each round eta times as long; s goes from S
down to 0 and again. A new architecture is uniform with probability ``random``; else two kernel densities are fitted to
the largest share with enough results, one to the best ``good`` of them and one to the rest, ``candidates`` are drawn
from the first with widened bandwidths, and the one with the largest ratio of the two is taken.

Deviations: one worker. A stopped training goes on and pays the difference. The bandwidths follow the normal-reference
rule in a form that does not depend on the order of the options (``common/tpe.py``); the authors' package applies it to
their numbers. Of the candidates those that were drawn before are left out while there are others. Schedule: S follows
from ``smallest``, with at most half as many rungs as a counted budget buys trainings; where trainings cannot be stopped
(a table without accuracies on the way), all are complete and S is 0, which the record tells. Each
density needs d + 1 results, d being the number of choices, and the model two more at one share, as in the paper; where
a third of the trainings that the budget buys is less than d + 1, that many (4 at least).

Under ``nb201`` all is trained completely, because that table has no accuracies on the way: what is left of BOHB is its
model, with the settings of the benchmark's own script, whose worker ignores its budget too, and without widening: the
package that the script calls widens the bandwidths of numbers only, and the six choices are none. Expected there: 93.61
+- 0.52 % on CIFAR-10, published. Cost: parts of proxy trainings; the model takes milliseconds. Fails when: accuracy
early in a training says little about its end; the budget buys fewer than about seven trainings, so that there is no
model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import numpy as np

from harness import Genotype, InputError, Method, Space, Task, needs_choices

from .common.rungs import ladder
from .common.tpe import Density

Results = dict[Genotype, float]


@dataclass(frozen=True)
class BohbSearch(Method):
    """Hyperband with a density model; works in every space with genotypes.

    Args:
        eta: how much longer the next round of a bracket trains, and which part of the architectures it trains.
        smallest: share of a training that the largest bracket begins with; 1: everything is trained completely.
        random: probability of a uniform architecture.
        good: share of the results that counts as good.
        candidates: drawn per model-based architecture.
        widening: factor of the bandwidths in drawing.
        narrowest: bandwidth, at least.
    """

    name = "bohb"
    title = "BOHB"
    space = "cell"
    families = ("Bayesian",)
    position = 55
    look = 31
    seen = ("tables/fashion_mnist",)
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"smallest": 0.25},
        "quick": {"smallest": 0.25},
        "table": {"smallest": 0.25},
        "nb201": {"smallest": 1.0, "random": 0.0, "candidates": 4, "narrowest": 0.3, "widening": 1.0},
    }

    eta: int = 3
    smallest: float = 1 / 27
    random: float = 1 / 3
    good: float = 0.15
    candidates: int = 64
    widening: float = 3.0
    narrowest: float = 1e-3

    def __post_init__(self) -> None:
        if self.eta < 2 or not 0 < self.smallest <= 1 or self.candidates < 1:
            raise InputError("bohb needs eta >= 2, smallest in (0, 1] and at least one candidate")
        if not 0 <= self.random <= 1 or not 0 < self.good < 1 or self.widening <= 0 or not 0 < self.narrowest < 1:
            raise InputError("bohb needs random in [0, 1], good and narrowest in (0, 1) and widening > 0")

    def unsupported(self, task: Task) -> str | None:
        """It needs choices."""
        return needs_choices(task)

    def search(self, task: Task) -> None:
        """Bracket after bracket. An interrupted run decides again from its log."""
        shares = ladder(task, self.eta, self.smallest)
        results: list[Results] = [{} for _ in shares]
        task.plan(rungs=len(shares), modelled=0)
        while True:
            for lowest in range(len(shares)):
                self._bracket(task, shares, results, lowest)

    def _bracket(self, task: Task, shares: list[float], results: list[Results], lowest: int) -> None:
        """One run of successive halving that begins at rung ``lowest``."""
        rounds = len(shares) - lowest
        members = list[tuple[float, Genotype]]()
        for _ in range(ceil(len(shares) / rounds * self.eta ** (rounds - 1))):
            if self.known(results, len(task.space.choices), task.children()):
                task.plan(modelled=task.planned["modelled"] + 1)
            genotype = task.draw(lambda: self.next(task.space, results, task.rng, task.children()))
            members.append((self._train(task, genotype, shares, results, lowest), genotype))
        for level in range(lowest + 1, len(shares)):
            members.sort(key=lambda member: -member[0])
            best = members[: max(1, len(members) // self.eta)]
            kept = [genotype for accuracy, genotype in best if accuracy >= 0]
            members = [(self._train(task, genotype, shares, results, level), genotype) for genotype in kept]

    def _train(self, task: Task, genotype: Genotype, shares: list[float], results: list[Results], level: int) -> float:
        """The accuracy of a genotype, or -1: a failed training goes no further."""
        [evaluation] = task.evaluate([genotype], share=shares[level])
        results[level][genotype] = evaluation.accuracy
        return -1.0 if evaluation.failure else evaluation.accuracy

    def next(self, space: Space, results: list[Results], rng: np.random.Generator, children: int) -> Genotype:
        """A new architecture: by the model of the largest share that has enough results, or uniform."""
        fewest = self.fewest(len(space.choices), children)
        uniform = rng.random() < self.random
        known = self.known(results, len(space.choices), children)
        if uniform or known is None:
            return space.sample(rng)
        good, others = self.split(known, fewest)
        options = np.array([len(choice) for choice in space.choices])
        dense, sparse = Density(good, options, self.narrowest), Density(others, options, self.narrowest)
        drawn = dense.draw(rng, self.candidates, self.widening)
        candidates = [space.genotype(tuple(row)) for row in drawn.tolist()]
        new = [row for row, genotype in enumerate(candidates) if not any(genotype in some for some in results)]
        rows = np.array(new or range(len(candidates)))
        # Rounded, so that the order of drawing decides between equal ones and not the last bit.
        ratio = np.round(dense.of(drawn[rows]) - sparse.of(drawn[rows]), 9)
        return candidates[int(rows[int(np.argmax(ratio))])]

    def known(self, results: list[Results], choices: int, children: int) -> Results | None:
        """The results of the largest share that has enough for a model; None where none has."""
        fewest = self.fewest(choices, children)
        return next((some for some in reversed(results) if len(some) >= fewest + 2), None)

    def fewest(self, choices: int, children: int) -> int:
        """N_min: results that a density needs."""
        return min(choices + 1, max(4, children // 3))

    def split(self, known: Results, fewest: int) -> tuple[np.ndarray, np.ndarray]:
        """Picks of the good ones and of the others, ``fewest`` of each at least; the two overlap where they are few."""
        order = np.array([genotype.picks for genotype in sorted(known, key=lambda genotype: -known[genotype])])
        good = max(fewest, int(self.good * len(order)))
        others = max(fewest, len(order) - good)
        return order[:good], order[len(order) - others :]


METHOD = BohbSearch
