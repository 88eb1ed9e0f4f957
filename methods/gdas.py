"""GDAS (Dong & Yang: Searching for a Robust Neural Architecture in Four GPU Hours, CVPR 2019).

Every edge has logits ``alpha`` over its operations, ``none`` included. A gradient step samples one operation per edge:
the largest of ``alpha + g``, where g is Gumbel noise, so that an operation is drawn with its probability under the
softmax of ``alpha``. Only the sampled operations are computed. In the backward pass the sample is replaced by the
softmax of ``(log softmax(alpha) + g) / tau``, and only the sampled operation's derivative counts. Steps alternate as
in DARTS: the weights on a training batch, ``alpha`` on a validation batch, each with a sample of its own. The
temperature tau falls linearly from 10 to 0.1 over the budget. The result is derived as in DARTS; in NAS-Bench-201 it is
the strongest operation of every edge, ``none`` included.

Schedule: learning rate, temperature and Adam's rate for ``alpha`` follow the budget: rate times steps is that of the
paper's 250 epochs, as long as the rate is not above 0.05.

Deviations: weights that a step does not use rest; in the paper's code weight decay and momentum move them. Poolings are
not normalised, so that a sampled child is the network that is trained in the end, but for scales and offsets. The
split is the harness', padding is TensorFlow's, normalisations use batch statistics. Both kinds of cells are searched
(the paper has a variant with a fixed reduction cell). In the released code an operation that was not sampled gets the
sum of the output's gradient; here it gets none, as the paper says.

Published: CIFAR-10 error 3.75, with cutout 2.93 (from memory), 0.21 GPU-days; NAS-Bench-201, CIFAR-10: 93.51 +- 0.13 %
with batch statistics. Cost: a step is two gradient steps of one path each: operations of all edges of a cell, in
DARTS' cells 14 where a genotype has eight. Fails when the budget is short: ``alpha`` hardly leaves its start, and the
result is close to a random cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from harness import InputError, Method, State, Task, needs_images, space_is
from harness.core.budget import PASSES_PER_STEP
from harness.nets.supernets.paths import RELAXED_SPACES

from .common.alpha import PAPER_STEPS, Alpha, Numbers, alpha_rate
from .common.derive import derived
from .common.path_search import PathSearch, PathSettings
from .common.softmax import softmax, through_softmax


@dataclass(frozen=True)
class Gdas(Method):
    """The hyper-parameters of the paper's search on CIFAR-10.

    Args:
        batch, valid_batch: images per gradient step of the weights, and of ``alpha``.
        learning_rate, final_learning_rate, momentum, weight_decay, clip: of the weights (SGD, cosine schedule).
        alpha_learning_rate, alpha_beta1, alpha_weight_decay: of ``alpha`` (Adam); the rate is that of a search of
            97,500 steps, a shorter one has a larger rate.
        alpha_deviation: standard deviation of the normal distribution that ``alpha`` starts from.
        hot, cold: the first and the last temperature.
        save_every: steps between two checkpoints and proposals.
    """

    name = "gdas"
    title = "GDAS"
    space = "cell"
    families = ("differentiable", "one-shot")
    trains = True
    position = 161
    look = 22
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"batch": 16, "valid_batch": 16, "save_every": 5},
        "quick": {"batch": 32, "valid_batch": 32, "save_every": 20},
        "nb201-weights": {"weight_decay": 5e-4},
    }

    batch: int = 64
    valid_batch: int = 64
    learning_rate: float = 0.025
    final_learning_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    alpha_learning_rate: float = 3e-4
    alpha_beta1: float = 0.5
    alpha_weight_decay: float = 1e-3
    alpha_deviation: float = 1e-3
    hot: float = 10.0
    cold: float = 0.1
    save_every: int = 50

    def __post_init__(self) -> None:
        PathSettings.of(self)
        if not 0 < self.cold <= self.hot or self.alpha_learning_rate <= 0:
            raise InputError("gdas needs 0 < cold <= hot and alpha_learning_rate > 0")

    def unsupported(self, task: Task) -> str | None:
        """The supernets are those of DARTS' cells and of NAS-Bench-201's."""
        return space_is(task, *RELAXED_SPACES) or needs_images(task)

    def search(self, task: Task) -> None:
        """Searches until the budget is spent, and proposes the current cells now and then."""
        GdasSearch(task, self).run()


class Sample(NamedTuple):
    """Operations of all edges.

    Attributes:
        ops: the sampled ones, (kinds, edges).
        soft: what stands for them in the backward pass, (kinds, edges, operations).
    """

    ops: np.ndarray
    soft: Numbers


def sampled(alpha: Numbers, gumbel: Numbers, temperature: float) -> Sample:
    """One operation per edge.

    Args:
        alpha: logits, (kinds, edges, operations).
        gumbel: standard Gumbel noise of the same shape.
        temperature: tau.
    """
    noisy = np.log(softmax(alpha)) + gumbel
    return Sample(noisy.argmax(axis=-1), softmax(noisy / temperature))


def alpha_gradient(sample: Sample, gates: np.ndarray, temperature: float) -> Numbers:
    """The derivative of the loss by ``alpha``.

    Args:
        sample: what was computed.
        gates: the derivative by a factor on what each edge carries, (kinds, edges).
        temperature: tau of the sample.
    """
    hard = np.eye(sample.soft.shape[-1])[sample.ops]
    # The derivative by log softmax(alpha) is that by alpha, because its rows sum to zero.
    return through_softmax(sample.soft, hard * gates[..., None]) / temperature


class GdasSearch(PathSearch):
    """One search; see the module."""

    def __init__(self, task: Task, settings: Gdas) -> None:
        super().__init__(task, PathSettings.of(settings))
        self._method, net = settings, self.net.net
        shape = (net.kinds, net.edges, len(net.operations))
        self.alpha = Alpha.drawn(
            task.seed, shape, settings.alpha_deviation, settings.alpha_beta1, settings.alpha_weight_decay
        )
        self._accuracies: list[float] = []

    def price(self) -> tuple[int, int]:
        """See :class:`PathSearch`."""
        images = self.shared.images + self.shared.valid_images
        steps = 1 + self.shared.passes(PASSES_PER_STEP * self.shared.valid_images)
        return steps, PASSES_PER_STEP * images * self.net.net.most_macs()

    def temperature(self, done: float) -> float:
        """Tau when a share of the search is over."""
        return self._method.hot + (self._method.cold - self._method.hot) * min(1.0, done)

    def step(self, rate: float, done: float) -> None:
        """The weights on one sample, ``alpha`` on another."""
        temperature = self.temperature(done)
        own = alpha_rate(self._method.alpha_learning_rate, PAPER_STEPS, self.planned_steps())
        self.shared.train_path(self._path(self._sample(temperature)), rate)
        sample = self._sample(temperature)
        gates, accuracy = self.shared.gate_gradient(self._path(sample), self.steps)
        gradient = alpha_gradient(sample, gates.reshape(sample.ops.shape), temperature)
        self.task.plan(temperature=round(temperature, 4), alpha_rate=own)
        self.alpha.descend(gradient, own)
        self._accuracies.append(accuracy)

    def _sample(self, temperature: float) -> Sample:
        return sampled(self.alpha.values, self.task.rng.gumbel(size=self.alpha.values.shape), temperature)

    def _path(self, sample: Sample) -> np.ndarray:
        """The path of a sample, without operations that nothing reads."""
        return self.net.reduced(sample.ops.ravel().astype(np.int32))

    def save(self) -> None:
        """Proposes, too."""
        self.finish()
        super().save()

    def finish(self) -> None:
        """Proposes the cells of the present ``alpha``, with the accuracy of the latest samples."""
        accuracy = float(np.mean(self._accuracies)) if self._accuracies else None
        self._accuracies.clear()
        self.task.propose(derived(self.task.space, list(self.alpha.shares())), accuracy)

    def state(self) -> State:
        """Weights and ``alpha``, for a checkpoint."""
        return {**super().state(), **self.alpha.state()}

    def restore(self, state: State) -> None:
        """Takes over what :meth:`state` returned."""
        super().restore(state)
        self.alpha.restore(state)


METHOD = Gdas
