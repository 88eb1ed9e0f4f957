"""Which method is the best of a space, as far as the seeds tell.

Random search is the first hurdle: where no method beats it beyond chance (:mod:`harness.report.stats.verdict`), there
is no leader. Else the one with the largest mean lead is compared with each other method of the space, seed by seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.model.groups import Block, MethodInSpace
from harness.report.stats import tests as stats
from harness.report.stats.pairs import between

FEWEST = 3
"""With fewer common seeds nothing is told of two methods."""


@dataclass(frozen=True)
class Leader:
    """The method in front, and how the others of its space stand against it.

    Args:
        method: which.
        lead: its mean lead over random search, in points.
        behind: methods that are worse than it beyond chance.
        close: those of which that cannot be said; any of them may be the better one.
    """

    method: MethodInSpace
    lead: float
    behind: tuple[MethodInSpace, ...]
    close: tuple[MethodInSpace, ...]


def leader(block: Block, better: dict[MethodInSpace, float], others: Sequence[MethodInSpace]) -> Leader | None:
    """The leader of one space; None if nothing beats random search there.

    The leader is chosen by the same seeds that it is then tested with. So each p is multiplied by the number of all
    pairs of methods of the space (Bonferroni's correction), which holds whoever is chosen.

    Args:
        block: the table.
        better: the methods that beat random search in the space beyond chance, with their mean leads in points.
        others: all other methods of that space that were compared with random search.
    """
    if not better:
        return None
    first = max(better, key=lambda method: better[method])
    rivals = [method for method in (*better, *others) if method != first]
    pairs = math.comb(len(rivals) + 1, 2)
    behind = [rival for rival in rivals if _is_behind(block, rival, first, pairs)]
    return Leader(first, better[first], tuple(behind), tuple(rival for rival in rivals if rival not in behind))


def _is_behind(block: Block, rival: MethodInSpace, first: MethodInSpace, pairs: int) -> bool:
    """Whether a method is worse than the leader beyond chance: in its ranks and on average."""
    values = list(between(block, first, rival, block.datasets).values())
    if len(values) < FEWEST:
        return False
    one = stats.compare_differences(values)
    higher = one.difference is None or one.difference > 0
    return higher and one.effect > 0 and one.p * pairs <= stats.LEVEL
