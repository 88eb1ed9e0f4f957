"""What a search may not propose because its final network would be beyond a limit."""

from __future__ import annotations

from collections.abc import Callable

from harness.core.budget import BudgetSpent, Meter
from harness.core.evaluation import Proposal
from harness.core.journal import Journal
from harness.core.limits import Limits
from harness.core.proposals import identity
from harness.core.space import Genotype

MOST_REFUSALS = 1000
"""Refusals in a row, without a gradient step between them, that end a search, or a tenth of these where each has to be
timed: a search that only comes up with what it may not propose would never end."""


class Refusals:
    """Looks at proposals, each once, and counts refusals.

    Args:
        limits: of the final network.
        beyond: what of a proposal's final network is beyond them, in words.
        meter: the time that looking takes is kept from it.
        journal: keeps what was measured, because a second measurement may come out otherwise and an interrupted search
            would go another way.
    """

    def __init__(self, limits: Limits, beyond: Callable[[Proposal], str], meter: Meter, journal: Journal) -> None:
        self.limits, self.count, self.last = limits, 0, ""
        self._beyond, self._meter, self._journal = beyond, meter, journal
        self._in_a_row, self._steps = 0, 0
        self._known: dict[Proposal, str] = {}

    def state(self) -> list[int | str]:
        """What has been counted, for a checkpoint."""
        return [self.count, self.last, self._in_a_row, self._steps]

    def restore(self, count: int, last: str, in_a_row: int, steps: int) -> None:
        """Takes over what :meth:`state` returned."""
        self.count, self.last, self._in_a_row, self._steps = count, last, in_a_row, steps

    def of(self, proposal: Proposal) -> str:
        """What is beyond the limits; empty if nothing is."""
        if not self.limits:
            return ""
        if proposal not in self._known:
            began = self._meter.now()
            self._known[proposal] = self._measured(proposal) if self.limits.latency else self._beyond(proposal)
            self._meter.exclude(self._meter.now() - began)
        return self._known[proposal]

    def _measured(self, proposal: Proposal) -> str:
        text = identity(proposal)
        words = self._journal.judged(text)
        if words is None:
            words = self._beyond(proposal)
            self._journal.judge(text, words)
        return words

    def add(self, text: str, words: str) -> None:
        """Counts the refusal of what was drawn or proposed.

        Raises:
            BudgetSpent: there were too many in a row.
        """
        self.count += 1
        if self._meter.steps > self._steps:
            self._in_a_row, self._steps = 0, self._meter.steps
        self._in_a_row += 1
        self.last = f"{text}: {words}"
        if self._in_a_row > MOST_REFUSALS // (10 if self.limits.latency else 1):
            raise BudgetSpent

    def passed(self) -> None:
        """A proposal was not refused."""
        self._in_a_row = 0

    def draw(self, draws: Callable[[], Genotype]) -> Genotype:
        """The first genotype of ``draws`` that is within the limits.

        Raises:
            BudgetSpent: there were too many refusals in a row.
        """
        while words := self.of(genotype := draws()):
            self.add(str(genotype), words)
        self.passed()
        return genotype
