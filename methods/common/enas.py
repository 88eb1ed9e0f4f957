"""The loop that ENAS macro and ENAS micro share (Pham et al., ICML 2018, section 2.2).

Two phases alternate. (a) The shared weights are trained: one gradient step per training batch, each on a newly sampled
architecture. (b) The controller is trained by REINFORCE: the reward of an architecture is its accuracy on one
validation batch under the shared weights plus ``entropy_weight`` times the entropy, and a moving average is the
baseline. At the end of each cycle of the learning rate, when the shared weights have settled: (c) of newly sampled
architectures, the one that is best on common validation batches is proposed. The cycles are shares of the budget; the
search ends with the last one.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness import Genotype, Space, State, Task
from harness.nets import runtime
from harness.nets.supernets.gated import GatedSupernet

from .baseline import RewardBaseline
from .candidates import propose_best
from .plan import Cycles
from .policy import Controller
from .settings import Settings
from .shared_weights import SharedWeights
from .states import below, prefixed


@dataclass(frozen=True)
class EnasSettings(Settings):
    """The hyper-parameters of the loop; an epoch is the three phases once.

    Args:
        batch: images per gradient step.
        valid_batch: images per reward and per batch of the candidates; 0 for as many as a step has.
        child_steps: gradient steps of the shared weights per epoch; 0 for one pass over the training images.
        controller_steps, samples: controller updates per epoch and architectures per update.
        candidates, candidate_batches: architectures compared at the end of a cycle, and on how many batches.
        learning_rate, final_learning_rate: of the shared weights, cosine with restarts.
        cycles, cycle_factor: how many cycles the budget holds, and by how much each is longer than the one before.
        entropy_weight, baseline_decay: of the controller's reward.
    """

    batch: int
    valid_batch: int
    child_steps: int
    controller_steps: int
    samples: int
    candidates: int
    candidate_batches: int
    learning_rate: float
    final_learning_rate: float
    cycles: int
    cycle_factor: int
    entropy_weight: float
    baseline_decay: float


class EnasSearch:
    """Shared weights and controller of one search.

    Args:
        task: gives data, budget and randomness.
        net, controller: over the same space.
        settings: see :class:`EnasSettings`.
        baseline: the first average of the rewards; None: the first reward.
    """

    def __init__(
        self,
        task: Task,
        net: GatedSupernet,
        controller: Controller,
        settings: EnasSettings,
        *,
        baseline: float | None = 0.0,
    ) -> None:
        self._task, self._controller, self._settings = task, controller, settings
        self._shared = SharedWeights(task, net, settings.batch, settings.valid_batch or settings.batch)
        self._baseline = RewardBaseline(settings.baseline_decay, "after", start=baseline)
        self._controller_steps = self._cycle = 0
        self._dear = 1.0  # what the controller samples, as a multiple of what random sampling would cost
        self._entropy = 0.0  # of the first samples, in nats

    def run(self) -> None:
        """Runs epoch after epoch until the last cycle is over."""
        runtime.expect_large_graphs()
        restored = self._task.restored()
        if restored is not None:
            self._restore(restored)
        else:
            # A short budget can end before the shared network is traced.
            space = self._task.space
            self._task.propose(self._task.draw(lambda: _genotype(space, self._sample(1)[0])))
        while self._cycle < self._settings.cycles:
            self._train_children()
            self._train_controller()
            if (now := self._now()) > self._cycle:
                self._propose()
                self._cycle = now
            self._task.checkpoint(self._state)

    def _cycles(self) -> Cycles:
        """The schedule; it leaves room for the last comparison, of candidates as dear as the last epoch's networks."""
        settings = self._settings
        compared = settings.candidates * settings.candidate_batches + settings.samples
        end = 1.0 - self._shared.share_of(compared * self._shared.valid_images, self._dear)
        return Cycles(settings.learning_rate, settings.final_learning_rate, settings.cycles, settings.cycle_factor, end)

    def _now(self) -> int:
        return self._cycles().place(self._task.meter.share)[0]

    def _sample(self, count: int) -> np.ndarray:
        uniforms = self._task.rng.random((count, self._controller.decisions), np.float32)
        return self._controller.sample(uniforms).picks

    def _train_children(self) -> None:
        children = self._sample(self._settings.child_steps or self._shared.per_epoch)
        self._dear = self._shared.dearness(children)
        cycles = self._cycles()
        for picks in children:
            share = self._task.meter.share
            if cycles.place(share)[0] > self._cycle:
                break
            self._shared.train([picks], cycles.rate(share))

    def _train_controller(self) -> None:
        settings = self._settings
        for _ in range(settings.controller_steps):
            if self._now() > self._cycle:
                break
            uniforms = self._task.rng.random((settings.samples, self._controller.decisions), np.float32)
            walk = self._controller.sample(uniforms)
            accuracies = self._shared.accuracies(
                walk.picks, [[self._controller_steps + i] for i in range(settings.samples)]
            )
            self._controller_steps += settings.samples
            entropy = float(walk.entropy.mean())
            self._entropy = self._entropy or entropy
            # 1 in the record is a controller that samples uniformly; less may have been learnt, or lost to noise.
            self._task.plan(entropy_left=round(entropy / self._entropy, 4) if self._entropy else 1.0)
            rewards = np.array(accuracies) + settings.entropy_weight * walk.entropy
            self._controller.train(walk.picks, self._baseline.advantages(rewards))

    def _propose(self) -> None:
        """Proposes the best of new samples; all are measured on the same batches, so that no batch favours one."""
        settings, space = self._settings, self._task.space
        candidates = self._sample(settings.candidates)
        scores = self._shared.accuracies(candidates, [range(settings.candidate_batches)] * settings.candidates)
        genotypes = [_genotype(space, picks) for picks in candidates]
        propose_best(self._task, genotypes, scores)

    def _state(self) -> State:
        return {
            **self._shared.state(),
            **prefixed("controller.", self._controller.state()),
            "baseline": np.array([math.nan if self._baseline.value is None else self._baseline.value, self._entropy]),
            "counters": np.array([self._controller_steps, self._cycle]),
        }

    def _restore(self, state: State) -> None:
        self._shared.restore(state)
        self._controller.restore(below("controller.", state))
        average, self._entropy = (float(number) for number in state["baseline"])
        self._baseline.value = None if math.isnan(average) else average
        self._controller_steps, self._cycle = (int(n) for n in state["counters"])


def _genotype(space: Space, picks: np.ndarray) -> Genotype:
    return space.genotype(tuple(int(pick) for pick in picks))
