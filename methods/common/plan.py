"""What a method makes of its budget."""

from __future__ import annotations

import numpy as np

from harness import Task


def children(task: Task) -> int:
    """How many evaluations the whole budget buys, at least 1: what sizes of populations are made from.

    Exact in budgets that are counted. In seconds it is the budget over the mean cost of the evaluations so far, and 1
    before the first one. It depends on the log alone, so that a resumed search makes the same plan.
    """
    if task.meter.budget.counted:
        return max(1, int(task.meter.limit / task.recipe.steps))
    cost = float(np.mean([evaluation.seconds for evaluation in task.evaluations])) if task.evaluations else 0.0
    return max(1, int(task.meter.limit / cost)) if cost > 0 else 1
