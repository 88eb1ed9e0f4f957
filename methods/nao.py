"""NAO without weight sharing (Luo, Tian, Qin, Chen, Liu: Neural Architecture Optimization, NeurIPS 2018).

Random architectures are trained. Encoder, predictor and decoder learn from their accuracies
(:mod:`harness.methods.common.nao`). The best architectures are moved in the embedding towards less predicted error and
decoded, the results are trained, and so on. The proposal is the best architecture that was trained.

Deviations: the proxy training is the profile's. An operation and the size of its kernel are one word and not two: 40
words and a vocabulary of 18 instead of 60 and 21. The model's own deviations are in
:mod:`harness.methods.common.nao_network`. An architecture that differs only by swapped halves of a node is not new. If
the model finds fewer new architectures than wanted, random ones are added. The model does not learn from failed
trainings. Small budgets have a small model and smaller moves, which find more.

Schedule: of the children that the budget buys, three in ten are random at first, one in ten is trained per round, and
as many are improved; from 100 children on this goes over, by power laws, to the paper's 1,000, 300 and 100 for 1,600.

Published: CIFAR-10 error 2.10, with 128 filters and cutout; 200 GPU-days. Expected in NAS-Bench-201 on CIFAR-10 within
12,000 s: see docs/methods/nao.md. Cost: one proxy training per architecture; the model's own training costs time.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness import Genotype, InputError, Method, Task, needs_choices

from .common.nao_settings import ModelSettings
from .common.scaling import between, nearest_positive


@dataclass(frozen=True)
class Nao(Method):
    """Moves along a gradient in the embedding of architectures; works in every space with genotypes.

    Args:
        initial: random architectures that are trained first; 0: from the budget, as with the next two.
        new: architectures that are trained per round.
        top: how many of the best so far are improved.
        step, steps: size of the first move in the embedding, by which each following one is larger, and their number.
        epd_units, epd_layers, epd_dropout, epd_epochs, epd_batch, epd_rate: of the model, see
            :class:`harness.methods.common.nao_settings.ModelSettings`.
    """

    name = "nao"
    title = "NAO"
    space = "nao_cell"
    families = ("gradient-based",)
    position = 120
    look = 11
    seen = ("nasbench201",)
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {
            **{"step": 1.0, "steps": 20},
            **{"epd_units": 16, "epd_epochs": 20, "epd_rate": 1e-2},
        },
        "quick": {
            **{"step": 1.0, "steps": 100},
            **{"epd_units": 32, "epd_epochs": 150, "epd_rate": 1e-2},
        },
        "hour": {
            **{"step": 1.0, "steps": 100},
            **{"epd_units": 32, "epd_epochs": 150, "epd_rate": 1e-2},
        },
        "table": {
            **{"step": 1.0, "steps": 100},
            **{"epd_units": 32, "epd_epochs": 100, "epd_rate": 1e-2},
        },
        "nb201": {
            **{"step": 1.0, "steps": 100},
            **{"epd_units": 32, "epd_epochs": 100, "epd_rate": 1e-2},
        },
    }

    initial: int = 0
    new: int = 0
    top: int = 0
    step: float = 10.0
    steps: int = 3
    epd_units: int = 96
    epd_layers: tuple[int, ...] = ()
    epd_dropout: float = 0.1
    epd_epochs: int = 1000
    epd_batch: int = 50
    epd_rate: float = 1e-3

    def __post_init__(self) -> None:
        if min(self.initial, self.new, self.top) < 0 or self.steps < 1 or self.step <= 0:
            raise InputError("nao needs initial, new and top >= 0 and at least one step, larger than 0")
        ModelSettings.of(self)

    def unsupported(self, task: Task) -> str | None:
        """It needs choices."""
        return needs_choices(task)

    def search(self, task: Task) -> None:
        """Trains architectures and the model in turn, until the budget is spent or the whole space is trained.

        A space of more than :data:`~harness.core.space.MOST_TABULATED` genotypes counts as trained where neither model
        nor draws find anything new.

        An interrupted run learns again from its log.
        """
        from .common.nao import Known, Learner, drawn, improved

        learner, known = Learner(task.space, ModelSettings.of(self), task.seed), Known(task.space)
        pool: list[tuple[float, Genotype]] = []
        draws = functools.partial(drawn, task.space, task.rng, known, refusal=task.refusal, draw=task.draw)
        batch = draws(1)
        while batch:
            evaluations = task.evaluate(batch)
            pool += [(1 - e.accuracy, g) for g, e in zip(batch, evaluations, strict=True) if not e.failure]
            pool.sort(key=lambda member: member[0])
            initial, new, top = self.sizes(task.children())
            batch = draws(1) if len(task.evaluations) < initial else []
            if batch:
                continue
            task.plan(initial=initial, new=new, top=top)
            if pool:
                errors, genotypes = zip(*pool, strict=True)
                learner.train(genotypes, errors, task.meter.check)
                moves = (self.step * number for number in range(1, self.steps + 1))
                batch = improved(learner, genotypes[:top], known, new, moves, task.refusal)
            batch += draws(new - len(batch))

    def sizes(self, children: int) -> tuple[int, int, int]:
        """The random start, the architectures per round and the improved ones, in a search of so many children."""
        few = min(100, children)
        return (
            self.initial or max(4, nearest_positive(between(children, (100, 0.3 * few), (1600, 1000)))),
            self.new or nearest_positive(between(children, (100, 0.1 * few), (1600, 300))),
            self.top or max(2, nearest_positive(between(children, (100, 0.1 * few), (1600, 100)))),
        )


METHOD = Nao
