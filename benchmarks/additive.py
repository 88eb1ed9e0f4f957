"""Query methods against random search on synthetic additive tasks: ``python -m benchmarks.additive [METHOD ...]``.

A task gives every option of every choice a random worth. An architecture is worth the sum over its choices, and an
evaluation tells that with normal noise, as a short training does: deviation :data:`NOISE`, where the worth of random
architectures has deviation 1. Stopped at a share of its training, an architecture tells its worth with more noise, of
deviation ``NOISE / sqrt(share)``: as the mean of independent noise per gradient step.

Choices of one node and kind share their options' worths. That is a symmetry of the space where the halves of a node may
be swapped (ENAS', NASNet's and PNAS' blocks). Elsewhere it is a simplification: the edges into one node of
NAS-Bench-201, whose six choices have three rows of worths; the two operations of a DARTS node; the skips into one layer
of the macro space and of chains; the edges into one node of a fabric. So an option that is good at one of these choices
is good at the others too, which favours methods that share values among choices, TD with ``state=none`` above all; and
the settings of methods were chosen on such tasks. A cell of PNAS is worth the mean over its blocks, wherever they
stand.

Methods that inherit weights (EAS, morphism Bayesian optimisation) search with networks that are looked up instead of
trained, so that nothing is inherited but the network itself. Genotypes that name one network of theirs have one worth.

Each method searches in its own space at the size of a profile, with as many children as the profile buys, and so does
random search, with the same worths and the same number of children. What counts is the true worth of what is returned.
The test is a paired t-test, one-sided, over seeds; a method *beats* random search where p < 0.01.

The tasks decide about settings of methods, so they are made without any data set.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
from scipy.stats import t as student

from harness.core.budget import Budget, BudgetSpent, Meter
from harness.core.dataset import SearchData
from harness.core.evaluation import Evaluation, Part, Proposal
from harness.core.journal import State
from harness.core.method import Method
from harness.core.recipe import Recipe
from harness.core.seeds import rng
from harness.core.space import Genotype, Size, Space
from harness.core.task import Task
from harness.plugins.catalogue import Catalogue, load_method
from harness.run.profiles import PROFILES
from harness.spaces import get_space
from harness.spaces.morphism import Chain, MorphSpace
from harness.spaces.nasnet import PnasSpace

NOISE = 0.5
LEVEL = 0.01
STEPS = 144
"""Gradient steps of a complete training."""
CENTRE, SPREAD = 0.8, 0.04
"""Mean and standard deviation of the accuracies of random architectures."""


@dataclass(frozen=True)
class Setting:
    """One column of the table.

    Args:
        profile: whose spaces and settings hold.
        children: how many a search can afford.
        source: where that number is from.
    """

    profile: str
    children: int
    source: str


SETTINGS = (
    Setting("smoke", 5, "40 steps of 8 per child"),
    Setting("quick", 20, "16 to 52 in the committed quick tables"),
    Setting("hour", 100, "twenty minutes at 12 s a child"),
    Setting("nb201", 109, "12,000 s at the mean of the table"),
    Setting("nb201-own", 180, "20,000 s on CIFAR-10"),
    Setting("published", 400, "two days at 7 minutes a child"),
)
MORE = (800, 1600)
"""Numbers of children beyond the profiles', for methods that need them, under the published settings."""
QUERYING = (
    *("regularized_evolution", "local_search", "gp", "pnas", "nao"),
    *("reinforce", "nasnet", "nas_rl", "metaqnn", "blockqnn"),
    *("asha", "bohb"),
)


class Worth:
    """The task of one seed.

    Args:
        space: of the architectures.
        seed: draws the worths and the noise.
    """

    def __init__(self, space: Space, seed: int) -> None:
        draws = rng(seed, "worths")
        known: dict[tuple[str, str], np.ndarray] = {}
        self._rows = []
        for choice in space.choices:
            node = "" if isinstance(space, PnasSpace) else choice.node
            key = (node, choice.kind)
            if len(known.get(key, ())) < len(choice):
                known[key] = draws.standard_normal(len(choice))
            self._rows.append(known[key])
        self._blocks = isinstance(space, PnasSpace)
        self._space = space
        sample = [self._raw(self._named(space.sample(draws))) for _ in range(300)]
        self._mean, self._deviation = float(np.mean(sample)), float(np.std(sample))

    def _raw(self, picks: Sequence[int]) -> float:
        if self._blocks:  # the first choice says how many blocks of four choices count
            blocks = picks[0] + 1
            live = range(1, 1 + 4 * blocks)
            return float(sum(self._rows[place][picks[place]] for place in live)) / blocks
        return float(sum(row[pick] for row, pick in zip(self._rows, picks, strict=True)))

    def _named(self, genotype: Genotype) -> Sequence[int]:
        """The picks of the genotype that stands for all of one network."""
        if isinstance(self._space, MorphSpace):
            return self._space.write(self._space.read(genotype)).picks
        return genotype.picks

    def of(self, genotype: Genotype) -> float:
        """In standard deviations above the mean of the space."""
        return (self._raw(self._named(genotype)) - self._mean) / self._deviation


class Told:
    """An evaluator that tells worths with noise; every evaluation costs :data:`STEPS` steps and one second."""

    def __init__(self, worth: Worth, seed: int) -> None:
        self._worth, self._noise, self._seed = worth, rng(seed, "noise"), seed

    def steps(self) -> int:
        """Of a complete training."""
        return STEPS

    def stops(self) -> Sequence[int]:
        """All."""
        return range(1, STEPS + 1)

    def can_predict(self) -> bool:
        """There are no networks."""
        return False

    def keep_predictions(self) -> None:
        """There are none."""

    def predictions(self, proposal: Proposal, number: int) -> np.ndarray:
        """There are none."""
        raise NotImplementedError("a sum has no predictions")

    def part_macs(self, proposal: Proposal, part: Part) -> int:
        """None are counted."""
        return 0

    def evaluate_part(self, proposal: Proposal, number: int, meter: Meter, part: Part) -> Evaluation:
        """The worth with the mean of the noise of all gradient steps up to the end of this part."""
        noise = rng(self._seed, f"noise {number}").standard_normal(STEPS)[: part.end].mean() * np.sqrt(STEPS)
        return self._told(proposal, float(noise), part)

    def macs(self, proposal: Proposal) -> int:
        """None are counted."""
        return 0

    def evaluate(self, proposal: Proposal, number: int, meter: Meter) -> Evaluation:
        """The worth as an accuracy."""
        return self._told(proposal, self._noise.standard_normal(), Part(0, STEPS))

    def _told(self, proposal: Proposal, noise: float, part: Part) -> Evaluation:
        assert isinstance(proposal, Genotype)
        told = self._worth.of(proposal) + NOISE * noise
        accuracy = float(np.clip(CENTRE + SPREAD * told, 0.0, 1.0))
        share = part.end / STEPS
        return Evaluation(str(proposal), accuracy, (accuracy,), part.steps / STEPS, part.steps, share=share)


class Deaf:
    """A journal that keeps nothing."""

    def replay(self, number: int) -> None:
        """Nothing was logged."""

    def evaluated(self, number: int, evaluation: Evaluation, spent: float) -> None:
        """Not kept."""

    def proposed(self, proposal: Proposal, accuracy: float | None, spent: float, shared_weights: bool) -> None:
        """Not kept."""

    def judged(self, text: str) -> None:
        """Nothing is limited."""

    def judge(self, text: str, words: str) -> None:
        """Not kept."""

    def save(self, state: State) -> None:
        """Not kept."""

    def load(self) -> None:
        """There is none."""

    def progress(self, share: float, words: str) -> None:
        """Nobody looks."""


class LookedUp:
    """A trainer of networks that descend from each other, which looks them up; see ``methods/common/morph_trainer.py``.

    Args:
        task: gives the accuracies; its space is one of chains.
    """

    def __init__(self, task: Task) -> None:
        self._task, self._found = task, list[tuple[Chain, float]]()

    def known(self) -> Sequence[tuple[Chain, float]]:
        """The networks so far, with their accuracies."""
        return self._found

    def start(self, chain: Chain) -> float:
        """The accuracy of a network."""
        assert isinstance(self._task.space, MorphSpace)
        [evaluation] = self._task.evaluate([self._task.space.write(chain)])
        self._found.append((chain, evaluation.accuracy))
        return evaluation.accuracy

    def descend(self, ancestor: int, moves: Sequence[object], chain: Chain) -> float:
        """The same, wherever it comes from."""
        return self.start(chain)

    def ancestors(self) -> Sequence[int]:
        """All."""
        return range(len(self._found))

    def hold(self, number: int) -> None:
        """Nothing is forgotten."""

    def save(self, extra: Callable[[], State] = dict) -> None:
        """Nothing is interrupted."""


def search(method: Method, task: Task) -> None:
    """The search of a method, with looked-up networks where it inherits weights."""
    match method.name:
        case "eas":
            from harness.methods.eas import Baseline, Eas

            assert isinstance(method, Eas)
            method.episodes(task, LookedUp(task), method.controller(task), Baseline(method.baseline))
        case "morphism_bo":
            from harness.methods.morphism_bo import METHOD as MORPHISM_BO

            assert isinstance(method, MORPHISM_BO)
            method.explore(task, LookedUp(task))
        case _:
            method.search(task)


def returned(method: Method, space: Space, children: int, seed: int) -> float:
    """The true worth of what ``method`` returns after ``children`` evaluations."""
    worth = Worth(space, seed)
    task = Task(
        space=space,
        data=SearchData.of_table("additive"),
        recipe=Recipe(size=Size(4, 3), steps=STEPS),
        rng=rng(seed, f"search {type(method).__name__}"),
        seed=seed,
        meter=Meter(Budget(children, "evals"), STEPS, clock=lambda: 0.0),
        evaluator=Told(worth, seed),
        journal=Deaf(),
    )
    with contextlib.suppress(BudgetSpent):
        search(method, task)
    assert isinstance(task.proposal, Genotype)
    return worth.of(task.proposal)


def made(name: str, profile: str, changes: dict[str, Any] | None = None) -> Method:
    """The method with a profile's settings."""
    cls = load_method(Catalogue().source("method", name))
    return cls(**{**cls.scaled.get(PROFILES[profile].scale, {}), **(changes or {})})


def space_of(name: str, profile: str) -> Space:
    """Where the method searches under a profile."""
    if PROFILES[profile].tabular:
        return get_space("nasbench201")
    cls = load_method(Catalogue().source("method", name))
    return get_space(PROFILES[profile].space_for(cls.space))


@cache
def at_random(space: str, children: int, seed: int) -> float:
    """What random search returns."""
    return returned(made("random_search", "quick"), get_space(space), children, seed)


@dataclass(frozen=True)
class Result:
    """A method against random search.

    Args:
        gain: mean difference of the true worths, in standard deviations of the space.
        p: of the one-sided paired t-test.
        seeds: pairs.
    """

    gain: float
    p: float
    seeds: int

    @property
    def beats(self) -> bool:
        """Whether chance is excluded at :data:`LEVEL`."""
        return self.p < LEVEL


def compare(
    name: str, profile: str, children: int, seeds: Iterable[int], changes: dict[str, Any] | None = None
) -> Result:
    """Searches with every seed."""
    space = space_of(name, profile)
    method = made(name, profile, changes)
    gains = np.array([returned(method, space, children, s) - at_random(space.name, children, s) for s in seeds])
    deviation = gains.std(ddof=1)
    if deviation == 0:
        return Result(float(gains.mean()), 0.5, len(gains))
    statistic = gains.mean() / (deviation / np.sqrt(len(gains)))
    return Result(float(gains.mean()), float(student.sf(statistic, len(gains) - 1)), len(gains))


def columns(more: bool) -> list[Setting]:
    """The profiles' numbers of children and, if wanted, larger ones."""
    return [*SETTINGS, *(Setting("published", count, "beyond all profiles") for count in MORE if more)]


def line(name: str, results: Sequence[Result | None]) -> str:
    """A row of the table."""
    cells = [name]
    for result in results:
        if result is None:
            cells.append("–")
            continue
        p = f"{result.p:.3f}" if result.p >= 0.001 else "<0.001"
        mark = "**" if result.beats else ""
        cells.append(f"{mark}{result.gain:+.2f}{mark} ({p}, {result.seeds})")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("methods", nargs="*", default=QUERYING)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--profiles", default="", help="only these columns, with commas")
    parser.add_argument("--more", action="store_true", help="also numbers of children beyond the profiles'")
    parser.add_argument("--set", default="{}", help="hyper-parameters as a Python dictionary, to try them")
    parser.add_argument("--write", type=Path, help="file for the table's rows, appended as they are done")
    options = parser.parse_args()
    wanted = [s for s in columns(options.more) if not options.profiles or s.profile in options.profiles.split(",")]
    heads = [f"{s.profile}, {s.children}" for s in wanted]
    print(f"| method | {' | '.join(heads)} |")
    print(f"| :--- | {' | '.join('---:' for _ in heads)} |")
    for name in options.methods:
        began, row = time.perf_counter(), list[Result]()
        for setting in wanted:
            row.append(
                compare(name, setting.profile, setting.children, range(options.seeds), ast.literal_eval(options.set))
            )
        print(line(name, row), flush=True)
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
        if options.write:
            with options.write.open("a", encoding="utf-8") as file:
                file.write(line(name, row) + "\n")


if __name__ == "__main__":
    main()
