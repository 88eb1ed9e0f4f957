"""The same work by another state of the project: a program that runs in a checkout of it, and is told what to do.

``python benchmarks/before.py CHECKOUT`` reads lines ``step SPACE NUMBER``, ``child SPACE NUMBER`` and
``supernet SPACE 0`` from standard input, and answers each with CPU seconds: of a training step of a sampled network at
the size of ``quick``'s final training, of a whole proxy evaluation, or of what comes before the first step of shared
weights. It uses only what the project had from commit fc93670 on, whatever it is called there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SHAPE, CLASSES, LAYERS = (28, 28, 1), 10, 5
READY = "ready"
_WARM, _ROUNDS = 3, 10


@contextmanager
def checkout(commit: str, folder: Path) -> Iterator[Path]:
    """The files of a commit in ``folder``, for as long as they are needed.

    Raises:
        subprocess.CalledProcessError: the commit is not in this repository's history.
    """
    git = ["git", "-C", str(ROOT)]
    subprocess.run([*git, "worktree", "add", "--detach", str(folder), commit], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "worktree", "remove", "--force", str(folder)], check=True, capture_output=True)


class Worker:
    """A process that works in a checkout.

    Args:
        folder: the checkout.
    """

    def __init__(self, folder: Path) -> None:
        words = [sys.executable, str(ROOT / "benchmarks" / "before.py"), str(folder)]
        self._process = subprocess.Popen(
            words, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._line() == READY

    def seconds(self, work: str, space: str, number: int = 0) -> float:
        """CPU seconds of a piece of work, see the module."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{work} {space} {number}\n")
        self._process.stdin.flush()
        return float(self._line())

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def work() -> dict[str, Callable[[str, int], float]]:
    """What can be asked for; imports the project, which ever it is that Python finds."""
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="1")
    import numpy as np

    from harness.core.budget import Budget, Meter
    from harness.core.dataset import SearchData
    from harness.core.recipe import Recipe
    from harness.core.space import Size
    from harness.nets import runtime
    from harness.nets.build import build_model
    from harness.nets.evaluator import ProxyEvaluator
    from harness.nets.sgd import TrainingStep
    from harness.spaces import get_space

    runtime.start(threads=1, deterministic=False, seed=0)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (5_000, *SHAPE)).astype(np.uint8), rng.integers(0, CLASSES, 5_000)
    data = SearchData("noise", x, y, x[:1_000], y[:1_000], CLASSES, (72.9,), (90.0,), True, 4, 8)
    evaluators: dict[str, ProxyEvaluator] = {}

    def recipe(channels: int) -> Recipe:
        size = Size(channels, LAYERS, 2)
        return Recipe(
            size=size, steps=50, batch=64, learning_rate=0.08, augment=False, validation_images=len(data.x_valid)
        )

    def genotype(space: str, number: int) -> Any:
        return get_space(space).sample(np.random.default_rng(number))

    def step(space: str, number: int) -> float:
        network, own = genotype(space, number), recipe(16)
        model = build_model(network, get_space(space), own.size, SHAPE, CLASSES, seed=0)
        one, seconds = TrainingStep(model, data, own, seed=0), list[float]()
        for turn in range(_WARM + _ROUNDS):
            began = time.process_time()
            one(x[: own.batch], y[: own.batch], turn, 0.01, 0.0)
            seconds.append(time.process_time() - began)
        return float(np.median(seconds[_WARM:]))

    def child(space: str, number: int) -> float:
        evaluator = evaluators.setdefault(space, ProxyEvaluator(get_space(space), data, recipe(8), seed=0))
        meter, began = Meter(Budget(1e9, "s"), 1), time.process_time()
        assert not evaluator.evaluate(genotype(space, number), number, meter).failure
        return time.process_time() - began

    def supernet(space: str, number: int) -> float:
        import tensorflow as tf

        try:
            from harness.nets.supernets import enas as kinds
        except ImportError:  # before commit cdb23d2 the module had another name
            from harness.nets import gated as kinds  # type: ignore[attr-defined, no-redef]

        runtime.expect_large_graphs()
        kind: Any = kinds.GatedMacro if space.startswith("macro") else kinds.GatedCells
        layers = 6 if space.startswith("macro") else LAYERS
        images = tf.random.stateless_normal((64, *SHAPE), [0, 1])
        labels = tf.random.stateless_uniform((64,), [0, 2], 0, CLASSES, tf.int64)
        seconds = list[float]()
        began = time.process_time()
        net = kind(get_space(space), Size(8, layers, 2), SHAPE, CLASSES, np.random.default_rng(0))
        for turn in range(2):
            net.train_step(images, labels, tf.constant(genotype(space, turn).picks), tf.constant(0.05)).numpy()
            seconds.append(time.process_time() - began)
            began = time.process_time()
        return seconds[0] - seconds[1]

    return {"step": step, "child": child, "supernet": supernet}


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    tasks = work()
    print(READY, flush=True)
    for line in sys.stdin:
        task, name, count = line.split()
        print(tasks[task](name, int(count)), flush=True)
