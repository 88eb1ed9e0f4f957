"""A pool of trained networks, and the ensemble that is selected from it on the validation images.

Forward selection is that of Caruana et al., *Ensemble selection from libraries of models*, ICML 2004, as Zaidi et al.
(NeurIPS 2021) use it: the mean of probabilities, without replacement.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from harness import Ensemble, Evaluation, Genotype, InputError, Task
from harness.core.evaluation import MOST_MEMBERS

Shares = NDArray[np.float64]
FORWARD, BEST = "forward", "best"
"""Ways of selecting: forward selection; or the best network alone, as often as there are members (a deep ensemble)."""
_LEAST = 1e-12  # probability, so that one image cannot decide alone


def loss(shares: Shares) -> float:
    """Negative log-likelihood, nats per image, of networks whose probabilities are averaged.

    Args:
        shares: probability of the right class, shape ``(networks, images)``.
    """
    return float(-np.log(np.maximum(np.mean(shares, axis=0), _LEAST)).mean())


def forward_select(shares: Shares, members: int) -> list[int]:
    """Rows of ``shares``, in the order of their selection: first the one with the lowest loss, then always the one with
    which the ensemble so far has the lowest loss. None comes twice; the first of equal ones is taken.

    Args:
        shares: as of :func:`loss`.
        members: how many; all rows, if there are fewer.
    """
    chosen: list[int] = []
    total = np.zeros(shares.shape[1])
    while len(chosen) < min(members, len(shares)):
        means = np.maximum((total + shares) / (len(chosen) + 1), _LEAST)
        losses = -np.log(means).mean(axis=1)
        losses[chosen] = np.inf
        chosen.append(int(np.argmin(losses)))
        total += shares[chosen[-1]]
    return chosen


class Pool:
    """The networks that a search has trained, all of them, and the ensemble that it would return now.

    Args:
        task: of the search; keeps predictions from now on.
        members: of the ensemble.
        selection: :data:`FORWARD` or :data:`BEST`.
    """

    def __init__(self, task: Task, members: int, selection: str = FORWARD) -> None:
        task.keep_predictions()
        self._task, self._members, self._selection = task, members, selection
        self.genotypes: list[Genotype] = []
        self._numbers: list[int] = []
        self._shares: list[Shares] = []

    def train(self, genotype: Genotype) -> int | None:
        """Trains a network from its own first weights, and proposes the ensemble of the pool with it.

        Returns:
            Its number in the pool; None if its training failed, or what it predicts are no numbers.
        """
        return next(self.train_each([genotype]))

    def train_each(self, genotypes: Iterable[Genotype]) -> Iterator[int | None]:
        """Likewise, one network after the other; as many at the same time as the command allows."""
        read: deque[Genotype] = deque()
        for evaluation in self._task.evaluate_each(_noted(genotypes, read), again=True):
            yield self._added(read.popleft(), evaluation)

    def _added(self, genotype: Genotype, evaluation: Evaluation) -> int | None:
        if evaluation.failure:
            return None
        number = len(self._task.evaluations) - 1
        predicted = self._task.predictions(number)
        if not np.isfinite(predicted).all():
            return None
        self.genotypes.append(genotype)
        self._numbers.append(number)
        labels = self._task.data.y_valid[: len(predicted)]
        self._shares.append(predicted[np.arange(len(labels)), labels].astype(np.float64))
        self._propose()
        return len(self.genotypes) - 1

    def select(self, among: list[int], members: int) -> list[int]:
        """Forward selection among networks of the pool, by number."""
        shares = np.array([self._shares[number] for number in among])
        return [among[row] for row in forward_select(shares, members)]

    def _propose(self) -> None:
        """The selected ensemble; where its sum is beyond a limit, as many of its first members as are within."""
        chosen = self.select(list(range(len(self.genotypes))), self._members)
        if self._selection == BEST:
            chosen = chosen[:1] * self._members
        for count in range(len(chosen), 0, -1):
            ensemble = Ensemble(tuple(self.genotypes[number] for number in chosen[:count]))
            if count == 1 or not self._task.refusal(ensemble):
                self._task.propose(ensemble, self._accuracy(chosen[:count]), shared_weights=False)
                self._task.plan(members=count)
                return

    def _accuracy(self, chosen: list[int]) -> float:
        """Accuracy of the mean of the members' probabilities; a deep ensemble's is that of its one network."""
        mean = np.mean([self._task.predictions(self._numbers[number]) for number in dict.fromkeys(chosen)], axis=0)
        return float(np.mean(mean.argmax(axis=1) == self._task.data.y_valid[: len(mean)]))


def _noted(genotypes: Iterable[Genotype], read: deque[Genotype]) -> Iterator[Genotype]:
    """The genotypes, each of which is noted when it is read."""
    for genotype in genotypes:
        read.append(genotype)
        yield genotype


def check_settings(name: str, members: int, selection: str = FORWARD) -> None:
    """Looks at hyper-parameters.

    Raises:
        InputError: they make no sense.
    """
    if not 1 <= members <= MOST_MEMBERS:
        raise InputError(f"{name} needs members from 1 to {MOST_MEMBERS}")
    if selection not in (FORWARD, BEST):
        raise InputError(f"{name} knows selection={FORWARD} and selection={BEST}")
