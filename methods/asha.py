"""ASHA: random architectures are trained a little; whenever one is among the best 1/eta of its rung, it trains on.

Paper: Li, Jamieson, Rostamizadeh, Gonina, Ben-Tzur, Hardt, Recht & Talwalkar, *A system for massively parallel
hyperparameter tuning*, MLSys 2020, Algorithm 2 (asynchronous successive halving); as the random search with early
stopping of Li & Talwalkar, *Random search and reproducibility for neural architecture search*, UAI 2019. A rung is a
share of a training: 1, 1/eta, 1/eta^2, ... Rungs are looked through from the top; the best architecture of a rung's
best 1/eta that has not been promoted goes on to the next rung; where there is none, a random one enters at the bottom.

Deviations: one worker, so the rule decides in sequence and no straggler is waited for anyway. A stopped training goes
on and pays the difference; its learning rate follows the schedule of the complete training. A draw that was drawn
before is drawn anew, ten times at most. Schedule: eta 4 and a smallest share of 1/64 as in the paper, and in counted
budgets at most half as many rungs as the budget buys trainings; under profiles with short trainings the smallest share
is larger.

Expected: 3.03 +- 0.13 % error on CIFAR-10 in the space of DARTS (Li & Talwalkar), random search without early stopping
3.29 +- 0.15 in DARTS' paper. Cost: parts of proxy trainings; a complete one about every number-of-rungs trainings.
Fails when: accuracy early in a training says little about its end; in multiply-accumulates, when a validation costs
as much as the few gradient steps before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness import Genotype, InputError, Method, Task, needs_shares

from .common.rungs import Rung, ladder

_DRAWS = 10


@dataclass(frozen=True)
class AshaSearch(Method):
    """Asynchronous successive halving of random architectures; works in every space.

    Args:
        eta: a rung trains so many times as long as the one below it, and gets the best 1/eta of it.
        smallest: share of a training on the lowest rung.
    """

    name = "asha"
    title = "ASHA (random search, early stopping)"
    space = "cell"
    families = ("random",)
    position = 25
    look = 30
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"smallest": 0.25},
        "quick": {"smallest": 0.25},
        "hour": {"smallest": 0.0625},
    }

    eta: int = 4
    smallest: float = 1 / 64

    def __post_init__(self) -> None:
        if self.eta < 2 or not 0 < self.smallest < 1:
            raise InputError("asha needs eta >= 2 and smallest in (0, 1)")

    def unsupported(self, task: Task) -> str | None:
        """It needs parts of trainings."""
        return needs_shares(task)

    def search(self, task: Task) -> None:
        """Promotes where it can, else draws. An interrupted run decides again from its log."""
        shares = ladder(task, self.eta, self.smallest)
        task.plan(rungs=len(shares))
        rungs = [Rung() for _ in shares]
        while True:
            level, genotype = self.job(task, rungs)
            [evaluation] = task.evaluate([genotype], share=shares[level])
            rungs[level].tell(genotype, evaluation)

    def job(self, task: Task, rungs: list[Rung]) -> tuple[int, Genotype]:
        """The rung to train for, and the architecture."""
        for level in range(len(rungs) - 1, 0, -1):
            if (promoted := rungs[level - 1].promotable(self.eta)) is not None:
                return level, promoted
        return 0, new(task, rungs[0])


def new(task: Task, rung: Rung) -> Genotype:
    """A random architecture, one that is not on the lowest rung yet if ten draws bring one."""
    for _ in range(_DRAWS):
        genotype = task.sample()
        if genotype not in rung.accuracies:
            break
    return genotype


METHOD = AshaSearch
