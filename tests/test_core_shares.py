"""Evaluations in shares: what they cost, what competes, and that a resumed search does the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task

from harness.core.budget import BudgetSpent
from harness.core.errors import InputError
from harness.core.evaluation import Evaluation, Part, Proposal
from harness.core.method import needs_shares
from harness.core.space import Genotype
from harness.core.task import Task

SPACE = VectorSpace(6)
ONE, OTHER = SPACE.genotype((1, 0, 0, 0, 0, 0)), SPACE.genotype((1, 1, 1, 1, 0, 0))


def ones(proposal: Proposal) -> float:
    assert isinstance(proposal, Genotype)
    return float(np.mean(proposal.picks))


def evaluator() -> FakeEvaluator:
    return FakeEvaluator(ones, gradient_steps=27, seconds=27.0, macs=270, partial=lambda p, share: ones(p) * share)


def task_of(budget: str = "1000steps", fake: FakeEvaluator | None = None, journal: MemoryJournal | None = None) -> Task:
    return make_task(SPACE, budget, evaluator=fake or evaluator(), journal=journal)


def test_a_larger_share_pays_the_difference_to_the_step() -> None:
    fake = evaluator()
    task = task_of(fake=fake)
    spent = []
    for share in (1 / 9, 1 / 3, 1.0):
        [result] = task.evaluate([ONE], share=share)
        spent.append((result.steps, result.share, result.accuracy, task.meter.steps, task.meter.macs))
    assert spent == [
        (3, 3 / 27, ones(ONE) * 3 / 27, 3, 30),
        (6, 9 / 27, ones(ONE) * 9 / 27, 9, 90),
        (18, 1.0, ones(ONE), 27, 270),
    ]
    assert fake.parts == [(0, Part(0, 3)), (0, Part(3, 9)), (0, Part(9, 27))]


def test_the_training_that_goes_on_is_that_of_the_first_evaluation() -> None:
    fake = evaluator()
    task = task_of(fake=fake)
    task.evaluate([OTHER, ONE], share=1 / 9)
    task.evaluate([OTHER])
    task.evaluate([ONE], share=1 / 3, again=True)
    task.evaluate([ONE])
    assert fake.parts == [
        (0, Part(0, 3)),
        (1, Part(0, 3)),
        (0, Part(3, 27)),
        (3, Part(0, 9)),
        (3, Part(9, 27)),
    ]


def test_what_was_evaluated_is_charged_again_and_what_was_passed_is_charged_whole() -> None:
    fake = evaluator()
    task = task_of(fake=fake)
    task.evaluate([ONE], share=1 / 9)
    task.evaluate([ONE], share=1 / 9)
    assert (task.meter.steps, len(fake.parts)) == (6, 1)
    task.evaluate([ONE])
    assert task.meter.steps == 30
    task.evaluate([ONE], share=1 / 3)
    assert (task.meter.steps, fake.parts[-1]) == (39, (0, Part(0, 9)))


def test_only_equal_shares_compete_and_complete_trainings_win() -> None:
    journal = MemoryJournal()
    task = task_of(journal=journal)
    proposed = []
    for genotype, share in ((OTHER, 1 / 9), (ONE, 1 / 9), (ONE, 1 / 3), (OTHER, 1 / 9), (OTHER, 1 / 3), (ONE, 1.0)):
        task.evaluate([genotype], share=share)
        proposed.append(task.proposal)
    assert proposed == [OTHER, OTHER, ONE, ONE, OTHER, ONE]
    assert task.best is not None
    assert task.best.share == 1
    task.evaluate([OTHER], share=2 / 3)
    assert task.proposal == ONE, "a part is no complete training, however good it is"


def test_a_failed_part_is_charged_and_never_the_best() -> None:
    class Failing(FakeEvaluator):
        def evaluate(self, proposal: Proposal, number: int, meter: object) -> Evaluation:
            return Evaluation(str(proposal), 0.0, (), 1.0, 27, failure="the loss was nan")

    task = task_of(fake=Failing(gradient_steps=27))
    [result] = task.evaluate([ONE], share=1 / 3)
    assert (result.failure, result.steps, result.share) == ("the loss was nan", 9, 1 / 3)
    assert (task.meter.steps, task.best, task.proposal) == (9, None, None)


def test_a_part_that_does_not_fit_is_not_begun_and_a_smaller_one_is() -> None:
    fake = evaluator()
    task = task_of("10steps", fake)
    with pytest.raises(BudgetSpent):
        task.evaluate([ONE])
    task.evaluate([ONE], share=1 / 3)
    with pytest.raises(BudgetSpent):
        task.evaluate([OTHER], share=1 / 9)
    assert fake.parts == [(0, Part(0, 9))]


@pytest.mark.parametrize(("budget", "whole"), [("10evals", 27.0), ("270steps", 27.0), ("2700macs", 270.0)])
def test_costs_and_children_know_shares(budget: str, whole: float) -> None:
    task = task_of(budget)
    assert task.children() == 10
    assert task.cost(ONE, 1 / 3) == pytest.approx(whole / 3)
    task.evaluate([ONE], share=1 / 3)
    assert task.cost(ONE) == pytest.approx(whole * 2 / 3)
    assert task.cost(OTHER) == whole
    assert task.children() == 10


def test_seconds_are_estimated_per_complete_training() -> None:
    task = task_of("270s")
    task.evaluate([ONE], share=1 / 3)
    assert task.meter.spent == pytest.approx(9)
    assert task.children() == 10
    assert task.cost(OTHER) == pytest.approx(27)
    assert task.cost(ONE) == pytest.approx(18)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.01, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        task_of().evaluate([ONE], share=share)


def test_a_share_that_nobody_has_measured_is_refused_in_one_sentence() -> None:
    task = task_of(fake=FakeEvaluator(gradient_steps=27, stops=(9, 27)))
    with pytest.raises(InputError, match=r"can be stopped at the share 0\.111.*0\.333333, 1"):
        task.evaluate([ONE], share=1 / 9)
    assert (task.stop(1 / 9), task.stop(0.9), task.stop(1 / 3)) == (1 / 3, 1.0, 1 / 3)
    task.evaluate([ONE], share=task.stop(0.4))
    assert needs_shares(task) is None
    sentence = needs_shares(task_of(fake=FakeEvaluator(gradient_steps=27, stops=(27,))))
    assert sentence is not None
    assert "complete" in sentence


def shared(task: Task, draws: int) -> None:
    """A search that stops trainings, goes on with some and begins others again."""
    for draw in range(draws):
        genotype = SPACE.sample(task.rng)
        share = (1 / 9, 1 / 3, 1.0)[int(task.rng.integers(3))]
        task.evaluate([genotype], share=share, again=draw % 5 == 4)


@pytest.mark.parametrize("interrupted_after", [1, 7, 19])
def test_a_resumed_search_in_shares_is_the_same(interrupted_after: int) -> None:
    whole, calm = evaluator(), MemoryJournal()
    expected = task_of("2000steps", whole, calm)
    shared(expected, 40)
    journal = MemoryJournal()
    shared(task_of("2000steps", evaluator(), journal), interrupted_after)
    fake = evaluator()
    task = task_of("2000steps", fake, journal)
    shared(task, 40)
    assert (task.evaluations, task.meter.steps, task.proposal) == (
        expected.evaluations,
        expected.meter.steps,
        expected.proposal,
    )
    assert fake.parts == whole.parts[len(whole.parts) - len(fake.parts) :]


def test_a_checkpoint_knows_which_training_counts() -> None:
    journal = MemoryJournal()
    task = task_of(journal=journal)
    task.evaluate([ONE], share=1 / 9)
    task.evaluate([ONE], share=1 / 3, again=True)
    task.evaluate([OTHER], share=1 / 9)
    task.checkpoint(dict)
    fakes = [evaluator(), evaluator()]
    resumed = task_of(fake=fakes[0], journal=journal)
    resumed.restored()
    resumed._evaluator, task._evaluator = fakes
    for each in (task, resumed):
        each._journal = MemoryJournal()
        each._journal.evaluations = list(journal.evaluations[:3])
        each.evaluate([ONE, OTHER])
    assert fakes[0].parts == fakes[1].parts == [(1, Part(9, 27)), (2, Part(3, 27))]


def test_after_a_checkpoint_a_training_goes_on_that_had_gone_on_before() -> None:
    journal = MemoryJournal()
    task = task_of(journal=journal)
    task.evaluate([ONE], share=1 / 9)
    task.evaluate([OTHER], share=1 / 9)
    task.evaluate([ONE], share=1 / 3)
    task.checkpoint(dict)
    fake = evaluator()
    resumed = task_of(fake=fake, journal=journal)
    resumed.restored()
    resumed.evaluate([ONE])
    assert fake.parts == [(0, Part(9, 27))], "its weights are kept under the number of the evaluation that began it"


def test_only_complete_trainings_of_the_evaluator_have_predictions() -> None:
    task = task_of()
    task.evaluate([ONE], share=1 / 3)
    task.record("own", lambda: Evaluation("own", 0.5, (0.5,), 1.0, 3))
    for number in (0, 1):
        with pytest.raises(ValueError, match=f"evaluation {number} has no predictions"):
            task.predictions(number)


def test_a_log_of_another_share_is_refused(tmp_path: Path) -> None:
    journal = MemoryJournal()
    task_of(journal=journal).evaluate([ONE], share=1 / 9)
    with pytest.raises(RuntimeError, match=r"0\.111111 of .* asks for toy.*task\.rng"):
        task_of(journal=journal).evaluate([ONE])
