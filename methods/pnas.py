"""PNAS: cells grow block by block, and a predictor picks the ones that are worth training.

Paper: Liu, Zoph, Neumann, Shlens, Hua, Li, Fei-Fei, Yuille, Huang & Murphy, *Progressive neural architecture search*,
ECCV 2018. All cells of one block are trained. Then, for each larger size, every cell of the beam is extended by every
possible block, a predictor ranks the extensions, and the best K are trained and become the next beam; the predictor
learns from all cells trained so far. It is an ensemble of five perceptrons on the mean of the blocks' one-hot codes
(the paper's MLP, with its embedding multiplied into the first layer), each trained on four fifths of the data for the
mean absolute error, and takes cells of any size. Cells that differ only by swapped halves of a block or by the order of
blocks count as one. The result is the most accurate among the largest cells that were trained.

Deviations: the predictor learns the ranks of the accuracies and not the accuracies, because only the order matters and
a few failures would stretch the scale. It is trained from new weights each time, by 50 steps of Adam on all data with
rate 0.01. After the last size the search continues with the next best extensions, K at a time. Where all extensions are
trained, the next K prefixes by prediction are extended, untrained themselves, until the budget ends or all is trained.

Schedule: of up to 100 children that the budget buys, three in ten are a random sample of the one-block cells, and K is
one in twenty; from there on this goes over, by power laws, to the paper's settings for its 1,160.
In other spaces the blocks are nodes or layers; a choice that is still open has the option ``skip_connect``, or the
first one if there is none. Every architecture is then complete, and the result is the best of all. The predictor also
sees every choice one-hot, and known architectures stay in the beam without being trained again.
Expected: C10 error 3.41 +- 0.09 % (PNASNet-5). Cost: one proxy training per cell, 136 + 4 * 256 = 1,160 in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from harness import Genotype, InputError, Method, Task, needs_choices

from .common.growth import Growth, Integers, Numbers, Picks, growth_of
from .common.predictor import PerceptronEnsemble
from .common.scaling import between, nearest_positive
from .common.threads import one_thread


class Predictor(Protocol):
    """Predicts the order of prefixes."""

    def fit(self, prefixes: Sequence[Picks], accuracies: Sequence[float]) -> None:
        """Learns from all that has been trained."""

    def predict(self, prefixes: Integers) -> Numbers:
        """Scores of prefixes of one length, ``(n, length)``; the larger the better, no unit."""


class Surrogate:
    """The ensemble on the features that :meth:`Growth.encode` makes."""

    def __init__(self, growth: Growth, ensemble: PerceptronEnsemble) -> None:
        self._growth, self._ensemble = growth, ensemble

    def fit(self, prefixes: Sequence[Picks], accuracies: Sequence[float]) -> None:
        """See :class:`Predictor`."""
        features = [self._growth.encode(np.array([prefix])) for prefix in prefixes]
        with one_thread():
            self._ensemble.fit(np.concatenate(features), np.array(accuracies, np.float64))

    def predict(self, prefixes: Integers) -> Numbers:
        """See :class:`Predictor`."""
        with one_thread():
            return self._ensemble.predict(self._growth.encode(prefixes))


@dataclass(frozen=True)
class Pnas(Method):
    """Beam search by size; works in every space with genotypes.

    Args:
        first: architectures of one block to train, a random sample if there are more; 0: from the budget.
        beam: K, architectures to train per size; 0: from the budget.
        members: of the ensemble.
        units: of each hidden layer.
        steps: gradient steps of Adam per fit.
        rate: Adam's.
    """

    name = "pnas"
    title = "PNAS"
    space = "pnas"
    families = ("progressive",)
    position = 110
    look = 10
    seen = ("nasbench201",)

    first: int = 0
    beam: int = 0
    members: int = 5
    units: int = 100
    steps: int = 50
    rate: float = 0.01

    def __post_init__(self) -> None:
        if min(self.first, self.beam) < 0 or min(self.units, self.steps) < 1 or self.members < 2 or self.rate <= 0:
            raise InputError("pnas needs first and beam >= 0, units and steps >= 1, two members and rate > 0")

    def unsupported(self, task: Task) -> str | None:
        """It needs choices."""
        return needs_choices(task)

    def search(self, task: Task) -> None:
        """Grows until the last size, then trains on from its candidates, best predicted first."""
        growth = growth_of(task.space)
        ensemble = PerceptronEnsemble(
            task.rng, members=self.members, units=self.units, steps=self.steps, rate=self.rate
        )
        self.grow(task, growth, Surrogate(growth, ensemble))

    def grow(self, task: Task, growth: Growth, predictor: Predictor) -> None:
        """The search with a given predictor; it ends when all architectures of the last size are trained."""
        trained = TrainedPrefixes(task, growth)
        parents: list[list[Picks]] = [[()]]
        for block in range(len(growth.blocks)):
            beam = self._next_beam(trained, predictor, parents[block], block, trained.names)
            if block == 0:
                beam = self._started(trained, beam)
            trained.add(beam)
            parents.append(beam)
        parents.pop()
        seen = [{growth.canonical(prefix) for prefix in prefixes} for prefixes in parents]
        while True:
            while trained.lacks(beam := self._next_beam(trained, predictor, parents[-1], block, trained.names)):
                trained.add(beam)
            if not self._renewed(trained, predictor, parents, seen, block):
                return

    def _renewed(
        self,
        trained: TrainedPrefixes,
        predictor: Predictor,
        parents: list[list[Picks]],
        seen: list[set[Picks]],
        block: int,
    ) -> bool:
        """Replaces the parents of a block, all of whose extensions have had their turn, by the next ones.

        These are the extensions of the parents one block before that rank first and have not been parents; where there
        are none, those parents are replaced first.

        Args:
            trained, predictor: of the search.
            parents: of each block; changed.
            seen: the names of all parents of each block so far; changed.
            block: whose parents are replaced.

        Returns:
            Whether there are any.
        """
        while block:
            beam = self._next_beam(trained, predictor, parents[block - 1], block - 1, seen[block])
            names = [trained.growth.canonical(prefix) for prefix in beam]
            fresh = [prefix for prefix, name in zip(beam, names, strict=True) if name not in seen[block]]
            if fresh:
                parents[block] = fresh
                seen[block].update(names)
                return True
            if not self._renewed(trained, predictor, parents, seen, block - 1):
                return False
        return False

    def sizes(self, children: int) -> tuple[int, int]:
        """Architectures of one block, and K, in a search of so many children."""
        few = min(100, children)
        return (
            self.first or max(2, nearest_positive(between(children, (100, 0.3 * few), (1160, 256)))),
            self.beam or max(2, nearest_positive(between(children, (100, 0.05 * few), (1160, 256)))),
        )

    def _started(self, trained: TrainedPrefixes, prefixes: list[Picks]) -> list[Picks]:
        """Trains as many of ``prefixes`` as make a start, and returns them."""
        task, started = trained.task, list[Picks]()
        for prefix in prefixes:
            trained.add([prefix])
            started.append(prefix)
            first, beam = self.sizes(task.children())
            task.plan(first=first, beam=beam)
            if len(started) >= first:
                break
        return started

    def _next_beam(
        self,
        trained: TrainedPrefixes,
        predictor: Predictor,
        parents: list[Picks],
        block: int,
        known: Set[Picks],
    ) -> list[Picks]:
        """The extensions of ``parents`` by ``block`` that rank first, with at most K among them that are not known."""
        options = trained.growth.options(block)
        if trained.accuracies:
            predictor.fit(trained.prefixes, trained.accuracies)
            scores = [predictor.predict(_extended(parent, options)) for parent in parents]
            order, most = np.argsort(-np.concatenate(scores), kind="stable"), self.sizes(trained.task.children())[1]
        else:
            order, most = trained.task.rng.permutation(len(options)), len(options)
        beam: dict[Picks, Picks] = {}
        new = 0
        for extension in order.tolist():
            parent, option = divmod(extension, len(options))
            prefix = (*parents[parent], *options[option].tolist())
            name = trained.growth.canonical(prefix)
            if name in beam:
                continue
            if name not in known:
                new += 1
                if new > most:
                    break
            beam[name] = prefix
        return list(beam.values())


class TrainedPrefixes:
    """All prefixes trained so far, and their accuracies; the most accurate among the largest is proposed.

    Where several are wanted for the final training, the best of the largest are named, from worst to best: of what a
    method names, the later comes first.
    """

    def __init__(self, task: Task, growth: Growth) -> None:
        self.task, self.growth = task, growth
        self.prefixes: list[Picks] = []
        self.accuracies: list[float] = []
        self.names: set[Picks] = set()
        # Size, accuracy and what has them, ascending; of equal ones the earlier stands behind and counts.
        self._best: list[tuple[int, float, Genotype]] = []

    def lacks(self, prefixes: Sequence[Picks]) -> bool:
        """Whether any of ``prefixes`` has not been trained."""
        return any(self.growth.canonical(prefix) not in self.names for prefix in prefixes)

    def add(self, prefixes: Sequence[Picks]) -> None:
        """Trains those that have not been trained."""
        fresh: dict[Picks, Picks] = {}
        for prefix in prefixes:
            if (name := self.growth.canonical(prefix)) not in self.names:
                fresh.setdefault(name, prefix)
        genotypes = [self.growth.genotype(prefix) for prefix in fresh.values()]
        evaluations = self.task.evaluate_each(genotypes)
        for (name, prefix), genotype, evaluation in zip(fresh.items(), genotypes, evaluations, strict=True):
            self.names.add(name)
            self.prefixes.append(prefix)
            self.accuracies.append(evaluation.accuracy)
            if not evaluation.failure:
                self._name(self.growth.size(prefix), evaluation.accuracy, genotype)

    def _name(self, size: int, accuracy: float, genotype: Genotype) -> None:
        before, top = self._best, self.task.top
        self._best = sorted([(size, accuracy, genotype), *before], key=lambda one: one[:2])[-top:]
        if self._best == before or (top == 1 and self.task.proposal == genotype):
            return
        for _, measured, named in self._best:
            self.task.propose(named, measured, shared_weights=False)


def _extended(parent: Picks, options: Integers) -> Integers:
    """``parent`` with each of ``options``, shape ``(options, choices)``."""
    return np.concatenate([np.tile(np.array(parent, np.intp), (len(options), 1)), options], axis=1)


METHOD = Pnas
