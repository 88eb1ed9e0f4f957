"""The project's own table, searched as ``run --profile table`` does, and what the stored reports say of these searches.

No processes, logs or records: a search costs milliseconds here. Its random numbers, settings, budget and look-ups are
those of the command, so that a row of a stored report comes out to the last digit, on any machine.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from harness.core.budget import Meter
from harness.core.dataset import SearchData
from harness.core.home import CHECKOUT
from harness.core.seeds import derive_seed, rng
from harness.core.table import Table
from harness.core.task import Task
from harness.plugins.catalogue import Catalogue, Source, load_dataset
from harness.report.stats.inference import Comparison, compare
from harness.run.profiles import TABLE as PROFILE
from harness.run.search import configured, let_search
from harness.run.tables.evaluator import TableEvaluator
from harness.testing import MemoryJournal

DATASET = "tables/fashion_mnist"
BASE = "random_search"
_BELOW = "below "


@dataclass(frozen=True)
class Row:
    """A method of a stored report.

    Args:
        seeds: how many; 0 of a method that is unsupported.
        mean, deviation: of the test accuracies, in %; NaN without seeds.
        counts: seeds that were better, equal and worse than random search, as text; empty if it was not compared.
        lead: the mean difference from random search in points, as text.
        interval: of the lead, as text.
        p: before correction; of a very small one the bound that the report prints.
        verdict: as the report says it.
    """

    method: str
    title: str
    seeds: int
    mean: float
    deviation: float
    counts: str = ""
    lead: str = ""
    interval: str = ""
    p: float = 1.0
    verdict: str = ""


@cache
def stored(report: str) -> dict[str, Row]:
    """The rows of ``results/tables/REPORT``, by method."""
    directory = CHECKOUT / "results" / "tables" / report
    text = (directory / "statistics.md").read_text(encoding="utf-8")
    compared = {
        cells[1]: cells[2:]
        for line in text.splitlines()
        if line.startswith(f"| {DATASET} |")
        for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
    }
    rows = {}
    with (directory / "performance.csv").open(encoding="utf-8", newline="") as file:
        for fact in csv.DictReader(file):
            measured = int(fact["n"]), float(fact["mean"] or "nan"), float(fact["std"] or "nan")
            own = fact["method"], fact["title"], *measured
            if fact["title"] not in compared:
                rows[fact["method"]] = Row(*own)
                continue
            counts, lead, interval, _, p, _, verdict = compared.pop(fact["title"])
            number = float(p.partition(" [")[0].removeprefix(_BELOW))
            rows[fact["method"]] = Row(*own, counts, lead, interval, number, verdict)
    assert not compared, "a comparison of a method that has no accuracy"
    return rows


def claimed(report: str) -> list[Row]:
    """The rows of which a report says that they beat random search."""
    return [row for row in stored(report).values() if row.verdict == "better"]


@cache
def table() -> Table:
    """The table, as the command loads it."""
    found = load_dataset(Catalogue().source("dataset", DATASET)).load(Path())
    assert isinstance(found, Table)
    return found


@cache
def _source(method: str) -> Source:
    return Catalogue().source("method", method)  # reads the files of all methods, which takes longer than a search


def score(method: str, seed: int) -> float:
    """The test accuracy, in %, of what one search proposes."""
    data, made = table(), configured(_source(method), PROFILE.scale)
    evaluator = TableEvaluator(data.rows, data.signals[data.signal(PROFILE.column)], PROFILE.proxy.steps, seed=seed)
    task = Task(
        space=data.space,
        data=SearchData.of_table(data.name),
        recipe=PROFILE.proxy_for(data.space.name),
        rng=rng(seed, "search"),
        seed=derive_seed(seed, "search"),
        meter=Meter(PROFILE.budget, evaluator.steps(), clock=lambda: 0.0),
        evaluator=evaluator,
        journal=MemoryJournal(),
    )
    let_search(made, task)
    return 100 * float(data.score[data.rows[str(task.proposal)]])


_FOUND: dict[str, list[float]] = {}


def scores(method: str, seeds: int) -> np.ndarray:
    """The scores of the first so many seeds; a process searches once with each."""
    found = _FOUND.setdefault(method, [])
    found += [score(method, seed) for seed in range(len(found), seeds)]
    return np.array(found[:seeds])


def against_random_search(found: np.ndarray) -> Comparison:
    """Scores of the first seeds beside those of random search with the same seeds, by the test of the report."""
    return compare(found.tolist(), scores(BASE, len(found)).tolist())
