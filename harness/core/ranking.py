"""Which proposals a search hands over for final training, where there are several: its own order, best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.core.evaluation import Ensemble, Evaluation, KerasConfig, Proposal
from harness.core.proposals import proposal_from_json, proposal_to_json
from harness.core.space import Space


class Ranking:
    """What a search has proposed and evaluated, ordered by its own validation signal.

    Its result comes first; an ensemble is handed over alone. If an evaluation made the result, the other evaluated
    proposals follow: those of complete trainings first, by accuracy, the earlier of equal ones first. If the method
    named the result itself (:meth:`~harness.core.task.Task.propose`), the order is the method's: what it named later,
    it prefers. What is left of the other kind comes last. Failed evaluations, and trainings that the method did by
    itself, count only where the method has named their proposals.

    Args:
        top: how many are handed over.
    """

    def __init__(self, top: int = 1) -> None:
        self.top = top
        self._named: dict[str, Proposal] = {}  # by text, the latest one last; no more than are handed over
        self._configs: dict[str, Proposal] = {}  # evaluated, of a kind that its text does not tell
        self._evaluations: list[Evaluation] = []
        self._measured = False  # whether an evaluation made the result

    def name(self, proposal: Proposal) -> None:
        """The method has named its result."""
        self._measured = False
        if isinstance(proposal, Ensemble):
            return
        self._named.pop(str(proposal), None)
        self._named[str(proposal)] = proposal
        if len(self._named) > self.top:
            del self._named[next(iter(self._named))]

    def note(self, evaluation: Evaluation) -> None:
        """A proposal was evaluated, or part of the way."""
        if self.top > 1 and not evaluation.failure:
            self._evaluations.append(evaluation)

    def evaluated(self, proposal: Proposal, result: bool) -> None:
        """What was evaluated last, and whether it has become the result."""
        self._measured = self._measured or result
        if isinstance(proposal, KerasConfig):
            self._configs[str(proposal)] = proposal

    def best(self, result: Proposal, space: Space) -> list[Proposal]:
        """At most :attr:`top` different proposals, the search's result first."""
        if isinstance(result, Ensemble):
            return [result]
        known = {**self._configs, **self._named, str(result): result}
        order = sorted(self._evaluations, key=lambda one: (-one.share, -one.accuracy))  # equal ones keep their order
        measured, named = [one.genotype for one in order], [*reversed(self._named)]
        texts = [str(result), *(measured + named if self._measured else named + measured)]
        told = (text for text in dict.fromkeys(texts) if text in known or not text.startswith("keras:"))
        return [known.get(text) or space.parse(text) for text, _ in zip(told, range(self.top), strict=False)]

    def state(self) -> dict[str, Any]:
        """What was named, for a checkpoint; evaluations are in the log."""
        named, configs = ([proposal_to_json(one) for one in known.values()] for known in (self._named, self._configs))
        return {"named": named, "configs": configs, "measured": self._measured}

    def restore(self, state: dict[str, Any], space: Space) -> None:
        """Takes over what :meth:`state` returned."""
        named, configs = ([proposal_from_json(one, space) for one in state[name]] for name in ("named", "configs"))
        self._named, self._configs = ({str(proposal): proposal for proposal in known} for known in (named, configs))
        self._measured = bool(state["measured"])


def chosen(networks: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Of the networks that were trained finally, the one that counts: the first with the best validation accuracy.

    Args:
        networks: as :attr:`~harness.core.record.Record.networks` has them, with or without test accuracies.

    Returns:
        None if all have failed.
    """
    trained = [one for one in networks if "failure" not in one]
    return max(trained, key=lambda one: one["validation_accuracy"], default=None)
