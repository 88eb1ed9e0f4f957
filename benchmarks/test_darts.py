"""A DARTS search step against the same network in PyTorch, and how long the first one takes to come."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Claims, in_turn
from pytest_benchmark.fixture import BenchmarkFixture

ROOT = Path(__file__).parents[1]
FULL, QUICK = "16 8 1 64 32 3", "8 3 2 32 28 1"


@pytest.mark.parametrize(("size", "name", "goal"), [(FULL, "C=16, 8 cells", 20.0), (QUICK, "quick's size", 4.0)])
def test_time_before_the_first_step(claim: Claims, size: str, name: str, goal: float) -> None:
    """In a process of its own, TensorFlow's import left out: from the first line of the search to the end of a step."""
    command = [sys.executable, "-m", "benchmarks.darts_steps", *size.split(), "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    first, second = json.loads(done.stdout)["seconds"]
    claim(f"DARTS, {name}: seconds before the first step is over", first, "at most", goal, "s")
    assert second < first


def test_step_against_pytorch(benchmark: BenchmarkFixture, claim: Claims, cores: int) -> None:
    torch = pytest.importorskip("torch", reason="the yardstick is PyTorch: pip install torch")
    import darts_steps
    import torch_networks

    torch.set_num_threads(cores)
    yardstick = torch_networks.SearchNetwork(16, 8, 3, 10)
    theirs = torch_networks.darts_step(yardstick, 64, (32, 32, 3))
    ours = darts_steps.search(16, 8, 1, 64, 32, 3)
    assert sum(parameter.numel() for parameter in yardstick.weights()) == ours.weights
    seconds = in_turn(ours.step, theirs, rounds=3)
    claim("DARTS, C=16, 8 cells: step over PyTorch's", seconds[0] / seconds[1], "at most", 0.4)
    benchmark.pedantic(ours.step, rounds=3)
    assert np.isfinite(ours.step())
