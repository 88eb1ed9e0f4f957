"""Where a training step's time goes, kernel by kernel: ``python -m benchmarks.profile SPACE [final]``.

Takes the steps of five sampled networks at the quick profile's proxy size, or with ``final`` at its final size, on one
thread, under TensorFlow's profiler, and prints milliseconds of a step by kernel, the largest first. The same command
gives a table for any space; :doc:`docs/performance.md` keeps some of them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
import tensorflow as tf

from benchmarks.networks import noise
from harness.core.lowering import lower
from harness.nets import runtime
from harness.nets.build import build_model
from harness.nets.child import Child, ChildStep, Shared
from harness.nets.sgd import TrainingStep
from harness.run.profiles import QUICK
from harness.spaces import get_space

SHAPE = (28, 28, 1)
NETWORKS, STEPS = 5, 5
MOVES = ("Slice", "StridedSlice", "StridedSliceGrad", "Pad", "ConcatV2", "SplitV", "Pack", "Unpack", "Transpose")
"""Kernels that compute nothing."""


def steps(space_name: str, size: str) -> list[Callable[[], float]]:
    """A step of each of some sampled networks."""
    space, rng, data = get_space(space_name), np.random.default_rng(7), noise(SHAPE, 256)
    recipe = QUICK.proxy if size == "proxy" else QUICK.final
    shared = Shared(data, recipe)
    images, labels = data.x_train[: recipe.batch], data.y_train[: recipe.batch]

    def made() -> Callable[[], float]:
        genotype = space.sample(rng)
        step: ChildStep | TrainingStep
        if size == "proxy":
            child = Child(lower(space.decode(genotype, recipe.size)), SHAPE, data.classes, 0, shared)
            step = ChildStep(child, recipe.batch, seed=0)
        else:
            model = build_model(genotype, space, recipe.size, SHAPE, data.classes, seed=0)
            step = TrainingStep(model, data, recipe, seed=0)
        return lambda: step(images, labels, 0, 0.01, 0.0)

    return [made() for _ in range(NETWORKS)]


def kernels(step: Callable[[], object]) -> dict[str, tuple[float, int]]:
    """Milliseconds and number of calls of each kernel in one step."""
    # TensorFlow has no public reader of what its profiler writes.
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    for _ in range(2):
        step()
    with tempfile.TemporaryDirectory() as directory:
        with tf.profiler.experimental.Profile(directory):
            for _ in range(STEPS):
                step()
        [file] = Path(directory).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(file.read_bytes())
    spent, calls = Counter[str](), Counter[str]()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name, colon, kind = plane.event_metadata[event.metadata_id].name.partition(":")
                if (
                    colon
                    and not kind.strip().startswith("__inference")
                    and plane.name == "/host:CPU"
                    and "::" not in f"{name}:{kind}"
                ):
                    spent[_plain(kind)] += event.duration_ps * 1e-9 / STEPS
                    calls[_plain(kind)] += 1
    return {kind: (milliseconds, calls[kind] // STEPS) for kind, milliseconds in spent.items()}


def _plain(kind: str) -> str:
    return kind.strip().partition("#")[0].removeprefix("_MklNative").removeprefix("_Mkl")


def table(space_name: str, size: str) -> str:
    """The kernels of a space's networks, mean of the networks."""
    total, number = defaultdict[str, float](float), defaultdict[str, float](float)
    for step in steps(space_name, size):
        for kind, (milliseconds, calls) in kernels(step).items():
            total[kind] += milliseconds / NETWORKS
            number[kind] += calls / NETWORKS
    whole = sum(total.values())
    lines = [f"{space_name}, {size} size: {whole:.1f} ms in kernels of a step", ""]
    lines += ["| kernel | ms | share | calls |", "|---|---|---|---|"]
    for kind, milliseconds in sorted(total.items(), key=lambda one: -one[1])[:14]:
        moves = " (moves data only)" if kind in MOVES else ""
        lines.append(f"| {kind}{moves} | {milliseconds:.2f} | {milliseconds / whole:.0%} | {number[kind]:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    runtime.start(threads=1, deterministic=False, seed=0)
    runtime.expect_large_graphs()
    print(table(sys.argv[1], "final" if "final" in sys.argv[2:] else "proxy"))
