"""A DARTS search step against the same network in PyTorch, and how long the first one takes to come."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.conftest import Claims, in_turn
from harness.nets import runtime
from harness.run.backends import machine

ROOT = Path(__file__).parents[1]
FULL, QUICK = "16 8 1 64 32 3", "8 3 2 32 28 1"


@pytest.mark.parametrize(("size", "name", "goal"), [(FULL, "C=16, 8 cells", 20.0), (QUICK, "quick's size", 4.0)])
def test_time_before_the_first_step(claim: Claims, size: str, name: str, goal: float) -> None:
    """In a process of its own, TensorFlow's import left out: what the first step takes longer than the second.

    The better of two: for the first one a virtual machine may have to get memory from its host.
    """
    command = [sys.executable, "-m", "benchmarks.darts_steps", *size.split(), "1"]
    waits = []
    for _ in range(2):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        first, second = json.loads(done.stdout)["seconds"]
        waits.append(first - second)
    print(f"DARTS, {name}: {' and '.join(f'{wait:.1f}' for wait in waits)} s before the first step")
    claim(f"DARTS, {name}: seconds before the first step", min(waits), "at most", goal, "s")


def test_step_against_pytorch(claim: Claims) -> None:
    """In turn, in a process of its own: a search sets TensorFlow's threads, which it can only before any other work."""
    pytest.importorskip("torch", reason="the yardstick is PyTorch: pip install torch")
    words = [sys.executable, "-m", __name__]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    ours, theirs = json.loads(done.stdout.splitlines()[-1])
    print(f"DARTS step: {ours:.2f} s, PyTorch's {theirs:.2f} s")
    claim("DARTS, C=16, 8 cells: step over PyTorch's", ours / theirs, "at most", 0.33)


def steps_in_turn() -> list[float]:
    """Seconds of a step, ours and PyTorch's."""
    import torch

    from benchmarks import darts_steps, torch_networks

    torch.set_num_threads(machine.cores())
    yardstick = torch_networks.SearchNetwork(16, 8, 3, 10)
    theirs = torch_networks.darts_step(yardstick, 64, (32, 32, 3))
    ours = darts_steps.search(16, 8, 1, 64, 32, 3)
    assert sum(parameter.numel() for parameter in yardstick.weights()) == ours.weights
    assert np.isfinite(ours.step())
    return in_turn(ours.step, theirs, rounds=5)


if __name__ == "__main__":
    runtime.start(threads=machine.cores(), deterministic=False, seed=0)
    print(json.dumps(steps_in_turn()))
