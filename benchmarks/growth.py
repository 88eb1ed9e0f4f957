"""How the cost of a step grows, drawn: ``python -m benchmarks.growth FILE.png``, five minutes on two cores.

Three kinds of training at the quick profile's size, of which one thing is changed at a time: a sampled cell network as
evolution trains it, a path of ENAS micro's shared network, DARTS' search network (first order). Beside the step, the
wait before the first one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
import tensorflow as tf

from benchmarks import darts_steps
from benchmarks.networks import noise
from harness.core.recipe import Recipe
from harness.core.space import Size
from harness.nets import runtime
from harness.nets.build import build_model
from harness.nets.sgd import TrainingStep
from harness.nets.supernets.enas import GatedCells
from harness.report.style import MARKERS, PALETTE, figure
from harness.run.backends import machine
from harness.spaces import get_space

ROOT = Path(__file__).parents[1]
BATCH, STRIDE = 32, 2
BASE = {"channels": 8, "cells": 3, "side": 28}
VARIED = {"channels": (4, 8, 16, 32), "cells": (3, 6, 9, 12), "side": (14, 28, 56)}
NAMES = {"channels": "channels", "cells": "cells", "side": "image side"}
STEPS = 5

Turn = Callable[[], object]


def child(channels: int, cells: int, side: int) -> Turn:
    """A step of one sampled network, always the same cells; the graph optimiser is off, as in proxy trainings."""
    runtime.expect_large_graphs()
    data, recipe = noise((side, side, 1), BATCH), Recipe(size=Size(channels, cells, STRIDE), steps=1, batch=BATCH)
    space = get_space("cell-3")
    model = build_model(space.sample(np.random.default_rng(0)), space, recipe.size, data.image_shape, 10, seed=0)
    step = TrainingStep(model, data, recipe, seed=0)
    return lambda: step(data.x_train, data.y_train, 0, 0.01, 0.0)


def path(channels: int, cells: int, side: int) -> Turn:
    """A step of a path of ENAS micro's shared network, another path each time."""
    runtime.expect_large_graphs()
    data, space, rng = noise((side, side, 1), BATCH), get_space("enas_cell-3"), np.random.default_rng(0)
    net = GatedCells(space, Size(channels, cells, STRIDE), data.image_shape, 10, rng)  # type: ignore[arg-type]
    images, labels = tf.constant(data.x_train, tf.float32) / 90.0, tf.constant(data.y_train)
    return lambda: net.train_step(images, labels, tf.constant(space.sample(rng).picks), tf.constant(0.01)).numpy()


def darts(channels: int, cells: int, side: int) -> Turn:
    """A step of DARTS' search, two gradients."""
    return darts_steps.search(channels, cells, STRIDE, BATCH, side, 1, nodes=3).step


KINDS: dict[str, tuple[str, Callable[[int, int, int], Turn]]] = {
    "child": ("a sampled cell network", child),
    "path": ("a path of ENAS micro", path),
    "darts": ("DARTS, first order", darts),
}


def measure(kind: str, channels: int, cells: int, side: int) -> tuple[float, float]:
    """Seconds before the first step, and of a step (median)."""
    began = time.perf_counter()
    turn = KINDS[kind][1](channels, cells, side)
    taken = []
    for _ in range(STEPS + 1):
        turn()
        taken.append(time.perf_counter())
    steps = np.diff(taken)
    return taken[0] - began - float(np.median(steps)), float(np.median(steps))


def draw(figures: dict[str, dict[str, list[tuple[float, float]]]], target: Path) -> None:
    """Columns: what is changed. Rows: the step, and the wait before the first one; a row has one scale."""
    rows = {"seconds per step": (0.02, 0.05, 0.1, 0.2, 0.5), "seconds before the first step": (1, 2, 5, 10, 20)}
    with figure(target, 11, 6.8) as canvas:
        canvas.suptitle(f"Cost of a training step, {machine.cores()} CPU cores, batch {BATCH}", fontsize=11)
        for row, (label, ticks) in enumerate(rows.items()):
            every = [pair[1 - row] for kinds in figures.values() for pairs in kinds.values() for pair in pairs]
            for column, (what, values) in enumerate(VARIED.items(), start=1):
                rest = ", ".join(f"{NAMES[name]} {number}" for name, number in BASE.items() if name != what)
                axes = canvas.add_subplot(2, 3, 3 * row + column)
                for place, (kind, (words, _)) in enumerate(KINDS.items()):
                    heights = [pair[1 - row] for pair in figures[what][kind]]
                    axes.plot(values, heights, color=PALETTE[2 * place], marker=MARKERS[place], label=words)
                axes.set(xscale="log", yscale="log", xlabel=f"{NAMES[what]} ({rest})")
                axes.set(ylabel=label if column == 1 else "", ylim=(0.8 * min(every), 1.25 * max(every)))
                axes.minorticks_off()
                axes.set_xticks(values, [str(value) for value in values])
                axes.set_yticks([tick for tick in ticks if 0.8 * min(every) <= tick <= 1.25 * max(every)])
                axes.yaxis.set_major_formatter("{x:g}")
                axes.grid(color="#dddddd", linewidth=0.5)
        canvas.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9, frameon=False)


def main(target: Path) -> None:
    """Each figure comes from a process of its own, because a trace leaves memory and caches behind."""
    figures: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for what, values in VARIED.items():
        for kind in KINDS:
            for value in values:
                words = [str(number) for number in {**BASE, what: value}.values()]
                command = [sys.executable, "-m", "benchmarks.growth", kind, *words]
                done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
                wait, step = json.loads(done.stdout.splitlines()[-1])
                figures.setdefault(what, {}).setdefault(kind, []).append((wait, step))
                print(f"{kind:<6} {what} {value:<3} wait {wait:6.2f} s   step {1000 * step:7.1f} ms", flush=True)
    draw(figures, target)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(Path(sys.argv[1]))
    else:
        runtime.start(threads=machine.cores(), deterministic=False, seed=0)
        print(json.dumps(measure(sys.argv[1], *map(int, sys.argv[2:]))))
