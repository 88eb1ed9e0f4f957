"""The log of a search on a table: in memory, because what a kill takes is searched again in milliseconds, with the same
numbers.
"""

from __future__ import annotations

import time
from typing import Any

from harness.core.evaluation import Evaluation, Proposal
from harness.core.journal import State
from harness.run.journal import Allowance, proposal_row
from harness.run.store import RunDirectory, line, write_lines


class TableJournal:
    """The journal of one search on a table: keeps the proposals only, and writes them at the end.

    Args:
        directory: of the run.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self._began, self._cpu_began = time.perf_counter(), time.process_time()
        self.rows: list[dict[str, Any]] = []
        self._logged = Allowance()

    def times(self) -> dict[str, float]:
        """Wall and CPU seconds of the search."""
        return {
            "seconds": round(time.perf_counter() - self._began, 3),
            "cpu_seconds": round(time.process_time() - self._cpu_began, 3),
        }

    def close(self, evaluations: int | None = None) -> None:
        """Writes the proposals."""
        write_lines(self._directory.proposals, self.rows, durable=False)

    def replay(self, number: int) -> None:
        """Nothing is ever resumed."""

    def evaluated(self, number: int, evaluation: Evaluation, spent: float) -> None:
        """Not kept."""

    def proposed(self, proposal: Proposal, accuracy: float | None, spent: float, shared_weights: bool) -> None:
        """Appends a proposal."""
        row = proposal_row(proposal, accuracy, spent, shared_weights)
        self._logged.of(line(row))
        self.rows.append(row)

    def judged(self, text: str) -> None:
        """Nothing is ever resumed."""

    def judge(self, text: str, words: str) -> None:
        """Not kept."""

    def save(self, state: State) -> None:
        """Not kept."""

    def load(self) -> None:
        """There is none."""

    def progress(self, share: float, words: str) -> None:
        """Too quick to tell."""
