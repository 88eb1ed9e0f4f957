"""Many architectures compared under shared weights, the best of them trained from scratch.

All candidates are measured on the same validation batches, so that no batch favours one; the best are measured again
on more of them. Where the budget allows, the best are then trained from scratch, and the best of that is the result.
How far both orders agree goes into the record: the rank correlation of the accuracies under shared weights with those
of the trainings.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

import numpy as np
from scipy.stats import spearmanr

from harness import Genotype, InputError, State, Task

from .plan import Reserve
from .settings import Settings
from .shared_weights import SharedWeights

CHUNK = 10
"""Candidates between two checkpoints."""
MOST = 0.2
"""Share of the budget that the comparison takes, at most; the smallest one, a group of candidates and a finalist on one
batch, takes what it costs."""
_TRIES = 20
"""Draws for a candidate that is not a repeat."""


@dataclass(frozen=True)
class CandidateSettings(Settings):
    """The comparison.

    Args:
        candidates: architectures, at most; fewer where the comparison would cost more than a fifth of the budget, but
            always one group.
        candidate_batches: validation batches that each is measured on.
        finalists: the best, measured again; fewer where they would cost more than a tenth of the budget on one batch,
            or leave no room for a group of candidates.
        final_batches: validation batches for that, 0 for as many as have all validation images among them; likewise
            fewer.
        retrained: finalists that are trained from scratch, at most; none or at least two, within 0.3 of the budget.
    """

    candidates: int
    candidate_batches: int
    finalists: int
    final_batches: int
    retrained: int

    def __post_init__(self) -> None:
        if min(self.candidates, self.candidate_batches, self.finalists) < 1:
            raise InputError("candidates, candidate_batches and finalists have to be at least 1")
        if min(self.final_batches, self.retrained) < 0:
            raise InputError("final_batches and retrained have to be at least 0")


class Candidates:
    """The comparison of one search.

    Args:
        task: gives budget and randomness.
        shared: the weights.
        settings: see :class:`CandidateSettings`.
        groups: says how many of so many candidates are drawn before they are measured, group by group; by default all
            groups have :data:`CHUNK`.
    """

    def __init__(
        self,
        task: Task,
        shared: SharedWeights,
        settings: CandidateSettings,
        groups: Callable[[int], Sequence[int]] | None = None,
    ) -> None:
        self._task, self._shared, self._settings, self._groups = task, shared, settings, groups
        self._reserve = Reserve(task)
        self._drawn: list[Genotype] = []
        self._scores: list[float] = []

    @property
    def begun(self) -> bool:
        """Whether there are candidates already."""
        return bool(self._drawn)

    @property
    def drawn(self) -> Sequence[Genotype]:
        """Candidates that have been measured, in the order of their coming."""
        return self._drawn

    @property
    def scores(self) -> Sequence[float]:
        """Their accuracies under the shared weights."""
        return self._scores

    @property
    def planned(self) -> int:
        """Number of candidates of the whole comparison, if the space has so many."""
        return self._plan()[0] * self._chunk

    def share(self) -> float:
        """The share of the budget that comparison and trainings will take."""
        _, compared, finals = self._plan()
        return min(0.9, compared + finals + self._kept()[1])

    def _plan(self) -> tuple[int, float, float]:
        """Number of chunks, and the shares of the budget that they and the finalists take."""
        finalists, batches = self._finals_plan()
        finals = self._shared.share_of(finalists * batches * self._shared.valid_images)
        wanted = math.ceil(self._settings.candidates / self._chunk)
        chunks = _most(wanted, MOST - finals, self._chunks_share)
        return chunks, self._chunks_share(chunks), finals

    def _chunks_share(self, chunks: int) -> float:
        """The share of the budget that measuring so many chunks takes; what is charged is rounded up group by group."""
        images = self._settings.candidate_batches * self._shared.valid_images
        if self._groups is None:
            return chunks * self._shared.share_of(self._chunk * images)
        sizes = Counter(self._groups(chunks * self._chunk))
        return sum(count * self._shared.share_of(size * images) for size, count in sizes.items())

    @property
    def _chunk(self) -> int:
        return min(CHUNK, self._settings.candidates)

    def _finals_plan(self) -> tuple[int, int]:
        """How many finalists there are, and on how many batches.

        They take half of the comparison at most, and leave room for a group of candidates. Batches are cut before
        finalists: of a single one there is nothing to choose.
        """
        settings, shared = self._settings, self._shared
        room = min(MOST / 2, MOST - self._chunks_share(1))
        batches = min(settings.final_batches or shared.valid_epoch, shared.valid_epoch)
        batches = _most(batches, room, lambda count: shared.share_of(settings.finalists * count * shared.valid_images))
        finalists = _most(
            settings.finalists, room, lambda count: shared.share_of(count * batches * shared.valid_images)
        )
        return finalists, batches

    def _kept(self) -> tuple[int, float]:
        """How many finalists are trained from scratch, and which share of the budget that takes."""
        wanted = min(self._settings.retrained, self._finals_plan()[0])
        return self._reserve.kept(wanted, self._shared.path_seconds, self._shared.images)

    def compare(self, draw: Callable[[], Genotype | None], save: Callable[[], None]) -> None:
        """Draws and measures, proposes the best so far after every group, and trains the finalists.

        Args:
            draw: gives a candidate; None where it has no more.
            save: is called after every group.
        """
        planned, batches = self.planned, range(self._settings.candidate_batches)
        # Noted before each measurement: the budget may end in any.
        self._task.plan(candidates=len(self._drawn), retrained=0)
        while len(self._scores) < planned and (fresh := self._fresh(draw, self._next(planned))):
            self._scores += self._shared.accuracies([genotype.picks for genotype in fresh], [batches] * len(fresh))
            self._drawn += fresh
            self._task.plan(candidates=len(self._drawn))
            propose_best(self._task, self._drawn, self._scores)
            save()
        self._finals()

    def _next(self, planned: int) -> int:
        """Number of candidates that are drawn next."""
        if self._groups is None:
            return self._chunk
        scored = len(self._scores)
        return next(end - scored for end in accumulate(self._groups(planned)) if end > scored)

    def _fresh(self, draw: Callable[[], Genotype | None], count: int) -> list[Genotype]:
        """Candidates that were not drawn before; fewer where they are hard to get."""
        known, fresh = set(self._drawn), list[Genotype]()
        for _ in range(_TRIES * count):
            genotype = draw()
            if genotype is None or len(fresh) == count:
                break
            if genotype not in known:
                known.add(genotype)
                fresh.append(genotype)
        return fresh

    def _finals(self) -> None:
        count, batches = self._finals_plan()
        finalists = [self._drawn[place] for place in best_of_allowed(self._task, self._drawn, self._scores, count)]
        measured = self._shared.accuracies(
            [genotype.picks for genotype in finalists], [range(batches)] * len(finalists)
        )
        accuracies = np.array(measured)
        order = np.argsort(-accuracies, stable=True)
        finalists, accuracies = [finalists[place] for place in order], accuracies[order]
        propose_best(self._task, finalists, accuracies)
        count = min(self._kept()[0], len(finalists))
        pairs = list[tuple[float, float]]()
        evaluations = self._task.evaluate_each(finalists[:count])
        for accuracy, evaluation in zip(accuracies.tolist()[:count], evaluations, strict=True):
            if evaluation.refused:
                continue
            pairs.append((accuracy, evaluation.accuracy))
            # Noted after each training: the budget may end before the next one.
            shared, trained = map(list, zip(*pairs, strict=True))
            self._task.plan(retrained=len(pairs), rank_correlation=correlation(shared, trained))

    def state(self) -> State:
        """Candidates and accuracies, for a checkpoint."""
        return {"drawn": np.array([genotype.picks for genotype in self._drawn]), "scores": np.array(self._scores)}

    def restore(self, state: State) -> None:
        """Takes over what :meth:`state` returned."""
        self._drawn = [self._task.space.genotype(tuple(picks)) for picks in state["drawn"].tolist()]
        self._scores = state["scores"].tolist()


def _most(wanted: int, room: float, share: Callable[[int], float]) -> int:
    """The largest number up to ``wanted`` whose share is within ``room``, but at least 1; shares grow with it."""
    return max(1, bisect_right(range(1, wanted + 1), room, key=share))


def best_of_allowed(
    task: Task, genotypes: Sequence[Genotype], scores: Sequence[float] | np.ndarray, count: int
) -> list[int]:
    """The numbers of the ``count`` best architectures within the limits, best first; where none is, of the best.

    Of equal ones the first comes first. What is behind these is not looked at, because a look may measure latency.
    """
    order = [int(number) for number in np.argsort(-np.array(scores), kind="stable")]
    allowed = (number for number in order if not task.refusal(genotypes[number]))
    return list(islice(allowed, count)) or order[:count]


def best_allowed(task: Task, genotypes: Sequence[Genotype], scores: Sequence[float] | np.ndarray) -> int:
    """The number of the best architecture within the limits, the first of equal ones; where none is, of the best."""
    return best_of_allowed(task, genotypes, scores, 1)[0]


def propose_best(task: Task, genotypes: Sequence[Genotype], scores: Sequence[float] | np.ndarray) -> None:
    """Proposes :func:`best_allowed`; before it those that come next, if several are to be trained finally."""
    best = best_allowed(task, genotypes, scores)
    order = [int(number) for number in np.argsort(-np.array(scores), kind="stable")] if task.top > 1 else []
    others = [number for number in order if number != best and not task.refusal(genotypes[number])]
    for number in (*reversed(others[: task.top - 1]), best):
        task.propose(genotypes[number], float(scores[number]))


def correlation(shared: list[float], trained: list[float]) -> float:
    """Spearman's rank correlation; 0 for fewer than three pairs and where all of one side are equal."""
    if len(shared) < 3 or len(set(shared)) == 1 or len(set(trained)) == 1:
        return 0.0
    return round(float(spearmanr(shared, trained).statistic), 4)
