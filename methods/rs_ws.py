"""Random search with weight sharing (Li & Talwalkar: Random Search and Reproducibility for NAS, UAI 2019).

One network holds the weights of all architectures. Every training batch is a gradient step on one architecture, drawn
uniformly. Then a thousand random architectures are measured on the same ten validation batches, and the best ten on all
validation images. There is nothing else to learn: what a weight-sharing method is worth beyond this is its search.

Where the budget allows, the best are trained from scratch by the proxy recipe, and the best of that is the result: the
authors search with four seeds and choose among the four by such a training. The record's ``planned_rank_correlation``
is that between shared and standalone accuracy of these few; docs/methods/rs_ws.md has that of random architectures.

Schedule: training takes what comparison (a fifth of the budget at most, with fewer candidates, final batches and
finalists if need be, but never without ten candidates and a finalist) and trainings (three tenths at most) leave; the
learning rate falls over the training.

Deviations: candidates have two operations per node, none of them ``none``, in training too (the authors draw ``none``
there as one of eight). Momentum is Nesterov's, and weights that a step does not use rest. Poolings have no
normalisation, so that a child is the network that is trained in the end, but for scales and offsets. Normalisations
use batch statistics, the split is the harness'. One round of candidates, as the paper's budget gives.

Published: CIFAR-10 error with cutout 2.85 +- 0.08 (best 2.71) in DARTS' space, ENAS 2.89, random search with early
stopping 3.03; NAS-Bench-201, CIFAR-10: 87.66 +- 1.69 %, plain random search 93.70. Cost: one gradient step of one path
per batch, a third of a step per forward pass of as many images. Fails when shared accuracies do not order
architectures, as in NAS-Bench-201.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness import Genotype, Method, Task, needs_images, space_is
from harness.nets.supernets.paths import RELAXED_SPACES

from .common.candidates import CandidateSettings
from .common.path_search import ComparedSearch, PathSettings


@dataclass(frozen=True)
class RandomSearchWs(Method):
    """The hyper-parameters of the released search on CIFAR-10.

    Args:
        batch, valid_batch: images per gradient step, and per validation batch.
        learning_rate, final_learning_rate, momentum, weight_decay, clip: of the weights (SGD, cosine schedule).
        candidates, candidate_batches: architectures that are compared, at most, and on how many batches.
        finalists, final_batches: the best of them, and batches they are measured on again; 0 for all images.
        retrained: finalists that are trained from scratch, at most.
        save_every: steps between two checkpoints.
    """

    name = "rs_ws"
    title = "Random search, shared weights"
    space = "cell"
    families = ("random", "one-shot")
    trains = True
    position = 152
    look = 23
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {
            **{"batch": 16, "valid_batch": 16, "candidates": 6, "candidate_batches": 1, "finalists": 2},
            **{"final_batches": 2, "retrained": 0, "save_every": 5},
        },
        "quick": {
            **{"batch": 32, "candidates": 60, "candidate_batches": 3, "finalists": 5, "final_batches": 10},
            "save_every": 20,
        },
        "hour": {"candidates": 200, "candidate_batches": 5, "finalists": 5, "final_batches": 20},
        # The benchmark's: the best of a hundred by 512 images, and no training from scratch.
        "nb201-weights": {
            **{"weight_decay": 5e-4, "valid_batch": 512, "candidates": 100, "candidate_batches": 1, "finalists": 1},
            **{"final_batches": 1, "retrained": 0},
        },
    }

    batch: int = 64
    valid_batch: int = 64
    learning_rate: float = 0.025
    final_learning_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    candidates: int = 1000
    candidate_batches: int = 10
    finalists: int = 10
    final_batches: int = 0
    retrained: int = 4
    save_every: int = 50

    def __post_init__(self) -> None:
        PathSettings.of(self)
        CandidateSettings.of(self)

    def unsupported(self, task: Task) -> str | None:
        """The supernets are those of DARTS' cells and of NAS-Bench-201's."""
        return space_is(task, *RELAXED_SPACES) or needs_images(task)

    def search(self, task: Task) -> None:
        """Trains the shared weights, then compares candidates."""
        self.on(task).run()

    def on(self, task: Task) -> UniformSearch:
        """The search on a task, before its first step."""
        return UniformSearch(task, PathSettings.of(self), CandidateSettings.of(self))


class UniformSearch(ComparedSearch):
    """Uniform architectures in training and as candidates."""

    def step(self, rate: float, done: float) -> None:
        """One architecture on one batch."""
        self.shared.train([self.draw().picks], rate)

    def price(self) -> tuple[int, int]:
        """See :class:`PathSearch`."""
        return 1, self.most_macs()

    def draw(self) -> Genotype:
        """Uniform over encodings."""
        return self.task.space.sample(self.task.rng)


METHOD = RandomSearchWs
