"""One-shot search (Bender, Kindermans, Zoph, Vasudevan, Le: Understanding and Simplifying One-Shot NAS, ICML 2018).

One network holds all operations of all edges, and is trained with path dropout: in every step each operation is left
out with probability r^(1/k), where k operations lead into its node, so that a node loses all of them with probability r
whatever k is. The rate r rises linearly from 0 to its final value over the training: a high rate from the start keeps
the network from learning, a low one at the end leaves a network that cannot do without any operation. A batch is
divided into ghost batches, each with a dropout mask and batch statistics of its own. Then random architectures are
measured by leaving all other operations out, the best are measured again, and the best of these, trained from scratch
by the proxy recipe where the budget allows, is the result.

For large k the expected number of operations that are left is -ln r, three for r = 0.05; a genotype of DARTS' cells has
two per node.

Deviations: the spaces are DARTS' and NAS-Bench-201's, not the paper's, whose blocks choose up to two of seven
operations. The cells of a kind share the mask, as they share the architecture. Operations that no ghost batch uses
rest, momentum included. Poolings have no normalisation. Sizes are the profile's; rate, dropout and ghost
batches are the paper's as far as they are known (from memory: 0.1, r 0.05, 32 images each), but a batch has two of
these, 64 images, where the paper has 1,024. The authors measure 20,000 architectures; see ``candidates``.

Published: no search result in these spaces; CIFAR-10 accuracy of the ten best about 95.9 % at 64 filters, random
architectures 0.3 to 0.5 less (from memory). One-shot accuracies spread over 30 to 90 % where trainings spread over
92 to 94.5 %. Cost: a step computes all candidates of all edges and is charged so; measuring computes single paths.
Fails when the budget buys few such steps, as in ``quick``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness import Genotype, InputError, Method, Task, needs_images, space_is
from harness.core.budget import PASSES_PER_STEP
from harness.nets.supernets.paths import RELAXED_SPACES

from .common.candidates import CandidateSettings
from .common.path_search import ComparedSearch, PathSettings


@dataclass(frozen=True)
class OneShot(Method):
    """The hyper-parameters of the paper, as far as they are known.

    Args:
        batch, ghosts: images per gradient step, and into how many ghost batches they are divided.
        valid_batch: images per validation batch.
        dropout: r, at the end of the training.
        learning_rate, final_learning_rate, momentum, weight_decay, clip: of the weights (SGD, cosine schedule).
        candidates, candidate_batches: architectures that are compared, at most, and on how many batches.
        finalists, final_batches: the best of them, and batches they are measured on again; 0 for all images.
        retrained: finalists that are trained from scratch, at most.
        save_every: steps between two checkpoints.
    """

    name = "one_shot"
    title = "One-shot, path dropout"
    space = "cell"
    families = ("one-shot",)
    trains = True
    position = 154
    look = 24
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {
            **{"batch": 16, "valid_batch": 16, "candidates": 6, "candidate_batches": 1, "finalists": 2},
            **{"final_batches": 2, "retrained": 0, "save_every": 5},
        },
        "quick": {
            **{"batch": 32, "candidates": 60, "candidate_batches": 3, "finalists": 5, "final_batches": 10},
            **{"retrained": 4, "save_every": 20},
        },
        "hour": {
            **{"candidates": 200, "candidate_batches": 5, "finalists": 5, "final_batches": 20, "retrained": 4},
        },
        # As rs_ws.
        "nb201-weights": {
            **{"weight_decay": 5e-4, "candidates": 100, "candidate_batches": 8, "finalists": 1, "final_batches": 1},
            "retrained": 0,
        },
    }

    batch: int = 64
    ghosts: int = 2
    valid_batch: int = 64
    dropout: float = 0.05
    learning_rate: float = 0.1
    final_learning_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    candidates: int = 20_000
    candidate_batches: int = 10
    finalists: int = 10
    final_batches: int = 0
    retrained: int = 10
    save_every: int = 50

    def __post_init__(self) -> None:
        PathSettings.of(self)
        CandidateSettings.of(self)
        if not 0 <= self.dropout < 1:
            raise InputError("one_shot needs dropout in [0, 1)")
        if self.ghosts < 1 or self.batch % self.ghosts:
            raise InputError(f"one_shot cannot divide a batch of {self.batch} images into {self.ghosts} ghost batches")

    def unsupported(self, task: Task) -> str | None:
        """The supernets are those of DARTS' cells and of NAS-Bench-201's; ghost batches have one size."""
        images = min(self.batch, len(task.data.x_train))
        if images % self.ghosts:
            return f"its {images} training images cannot be divided into {self.ghosts} ghost batches"
        return space_is(task, *RELAXED_SPACES) or needs_images(task)

    def search(self, task: Task) -> None:
        """Trains with path dropout, then compares candidates."""
        self.on(task).run()

    def on(self, task: Task) -> OneShotSearch:
        """The search on a task, before its first step."""
        return OneShotSearch(task, self)


def drop_rates(edges: Sequence[tuple[int, int]], operations: int, rate: float) -> np.ndarray:
    """Probability that path dropout leaves an operation of an edge out, (edges,).

    Args:
        edges: (source, target), all of a cell.
        operations: of each edge, without ``none``.
        rate: r, the probability that a node loses all operations that lead into it.
    """
    into = Counter(target for _, target in edges)
    return np.array([rate ** (1 / (operations * into[target])) if rate else 0.0 for _, target in edges])


class OneShotSearch(ComparedSearch):
    """One search; see the module."""

    def __init__(self, task: Task, settings: OneShot) -> None:
        super().__init__(task, PathSettings.of(settings), CandidateSettings.of(settings))
        self._dropout = settings.dropout
        net = self.net.net
        self._shape = (settings.ghosts, net.kinds, net.edges, len(net.operations))
        self._cell_edges = net.cells()[0][1].edges
        self._operations = len(net.operations) - net.operations.count("none")

    def step(self, rate: float, done: float) -> None:
        """All operations but those that are dropped, on one batch."""
        self.shared.train_mixed(self.masks(self._dropout * min(1.0, done)), rate)

    def masks(self, rate: float) -> np.ndarray:
        """The operations that each ghost batch keeps: ones and zeros, (ghosts, kinds, edges, operations)."""
        rates = drop_rates(self._cell_edges, self._operations, rate)
        return (self.task.rng.random(self._shape) >= rates[:, None]).astype(np.float32)

    def price(self) -> tuple[int, int]:
        """See :class:`PathSearch`."""
        return 1, PASSES_PER_STEP * self.shared.images * self.net.net.macs

    def draw(self) -> Genotype:
        """Uniform over encodings."""
        return self.task.space.sample(self.task.rng)


METHOD = OneShot
