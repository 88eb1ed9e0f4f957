"""Loop, schedules and checkpoints of searches that train weights for all architectures.

:class:`PathSearch` is for single paths of a relaxed network, :class:`WeightsSearch` for any supernet.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass

import numpy as np

from harness import Genotype, InputError, State, Task
from harness.core.budget import PASSES_PER_STEP
from harness.core.schedule import cosine
from harness.nets import runtime
from harness.nets.supernets.paths import GatedPaths

from .candidates import Candidates, CandidateSettings
from .path_weights import PathWeights
from .settings import Settings
from .shared_weights import SharedWeights, StepTimes, supernet
from .states import below, prefixed

_WHOLE = 1.0 - 1e-12
"""Share at which a training is over, a little below 1: for rounding, a step too many would eat into the rest."""


@dataclass(frozen=True)
class LoopSettings(Settings):
    """The hyper-parameters of the loop.

    Args:
        batch, valid_batch: images per gradient step, and per validation batch.
        learning_rate, final_learning_rate: cosine over the training's share of the budget.
        save_every: steps between two checkpoints.
    """

    batch: int
    valid_batch: int
    learning_rate: float
    final_learning_rate: float
    save_every: int

    def __post_init__(self) -> None:
        if min(self.batch, self.valid_batch, self.save_every) < 1 or self.learning_rate <= 0:
            raise InputError("batch, valid_batch, save_every and learning_rate have to be above 0")


@dataclass(frozen=True)
class PathSettings(LoopSettings):
    """The hyper-parameters of the shared weights.

    Args:
        momentum, weight_decay, clip: of SGD with Nesterov momentum; the decay is a factor on the weights.
    """

    momentum: float
    weight_decay: float
    clip: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clip <= 0:
            raise InputError("clip has to be above 0")


class WeightsSearch(abc.ABC):
    """Shared weights of one search.

    Args:
        task: gives data, budget and randomness.
        settings: see :class:`LoopSettings`.
        shared: the supernet's training.

    Attributes:
        shared: see above.
        steps: taken so far.
    """

    def __init__(self, task: Task, settings: LoopSettings, shared: SharedWeights) -> None:
        self.task, self._settings, self.shared = task, settings, shared
        self.steps = 0
        self._times = StepTimes()

    @abc.abstractmethod
    def step(self, rate: float, done: float) -> None:
        """One step of the training.

        Args:
            rate: learning rate of the shared weights.
            done: share of the training that is over, 0 to 1.
        """

    @abc.abstractmethod
    def finish(self) -> None:
        """Proposes the result."""

    @abc.abstractmethod
    def price(self) -> tuple[int, int]:
        """Gradient steps and multiply-accumulates of a step, at most."""

    def end(self) -> float:
        """Share of the budget at which the training ends."""
        return 1.0

    def over(self) -> bool:
        """Whether the training is over, whatever the share of the budget."""
        return False

    def run(self) -> None:
        """Trains until :meth:`end`, then finishes."""
        runtime.expect_large_graphs()
        restored = self.task.restored()
        if restored is not None:
            self.restore(restored)
        else:
            # A short budget can end before the shared network is traced.
            self.task.propose(self.task.sample())
        self.train()
        self.finish()

    def train(self) -> None:
        """Trains until :meth:`end`."""
        settings, meter = self._settings, self.task.meter
        while not self.over() and (done := meter.share / self.end()) < _WHOLE:
            steps, macs = self.price()
            if meter.price(seconds=self._times.seconds, steps=steps, macs=macs) > meter.left:
                break
            began = meter.now()
            self.step(cosine(settings.learning_rate, settings.final_learning_rate, done), done)
            self._times.note(meter.now() - began)
            self.steps += 1
            if self.steps % settings.save_every == 0:
                self.save()

    def save(self) -> None:
        """Offers a checkpoint."""
        self.task.checkpoint(self.state)

    def planned_steps(self) -> float:
        """Steps of the whole training, to be asked before a step; infinite in seconds while a step's time is not known.

        In counted budgets the steps so far tell what one costs, and :meth:`price` before there are any. In seconds the
        first step of a process, which traces, tells nothing.
        """
        meter = self.task.meter
        if meter.budget.counted and self.steps:
            return self.steps * self.end() / meter.share
        steps, macs = self.price()
        price = meter.price(seconds=self._times.seconds, steps=steps, macs=macs)
        return self.steps + max(0.0, self.end() * meter.limit - meter.spent) / price if price else math.inf

    def state(self) -> State:
        """Shared weights, number of steps and their times, for a checkpoint."""
        return {**self.shared.state(), "path_steps": np.array(self.steps), "path_times": self._times.state()}

    def restore(self, state: State) -> None:
        """Takes over what :meth:`state` returned."""
        self.shared.restore(state)
        self.steps = int(state["path_steps"])
        self._times.restore(state["path_times"])


class PathSearch(WeightsSearch):
    """Shared weights of single paths of a relaxed network.

    Args:
        task: gives data, budget and randomness.
        settings: see :class:`PathSettings`.

    Attributes:
        net, shared: the supernet, and its training.
    """

    shared: PathWeights

    def __init__(self, task: Task, settings: PathSettings) -> None:
        self.net = supernet(GatedPaths, task, settings, squares_in_loss=False)
        super().__init__(task, settings, PathWeights(task, self.net, settings.batch, settings.valid_batch))

    def most_macs(self) -> int:
        """Multiply-accumulates of a gradient step along the most expensive path."""
        return PASSES_PER_STEP * self.shared.images * self.net.net.most_macs()


class Comparison(WeightsSearch):
    """A search that ends with a comparison of many architectures under the shared weights.

    Attributes:
        candidates: the comparison.
    """

    candidates: Candidates

    @abc.abstractmethod
    def draw(self) -> Genotype | None:
        """A candidate; None where there are no more."""

    def end(self) -> float:
        """Share of the budget that the comparison and the trainings from scratch leave."""
        return 1.0 - self.candidates.share()

    def over(self) -> bool:
        """The comparison has begun."""
        return self.candidates.begun

    def finish(self) -> None:
        """Compares; the best is proposed."""
        self.candidates.compare(self.draw, self.save)

    def state(self) -> State:
        """The search and the candidates so far, for a checkpoint."""
        return {**super().state(), **prefixed("candidates.", self.candidates.state())}

    def restore(self, state: State) -> None:
        """Takes over what :meth:`state` returned."""
        super().restore(state)
        self.candidates.restore(below("candidates.", state))


class ComparedSearch(Comparison, PathSearch):
    """A search over single paths that ends with a comparison.

    Args:
        task, settings: see :class:`PathSearch`.
        comparison: see :class:`harness.methods.common.candidates.CandidateSettings`.
    """

    def __init__(self, task: Task, settings: PathSettings, comparison: CandidateSettings) -> None:
        super().__init__(task, settings)
        self.candidates = Candidates(task, self.shared, comparison)
