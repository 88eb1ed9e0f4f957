"""NAO without weight sharing (Luo, Tian, Qin, Chen, Liu: Neural Architecture Optimization, NeurIPS 2018).

Random architectures are trained. Encoder, predictor and decoder learn from their accuracies
(:mod:`harness.methods.common.nao`). The best architectures are moved in the embedding towards less predicted error and
decoded, the results are trained, and so on. The proposal is the best architecture that was trained.

Deviations: the proxy training is the profile's. An operation and the size of its kernel are one word and not two: 40
words and a vocabulary of 18 instead of 60 and 21. The model's own deviations are in
:mod:`harness.methods.common.nao_network`. An architecture that differs only by swapped halves of a node is not new. If
the model finds fewer new architectures than wanted, random ones are added. The model does not learn from failed
trainings. Small budgets have a small model, a pool of tens, and smaller moves, which find more.

Published: CIFAR-10 error 2.10, with 128 filters and cutout; 200 GPU-days. Expected in NAS-Bench-201 on CIFAR-10 within
12,000 s: see docs/methods/nao.md. Cost: one proxy training per architecture; the model's own training costs time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness import Genotype, InputError, Method, Task

from .common.nao_settings import ModelSettings


@dataclass(frozen=True)
class Nao(Method):
    """Moves along a gradient in the embedding of architectures; works in every space with genotypes.

    Args:
        initial: random architectures that are trained first.
        new: architectures that are trained per round.
        top: how many of the best so far are improved.
        step, steps: size of the first move in the embedding, by which each following one is larger, and their number.
        epd_units, epd_layers, epd_dropout, epd_epochs, epd_batch, epd_rate: of the model, see
            :class:`harness.methods.common.nao_settings.ModelSettings`.
    """

    name = "nao"
    title = "NAO"
    space = "nao_cell"
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {
            **{"initial": 2, "new": 1, "top": 2, "step": 1.0, "steps": 20},
            **{"epd_units": 16, "epd_epochs": 20, "epd_rate": 1e-2},
        },
        "quick": {
            **{"initial": 4, "new": 2, "top": 2, "step": 1.0, "steps": 100},
            **{"epd_units": 32, "epd_epochs": 150, "epd_rate": 1e-2},
        },
        "hour": {
            **{"initial": 15, "new": 5, "top": 5, "step": 1.0, "steps": 100},
            **{"epd_units": 32, "epd_epochs": 150, "epd_rate": 1e-2},
        },
        "nb201": {
            **{"initial": 30, "new": 10, "top": 10, "step": 1.0, "steps": 100},
            **{"epd_units": 32, "epd_epochs": 100, "epd_rate": 1e-2},
        },
    }

    initial: int = 1000
    new: int = 300
    top: int = 100
    step: float = 10.0
    steps: int = 3
    epd_units: int = 96
    epd_layers: tuple[int, ...] = ()
    epd_dropout: float = 0.1
    epd_epochs: int = 1000
    epd_batch: int = 50
    epd_rate: float = 1e-3

    def __post_init__(self) -> None:
        if min(self.initial, self.new, self.top, self.steps) < 1 or self.step <= 0:
            raise InputError("nao needs at least one initial, new and top architecture and one step larger than 0")
        ModelSettings.of(self)

    def unsupported(self, task: Task) -> str | None:
        """It needs choices."""
        return None if task.space.choices else f"the space '{task.space.name}' has no choices"

    def search(self, task: Task) -> None:
        """Trains architectures and the model in turn, until the budget is spent or the whole space is trained.

        An interrupted run learns again from its log.
        """
        from .common.nao import Known, Learner, drawn, improved

        learner, known = Learner(task.space, ModelSettings.of(self), task.seed), Known(task.space)
        pool: list[tuple[float, Genotype]] = []
        batch = drawn(task.space, task.rng, known, self.initial)
        while batch:
            evaluations = task.evaluate(batch)
            pool += [(1 - e.accuracy, g) for g, e in zip(batch, evaluations, strict=True) if not e.failure]
            pool.sort(key=lambda member: member[0])
            batch = []
            if pool:
                errors, genotypes = zip(*pool, strict=True)
                learner.train(genotypes, errors, task.meter.check)
                moves = (self.step * number for number in range(1, self.steps + 1))
                batch = improved(learner, genotypes[: self.top], known, self.new, moves)
            batch += drawn(task.space, task.rng, known, self.new - len(batch))


METHOD = Nao
