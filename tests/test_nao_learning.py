"""What NAO learns from a pool of architectures, and what it makes of the best."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from fakes import VectorSpace
from fresh_process import in_fresh_process
from harness.methods.common.nao import Known, Learner, drawn, improved, scaled
from harness.methods.common.nao_network import network
from harness.methods.common.nao_settings import ModelSettings
from harness.methods.common.symmetry import Symmetry

from harness.core.space import Genotype, Space
from harness.spaces import get_space

SPACE = get_space("enas_cell-2")
QUICK = ModelSettings(epd_units=32, epd_layers=(), epd_dropout=0.0, epd_epochs=120, epd_batch=50, epd_rate=1e-2)


def some(space: Space, count: int, seed: int = 0) -> list[Genotype]:
    return drawn(space, np.random.default_rng(seed), Known(space), count)


def share_of_poolings(genotype: Genotype) -> float:
    return sum("pool" in word for word in str(genotype).split(",")) / 8


def never() -> None:
    """Does not stop anything."""


def pairwise(predicted: list[float] | np.ndarray, true: list[float] | np.ndarray) -> float:
    """Share of the pairs with different true values that the prediction puts into the right order; a tie is half."""
    told = [
        0.5 * (1 + np.sign(predicted[a] - predicted[b]) * np.sign(true[a] - true[b]))
        for a, b in combinations(range(len(true)), 2)
        if true[a] != true[b]
    ]
    return float(np.mean(told))


def test_pairwise_accuracy_of_hand_cases() -> None:
    assert pairwise([1, 3, 2], [1, 2, 3]) == pytest.approx(2 / 3)
    assert pairwise([1, 1, 2], [1, 2, 3]) == pytest.approx(2.5 / 3)
    assert pairwise([5, 1, 2], [1, 1, 3]) == pytest.approx(1 / 2)


@pytest.fixture(scope="module")
def learned() -> tuple[Learner, list[Genotype]]:
    """A model that has seen a hundred cells again and again, whose error is the share of poolings."""
    learner, cells = Learner(SPACE, QUICK, seed=0), some(SPACE, 100)
    for _ in range(3):
        learner.train(cells, [share_of_poolings(cell) for cell in cells], never)
    return learner, cells


@pytest.mark.slow
def test_spells_a_hundred_cells_as_they_were(learned: tuple[Learner, list[Genotype]]) -> None:
    learner, cells = learned
    assert np.mean([a == b for a, b in zip(cells, learner.moved(cells, 0.0), strict=True)]) >= 0.99


def test_orders_cells_that_it_has_not_seen(learned: tuple[Learner, list[Genotype]]) -> None:
    learner, cells = learned
    known = Known(SPACE, cells)
    unseen = drawn(SPACE, np.random.default_rng(9), known, 150)
    assert pairwise(learner.errors(unseen), [share_of_poolings(cell) for cell in unseen]) > 0.8


def test_a_swapped_cell_has_the_label_of_the_other(learned: tuple[Learner, list[Genotype]]) -> None:
    learner, cells = learned
    rows = np.array([cell.picks for cell in cells], np.int32)
    copies = Symmetry(SPACE.choices).swapped(rows, np.random.default_rng(3))
    twins = [SPACE.genotype(tuple(row)) for row in copies.tolist()]
    assert np.abs(learner.errors(cells) - learner.errors(twins)).mean() < 0.1


def test_makes_better_cells_out_of_good_ones(learned: tuple[Learner, list[Genotype]]) -> None:
    learner, cells = learned
    middling = sorted(cells, key=share_of_poolings)[20:40]
    new = improved(learner, middling, Known(SPACE, cells), 20, range(1, 60))
    assert len(new) == 20
    assert np.mean([share_of_poolings(c) for c in new]) < np.mean([share_of_poolings(c) for c in middling]) - 0.05


def test_what_is_made_is_new_in_any_spelling(learned: tuple[Learner, list[Genotype]]) -> None:
    learner, cells = learned
    symmetry = Symmetry(SPACE.choices)
    new = improved(learner, cells[:30], Known(SPACE, cells), 15, range(1, 60))
    spellings = [symmetry.canonical(genotype.picks) for genotype in new]
    assert len(set(spellings)) == len(new) == 15
    assert not set(spellings) & {symmetry.canonical(cell.picks) for cell in cells}


def test_smaller_steps_come_first_and_no_more_are_taken_than_needed(learned: tuple[Learner, list[Genotype]]) -> None:
    learner, cells = learned
    asked: list[float] = []

    def steps() -> object:
        for step in range(1, 60):
            asked.append(step)
            yield step

    few = improved(learner, cells[:10], Known(SPACE, cells), 3, steps())  # type: ignore[arg-type]
    more = improved(learner, cells[:10], Known(SPACE, cells), 6, range(1, 60))
    assert more[:3] == few
    assert asked[-1] < 59
    assert improved(learner, cells[:10], Known(SPACE, cells), 5, [0.0]) == [], "a step of 0 leaves a cell as it is"


def test_random_ones_are_new_and_end_with_the_space() -> None:
    space, rng = VectorSpace(3), np.random.default_rng(0)
    known = Known(space)
    first = drawn(space, rng, known, 5)
    rest = drawn(space, rng, known, 5)
    assert (len(first), len(set(first + rest))) == (5, 8)
    assert drawn(space, rng, known, 4) == []


def test_scaled_errors() -> None:
    values = scaled(np.array([0.3, 0.1, 0.2]))
    np.testing.assert_allclose(values, [1, 0, 0.5], atol=1e-6)
    assert scaled(np.array([0.4, 0.4])).tolist() == [0, 0]
    assert scaled(np.array([0.4])).tolist() == [0]


def test_one_trace_serves_all_rounds_and_all_searches() -> None:
    settings = ModelSettings(16, (8,), 0.1, 3, 20, 1e-3)
    for seed in range(2):
        learner = Learner(SPACE, settings, seed)
        for count in (5, 12, 40):
            cells = some(SPACE, count)
            learner.train(cells, np.linspace(0, 1, count), never)
            improved(learner, cells[: count // 2], Known(SPACE, cells), count, (1.0, 2.5))
            learner.errors(cells)
    _, net = network(SPACE.choices, settings)
    for function in (net.train, net.predict, net.move):
        assert function.experimental_get_tracing_count() == 1


def test_equal_errors_do_not_break_it() -> None:
    learner, cells = Learner(SPACE, QUICK, 0), some(SPACE, 4)
    learner.train(cells, [0.5] * 4, never)
    assert np.isfinite(learner.errors(cells)).all()


class Stop(Exception):
    """Raised by the clock."""


def test_a_training_can_be_stopped_on_the_way() -> None:
    learner, cells = Learner(SPACE, QUICK, 0), some(SPACE, 100)
    looks = iter([False, False, True])

    def check() -> None:
        if next(looks):
            raise Stop

    with pytest.raises(Stop):
        learner.train(cells, np.linspace(0, 1, 100), check)
    assert int(learner.state()["step"]) == 200


def goes_on_from_a_checkpoint() -> None:
    """Called in a process of its own, where operations are deterministic."""
    settings = ModelSettings(16, (), 0.1, 10, 20, 1e-2)
    cells = some(SPACE, 30)
    errors = [share_of_poolings(cell) for cell in cells]

    def trained(learner: Learner) -> Learner:
        learner.train(cells, errors, never)
        return learner

    whole = trained(trained(Learner(SPACE, settings, 5)))
    half, resumed = trained(Learner(SPACE, settings, 5)), Learner(SPACE, settings, 5)
    resumed.restore(half.state())
    for learner in (trained(resumed), trained(half)):
        assert all((learner.state()[name] == value).all() for name, value in whole.state().items())
    other = trained(trained(Learner(SPACE, settings, 6)))
    assert (other.state()["vector"] != whole.state()["vector"]).any()


@pytest.mark.slow
def test_goes_on_from_a_checkpoint_as_if_nothing_had_happened() -> None:
    in_fresh_process("test_nao_learning", "goes_on_from_a_checkpoint()")
