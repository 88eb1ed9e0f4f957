"""NAO with weight sharing (Luo, Tian, Qin, Chen, Liu: Neural Architecture Optimization, NeurIPS 2018).

One network holds the weights of all cells of a pool (ENAS micro's, see :mod:`harness.nets.supernets.enas`). Each batch
is one gradient step on one member, drawn uniformly. Every few epochs each member is measured on one validation batch,
and encoder, predictor and decoder learn from that (:mod:`harness.methods.common.nao`). The next pool consists of the
best members, cells that the model has improved, and random ones. See :mod:`harness.methods.common.nao_ws` for the loop.

Deviations: those of :mod:`harness.methods.enas_micro` for the shared weights. After each round the best members are
compared on common validation batches, and the best is the proposal; the authors retrain the last five from scratch,
with a small grid of settings. A cell that differs only by swapped halves of a node is not new. In the training on a
swapped copy the decoder reads the swapped words; in the released code it reads the unswapped ones. The model's own
deviations are in :mod:`harness.methods.common.nao_network`.

Published: CIFAR-10 error 3.53, with cutout 2.93; 0.3 GPU-days. Cost: one gradient step per training batch; a forward
pass for a score is charged as a third of a step; the model's own training costs time but no steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness import InputError, Method, Task, needs_images, space_is
from harness.spaces.enas_micro import EnasCellSpace

from .common.nao_settings import ModelSettings


@dataclass(frozen=True)
class NaoWs(Method):
    """The hyper-parameters of the released search on CIFAR-10.

    Args:
        batch, valid_batch: images per gradient step, and per validation batch.
        score_batches: validation batches that a member is scored on, at most.
        child_steps: gradient steps between two checkpoints; 0 for one pass over the training images.
        rounds: equal parts of the training; each ends with a renewal of the pool, the last with the finalists.
        pool, new, random: members, and how many of the next pool are improved and random; the rest are old.
        top: members that are improved.
        step, steps: size of the first move in the embedding, by which each following one is larger, and their number.
        finalists, final_batches: members that are compared for the proposal, and on how many batches; at the end they
            are trained from scratch where the budget allows.
        learning_rate, final_learning_rate: of the shared weights, cosine with restarts.
        cycles, cycle_factor: how many cycles the budget holds, and by how much each is longer than the one before.
        momentum, weight_decay, clip: of the shared weights.
        epd_units, epd_layers, epd_dropout, epd_epochs, epd_batch, epd_rate: of the model, see
            :class:`harness.methods.common.nao_settings.ModelSettings`.
    """

    name = "nao_ws"
    title = "NAO-WS"
    space = "enas_cell"
    families = ("gradient-based", "one-shot")
    trains = True
    position = 150
    look = 14
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {
            **{"batch": 16, "valid_batch": 16, "child_steps": 6, "rounds": 2, "pool": 6, "new": 2, "random": 1},
            **{"top": 3, "finalists": 2, "final_batches": 1, "cycles": 1},
            **{"epd_units": 16, "epd_epochs": 10, "epd_batch": 12, "epd_rate": 1e-2},
        },
        "quick": {
            **{"batch": 32, "child_steps": 20, "rounds": 3, "pool": 20, "new": 8, "random": 2, "top": 5, "cycles": 2},
            **{"epd_units": 32, "epd_epochs": 100, "epd_batch": 40, "epd_rate": 1e-2},
        },
        "hour": {
            **{"batch": 64, "child_steps": 100, "rounds": 4, "pool": 100, "new": 40, "random": 10, "top": 20},
            "cycles": 3,
            **{"epd_units": 64, "epd_epochs": 150, "epd_rate": 3e-3},
        },
    }

    batch: int = 160
    valid_batch: int = 50
    score_batches: int = 10
    child_steps: int = 0
    rounds: int = 5
    pool: int = 1000
    new: int = 500
    random: int = 50
    top: int = 100
    step: float = 1.0
    steps: int = 100
    finalists: int = 5
    final_batches: int = 10
    learning_rate: float = 0.05
    final_learning_rate: float = 0.0005
    cycles: int = 4
    cycle_factor: int = 2
    momentum: float = 0.9
    weight_decay: float = 1e-4
    clip: float = 5.0
    epd_units: int = 96
    epd_layers: tuple[int, ...] = (100, 100, 100)
    epd_dropout: float = 0.1
    epd_epochs: int = 1000
    epd_batch: int = 100
    epd_rate: float = 1e-3

    def __post_init__(self) -> None:
        if min(self.rounds, self.cycles, self.score_batches, self.top, self.finalists, self.final_batches) < 1:
            raise InputError(
                "nao_ws needs at least one round, cycle, batch per score, top member, finalist and final batch"
            )
        if min(self.new, self.random) < 0 or self.pool <= self.new + self.random:
            raise InputError("nao_ws needs a pool larger than its new and random members together")
        if min(self.steps, self.batch, self.valid_batch) < 1 or self.child_steps < 0 or self.step <= 0:
            raise InputError("nao_ws needs step > 0, at least one step and one image per batch, and child_steps >= 0")
        ModelSettings.of(self)

    def unsupported(self, task: Task) -> str | None:
        """The shared network is that of ENAS' cells."""
        return space_is(task, EnasCellSpace) or needs_images(task)

    def search(self, task: Task) -> None:
        """Trains the shared weights and renews the pool in turn until the budget is spent."""
        from harness.nets.supernets.enas import GatedCells

        from .common.nao_ws import PoolSearch, PoolSettings
        from .common.shared_weights import supernet

        assert isinstance(task.space, EnasCellSpace)
        net = supernet(GatedCells, task, self, squares_in_loss=True)
        PoolSearch(task, net, PoolSettings.of(self), ModelSettings.of(self)).run()


METHOD = NaoWs
