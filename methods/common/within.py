"""Numbers from which a policy draws architectures within the limits of the final network.

A policy that is told 0 for what is beyond a limit learns what is allowed and nothing else: the gap between nothing and
any accuracy is much larger than those between networks. So what is beyond is drawn again and taught to nobody.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness import Genotype, Task


def uniforms(
    task: Task,
    count: int,
    decisions: int,
    picks: Callable[[np.ndarray], np.ndarray],
    kind: type[np.float32] | type[np.float64] = np.float64,
) -> np.ndarray:
    """Uniform numbers of shape ``(count, decisions)``; without limits, those of one call of the task's generator.

    Args:
        task: knows limits and generator.
        count: of the architectures.
        decisions: numbers that an architecture is drawn from.
        picks: gives the picks, (n, choices), that the policy draws from such numbers.
        kind: of the numbers.

    Raises:
        BudgetSpent: too many in a row were beyond the limits, see :meth:`harness.Task.draw`.
    """
    if not task.limits:
        return task.rng.random((count, decisions), kind)
    rows = np.empty((count, decisions), kind)
    for row in rows:

        def drawn(row: np.ndarray = row) -> Genotype:
            row[:] = task.rng.random(decisions, kind)
            return task.space.genotype(tuple(picks(row[None])[0].tolist()))

        task.draw(drawn)
    return rows
