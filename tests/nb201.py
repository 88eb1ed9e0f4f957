"""NAS-Bench-201's table as an evaluator: the 12-epoch validation accuracy at the price of 12 epochs of training."""

from __future__ import annotations

import csv
import gzip
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEvaluator, make_task, run

from harness.core.method import Method
from harness.spaces.nasbench201 import NasBench201Space

TABLE = Path(__file__).parents[2] / "shared" / "data" / "nasbench201" / "nb201.csv.gz"
needs_table = pytest.mark.skipif(not TABLE.exists(), reason="the NAS-Bench-201 table is not beside the checkout")
BUDGET = "12000s"


@cache
def cifar10() -> dict[str, tuple[float, float, float]]:
    """Genotype text -> validation accuracy after 12 epochs in 0..1, seconds of 12 epochs, test accuracy in percent."""
    space = NasBench201Space()
    with gzip.open(TABLE, "rt", newline="") as lines:
        return {
            str(space.from_official(row["arch_str"])): (
                float(row["cifar10_val12"]) / 100,
                float(row["cifar10_train_seconds200"]) * 12 / 200,
                float(row["cifar10_test200_mean"]),
            )
            for row in csv.DictReader(lines)
        }


def returned(method: Method, seeds: int) -> np.ndarray:
    """Test accuracies in percent of what ``method`` returns within the benchmark's 12,000 s, one per seed."""
    table, found = cifar10(), []
    for seed in range(seeds):
        evaluator = FakeEvaluator(lambda p: table[str(p)][0], seconds=lambda p: table[str(p)][1])
        task = run(method, make_task(NasBench201Space(), BUDGET, evaluator=evaluator, seed=seed))
        assert task.best is not None
        found.append(table[task.best.genotype][2])
    return np.array(found)
