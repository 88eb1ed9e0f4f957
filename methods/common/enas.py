"""The loop that ENAS macro and ENAS micro share (Pham et al., ICML 2018, section 2.2).

In turn: (a) shared weights: one gradient step per training batch, each on a freshly sampled architecture; (b) the
controller: REINFORCE on architectures whose reward is the accuracy of one validation batch under the shared weights,
plus ``entropy_weight`` times the entropy, against a moving average; (c) the proposal: of freshly sampled architectures
the one that is best on common validation batches.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.core.journal import State
from harness.core.space import Genotype, Space
from harness.core.task import Task
from harness.nets import runtime
from harness.nets.supernets.enas import GatedSupernet

from .policy import Controller, MovingAverage
from .shared_weights import Restarts, SharedWeights


@dataclass(frozen=True)
class Schedule:
    """How one epoch of ENAS is divided.

    Args:
        batch: images per step and per reward.
        child_steps: steps of the shared weights per epoch; 0 for one pass over the training images.
        controller_steps, samples: controller updates per epoch and architectures per update.
        candidates, candidate_batches: architectures compared at the end of an epoch, and on how many batches.
        learning_rate, final_learning_rate: of the shared weights, cosine with restarts.
        restart, restart_factor: epochs until the first restart, and growth of the following ones.
        entropy_weight, baseline_decay: of the controller's reward.
    """

    batch: int
    child_steps: int
    controller_steps: int
    samples: int
    candidates: int
    candidate_batches: int
    learning_rate: float
    final_learning_rate: float
    restart: int
    restart_factor: int
    entropy_weight: float
    baseline_decay: float

    @classmethod
    def of(cls, method: Any) -> Schedule:
        """The fields of a method that are a schedule's."""
        return cls(**{field.name: getattr(method, field.name) for field in dataclasses.fields(cls)})


class EnasSearch:
    """Shared weights and controller of one search.

    Args:
        task: gives data, budget and randomness.
        net, controller: over the same space.
        schedule: see :class:`Schedule`.
    """

    def __init__(self, task: Task, net: GatedSupernet, controller: Controller, schedule: Schedule) -> None:
        self._task, self._controller, self._schedule = task, controller, schedule
        self._shared = SharedWeights(task, net, schedule.batch, schedule.batch)
        self._restarts = Restarts(
            schedule.learning_rate, schedule.final_learning_rate, schedule.restart, schedule.restart_factor
        )
        self._baseline = MovingAverage(schedule.baseline_decay, current=True)
        self._epoch = self._controller_steps = 0

    def run(self) -> None:
        """Epoch after epoch until the budget is spent."""
        runtime.expect_large_graphs()
        restored = self._task.restored()
        if restored is not None:
            self._restore(restored)
        else:
            # Tracing the shared network can take longer than a short budget.
            self._task.propose(_genotype(self._task.space, self._sample(1)[0]))
        while True:
            self._train_children()
            self._train_controller()
            self._propose()
            self._epoch += 1
            self._task.checkpoint(self._state)

    def _sample(self, count: int) -> np.ndarray:
        uniforms = self._task.rng.random((count, self._controller.decisions), np.float32)
        return self._controller.sample(uniforms).picks

    def _train_children(self) -> None:
        steps = self._schedule.child_steps or self._shared.per_epoch
        self._shared.train(self._sample(steps), self._restarts.rate(self._epoch))

    def _train_controller(self) -> None:
        schedule = self._schedule
        for _ in range(schedule.controller_steps):
            uniforms = self._task.rng.random((schedule.samples, self._controller.decisions), np.float32)
            walk = self._controller.sample(uniforms)
            accuracies = self._shared.accuracies(
                walk.picks, [[self._controller_steps + i] for i in range(schedule.samples)]
            )
            self._controller_steps += schedule.samples
            rewards = np.array(accuracies) + schedule.entropy_weight * walk.entropy
            self._controller.train(walk.picks, self._baseline.advantages(rewards))

    def _propose(self) -> None:
        """The best of fresh samples, all measured on the same batches, so that luck with a batch cannot decide."""
        schedule, space = self._schedule, self._task.space
        candidates = self._sample(schedule.candidates)
        scores = self._shared.accuracies(candidates, [range(schedule.candidate_batches)] * schedule.candidates)
        best = int(np.argmax(scores))
        self._task.propose(_genotype(space, candidates[best]), scores[best])

    def _state(self) -> State:
        return {
            **self._shared.state(),
            **{f"controller.{name}": value for name, value in self._controller.state().items()},
            "baseline": np.array(self._baseline.value),
            "counters": np.array([self._epoch, self._controller_steps]),
        }

    def _restore(self, state: State) -> None:
        self._shared.restore(state)
        self._controller.restore({name.removeprefix("controller."): value for name, value in state.items()})
        self._baseline.value = float(state["baseline"])
        self._epoch, self._controller_steps = (int(n) for n in state["counters"])


def _genotype(space: Space, picks: np.ndarray) -> Genotype:
    return space.genotype(tuple(int(pick) for pick in picks))
