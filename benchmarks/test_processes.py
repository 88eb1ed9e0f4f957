"""How runs share a machine: one process per core is the default, and the cores are kept busy."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import networks
from benchmarks.conftest import Claims
from harness.run.backends import machine

ROOT = Path(__file__).parents[1]
SECONDS = 20.0


def images_per_second(processes: int, threads: int, kind: str) -> float:
    """Of all processes together, each training a child of its own."""
    words = [sys.executable, "-m", __name__, kind, str(threads)]
    running = [subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return sum(float(process.communicate()[0].splitlines()[-1]) for process in running)


def test_one_process_per_core_is_the_better_way(claim: Claims) -> None:
    cores = machine.cores()
    for kind in ("plain", "separable"):
        ratio = images_per_second(cores, 1, kind) / images_per_second(1, cores, kind)
        claim(f"{kind} child, {cores} processes of a thread over one of {cores}", ratio, "at least", 1.0)


def test_the_cores_are_busy(claim: Claims, tmp_path: Path) -> None:
    """A quick run per core: CPU seconds of all runs, from their records, over wall clock times cores."""
    words = [
        "--profile",
        "quick",
        "--datasets",
        "toy",
        "--methods",
        "random_search",
        "--seeds",
        f"0-{machine.cores() - 1}",
    ]
    command = [sys.executable, "-m", "harness", "run", "--no-baselines", *words, "--out", str(tmp_path)]
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    wall = time.perf_counter() - began
    records = [json.loads(path.read_text()) for path in tmp_path.glob("quick/toy/*/*/*/record.json")]
    assert len(records) == machine.cores()
    used = sum(record[phase]["cpu_seconds"] for record in records for phase in ("search", "final"))
    claim("quick, a run per core: cores busy", used / wall / machine.cores(), "at least", 0.9)


def train(kind: str, threads: int) -> float:
    """Images per second over :data:`SECONDS`, the first steps left out."""
    from harness.nets import runtime

    runtime.start(threads=threads, deterministic=False, seed=0)
    shape = networks.SHAPES["28x28"]
    turn = networks.loop(getattr(networks, kind)(shape), networks.noise(shape))
    for _ in range(3):
        turn()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        turn()
        done += 1
    return done * networks.BATCH / (time.perf_counter() - began)


if __name__ == "__main__":
    print(train(sys.argv[1], int(sys.argv[2])))
