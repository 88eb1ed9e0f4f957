"""Anytime curves: what a search would have proposed at each moment, per run and per method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.record import Run
from harness.report.model.groups import Block, MethodInSpace

if TYPE_CHECKING:
    from harness.report.stats.inference import Band

Curve = list[tuple[float, float]]

BAND = 3
"""Fewest seeds for a band, as for a ± in the tables."""


@dataclass(frozen=True)
class Anytime:
    """The curves of one method on one data set.

    Args:
        method: which one.
        band: median and quartiles over the runs that have a curve, accuracies 0..1.
        runs: how many runs there are, those without a curve included.
        shared: whether the accuracies were measured under shared weights.
    """

    method: MethodInSpace
    band: Band
    runs: int
    shared: bool

    @property
    def count(self) -> str:
        """How many runs the curve is made of."""
        return f"n = {self.band.n}" if self.band.n == self.runs else f"n = {self.band.n} of {self.runs}"


def anytime_curves(block: Block, dataset: str, space: str = "") -> tuple[list[Anytime], list[str]]:
    """The curves of a table's methods, and the headings of the methods that were run and have none.

    A method that does not support the task is not mentioned.

    Args:
        block, dataset: which table.
        space: the only space to look at, or empty for all.
    """
    from harness.report.stats.inference import band

    anytime: list[Anytime] = []
    silent: list[str] = []
    for method in block.of_space(space):
        runs = block.runs_of(dataset, method)
        curves = [(run, incumbent(run)) for run in runs if run.record.status == "ok"]
        known = [(run, curve) for run, curve in curves if any(not math.isnan(accuracy) for _, accuracy in curve)]
        if known:
            proposals = [row for run, _ in known for row in run.proposals]
            shared = any(row["shared_weights"] and row["accuracy"] is not None for row in proposals)
            anytime.append(Anytime(method, band([curve for _, curve in known]), len(runs), shared))
        elif any(run.record.status != "unsupported" for run in runs):
            silent.append(block.heading(method))
    return anytime, silent


def incumbent(run: Run) -> Curve:
    """``(spent, accuracy)`` at each change of the proposal, accuracy 0..1, or NaN where it is not known.

    Several proposals at one moment count as the last of them. The last entry is the end of the search.
    """
    curve: Curve = []
    for row in sorted(run.proposals, key=lambda row: row["spent"]):
        accuracy = math.nan if row["accuracy"] is None else float(row["accuracy"])
        if curve and curve[-1][0] == row["spent"]:
            curve.pop()
        curve.append((float(row["spent"]), accuracy))
    if curve:
        spent = [float(row["spent"]) for row in (*run.proposals, *run.evaluations)]
        end = max(*spent, float(run.record.search.get("charged") or 0))
        if end > curve[-1][0]:
            curve.append((end, curve[-1][1]))
    return curve


def unit(budget: str) -> str:
    """What a budget is charged in, for the axis."""
    if budget.endswith("macs"):
        return "charged multiply-accumulates"
    return "charged gradient steps" if budget.endswith(("evals", "steps")) else "charged seconds"
