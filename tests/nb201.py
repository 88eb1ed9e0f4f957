"""NAS-Bench-201's table as an evaluator: the 12-epoch validation accuracy at the price of 12 epochs of training.

A search sees CIFAR-10 only; what it returns is looked up on all three data sets, as in the benchmark's own comparison.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from fakes import make_task, run
from harness.datasets.common import nasbench201_extract as _extract

from harness.core.method import Method
from harness.core.table import Table
from harness.run.tables import TableEvaluator

_NAMED = Path(os.environ.get("HARNESS_NB201") or Path(__file__).parents[2] / "shared" / "data" / "nasbench201")
TABLE = _NAMED / _extract.FILE if _NAMED.is_dir() else _NAMED
needs_table = pytest.mark.skipif(
    not TABLE.is_file(), reason="the NAS-Bench-201 table is not beside the checkout, nor named by HARNESS_NB201"
)
BUDGET = "12000s"
DATASETS = tuple(_extract.SETS)


@cache
def tables() -> tuple[Table, ...]:
    """The tables of :data:`DATASETS`, all with the same rows."""
    found = [_extract.source(name, "").load(TABLE.parent) for name in DATASETS]
    return tuple(table for table in found if isinstance(table, Table))


def transferred(method: Method, seeds: int) -> np.ndarray:
    """Test accuracies in percent of what ``method`` finds on CIFAR-10 in 12,000 s, shape ``(seeds, data sets)``."""
    searched, found = tables()[0], []
    for seed in range(seeds):
        evaluator = TableEvaluator(searched.rows, searched.signals["12"], 1)
        task = run(method, make_task(searched.space, BUDGET, evaluator=evaluator, seed=seed))
        assert task.best is not None
        row = searched.rows[task.best.genotype]
        found.append([100 * table.score[row] for table in tables()])
    return np.array(found)


def returned(method: Method, seeds: int) -> np.ndarray:
    """Test accuracies in percent on CIFAR-10 of what ``method`` finds there, one per seed."""
    return transferred(method, seeds)[:, 0]
