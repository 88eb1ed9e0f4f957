"""What a method proposes, what an evaluation says about it, and who evaluates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.core.budget import Meter
from harness.core.space import Genotype

if TYPE_CHECKING:
    import numpy as np

MOST_MEMBERS = 30
"""Of an ensemble, as in the paper of neural ensemble search."""
ENSEMBLE = "ensemble:"
"""How the text of an ensemble begins; those of its members follow, with `` & `` between them."""


@dataclass(frozen=True)
class KerasConfig:
    """A proposal from outside the project's spaces: a Keras model as JSON (``model.to_json()``).

    ``name`` is short and readable, for tables, and another one for every model of a search. The model ends in softmax
    or logits over the classes.
    """

    name: str
    json: str

    def __str__(self) -> str:
        return f"keras:{self.name}"


@dataclass(frozen=True)
class Ensemble:
    """A proposal of several networks: each is trained finally by itself, their predicted probabilities are averaged.

    It is proposed, not evaluated. Its parameters and multiply-accumulates are the sums of its members'.

    Args:
        members: genotypes of one space, one at least and :data:`MOST_MEMBERS` at most. One that is named twice is
            trained twice, from other first weights.

    Raises:
        ValueError: there are none, or too many.
    """

    members: tuple[Genotype, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.members) <= MOST_MEMBERS:
            raise ValueError(f"an ensemble has 1 to {MOST_MEMBERS} members, not {len(self.members)}")

    def __str__(self) -> str:
        return f"{ENSEMBLE}{' & '.join(member.text for member in self.members)}"


Proposal = Genotype | KerasConfig | Ensemble
REFUSED = "refused: "
"""How the failure of a proposal begins that is beyond a limit."""


@dataclass(frozen=True)
class Evaluation:
    """One proxy training of one proposal, or a part of one.

    A part that continues a stopped training has the accuracy and the curve of the whole training so far, and the costs
    of the part alone.

    Args:
        genotype: what was trained, as text.
        accuracy: validation accuracy at the end, 0..1; 0 if it failed. What else the task's ``recipe.signal`` names, in
            its place.
        curve: validation accuracies during the training, the last one being ``accuracy``.
        seconds: device seconds of building, training and validating.
        steps: gradient steps.
        failure: empty, or one sentence on why there is no accuracy.
        macs: multiply-accumulates of training and validating; 0 where nobody has counted them.
        share: where the training was stopped, as a share of its gradient steps; 1 for a complete training.
    """

    genotype: str
    accuracy: float
    curve: tuple[float, ...]
    seconds: float
    steps: int
    failure: str = ""
    macs: int = 0
    share: float = 1.0

    @property
    def refused(self) -> bool:
        """Whether the proposal was beyond a limit: then nothing was trained and nothing is charged."""
        return self.failure.startswith(REFUSED)


@dataclass(frozen=True)
class Part:
    """A part of a proxy training: the gradient steps after number ``begin`` up to and including number ``end``."""

    begin: int
    end: int

    @property
    def steps(self) -> int:
        """How many they are."""
        return self.end - self.begin


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

    def can_predict(self) -> bool:
        """Whether the predictions of trained networks can be had: not from a table."""

    def keep_predictions(self) -> None:
        """From now on, what each complete training predicts for the validation images is kept."""

    def predictions(self, proposal: Proposal, number: int) -> np.ndarray:
        """Class probabilities ``(n, classes)`` of the validation images by the network of evaluation ``number``.

        They are those of the training, whatever happened in between: what was lost is trained again, at no cost.

        Args:
            proposal: that was evaluated.
            number: of the evaluation that began its training, which did not fail.
        """

    def stops(self) -> Sequence[int]:
        """The gradient steps after which a training can be stopped, ascending; the last one is :meth:`steps`."""

    def part_macs(self, proposal: Proposal, part: Part) -> int:
        """Multiply-accumulates of a part of an evaluation, with its validations; one is at its end in any case."""

    def evaluate_part(self, proposal: Proposal, number: int, meter: Meter, part: Part) -> Evaluation:
        """As :meth:`evaluate`, stopped at ``part.end``; the part alone is charged.

        The result is that of an undisturbed training stopped there, whatever has been trained before.

        Args:
            proposal: what is trained.
            number: of the evaluation that began this training: it names the seed.
            meter: ends the training where the budget is one of seconds.
            part: begins where this training was stopped last, or at 0.

        Raises:
            BudgetSpent: as :meth:`evaluate` does.
        """
