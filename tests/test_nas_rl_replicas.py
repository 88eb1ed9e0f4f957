"""NAS-RL by controller replicas; the clock is tested in ``test_replicas.py`` without TensorFlow."""

from __future__ import annotations

import contextlib

import keras
import numpy as np
import pytest
from controllers import plain, uniforms
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task, run
from harness.methods.common.baseline import RewardBaseline
from harness.methods.common.layered_controller import LayeredController
from harness.methods.common.served_controller import ServedController
from harness.methods.nas_rl import METHOD
from pools import Race

from harness.core.budget import BudgetSpent
from harness.core.errors import InputError
from harness.core.evaluation import Proposal
from harness.core.space import Genotype, Space
from harness.core.table import Signal
from harness.core.task import Task
from harness.plugins.catalogue import Catalogue
from harness.run.tables import TableEvaluator
from harness.spaces.nas_rl import ConvChainSpace

SPACE = ConvChainSpace("chain-2", 2)
FLAT = VectorSpace(4, 5)
"""Searched without TensorFlow, in a fraction of the time; what differs is the controller alone."""
SMALL = {"units": 8, "layers": 1, "learning_rate": 0.05, "children": 2}


def accuracy(proposal: Proposal) -> float:
    assert isinstance(proposal, Genotype)
    return 0.1 + sum(proposal.picks) / 50


def seconds(proposal: Proposal) -> float:
    assert isinstance(proposal, Genotype)
    return 1.0 + sum(pick * place for place, pick in enumerate(proposal.picks, start=1))


def task(budget: str, journal: MemoryJournal | None = None, space: Space = FLAT) -> Task:
    return make_task(space, budget, evaluator=FakeEvaluator(accuracy, seconds=seconds), journal=journal)


def without_replicas(task: Task) -> None:
    """The search as it was before there were replicas: one controller that learns from its own children."""
    method, adam = METHOD(**SMALL), keras.optimizers.Adam()
    controller = LayeredController(SPACE, task.rng, units=8, layers=1, bound=method.bound, optimizer=adam)
    baseline = RewardBaseline(method.baseline_decay, "before")
    while True:
        picks = controller.sample(task.rng.random((2, controller.decisions), np.float32)).picks
        evaluations = task.evaluate(SPACE.genotype(tuple(row)) for row in picks.tolist())
        adam.learning_rate = 0.05
        controller.train(picks, baseline.advantages(np.array([method.reward(one) for one in evaluations])))


@pytest.mark.parametrize(
    "settings",
    [{}, {"replicas": 1}, pytest.param({"replicas": 1, "synchronous": True}, marks=pytest.mark.slow)],
)
def test_one_replica_is_the_plain_search(settings: dict[str, int]) -> None:
    old, new = task("41evals", space=SPACE), task("41evals", space=SPACE)
    with contextlib.suppress(BudgetSpent):
        without_replicas(old)
    run(METHOD(**SMALL, **settings), new)
    assert new.evaluations == old.evaluations
    assert ("simulated_wall" in new.planned) == bool(settings)


@pytest.mark.usefixtures("untraced")
def test_the_gradient_is_that_at_the_fetched_parameters() -> None:
    """A controller that has not moved says what it is."""
    still, moved = plain(SPACE), plain(SPACE)
    served = ServedController(moved, keras.optimizers.Adam())
    drawn, advantages = served.draw(uniforms(3, moved)), np.array([0.5, -1.0, 2.0])
    fetched = served.fetch()
    served.apply([np.ones_like(part) for part in fetched], 0.1)
    present = served.fetch()
    assert not any(np.allclose(new, old) for new, old in zip(present, fetched, strict=True))
    stale = served.gradient(fetched, drawn, advantages)
    expected = ServedController(still, keras.optimizers.Adam()).gradient(fetched, drawn, advantages)
    fresh = served.gradient(present, drawn, advantages)
    for own, other, wrong in zip(stale, expected, fresh, strict=True):
        assert np.allclose(own, other, atol=1e-7)
        assert not np.any(own) or not np.allclose(own, wrong, atol=1e-7)
    for after, before in zip(served.fetch(), present, strict=True):
        assert np.array_equal(after, before), "looking back moves nothing"


def test_an_update_is_adams() -> None:
    controller = plain(SPACE)
    served = ServedController(controller, keras.optimizers.Adam())
    before = served.fetch()
    served.apply([np.full_like(part, 3.0) for part in before], 0.01)
    for new, old in zip(served.fetch(), before, strict=True):
        assert np.allclose(new, old - 0.01, atol=1e-6), "Adam's first step has the length of its rate"


def test_what_it_notes_for_the_record() -> None:
    done = run(METHOD(**SMALL, replicas=3), task("500s"))
    assert {"simulated_wall", "busy", "updates", "staleness", "most_staleness"} < set(done.planned)
    assert done.meter.spent == pytest.approx(sum(e.seconds for e in done.evaluations))
    assert done.planned["simulated_wall"] * 6 * done.planned["busy"] == pytest.approx(done.meter.spent)
    assert 0 < done.planned["busy"] <= 1
    assert 0 < done.planned["staleness"] <= done.planned["most_staleness"]


@pytest.mark.parametrize("space", [FLAT, pytest.param(SPACE, marks=pytest.mark.slow)])
@pytest.mark.parametrize("synchronous", [False, True])
def test_an_interrupted_run_goes_on_from_its_log(synchronous: bool, space: Space) -> None:
    method, journal = METHOD(**SMALL, replicas=2, synchronous=synchronous), MemoryJournal()
    run(method, task("150s", journal, space))
    half = len(journal.evaluations)
    resumed, calm = run(method, task("500s", journal, space)), run(method, task("500s", space=space))
    assert half < len(calm.evaluations)
    assert resumed.evaluations == calm.evaluations
    assert resumed.planned == calm.planned


@pytest.mark.parametrize("budget", ["61evals", "300s"])
@pytest.mark.parametrize("space", [FLAT, pytest.param(SPACE, marks=pytest.mark.slow)])
def test_replicas_whose_children_train_beside_each_other(budget: str, space: Space) -> None:
    def beside(journal: MemoryJournal | None = None) -> Task:
        made = make_task(
            space,
            budget,
            evaluator=FakeEvaluator(accuracy, seconds=seconds),
            pool=Race(4, lambda: made),
            journal=journal,
        )
        return made

    method, journal = METHOD(**SMALL, replicas=3), MemoryJournal()
    alone, together = run(method, task(budget, space=space)), run(method, beside(journal))
    if budget == "61evals":
        assert together.evaluations == alone.evaluations
        assert together.planned == alone.planned
    else:
        assert {"updates", "staleness", "most_staleness"} < set(together.planned)
        assert "simulated_wall" not in together.planned
        assert together.planned["staleness"] > 0
    journal.evaluations = journal.evaluations[:15]
    again = run(method, beside(journal))
    assert again.evaluations[:15] == together.evaluations[:15]
    if budget == "61evals":
        assert (again.evaluations, again.planned) == (together.evaluations, together.planned)


def raced(budget: str, journal: MemoryJournal, size: int) -> Task:
    """A task in seconds with so many children at the same time."""
    made = make_task(
        FLAT,
        budget,
        evaluator=FakeEvaluator(accuracy, seconds=seconds),
        pool=Race(size, lambda: made) if size > 1 else None,
        journal=journal,
    )
    return made


@pytest.mark.parametrize(("before", "after"), [(2, 4), (4, 2), (3, 6)])
def test_a_search_in_seconds_goes_on_with_another_number_of_children_above_one(before: int, after: int) -> None:
    method, journal = METHOD(**SMALL, replicas=3), MemoryJournal()
    first = run(method, raced("200s", journal, before))
    kept = len(first.evaluations)
    journal.evaluations = list(first.evaluations)
    resumed = run(method, raced("500s", journal, after))
    assert resumed.evaluations[:kept] == first.evaluations
    assert len(resumed.evaluations) > kept
    assert resumed.planned["updates"] > first.planned["updates"]


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1)])
def test_a_simulated_order_is_not_read_as_a_real_one(before: int, after: int) -> None:
    method, journal = METHOD(**SMALL, replicas=3), MemoryJournal()
    run(method, raced("200s", journal, before))
    with pytest.raises(RuntimeError, match="--children is another number"):
        run(method, raced("500s", journal, after))


def test_searches_a_table() -> None:
    """How long a child takes is the table's."""
    genotypes = [FLAT.genotype(picks) for picks in np.ndindex(*(len(choice) for choice in FLAT.choices))]
    signal = Signal(np.array([accuracy(one) for one in genotypes]), np.array([seconds(one) for one in genotypes]))
    evaluator = TableEvaluator({str(one): row for row, one in enumerate(genotypes)}, signal, 1)
    looked_up = run(METHOD(**SMALL, replicas=2), make_task(FLAT, "300s", evaluator=evaluator))
    trained = run(METHOD(**SMALL, replicas=2), task("300s"))
    told = [(one.genotype, one.accuracy, one.seconds) for one in looked_up.evaluations]
    assert told == [(one.genotype, one.accuracy, one.seconds) for one in trained.evaluations[: len(told)]]
    assert looked_up.planned["busy"] <= 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"replicas": -1}, "replicas >= 0"),
        ({"synchronous": True}, "replicas >= 1 to be synchronous"),
        ({"replicas": 2, "children": -1}, "children >= 0"),
    ],
)
def test_refuses_nonsense_in_one_sentence(wrong: dict[str, int], words: str) -> None:
    with pytest.raises(InputError, match=words) as told:
        METHOD(**wrong)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("wrong", ["replicas=many", "replicas=1.5", "synchronous=perhaps", "shards=20"])
def test_a_command_refuses_settings_of_the_wrong_kind(wrong: str) -> None:
    with pytest.raises(InputError, match=wrong.partition("=")[0]):
        Catalogue().source("method", f"nas_rl:{wrong}")
