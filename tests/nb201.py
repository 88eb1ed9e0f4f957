"""NAS-Bench-201's table as an evaluator: the 12-epoch validation accuracy at the price of 12 epochs of training.

A search sees CIFAR-10 only; what it returns is looked up on all three data sets, as in the benchmark's own comparison.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEvaluator, make_task, run

from harness.core.budget import BudgetSpent, Meter
from harness.core.method import Method
from harness.core.task import Evaluation, Proposal
from harness.spaces.nasbench201 import NasBench201Space

TABLE = Path(__file__).parents[2] / "shared" / "data" / "nasbench201" / "nb201.csv.gz"
needs_table = pytest.mark.skipif(not TABLE.exists(), reason="the NAS-Bench-201 table is not beside the checkout")
BUDGET = "12000s"
DATASETS = ("cifar10", "cifar100", "imagenet16-120")


@dataclass(frozen=True)
class Row:
    """What is known about a cell.

    Args:
        accuracy: on CIFAR-10's validation images after 12 epochs, 0..1.
        seconds: of those 12 epochs.
        test: accuracy in percent after 200 epochs on each of :data:`DATASETS`.
    """

    accuracy: float
    seconds: float
    test: tuple[float, ...]


@cache
def table() -> dict[str, Row]:
    """The rows by genotype text."""
    space = NasBench201Space()
    with gzip.open(TABLE, "rt", newline="") as lines:
        return {
            str(space.from_official(row["arch_str"])): Row(
                float(row["cifar10_val12"]) / 100,
                float(row["cifar10_train_seconds200"]) * 12 / 200,
                tuple(float(row[f"{name}_test200_mean"]) for name in DATASETS),
            )
            for row in csv.DictReader(lines)
        }


class TableEvaluator(FakeEvaluator):
    """Looks cells up; one that would cross the budget is dropped and ends the search."""

    def __init__(self) -> None:
        super().__init__(lambda p: table()[str(p)].accuracy, seconds=lambda p: table()[str(p)].seconds)

    def evaluate(self, proposal: Proposal, number: int, meter: Meter) -> Evaluation:
        """As in the base."""
        if table()[str(proposal)].seconds > meter.left:
            raise BudgetSpent
        return super().evaluate(proposal, number, meter)


def transferred(method: Method, seeds: int) -> np.ndarray:
    """Test accuracies in percent of what ``method`` finds on CIFAR-10 in 12,000 s, shape ``(seeds, data sets)``."""
    found = []
    for seed in range(seeds):
        task = run(method, make_task(NasBench201Space(), BUDGET, evaluator=TableEvaluator(), seed=seed))
        assert task.best is not None
        found.append(table()[task.best.genotype].test)
    return np.array(found)


def returned(method: Method, seeds: int) -> np.ndarray:
    """Test accuracies in percent on CIFAR-10 of what ``method`` finds there, one per seed."""
    return transferred(method, seeds)[:, 0]
