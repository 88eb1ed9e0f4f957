"""Runs one method on a small task in this process and writes down what it did: ``driver.py METHOD DIRECTORY [N]``.

With ``N`` the search is killed before its N-th write to the journal and resumed from what is on disk. The data is tiny;
where a method asks for evaluations, they are looked up instead of trained, because the contract is about the method.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from fakes import FakeEvaluator, by_hash, tiny_data

from harness.core.budget import Budget, BudgetSpent, Meter
from harness.core.evaluation import Evaluation, Proposal
from harness.core.journal import State
from harness.core.method import Method
from harness.core.seeds import rng
from harness.core.space import Genotype
from harness.core.task import Task
from harness.nets import runtime
from harness.plugins.catalogue import Catalogue, load_method
from harness.run.journal import DiskJournal, Progress
from harness.run.profiles import SMOKE
from harness.run.store import RunDirectory, read_lines
from harness.spaces import get_space

STEPS = 4
BUDGET = Budget(28, "steps")


class Killed(BaseException):
    """Stands for SIGKILL."""


class MortalJournal(DiskJournal):
    """Counts writes and dies before one of them."""

    def __init__(self, directory: RunDirectory, dies_at: int | None) -> None:
        super().__init__(directory, Progress(directory.progress, "search"))
        self.dies_at, self.writes = dies_at, 0

    def _write(self) -> None:
        if self.writes == self.dies_at:
            raise Killed
        self.writes += 1

    def evaluated(self, number: int, evaluation: Evaluation, spent: float) -> None:
        """Appends, or dies."""
        self._write()
        super().evaluated(number, evaluation, spent)

    def proposed(self, proposal: Proposal, accuracy: float | None, spent: float, shared_weights: bool) -> None:
        """Appends, or dies."""
        self._write()
        super().proposed(proposal, accuracy, spent, shared_weights)

    def save(self, state: State) -> None:
        """Saves, or dies."""
        self._write()
        super().save(state)


def make_method(name: str) -> Method:
    """The method as the smoke profile has it."""
    cls = load_method(Catalogue().source("method", name))
    return cls(**cls.scaled.get(SMOKE.name, {}))


def search(method: Method, directory: RunDirectory, dies_at: int | None) -> tuple[Task, MortalJournal]:
    """One attempt: a fresh task on the same data, seed and directory."""
    space = get_space(SMOKE.space_for(method.space))
    journal = MortalJournal(directory, dies_at)
    task = Task(
        space=space,
        data=tiny_data(images=96, side=8, channels=1, classes=3),
        recipe=SMOKE.proxy,
        rng=rng(0, "search"),
        seed=11,
        meter=Meter(BUDGET, STEPS),
        evaluator=FakeEvaluator(by_hash, gradient_steps=STEPS),
        journal=journal,
    )
    assert method.unsupported(task) is None, "a method has to work in its own space"
    try:
        with contextlib.suppress(BudgetSpent):
            method.search(task)
    finally:
        journal.close()
    return task, journal


def outcome(task: Task, directory: RunDirectory) -> dict[str, Any]:
    """What the search did, without anything that depends on the clock."""
    evaluations = [
        {name: row[name] for name in ("number", "genotype", "accuracy", "steps", "failure", "spent")}
        for row in read_lines(directory.evaluations)
    ]
    proposals = read_lines(directory.proposals)
    inside = [isinstance(p, Genotype) and task.space.contains(p) for p in [task.proposal] if p is not None]
    return {
        "proposal": None if task.proposal is None else str(task.proposal),
        "genotype": isinstance(task.proposal, Genotype),
        "inside": all(inside),
        "parsed": all(_parses(task, row["genotype"]) for row in proposals),
        "spent": task.meter.spent,
        "limit": task.meter.limit,
        "evaluations": evaluations,
        "proposals": proposals,
    }


def _parses(task: Task, text: str) -> bool:
    if text.startswith("keras:"):
        return True
    return str(task.space.parse(text)) == text


def global_generators() -> tuple[Any, ...]:
    """The state of the generators that no method may touch."""
    words = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    return random.getstate(), words["key"].tolist(), words["pos"]


def main() -> None:
    """See the module."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    dies_at = int(sys.argv[3]) if len(sys.argv) > 3 else None
    directory = RunDirectory(folder)
    directory.path.mkdir(parents=True)
    warnings.simplefilter("error", category=DeprecationWarning)
    method = make_method(name)
    runtime.start(threads=1, deterministic=True, seed=0)
    before = global_generators()
    died = False
    try:
        task, journal = search(method, directory, dies_at)
    except Killed:
        died = True
        task, journal = search(method, directory, None)
    after = global_generators()
    told = outcome(task, directory)
    told |= {"generators": before == after, "writes": journal.writes, "died": died}
    (folder / "outcome.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
