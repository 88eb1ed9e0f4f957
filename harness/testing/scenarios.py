"""Searches under conditions that are rare and that every method meets one day.

For methods that ask for evaluations: one that does nothing has not come through.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.core.budget import Meter
from harness.core.evaluation import Evaluation, Proposal
from harness.core.method import Method
from harness.core.names import sentence
from harness.core.space import Space
from harness.core.task import Task
from harness.run.profiles import SMOKE
from harness.testing.checks import Broken, ensure
from harness.testing.fakes import FakeEvaluator, make_task, run


class Failing(FakeEvaluator):
    """Every training fails."""

    def evaluate(self, proposal: Proposal, number: int, meter: Meter) -> Evaluation:
        """Accuracy 0 and a reason."""
        return Evaluation(str(proposal), 0.0, (), 1.0, self.gradient_steps, failure="it cannot be built")


def survives_failures(cls: type[Method], space: Space) -> None:
    """A search whose trainings all fail uses its budget and ends."""
    _uses_its_budget(cls, space, Failing(), "when every training fails")


def survives_ties(cls: type[Method], space: Space) -> None:
    """A search in which every architecture is as good as any other uses its budget and ends."""
    _uses_its_budget(cls, space, FakeEvaluator(lambda _: 0.5), "when all architectures are equally good")


def _uses_its_budget(cls: type[Method], space: Space, evaluator: FakeEvaluator, when: str) -> None:
    task = make_task(space, "15evals", evaluator=evaluator)
    _search(cls, task, when)
    ensure(task.meter.spent == task.meter.limit, f"{when}, it used {task.meter.spent:g} of 15 evaluations")


def ends_in_seconds(cls: type[Method], space: Space) -> None:
    """A budget in seconds is used, up to a repeat that no longer fits."""
    rng = np.random.default_rng(1)
    task = make_task(space, "20s", evaluator=FakeEvaluator(seconds=lambda _: float(rng.uniform(1, 3))))
    _search(cls, task, "with a budget of 20 s")
    ensure(17 < task.meter.spent < 23, f"with a budget of 20 s, it spent {task.meter.spent:.1f} s")


def _search(cls: type[Method], task: Task, when: str) -> None:
    try:
        run(cls(**cls.scaled.get(SMOKE.name, {})), task)
    except Exception as error:
        raise Broken(f"{when}, the search failed: {sentence(error)}") from error


SCENARIOS: dict[str, Callable[[type[Method], Space], None]] = {
    "survives trainings that fail": survives_failures,
    "survives architectures that are all alike": survives_ties,
    "ends with a budget in seconds": ends_in_seconds,
}
"""By the name of the check."""


def all_scenarios(cls: type[Method], space: Space) -> dict[str, str]:
    """A sentence for each scenario in which the method breaks its promises, "" for the others."""
    told = dict.fromkeys(SCENARIOS, "")
    for name, scenario in SCENARIOS.items():
        try:
            scenario(cls, space)
        except Broken as error:
            told[name] = str(error)
    return told
