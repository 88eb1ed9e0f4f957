"""The networks that searches train, at the size of ``quick``'s final training: a step of ours and one of PyTorch's."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.conftest import Claims, in_turn

ROOT = Path(__file__).parents[1]
NETWORKS, SHAPE = 5, (28, 28, 1)
SPACES = ("cell-3", "enas_cell-3", "macro-6", "nao_cell-3", "nasnet-3", "pnas-3", "block-5", "nasbench201")
"""All spaces of sampled networks but the chains, which the goal leaves out too."""
GOALS = {"cell-3": 2.0, "enas_cell-3": 2.0, "macro-6": 2.0}


@pytest.mark.parametrize("name", SPACES)
def test_sampled_networks_against_pytorch(claim: Claims, name: str) -> None:
    """Median over five networks, a thread each as in a run, in a process of its own; their step is bare, ours whole."""
    pytest.importorskip("torch", reason="the yardstick is PyTorch: pip install torch")
    words = [sys.executable, "-m", __name__, name]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds = json.loads(done.stdout.splitlines()[-1])
    ratios = [theirs / ours for ours, theirs in seconds]
    print(f"{name}: " + ", ".join(f"{1000 * ours:.0f} and {1000 * theirs:.0f} ms" for ours, theirs in seconds))
    claim(f"{name}, sampled networks, times PyTorch", float(np.median(ratios)), "at least", GOALS.get(name, 1.0))


def seconds_in_turn(name: str) -> list[list[float]]:
    """Of each network: seconds of our step, and of PyTorch's."""
    import torch

    from benchmarks import networks, torch_networks
    from benchmarks.torch_layers import LayerNetwork
    from harness.core.lowering import lower
    from harness.nets.build import build_model
    from harness.nets.sgd import TrainingStep
    from harness.run.profiles import QUICK
    from harness.spaces import get_space

    torch.set_num_threads(1)
    space, recipe, data = get_space(name), QUICK.final, networks.noise(SHAPE, 256)
    images, labels = data.x_train[: recipe.batch], data.y_train[: recipe.batch]
    found = []
    for number in range(NETWORKS):
        genotype = space.sample(np.random.default_rng(number))
        model = build_model(genotype, space, recipe.size, SHAPE, data.classes, seed=0)
        step = TrainingStep(model, data, recipe, seed=0)
        yardstick = LayerNetwork(lower(space.decode(genotype, recipe.size)), SHAPE, data.classes)
        own = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        assert sum(parameter.numel() for parameter in yardstick.parameters()) == own
        theirs = torch_networks.training_step(yardstick, recipe.batch, SHAPE)
        found.append(in_turn(partial(step, images, labels, 0, 0.01, 0.0), theirs))
    return found


if __name__ == "__main__":
    from harness.nets import runtime

    runtime.start(threads=1, deterministic=False, seed=0)
    print(json.dumps(seconds_in_turn(sys.argv[1])))
