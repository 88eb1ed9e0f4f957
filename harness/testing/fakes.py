"""Stand-ins for tests: an evaluator that looks scores up instead of training, a journal in memory, a ready task.

Use::

    from harness.testing import make_task, run
    task = run(METHOD(), make_task(space, "50evals", score=lambda proposal: ...))
    task.evaluations, task.best, task.proposal
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import numpy as np

from harness.core.ahead import Pool
from harness.core.architecture import Architecture
from harness.core.budget import Budget, BudgetSpent, Meter
from harness.core.dataset import SearchData
from harness.core.evaluation import Evaluation, Evaluator, Part, Proposal
from harness.core.journal import State
from harness.core.limits import NO_LIMITS, Limits
from harness.core.method import Method
from harness.core.recipe import Recipe
from harness.core.seeds import rng
from harness.core.space import Choice, Genotype, Size, Space
from harness.core.task import Task

Score = Callable[[Proposal], float]


def by_hash(proposal: Proposal) -> float:
    """A score in 0..1 that depends on the proposal's text only: arbitrary, but the same in every process."""
    value = 2166136261
    for byte in str(proposal).encode():
        value = (value ^ byte) * 16777619 % 2**32
    return value / 2**32


class FakeEvaluator:
    """Scores proposals by a function; charges ``seconds`` and ``steps`` without spending them.

    Args:
        score: accuracy of a proposal, 0..1; may raise.
        seconds: charged per evaluation, a number or a function of the proposal.
        gradient_steps: charged per evaluation.
        macs: multiply-accumulates charged per evaluation, a number or a function of the proposal.
        curve: validation accuracies during the training, from the proposal; None: ``(score,)``.
        partial: accuracy of a training that was stopped at a share of its gradient steps; None: as at the end.
        stops: gradient steps at which a training can be stopped; None: all.
        labels: of the validation images, for predictions; None: those of :func:`tiny_data`.
    """

    def __init__(
        self,
        score: Score = by_hash,
        *,
        seconds: float | Callable[[Proposal], float] = 1.0,
        gradient_steps: int = 1,
        macs: int | Callable[[Proposal], int] = 0,
        curve: Callable[[Proposal], tuple[float, ...]] | None = None,
        partial: Callable[[Proposal, float], float] | None = None,
        stops: Sequence[int] | None = None,
        labels: np.ndarray | None = None,
    ) -> None:
        self.score, self.seconds, self.gradient_steps, self.curve = score, seconds, gradient_steps, curve
        self._macs, self._partial, self._stops, self._labels = macs, partial, stops, labels
        self.trained: list[Proposal] = []
        self.parts: list[tuple[int, Part]] = []

    def steps(self) -> int:
        """Gradient steps of one evaluation."""
        return self.gradient_steps

    def macs(self, proposal: Proposal) -> int:
        """Multiply-accumulates of one evaluation."""
        return self._macs(proposal) if callable(self._macs) else self._macs

    def evaluate(self, proposal: Proposal, number: int, meter: Meter) -> Evaluation:
        """Looks the score up and remembers that it was asked for."""
        self.trained.append(proposal)
        accuracy = float(self.score(proposal))
        curve = self.curve(proposal) if self.curve else (accuracy,)
        seconds = self.seconds(proposal) if callable(self.seconds) else self.seconds
        return Evaluation(str(proposal), accuracy, curve, float(seconds), self.gradient_steps, macs=self.macs(proposal))

    def can_predict(self) -> bool:
        """They are made up."""
        return True

    def keep_predictions(self) -> None:
        """They can be had of all."""

    def predictions(self, proposal: Proposal, number: int) -> np.ndarray:
        """Probabilities that are right for about as many images as the score says; the same in every process."""
        labels = tiny_data().y_valid if self._labels is None else self._labels
        drawn = rng(number, str(proposal))
        right = drawn.random(len(labels)) < self.score(proposal)
        guesses = np.where(right, labels, drawn.integers(labels.max() + 1, size=len(labels)))
        raised = np.eye(labels.max() + 1)[guesses] + drawn.random((len(labels), labels.max() + 1))
        return np.asarray(raised / raised.sum(1, keepdims=True), np.float32)

    def stops(self) -> Sequence[int]:
        """All gradient steps, unless told otherwise."""
        return range(1, self.gradient_steps + 1) if self._stops is None else self._stops

    def part_macs(self, proposal: Proposal, part: Part) -> int:
        """In proportion to the gradient steps."""
        return self.macs(proposal) * part.steps // self.gradient_steps

    def evaluate_part(self, proposal: Proposal, number: int, meter: Meter, part: Part) -> Evaluation:
        """Looks the score up; costs are in proportion to the gradient steps. Remembers training and part."""
        self.parts.append((number, part))
        whole, share = self.evaluate(proposal, number, meter), part.end / self.gradient_steps
        accuracy = self._partial(proposal, share) if self._partial and not whole.failure else whole.accuracy
        seconds = whole.seconds * part.steps / self.gradient_steps
        macs = self.part_macs(proposal, part)
        return Evaluation(whole.genotype, accuracy, (accuracy,), seconds, part.steps, whole.failure, macs, share)


class MemoryJournal:
    """Keeps what a task writes in lists; hand the same object to a second task to resume the first."""

    def __init__(self) -> None:
        self.evaluations: list[Evaluation] = []
        self.proposals: list[tuple[Proposal, float | None, float, bool]] = []
        self.judgements: dict[str, str] = {}
        self.state: State | None = None
        self.words: list[str] = []

    def replay(self, number: int) -> Evaluation | None:
        """The evaluation with this number, if there was one."""
        return self.evaluations[number] if number < len(self.evaluations) else None

    def evaluated(self, number: int, evaluation: Evaluation, spent: float) -> None:
        """Appends; the numbers must be consecutive."""
        assert number == len(self.evaluations)
        self.evaluations.append(evaluation)

    def proposed(self, proposal: Proposal, accuracy: float | None, spent: float, shared_weights: bool) -> None:
        """Appends a proposal."""
        self.proposals.append((proposal, accuracy, spent, shared_weights))

    def judged(self, text: str) -> str | None:
        """What was found beyond the limits of this proposal."""
        return self.judgements.get(text)

    def judge(self, text: str, words: str) -> None:
        """Keeps what was found beyond the limits of a proposal."""
        self.judgements[text] = words

    def save(self, state: State) -> None:
        """Keeps a copy of the checkpoint."""
        self.state = {name: np.array(value) for name, value in state.items()}

    def load(self) -> State | None:
        """The checkpoint."""
        return self.state

    def progress(self, share: float, words: str) -> None:
        """Keeps the words."""
        self.words.append(words)


class VectorSpace(Space):
    """A toy space: ``length`` independent choices among ``options``; nothing to decode."""

    def __init__(self, length: int, options: int = 2, name: str = "toy") -> None:
        self.name = name
        self.choices = tuple(Choice(str(place), tuple(range(options))) for place in range(length))

    def decode(self, genotype: Genotype, size: Size) -> Architecture:
        """A toy names no network."""
        raise NotImplementedError("the toy space has no networks")


def tiny_data(images: int = 64, side: int = 8, channels: int = 1, classes: int = 4, seed: int = 0) -> SearchData:
    """Random images whose brightness tells the class, so that a network can learn something; read-only arrays."""
    rng = np.random.default_rng(seed)

    def part() -> tuple[np.ndarray, np.ndarray]:
        y = rng.integers(classes, size=images).astype(np.int64)
        noise = rng.integers(0, 40, size=(images, side, side, channels))
        x = (noise + (y * 200 // max(1, classes - 1))[:, None, None, None]).astype(np.uint8)
        x.flags.writeable = y.flags.writeable = False
        return x, y

    (x_train, y_train), (x_valid, y_valid) = part(), part()
    mean, std = (100.0,) * channels, (80.0,) * channels
    return SearchData("tiny", x_train, y_train, x_valid, y_valid, classes, mean, std, False, 0, 0)


def make_task(
    space: Space,
    budget: str = "50evals",
    *,
    score: Score = by_hash,
    evaluator: Evaluator | None = None,
    journal: MemoryJournal | None = None,
    data: SearchData | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    clock: Callable[[], float] = lambda: 0.0,
    limits: Limits = NO_LIMITS,
    beyond: Callable[[Proposal], str] = lambda _: "",
    top: int = 1,
    pool: Pool | None = None,
) -> Task:
    """A task on ``space`` whose evaluations come from ``score`` (or ``evaluator``); the method's own time is free.

    Args:
        budget: as on the command line; seconds are those that the evaluator charges, because ``clock`` stands still.
        limits, beyond: of the search, and what of a proposal is beyond them.
        top: how many proposals are handed over.
        pool: trains several proposals at the same time.
    """
    data = data or tiny_data()
    evaluator = evaluator or FakeEvaluator(score, labels=data.y_valid)
    return Task(
        space=space,
        data=data,
        recipe=recipe or Recipe(size=Size(4, 3), steps=evaluator.steps()),
        rng=np.random.default_rng(seed),
        seed=seed,
        meter=Meter(Budget.parse(budget), evaluator.steps(), clock),
        evaluator=evaluator,
        journal=journal or MemoryJournal(),
        limits=limits,
        beyond=beyond,
        top=top,
        pool=pool,
    )


def run(method: Method, task: Task) -> Task:
    """Searches until the method is done or the budget is spent, as the runner does, and returns the task."""
    with contextlib.suppress(BudgetSpent):
        method.search(task)
    return task
