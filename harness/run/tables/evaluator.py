"""The evaluator that looks accuracies up in a table instead of training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.core.budget import BudgetSpent, Meter
from harness.core.evaluation import Evaluation, Part, Proposal
from harness.core.seeds import derive_seed
from harness.core.space import Genotype, Space
from harness.core.table import Signal, Trained


class TableEvaluator:
    """Looks accuracies up and charges the seconds of the table.

    Args:
        rows: row by genotype text.
        signal: the columns.
        steps: gradient steps that one evaluation stands for.
        space: of the rows; None where no multiply-accumulates are to be counted, which takes longer than a look-up.
        seed: names the draws among repeated trainings.
    """

    def __init__(
        self, rows: dict[str, int], signal: Signal, steps: int, space: Space | None = None, seed: int = 0
    ) -> None:
        self._trained, self._space, self._seed = signal.trained, space, seed
        self._rows, self._steps = rows, steps
        self._repeats = [(one.accuracy.tolist(), one.seconds.tolist()) for one in signal.each()]
        self._stopped = [{round(share * steps): one for share, one in each.stopped.items()} for each in signal.each()]
        self._mean = float(np.mean(signal.seconds))

    def steps(self) -> int:
        """Gradient steps of one evaluation."""
        return self._steps

    def macs(self, proposal: Proposal) -> int:
        """Multiply-accumulates of the training behind a row, counted once per process; 0 if they are not to be."""
        if self._space is None or self._trained is None or not isinstance(proposal, Genotype):
            return 0
        key = self._trained, proposal
        if key not in _MACS:
            _MACS[key] = self._trained.macs(self._space, proposal)
        return _MACS[key]

    def evaluate(self, proposal: Proposal, number: int, meter: Meter) -> Evaluation:
        """The table's row; a genotype that it does not have costs the mean and is a failure.

        Of several trainings it is that of one, drawn by the seed and the number of the evaluation.

        Raises:
            BudgetSpent: the budget has no room for it.
        """
        return self.evaluate_part(proposal, number, meter, Part(0, self._steps))

    def can_predict(self) -> bool:
        """A table has accuracies only."""
        return False

    def keep_predictions(self) -> None:
        """There are none."""

    def predictions(self, proposal: Proposal, number: int) -> np.ndarray:
        """There are none."""
        raise NotImplementedError("a table has accuracies and no predictions")

    def stops(self) -> Sequence[int]:
        """The points that the table has of its trainings."""
        return (*sorted(end for end in self._stopped[0] if 0 < end < self._steps), self._steps)

    def part_macs(self, proposal: Proposal, part: Part) -> int:
        """In proportion to the gradient steps."""
        return self.macs(proposal) * part.steps // self._steps

    def evaluate_part(self, proposal: Proposal, number: int, meter: Meter, part: Part) -> Evaluation:
        """As :meth:`evaluate`, at one of :meth:`stops`; seconds are in proportion to the gradient steps."""
        text, share = str(proposal), part.end / self._steps
        row = self._rows.get(text)
        accuracies, costs = self._repeats[self._drawn(number)]
        seconds = (self._mean if row is None else costs[row]) * (part.steps / self._steps)
        if not meter.budget.counted and meter.spent + seconds > meter.limit:
            raise BudgetSpent
        macs = self.part_macs(proposal, part)
        if row is None:
            return Evaluation(text, 0.0, (), seconds, part.steps, "the table does not have it", macs, share)
        stopped = self._stopped[self._drawn(number)]
        accuracy = accuracies[row] if part.end == self._steps else float(stopped[part.end][row])
        return Evaluation(text, accuracy, (accuracy,), seconds, part.steps, "", macs, share)

    def _drawn(self, number: int) -> int:
        many = len(self._repeats)
        return derive_seed(self._seed, f"repeat {number}") % many if many > 1 else 0


_MACS: dict[tuple[Trained, Genotype], int] = {}
"""What this process has counted."""
