"""Do accuracies under shared weights order architectures? ``python -m benchmarks.weight_sharing [METHOD ...]``

Each method trains its shared weights as in a search of the profile. Then the same random architectures are measured
under the shared weights, on all validation images, and are trained from scratch by the profile's proxy recipe. Printed
are Spearman's and Kendall's rank correlations of both accuracies, the spread of each, and how well the trainings agree
with a repetition with other seeds (``--again``): no signal can be expected to agree better. The test set is not read.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from harness.methods.common.path_search import Comparison
from scipy.stats import kendalltau, spearmanr

from harness.core.budget import Budget, BudgetSpent, Meter
from harness.core.dataset import Dataset, SearchData
from harness.core.seeds import rng
from harness.core.space import Genotype
from harness.core.task import Task
from harness.nets import runtime
from harness.nets.evaluator import ProxyEvaluator
from harness.plugins.catalogue import Catalogue, load_dataset, load_method
from harness.run import images
from harness.run.profiles import PROFILES, Profile
from harness.spaces import get_space
from harness.testing.fakes import MemoryJournal

METHODS = ("rs_ws", "one_shot")
"""By default; ``smash`` has a space of its own."""


def loaded(name: str, share: float) -> SearchData:
    """The training and validation images of a data set, split as for seed 0."""
    root = Path(os.environ.get("HARNESS_DATA") or Path.home() / ".cache" / "nas-harness")
    data = load_dataset(Catalogue().source("dataset", name)).load(root)
    assert isinstance(data, Dataset)
    with tempfile.TemporaryDirectory() as folder:
        prepared = images.locate(data, share, Path(folder))
        images.write(data, prepared, [0])
        return images.search_data(prepared, 0)


def task_of(profile: Profile, space: str, data: SearchData, budget: str) -> Task:
    """A search task of a profile."""
    chosen, recipe = get_space(space), profile.proxy_for(space)
    return Task(
        space=chosen,
        data=data,
        recipe=recipe,
        rng=rng(0, "search"),
        seed=0,
        meter=Meter(Budget.parse(budget) if budget else profile.budget, recipe.steps),
        evaluator=ProxyEvaluator(chosen, data, recipe, 0),
        journal=MemoryJournal(),
    )


def shared(method: str, profile: Profile, task: Task, architectures: Sequence[Genotype]) -> list[float]:
    """Accuracies on the validation images under the weights that a method has trained."""
    cls = load_method(Catalogue().source("method", method))
    search: Comparison = cls(**cls.scaled.get(profile.scale, {})).on(task)  # type: ignore[attr-defined]
    try:
        search.train()
    except BudgetSpent:
        sys.exit(f"{method}: the budget ended in the training")
    print(f"{method}: {search.steps} steps, {task.meter.macs:.3g} multiply-accumulates", flush=True)
    task.meter.restore(seconds=0.0, steps=0)  # measuring is not part of the search
    batches = range(search.shared.valid_epoch)
    accuracies = []
    for genotype in architectures:
        task.meter.restore(seconds=0.0, steps=0)
        accuracies += search.shared.accuracies([genotype.picks], [batches])
    return accuracies


def trained(task: Task, architectures: Sequence[Genotype], first: int) -> list[float]:
    """Accuracies of trainings from scratch; ``first`` numbers them, which gives the seeds."""
    evaluator, began, accuracies = ProxyEvaluator(task.space, task.data, task.recipe, 0), time.monotonic(), []
    for number, genotype in enumerate(architectures):
        accuracies.append(evaluator.evaluate(genotype, first + number, Meter(Budget(1e9, "evals"), 1)).accuracy)
        left = (time.monotonic() - began) / (number + 1) * (len(architectures) - number - 1)
        print(f"\rtrained {number + 1}/{len(architectures)}, {left:.0f} s left ", end="", file=sys.stderr)
    print(file=sys.stderr)
    return accuracies


def line(what: str, ours: Sequence[float], theirs: Sequence[float]) -> str:
    """A row of the table."""
    spread = f"{min(ours):.3f} to {max(ours):.3f}"
    return f"| {what} | {spearmanr(ours, theirs).statistic:.2f} | {kendalltau(ours, theirs).statistic:.2f} | {spread} |"


def main() -> None:
    """Trains, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--profile", default="quick", choices=sorted(PROFILES))
    parser.add_argument("--dataset", default="fashion_mnist")
    parser.add_argument("--space", default="", help="default: the profile's space of the first method")
    parser.add_argument("--budget", default="", help="of the shared training; default: the profile's")
    parser.add_argument("--architectures", type=int, default=20)
    parser.add_argument("--again", action="store_true", help="train all twice")
    words = parser.parse_args()
    profile = PROFILES[words.profile]
    runtime.start(threads=1, deterministic=True, seed=0)
    data = loaded(words.dataset, profile.validation_share)
    space = words.space or profile.space_for(load_method(Catalogue().source("method", words.methods[0])).space)
    draws = rng(0, "architectures")
    architectures = [get_space(space).sample(draws) for _ in range(words.architectures)]
    task = task_of(profile, space, data, words.budget)
    alone = trained(task, architectures, 0)
    rows = [line("trained again", trained(task, architectures, 1000), alone)] if words.again else []
    for method in words.methods:
        rows.append(line(method, shared(method, profile, task, architectures), alone))
        task = task_of(profile, space, data, words.budget)
    print(f"{words.architectures} random architectures of {space}, {words.dataset}, {profile.name}'s proxy recipe: ")
    print(f"trained from scratch they have {min(alone):.3f} to {max(alone):.3f}\n")
    print("| accuracy | Spearman | Kendall | range |\n|---|---:|---:|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
