"""One-shot search: how often paths are dropped, that ghost batches differ, what a step costs."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import make_task, run, tiny_data
from harness.methods.one_shot import METHOD, OneShotSearch, drop_rates
from path_supernet import ALL, FakePaths, install

from harness.core.errors import InputError
from harness.core.home import CHECKOUT as ROOT
from harness.core.seeds import rng
from harness.core.space import Genotype, Size
from harness.core.task import Task
from harness.nets.supernets.cells import cell_edges
from harness.nets.supernets.paths import GatedPaths
from harness.run.profiles import PROFILES
from harness.spaces import get_space
from harness.spaces.nasbench201 import NB201_EDGES

SPACE, QUICK = get_space("nasbench201"), PROFILES["quick"].proxy.size
SETTINGS = {"batch": 8, "valid_batch": 8, "candidates": 20, "candidate_batches": 1, "finalists": 3, "final_batches": 2}


def skips(picks: tuple[int, ...], batch: int) -> float:
    """Share of identities."""
    return sum(pick == 1 for pick in picks) / 6


@pytest.fixture(scope="module")
def searched() -> tuple[FakePaths, Task]:
    with pytest.MonkeyPatch.context() as patch:
        made = install(patch, skips)
        task = make_task(SPACE, "2000steps", data=tiny_data(images=80))
        run(METHOD(**SETTINGS, ghosts=2, dropout=0.3, retrained=0), task)
        return made[-1], task


@pytest.mark.parametrize(
    ("name", "size", "words", "low", "high"),
    [
        ("cell-3", QUICK, "as six steps", 5.5, 6.5),
        ("nasbench201", QUICK, "as 3.4 in", 3.35, 3.45),
        ("nasbench201", PROFILES["nb201"].proxy.size, "it is 5.1", 5.05, 5.15),
    ],
)
def test_the_page_says_how_many_steps_of_paths_a_step_costs(
    name: str, size: Size, words: str, low: float, high: float
) -> None:
    """On the average of random paths; of NAS-Bench-201's cells, all of them."""
    space = get_space(name)
    net = GatedPaths(space, size, (32, 32, 3), 10, rng(0, "weights"), momentum=0.9, weight_decay=0.0, clip=5.0)
    paths = list(space.every()) if name == "nasbench201" else [space.sample(rng(seed, "path")) for seed in range(300)]
    assert low < net.net.macs / np.mean([net.macs(path.picks) for path in paths]) < high
    assert words in (ROOT / "docs" / "methods" / "one_shot.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_a_node_loses_everything_with_probability_r_however_many_operations_lead_into_it(rate: float) -> None:
    edges, draws = cell_edges(4), 40_000
    rates = drop_rates(edges, 7, rate)
    dropped = rng(0, f"dropout {rate}").random((draws, len(edges), 7)) < rates[:, None]
    for target in range(2, 6):
        into = [row for row, (_, end) in enumerate(edges) if end == target]
        lost = dropped[:, into].all(axis=(1, 2)).mean()
        assert lost == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / draws))


def test_one_operation_alone_is_dropped_with_probability_r() -> None:
    assert drop_rates([(0, 1)], 1, 0.05).tolist() == [0.05]
    assert drop_rates([(0, 2), (1, 2)], 1, 0.05) == pytest.approx([0.05**0.5] * 2)
    assert not drop_rates(NB201_EDGES, 4, 0.0).any(), "nothing is dropped at the start"


def test_the_rate_rises_linearly_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, skips)
    search = METHOD(**SETTINGS, dropout=0.4).on(make_task(SPACE, "2000steps", data=tiny_data(images=80)))
    rates: list[float] = []
    monkeypatch.setattr(OneShotSearch, "masks", lambda self, rate: rates.append(rate) or np.zeros((2, 1, 6, 5)))
    search.train()
    assert rates[0] == 0.0
    assert rates[len(rates) // 2] == pytest.approx(0.2, abs=1e-3)
    assert rates[-1] == pytest.approx(0.4, abs=1e-3)
    assert np.allclose(np.diff(rates), rates[1], atol=1e-9)


def test_ghost_batches_have_masks_of_their_own_and_cells_of_a_kind_share_one(searched: tuple[FakePaths, Task]) -> None:
    late = np.array([mixing for mixing, _ in searched[0].mixed[-400:]])
    assert late.shape[1:] == (2, 1, 6, 5)
    assert set(np.unique(late)) == {0.0, 1.0}
    same = (late[:, 0] == late[:, 1]).all(axis=(1, 2, 3)).mean()
    assert same < 0.1
    kept = late[:, :, 0].mean(axis=(0, 1, 3))
    expected = 1 - drop_rates(NB201_EDGES, 4, 0.3)
    np.testing.assert_allclose(kept, expected, atol=0.05)


def test_a_step_costs_all_candidates_and_a_forward_pass_one_path(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, skips)
    task = make_task(SPACE, "50steps", data=tiny_data(images=80))
    search = METHOD(**SETTINGS).on(task)
    assert search.price() == (1, 3 * 8 * ALL)
    search.step(0.1, 0.0)
    assert (task.meter.steps, task.meter.macs) == (1, 3 * 8 * ALL)
    search.shared.accuracies([(1,) * 6], [[0]])
    assert task.meter.macs == 3 * 8 * ALL + 8 * (10 + 6)


def test_the_best_candidate_is_proposed(searched: tuple[FakePaths, Task]) -> None:
    net, task = searched
    assert isinstance(task.proposal, Genotype)
    assert task.proposal.picks.count(1) == max(path.count(1) for path, *_ in net.measured)
    assert not net.trained, "training is never by single paths"


@pytest.mark.parametrize("wrong", [{"dropout": 1.0}, {"ghosts": 3}, {"ghosts": 0}, {"candidates": 0}])
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)


def test_says_where_it_cannot_work() -> None:
    assert METHOD().unsupported(make_task(get_space("cell-2"))) is None
    assert "ghost" in str(METHOD().unsupported(make_task(SPACE, data=tiny_data(images=41))))
    assert "macro" in str(METHOD().unsupported(make_task(get_space("macro-4"))))
