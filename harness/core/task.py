"""The whole world of a method: data without a test set, randomness, an evaluator, a budget.

The method owns its loop; the task owns clock, evaluation, logging and stopping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from harness.core.budget import BudgetSpent, Meter
from harness.core.dataset import SearchData
from harness.core.recipe import Recipe
from harness.core.seeds import rng
from harness.core.space import Genotype, Space

State = dict[str, np.ndarray]
_DRAWS = 10
"""Random architectures whose mean cost stands for that of a child before there is one."""


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


class Evaluator(Protocol):
    """Trains a proposal on the proxy task."""

    def steps(self) -> int:
        """Gradient steps that one evaluation costs."""

    def macs(self, proposal: Proposal) -> int:
        """Multiply-accumulates that evaluating ``proposal`` costs, counted without training it."""

    def evaluate(self, proposal: Proposal, number: int, meter: Meter) -> Evaluation:
        """Trains and validates ``proposal``; ``number`` is the evaluation's place in the run and names its seed.

        Raises:
            BudgetSpent: the budget ended on the way; nothing is charged or logged.
        """


class Journal(Protocol):
    """Where a task writes what happened, and reads what an interrupted run had written."""

    def replay(self, number: int) -> Evaluation | None:
        """The logged evaluation with this number, if the run was interrupted after it."""

    def evaluated(self, number: int, evaluation: Evaluation, spent: float) -> None:
        """Appends an evaluation."""

    def proposed(self, proposal: Proposal, accuracy: float | None, spent: float, shared_weights: bool) -> None:
        """Appends a proposal."""

    def save(self, state: State) -> None:
        """Replaces the checkpoint, atomically."""

    def load(self) -> State | None:
        """The checkpoint, if there is one."""

    def progress(self, share: float, words: str) -> None:
        """Tells the screen."""


class Task:
    """What ``Method.search`` gets.

    Attributes:
        space: the space to search in.
        data: train and validation images.
        rng: the only source of randomness a method may use.
        recipe: the proxy task's training recipe; ``recipe.size`` is the proxy network's size.
        meter: the budget's meter; ``meter.left``, in the budget's unit, is for methods that plan ahead, as are
            :meth:`cost`, :meth:`affordable` and :meth:`children`.
        seed: the search seed, for methods that need an integer (TensorFlow's stateless generators).
        planned: what :meth:`plan` was told.
        discarded: proposals that came after the budget's end.
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
        checkpoint_every: float = 30.0,
    ) -> None:
        self.space, self.data, self.recipe, self.rng, self.seed, self.meter = space, data, recipe, rng, seed, meter
        self._evaluator, self._journal = evaluator, journal
        self._checkpoint_every = checkpoint_every
        self._last_checkpoint = meter.spent
        self._cache: dict[str, Evaluation] = {}
        self.evaluations: list[Evaluation] = []
        self.proposal: Proposal | None = None
        self.best: Evaluation | None = None
        self.planned: dict[str, float] = {}
        self.discarded = 0

    def evaluate(self, proposals: Iterable[Proposal], *, again: bool = False) -> list[Evaluation]:
        """Trains each proposal on the proxy task and returns its validation accuracy.

        Every call is charged, also for a repeated genotype, which costs what it cost the first time but is not
        trained again: a policy that has converged pays for its repeats, as in NAS-Bench-201's protocol. Whenever
        an evaluation is the best so far, it becomes the proposal.

        Args:
            again: train a repeated genotype again, with other first weights and another order of images, for methods
                that live on the noise of a training. A table has one answer only and gives it again.

        Raises:
            BudgetSpent: an evaluation does not fit into the budget any more. Let it pass.
        """
        return [self._evaluate(proposal, again) for proposal in proposals]

    def _evaluate(self, proposal: Proposal, again: bool) -> Evaluation:
        number = len(self.evaluations)
        self._afford(proposal)
        began = self.meter.now()
        text = str(proposal)
        known = None if again else self._known(text)
        logged = self._logged(number, text)
        evaluation = logged or known or self._evaluator.evaluate(proposal, number, self.meter)
        self._cache[text] = evaluation
        self.evaluations.append(evaluation)
        self.meter.exclude(self.meter.now() - began)
        self._charge(evaluation)
        if logged is None:
            self._journal.evaluated(number, evaluation, self.meter.spent)
        if not evaluation.failure and (self.best is None or evaluation.accuracy > self.best.accuracy):
            self.best = evaluation
            self._propose(proposal, evaluation.accuracy, shared_weights=False)
        self.progress(f"{len(self.evaluations)} evaluated")
        return evaluation

    def _afford(self, proposal: Proposal) -> None:
        """Ends the search if the evaluation does not fit; counted where the budget asks, because that takes time."""
        macs = self._evaluator.macs(proposal) if self.meter.budget.unit == "macs" else 0
        self.meter.afford(self._evaluator.steps(), macs)

    def _charge(self, evaluation: Evaluation) -> None:
        self.meter.charge(seconds=evaluation.seconds, steps=evaluation.steps, macs=evaluation.macs)

    def cost(self, proposal: Proposal) -> float:
        """What evaluating ``proposal`` costs, in the budget's unit.

        In seconds this is the mean of the evaluations so far, and 0 before the first one.
        """
        if self.meter.budget.unit == "s":
            return float(np.mean([e.seconds for e in self.evaluations])) if self.evaluations else 0.0
        macs = self._evaluator.macs(proposal) if self.meter.budget.unit == "macs" else 0
        return self.meter.price(seconds=0.0, steps=self._evaluator.steps(), macs=macs)

    def affordable(self, cost: float) -> int:
        """How many things of this cost, in the budget's unit and above 0, still fit into what is left."""
        return int(self.meter.left / cost)

    def children(self) -> int:
        """How many evaluations the whole budget buys, at least 1: what schedules are made from.

        Exact in budgets of evaluations and steps. Otherwise an estimate, the budget divided by the mean cost of the
        evaluations so far; before the first one it is 1 in seconds, and in multiply-accumulates the count of ten random
        architectures. It depends on the log alone, so that a resumed search makes the same plan.
        """
        unit = self.meter.budget.unit
        if unit in ("evals", "steps"):
            cost = float(self._evaluator.steps())
        elif self.evaluations:
            costs = [self.meter.price(seconds=e.seconds, steps=e.steps, macs=e.macs) for e in self.evaluations]
            cost = float(np.mean(costs))
        elif unit == "macs":
            draws = rng(self.seed, "plan")
            cost = float(np.mean([self._evaluator.macs(self.space.sample(draws)) for _ in range(_DRAWS)]))
        else:
            return 1
        return max(1, int(self.meter.limit / cost)) if cost > 0 else 1

    def plan(self, **values: float) -> None:
        """Notes what a method has made of the budget, such as the size of its population, for the record."""
        self.planned |= values

    def _known(self, text: str) -> Evaluation | None:
        """The evaluation of a proposal that was evaluated before; ends the search if there is no room for its cost."""
        known = self._cache.get(text)
        if known is not None and not self.meter.budget.counted and known.seconds > self.meter.left:
            raise BudgetSpent
        return known

    def record(self, text: str, train: Callable[[], Evaluation]) -> Evaluation:
        """Logs a training that the method does itself, in place of :meth:`evaluate`; failed ones belong there too.

        ``train`` charges its gradient steps by :meth:`step`, and its time runs on the method's clock. If an interrupted
        run has logged this training already, it is charged as it was then and not done again. Nothing is proposed.

        Args:
            text: what is trained, ``str`` of the proposal.
            train: trains it and reports, with ``text`` as the evaluation's ``genotype``.

        Raises:
            BudgetSpent: ``train`` let it pass; the training is not logged.
        """
        number = len(self.evaluations)
        logged = self._logged(number, text)
        if logged is None:
            evaluation = train()
            self._journal.evaluated(number, evaluation, self.meter.spent)
        else:
            evaluation = logged
            self._charge(evaluation)
        self.evaluations.append(evaluation)
        if not evaluation.failure and (self.best is None or evaluation.accuracy > self.best.accuracy):
            self.best = evaluation
        self.progress(f"{len(self.evaluations)} evaluated")
        return evaluation

    def _logged(self, number: int, text: str) -> Evaluation | None:
        logged = self._journal.replay(number)
        if logged is not None and logged.genotype != text:
            raise RuntimeError(
                f"evaluation {number} was logged for {logged.genotype} but the method now asks for {text}: "
                "it draws randomness from somewhere else than task.rng"
            )
        return logged

    def propose(self, proposal: Proposal, accuracy: float | None = None, *, shared_weights: bool = True) -> None:
        """Names what the search would return if it were stopped now; after the budget's end nothing counts any more.

        Args:
            proposal: a genotype of :attr:`space`, or a Keras model.
            accuracy: its validation accuracy if known.
            shared_weights: whether the accuracy was measured with weights that are not the proposal's own, which the
                log says.

        Raises:
            ValueError: the genotype is not in the space.
        """
        if isinstance(proposal, Genotype) and not self.space.contains(proposal):
            raise ValueError(f"proposed '{proposal}', which is not in space '{self.space.name}'")
        self._propose(proposal, accuracy, shared_weights=shared_weights)

    def _propose(self, proposal: Proposal, accuracy: float | None, *, shared_weights: bool) -> None:
        if isinstance(proposal, Genotype) and not self.space.contains(proposal):
            raise ValueError(f"evaluated '{proposal}', which is not in space '{self.space.name}'")
        if self.meter.spent > self.meter.limit:
            self.discarded += 1
            return
        self.proposal = proposal
        self._journal.proposed(proposal, accuracy, self.meter.spent, shared_weights)

    def step(self, steps: int = 1, *, macs: int = 0) -> None:
        """Charges ``steps`` gradient steps that the method is about to take itself (shared weights, supernets).

        Args:
            steps: how many.
            macs: what they really compute, all images together: three times a forward pass for a gradient step.

        Raises:
            BudgetSpent: they do not fit into the budget. Let it pass.
        """
        self.meter.afford(steps, macs)
        self.meter.charge(seconds=0.0, steps=steps, macs=macs)
        self.progress(f"{self.meter.steps} steps")

    def checkpoint(self, state: Callable[[], State]) -> None:
        """Gives the harness the chance to save the method's state; it calls ``state`` only when a save is due.

        The generator :attr:`rng`, the meter and the evaluation count are saved along. In counted budgets every call
        saves, so that a killed run continues with the very same numbers.
        """
        if not self.meter.budget.counted and self.meter.spent - self._last_checkpoint < self._checkpoint_every:
            return
        began = self.meter.now()
        self._journal.save({**state(), **_freeze(self)})
        self.meter.exclude(self.meter.now() - began)
        self._last_checkpoint = self.meter.spent

    def restored(self) -> State | None:
        """The state an interrupted run saved last, or None in a fresh run; restores rng and meter on the way."""
        state = self._journal.load()
        if state is not None:
            _thaw(self, state)
        return state

    def progress(self, words: str) -> None:
        """Tells the person who waits how far the search is; cheap enough to call every step."""
        self._journal.progress(self.meter.share, words)


def _freeze(task: Task) -> State:
    state: Any = task.rng.bit_generator.state
    words = [state["state"]["state"], state["state"]["inc"]]
    numbers = [int(w >> shift) & 0xFFFFFFFF for w in words for shift in (96, 64, 32, 0)]
    return {
        "_rng": np.array([*numbers, state["has_uint32"], state["uinteger"]], np.uint64),
        "_spent": np.array([task.meter.spent if not task.meter.budget.counted else 0.0, task.meter.steps], np.float64),
        "_macs": np.array(task.meter.macs, np.int64),
        "_evaluations": np.array(len(task.evaluations)),
        "_proposal": np.array(_words(task.proposal), np.str_),
    }


def _words(proposal: Proposal | None) -> list[str]:
    match proposal:
        case None:
            return []
        case KerasConfig():
            return [proposal.name, proposal.json]
        case _:
            return [proposal.text]


def _thaw(task: Task, state: State) -> None:
    numbers = [int(n) for n in state["_rng"]]
    words = [sum(n << s for n, s in zip(numbers[i : i + 4], (96, 64, 32, 0), strict=True)) for i in (0, 4)]
    task.rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": words[0], "inc": words[1]},
        "has_uint32": numbers[8],
        "uinteger": numbers[9],
    }
    seconds, steps = state["_spent"]
    task.meter.restore(seconds=float(seconds), steps=int(steps), macs=int(state["_macs"]))
    task._last_checkpoint = task.meter.spent
    for number in range(int(state["_evaluations"])):
        logged = task._journal.replay(number)
        if logged is None:
            raise RuntimeError(f"the checkpoint knows {number + 1} evaluations but the log has {number}")
        task.evaluations.append(logged)
        task._cache[logged.genotype] = logged
        if not logged.failure and (task.best is None or logged.accuracy > task.best.accuracy):
            task.best = logged
    proposal = [str(word) for word in state["_proposal"]]
    if proposal:
        task.proposal = KerasConfig(*proposal) if len(proposal) == 2 else task.space.parse(proposal[0])
