"""Training of a gated fabric, whole or with gates drawn per image, and the sub-fabric that is proposed on the way.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from harness import Genotype, State, Task
from harness.core.schedule import cosine
from harness.nets import runtime
from harness.nets.supernets.fabric import GatedFabric
from harness.spaces.fabric import FabricSpace

from . import gates
from .settings import Settings
from .shared_weights import SharedWeights

_SAVED = 50
"""Steps between two checkpoints; in seconds most of these are not due yet."""


@dataclass(frozen=True)
class FabricSettings(Settings):
    """The hyper-parameters that fabrics and budgeted super networks share.

    Args:
        batch, valid_batch: images per gradient step, and per accuracy.
        rounds: how often a sub-fabric is proposed, evenly over the budget.
        learning_rate: of the shared weights at the start; it falls to 0 along half a cosine.
    """

    batch: int
    valid_batch: int
    rounds: int
    learning_rate: float


class FabricTraining(SharedWeights):
    """Shared weights whose steps may have gates of their own for each image."""

    def __init__(self, task: Task, net: GatedFabric, settings: FabricSettings) -> None:
        super().__init__(task, net, settings.batch, settings.valid_batch)
        self._fabric = net

    def drawn(self, opened: np.ndarray, rate: float) -> np.ndarray:
        """One gradient step under gates (images, edges); the loss of each image before it.

        Raises:
            BudgetSpent: the step does not fit into the budget.
        """
        losses = np.empty(0)

        def step(images: tf.Tensor, labels: tf.Tensor) -> None:
            nonlocal losses
            drawn = self._fabric.drawn_step(
                images, labels, tf.constant(opened, tf.float32), tf.constant(rate, tf.float32)
            )  # fmt: skip
            losses = np.asarray(drawn.numpy(), np.float64)

        self._take(self._fabric.macs(opened[0]), step)
        return losses


class FabricSearch(abc.ABC):
    """Trains until the budget is spent; after each round the present sub-fabric is measured and proposed.

    Args:
        task: gives data, budget and randomness.
        net: the fabric of its space.
        settings: of the training.
    """

    def __init__(self, task: Task, net: GatedFabric, settings: FabricSettings) -> None:
        assert isinstance(task.space, FabricSpace)
        self._task, self._net, self._settings, self._space = task, net, settings, task.space
        self._training = FabricTraining(task, net, settings)
        self._round = 0

    def run(self) -> None:
        """Trains, proposes, saves, round by round."""
        runtime.expect_large_graphs()
        restored = self._task.restored()
        if restored is not None:
            self._training.restore(restored)
            self._round = int(restored["round"])
            self.take(restored)
        else:
            self._task.propose(self._space.whole())  # a short budget can end before the fabric is traced
        while self._round < self._settings.rounds:
            part = self._round + 1
            taken = 0
            while (share := self._task.meter.share) < (end := self._end()) * part / self._settings.rounds:
                self.step(cosine(self._settings.learning_rate, 0.0, share / end))
                taken += 1
                if taken % _SAVED == 0:
                    self._task.checkpoint(self._saved)
            genotype = self.pruned()
            [accuracy] = self._training.accuracies([genotype.picks], [[0]])
            self._task.propose(genotype, accuracy)
            self._round += 1
            self._task.checkpoint(self._saved)

    def _saved(self) -> State:
        return {**self._training.state(), **self.state(), "round": np.array(self._round)}

    def _end(self) -> float:
        """Share of the budget at which the training ends; in seconds it is known better after every step."""
        training, meter = self._training, self._task.meter
        # What the accuracies will take; a tenth more, because a round ends with a whole step.
        share = 1.1 * training.share_of(self._settings.rounds * training.valid_images)
        step = meter.price(seconds=training.step_seconds, steps=0, macs=0) / meter.limit
        return max(0.1, 1.0 - share - step)

    @abc.abstractmethod
    def step(self, rate: float) -> None:
        """One gradient step."""

    @abc.abstractmethod
    def pruned(self) -> Genotype:
        """The sub-fabric that would be returned now."""

    @abc.abstractmethod
    def state(self) -> State:
        """Arrays that a checkpoint needs besides the weights."""

    @abc.abstractmethod
    def take(self, state: State) -> None:
        """Takes over what :meth:`state` returned."""


def connected(space: FabricSpace, numbers: Iterable[int], strengths: np.ndarray) -> Genotype:
    """The sub-fabric of these edges; with the widest path by strength, if the output would not be reached."""
    on = set(numbers)
    if space.output(space.of_edges(on).picks) != space.last:
        on |= set(space.widest_path(strengths.tolist()))
    return space.of_edges(space.live(space.of_edges(on).picks))


def strongest(space: FabricSpace, norms: np.ndarray, keep: float) -> Genotype:
    """The widest path; then edges by their norms, each with the widest path through it, until the share is there.

    An edge alone may be on no way from the image to the output: of half of a large fabric's edges, drawn by chance, an
    eighth of all edges is left.
    """
    on = set(space.widest_path(norms.tolist()))
    for number in np.argsort(-norms, kind="stable").tolist():
        if len(on) >= round(keep * len(norms)):
            break
        on |= set(space.widest_path(norms.tolist(), through=number))
    return space.of_edges(on)


class WholeFabric(FabricSearch):
    """All edges are trained; a share of them is kept, those with the largest kernels."""

    def __init__(self, task: Task, net: GatedFabric, settings: FabricSettings, keep: float) -> None:
        super().__init__(task, net, settings)
        self._keep, self._whole = keep, self._space.whole().picks

    def step(self, rate: float) -> None:
        """One gradient step on the whole fabric."""
        self._training.train([self._whole], rate)

    def pruned(self) -> Genotype:
        """The fabric of the edges that :func:`strongest` keeps by the kernels' norms."""
        return strongest(self._space, self._net.norms(), self._keep)

    def state(self) -> State:
        """Nothing."""
        return {}

    def take(self, state: State) -> None:
        """Nothing to take over."""


class DrawnFabric(FabricSearch):
    """Gates are drawn for each image, and their logits learn what is worth its cost.

    Args:
        costs: of each edge, as shares of the whole fabric's.
        budget: share of the whole fabric's cost that costs nothing.
        price: of the whole fabric's cost beyond that, in units of the loss.
        logit: at the start, of each gate.
        gate_rate: of the gradient steps on logits.
    """

    def __init__(
        self,
        task: Task,
        net: GatedFabric,
        settings: FabricSettings,
        *,
        costs: np.ndarray,
        budget: float,
        price: float,
        logit: float,
        gate_rate: float,
    ) -> None:
        super().__init__(task, net, settings)
        self._costs, self._budget, self._price, self._gate_rate = costs, budget, price, gate_rate
        self.logits = np.full(len(costs), logit)

    def step(self, rate: float) -> None:
        """One gradient step on weights and logits."""
        opened = gates.drawn(self.logits, self._training.images, self._task.rng)
        losses = self._training.drawn(opened, rate)
        returns = gates.rewards(losses, opened, self._costs, price=self._price, budget=self._budget)
        self.logits -= self._gate_rate * gates.surrogate_gradient(self.logits, opened, returns)

    def pruned(self) -> Genotype:
        """The edges that are open more often than not."""
        self._task.plan(expected_cost=gates.expected_cost(self.logits, self._costs))
        return connected(self._space, np.flatnonzero(self.logits > 0.0).tolist(), self.logits)

    def state(self) -> State:
        """The logits."""
        return {"logits": self.logits}

    def take(self, state: State) -> None:
        """See :meth:`FabricSearch.take`."""
        self.logits = np.array(state["logits"])
