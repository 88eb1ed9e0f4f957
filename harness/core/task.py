"""All that a method sees: data without a test set, randomness, an evaluator and a budget.

The method owns its loop; the task owns clock, evaluation, logging and stopping.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from harness.core.ahead import Look, Pool, read_ahead
from harness.core.beside import AsTheyEnd, Beside, Desk, InOrder
from harness.core.budget import BudgetSpent, Meter, whole
from harness.core.checked import checked_accuracy, checked_number, plain_evaluation
from harness.core.dataset import SearchData
from harness.core.errors import InputError
from harness.core.evaluation import REFUSED, Ensemble, Evaluation, Evaluator, KerasConfig, Part, Proposal
from harness.core.journal import EVALUATIONS, Journal, State
from harness.core.limits import NO_LIMITS, Limits
from harness.core.proposals import identity, proposal_from_json, proposal_to_json
from harness.core.ranking import Ranking
from harness.core.recipe import Recipe
from harness.core.refusals import Refusals
from harness.core.seeds import rng
from harness.core.space import Genotype, Space
from harness.core.trainings import Trainings

_DRAWS = 10
"""Random architectures whose mean cost stands for that of a child before there is one."""
CHECKPOINT_EVERY = 30.0
"""Seconds of a search between two checkpoints, in budgets of seconds."""
_VERSION = 2
"""Of the task's own state in a checkpoint; who changes what is in there changes this number."""
_TASK = "_task"
"""The entry of a checkpoint that holds the task's own state, as JSON; the other entries are the method's."""


class Task:
    """The argument of ``Method.search``.

    Attributes:
        space: the space to search in.
        data: train and validation images.
        rng: the only source of randomness a method may use.
        recipe: the proxy task's training recipe; ``recipe.size`` is the proxy network's size.
        meter: the budget's meter; ``meter.left``, in the budget's unit, is for methods that plan ahead, as are
            :meth:`cost`, :meth:`affordable` and :meth:`children`.
        seed: the search seed, for methods that need an integer (TensorFlow's stateless generators).
        limits: of the final network. A proposal beyond them gets accuracy 0, is not trained and costs nothing.
            :meth:`draw` and :meth:`sample` stay within them, :meth:`refusal` tells what is beyond.
        top: how many proposals are handed over for final training, see :meth:`handed_over`; 1 unless the command asks
            for more.
        planned: what :meth:`plan` was told.
        discarded: proposals that came after the budget's end.
        refusals: of proposals beyond the limits.
    """

    def __init__(
        self,
        *,
        space: Space,
        data: SearchData,
        recipe: Recipe,
        rng: np.random.Generator,
        seed: int,
        meter: Meter,
        evaluator: Evaluator,
        journal: Journal,
        limits: Limits = NO_LIMITS,
        beyond: Callable[[Proposal], str] = lambda _: "",
        top: int = 1,
        pool: Pool | None = None,
    ) -> None:
        self.space, self.data, self.recipe, self.rng, self.seed, self.meter = space, data, recipe, rng, seed, meter
        self._evaluator, self._journal, self._pool = evaluator, journal, pool
        self.limits, self.refusals = limits, Refusals(limits, beyond, meter, journal)
        self.top, self._ranking = top, Ranking(top)
        self._last_checkpoint = meter.spent
        self._trainings = Trainings(evaluator.steps())
        self._parts: list[float] = []
        self._models: dict[str, str] = {}
        self._began: list[int | None] = []
        self.evaluations: list[Evaluation] = []
        self.proposal: Proposal | None = None
        self.best: Evaluation | None = None
        self.planned: dict[str, float] = {}
        self.discarded = 0

    def evaluate(self, proposals: Iterable[Proposal], *, again: bool = False, share: float = 1.0) -> list[Evaluation]:
        """Trains each proposal on the proxy task and returns its evaluation.

        A proposal that was evaluated before is not trained again, but is charged again with the same cost: a policy
        that has converged pays for its repeats, as in NAS-Bench-201's protocol.

        With ``share`` below 1 a training is stopped after that share of its gradient steps, and charged for these. A
        later call with a larger share continues it and pays the difference, to the step; in multiply-accumulates also
        the validation at each stop. A training in shares has the very same results as an undisturbed one.

        Only evaluations of equal share compete: an evaluation becomes the proposal if its share is larger than that of
        the best so far, or if it is equal and its accuracy is higher. So the proposal is the best complete training;
        as long as there is none, it is the best of those that went furthest.

        A proposal beyond the limits is not trained and costs nothing.

        An ensemble is proposed and not evaluated; its members are. Where the method has proposed one, an evaluation
        does not replace it.

        Args:
            again: train a repeated genotype again, with other first weights and another order of images, for methods
                that live on the noise of a training. A table draws one of
                its repeated trainings again; one without repeats gives the same answer again.
            share: above 0, at most 1. On images it is rounded to a whole number of gradient steps, one at least; a
                table has certain shares only (:meth:`stop`).

        Raises:
            BudgetSpent: the next evaluation does not fit into the budget. Let it pass.
            InputError: the trainings cannot be stopped at this share.
            TypeError: a proposal is an ensemble.
            ValueError: a genotype is not in the space, or two different Keras models have one name.
        """
        return list(self.evaluate_each(proposals, again=again, share=share))

    def evaluate_each(
        self, proposals: Iterable[Proposal], *, again: bool = False, share: float = 1.0
    ) -> Iterator[Evaluation]:
        """As :meth:`evaluate`, but hands each evaluation over when it is there, in the order asked.

        Where the command allows several children at the same time (``--children``), both train ahead: ``proposals`` are
        read before the evaluations of earlier ones are known, and may be endless. So they must not depend on these;
        and who asks for more than is needed lets trainings begin that nobody pays for. Results, charges and, in counted
        budgets, what is read are the same for any number of children.
        """
        end = self._end(share)
        if self._pool is not None and end == self._evaluator.steps():
            proposals = read_ahead(
                proposals,
                self._pool,
                lambda: self.meter.left,
                lambda one, ahead, twin: self._look(one, ahead, twin, again),
            )
        for proposal in proposals:
            yield self._evaluate(proposal, again, end)

    @property
    def at_once(self) -> int:
        """How many children may be trained at the same time, as the command says; 1 where there is nothing to train."""
        return 1 if self._pool is None else self._pool.size

    def beside(self, *, as_they_end: bool = False) -> Beside:
        """For methods that begin further trainings while they wait for others, and cannot say all of them before.

        The command says how many go on at the same time; results, charges and the log are the same for any number.

        Args:
            as_they_end: if several go on at the same time and the budget is one of seconds, they are handed over,
                logged and charged in the order in which they end. Otherwise that is the order in which they were begun.
        """
        desk = Desk(
            evaluated=lambda: len(self.evaluations),
            left=lambda: self.meter.left,
            look=lambda proposal, ahead, twin: self._look(proposal, ahead, twin, again=False),
            evaluate=lambda proposal, number: self._evaluate(proposal, False, self._evaluator.steps(), number),
            logged=self._journal.replay,
            at_hand=self._at_hand,
            wait=self._waited,
        )
        if as_they_end and self._pool is not None and not self.meter.budget.counted:
            return AsTheyEnd(desk, self._pool)
        return InOrder(desk, self._pool)

    def _at_hand(self, proposal: Proposal) -> bool:
        known = self._trainings.known(str(proposal), self._evaluator.steps())
        return known is not None or bool(self.refusal(proposal))

    def _waited(self, wait: Callable[[], int]) -> int:
        """What is called takes none of the method's time."""
        began = self.meter.now()
        found = wait()
        self.meter.exclude(self.meter.now() - began)
        return found

    def _look(self, proposal: Proposal, ahead: int, twin: bool, again: bool) -> Look:
        """What evaluating a proposal will take, as far as that can be known.

        Args:
            ahead: how many come before it and are not evaluated yet.
            twin: whether one of them is the same.
            again: as for :meth:`evaluate`.
        """
        if isinstance(proposal, Ensemble):
            return Look(0.0, None)
        end, text, number = self._evaluator.steps(), self._text(proposal), len(self.evaluations) + ahead
        logged = self._journal.replay(number)
        if self.refusal(proposal) if logged is None else logged.refused:
            return Look(0.0, None)
        part = self._trainings.part(text, end, again)
        cost = self.meter.price(seconds=0.0, steps=part.steps, macs=self._macs(proposal, part))
        begun = self._trainings.number(text, number, again) != number or twin
        nothing = (begun and not again) or logged is not None
        return Look(cost, None if nothing else number)

    def refusal(self, proposal: Proposal) -> str:
        """What of a proposal's final network is beyond the limits, in a few words; empty if nothing is.

        Costs nothing of the budget. A limit of latency is measured, which takes some seconds.
        """
        return self.refusals.of(proposal)

    def draw(self, draws: Callable[[], Genotype]) -> Genotype:
        """Calls ``draws`` until its genotype is within the limits; without limits, once.

        Raises:
            BudgetSpent: a thousand in a row were beyond them (a hundred, where each has to be timed).
        """
        return self.refusals.draw(draws)

    def sample(self) -> Genotype:
        """A genotype drawn uniformly among those within the limits, by :attr:`rng`."""
        return self.draw(lambda: self.space.sample(self.rng))

    def _refused(self, proposal: Proposal, share: float = 1.0) -> Evaluation | None:
        """The evaluation of a proposal beyond the limits, logged and free of charge; None if it may be trained."""
        if not self.limits:
            return None
        text, number = str(proposal), len(self.evaluations)
        logged = self._logged(number, text, share)
        words = self.refusal(proposal) if logged is None else logged.failure.removeprefix(REFUSED)
        if not (words if logged is None else logged.refused):
            self.refusals.passed()
            return None
        evaluation = logged or Evaluation(text, 0.0, (), 0.0, 0, f"{REFUSED}{words}", share=share)
        self._note(evaluation, None)
        if logged is None:
            self._journal.evaluated(number, evaluation, self.meter.spent)
        self.refusals.add(text, words)
        return evaluation

    @property
    def can_stop(self) -> bool:
        """Whether trainings can be stopped: not on a table without points of its trainings."""
        stops, total = self._evaluator.stops(), self._evaluator.steps()
        return total == 1 or stops[0] < total

    def stop(self, share: float) -> float:
        """The share nearest to ``share`` at which a training can be stopped; 1 if it can be stopped nowhere."""
        total = self._evaluator.steps()
        return min(self._evaluator.stops(), key=lambda end: abs(end - share * total)) / total

    @property
    def can_predict(self) -> bool:
        """Whether :meth:`predictions` can be had: not on a table."""
        return self._evaluator.can_predict()

    def keep_predictions(self) -> None:
        """Asks for :meth:`predictions` of the complete evaluations to come; called before the first one."""
        self._evaluator.keep_predictions()
        if self._pool is not None:
            self._pool.keep_predictions()

    def predictions(self, number: int) -> np.ndarray:
        """What the network of evaluation ``number`` predicted for the validation images, at no cost.

        Args:
            number: index in :attr:`evaluations`, of a complete one that did not fail.

        Returns:
            Class probabilities ``(n, classes)`` of the first n validation images, those that measured its accuracy.
        """
        evaluation, began = self.evaluations[number], self._began[number]
        if evaluation.failure or evaluation.share < 1 or began is None:
            raise ValueError(f"evaluation {number} has no predictions: it failed, or is no complete one")
        since = self.meter.now()
        found = self._evaluator.predictions(self.space.parse(evaluation.genotype), began)
        self.meter.exclude(self.meter.now() - since)
        return found

    def _end(self, share: float) -> int:
        """The gradient step at which an evaluation of this share ends."""
        if not 0 < share <= 1:
            raise ValueError(f"a share of an evaluation is above 0 and at most 1, not {share!r}")
        total = self._evaluator.steps()
        end = max(1, round(share * total))
        if end != total and end not in (stops := self._evaluator.stops()):
            points = ", ".join(f"{stop / total:g}" for stop in stops)
            raise InputError(
                f"no training of '{self.data.dataset}' can be stopped at the share {share:g}; there are {points}"
            )
        return end

    def _evaluate(self, proposal: Proposal, again: bool, end: int, begun: int | None = None) -> Evaluation:
        """Evaluates, charges and logs; ``begun`` is the number of a training that is not that of the evaluation."""
        if isinstance(proposal, Ensemble):
            raise TypeError("an ensemble is proposed and not evaluated; evaluate its members")
        refused = self._refused(proposal, end / self._evaluator.steps())
        if refused is not None:
            return refused
        number, text = len(self.evaluations), self._text(proposal)
        part = self._trainings.part(text, end, again)
        self._afford(proposal, part)
        began = self.meter.now()
        training = self._trainings.number(text, number if begun is None else begun, again)
        known = None if again else self._known(text, end)
        logged = self._logged(number, text, end / self._evaluator.steps())
        evaluation = logged or known or self._trained(proposal, training, part)
        best = self._note(evaluation, training)
        self.meter.exclude(self.meter.now() - began)
        self._charge(evaluation)
        if logged is None:
            self._journal.evaluated(number, evaluation, self.meter.spent)
        better = best and not isinstance(self.proposal, Ensemble)
        became = better and self._propose(proposal, evaluation.accuracy, shared_weights=False)
        self._ranking.evaluated(proposal, became)
        self.progress(f"{len(self.evaluations)} evaluated")
        return evaluation

    def _text(self, proposal: Proposal) -> str:
        """What log and trainings know a proposal by.

        Raises:
            ValueError: another Keras model was called the same.
        """
        text = str(proposal)
        if isinstance(proposal, KerasConfig) and self._models.setdefault(text, own := identity(proposal)) != own:
            raise ValueError(f"two different Keras models are both named '{proposal.name}'; each needs its own name")
        return text

    def _trained(self, proposal: Proposal, training: int, part: Part) -> Evaluation:
        if self._whole(part):
            left = self.meter.left
            ready = self._pool.taken(proposal, training) if self._pool is not None else None
            if ready is not None and not self.meter.budget.counted and ready.seconds > left:
                raise BudgetSpent
            return ready or self._evaluator.evaluate(proposal, training, self.meter)
        return self._evaluator.evaluate_part(proposal, training, self.meter, part)

    def _whole(self, part: Part) -> bool:
        return part == Part(0, self._evaluator.steps())

    def _afford(self, proposal: Proposal, part: Part) -> None:
        """Ends the search if the evaluation does not fit."""
        self.meter.afford(part.steps, self._macs(proposal, part))

    def _macs(self, proposal: Proposal, part: Part) -> int:
        """Counted where the budget asks, because that takes time."""
        if self.meter.budget.unit != "macs":
            return 0
        whole = self._whole(part)
        return self._evaluator.macs(proposal) if whole else self._evaluator.part_macs(proposal, part)

    def _charge(self, evaluation: Evaluation) -> None:
        self.meter.charge(seconds=evaluation.seconds, steps=evaluation.steps, macs=evaluation.macs)

    def cost(self, proposal: Proposal, share: float = 1.0) -> float:
        """What evaluating ``proposal`` costs, in the budget's unit; the difference only if its training was stopped.

        In seconds this is estimated by the mean of the evaluations so far, and 0 before the first one.
        """
        part = self._trainings.part(str(proposal), self._end(share), again=False)
        if self.meter.budget.unit == "s":
            return self._mean([e.seconds for e in self.evaluations]) * part.steps / self._evaluator.steps()
        return self.meter.price(seconds=0.0, steps=part.steps, macs=self._macs(proposal, part))

    def _mean(self, costs: list[float]) -> float:
        """Mean cost of a complete evaluation, from those of all evaluations so far, in parts or complete."""
        return float(np.sum(costs) / np.sum(self._parts)) if any(self._parts) else 0.0

    def affordable(self, cost: float) -> int:
        """How many things of this cost, in the budget's unit and above 0, still fit into what is left."""
        return int(self.meter.left / cost)

    def children(self) -> int:
        """How many complete evaluations the whole budget buys, at least 1: what schedules are made from.

        Exact in budgets of evaluations and steps. Otherwise an estimate, the budget divided by the mean cost of the
        evaluations so far; before the first one it is 1 in seconds, and in multiply-accumulates the count of ten random
        architectures. It depends on the log alone, so that a resumed search makes the same plan.
        """
        unit = self.meter.budget.unit
        if unit in ("evals", "steps"):
            cost = float(self._evaluator.steps())
        elif any(self._parts):
            costs = [self.meter.price(seconds=e.seconds, steps=e.steps, macs=e.macs) for e in self.evaluations]
            cost = self._mean(costs)
        elif unit == "macs":
            draws = rng(self.seed, "plan")
            cost = float(np.mean([self._evaluator.macs(self._drawn(draws)) for _ in range(_DRAWS)]))
        else:
            return 1
        return max(1, int(self.meter.limit / cost)) if cost > 0 else 1

    def _drawn(self, draws: np.random.Generator) -> Genotype:
        """A genotype within the limits, unless twenty in a row are beyond."""
        genotype = self.space.sample(draws)
        for _ in range(20):
            if not self.refusal(genotype):
                break
            genotype = self.space.sample(draws)
        return genotype

    def plan(self, **values: float) -> None:
        """Notes what a method has made of the budget, such as the size of its population, for the record.

        A decision for or against something is noted as 1 or 0.

        Raises:
            ValueError: a value is no finite number.
        """
        self.planned |= {name: checked_number(name, value) for name, value in values.items()}

    def _note(self, evaluation: Evaluation, training: int | None) -> bool:
        """Counts an evaluation and says whether it is the best so far.

        Args:
            training: the evaluation that began the training; None if the method has trained it itself.
        """
        part = None if training is None or evaluation.refused else self._trainings.note(evaluation, training)
        whole = 0.0 if evaluation.refused else 1.0
        self._parts.append(whole if part is None else part.steps / self._evaluator.steps())
        self.evaluations.append(evaluation)
        self._began.append(None if part is None else training)
        if part is not None:
            self._ranking.note(evaluation)
        best = not evaluation.failure and (
            self.best is None or (evaluation.share, evaluation.accuracy) > (self.best.share, self.best.accuracy)
        )
        if best:
            self.best = evaluation
        return best

    def _known(self, text: str, end: int) -> Evaluation | None:
        """The evaluation of a proposal that was evaluated before; raises BudgetSpent if its cost does not fit."""
        known = self._trainings.known(text, end)
        if known is not None and not self.meter.budget.counted and known.seconds > self.meter.left:
            raise BudgetSpent
        return known

    def record(self, text: str, train: Callable[[], Evaluation], proposal: Proposal | None = None) -> Evaluation:
        """Logs a training that the method does itself instead of calling :meth:`evaluate`, failed trainings included.

        ``train`` charges its gradient steps by :meth:`step`, and its time counts as the method's own. If an interrupted
        run has logged this training, it is charged as it was then and not repeated. Nothing is proposed.

        Args:
            text: ``str`` of the proposal that is trained.
            train: trains it and returns the evaluation, whose ``genotype`` is ``text``.
            proposal: to be looked at before it is trained, if there are limits.

        Raises:
            BudgetSpent: it was raised in ``train``; the training is not logged.
            ValueError: the evaluation's accuracy is none from 0 to 1, or another of its numbers is none.
        """
        refused = None if proposal is None else self._refused(proposal)
        if refused is not None:
            return refused
        number = len(self.evaluations)
        logged = self._logged(number, text, 1.0)
        if logged is None:
            evaluation = plain_evaluation(train())
            self._journal.evaluated(number, evaluation, self.meter.spent)
        else:
            evaluation = logged
            self._charge(evaluation)
        self._note(evaluation, None)
        self.progress(f"{len(self.evaluations)} evaluated")
        return evaluation

    def _logged(self, number: int, text: str, share: float) -> Evaluation | None:
        logged = self._journal.replay(number)
        if logged is not None and (logged.genotype, logged.share) != (text, share):
            raise RuntimeError(
                f"evaluation {number} was logged for {_words(logged.genotype, logged.share)} but the method now asks "
                f"for {_words(text, share)}: it draws randomness from somewhere else than task.rng, or --children is "
                "another number than when the search began"
            )
        return logged

    def propose(self, proposal: Proposal, accuracy: float | None = None, *, shared_weights: bool = True) -> None:
        """Names what the search would return if it were stopped now.

        A proposal beyond the limits is refused: the one before it stays. After the budget's end nothing counts any
        more, unless there is no proposal yet: then the search has overrun, which its record says, but has a result.

        Args:
            proposal: a genotype of :attr:`space`, a Keras model, or an ensemble of genotypes.
            accuracy: its validation accuracy if known, 0..1.
            shared_weights: whether the accuracy was measured with weights shared with other architectures; it is
                logged.

        Raises:
            ValueError: the genotype is not in the space, two different Keras models have one name, or the accuracy is
                none from 0 to 1.
        """
        if accuracy is not None:
            accuracy = checked_accuracy(accuracy)
        for member in proposal.members if isinstance(proposal, Ensemble) else (proposal,):
            if isinstance(member, Genotype) and not self.space.contains(member):
                raise ValueError(f"proposed '{member}', which is not in space '{self.space.name}'")
        text = self._text(proposal)
        if words := self.refusal(proposal):
            self.refusals.add(text, words)
            return
        self.refusals.passed()
        if self._propose(proposal, accuracy, shared_weights=shared_weights):
            self._ranking.name(proposal)

    def handed_over(self) -> list[Proposal]:
        """The proposals for final training: the search's result, and where the command asks for the best :attr:`top`,
        the different ones that come next by the search's own signal (:class:`~harness.core.ranking.Ranking`).

        A search that knows of fewer hands over fewer; none if it has proposed nothing.
        """
        return [] if self.proposal is None else self._ranking.best(self.proposal, self.space)

    def _propose(self, proposal: Proposal, accuracy: float | None, *, shared_weights: bool) -> bool:
        """Whether it has become the search's result."""
        if isinstance(proposal, Genotype) and not self.space.contains(proposal):
            raise ValueError(f"evaluated '{proposal}', which is not in space '{self.space.name}'")
        if self.proposal is not None and self.meter.spent > self.meter.limit:
            self.discarded += 1
            return False
        self.proposal = proposal
        self._journal.proposed(proposal, accuracy, self.meter.spent, shared_weights)
        return True

    def step(self, steps: int = 1, *, macs: int = 0) -> None:
        """Charges ``steps`` gradient steps that the method is about to take itself (shared weights, supernets).

        Args:
            steps: how many.
            macs: what they really compute, all images together: three times a forward pass for a gradient step.

        Raises:
            BudgetSpent: they do not fit into the budget. Let it pass.
            ValueError: a number is negative, or infinite.
        """
        if not all(0 <= count < math.inf for count in (steps, macs)):
            raise ValueError(f"task.step takes finite numbers that are not negative, got steps={steps}, macs={macs}")
        steps, macs = whole(steps), whole(macs)
        self.meter.afford(steps, macs)
        self.meter.charge(seconds=0.0, steps=steps, macs=macs)
        self.progress(f"{self.meter.steps} steps")

    def checkpoint(self, state: Callable[[], State]) -> None:
        """Saves the method's state if a checkpoint is due; only then ``state`` is called.

        The generator :attr:`rng`, the meter, the proposal and the number of evaluations are saved with it. In counted
        budgets every call saves, so that a killed run continues with the same numbers.
        """
        if not self.meter.budget.counted and self.meter.spent - self._last_checkpoint < CHECKPOINT_EVERY:
            return
        # What follows is taken off the method's clock below; a search that goes on from here has to know it without.
        began, own = self.meter.now(), self.meter.own
        count = {EVALUATIONS: np.array(len(self.evaluations))}
        self._journal.save({**state(), _TASK: np.array(self._frozen(own)), **count})
        self.meter.exclude(self.meter.now() - began)
        self._last_checkpoint = self.meter.spent

    def restored(self) -> State | None:
        """The state that an interrupted run saved last, or None in a fresh run; also restores rng, meter and log."""
        state = self._journal.load()
        if state is not None:
            self._thaw(str(state[_TASK]), int(state[EVALUATIONS]))
        return state

    def progress(self, words: str) -> None:
        """Shows how far the search is; cheap enough to be called at every gradient step."""
        self._journal.progress(self.meter.share, words)

    def _frozen(self, own: float) -> str:
        """The task's own state as JSON: generator, meter, proposal, plan, trainings, refusals.

        Args:
            own: seconds of the method itself so far.
        """
        return json.dumps(
            {
                "version": _VERSION,
                "rng": self.rng.bit_generator.state,
                "seconds": self.meter.charged,
                "own": own,
                "steps": self.meter.steps,
                "macs": self.meter.macs,
                "proposal": None if self.proposal is None else proposal_to_json(self.proposal),
                "ranking": self._ranking.state(),
                "began": self._began,
                "refusals": self.refusals.state(),
                "planned": self.planned,
                "discarded": self.discarded,
            }
        )

    def _thaw(self, frozen: str, evaluations: int) -> None:
        """Takes over what :meth:`_frozen` returned, and the first ``evaluations`` of the journal."""
        state: dict[str, Any] = json.loads(frozen)
        if state.get("version") != _VERSION:
            raise InputError("the checkpoint is of another version of the harness; do it again with --retry-failed")
        self.rng.bit_generator.state = state["rng"]
        self.meter.restore(seconds=state["seconds"], steps=state["steps"], macs=state["macs"], own=state["own"])
        self._last_checkpoint = self.meter.spent
        self.refusals.restore(*state["refusals"])
        self.planned |= state["planned"]
        self.discarded = state["discarded"]
        for number, began in zip(range(evaluations), state["began"], strict=True):
            logged = self._journal.replay(number)
            if logged is None:
                raise RuntimeError(f"the checkpoint knows {evaluations} evaluations but the log has {number}")
            self._note(logged, began)
        if state["proposal"] is not None:
            self.proposal = proposal_from_json(state["proposal"], self.space)
        self._ranking.restore(state["ranking"], self.space)


def _words(text: str, share: float) -> str:
    return text if share == 1 else f"{share:g} of {text}"
