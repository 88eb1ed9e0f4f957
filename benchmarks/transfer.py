"""Warm starts on NAS-Bench-201, one data set left out in turn: ``python -m benchmarks.transfer [--seeds N]``.

The experience is what one random search has been told on each of the two other data sets, 100 cells each. The target is
searched with its own 12-epoch validation accuracy; what counts is the test accuracy of the result, beside that of the
cold twin with the same seed. A seed is one pair; the p-value is that of a two-sided paired t-test.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import ttest_1samp

from harness.core.budget import Budget, BudgetSpent, Meter
from harness.core.dataset import SearchData
from harness.core.method import Method
from harness.core.recipe import Recipe
from harness.core.seeds import rng
from harness.core.space import Size
from harness.core.table import Table
from harness.core.task import Task
from harness.plugins.catalogue import Catalogue, load_dataset, load_method
from harness.run.tables import TableEvaluator

from .additive import Deaf

SETS = ("cifar10", "cifar100", "imagenet16-120")
CELLS = 100
"""Of each search on another data set."""


def table(name: str) -> Table:
    """The table of one data set."""
    root = Path(os.environ.get("HARNESS_DATA") or Path.home() / ".cache" / "nas-harness")
    found = load_dataset(Catalogue().source("dataset", f"nasbench201/{name}")).load(root)
    assert isinstance(found, Table)
    return found


def searched(method: Method, target: Table, evaluations: int, seed: int) -> Task:
    """The task after a search of so many evaluations."""
    task = Task(
        space=target.space,
        data=SearchData.of_table(target.name),
        recipe=Recipe(size=Size(16, 15), steps=1),
        rng=rng(seed, f"search {target.name}"),
        seed=seed,
        meter=Meter(Budget(evaluations, "evals"), 1, clock=lambda: 0.0),
        evaluator=TableEvaluator(target.rows, target.signals["12"], 1),
        journal=Deaf(),
    )
    with contextlib.suppress(BudgetSpent):
        method.search(task)
    return task


def score(task: Task, target: Table) -> float:
    """Test accuracy in percent of what a search returns."""
    return 100 * float(target.score[target.rows[str(task.proposal)]])


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--base", default="evolution", help="evolution or gp")
    parser.add_argument("--evaluations", default="10,30,100")
    options = parser.parse_args()
    transfer, at_random = (load_method(Catalogue().source("method", name)) for name in ("transfer", "random_search"))
    tables = {name: table(name) for name in SETS}
    print("| target | evaluations | cold | warm | gain | p |")
    print("|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        sources = []
        for seed in range(options.seeds):
            sources.append(Path(folder) / f"{seed}.csv")
            with sources[-1].open("w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(("dataset", "space", "genotype", "accuracy"))
                for name, each in tables.items():
                    for told in searched(at_random(), each, CELLS, 1000 + seed).evaluations:
                        rows.writerow((f"nasbench201/{name}", each.space.name, told.genotype, told.accuracy))
        for name, target in tables.items():
            for count in map(int, options.evaluations.split(",")):
                pairs = []
                for seed, source in enumerate(sources):
                    both = (transfer(base=options.base), transfer(base=options.base, source=str(source)))  # type: ignore[call-arg]
                    pairs.append([score(searched(method, target, count, seed), target) for method in both])
                cold, warm = np.array(pairs).T
                gain = warm - cold
                p = ttest_1samp(gain, 0.0).pvalue
                print(
                    f"| {name} | {count} | {cold.mean():.2f} ± {cold.std(ddof=1):.2f} | {warm.mean():.2f} ± "
                    f"{warm.std(ddof=1):.2f} | {gain.mean():+.2f} | {'< 0.001' if p < 0.001 else f'{p:.3f}'} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
