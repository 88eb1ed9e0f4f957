"""SETN: uniform training, an evaluator that learns from the mixed network, candidates drawn from it."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import make_task, run, tiny_data
from harness.methods.common.softmax import softmax
from harness.methods.setn import METHOD, drawn, most_probable
from path_supernet import ALL, FakePaths, install
from scipy.stats import chisquare

from harness.core.errors import InputError
from harness.core.seeds import rng
from harness.core.space import Genotype
from harness.core.task import Task
from harness.nets.supernets.paths import path_of
from harness.spaces import get_space
from harness.spaces.darts import CellSpace

SPACE = get_space("nasbench201")
SETTINGS = {"batch": 8, "valid_batch": 8, "candidates": 20, "candidate_batches": 2, "finalists": 4, "final_batches": 3}


def flat(picks: tuple[int, ...], batch: int) -> float:
    """All architectures are alike."""
    return 0.5


@pytest.fixture(scope="module")
def searched() -> tuple[FakePaths, Task]:
    """The mixed network is better with more of operation 3 on the first edge and of operation 1 on the others."""
    slope = np.zeros((1, 6, 5), np.float32)
    slope[0, 0, 3] = slope[0, 1:, 1] = -1.0
    with pytest.MonkeyPatch.context() as patch:
        made = install(patch, flat, slope)
        task = make_task(SPACE, "2000steps", data=tiny_data(images=80))
        run(METHOD(**SETTINGS), task)
        return made[-1], task


def test_training_stays_uniform_whatever_the_evaluator_has_learnt(searched: tuple[FakePaths, Task]) -> None:
    picks = np.array([path for path, *_ in searched[0].trained[-600:]])
    for edge in picks.T:
        assert chisquare(np.bincount(edge, minlength=5)).pvalue > 1e-3


def test_the_evaluator_descends_the_loss_of_the_mixed_network(searched: tuple[FakePaths, Task]) -> None:
    asked = np.array(searched[0].asked)[:, 0]
    np.testing.assert_allclose(asked.sum(-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(asked[0], 0.2, atol=1e-2)
    assert asked[-1, 0].argmax() == 3
    assert (asked[-1, 1:].argmax(-1) == 1).all()
    assert (asked[-1].max(-1) > 0.9).all()


def test_candidates_come_from_the_evaluator(searched: tuple[FakePaths, Task]) -> None:
    net, task = searched
    likely = [path for path, *_ in net.measured]
    shares = np.mean([[op == good for op, good in zip(path, (3, 1, 1, 1, 1, 1), strict=True)] for path in likely])
    assert shares > 0.6, "candidates do not repeat, so most differ from the likeliest in one edge or two"
    assert isinstance(task.proposal, Genotype)


def test_a_step_is_one_of_a_path_and_one_of_all_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    made = install(monkeypatch, flat)
    task = make_task(SPACE, "2000steps", data=tiny_data(images=80))
    search = METHOD(**SETTINGS).on(task)
    search.step(0.1, 0.0)
    [(path, *_)] = made[-1].trained
    assert (task.meter.steps, task.meter.macs) == (2, 3 * 8 * (10 + sum(path) + ALL))
    steps, macs = search.price()
    assert steps == task.meter.steps
    assert macs >= task.meter.macs


def test_candidates_of_nasbench201_are_all_cells_the_most_probable_first() -> None:
    shares = softmax(rng(0, "draws").normal(size=(6, 5)))
    picks = np.array([genotype.picks for genotype in most_probable(SPACE, shares)])
    assert len(np.unique(picks, axis=0)) == len(picks) == SPACE.cardinality
    together = np.prod(shares[np.arange(6), picks], axis=1)
    assert (np.diff(together) <= 1e-12).all()
    assert picks[0].tolist() == shares.argmax(axis=1).tolist()


def test_what_was_measured_before_a_kill_is_not_taken_again_and_nothing_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, flat)
    search = METHOD(**SETTINGS).on(make_task(SPACE, "2000steps", data=tiny_data(images=80)))
    taken = [search.draw() for _ in range(7)]
    measured = np.array([genotype.picks for genotype in taken[:4] if genotype])
    state = {**search.state(), "candidates.drawn": measured, "candidates.scores": np.zeros(4)}
    for _ in range(2):  # in the same process too, where more has been drawn than was measured
        search.restore(state)
        assert [search.draw() for _ in range(3)] == taken[4:]


def test_draws_of_cells_follow_strengths_and_shares() -> None:
    """Of three edges into the second node, pairs in proportion to products; operations to their shares."""
    space = CellSpace("cell-2", nodes=2, operations=("skip_connect", "max_pool_3x3"))
    generator, draws = rng(1, "draws"), 6000
    shares = softmax(generator.normal(size=(2, 5, 3)))
    paths = np.array([path_of(space, drawn(space, shares, generator).picks) for _ in range(draws)]).reshape(draws, 2, 5)
    strength = 1 - shares[:, :, 0]
    for cell in range(2):
        products = [strength[cell, a] * strength[cell, b] for a, b in ((2, 3), (2, 4), (3, 4))]
        left_out = [int((paths[:, cell, row] == 0).sum()) for row in (4, 3, 2)]
        assert chisquare(left_out, draws * np.array(products) / sum(products)).pvalue > 1e-3
        for row in range(5):
            counts = np.bincount(paths[:, cell, row], minlength=3)[1:]
            assert chisquare(counts, counts.sum() * shares[cell, row, 1:] / strength[cell, row]).pvalue > 1e-3


@pytest.mark.parametrize("wrong", [{"alpha_learning_rate": 0.0}, {"batch": 0}, {"candidates": 0}])
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)


def test_says_where_it_cannot_work() -> None:
    assert METHOD().unsupported(make_task(get_space("cell-2"))) is None
    assert METHOD().unsupported(make_task(SPACE)) is None
    assert "macro" in str(METHOD().unsupported(make_task(get_space("macro-4"))))
