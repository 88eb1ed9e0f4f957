"""SMASH: one-shot search through HyperNetworks (Brock, Lim, Ritchie & Weston, ICLR 2018).

No architecture has weights of its own. A HyperNet reads the encoding of an architecture and makes weights for it; every
training batch is a gradient step of the HyperNet on one random architecture. The *SMASH score* of an architecture is
its validation accuracy with weights that are made for it. Scored are random architectures, then perturbations of the
best of these, then a chain of perturbations that goes on from a better one only. The best are trained as usual.

The space is memory banks (:mod:`harness.spaces.smash`), the network :mod:`harness.nets.supernets.smash`: as in the
paper the 1x1 convolutions by which operations read are generated, divided by their norm, and the second convolutions
are shared by the operations of a block.

Deviations: a smaller space: four banks whose width doubles from block to block, a fixed number of operations, kernels
of 3 or 5, no groups, no dilation. Architectures are drawn uniformly over genotypes, not by a budget of parameters.
Normalisations follow all convolutions, without weights in operations, and use the statistics of the batch, in scores
too (the authors' code takes moving averages, which mix the statistics of all architectures). The HyperNet's filters
reach over three locations in one dimension; 22 densely connected layers stand for the authors' three groups of 8, 10
and 4. Where the budget allows, the best four are trained from scratch by the proxy recipe and the best of them is the
result; the record's ``planned_rank_correlation`` is Spearman's between SMASH score and accuracy of these.

Schedule: scores take a fifth of the budget at most (the smallest comparison what it costs), with fewer candidates in
the paper's proportions if need be, and trainings three tenths at most; the training of the HyperNet has the rest, and
its rate falls to 0 over it.

Published: CIFAR-10 error 4.03 (version 2, 16M parameters; version 1: 5.53, 4.6M), CIFAR-100 20.60. Cost: one gradient
step per batch, the HyperNet's arithmetic included; a third of a step per forward pass of as many images. Fails when the
HyperNet is small beside the network: scores then do not order architectures (the paper's own negative result).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from harness import Genotype, InputError, Method, Space, Task, needs_images, rng, space_is
from harness.core.budget import PASSES_PER_STEP
from harness.nets.supernets.smash import GatedSmash
from harness.spaces.smash import SmashSpace

from .common.candidates import CHUNK, Candidates, CandidateSettings, best_allowed
from .common.path_search import Comparison, LoopSettings
from .common.shared_weights import SharedWeights

_TRIES = 20
"""Perturbations that change nothing, before one change is made for certain."""


@dataclass(frozen=True)
class Smash(Method):
    """The hyper-parameters of the released code on CIFAR-10.

    Args:
        hyper_layers, growth: of the HyperNet: densely connected layers, and channels that each adds.
        batch, valid_batch: images per gradient step, and per validation batch.
        learning_rate, final_learning_rate, mean_decay, square_decay, epsilon: of Adam, cosine schedule.
        weight_decay: factor on the weights that are not the HyperNet's, added to the gradient.
        candidates: architectures that are scored, at most.
        perturbed, chain: how many of them are perturbations of the best random one, and attempts of the chain.
        rate: probability that a perturbation changes a choice.
        candidate_batches: validation batches of a score.
        finalists, final_batches: the best, and batches they are measured on again; 0 for all images.
        retrained: finalists that are trained from scratch, at most.
        save_every: steps between two checkpoints.
    """

    name = "smash"
    title = "SMASH (HyperNet)"
    space = "smash"
    families = ("one-shot",)
    trains = True
    position = 159
    look = 44
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {
            **{"hyper_layers": 4, "growth": 4, "batch": 16, "valid_batch": 16, "candidates": 8, "perturbed": 2},
            **{"chain": 2, "candidate_batches": 1, "finalists": 2, "final_batches": 2, "retrained": 0},
            **{"learning_rate": 1e-2, "save_every": 5},
        },
        "quick": {
            **{"hyper_layers": 8, "batch": 32, "valid_batch": 64, "candidates": 70, "perturbed": 10, "chain": 10},
            **{"candidate_batches": 3, "finalists": 5, "final_batches": 10, "learning_rate": 1e-2, "save_every": 20},
        },
        "hour": {
            **{"batch": 64, "valid_batch": 64, "candidates": 210, "perturbed": 30, "chain": 30},
            **{"candidate_batches": 5, "finalists": 5, "final_batches": 20, "learning_rate": 3e-3},
        },
    }

    hyper_layers: int = 22
    growth: int = 10
    batch: int = 50
    valid_batch: int = 250
    learning_rate: float = 1e-3
    final_learning_rate: float = 0.0
    mean_decay: float = 0.5
    square_decay: float = 0.999
    epsilon: float = 1e-4
    weight_decay: float = 1e-4
    candidates: int = 700
    perturbed: int = 100
    chain: int = 100
    rate: float = 0.05
    candidate_batches: int = 20
    finalists: int = 10
    final_batches: int = 0
    retrained: int = 4
    save_every: int = 50

    def __post_init__(self) -> None:
        LoopSettings.of(self)
        CandidateSettings.of(self)
        if min(self.hyper_layers, self.growth) < 1 or not 0 < self.rate <= 1 or self.epsilon <= 0:
            raise InputError("smash needs hyper_layers and growth of at least 1, rate in (0, 1] and epsilon above 0")
        if not (0 <= self.mean_decay < 1 and 0 <= self.square_decay < 1 and self.weight_decay >= 0):
            raise InputError("smash needs mean_decay and square_decay in [0, 1) and weight_decay of at least 0")
        if min(self.perturbed, self.chain) < 0 or self.perturbed + self.chain >= self.candidates:
            raise InputError("smash needs perturbed and chain of at least 0 that leave room for random candidates")

    def unsupported(self, task: Task) -> str | None:
        """Weights are generated for memory banks."""
        return space_is(task, SmashSpace) or needs_images(task)

    def search(self, task: Task) -> None:
        """Trains the HyperNet, then scores candidates. An interrupted run continues."""
        self.on(task).run()

    def on(self, task: Task) -> HyperSearch:
        """The search on a task, before its first step."""
        return HyperSearch(task, self)


class HyperSearch(Comparison):
    """Training on uniform architectures, and the three rounds of scores.

    Args:
        task: gives data, budget and randomness.
        method: gives the hyper-parameters.
    """

    def __init__(self, task: Task, method: Smash) -> None:
        data = task.data
        assert isinstance(task.space, SmashSpace)
        self.net = GatedSmash(
            task.space,
            task.recipe.size,
            data.image_shape,
            data.classes,
            rng(task.seed, "supernet weights"),
            hyper_layers=method.hyper_layers,
            growth=method.growth,
            images=min(method.batch, method.valid_batch, len(data.x_train), len(data.x_valid)),
            mean_decay=method.mean_decay,
            square_decay=method.square_decay,
            epsilon=method.epsilon,
            weight_decay=method.weight_decay,
        )
        shared = SharedWeights(task, self.net, method.batch, method.valid_batch)
        super().__init__(task, LoopSettings.of(method), shared)
        self.candidates = Candidates(task, shared, CandidateSettings.of(method), self.groups)
        self._method = method

    def step(self, rate: float, done: float) -> None:
        """One random architecture on one batch."""
        self.shared.train([self.task.space.sample(self.task.rng).picks], rate)

    def price(self) -> tuple[int, int]:
        """See :class:`harness.methods.common.path_search.WeightsSearch`."""
        return 1, PASSES_PER_STEP * self.shared.images * self.net.most_macs()

    def rounds(self, planned: int) -> tuple[int, int]:
        """Number of candidates at the end of the random ones, and at the end of the perturbations."""
        method = self._method
        chain, perturbed = (planned * count // method.candidates for count in (method.chain, method.perturbed))
        return planned - chain - perturbed, planned - chain

    def groups(self, planned: int) -> list[int]:
        """Sizes of the groups that are drawn and then measured; in the chain each depends on the last one's score."""
        random, perturbed = self.rounds(planned)
        starts = [*range(0, random, CHUNK), *range(random, perturbed, CHUNK), *range(perturbed, planned), planned]
        return [after - before for before, after in pairwise(starts)]

    def draw(self) -> Genotype:
        """A candidate of the present round."""
        task, candidates = self.task, self.candidates
        random, perturbed = self.rounds(candidates.planned)
        scored = len(candidates.scores)
        if scored < random:
            return task.space.sample(task.rng)
        known = random if scored < perturbed else scored
        best = best_allowed(task, candidates.drawn[:known], candidates.scores[:known])
        return perturbation(task.space, candidates.drawn[best], self._method.rate, task.rng)


def perturbation(space: Space, genotype: Genotype, rate: float, draws: np.random.Generator) -> Genotype:
    """A genotype in which each pick is another with probability ``rate``, and whose network is another."""
    function = space.function(genotype)
    for _ in range(_TRIES):
        picks = list(genotype.picks)
        for position, choice in enumerate(space.choices):
            if draws.random() < rate:
                picks[position] = (picks[position] + int(draws.integers(1, len(choice)))) % len(choice)
        found = space.genotype(tuple(picks))
        if space.function(found) != function:
            return found
    return space.mutate(genotype, draws)


METHOD = Smash
