"""What ``report.html`` plots, as plain values for its script: anytime curves, and accuracy over cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from harness.core.record import Run
from harness.report.model.curves import BAND, anytime_curves, unit
from harness.report.model.groups import Block, accuracies
from harness.report.model.results import COSTS, axis_of, own_values, result_of

MARKS = 200
"""Marks per method in a scatter plot. Of more runs, evenly spaced ones are drawn: the cloud looks the same."""

_AXES = {
    "parameters": "trainable parameters",
    "macs": "multiply-accumulates",
    "search_seconds": "seconds of the search",
    "final_seconds": "seconds of the final training",
    "search_macs": "multiply-accumulates of the search",
    "latency": "milliseconds of a forward pass",
    "epochs": "epochs of the final training",
    "evaluations": "evaluations",
    "steps": "gradient steps of the search",
}


def chart(block: Block, dataset: str, link: Callable[[Run], str]) -> dict[str, Any]:
    """The two plots of one data set.

    Args:
        block, dataset: which.
        link: the address of a run's record.

    Returns:
        ``unit`` of the budget; ``told``, what searches were told;
        ``measure`` of the results, with its unit; ``spaces``, those with something to draw;
        ``methods``: name, space and look (see :func:`harness.report.model.groups.assign_looks`); ``curves``: per
        method, accuracies in %, null where not known; ``silent``: methods without a curve; ``axes``: names of the costs
        that some run has, not those that are 0 of all; ``points``: per method, results, costs, seeds and links of up to
        :data:`MARKS` runs, and how many runs there are; ``thinned``: whether there are more of some method.
    """
    curves, silent = anytime_curves(block, dataset)
    points = [_points(number, result_of(block, dataset, one).runs, link) for number, one in enumerate(block.methods)]
    points = [some for some in points if some["accuracy"]]
    drawn = {one.method.space for one in curves} | {block.methods[some["method"]].space for some in points}
    return {
        "unit": unit(block.budget),
        "told": block.told,
        "measure": axis_of(block, dataset),
        "spaces": [space for space in block.spaces if space in drawn],
        "methods": [
            {"name": block.heading(one), "space": one.space, "look": block.looks[one.name]} for one in block.methods
        ],
        "curves": [
            {
                "method": block.methods.index(curve.method),
                "count": curve.count,
                "shared": curve.shared,
                "x": [float(f"{moment:.5g}") for moment in curve.band.moments],
                "middle": _percent(curve.band.middle),
                **(
                    {"low": _percent(curve.band.low), "high": _percent(curve.band.high)} if curve.band.n >= BAND else {}
                ),
            }
            for curve in curves
        ],
        "silent": silent,
        "axes": {
            name: words
            for name, words in _AXES.items()
            if any(value for some in points for value in some["cost"][name])
        },
        "points": points,
        "thinned": any(some["runs"] > len(some["accuracy"]) for some in points),
    }


def _points(method: int, runs: Sequence[Run], link: Callable[[Run], str]) -> dict[str, Any]:
    ended = [run for run in runs if accuracies([run])]
    drawn = ended[:: math.ceil(len(ended) / MARKS) or 1]
    return {
        "method": method,
        "runs": len(ended),
        "accuracy": [round(value, 3) for value in own_values(drawn)],
        "cost": {name: [_short(COSTS[name](run)) for run in drawn] for name in _AXES},
        "seed": [run.record.seed for run in drawn],
        "link": [link(run) for run in drawn],
    }


def _percent(values: Sequence[float]) -> list[float | None]:
    return [round(100 * value, 3) if math.isfinite(value) else None for value in values]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
