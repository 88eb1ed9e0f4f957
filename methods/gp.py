"""GP Bayesian optimisation: a Gaussian process predicts every candidate; the most promising one is trained next.

Paper: White, Neiswanger & Savani, *BANANAS: Bayesian optimization with neural architectures for neural architecture
search*, AAAI 2021: the Gaussian process that they compare BANANAS with, its kernel, its acquisition and its ten random
starts; BANANAS itself, whose predictor is an ensemble of networks, is not here. The idea is older: Snoek, Larochelle &
Adams, *Practical Bayesian optimization of machine learning algorithms*, NeurIPS 2012. The kernel is exp(-distance /
length), where the distance is the number of choices that differ; the acquisition is the upper confidence bound, mean +
0.5 standard deviations. The process is scikit-learn's.

Deviations: the process learns normal scores of the ranks instead of the accuracies (a Gaussian copula: Salinas, Shen &
Perrone, ICML 2020), because a few networks at chance level would otherwise set the scale. The length is relative to the
number of choices (3 in NAS-Bench-201) and, like the other hyper-parameters of the kernel, fixed. No architecture is
trained twice while there are new ones. Expected: 94.15 +- 0.37 % test accuracy on CIFAR-10 in NAS-Bench-201 within
12,000 s, measured by the command; the benchmark's authors have not run it. Cost: one proxy training and a few
milliseconds per architecture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness import Genotype, InputError, Method, Space, Task, needs_choices

from .common.ranks import normal_scores
from .common.threads import one_thread

Numbers = NDArray[np.float64]
Picks = tuple[int, ...]


class Prior(Protocol):
    """A prior mean in normal scores."""

    def expected(self, picks: Numbers) -> Numbers:
        """The prior mean of each row of ``picks``."""

    def weight(self, expected: Numbers, scores: Numbers) -> float:
        """The factor on the prior mean, 0 to 1, by the scores of the architectures that were trained here."""


@dataclass(frozen=True)
class GaussianProcessSearch(Method):
    """Bayesian optimisation, one architecture at a time; works in every space with genotypes.

    Args:
        initial: random architectures that are trained before the process is used; 0: a tenth of the children that the
            budget buys, from 3 to the authors' 10.
        candidates: random architectures among which the next one is chosen, beside the neighbours of the best so far;
            in a space of no more than that, all architectures are candidates.
        length: share of differing choices at which the correlation has fallen to 1/e.
        noise: variance of a score around the process, whose own variance is 1.
        exploration: weight of a candidate's standard deviation in the upper confidence bound.
    """

    name = "gp"
    title = "GP Bayesian optimisation"
    space = "nasbench201"
    families = ("Bayesian",)
    position = 50
    look = 4
    seen = ("nasbench201",)

    initial: int = 0
    candidates: int = 1000
    length: float = 0.5
    noise: float = 1e-5
    exploration: float = 0.5

    def __post_init__(self) -> None:
        if self.initial < 0 or self.candidates < 1:
            raise InputError("gp needs initial >= 0 and at least one candidate")
        if self.length <= 0 or self.noise <= 0 or self.exploration < 0:
            raise InputError("gp needs length > 0, noise > 0 and exploration >= 0")

    def unsupported(self, task: Task) -> str | None:
        """It needs choices."""
        return needs_choices(task)

    def search(self, task: Task, first: Sequence[Genotype] = (), prior: Prior | None = None) -> None:
        """Fits, predicts, trains in turn. An interrupted run fits again from its log.

        Args:
            task: of the search.
            first: architectures that take every other start, from the first one on.
            prior: the mean of the process, if it is not 0.
        """
        from sklearn.gaussian_process import GaussianProcessRegressor

        from .common.hamming import HammingKernel

        process = GaussianProcessRegressor(HammingKernel(self.length), alpha=self.noise, optimizer=None)
        known = dict[Picks, float]()
        while True:
            initial = self.starts(task.children())
            pool = self.pool(task.space, known, task.rng, initial)
            start, odd = divmod(len(known), 2)
            given = first[start].picks if not odd and start < len(first) else pool[0]
            chosen = pool[0] if given in known else given
            task.plan(initial=initial)
            if len(known) >= initial:
                picks, scores = np.array(list(known), float), normal_scores(list(known.values()))
                with one_thread():
                    shift, ahead = expectation(prior, picks, scores, np.array(pool, float))
                    process.fit(picks, scores - shift)
                    mean, deviation = process.predict(np.array(pool, float), return_std=True)
                # Symmetric candidates tie. After rounding the pool's random order decides and not the last bit.
                chosen = pool[int(np.argmax(np.round(mean + ahead + self.exploration * deviation, 6)))]
            [evaluation] = task.evaluate([task.space.genotype(chosen)])
            known[chosen] = evaluation.accuracy

    def starts(self, children: int) -> int:
        """Random architectures at the start of a search of so many children."""
        return self.initial or min(10, max(3, children // 10))

    def pool(
        self, space: Space, known: Mapping[Picks, float], rng: np.random.Generator, initial: int = 10
    ) -> list[Picks]:
        """Different candidates that are not ``known``, in random order; one random architecture if all are known.

        In a large space these are random ones and, after the start, the neighbours of the best.
        """
        sizes = [len(choice) for choice in space.choices]
        if space.cardinality <= self.candidates:
            candidates = list(product(*map(range, sizes)))
        else:
            candidates = [tuple(row) for row in rng.integers(sizes, size=(self.candidates, len(sizes))).tolist()]
            if len(known) >= initial:
                best = space.genotype(max(known, key=known.__getitem__))
                candidates += [neighbour.picks for neighbour in space.neighbours(best)]
        new = [picks for picks in dict.fromkeys(candidates) if picks not in known]
        return [new[index] for index in rng.permutation(len(new))] or [space.sample(rng).picks]


def expectation(prior: Prior | None, picks: Numbers, scores: Numbers, pool: Numbers) -> tuple[Numbers, Numbers]:
    """The weighted prior mean of the architectures that were trained and of the candidates; 0 without a prior.

    The scores are ranks among the former, so it is taken relative to their mean.
    """
    if prior is None:
        return np.zeros(len(picks)), np.zeros(len(pool))
    here = prior.expected(picks)
    level = here.mean()
    weight = prior.weight(here - level, scores)
    return weight * (here - level), weight * (prior.expected(pool) - level)


METHOD = GaussianProcessSearch
