"""NAS-RL as a whole; its controller's mathematics is tested in ``test_policy*.py``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task, run
from harness.methods.nas_rl import METHOD

from harness.core.errors import InputError
from harness.core.evaluation import Evaluation, Proposal
from harness.core.space import Genotype
from harness.spaces import get_space, names
from harness.spaces.nas_rl import ConvChainSpace

SPACE = get_space("chain-3")
FAST = METHOD(children=2, units=12, layers=1, learning_rate=0.05)


def wide(proposal: Proposal) -> float:
    """Rewards many filters and skips."""
    assert isinstance(proposal, Genotype)
    assert isinstance(SPACE, ConvChainSpace)
    layers = SPACE.read(proposal)
    return 0.3 + sum((layer.filters == 64) + len(layer.inputs) for layer in layers) / 12


def evaluation(*curve: float) -> Evaluation:
    return Evaluation("chain:", curve[-1] if curve else 0.0, curve, 1.0, 1)


def test_the_reward_is_the_cube_of_the_best_of_the_last_five() -> None:
    method = METHOD()
    assert method.reward(evaluation(0.80, 0.82, 0.81, 0.79, 0.78)) == pytest.approx(0.551368)
    assert method.reward(evaluation(0.95, 0.80, 0.82, 0.81, 0.79, 0.78)) == pytest.approx(0.551368)
    assert method.reward(evaluation(0.5)) == pytest.approx(0.125)


def test_a_failed_child_is_worth_nothing_but_not_left_out() -> None:
    assert METHOD().reward(evaluation()) == 0


def test_the_curve_and_not_the_final_accuracy_is_rewarded() -> None:
    """All children end at the same accuracy; the policy learns which ones were better on the way."""
    evaluator = FakeEvaluator(lambda _: 0.1, curve=lambda proposal: (wide(proposal), 0.1))
    task = run(FAST, make_task(SPACE, "160evals", evaluator=evaluator))
    peaks = [max(e.curve) for e in task.evaluations]
    assert np.mean(peaks[-40:]) > np.mean(peaks[:40]) + 0.1


@pytest.mark.slow
def test_without_differences_in_reward_it_does_not_learn() -> None:
    """All advantages are zero, so the policy, and with it the stream of children, is the untrained one's."""
    flat, frozen = (
        run(
            METHOD(children=2, units=12, layers=1, learning_rate=rate), make_task(SPACE, "20evals", score=lambda _: 0.5)
        )
        for rate in (0.05, 1e-9)
    )
    assert [e.genotype for e in flat.evaluations] == [e.genotype for e in frozen.evaluations]


def test_charges_every_child_and_returns_the_best() -> None:
    evaluator = FakeEvaluator(wide, gradient_steps=6)
    task = run(FAST, make_task(SPACE, "9evals", evaluator=evaluator))
    assert len(task.evaluations) == 9
    assert task.meter.spent == 54
    assert task.best == max(task.evaluations, key=lambda e: e.accuracy)
    assert str(task.proposal) == task.best.genotype


def test_an_interrupted_run_learns_again_from_its_log() -> None:
    journal, evaluator = MemoryJournal(), FakeEvaluator(wide)
    run(FAST, make_task(SPACE, "13evals", score=wide, journal=journal))
    resumed = run(FAST, make_task(SPACE, "30evals", journal=journal, evaluator=evaluator))
    whole = run(FAST, make_task(SPACE, "30evals", score=wide))
    assert resumed.evaluations == whole.evaluations
    assert len(evaluator.trained) <= 17


def test_works_wherever_there_are_choices_and_says_where_not() -> None:
    assert all(METHOD().unsupported(make_task(get_space(name))) is None for name in names())
    assert "no choices" in str(METHOD().unsupported(make_task(VectorSpace(0, 2))))
    assert METHOD(filters="+").unsupported(make_task(SPACE)) is None
    assert "chains" in str(METHOD(filters="+").unsupported(make_task(VectorSpace(3, 2))))


def test_outside_chains_it_learns_without_tensorflow() -> None:
    """In a process of its own, because TensorFlow is imported here. Twelve choices, each worth as much as the other."""
    code = """
import sys
import numpy as np
from fakes import VectorSpace, make_task
from harness.core.budget import BudgetSpent
from harness.methods.nas_rl import METHOD
for seed in range(3):
    task = make_task(VectorSpace(12, 2), "300evals", seed=seed, score=lambda g: float(np.mean(g.picks)))
    try:
        METHOD().search(task)
    except BudgetSpent:
        pass
    told = [evaluation.accuracy for evaluation in task.evaluations]
    assert len(told) == 300 and np.mean(told[-50:]) > np.mean(told[:50]) + 0.15, told
assert "tensorflow" not in sys.modules
"""
    tests = Path(__file__).parent
    path = os.pathsep.join([str(tests), str(tests.parent)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tests.parent,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("untraced")
def test_works_with_strides_and_at_a_profiles_settings() -> None:
    space = ConvChainSpace(layers=3, strides=True)
    task = run(METHOD(**METHOD.scaled.get("smoke", {})), make_task(space, "5evals"))
    assert len(task.evaluations) == 5
    assert all(space.contains(space.parse(e.genotype)) for e in task.evaluations)


def test_defaults_are_the_papers() -> None:
    method = METHOD()
    assert (method.units, method.layers, method.bound) == (35, 2, 0.08)
    assert (method.rate(12_800), method.last, method.minibatch(12_800)) == (6e-4, 5, 8)


@pytest.mark.parametrize(
    "wrong",
    [{"children": -1}, {"units": 0}, {"layers": 0}, {"last": 0}, {"learning_rate": -1.0}, {"baseline_decay": 1.0}],
)
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)  # type: ignore[arg-type]
