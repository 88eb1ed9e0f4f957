"""BlockQNN; the learner's mathematics is in ``test_qlearning.py``, the code's in ``test_spaces_blockqnn.py``."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task, run
from harness.methods.blockqnn import METHOD, SCHEDULE, BlockQnn, density
from harness.methods.common.qlearning import IndependentChoices, QLearner
from nb201 import needs_table, returned

from harness.core.architecture import Cell, Edge
from harness.core.errors import InputError
from harness.core.evaluation import Proposal
from harness.core.space import Genotype
from harness.spaces import get_space, names
from harness.spaces.blockqnn import BlockSpace

SPACE = get_space("block-4")
SMALL = METHOD(**METHOD.scaled.get("quick", {}))


def convolutions(proposal: Proposal) -> float:
    assert isinstance(proposal, Genotype)
    assert isinstance(SPACE, BlockSpace)
    return sum(layer.op == "conv_3x3" for layer in SPACE.read(proposal)) / 4


def test_the_schedule_is_the_papers() -> None:
    assert SCHEDULE.rounds == 178
    assert SCHEDULE.rounds * METHOD().blocks == 11_392
    done = {0: 1.0, 94: 1.0, 95: 0.9, 102: 0.8, 115: 0.7, 116: 0.6, 165: 0.2, 166: 0.1, 177: 0.1}
    assert {count: SCHEDULE.epsilon(count / 178) for count in done} == done


def worth_of_the_start(method: BlockQnn) -> float:
    """Q of the first decision on a chain of four, once it has settled, where the longest block has ten layers."""
    learner = QLearner(IndependentChoices(VectorSpace(4, 1)), alpha=1.0, gamma=1.0, initial=0.5)
    episode = learner.episode(0.0, np.random.default_rng(0))
    learner.learn(episode, method.shaped(0.8, 4, 10))
    return episode.decisions[0].values[0]


def test_shaping_pays_early_steps_and_likes_long_blocks() -> None:
    assert METHOD().shaped(0.8, 4, 10) == pytest.approx([0.08, 0.08, 0.08, 0.8])
    assert worth_of_the_start(METHOD()) == pytest.approx(0.8 * (1 + 3 / 10))


def test_paid_evenly_a_block_is_worth_its_reward() -> None:
    for steps in (1, 2, 7):
        assert sum(METHOD(even=True).shaped(0.8, steps, 10)) == pytest.approx(0.8)
    assert worth_of_the_start(METHOD(even=True)) == pytest.approx(0.8)


def test_the_penalty_is_logarithmic() -> None:
    method = METHOD(mu=0.03, rho=0.07)
    base = method.penalty(5_000_000, 1.2)
    assert method.penalty(10_000_000, 1.2) - base == pytest.approx(0.03 * math.log(2))
    assert method.penalty(5_000_000, 2.4) - base == pytest.approx(0.07 * math.log(2))


def test_density_is_edges_per_node() -> None:
    """Input, two convolutions of it, their sum, output: five edges and five nodes."""
    edges = (Edge(1, 2, "conv_3x3"), Edge(1, 3, "conv_1x1"), Edge(2, 4, "skip_connect"), Edge(3, 4, "skip_connect"))
    assert density(Cell(2, 5, edges, (4,))) == 1.0
    assert density(Cell(2, 3, edges[:1], (2,))) == 2 / 3


@pytest.mark.parametrize("name", ["block-3", "block"])
def test_the_reward_of_every_block_is_finite_and_falls_with_its_size(name: str) -> None:
    space = get_space(name)
    task, method = make_task(space), METHOD()
    identity, large = (
        space.parse(f"{name}:{','.join([first, *['terminal'] * (len(space.choices) - 1)])}")
        for first in ("skip_connect@0", "conv_5x5@0")
    )
    assert math.isfinite(method.total(task, identity, 0.5))
    assert method.total(task, large, 0.5) < method.total(task, identity, 0.5)
    assert METHOD(mu=0, rho=0).total(task, large, 0.5) == 0.5


def test_outside_the_block_space_the_reward_is_the_accuracy() -> None:
    space = get_space("nasbench201")
    assert METHOD().total(make_task(space), space.sample(np.random.default_rng(0)), 0.5) == 0.5


def test_a_round_draws_its_blocks_with_one_table() -> None:
    """Before anything is learned all draws are uniform, so that a larger round has the same first blocks."""
    first, other = (
        run(METHOD(blocks=blocks), make_task(SPACE, "16evals", score=convolutions)).evaluations for blocks in (16, 64)
    )
    assert first == other


def test_learns_which_layers_pay() -> None:
    task = run(SMALL, make_task(SPACE, "400evals", score=convolutions))
    scores = [evaluation.accuracy for evaluation in task.evaluations]
    assert np.mean(scores[-80:]) > np.mean(scores[:200]) + 0.15


def test_charges_new_blocks_and_returns_the_most_accurate() -> None:
    evaluator = FakeEvaluator(convolutions, gradient_steps=6)
    task = run(SMALL, make_task(SPACE, "30evals", evaluator=evaluator))
    assert task.meter.spent == 180
    assert len(evaluator.trained) == len(set(evaluator.trained)) == 30
    assert task.best == max(task.evaluations, key=lambda e: e.accuracy)


@pytest.mark.parametrize("method", [SMALL, METHOD(blocks=4)])
def test_an_interrupted_run_learns_again_from_its_log(method: BlockQnn) -> None:
    journal, evaluator = MemoryJournal(), FakeEvaluator(convolutions)
    whole = run(method, make_task(SPACE, "30evals", score=convolutions))
    journal.evaluations = whole.evaluations[:13]
    resumed = run(method, make_task(SPACE, "30evals", journal=journal, evaluator=evaluator))
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
    assert (method.gamma, method.initial, method.blocks, method.replay) == (1.0, 0.5, 64, 128)
    assert method.step_size(11_392) == 0.01
    assert not method.even


@pytest.mark.parametrize("wrong", [{"alpha": -0.1}, {"gamma": 1.1}, {"blocks": 0}, {"replay": 0}])
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)  # type: ignore[arg-type]


@needs_table
def test_is_better_than_random_search_on_nasbench201() -> None:
    """Random search finds 93.78 on average; the standard error of 100 seeds is 0.03."""
    assert returned(METHOD(**METHOD.scaled.get("nb201", {})), 100).mean() > 93.84
