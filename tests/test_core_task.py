"""The task: charging, caching, proposing, resuming."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, by_hash, make_task

from harness.core.budget import BudgetSpent
from harness.core.errors import InputError
from harness.core.evaluation import Evaluation, KerasConfig, Proposal
from harness.core.space import Genotype
from harness.core.task import Task


def share_of_ones(proposal: Proposal) -> float:
    assert isinstance(proposal, Genotype)
    return float(np.mean(proposal.picks))


def spend(task: Task) -> int:
    """Draws and evaluates until the budget is gone; how often that worked."""
    with pytest.raises(BudgetSpent):
        task.evaluate(task.space.sample(task.rng) for _ in range(10_000))
    return len(task.evaluations)


def test_an_evaluation_budget_buys_exactly_that_many() -> None:
    evaluator = FakeEvaluator(gradient_steps=7)
    task = make_task(VectorSpace(20), "12evals", evaluator=evaluator)
    assert spend(task) == 12
    assert task.meter.spent == 84
    assert len(evaluator.trained) == 12


def test_a_step_budget_is_never_crossed() -> None:
    task = make_task(VectorSpace(20), "30steps", evaluator=FakeEvaluator(gradient_steps=7))
    assert spend(task) == 4
    assert task.meter.spent == 28


def test_seconds_are_those_the_evaluator_reports() -> None:
    task = make_task(VectorSpace(20), "100s", evaluator=FakeEvaluator(seconds=30.0))
    assert spend(task) == 4
    assert task.meter.spent == pytest.approx(120, abs=1)


def test_a_repeat_is_charged_but_not_trained_again() -> None:
    evaluator = FakeEvaluator(gradient_steps=3)
    task = make_task(VectorSpace(5), "10evals", evaluator=evaluator)
    genotype = task.space.sample(task.rng)
    first, second = task.evaluate([genotype, genotype])
    assert first == second
    assert len(evaluator.trained) == 1
    assert task.meter.spent == 6
    assert len(task.evaluations) == 2


def test_the_best_evaluated_becomes_the_proposal() -> None:
    task = make_task(VectorSpace(8), "40evals", score=share_of_ones)
    spend(task)
    best = max(task.evaluations, key=lambda e: e.accuracy)
    assert task.best == best
    assert str(task.proposal) == best.genotype


def test_incumbents_in_the_journal_rise() -> None:
    journal = MemoryJournal()
    task = make_task(VectorSpace(8), "40evals", score=share_of_ones, journal=journal)
    spend(task)
    accuracies = [accuracy for _, accuracy, _, _ in journal.proposals if accuracy is not None]
    assert len(accuracies) == len(journal.proposals)
    assert accuracies == sorted(set(accuracies))
    spent = [seconds for _, _, seconds, _ in journal.proposals]
    assert spent == sorted(spent)


def test_a_failed_evaluation_is_charged_and_never_the_best() -> None:
    class Failing(FakeEvaluator):
        def evaluate(self, proposal: Proposal, number: int, meter: object) -> Evaluation:
            return Evaluation(str(proposal), 0.0, (), 2.0, 1, failure="it did not fit into memory")

    task = make_task(VectorSpace(5), "3evals", evaluator=Failing())
    assert spend(task) == 3
    assert task.best is None
    assert task.proposal is None
    assert task.meter.spent == 3


def test_what_is_outside_the_space_cannot_be_proposed() -> None:
    task = make_task(VectorSpace(5))
    stranger = VectorSpace(5, name="elsewhere").sample(task.rng)
    with pytest.raises(ValueError, match="not in space"):
        task.propose(stranger)
    assert task.proposal is None
    config = KerasConfig("net", "{}")
    task.propose(config, 0.5)
    assert task.proposal is config


def test_a_resumed_run_trains_nothing_twice_and_ends_the_same() -> None:
    space = VectorSpace(12)
    whole = make_task(space, "20evals", seed=3)
    spend(whole)
    journal = MemoryJournal()
    interrupted = make_task(space, "20evals", seed=3, journal=journal)
    for _ in range(8):
        interrupted.evaluate([space.sample(interrupted.rng)])
    evaluator = FakeEvaluator(by_hash)
    resumed = make_task(space, "20evals", seed=3, journal=journal, evaluator=evaluator)
    spend(resumed)
    assert len(evaluator.trained) == 12
    assert resumed.evaluations == whole.evaluations == journal.evaluations
    assert resumed.proposal == whole.proposal


def test_a_resumed_run_that_asks_for_something_else_is_told_why() -> None:
    journal = MemoryJournal()
    space = VectorSpace(12)
    make_task(space, journal=journal).evaluate([space.genotype((0,) * 12)])
    with pytest.raises(RuntimeError, match=r"task\.rng"):
        make_task(space, journal=journal).evaluate([space.genotype((1,) * 12)])


def test_checkpoint_brings_state_generator_meter_and_evaluations_back() -> None:
    space, journal = VectorSpace(12), MemoryJournal()
    task = make_task(space, "20evals", seed=5, journal=journal)
    assert task.restored() is None
    task.evaluate([space.sample(task.rng), space.sample(task.rng)])
    task.rng.integers(3, dtype=np.int32)  # leaves half a word in the generator
    task.checkpoint(lambda: {"weights": np.arange(3.0)})
    expected = task.rng.integers(1000, size=5, dtype=np.int32)
    resumed = make_task(space, "20evals", seed=99, journal=journal)
    state = resumed.restored()
    assert state is not None
    assert np.array_equal(state["weights"], np.arange(3.0))
    assert resumed.evaluations == task.evaluations
    assert resumed.meter.spent == task.meter.spent == 2
    assert np.array_equal(resumed.rng.integers(1000, size=5, dtype=np.int32), expected)


@pytest.mark.parametrize("budget", ["20evals", "1000s"])
def test_a_checkpoint_brings_back_what_children_have_taken_and_what_the_method(budget: str) -> None:
    space, journal, now = VectorSpace(12), MemoryJournal(), [0.0]
    words = {"journal": journal, "evaluator": FakeEvaluator(seconds=20.0), "clock": lambda: now[0]}
    task = make_task(space, budget, **words)
    task.evaluate([space.sample(task.rng) for _ in range(3)])
    now[0] += 7.0
    task.checkpoint(dict)
    now[0] += 500.0
    resumed = make_task(space, budget, **words)
    resumed.restored()
    assert (resumed.meter.charged, resumed.meter.own) == (60.0, 7.0)
    assert resumed.meter.spent == (3 if budget == "20evals" else 67.0)


def test_the_time_that_a_checkpoint_takes_is_not_the_methods_after_a_resume_either() -> None:
    journal, now = MemoryJournal(), [0.0]
    task = make_task(VectorSpace(12), "1000s", journal=journal, clock=lambda: now[0])

    def state() -> dict[str, np.ndarray]:
        now[0] += 25.0
        return {}

    now[0] += 40.0
    task.checkpoint(state)
    assert task.meter.spent == 40.0
    resumed = make_task(VectorSpace(12), "1000s", journal=journal, clock=lambda: now[0])
    resumed.restored()
    assert resumed.meter.spent == 40.0


def test_a_checkpoint_of_another_version_is_refused() -> None:
    space, journal = VectorSpace(12), MemoryJournal()
    make_task(space, journal=journal).checkpoint(dict)
    assert journal.state is not None
    frozen = json.loads(str(journal.state["_task"]))
    for old in ({**frozen, "version": -1}, {name: value for name, value in frozen.items() if name != "version"}):
        journal.state["_task"] = np.array(json.dumps(old))
        with pytest.raises(InputError, match="another version of the harness; do it again with --retry-failed"):
            make_task(space, journal=journal).restored()


def test_two_keras_models_of_one_name_are_not_taken_for_one() -> None:
    def model(text: str) -> KerasConfig:
        return KerasConfig("net", text)

    evaluator = FakeEvaluator()
    task = make_task(VectorSpace(5), evaluator=evaluator)
    task.evaluate([model("{}"), model("{}")])
    assert evaluator.trained == [model("{}")]
    for use in (lambda one: task.evaluate([one]), task.propose):
        with pytest.raises(ValueError, match="two different Keras models are both named 'net'"):
            use(model("[]"))
    assert task.proposal == model("{}")


def test_a_keras_model_that_is_built_again_is_the_same() -> None:
    """Keras numbers layers on, and so another name stands in the text."""

    def built(first: int) -> KerasConfig:
        names = [f"conv2d_{first}", f"dense_{first + 1}"]
        layers = [{"class_name": "Layer", "config": {"name": name, "units": 3}, "name": name} for name in names]
        links = [{"args": [{"config": {"keras_history": [names[0], 0, 0]}}]}]
        return KerasConfig("net", json.dumps({"layers": layers, "inbound_nodes": links, "name": f"functional_{first}"}))

    task = make_task(VectorSpace(5))
    task.evaluate([built(0)])
    task.propose(built(7), 0.5)
    assert task.proposal == built(7)
    other = KerasConfig("net", built(0).json.replace("3", "4"))
    with pytest.raises(ValueError, match="two different Keras models"):
        task.propose(other)


def test_a_checkpoint_keeps_which_evaluation_began_which_training() -> None:
    """Repeats belong to the training that was the last one then, and ``again`` begins another."""
    space, journal = VectorSpace(12), MemoryJournal()
    one = space.genotype((1,) * 12)
    task = make_task(space, journal=journal)
    for again in (False, True, False, True, False):
        task.evaluate([one], again=again)
    told = [task.predictions(number) for number in range(5)]
    task.checkpoint(dict)
    resumed = make_task(space, journal=journal)
    resumed.restored()
    assert all(np.array_equal(resumed.predictions(number), told[number]) for number in range(5))
    assert resumed.evaluate([one])[0] == task.evaluate([one])[0]


@pytest.mark.parametrize("kind", ["genotype", "keras", "nothing"])
def test_checkpoint_brings_best_and_proposal_back(kind: str) -> None:
    space, journal = VectorSpace(12), MemoryJournal()
    task = make_task(space, "20evals", journal=journal)
    if kind != "nothing":
        task.evaluate([space.sample(task.rng) for _ in range(4)])
    if kind == "keras":
        task.propose(KerasConfig("net", '{"a": [1, 2]}'), 0.3)
    task.checkpoint(dict)
    resumed = make_task(space, "20evals", journal=journal)
    resumed.restored()
    assert resumed.proposal == task.proposal
    assert resumed.best == task.best


def test_checkpoint_brings_back_what_was_planned_and_what_came_too_late() -> None:
    space, journal, now = VectorSpace(4), MemoryJournal(), [0.0]
    task = make_task(space, "10s", journal=journal, clock=lambda: now[0])
    task.plan(inherited_steps=7, share=0.25)
    now[0] = 40.0
    for bit in (0, 1):
        task.propose(space.genotype((bit,) * 4))
    task.checkpoint(dict)
    assert task.discarded == 1
    resumed = make_task(space, "10s", journal=journal, clock=lambda: now[0])
    resumed.restored()
    assert (resumed.planned, resumed.discarded) == (task.planned, task.discarded)


def test_in_a_time_budget_checkpoints_are_rare() -> None:
    journal = MemoryJournal()
    task = make_task(VectorSpace(12), "1000s", journal=journal, evaluator=FakeEvaluator(seconds=20.0))
    calls: list[int] = []

    def state() -> dict[str, np.ndarray]:
        calls.append(len(task.evaluations))
        return {}

    for _ in range(6):
        task.evaluate([task.space.sample(task.rng)])
        task.checkpoint(state)
    assert calls == [2, 4, 6]


def test_steps_of_the_method_itself_are_charged() -> None:
    task = make_task(VectorSpace(5), "10steps")
    task.step(6)
    with pytest.raises(BudgetSpent):
        task.step(5)
    assert task.meter.spent == 6
    task.step(4)
    with pytest.raises(BudgetSpent):
        task.step()


def test_checkpoint_brings_the_proposal_and_the_best_back() -> None:
    space = VectorSpace(8)
    for later in (KerasConfig("net", '{"a": 1}'), space.genotype((0,) * 8)):
        journal = MemoryJournal()
        task = make_task(space, score=share_of_ones, journal=journal)
        task.evaluate([space.genotype((1,) * 8), space.genotype((0,) * 8)])
        task.propose(later)
        task.checkpoint(dict)
        resumed = make_task(space, score=share_of_ones, journal=journal)
        resumed.restored()
        assert resumed.proposal == later
        assert resumed.best == task.best
        resumed.evaluate([space.genotype((1, 0) * 4)])
        assert resumed.proposal == later, "a worse evaluation may not replace what was proposed"


def test_own_trainings_are_logged_in_place_of_evaluations_and_read_from_the_log() -> None:
    def search(task: Task, trained: list[str]) -> None:
        for name, failure in (("a", ""), ("b", "it did not fit"), ("c", "")):

            def train(name: str = name, failure: str = failure) -> Evaluation:
                task.step(3)
                trained.append(name)
                accuracy = 0.0 if failure else 0.1 * len(name) * task.meter.steps
                return Evaluation(name, accuracy, (), 0.5, 3, failure)

            task.record(name, train)

    journal, trained = MemoryJournal(), list[str]()
    task = make_task(VectorSpace(3), "8steps", journal=journal)
    with pytest.raises(BudgetSpent):
        search(task, trained)
    assert trained == ["a", "b"]
    assert task.meter.spent == 6
    assert journal.evaluations == task.evaluations
    assert task.best == task.evaluations[0]
    assert task.proposal is None
    resumed = make_task(VectorSpace(3), "9steps", journal=journal)
    search(resumed, trained)
    assert trained == ["a", "b", "c"]
    assert resumed.meter.spent == 9
    assert resumed.evaluations[:2] == task.evaluations
    assert len(journal.evaluations) == 3
    with pytest.raises(RuntimeError, match="now asks for z"):
        make_task(VectorSpace(3), journal=journal).record("z", lambda: task.evaluations[0])


def test_a_replayed_training_costs_its_seconds_again() -> None:
    journal = MemoryJournal()
    journal.evaluations = [Evaluation("a", 0.5, (0.5,), 2.5, 7)]
    task = make_task(VectorSpace(3), "10s", journal=journal)
    task.record("a", lambda: pytest.fail("it was trained again"))
    assert (task.meter.spent, task.meter.steps) == (2.5, 7)


def heavier_with_ones(proposal: Proposal) -> int:
    assert isinstance(proposal, Genotype)
    return 10 + 10 * sum(proposal.picks)


def test_an_evaluation_that_does_not_fit_into_the_multiply_accumulates_is_not_begun() -> None:
    evaluator = FakeEvaluator(macs=heavier_with_ones)
    task = make_task(VectorSpace(4), "75macs", evaluator=evaluator)
    light, heavy = task.space.genotype((0,) * 4), task.space.genotype((1,) * 4)
    first, _ = task.evaluate([heavy, light])
    assert (first.macs, task.meter.spent) == (50, 60)
    with pytest.raises(BudgetSpent):
        task.evaluate([heavy])
    assert len(evaluator.trained) == 2
    assert task.meter.spent == 60
    task.evaluate([light])
    assert task.meter.macs == 70, "a repeat is charged what it cost"
    assert len(evaluator.trained) == 2


def test_own_steps_pay_their_multiply_accumulates() -> None:
    task = make_task(VectorSpace(4), "100macs")
    task.step(macs=60)
    with pytest.raises(BudgetSpent):
        task.step(macs=41)
    task.step(macs=40)
    assert (task.meter.spent, task.meter.steps) == (100, 2)


def test_a_step_of_which_nothing_is_said_is_one_without_multiply_accumulates() -> None:
    task = make_task(VectorSpace(4), "100steps")
    task.step()
    assert (task.meter.steps, task.meter.macs) == (1, 0)
    task.step(0)
    assert task.meter.steps == 1


def test_a_repeat_is_trained_again_where_a_method_asks_for_it() -> None:
    evaluator = FakeEvaluator(gradient_steps=3)
    task = make_task(VectorSpace(5), "10evals", evaluator=evaluator)
    genotype = task.space.sample(task.rng)
    task.evaluate([genotype, genotype], again=True)
    assert len(evaluator.trained) == 2
    assert task.meter.spent == 6


@pytest.mark.parametrize(("budget", "before"), [("12evals", 12), ("30steps", 10), ("100s", 1), ("900macs", 30)])
def test_the_number_of_children_follows_from_the_budget(budget: str, before: int) -> None:
    space = VectorSpace(4)
    task = make_task(space, budget, evaluator=FakeEvaluator(gradient_steps=3, seconds=20.0, macs=heavier_with_ones))
    draws = [task.children(), make_task(space, budget, evaluator=task._evaluator).children()]
    assert draws == [draws[0]] * 2
    assert before * 0.5 <= draws[0] <= before * 1.5
    task.evaluate([space.genotype((0, 0, 1, 1))])
    assert task.children() == {"12evals": 12, "30steps": 10, "100s": 5, "900macs": 30}[budget]
    cost = task.cost(space.genotype((0,) * 4))
    assert cost == {"12evals": 3, "30steps": 3, "100s": 20, "900macs": 10}[budget]
    assert task.affordable(cost) == {"12evals": 11, "30steps": 9, "100s": 4, "900macs": 87}[budget]


def test_what_is_proposed_after_the_limit_is_discarded_and_counted() -> None:
    now = [0.0]
    journal = MemoryJournal()
    task = make_task(VectorSpace(4), "10s", clock=lambda: now[0], journal=journal)
    first, second = task.space.genotype((0,) * 4), task.space.genotype((1,) * 4)
    now[0] = 10.0
    task.propose(first)
    now[0] = 10.1
    task.propose(second)
    assert task.proposal == first
    assert [row[0] for row in journal.proposals] == [first]
    assert task.discarded == 1


def test_the_first_proposal_counts_also_after_the_limit() -> None:
    """A search whose first training outlasts the budget has overrun, and the record says so; it still has a result."""
    now = [0.0]
    task = make_task(VectorSpace(4), "10s", clock=lambda: now[0])
    now[0] = 12.0
    late = task.space.genotype((0,) * 4)
    task.propose(late)
    assert (task.proposal, task.discarded) == (late, 0)
    assert task.meter.spent > task.meter.limit


def test_a_checkpoint_brings_the_multiply_accumulates_back() -> None:
    journal = MemoryJournal()
    task = make_task(VectorSpace(4), "100macs", journal=journal)
    task.step(macs=60)
    task.checkpoint(dict)
    resumed = make_task(VectorSpace(4), "100macs", journal=journal)
    assert resumed.restored() is not None
    assert (resumed.meter.macs, resumed.meter.spent) == (60, 60)


@pytest.mark.parametrize("accuracy", [float("nan"), float("inf"), 2.0, -0.1, "0.99", True])
def test_an_accuracy_that_is_none_is_refused(accuracy: object) -> None:
    task = make_task(VectorSpace(8), "40evals")
    genotype = task.space.sample(task.rng)
    with pytest.raises(ValueError, match="from 0 to 1"):
        task.propose(genotype, accuracy)  # type: ignore[arg-type]
    assert task.proposal is None
    with pytest.raises(ValueError, match="from 0 to 1"):
        task.record(str(genotype), lambda: Evaluation(str(genotype), accuracy, (), 1.0, 1))  # type: ignore[arg-type]
    assert task.evaluations == []


def test_numpys_numbers_are_numbers() -> None:
    task = make_task(VectorSpace(8), "40evals")
    task.propose(task.space.sample(task.rng), np.float32(0.25))
    assert task.proposal is not None


def test_a_plan_holds_numbers() -> None:
    task = make_task(VectorSpace(8), "40evals")
    task.plan(population=np.int64(20), rate=np.float32(0.5), whole=np.bool_(True), tried=False)
    assert task.planned == {"population": 20, "rate": 0.5, "whole": 1, "tried": 0}
    assert [type(value) for value in task.planned.values()] == [int, float, int, int]
    for nonsense in ("twenty", None, float("nan"), np.float64("inf"), [20]):
        with pytest.raises(ValueError, match=r"task\.plan takes finite numbers, and size is"):
            task.plan(size=nonsense)  # type: ignore[arg-type]
    assert "size" not in task.planned


def test_work_is_never_given_back() -> None:
    task = make_task(VectorSpace(8), "40steps")
    task.step(3)
    for attempt in (lambda: task.step(-8), lambda: task.step(macs=-1)):
        with pytest.raises(ValueError, match="negative"):
            attempt()
    for cost in ({"seconds": -1.0, "steps": 0}, {"seconds": float("nan"), "steps": 0}, {"seconds": 0.0, "steps": -1}):
        with pytest.raises(ValueError, match="not negative"):
            task.meter.charge(**cost)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="finite"):
        task.step(macs=float("inf"))  # type: ignore[arg-type]
    assert task.meter.spent == 3


def test_a_fraction_of_a_step_is_not_free() -> None:
    task = make_task(VectorSpace(8), "3steps")
    for _ in range(3):
        task.step(0.4)  # type: ignore[arg-type]
    with pytest.raises(BudgetSpent):
        task.step(0.4)  # type: ignore[arg-type]
    assert task.meter.spent == 3


def test_what_is_proposed_at_the_very_limit_counts() -> None:
    now = [0.0]
    task = make_task(VectorSpace(4), "10s", clock=lambda: now[0])
    first, second = task.space.genotype((0,) * 4), task.space.genotype((1,) * 4)
    task.propose(first)
    now[0] = 10.0
    task.propose(second)
    assert (task.proposal, task.discarded) == (second, 0)


def test_the_log_of_proposals_says_what_was_measured_under_shared_weights() -> None:
    journal = MemoryJournal()
    task = make_task(VectorSpace(4), journal=journal)
    own, named = task.space.genotype((0,) * 4), task.space.genotype((1,) * 4)
    task.evaluate([own])
    task.propose(named, 0.5)
    task.propose(named, 0.6, shared_weights=False)
    assert [(row[0], row[3]) for row in journal.proposals] == [(own, False), (named, True), (named, False)]


def test_own_steps_cost_their_time_and_nothing_besides() -> None:
    now = [0.0]
    task = make_task(VectorSpace(4), "10s", clock=lambda: now[0])
    task.step(5)
    assert (task.meter.spent, task.meter.steps) == (0, 5)
    now[0] = 3.0
    task.step()
    assert (task.meter.spent, task.meter.steps) == (3, 6)


def test_a_repeat_that_does_not_fit_into_the_time_ends_the_search() -> None:
    space = VectorSpace(4)
    task = make_task(space, "10s", evaluator=FakeEvaluator(seconds=6.0))
    genotype = space.genotype((0,) * 4)
    task.evaluate([genotype])
    with pytest.raises(BudgetSpent):
        task.evaluate([genotype])
    assert (len(task.evaluations), task.meter.spent) == (1, 6)
    counted = make_task(space, "3evals", evaluator=FakeEvaluator(seconds=6.0, gradient_steps=2))
    assert len(counted.evaluate([genotype] * 3)) == 3, "where work is counted, its seconds are of no account"


def test_before_the_first_training_nobody_knows_its_seconds() -> None:
    task = make_task(VectorSpace(4), "10s", evaluator=FakeEvaluator(seconds=4.0))
    genotype = task.space.genotype((0,) * 4)
    assert task.cost(genotype) == 0
    task.evaluate([genotype])
    assert task.cost(genotype) == 4


def test_a_budget_below_one_training_is_planned_as_one() -> None:
    for budget in ("1steps", "5macs", "1s"):
        task = make_task(VectorSpace(4), budget, evaluator=FakeEvaluator(gradient_steps=3, seconds=20.0, macs=100))
        assert task.children() == 1


def test_trainings_of_the_method_itself_are_whole_ones_in_its_plan() -> None:
    task = make_task(VectorSpace(4), "100s", evaluator=FakeEvaluator(seconds=10.0))
    for number, seconds in enumerate((10.0, 30.0)):
        task.record(f"own {number}", lambda seconds=seconds: Evaluation("x", 0.5, (0.5,), seconds, 1))  # type: ignore[misc]
    assert task.children() == 5
    task.evaluate([task.space.genotype((0,) * 4)])
    assert task.children() == 6


def test_the_smallest_share_is_one_gradient_step() -> None:
    task = make_task(VectorSpace(4), "100steps", evaluator=FakeEvaluator(gradient_steps=50))
    [evaluation] = task.evaluate([task.space.genotype((0,) * 4)], share=1e-6)
    assert (evaluation.share, evaluation.steps, task.meter.steps) == (1 / 50, 1, 1)
