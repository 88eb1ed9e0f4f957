"""What a search has been charged, counted again by the parent: the meter was in the method's hands.

The log has a row with the cost of each evaluation. Gradient steps that a method takes itself are in no row, and a
search on a table keeps no log: of these the parent knows only the sum that the search has reported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.core.record import trained
from harness.run.job import Job

_SLACK = 1e-6
_MACS_SLACK = 0.05  # a network is counted before it is built, and again when it is trained


def check_charged(job: Job, search: Mapping[str, float], evaluations: Sequence[Mapping[str, Any]]) -> None:
    """Refuses a search that went on after its budget was spent.

    The last evaluation may overrun a budget that counts no work, because nobody knows before how long it takes.

    Args:
        job: whose search is over.
        search: what it has reported.
        evaluations: the rows of its log.

    Raises:
        ValueError: it was charged more than the budget allows; the message is a sentence.
    """
    budget = job.profile.budget
    slack = 1 + (_MACS_SLACK if budget.unit == "macs" else _SLACK)
    charged = search.get("charged", 0.0)
    if budget.counted and not 0 <= charged <= budget.amount * slack:
        raise ValueError(_sentence(charged, job))
    costs = _costs(job, evaluations)
    logged = math.fsum(costs if budget.counted else costs[:-1])
    if min(costs, default=0.0) < 0 or logged > budget.amount * slack:
        raise ValueError(_sentence(logged, job))


def check_counted(job: Job, search: Mapping[str, float], evaluations: Sequence[Mapping[str, Any]]) -> None:
    """Refuses a log that has lost rows, or won some: curves and costs would be others than those of the search.

    Args:
        job, search, evaluations: as with :func:`check_charged`.

    Raises:
        ValueError: it has; the message is a sentence.
    """
    counted = search.get("evaluations")
    # A look-up keeps its log in memory.
    if counted is None or not (job.prepared.tensorflow or job.directory.evaluations.exists()):
        return
    logged = trained(evaluations)
    if logged != counted:
        raise ValueError(f"the search counted {counted:g} evaluations, and its log holds {logged}")


def _sentence(charged: float, job: Job) -> str:
    unit = job.profile.budget.unit
    return f"the search was charged {charged:.6g} {unit}, and its budget is {job.profile.budget}"


def _costs(job: Job, rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Cost of each logged evaluation in the budget's unit."""
    unit = job.profile.budget.unit
    match unit:
        case "s":
            costs = [row["seconds"] for row in rows]
        case "macs":
            costs = [row["macs"] for row in rows]
        case "steps":
            costs = [row["steps"] for row in rows]
        case "evals":
            each = max(1, job.profile.proxy_for(job.space).steps)
            costs = [row["steps"] / each for row in rows]
    return [float(cost) for cost in costs]
