"""The proxy training of a sampled child: how long until its first step, and that nothing stays behind."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import networks
from benchmarks.conftest import Claims
from harness.core.budget import Budget, Meter
from harness.core.lowering import lower
from harness.nets.child import Child, ChildStep, Shared
from harness.nets.evaluator import ProxyEvaluator
from harness.nets.runtime import graph_optimizer_off
from harness.run.profiles import QUICK
from harness.spaces import get_space

ROOT = Path(__file__).parents[1]
SHAPE = (28, 28, 1)
CHILDREN = 300
SAMPLED = ("cell-3", "chain-6", "macro-6")
"""Spaces whose memory is watched."""
SPACES = (*SAMPLED, "enas_cell-3", "nao_cell-3", "nasnet-3", "pnas-3", "qchain-6", "block-5", "nasbench201")
"""All spaces of sampled networks, at the quick profile's size."""


@pytest.mark.parametrize("name", SPACES)
def test_from_genotype_to_first_step(benchmark: BenchmarkFixture, claim: Claims, cores: int, name: str) -> None:
    """Median over ten children of the quick profile's size, after the first: writing, preparing and the first step.

    And what share of a whole proxy evaluation, 50 steps and a validation, is not waiting for the first step.
    """
    data, space, rng = networks.noise(SHAPE), get_space(name), np.random.default_rng(3)
    recipe, taken, shares = QUICK.proxy, list[float](), list[float]()
    images, labels = data.x_train[: recipe.batch], data.y_train[: recipe.batch]
    shared = Shared(data, recipe)

    def first() -> None:
        with graph_optimizer_off():
            began = time.perf_counter()
            child = Child(lower(space.decode(space.sample(rng), recipe.size)), SHAPE, 10, 0, shared)
            step = ChildStep(child, recipe.batch, seed=0)
            step(images, labels, 0, 0.1, 0.0)
            taken.append(time.perf_counter() - began)
            for number in range(1, recipe.steps):
                step(images, labels, number, 0.1, 0.0)
            shares.append(1.0 - taken[-1] / (time.perf_counter() - began))

    benchmark.pedantic(first, rounds=10, warmup_rounds=1)
    claim(f"{name}, genotype to first step", float(np.median(taken[1:])), "at most", 0.3, "s")
    claim(f"{name}, share of a proxy training in its steps", float(np.median(shares[1:])), "at least", 0.8)


def children(name: str, count: int) -> list[int]:
    """Resident bytes of this process after each of so many proxy trainings of two steps, all of different children."""
    recipe = dataclasses.replace(QUICK.proxy, steps=2, validation_images=64)
    data = networks.noise(SHAPE, 256)
    data = dataclasses.replace(data, x_valid=data.x_train[:64], y_valid=data.y_train[:64])
    space, rng = get_space(name), np.random.default_rng(0)
    evaluator, meter, sizes = ProxyEvaluator(space, data, recipe, seed=0), Meter(Budget(1e9, "s"), 1), list[int]()
    for number in range(count):
        assert not evaluator.evaluate(space.sample(rng), number, meter).failure
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        sizes.append(pages * os.sysconf("SC_PAGE_SIZE"))
    return sizes


def test_memory_stays_flat(claim: Claims) -> None:
    """Each space in a process of its own, all at once; slopes by Theil and Sen, the first fifty trainings left out."""
    from scipy.stats import theilslopes

    words = [sys.executable, "-m", __name__]
    running = {
        name: subprocess.Popen([*words, name, str(CHILDREN)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for name in SAMPLED
    }
    for name, process in running.items():
        sizes = np.array(json.loads(process.communicate()[0].splitlines()[-1])[50:]) / 2**20
        slope, _, low, high = theilslopes(sizes, np.arange(len(sizes)))
        noise = float(np.std(sizes - slope * np.arange(len(sizes))))
        print(f"{name}: MiB each {slope:.3f}, 95 % interval {low:.3f} to {high:.3f}; around the slope {noise:.1f} MiB")
        claim(f"memory per proxy training of a new child, {name}", slope, "at most", 0.1, "MiB")


if __name__ == "__main__":
    from harness.nets import runtime

    runtime.start(threads=1, deterministic=False, seed=0)
    print(json.dumps(children(sys.argv[1], int(sys.argv[2]))))
