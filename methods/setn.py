"""SETN (Dong & Yang: One-Shot Neural Architecture Search via Self-Evaluated Template Network, ICCV 2019).

Shared weights are trained as in random search with weight sharing: every batch is a gradient step on one architecture,
drawn uniformly, so that no architecture is preferred. After each, logits ``alpha`` over the operations of every edge
descend the loss of the mixed network on a validation batch: every edge carries the sum of all operations weighted by
the softmax of ``alpha``. That softmax is the evaluator. In the end candidates come from it instead of uniformly,
and are measured under the shared weights; the best is the result.

A candidate of DARTS' cells: the two inputs of a node are a pair of edges, drawn in proportion to the product of what
each has for all operations but ``none``; the operation of an edge is drawn in proportion to its share. In
NAS-Bench-201 nothing is drawn: the candidates are the cells that the evaluator gives the highest probability, ``none``
included, as in the benchmark's released code.

Schedule: training takes what the comparison (a fifth of the budget at most, as in random search with weight sharing)
leaves. The learning rate falls over the training; Adam's rate for ``alpha`` times the number of steps is that of the
paper's 250 epochs, as long as the rate is not above 0.05.

Deviations: momentum is Nesterov's, and weights that a step does not use rest. Poolings have no normalisation, so that
a child is the network that is trained in the end, but for scales and offsets. The finalists are measured again on all
validation images (the released code decides by one batch of 512). Normalisations use batch statistics, the split is
the harness'.

Published: CIFAR-10 error with cutout 2.69, 1.8 GPU-days (from memory); NAS-Bench-201, CIFAR-10: 86.19 +- 4.63 %. Cost:
a step is one gradient step of one path and one of the mixed network, charged with all candidates. Fails when the mixed
network, whose weights have been trained by single paths, says little about single paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, islice
from typing import Any, ClassVar

import numpy as np

from harness import Genotype, InputError, Method, Space, State, Task, needs_images, space_is
from harness.core.budget import PASSES_PER_STEP
from harness.nets.supernets.cells import cell_edges
from harness.nets.supernets.paths import RELAXED_SPACES
from harness.spaces.darts import CellSpace

from .common.alpha import PAPER_STEPS, Alpha, Numbers, alpha_rate
from .common.candidates import CandidateSettings
from .common.path_search import ComparedSearch, PathSettings
from .common.softmax import through_softmax


@dataclass(frozen=True)
class Setn(Method):
    """The hyper-parameters of the paper's search on CIFAR-10.

    Args:
        batch, valid_batch: images per gradient step of the weights, and of ``alpha`` and per measurement.
        learning_rate, final_learning_rate, momentum, weight_decay, clip: of the weights (SGD, cosine schedule).
        alpha_learning_rate, alpha_beta1, alpha_weight_decay: of ``alpha`` (Adam); the rate is that of a search of
            97,500 steps, a shorter one has a larger rate.
        alpha_deviation: standard deviation of the normal distribution that ``alpha`` starts from.
        candidates, candidate_batches: architectures that are compared, at most, and on how many batches.
        finalists, final_batches: the best of them, and batches they are measured on again; 0 for all images.
        retrained: finalists that are trained from scratch, at most.
        save_every: steps between two checkpoints.
    """

    name = "setn"
    title = "SETN"
    space = "cell"
    families = ("one-shot",)
    trains = True
    position = 156
    look = 25
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {
            **{"batch": 16, "valid_batch": 16, "candidates": 6, "candidate_batches": 1, "finalists": 2},
            **{"final_batches": 2, "save_every": 5},
        },
        "quick": {
            **{"batch": 32, "valid_batch": 32, "candidates": 60, "candidate_batches": 6, "finalists": 5},
            **{"final_batches": 20, "save_every": 20},
        },
        "hour": {"candidates": 100, "candidate_batches": 8, "finalists": 5, "final_batches": 20},
        # The benchmark's: the best of a hundred by 512 images, 0.0005 of the weights.
        "nb201-weights": {
            **{"weight_decay": 5e-4, "candidates": 100, "candidate_batches": 8, "finalists": 1, "final_batches": 1},
        },
    }

    batch: int = 64
    valid_batch: int = 64
    learning_rate: float = 0.025
    final_learning_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    alpha_learning_rate: float = 3e-4
    alpha_beta1: float = 0.5
    alpha_weight_decay: float = 1e-3
    alpha_deviation: float = 1e-3
    candidates: int = 1000
    candidate_batches: int = 8
    finalists: int = 10
    final_batches: int = 0
    retrained: int = 0
    save_every: int = 50

    def __post_init__(self) -> None:
        PathSettings.of(self)
        CandidateSettings.of(self)
        if self.alpha_learning_rate <= 0:
            raise InputError("setn needs alpha_learning_rate > 0")

    def unsupported(self, task: Task) -> str | None:
        """The supernets are those of DARTS' cells and of NAS-Bench-201's."""
        return space_is(task, *RELAXED_SPACES) or needs_images(task)

    def search(self, task: Task) -> None:
        """Trains weights and evaluator, then compares candidates."""
        self.on(task).run()

    def on(self, task: Task) -> SetnSearch:
        """The search on a task, before its first step."""
        return SetnSearch(task, self)


def most_probable(space: Space, shares: Numbers) -> Iterator[Genotype]:
    """All architectures, those first whose operations have the highest probability together; of equal ones the first.

    Args:
        space: one whose every choice is the operation of an edge.
        shares: softmax of alpha, (edges, operations).
    """
    together = reduce(np.add.outer, np.log(shares))
    for number in np.argsort(-together, axis=None, kind="stable"):
        yield space.genotype(tuple(int(pick) for pick in np.unravel_index(number, together.shape)))


def drawn(space: CellSpace, shares: Numbers, generator: np.random.Generator) -> Genotype:
    """An architecture of DARTS' cells drawn from the evaluator; see the module.

    Args:
        space: of the cells.
        shares: softmax of alpha, (kinds, edges, operations).
        generator: of randomness.
    """
    edges = cell_edges(space.nodes)
    cells: list[list[tuple[str, int]]] = []
    for own in shares[:, :, 1:]:
        strength = own.sum(axis=1)
        entries: list[tuple[str, int]] = []
        for node in range(2, space.nodes + 2):
            pairs = list(combinations([row for row, (_, target) in enumerate(edges) if target == node], 2))
            weights = np.array([strength[first] * strength[second] for first, second in pairs])
            for row in pairs[int(generator.choice(len(pairs), p=weights / weights.sum()))]:
                op = int(generator.choice(len(space.operations), p=own[row] / strength[row]))
                entries.append((space.operations[op], edges[row][0]))
        cells.append(entries)
    return space.from_edges(*cells)


class SetnSearch(ComparedSearch):
    """One search; see the module."""

    def __init__(self, task: Task, settings: Setn) -> None:
        super().__init__(task, PathSettings.of(settings), CandidateSettings.of(settings))
        self._method, net = settings, self.net.net
        self._measured, self._ranked = -1, iter(list[Genotype]())
        shape = (net.kinds, net.edges, len(net.operations))
        self.alpha = Alpha.drawn(
            task.seed, shape, settings.alpha_deviation, settings.alpha_beta1, settings.alpha_weight_decay
        )

    def price(self) -> tuple[int, int]:
        """See :class:`PathSearch`."""
        images = PASSES_PER_STEP * self.shared.valid_images
        return 1 + self.shared.passes(images), self.most_macs() + images * self.net.net.macs

    def step(self, rate: float, done: float) -> None:
        """The weights on a uniform architecture, ``alpha`` on the mixed network."""
        own = alpha_rate(self._method.alpha_learning_rate, PAPER_STEPS, self.planned_steps())
        self.shared.train([self.task.space.sample(self.task.rng).picks], rate)
        shares = self.alpha.shares()
        gradient, _ = self.shared.mixing_gradient(shares, self.steps)
        self.task.plan(alpha_rate=own)
        self.alpha.descend(through_softmax(shares, gradient), own)

    def draw(self) -> Genotype | None:
        """A draw from the evaluator; in NAS-Bench-201 its most probable cell within the limits that was not taken."""
        space, shares = self.task.space, self.alpha.shares()
        if isinstance(space, CellSpace):
            return drawn(space, shares, self.task.rng)
        # Begun again with every group: what is drawn beyond it is not measured.
        measured = len(self.candidates.drawn)
        if measured != self._measured:
            allowed = (cell for cell in most_probable(space, shares[0]) if not self.task.refusal(cell))
            self._measured, self._ranked = measured, islice(allowed, measured, None)
        return next(self._ranked, None)

    def state(self) -> State:
        """Weights, candidates and ``alpha``, for a checkpoint."""
        return {**super().state(), **self.alpha.state()}

    def restore(self, state: State) -> None:
        """Takes over what :meth:`state` returned."""
        super().restore(state)
        self.alpha.restore(state)
        self._measured = -1


METHOD = Setn
