"""Transfer: a search that begins with what searches on other data sets have learned, evolution or a Gaussian process.

Source: warm starts are common practice and no one paper's. Cells found on one data set and retrained on another are
Zoph et al., CVPR 2018; a Gaussian process whose prior mean is a model of earlier tasks is Wistuba, Schilling &
Schmidt-Thieme, *Scalable Gaussian process-based transfer surrogates*, Machine Learning 107, 2018, and Golovin et al.,
*Google Vizier*, KDD 2017. ``base="evolution"``: every other member of the first population is one of the best
architectures of the other data sets. ``base="gp"``: so is every other start; and the process models what a prior mean
leaves unexplained of the accuracies; a second process has learned that mean from the other data sets. The prior's
weight is a ridge regression of the accuracies so far on it, pulled to 1 by ``trust`` observations that confirm it and
never below 0: a source that misleads loses its weight.

The experience is a file of validation accuracies (``python -m harness experience RUNS FILE.csv``); rows of the target
data set are left out, and test results are not in it. Without ``source`` this is its cold twin, decision by decision.

Deviations: none are possible. Half of the first architectures stays random, against negative transfer. Expected:
docs/methods/transfer.md. Cost: that of the cold search; the searches on the other data sets were paid before and are
not counted. Fails when: the data sets order architectures differently; evolution then has lost half of its first
members, the process a few evaluations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness import InputError, Method, Task, needs_choices
from harness.core.names import one_of

from .common.experience import Experience, read
from .gp import GaussianProcessSearch
from .regularized_evolution import RegularizedEvolution

BASES = ("evolution", "gp")


@dataclass(frozen=True)
class TransferSearch(Method):
    """A warm start; works in every space with genotypes.

    Args:
        source: the file with the experience; empty for none.
        base: what is warm-started, ``evolution`` or ``gp``.
        trust: observations that a prior mean is worth before there is any.
        population, sample: of evolution; 0: from the budget.
    """

    name = "transfer"
    title = "Transfer (warm start)"
    space = "nasbench201"
    position = 56
    look = 32
    seen = ("tables/fashion_mnist",)
    families = ("meta-learning and transfer",)
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "nb201": {"population": 10, "sample": 3},
    }

    source: str = ""
    base: str = "evolution"
    trust: float = 5.0
    population: int = 0
    sample: int = 0

    def __post_init__(self) -> None:
        one_of("base of transfer", self.base, BASES)
        if self.trust < 0:
            raise InputError("transfer needs trust >= 0")

    def unsupported(self, task: Task) -> str | None:
        """It needs choices, and a file with something to transfer if it is given one."""
        if problem := needs_choices(task):
            return problem
        try:
            self.experience(task)
        except InputError as error:
            return str(error)
        return None

    def search(self, task: Task) -> None:
        """The base's search with other first architectures and, for ``gp``, a prior mean."""
        experience = self.experience(task)
        task.plan(sources=0 if experience is None else len(experience.datasets))
        if self.base == "evolution":
            evolution = RegularizedEvolution(self.population, self.sample)
            evolution.search(task, () if experience is None else experience.best(len(experience.scores)))
            return
        process = GaussianProcessSearch()
        if experience is None:
            process.search(task)
            return
        from .common.prior import PriorMean

        first = experience.best(len(experience.scores))
        process.search(task, first, PriorMean(*experience.rows(), process.length, self.trust))

    def experience(self, task: Task) -> Experience | None:
        """The content of the file, if one is given.

        Raises:
            InputError: it cannot be read, or has nothing to transfer.
        """
        return read(self.source, task.space, task.data.dataset) if self.source else None


METHOD = TransferSearch
