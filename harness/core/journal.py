"""The log of a search, as the task writes it and as an interrupted search reads it back."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from harness.core.evaluation import Evaluation, Proposal

State = dict[str, np.ndarray]
"""A checkpoint: named arrays of numbers or text, no objects."""
EVALUATIONS = "_evaluations"
"""The entry of a checkpoint that says how many evaluations were logged before it; the task writes it."""


class Journal(Protocol):
    """Where a task writes what happened, and reads what an interrupted run had written."""

    def replay(self, number: int) -> Evaluation | None:
        """The logged evaluation with this number, if the run was interrupted after it."""

    def evaluated(self, number: int, evaluation: Evaluation, spent: float) -> None:
        """Appends an evaluation."""

    def proposed(self, proposal: Proposal, accuracy: float | None, spent: float, shared_weights: bool) -> None:
        """Appends a proposal."""

    def judged(self, text: str) -> str | None:
        """What was found beyond the limits of the proposal with this identity, if the run was interrupted after it."""

    def judge(self, text: str, words: str) -> None:
        """Appends what was found beyond the limits of a proposal; empty if nothing was."""

    def save(self, state: State) -> None:
        """Replaces the checkpoint, atomically."""

    def load(self) -> State | None:
        """The checkpoint, if there is one."""

    def progress(self, share: float, words: str) -> None:
        """Shows how far the search is: ``share`` of the budget, 0 to 1, and a few words."""
