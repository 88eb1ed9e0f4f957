"""The loop that ENAS macro and ENAS micro share (Pham et al., ICML 2018, section 2.2).

In turn: (a) shared weights: one gradient step per training batch, each on a freshly sampled architecture; (b) the
controller: REINFORCE on architectures whose reward is the accuracy of one validation batch under the shared weights,
plus ``entropy_weight`` times the entropy, against a moving average; (c) the proposal: of freshly sampled architectures
the one that is best on common validation batches.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from harness.core.seeds import derive_seed
from harness.core.space import Genotype, Space
from harness.core.task import State, Task
from harness.nets import runtime
from harness.nets.augment import normalise
from harness.nets.batches import Batches, augmented
from harness.nets.gated import GatedSupernet
from methods._policy import Controller, MovingAverage

FORWARD_PASSES_PER_STEP = 3
"""A forward pass is charged as a third of a gradient step."""


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

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch (cosine annealing with warm restarts, Loshchilov & Hutter 2017)."""
        length, place = self.restart, epoch
        while place >= length:
            place -= length
            length *= self.restart_factor
        low, high = self.final_learning_rate, self.learning_rate
        return low + 0.5 * (high - low) * (1.0 + math.cos(math.pi * place / length))


class EnasSearch:
    """Shared weights and controller of one search.

    Args:
        task: gives data, budget and randomness.
        net, controller: over the same space.
        schedule: see :class:`Schedule`.
    """

    def __init__(self, task: Task, net: GatedSupernet, controller: Controller, schedule: Schedule) -> None:
        self._task, self._net, self._controller, self._schedule = task, net, controller, schedule
        data = task.data
        self._train = Batches(data.x_train, data.y_train, schedule.batch, derive_seed(task.seed, "training batches"))
        self._valid = Batches(data.x_valid, data.y_valid, schedule.batch, derive_seed(task.seed, "validation batches"))
        self._seed = derive_seed(task.seed, "augmentation")
        self._baseline = MovingAverage(schedule.baseline_decay, current=True)
        self._augment = tf.function(lambda images, seed: augmented(images, data, seed), autograph=False)
        self._epoch = self._child_steps = self._controller_steps = 0

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
        steps = self._schedule.child_steps or self._train.per_epoch
        rate = tf.constant(self._schedule.rate(self._epoch), tf.float32)
        for picks in self._sample(steps):
            self._task.step()
            images, labels = self._train[self._child_steps]
            seed = tf.constant([self._seed, self._child_steps], tf.int64)
            self._net.train_step(self._augment(images, seed), labels, tf.constant(picks), rate)
            self._child_steps += 1

    def _train_controller(self) -> None:
        schedule = self._schedule
        for _ in range(schedule.controller_steps):
            self._charge(schedule.samples)
            uniforms = self._task.rng.random((schedule.samples, self._controller.decisions), np.float32)
            walk = self._controller.sample(uniforms)
            accuracies = [self._accuracy(picks, self._controller_steps + i) for i, picks in enumerate(walk.picks)]
            self._controller_steps += schedule.samples
            rewards = np.array(accuracies) + schedule.entropy_weight * walk.entropy
            self._controller.train(walk.picks, self._baseline.advantages(rewards))

    def _propose(self) -> None:
        """The best of fresh samples, all measured on the same batches, so that luck with a batch cannot decide."""
        schedule, space = self._schedule, self._task.space
        self._charge(schedule.candidates * schedule.candidate_batches)
        candidates = self._sample(schedule.candidates)
        scores = [
            float(np.mean([self._accuracy(picks, batch) for batch in range(schedule.candidate_batches)]))
            for picks in candidates
        ]
        best = int(np.argmax(scores))
        self._task.propose(_genotype(space, candidates[best]), scores[best])

    def _accuracy(self, picks: np.ndarray, batch: int) -> float:
        data, (images, labels) = self._task.data, self._valid[batch]
        return float(self._net.correct(normalise(images, data.mean, data.std), labels, tf.constant(picks)))

    def _charge(self, passes: int) -> None:
        self._task.step(math.ceil(passes / FORWARD_PASSES_PER_STEP))

    def _state(self) -> State:
        counters = [self._epoch, self._child_steps, self._controller_steps]
        return {
            **{f"net.{name}": value for name, value in self._net.state().items()},
            **{f"controller.{name}": value for name, value in self._controller.state().items()},
            "baseline": np.array(self._baseline.value),
            "counters": np.array(counters),
        }

    def _restore(self, state: State) -> None:
        self._net.restore({name.removeprefix("net."): value for name, value in state.items()})
        self._controller.restore({name.removeprefix("controller."): value for name, value in state.items()})
        self._baseline.value = float(state["baseline"])
        self._epoch, self._child_steps, self._controller_steps = (int(n) for n in state["counters"])


def _genotype(space: Space, picks: np.ndarray) -> Genotype:
    return space.genotype(tuple(int(pick) for pick in picks))
