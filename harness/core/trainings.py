"""The trainings of a search, by architecture: where each was stopped, so that it can go on for the rest."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.core.evaluation import Evaluation, Part


@dataclass
class _Training:
    """One training.

    Args:
        number: of the evaluation that began it.
        results: the parts that were evaluated, by the gradient step at which each ends.
    """

    number: int
    results: dict[int, tuple[Part, Evaluation]] = field(default_factory=dict)


class Trainings:
    """What has been trained of each architecture. Of several trainings of one architecture only the last one counts.

    Args:
        steps: gradient steps of a complete training.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._of: dict[str, _Training] = {}

    def part(self, text: str, end: int, again: bool) -> Part:
        """What an evaluation of the architecture ``text`` up to step ``end`` pays.

        The rest, if a training of it was stopped before; what it cost then, if it was evaluated there; else all of it.
        """
        training = None if again else self._of.get(text)
        if training is None:
            return Part(0, end)
        if end in training.results:
            return training.results[end][0]
        reached = max(training.results)
        return Part(reached if reached < end else 0, end)

    def known(self, text: str, end: int) -> Evaluation | None:
        """The result of the architecture's training at step ``end``, if it was evaluated there."""
        training = self._of.get(text)
        return training.results[end][1] if training is not None and end in training.results else None

    def number(self, text: str, number: int, again: bool) -> int:
        """The evaluation that began the training which evaluation ``number`` is a part of."""
        training = None if again else self._of.get(text)
        return number if training is None else training.number

    def note(self, evaluation: Evaluation, number: int) -> Part:
        """Takes an evaluation up; it belongs to the training that evaluation ``number`` began.

        Returns:
            The part of a training that it was.
        """
        text, end = evaluation.genotype, round(evaluation.share * self._steps)
        if text not in self._of or self._of[text].number != number:
            self._of[text] = _Training(number)
        part = self.part(text, end, again=False) if self._of[text].results else Part(0, end)
        self._of[text].results[end] = part, evaluation
        return part
