"""Which method is the best of a space, as far as the seeds tell.

Random search is the first hurdle: where no method beats it beyond chance (:mod:`harness.report.stats.verdict`), there
is no leader. Else the one with the largest mean lead is compared with each other method of the space, seed by seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.report.model.groups import Block, MethodInSpace
from harness.report.stats.family import outcome
from harness.report.stats.inference import compare_differences, smallest_p
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
        few: those with too few seeds for that, whatever their results.
    """

    method: MethodInSpace
    lead: float
    behind: tuple[MethodInSpace, ...]
    close: tuple[MethodInSpace, ...]
    few: tuple[MethodInSpace, ...]


def leader(
    block: Block, better: Mapping[MethodInSpace, float], worse: Sequence[MethodInSpace], others: Sequence[MethodInSpace]
) -> Leader | None:
    """The leader of one space; None if nothing beats random search there.

    The leader is chosen by the same seeds that it is then tested with. So each p is multiplied by the number of all
    pairs of methods of the space (Bonferroni's correction), which holds whoever is chosen. A method that is worse than
    random search is behind the leader without another test.

    Args:
        block: the table.
        better: the methods that beat random search in the space beyond chance, with their mean leads in points.
        worse: those that do worse than random search beyond chance.
        others: all other methods of that space that were compared with random search.
    """
    if not better:
        return None
    first = max(better, key=lambda method: better[method])
    rivals = [method for method in (*better, *others) if method != first]
    comparisons = math.comb(len(rivals) + len(worse) + 1, 2)
    told = {rival: _against(block, rival, first, comparisons) for rival in rivals}
    behind, close, few = (tuple(rival for rival in rivals if told[rival] == how) for how in ("behind", "close", "few"))
    return Leader(first, better[first], (*behind, *worse), close, few)


def _against(block: Block, rival: MethodInSpace, first: MethodInSpace, comparisons: int) -> str:
    """``behind``: worse than the leader beyond chance; ``few``: no result could have shown it; else ``close``."""
    values = between(block, first, rival, block.datasets).values
    if len(values) < FEWEST:
        return "few"
    one = compare_differences(values)
    match outcome(one, one.p * comparisons, smallest_p(one.pairs) * comparisons):
        case "better":
            return "behind"
        case "too few":
            return "few"
        case _:
            return "close"
