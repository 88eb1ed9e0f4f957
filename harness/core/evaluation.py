"""What a method proposes, what an evaluation says about it, and who evaluates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harness.core.budget import Meter
from harness.core.space import Genotype


@dataclass(frozen=True)
class KerasConfig:
    """A proposal from outside the project's spaces: a Keras model as JSON (``model.to_json()``).

    ``name`` is short and readable, for tables. The model ends in softmax or logits over the classes.
    """

    name: str
    json: str

    def __str__(self) -> str:
        return f"keras:{self.name}"


Proposal = Genotype | KerasConfig
REFUSED = "refused: "
"""How the failure of a proposal begins that is beyond a limit."""


@dataclass(frozen=True)
class Evaluation:
    """One proxy training of one proposal.

    Args:
        genotype: what was trained, as text.
        accuracy: validation accuracy at the end, 0..1; 0 if it failed.
        curve: validation accuracies during the training, the last one being ``accuracy``.
        seconds: device seconds of building, training and validating.
        steps: gradient steps.
        failure: empty, or one sentence on why there is no accuracy.
        macs: multiply-accumulates of training and validating; 0 where nobody has counted them.
    """

    genotype: str
    accuracy: float
    curve: tuple[float, ...]
    seconds: float
    steps: int
    failure: str = ""
    macs: int = 0

    @property
    def refused(self) -> bool:
        """Whether the proposal was beyond a limit: then nothing was trained and nothing is charged."""
        return self.failure.startswith(REFUSED)


class Evaluator(Protocol):
    """Trains a proposal on the proxy task."""

    def steps(self) -> int:
        """Gradient steps that one evaluation costs."""

    def macs(self, proposal: Proposal) -> int:
        """Multiply-accumulates that evaluating ``proposal`` costs, counted without training it."""

    def evaluate(self, proposal: Proposal, number: int, meter: Meter) -> Evaluation:
        """Trains and validates ``proposal``; ``number`` counts the run's evaluations from 0 and names the seed.

        Raises:
            BudgetSpent: the budget ended on the way; nothing is charged or logged.
        """
