"""AutoKeras as of 0.2.18: Bayesian optimisation over network morphisms; networks inherit the weights of their parents.

Paper: Jin, Song & Hu, *Auto-Keras: an efficient neural architecture search system*, KDD 2019, and release 0.2.18 of its
package, which the published tables measured; AutoKeras 3.0 (:mod:`harness.methods.autokeras`) shares the name only. A
Gaussian process on the edit distance of networks predicts accuracies; a search by annealing, with all trained networks
in its queue, applies random morphisms (deeper, wider, skip, equally likely) to find the largest mean + 2.576
deviations; the winner begins with the weights of its trained ancestor. First come three blocks of one convolution, then
the same with four more convolutions and three added skips.

Deviations: one kernel everywhere, that of vectors of distances (the release fits with an embedding's kernel, predicts
with exp(-d^2), and clips the negative variances that come of it); accuracies are standardised; after each training all
results are known to the next proposal (the release proposes while it trains); each network trains by the proxy recipe
(the release: Adam until five epochs bring nothing); new filters share their readers' weights instead of being read with
weight 0; bounds, order of layers and normalisation of :mod:`harness.spaces.morphism`; the proposal is trained from
scratch at the end. Expected: C10 error 11.44 % after 12 h. Cost: one proxy training per network, on top of the steps
that its weights inherit.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar, NamedTuple

import numpy as np

from harness import InputError, Method, Task, needs_images, space_is
from harness.spaces.morphism import Chain, MorphSpace

from .common.edit_distance import DistanceProcess, signature
from .common.morph_moves import Move, expansions, second
from .common.morph_trainer import Trainer

COLDEST = 1e-4
PATIENCE = 20
"""Searches in a row that find nothing new until the space counts as exhausted."""


class Found(NamedTuple):
    """A network, and how it comes from the trained network number ``ancestor``."""

    ancestor: int
    moves: tuple[Move, ...]
    chain: Chain


@dataclass(frozen=True)
class MorphismSearch(Method):
    """Works in the spaces of :mod:`harness.spaces.morphism` only, because it morphs weights.

    Args:
        exploration: deviations that count in favour of a network.
        temperature, cooling: the first one, and the factor per network taken from the queue.
        noise: of inherited weights that would otherwise be equal, relative to their deviation.
        kept: trained networks whose weights are kept, the best ones; others are no ancestors any more.
    """

    name = "morphism_bo"
    title = "AutoKeras 0.2.18 (morphism)"
    space = "morph"
    families = ("morphism", "Bayesian")
    trains = True
    follows_signal = True
    position = 165
    look = 21
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    exploration: float = 2.576
    temperature: float = 1.0
    cooling: float = 0.9
    noise: float = 0.01
    kept: int = 50

    def __post_init__(self) -> None:
        if not 0 < self.cooling < 1 or self.temperature <= COLDEST or self.kept < 1:
            raise InputError("morphism_bo needs cooling in (0, 1), temperature above 0.0001 and kept of at least 1")
        if self.exploration < 0 or self.noise < 0:
            raise InputError("morphism_bo needs exploration and noise >= 0")

    def unsupported(self, task: Task) -> str | None:
        """It inherits weights, so that it needs images, and chains that it knows how to morph."""
        return space_is(task, MorphSpace) or needs_images(task)

    def search(self, task: Task) -> None:
        """Trains, saves and proposes in turn."""
        from .common.morphism_training import MorphingTrainer

        trainer = MorphingTrainer(task, self.noise, self.kept)
        trainer.restored()
        self.explore(task, trainer)

    def explore(self, task: Task, trainer: Trainer) -> None:
        """The search with any trainer; goes on from the networks that it knows.

        Args:
            task: gives the space and randomness.
            trainer: of the networks.
        """
        assert isinstance(task.space, MorphSpace)
        space = task.space
        if not trainer.known():
            trainer.start(space.start)
            trainer.save()
        moves, chain = second(space)
        if len(trainer.known()) == 1 and moves and trainer.ancestors():
            trainer.descend(0, moves, chain)
            trainer.save()
        while (found := self.propose(space, trainer.known(), trainer.ancestors(), task.rng)) is not None:
            trainer.descend(*found)
            trainer.save()

    def propose(
        self,
        space: MorphSpace,
        known: Sequence[tuple[Chain, float]],
        ancestors: Sequence[int],
        rng: np.random.Generator,
    ) -> Found | None:
        """The most promising new network, or None where morphisms lead to nothing new any more."""
        process = DistanceProcess([chain for chain, _ in known], [accuracy for _, accuracy in known])
        for _ in range(PATIENCE):
            found = self._anneal(space, known, ancestors, process, rng)
            if found is not None:
                return found
        return None

    def _anneal(
        self,
        space: MorphSpace,
        known: Sequence[tuple[Chain, float]],
        ancestors: Sequence[int],
        process: DistanceProcess,
        rng: np.random.Generator,
    ) -> Found | None:
        """One search for the maximiser, from the queue of all trained networks to the lowest temperature."""
        order, no_moves = count(), tuple[Move, ...]()
        queue = [(-known[n][1], next(order), Found(n, no_moves, known[n][0])) for n in ancestors]
        heapq.heapify(queue)
        seen, best, winner = {signature(chain) for chain, _ in known}, -math.inf, None
        temperature = self.temperature
        while queue and temperature > COLDEST:
            negative, _, here = heapq.heappop(queue)
            # Whatever is as good as the best so far is always expanded; before there is a best, everything is.
            cold = best > -math.inf and rng.random() >= math.exp(min((-negative - best) / temperature, 0.0))
            temperature *= self.cooling
            if cold:
                continue
            new = [(move, c) for move, c in expansions(space, here.chain, rng) if signature(c) not in seen]
            if not new:
                continue
            means, deviations = process.predict([child for _, child in new])
            for (move, child), worth in zip(new, (means + self.exploration * deviations).tolist(), strict=True):
                if signature(child) not in seen:
                    seen.add(signature(child))
                    there = Found(here.ancestor, (*here.moves, move), child)
                    heapq.heappush(queue, (-worth, next(order), there))
                    if worth > best:
                        best, winner = worth, there
        return winner


METHOD = MorphismSearch
