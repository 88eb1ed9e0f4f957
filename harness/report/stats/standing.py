"""How each method of a table stands against random search in its space, and how many seeds would tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.report.model.groups import Block, MethodInSpace
from harness.report.stats import inference as stats
from harness.report.stats.family import Outcome, family
from harness.report.stats.leader import FEWEST
from harness.report.stats.pairs import NO_PAIRS, Pairs, compared, with_random_search
from harness.report.stats.power import pairs_for_power


@dataclass(frozen=True)
class Standing:
    """How a method stands against random search in its space.

    Args:
        method: which.
        outcome: at level 0.05, after Holm's correction.
        pairs: with random search; without any if the two have no seed in common.
        comparison: the test of these; None without one.
        corrected: its p after the correction.
        seeds_needed: how many would show a difference like the one seen with power 80 %; None above a bound, and
            where it cannot be estimated.
        hidden: whether failed runs hide a difference, see :func:`_hidden`.
    """

    method: MethodInSpace
    outcome: Outcome | Literal["not compared"]
    pairs: Pairs = NO_PAIRS
    comparison: stats.Comparison | None = None
    corrected: float = 1.0
    seeds_needed: int | None = None
    hidden: bool = False

    @property
    def differences(self) -> tuple[float, ...]:
        """Of the pairs, by seed."""
        return self.pairs.values

    @property
    def lead(self) -> float:
        """The mean difference over the pairs in which neither run failed, minus infinity without one."""
        known = self.comparison.difference if self.comparison else None
        return -math.inf if known is None else known


def standings(block: Block) -> list[Standing]:
    """How each method of a table stands, in the table's order; those that are compared with nothing are not there."""
    methods = compared(block)
    pairs = {method: with_random_search(block, method, block.datasets) for method in methods}
    comparisons = {method: stats.compare_differences(own.values) for method, own in pairs.items() if own.values}
    tested = dict(zip(comparisons, family(list(comparisons.values())), strict=True))
    left = sum(one.outcome in ("undecided", "too few") for one in tested.values())
    # The level at which Holm's correction tests the methods that have not been told apart yet.
    level = stats.LEVEL / max(1, left)
    found = []
    for method in methods:
        if method not in tested:
            found.append(Standing(method, "not compared", pairs[method]))
            continue
        one, values = tested[method], pairs[method].values
        open_ = len(values) >= FEWEST and one.outcome in ("undecided", "too few")
        needed = pairs_for_power(values, level) if open_ else None
        found.append(
            Standing(
                method,
                one.outcome,
                pairs=pairs[method],
                comparison=one.comparison,
                corrected=one.corrected,
                seeds_needed=needed,
                hidden=open_ and _hidden(one.comparison, values, needed, level),
            )
        )
    return found


def _hidden(one: stats.Comparison, values: Sequence[float], needed: int | None, level: float) -> bool:
    """Whether failed runs hide a difference: the others point elsewhere than all runs do, or only they could tell."""
    ended = [value for value in values if math.isfinite(value)]
    if not 0 < len(ended) < len(values):
        return False
    other = stats.compare_differences(ended).effect
    turned = other != 0 and other * one.effect <= 0
    return turned or (needed is None and pairs_for_power(ended, level) is not None)
