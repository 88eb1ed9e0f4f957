"""What happens in a child process for tables: the searches of one method, one after the other, each in milliseconds.

The meter's clock stands still: a search pays what the table says its evaluations cost and nothing for its own thoughts,
so that the result depends on the seed and not on the machine. An evaluation that does not fit into the budget any more
is dropped and ends the search, as in NAS-Bench-201's comparison. Nothing is logged per evaluation: whatever was lost by
a kill is searched again, which gives the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.budget import BudgetSpent, Meter
from harness.core.dataset import SearchData
from harness.core.evaluation import Evaluation, Proposal
from harness.core.journal import State
from harness.core.seeds import derive_seed, rng
from harness.core.table import Signal
from harness.core.task import Task
from harness.plugins.catalogue import load_space
from harness.run import lookup_data, sandbox
from harness.run.fence import Forbidden, fence
from harness.run.job import Job, Outcome
from harness.run.lookup_data import PreparedTable
from harness.run.searching import checked, let_search, make_method, title_of, to_json, what_happened
from harness.run.store import write_json, write_lines


class TableEvaluator:
    """Looks accuracies up and charges the seconds of the table.

    Args:
        rows: row by genotype text.
        signal: the columns.
        steps: gradient steps that one evaluation stands for.
    """

    def __init__(self, rows: dict[str, int], signal: Signal, steps: int) -> None:
        self._rows, self._steps = rows, steps
        self._accuracy, self._seconds = signal.accuracy.tolist(), signal.seconds.tolist()
        self._mean = float(np.mean(signal.seconds))

    def steps(self) -> int:
        """Gradient steps of one evaluation."""
        return self._steps

    def evaluate(self, proposal: Proposal, number: int, meter: Meter) -> Evaluation:
        """The table's row; a genotype that it does not have costs the mean and is a failure.

        Raises:
            BudgetSpent: the budget has no room for it.
        """
        text = str(proposal)
        row = self._rows.get(text)
        seconds = self._mean if row is None else self._seconds[row]
        if not meter.budget.counted and meter.spent + seconds > meter.limit:
            raise BudgetSpent
        if row is None:
            return Evaluation(text, 0.0, (), seconds, self._steps, failure="the table does not have it")
        accuracy = self._accuracy[row]
        return Evaluation(text, accuracy, (accuracy,), seconds, self._steps)


class Incumbents:
    """A journal in memory that keeps the proposals only."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def replay(self, number: int) -> None:
        """Nothing is ever resumed."""

    def evaluated(self, number: int, evaluation: Evaluation, spent: float) -> None:
        """Not kept."""

    def proposed(self, proposal: Proposal, accuracy: float | None, spent: float, shared_weights: bool) -> None:
        """Appends a proposal."""
        row = {"genotype": str(proposal), "accuracy": accuracy, "spent": spent, "shared_weights": shared_weights}
        self.rows.append(row)

    def save(self, state: State) -> None:
        """Not kept."""

    def load(self) -> None:
        """There is none."""

    def progress(self, share: float, words: str) -> None:
        """Too quick to tell."""


def search_all(jobs: tuple[Job, ...], started: Path) -> tuple[Outcome, ...]:
    """Lets one method search once per job; a search that is over has left its result in its directory.

    Args:
        jobs: of one method.
        started: where the number of the present job is written before it starts, for whoever has to find out which one
            broke this process.
    """
    sandbox.move_in(jobs[0].directory, jobs[0].profile.memory)
    fences = fence(_all_forbidden(jobs))
    outcomes = []
    for number, job in enumerate(jobs):
        write_json(started, {"number": number}, durable=False)
        try:
            if number:
                sandbox.lock(job.directory)
            _search(job, fences)
            outcomes.append(Outcome("ok"))
        except BaseException as error:
            outcomes.append(what_happened(error, "search", job.profile.memory))
    sandbox.move_out(jobs[0].directory)
    return tuple(outcomes)


def _all_forbidden(jobs: Iterable[Job]) -> Forbidden:
    """What any of the jobs must not touch; their own directories stay open."""
    each = [job.forbidden for job in jobs]
    return Forbidden(
        paths=tuple({path: None for some in each for path in some.paths}),
        modules=tuple({module: None for some in each for module in some.modules}),
        closed=tuple({path: None for some in each for path in some.closed}),
        opened=tuple({path: None for some in each for path in some.opened}),
    )


_TABLES: dict[Path, tuple[dict[str, int], Signal]] = {}
"""What this process has read."""


def _search(job: Job, fences: str) -> None:
    began, cpu_began = time.perf_counter(), time.process_time()
    assert isinstance(job.prepared, PreparedTable)
    if job.prepared.path not in _TABLES:
        _TABLES[job.prepared.path] = lookup_data.read(job.prepared)
    rows, signal = _TABLES[job.prepared.path]
    method, settings = make_method(job)
    space = lookup_data.own_space(job.prepared) or load_space(job.space, job.space_source)
    evaluator = TableEvaluator(rows, signal, job.profile.proxy.steps)
    journal = Incumbents()
    task = Task(
        space=space,
        data=SearchData.of_table(job.dataset),
        recipe=job.profile.proxy,
        rng=rng(job.seed, "search"),
        seed=derive_seed(job.seed, "search"),
        meter=Meter(job.profile.budget, evaluator.steps(), clock=lambda: 0.0),
        evaluator=evaluator,
        journal=journal,
    )
    let_search(method, task)
    proposal = checked(task, space)
    rate = evaluator.steps() if job.profile.budget.unit == "evals" else 1
    counts = {
        "charged": task.meter.spent / rate,
        "evaluations": len(task.evaluations),
        "unique": len({evaluation.genotype for evaluation in task.evaluations}),
        "steps": task.meter.steps,
        "seconds": round(time.perf_counter() - began, 3),
        "cpu_seconds": round(time.process_time() - cpu_began, 3),
    }
    write_lines(job.directory.proposals, journal.rows)
    stored = {"proposal": to_json(proposal), "search": counts, "settings": settings, "title": title_of(job, method)}
    write_json(job.directory.search, {**stored, "process": {"fence": fences, "device": "CPU"}})
