"""Searches on NAS-Bench-201: a table is looked up, so that the harness is all there is to pay for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.conftest import Claims

ROOT = Path(__file__).parents[1]
SEEDS = 1000


def test_a_thousand_searches_by_evolution(claim: Claims, tmp_path: Path) -> None:
    """The command as a user types it, on one core, records and tables included."""
    words = ["--profile", "nb201", "--methods", "regularized_evolution", "--datasets", "nasbench201/cifar10"]
    command = [sys.executable, "-m", "harness", "run", "--no-baselines", *words, "--workers", "1"]
    command += ["--seeds", f"0-{SEEDS - 1}"]
    core = min(os.sched_getaffinity(0))
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "--out", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode == 2:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    claim("NAS-Bench-201, evolution, 1,000 seeds on one core", seconds, "at most", 20.0, "s")
