"""The tests of one table together: Holm's correction, what so few pairs could have shown, and what each shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.report.stats.inference import LEVEL, Comparison, holm, smallest_p

Outcome = Literal["better", "worse", "mixed", "undecided", "too few"]


@dataclass(frozen=True)
class Tested:
    """A test among the others of its table.

    Args:
        comparison: the test.
        corrected: its p after Holm's correction.
        allowed: the smallest corrected p that its number of pairs that differ can give.
        outcome: at level 0.05. ``better``, ``worse``: test and mean say so. ``mixed``: beyond chance by the test, and
            the mean says otherwise. ``too few``: no outcome of so many pairs could have been beyond chance, had they
            all differed. ``undecided``: one could.
    """

    comparison: Comparison
    corrected: float
    allowed: float
    outcome: Outcome


def family(comparisons: Sequence[Comparison]) -> list[Tested]:
    """The tests of a table, corrected for their number, in the order given."""
    corrected = holm([one.p for one in comparisons])
    # Holm's correction never falls when a p rises, so correcting the smallest possible ones bounds what n can give.
    allowed = holm([one.smallest for one in comparisons])
    clearest = holm([smallest_p(one.pairs) for one in comparisons])
    outcomes = map(outcome, comparisons, corrected, clearest)
    return [Tested(*one) for one in zip(comparisons, corrected, allowed, outcomes, strict=True)]


def outcome(one: Comparison, corrected: float, clearest: float) -> Outcome:
    """What a test shows; see :class:`Tested`.

    Args:
        one: the test.
        corrected: its p after correction.
        clearest: the corrected p, had all pairs differed and pointed one way. Pairs that were equal count: it is not
            their number that shows no difference.
    """
    if corrected > LEVEL:
        return "too few" if clearest > LEVEL else "undecided"
    if not one.agrees:
        return "mixed"
    return "better" if one.effect > 0 else "worse"


def mixed(one: Comparison) -> str:
    """How test and mean disagree: ``higher in most seeds but lower on average``."""
    ahead, behind = ("higher", "lower") if one.effect > 0 else ("lower", "higher")
    # The test weighs pairs by the rank of their difference: the side that it prefers nearly always has more of them.
    most = "in most seeds" if (one.wins - one.losses) * one.effect > 0 else "by the ranks of the differences"
    return f"{ahead} {most} but {'equal' if one.mean_sign == 0 else behind} on average"
