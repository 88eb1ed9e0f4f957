"""NAO: random architectures first, then what the model makes of the best ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, by_hash, make_task, run
from harness.methods.common.symmetry import Symmetry
from harness.methods.nao import METHOD
from harness.methods.random_search import METHOD as RANDOM_SEARCH
from nb201 import needs_table, returned

from harness.core.budget import Meter
from harness.core.errors import InputError
from harness.core.evaluation import Evaluation, Proposal
from harness.core.space import Genotype, Space
from harness.spaces import get_space
from harness.spaces.enas_micro import ENAS_OPERATIONS, EnasCellSpace

WIDE = VectorSpace(10, 5)
SMALL: dict[str, Any] = {
    **{"initial": 20, "new": 10, "top": 10, "step": 1.0, "steps": 60},
    **{"epd_units": 32, "epd_epochs": 150, "epd_rate": 1e-2},
}


def small(**changes: Any) -> Any:
    return METHOD(**{**SMALL, **changes})


def zeros(proposal: Proposal) -> float:
    """The share of picks that are 0, squared: the best of ten million has only zeros."""
    assert isinstance(proposal, Genotype)
    return float(np.mean(np.array(proposal.picks) == 0)) ** 2


def test_improves_on_what_it_was_given() -> None:
    found: list[float] = []
    drawn: list[float] = []
    for seed in range(3):
        for method, best in ((small(), found), (RANDOM_SEARCH(), drawn)):
            task = run(method, make_task(WIDE, "60evals", score=zeros, seed=seed))
            assert task.best is not None
            best.append(task.best.accuracy)
    assert np.mean(found) > np.mean(drawn) + 0.3, (found, drawn)


@pytest.mark.slow
def test_trains_nothing_twice_in_any_spelling() -> None:
    space = get_space("nao_cell-2")
    task = run(small(), make_task(space, "70evals"))
    spelling = Symmetry(space.choices).canonical
    assert len({spelling(space.parse(e.genotype).picks) for e in task.evaluations}) == 70


@pytest.mark.slow
def test_ends_with_the_space() -> None:
    task = run(small(initial=6, new=4), make_task(VectorSpace(2, 4), "50evals"))
    assert len(task.evaluations) == 16


@pytest.mark.parametrize("initial", [8, 300])
@pytest.mark.parametrize(
    "space",
    [get_space("nasbench201:skip_connect,nor_conv_3x3"), EnasCellSpace("pairs", 1, ENAS_OPERATIONS[:2])],
    ids=lambda space: space.name,
)
def test_every_architecture_of_a_small_space_is_tried(space: Space, initial: int) -> None:
    """Whether it is gone through by random draws alone or by the model and draws; each in one spelling."""
    different = {Symmetry(space.choices).canonical(genotype.picks) for genotype in space.every()}
    for seed in range(3):
        task = run(small(initial=initial, new=40, steps=1, epd_epochs=1), make_task(space, "300evals", seed=seed))
        assert len(task.evaluations) == len({e.genotype for e in task.evaluations}) == len(different)


class HalfFailing(FakeEvaluator):
    """Every second training fails."""

    def evaluate(self, proposal: Proposal, number: int, meter: Meter) -> Evaluation:
        """As in the base, or accuracy 0 and a reason."""
        if number % 2:
            return Evaluation(str(proposal), 0.0, (), 1.0, 1, failure="it cannot be built")
        return super().evaluate(proposal, number, meter)


def test_failures_teach_nothing_and_do_not_come_back() -> None:
    task = run(small(), make_task(WIDE, "60evals", evaluator=HalfFailing(zeros)))
    assert len({e.genotype for e in task.evaluations}) == 60
    assert task.best is not None
    assert task.best.accuracy > 0


@pytest.mark.parametrize("name", ["cell-2", "chain-3", "nasbench201", "pnas-2"])
def test_works_in_spaces_of_every_kind(name: str) -> None:
    space = get_space(name)
    task = run(METHOD(**METHOD.scaled.get("smoke", {})), make_task(space, "6evals"))
    assert len(task.evaluations) == 6
    assert all(space.contains(space.parse(e.genotype)) for e in task.evaluations)


@pytest.mark.parametrize("stop", [7, pytest.param(33, marks=pytest.mark.slow)])
def test_resumes_from_the_log(stop: int) -> None:
    journal, evaluator = MemoryJournal(), FakeEvaluator(by_hash)
    run(small(), make_task(WIDE, f"{stop}evals", journal=journal))
    second = run(small(), make_task(WIDE, "45evals", journal=journal, evaluator=evaluator))
    whole = run(small(), make_task(WIDE, "45evals"))
    assert second.evaluations == whole.evaluations
    assert len(evaluator.trained) == 45 - stop


@pytest.mark.slow
def test_seeds_differ_and_repeat_themselves() -> None:
    first, again, other = (
        [e.genotype for e in run(small(), make_task(WIDE, "45evals", seed=seed)).evaluations] for seed in (1, 1, 2)
    )
    assert first == again
    assert first[20:] != other[20:]


def test_a_space_without_choices_is_refused() -> None:
    assert "keras" in str(METHOD().unsupported(make_task(get_space("keras"))))
    assert METHOD().unsupported(make_task(WIDE)) is None


def test_defaults_are_the_papers() -> None:
    method = METHOD()
    assert method.sizes(1600) == method.sizes(5000) == (1000, 300, 100)
    assert [method.sizes(children) for children in (5, 20, 100)] == [(4, 1, 2), (6, 2, 2), (30, 10, 10)]
    assert [method.step * number for number in range(1, method.steps + 1)] == [10, 20, 30]
    assert (method.epd_units, method.epd_layers, method.epd_epochs, method.epd_batch) == (96, (), 1000, 50)


@pytest.mark.parametrize("wrong", [{"initial": -1}, {"new": -1}, {"top": -1}, {"steps": 0}, {"step": 0.0}])
def test_refuses_nonsense(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epd_units": 15},
        {"epd_units": 0},
        {"epd_layers": (8, 0)},
        {"epd_dropout": 1.0},
        {"epd_epochs": 0},
        {"epd_rate": 0},
    ],
)
def test_refuses_a_model_that_makes_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="NAO's model"):
        METHOD(**wrong)


@pytest.mark.slow
@needs_table
def test_is_no_worse_than_random_search_on_nasbench201() -> None:
    """Forty searches; random search's mean over hundreds of seeds is 93.78 +- 0.32."""
    found = returned(METHOD(**METHOD.scaled.get("nb201", {})), 40)
    assert found.mean() > 93.78 - found.std() / np.sqrt(40)
