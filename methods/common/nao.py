"""The shared part of NAO and NAO-WS (Luo et al., NeurIPS 2018): it learns from a pool of architectures and improves it.

Encoder, predictor and decoder (:mod:`harness.methods.common.nao_network`) are trained together on architectures and
their errors. Then the encoder's outputs of the best architectures are moved against the gradient of the predicted
error, normalised again and decoded. The moves get larger until there are enough new architectures.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness import Genotype, Space, State, derive_seed, rng
from harness.core.space import MOST_TABULATED

from .nao_network import network
from .nao_settings import ModelSettings
from .symmetry import Picks, Symmetry

BOUND = 0.1  # weights start in U(-BOUND, BOUND)
CHUNK = 100  # gradient steps between two checks of the budget
TRIES = 50  # draws per wanted random architecture, before the rest of a small space is looked through

Numbers = NDArray[np.float32]


class Learner:
    """Encoder, predictor and decoder of one search.

    Args:
        space: whose architectures it reads and writes.
        settings: of the model.
        seed: of its weights, of the order of examples and of dropout.
    """

    def __init__(self, space: Space, settings: ModelSettings, seed: int) -> None:
        self._space, self._settings, self._seed = space, settings, seed
        self._words, self._network = network(space.choices, settings)
        self._symmetry = Symmetry(space.choices)
        start = rng(seed, "encoder, predictor, decoder").uniform(-BOUND, BOUND, self._network.weights)
        self._vector = start.astype(np.float32)
        self._mean, self._square = np.zeros_like(self._vector), np.zeros_like(self._vector)
        self._step = 0

    def train(self, genotypes: Sequence[Genotype], errors: ArrayLike, check: Callable[[], None]) -> None:
        """Continues the training, on ``genotypes``, a swapped copy of each, and their scaled errors.

        Args:
            check: called every :data:`CHUNK` gradient steps; it may raise to stop the training.
        """
        generator = rng(self._seed, f"examples after step {self._step}")
        picks = _picks(genotypes)
        words = self._words.spelled(np.concatenate([picks, self._symmetry.swapped(picks, generator)]))
        targets = np.resize(scaled(np.asarray(errors, np.float64)), len(words))
        seed = derive_seed(self._seed, "dropout")
        for order in _batches(generator, len(words), self._settings):
            check()
            state = self._network.train(
                self._vector, self._mean, self._square, self._step, seed, words, targets, order
            )  # fmt: skip
            self._vector, self._mean, self._square = (part.numpy() for part in state[:3])
            self._step += len(order)

    def errors(self, genotypes: Sequence[Genotype]) -> Numbers:
        """Predicted errors, on the scale of the last training: 0 for the best of the pool, 1 for the worst."""
        predicted: Numbers = self._network.predict(self._vector, self._words.spelled(_picks(genotypes))).numpy()
        return predicted

    def moved(self, genotypes: Sequence[Genotype], size: float) -> list[Genotype]:
        """Each architecture after a move of this size; a move of 0 should not change it."""
        words = self._network.move(self._vector, self._words.spelled(_picks(genotypes)), np.float32(size)).numpy()
        return [self._space.genotype(tuple(row)) for row in self._words.read(words).tolist()]

    def state(self) -> State:
        """Everything that training changes, for a checkpoint."""
        return {
            "vector": self._vector,
            "mean": self._mean,
            "square": self._square,
            "step": np.array(self._step),
        }

    def restore(self, state: State) -> None:
        """Takes over what :meth:`state` returned."""
        self._vector, self._mean, self._square = (state[name] for name in ("vector", "mean", "square"))
        self._step = int(state["step"])


class Known:
    """The known architectures, whatever their spelling.

    Args:
        space: theirs.
        genotypes: known from the start.
    """

    def __init__(self, space: Space, genotypes: Iterable[Genotype] = ()) -> None:
        self._symmetry = Symmetry(space.choices)
        self._seen = {self._symmetry.canonical(genotype.picks) for genotype in genotypes}

    def __contains__(self, genotype: Genotype) -> bool:
        return self._symmetry.canonical(genotype.picks) in self._seen

    def add(self, genotype: Genotype) -> bool:
        """Adds an architecture, and says whether it was new."""
        before = len(self._seen)
        self._seen.add(self._symmetry.canonical(genotype.picks))
        return len(self._seen) > before


def improved(
    learner: Learner,
    best: Sequence[Genotype],
    known: Known,
    count: int,
    moves: Iterable[float],
    refusal: Callable[[Genotype], str] = lambda _: "",
) -> list[Genotype]:
    """At most ``count`` new architectures, made from the best ones by moves of these sizes, in this order.

    What ``refusal`` has a word on is left out.
    """
    new: list[Genotype] = []
    for move in moves:
        for genotype in learner.moved(best, move):
            if len(new) < count and known.add(genotype) and not refusal(genotype):
                new.append(genotype)
        if len(new) == count:
            break
    return new


def drawn(
    space: Space,
    generator: np.random.Generator,
    known: Known,
    count: int,
    refusal: Callable[[Genotype], str] = lambda _: "",
    draw: Callable[[Callable[[], Genotype]], Genotype] = lambda draws: draws(),
) -> list[Genotype]:
    """``count`` new random architectures, or fewer if the space has no more.

    Where draws hit known ones only, the rest of the space is drawn from; a space of more than
    :data:`~harness.core.space.MOST_TABULATED` is then taken to have no more.

    Args:
        space, generator: where and by what they are drawn.
        known: gets them, and none of what it has.
        count: how many.
        refusal: has a word on what is to be left out.
        draw: calls a draw until there is none, as :meth:`harness.Task.draw` does.
    """
    new: list[Genotype] = []

    def take(draws: Iterable[Genotype]) -> None:
        for genotype in draws:
            if known.add(genotype) and not refusal(genotype):
                new.append(genotype)
            if len(new) == count:
                return

    if count > 0:
        take(draw(lambda: space.sample(generator)) for _ in range(TRIES * count))
    if len(new) < count and space.cardinality <= MOST_TABULATED:
        rest = [genotype for genotype in space.every() if genotype not in known]
        take(rest[number] for number in generator.permutation(len(rest)).tolist())
    return new


def scaled(errors: NDArray[np.float64]) -> Numbers:
    """Errors scaled to 0..1, the best being 0; all 0 if they are equal."""
    low, high = errors.min(), errors.max()
    return ((errors - low) / (high - low if high > low else 1.0)).astype(np.float32)


def _picks(genotypes: Sequence[Genotype]) -> Picks:
    return np.array([genotype.picks for genotype in genotypes], np.int32)


def _batches(generator: np.random.Generator, count: int, settings: ModelSettings) -> list[NDArray[np.int32]]:
    """The order of examples, ``(gradient steps, batch)``, in chunks; every epoch has each example once."""
    size = min(settings.epd_batch, count)
    stream = np.concatenate([generator.permutation(count) for _ in range(settings.epd_epochs)]).astype(np.int32)
    order = stream[: len(stream) // size * size].reshape(-1, size)
    return [order[first : first + CHUNK] for first in range(0, len(order), CHUNK)]
