"""What searches spend their time on, against commit fc93670: in turn, CPU seconds of one thread, medians."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.before import ROOT, Worker, checkout
from benchmarks.conftest import Claims

COMMIT = "fc93670"
NETWORKS = 5
STEPS = {"cell-3": 1.8, "enas_cell-3": 1.8, "macro-6": 1.8, "nao_cell-3": 1.8}
"""Goals of a training step; of any other space 1.3."""
SPACES = (*STEPS, "nasnet-3", "pnas-3", "chain-6", "qchain-6", "block-5", "nasbench201")
SUPERNETS = {"macro-6": "ENAS macro", "enas_cell-3": "ENAS micro", "nao_cell-3": "NAO-WS"}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The checkout of :data:`COMMIT`."""
    words = ["git", "-C", str(ROOT), "cat-file", "-e", f"{COMMIT}^{{commit}}"]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip(f"commit {COMMIT} is not here: this needs a clone with its whole history")
    with checkout(COMMIT, tmp_path_factory.mktemp("before") / COMMIT) as folder:
        yield folder


@pytest.fixture
def pair(before: Path) -> Iterator[tuple[Worker, Worker]]:
    """A process of the state then, and one of the state now."""
    workers = Worker(before), Worker(ROOT)
    yield workers
    for worker in workers:
        worker.close()


def ratio(pair: tuple[Worker, Worker], work: str, space: str, warm: int = 0) -> float:
    """How many times as fast it is now: the median over networks, each measured in turn."""
    seconds = np.array([[worker.seconds(work, space, n) for worker in pair] for n in range(NETWORKS + warm)])[warm:]
    then, now = 1000 * np.median(seconds, axis=0)
    print(f"{work}, {space}: {then:.0f} ms then, {now:.0f} ms now")
    return float(np.median(seconds[:, 0] / seconds[:, 1]))


@pytest.mark.parametrize("space", SPACES)
def test_training_step(claim: Claims, pair: tuple[Worker, Worker], space: str) -> None:
    claim(f"{space}, a step, times {COMMIT}", ratio(pair, "step", space), "at least", STEPS.get(space, 1.3))


@pytest.mark.parametrize("space", SPACES)
def test_proxy_evaluation(claim: Claims, pair: tuple[Worker, Worker], space: str) -> None:
    claim(f"{space}, a proxy evaluation, times {COMMIT}", ratio(pair, "child", space, warm=1), "at least", 3.0)


@pytest.mark.parametrize("space", SUPERNETS)
def test_wait_before_the_first_step(claim: Claims, before: Path, space: str) -> None:
    """Each in a process of its own, because the second supernet of a process finds kernels of the first."""
    seconds = []
    for folder in (before, ROOT):
        worker = Worker(folder)
        seconds.append(worker.seconds("supernet", space))
        worker.close()
    print(f"{SUPERNETS[space]}: {seconds[0]:.1f} s then, {seconds[1]:.1f} s now")
    claim(f"{SUPERNETS[space]}, wait before the first step, over {COMMIT}'s", seconds[1] / seconds[0], "at most", 0.5)
