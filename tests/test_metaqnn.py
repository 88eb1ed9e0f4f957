"""MetaQNN; the learner's mathematics is in ``test_qlearning.py``."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, make_task, run
from harness.methods.common.qlearning import QLearner, process_of
from harness.methods.metaqnn import METHOD, SCHEDULE
from nb201 import needs_table, returned

from harness.core.errors import InputError
from harness.core.evaluation import Evaluation, Proposal
from harness.core.space import Genotype
from harness.spaces import get_space, names
from harness.spaces.metaqnn import ChainLayer, LayerChainSpace

SPACE = get_space("qchain-5")
SMALL = METHOD(**METHOD.scaled.get("quick", {}))


def layers_of(proposal: Proposal) -> list[ChainLayer]:
    assert isinstance(proposal, Genotype)
    assert isinstance(SPACE, LayerChainSpace)
    return list(SPACE.read(proposal))


def narrow(proposal: Proposal) -> float:
    """The share of narrow narrow, among which uniform walks have few."""
    return sum((layer.kind, layer.amount) == ("conv", 64) for layer in layers_of(proposal)) / 5


def test_the_schedule_is_the_papers() -> None:
    assert SCHEDULE.rounds == 2700
    done = {0: 1.0, 1499: 1.0, 1500: 0.9, 1600: 0.8, 1799: 0.7, 1800: 0.6, 2549: 0.2, 2550: 0.1, 2699: 0.1}
    assert {count: SCHEDULE.epsilon(count / 2700) for count in done} == done


def test_only_the_end_is_rewarded_and_with_the_best_epoch() -> None:
    episode = QLearner(process_of(SPACE), alpha=0.1, gamma=1, initial=0.5).episode(1.0, np.random.default_rng(3))
    curve = Evaluation("qchain-5:", 0.5, (0.4, 0.7, 0.5), 1.0, 1)
    failed = Evaluation("qchain-5:", 0.0, (), 1.0, 1, "it broke")
    assert METHOD().rewards(episode, curve) == [0.0] * (len(episode.decisions) - 1) + [0.7]
    assert METHOD().rewards(episode, failed) == [0.0] * len(episode.decisions)


def test_no_layer_that_it_proposes_is_left_out_of_the_network() -> None:
    task = run(SMALL, make_task(SPACE, "60evals"))
    for evaluation in task.evaluations:
        words = evaluation.genotype.partition(":")[2].split(",")
        told = words[: words.index("end")] if "end" in words else words
        assert len(layers_of(SPACE.parse(evaluation.genotype))) == len(told)


def test_learns_which_layers_pay() -> None:
    task = run(SMALL, make_task(SPACE, "300evals", score=narrow))
    scores = [evaluation.accuracy for evaluation in task.evaluations]
    assert np.mean(scores[-60:]) > np.mean(scores[:160]) + 0.1


def test_charges_new_networks_and_returns_the_best() -> None:
    evaluator = FakeEvaluator(narrow, gradient_steps=6)
    task = run(SMALL, make_task(SPACE, "30evals", evaluator=evaluator))
    assert task.meter.spent == 180
    assert len(evaluator.trained) == len(set(evaluator.trained)) == 30
    assert task.best == max(task.evaluations, key=lambda e: e.accuracy)
    assert str(task.proposal) == task.best.genotype


def test_an_interrupted_run_learns_again_from_its_log() -> None:
    journal, evaluator = MemoryJournal(), FakeEvaluator(narrow)
    whole = run(SMALL, make_task(SPACE, "30evals", score=narrow))
    journal.evaluations = whole.evaluations[:13]
    resumed = run(SMALL, make_task(SPACE, "30evals", journal=journal, evaluator=evaluator))
    assert resumed.evaluations == whole.evaluations
    assert len(evaluator.trained) == 17


@pytest.mark.parametrize("name", [*sorted(names()), "keras"])
def test_works_wherever_there_is_something_to_choose(name: str) -> None:
    task = make_task(get_space(name), "6evals")
    if METHOD().unsupported(task) is None:
        assert len(run(SMALL, task).evaluations) == 6
    else:
        assert name == "keras"


def test_defaults_are_the_papers() -> None:
    method = METHOD()
    assert (method.step_size(2_700), method.gamma, method.initial, method.replay) == (0.01, 1.0, 0.5, 128)


@pytest.mark.parametrize("wrong", [{"alpha": -0.1}, {"alpha": 1.5}, {"gamma": -0.1}, {"gamma": 1.1}, {"replay": 0}])
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)  # type: ignore[arg-type]


@needs_table
def test_is_no_worse_than_random_search_on_nasbench201() -> None:
    """Random search finds 93.78 on average; the standard error of 100 seeds is 0.033."""
    assert returned(METHOD(**METHOD.scaled.get("nb201", {})), 100).mean() > 93.74
