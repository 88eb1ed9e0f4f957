"""NAO-WS' loop: a pool of architectures on shared weights, renewed by encoder, predictor and decoder.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import Genotype, State, Task
from harness.nets import runtime
from harness.nets.supernets.enas import GatedSupernet

from .nao import Known, Learner, drawn, improved
from .nao_settings import ModelSettings
from .settings import Settings
from .shared_weights import Restarts, SharedWeights


@dataclass(frozen=True)
class PoolSettings(Settings):
    """The hyper-parameters of the loop, as :class:`harness.methods.nao_ws.NaoWs` explains them."""

    batch: int
    valid_batch: int
    child_steps: int
    epochs: int
    pool: int
    new: int
    random: int
    top: int
    step: float
    steps: int
    finalists: int
    final_batches: int
    learning_rate: float
    final_learning_rate: float
    restart: int
    restart_factor: int


class PoolSearch:
    """Pool, shared weights and model of one search.

    Args:
        task: gives data, budget and randomness.
        net: the supernet, over the task's space.
        settings: of the loop.
        model: of encoder, predictor and decoder.
    """

    def __init__(self, task: Task, net: GatedSupernet, settings: PoolSettings, model: ModelSettings) -> None:
        self._task, self._settings = task, settings
        self._shared = SharedWeights(task, net, settings.batch, settings.valid_batch)
        self._restarts = Restarts(
            settings.learning_rate, settings.final_learning_rate, settings.restart, settings.restart_factor
        )
        self._learner = Learner(task.space, model, task.seed)
        self._pool: list[Genotype] = []
        self._epoch = self._scored = 0

    def run(self) -> None:
        """Trains epoch after epoch until the budget is spent; every few epochs the pool is renewed."""
        runtime.expect_large_graphs()
        restored = self._task.restored()
        if restored is not None:
            self._restore(restored)
        else:
            self._pool = drawn(self._task.space, self._task.rng, Known(self._task.space), self._settings.pool)
            # A short budget can end before the shared network is traced.
            self._task.propose(self._pool[0])
        while True:
            self._train()
            self._epoch += 1
            if self._epoch % self._settings.epochs == 0:
                self._renew()
            self._task.checkpoint(self._state)

    def _train(self) -> None:
        steps = self._settings.child_steps or self._shared.per_epoch
        members = self._task.rng.integers(len(self._pool), size=steps)
        self._shared.train((self._pool[member].picks for member in members), self._restarts.rate(self._epoch))

    def _renew(self) -> None:
        """Measures each member on one batch of its own, proposes, learns, and makes the next pool."""
        numbers = range(self._scored, self._scored + len(self._pool))
        accuracies = self._shared.accuracies((member.picks for member in self._pool), [[n] for n in numbers])
        self._scored += len(self._pool)
        errors = 1 - np.array(accuracies)
        ranked = [self._pool[member] for member in np.argsort(errors, stable=True)]
        self._propose(ranked[: self._settings.finalists])
        self._learner.train(self._pool, errors, self._task.meter.check)
        self._pool = self.renewed(ranked)

    def _propose(self, finalists: list[Genotype]) -> None:
        """Proposes the best finalist; all are measured on the same batches, so that no batch favours one of them."""
        batches = [range(self._settings.final_batches)] * len(finalists)
        accuracies = self._shared.accuracies((finalist.picks for finalist in finalists), batches)
        best = int(np.argmax(accuracies))
        self._task.propose(finalists[best], accuracies[best])

    def renewed(self, ranked: list[Genotype]) -> list[Genotype]:
        """The next pool: the best of ``ranked``, improved ones made from its top, and random ones."""
        settings, space = self._settings, self._task.space
        known = Known(space, ranked)
        moves = (settings.step * number for number in range(1, settings.steps + 1))
        new = improved(self._learner, ranked[: settings.top], known, settings.new, moves)
        new += drawn(space, self._task.rng, known, settings.random)
        return ranked[: settings.pool - len(new)] + new

    def _state(self) -> State:
        return {
            **self._shared.state(),
            **{f"learner.{name}": value for name, value in self._learner.state().items()},
            "pool": np.array([member.picks for member in self._pool]),
            "counters": np.array([self._epoch, self._scored]),
        }

    def _restore(self, state: State) -> None:
        self._shared.restore(state)
        self._learner.restore({name.removeprefix("learner."): value for name, value in state.items()})
        self._pool = [self._task.space.genotype(tuple(picks)) for picks in state["pool"].tolist()]
        self._epoch, self._scored = (int(n) for n in state["counters"])
