"""DARTS' search by hand.

``python -m benchmarks.darts_steps CHANNELS CELLS STEM_STRIDE BATCH SIDE IMAGE_CHANNELS ORDER``

Prints the seconds of the first two steps as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
from harness.methods.darts import Bilevel, Darts

from benchmarks.networks import noise
from harness.core.budget import Budget, Meter
from harness.core.recipe import Recipe
from harness.core.space import Size
from harness.core.task import Task
from harness.nets import runtime
from harness.nets.evaluator import ProxyEvaluator
from harness.run.backends import machine
from harness.run.store import RunDirectory
from harness.run.tables.journal import TableJournal
from harness.spaces import get_space


@dataclass(frozen=True)
class Search:
    """A search whose steps are taken from outside.

    Args:
        step: takes one and returns the validation batch's accuracy.
        weights: parameters of the relaxed network, alpha left out.
    """

    step: Callable[[], float]
    weights: int


def search(
    channels: int,
    cells: int,
    stem_stride: int,
    batch: int,
    side: int,
    image_channels: int,
    order: int = 1,
    nodes: int | None = None,
) -> Search:
    """DARTS on noise, with the data pipeline of a real search; three nodes a cell in three cells, otherwise four."""
    runtime.expect_large_graphs(wide=True)
    data = noise((side, side, image_channels), 1024)
    x, y = data.x_train, data.y_train
    data = dataclasses.replace(data, x_train=x[:512], y_train=y[:512], x_valid=x[512:], y_valid=y[512:])
    recipe = Recipe(size=Size(channels, cells, stem_stride), steps=1, batch=batch)
    count = nodes or (4 if cells > 3 else 3)
    space = get_space("cell" if count == 4 else f"cell-{count}")
    task = Task(
        space=space,
        data=data,
        recipe=recipe,
        rng=np.random.default_rng(0),
        seed=0,
        meter=Meter(Budget(1e9, "s"), 1),
        evaluator=ProxyEvaluator(space, data, recipe, seed=0),
        journal=TableJournal(RunDirectory(Path())),
    )
    bilevel = Bilevel(Darts(order=order, batch=batch), task.space, task)
    return Search(lambda: bilevel.step(0.025), int(bilevel.w.shape[0]))


if __name__ == "__main__":
    runtime.start(threads=machine.cores(), deterministic=False, seed=0)
    marks = [time.perf_counter()]
    steps = search(*map(int, sys.argv[1:]))
    for _ in range(2):
        steps.step()
        marks.append(time.perf_counter())
    print(json.dumps({"seconds": np.diff(marks).tolist()}))
