"""NAO-WS' loop: a pool of architectures on shared weights, renewed by encoder, predictor and decoder.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import Genotype, State, Task
from harness.core.budget import PASSES_PER_STEP
from harness.nets import runtime
from harness.nets.supernets.gated import GatedSupernet

from .candidates import best_of_allowed, propose_best
from .nao import Known, Learner, drawn, improved
from .nao_settings import ModelSettings
from .plan import Cycles, Reserve
from .settings import Settings
from .shared_weights import SharedWeights
from .states import below, prefixed

SCORING = 0.1
"""Compute for scoring a pool, as a share of what its round has trained with."""


@dataclass(frozen=True)
class PoolSettings(Settings):
    """The hyper-parameters of the loop, as :class:`harness.methods.nao_ws.NaoWs` explains them."""

    batch: int
    valid_batch: int
    score_batches: int
    child_steps: int
    rounds: int
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
    cycles: int
    cycle_factor: int


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
        self._learner = Learner(task.space, model, task.seed)
        self._reserve = Reserve(task)
        self._pool: list[Genotype] = []
        self._size = settings.pool
        self._scored = self._round = self._steps = 0

    def run(self) -> None:
        """Trains until the last round is over; every round ends with another pool."""
        runtime.expect_large_graphs()
        restored = self._task.restored()
        if restored is not None:
            self._restore(restored)
        else:
            task, first = self._task, self._task.sample()
            self._pool = [first, *drawn(task.space, task.rng, Known(task.space, [first]), self._settings.pool - 1)]
            # A short budget can end before the shared network is traced.
            task.propose(first)
        while self._round < self._settings.rounds:
            self._train()
            if self._over():
                self._round += 1
                self._renew()
                self._steps = 0
            self._task.checkpoint(self._state)

    def _kept(self) -> tuple[int, float]:
        """How many finalists are trained from scratch at the end, and which share of the budget that takes."""
        return self._reserve.kept(self._settings.finalists, self._shared.step_seconds, self._shared.images)

    def _cycles(self) -> Cycles:
        """The schedule: it leaves room for the last scoring, the comparison of the finalists and their trainings."""
        settings = self._settings
        compared = settings.finalists * settings.final_batches * self._shared.valid_images
        end = 1.0 - self._kept()[1] - 1.1 * SCORING / settings.rounds - self._shared.share_of(compared)
        end = max(0.1, end)
        return Cycles(
            settings.learning_rate, settings.final_learning_rate, settings.cycles, settings.cycle_factor, end
        )  # fmt: skip

    def _over(self) -> bool:
        """Whether the round's share of the budget is spent."""
        return self._task.meter.share >= self._cycles().end * (self._round + 1) / self._settings.rounds

    def _train(self) -> None:
        steps = self._settings.child_steps or self._shared.per_epoch
        cycles = self._cycles()
        until = cycles.end * (self._round + 1) / self._settings.rounds
        for member in self._task.rng.integers(len(self._pool), size=steps):
            share = self._task.meter.share
            if share >= until:
                break
            self._shared.train([self._pool[member].picks], cycles.rate(share))
            self._steps += 1

    def _renew(self) -> None:
        """Measures each member on batches of its own, proposes, learns, and makes the next pool."""
        ranked, errors = self._ranked()
        best = best_of_allowed(self._task, ranked, -errors, self._settings.finalists)
        finalists = [ranked[place] for place in best]
        if self._round == self._settings.rounds:
            self._finish(finalists)
            return
        self._propose(finalists)
        self._learner.train(ranked, errors, self._task.meter.check)
        self._pool = self.renewed(ranked)

    def _ranked(self) -> tuple[list[Genotype], np.ndarray]:
        """The pool, best first, and its errors; a tenth of the round's compute buys the batches that measure it."""
        settings, batch = self._settings, self._shared.valid_images
        finals = settings.finalists * settings.final_batches * batch
        bought = SCORING * PASSES_PER_STEP * self._steps * self._shared.images
        batches = int(max(2 * batch, min(bought, self._shared.images_left() - finals)) / batch)
        self._size = min(self._size, max(2, batches))
        pool = self._pool[: self._size]
        each = max(1, min(settings.score_batches, batches // len(pool)))
        self._task.plan(pool=self._size, score_images=each * batch)
        numbers = [range(self._scored + each * place, self._scored + each * (place + 1)) for place in range(len(pool))]
        self._scored += each * len(pool)
        errors = 1 - np.array(self._shared.accuracies((member.picks for member in pool), numbers))
        order = np.argsort(errors, stable=True)
        return [pool[place] for place in order], errors[order]

    def _finish(self, finalists: list[Genotype]) -> None:
        """The finalists are trained from scratch, where the budget allows, or compared under the shared weights."""
        count, trained = self._kept()[0], 0
        self._task.plan(retrained=0)
        for evaluation in self._task.evaluate_each(self._propose(finalists)[:count]):
            trained += not evaluation.refused
            # Noted after each training: the budget may end before the next one.
            self._task.plan(retrained=trained)

    def _propose(self, finalists: list[Genotype]) -> list[Genotype]:
        """Proposes the best finalist; all are measured on the same batches, so that no batch favours one of them.

        Returns:
            The finalists, best first.
        """
        batches = [range(self._settings.final_batches)] * len(finalists)
        accuracies = self._shared.accuracies((finalist.picks for finalist in finalists), batches)
        propose_best(self._task, finalists, accuracies)
        return [finalists[place] for place in np.argsort(-np.array(accuracies), stable=True)]

    def renewed(self, ranked: list[Genotype]) -> list[Genotype]:
        """The next pool: the best of ``ranked``, improved ones made from its top, and random ones."""
        settings, space = self._settings, self._task.space
        known = Known(space, ranked)
        share = self._size / settings.pool
        moves = (settings.step * number for number in range(1, settings.steps + 1))
        top = ranked[: max(1, round(share * settings.top))]
        new = improved(self._learner, top, known, round(share * settings.new), moves)
        new += drawn(space, self._task.rng, known, round(share * settings.random))
        return ranked[: self._size - len(new)] + new

    def _state(self) -> State:
        return {
            **self._shared.state(),
            **prefixed("learner.", self._learner.state()),
            "pool": np.array([member.picks for member in self._pool]),
            "counters": np.array([self._scored, self._round, self._steps, self._size]),
        }

    def _restore(self, state: State) -> None:
        self._shared.restore(state)
        self._learner.restore(below("learner.", state))
        self._pool = [self._task.space.genotype(tuple(picks)) for picks in state["pool"].tolist()]
        self._scored, self._round, self._steps, self._size = (int(n) for n in state["counters"])
