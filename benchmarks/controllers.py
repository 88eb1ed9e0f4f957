"""Whether ENAS' controllers learn within a profile's budget: ``python -m benchmarks.controllers [--seeds N]``.

The controllers are trained on the synthetic additive tasks of :mod:`benchmarks.additive` instead of a shared network,
by as many updates as a profile's budget has room for; rewards have the noise that a validation batch of the profile's
size has at an accuracy of one half. Printed is the mean worth of what the controller samples in the end, in standard
deviations of the space above that of its first samples, and the share of the entropy that is left; then the same share
of a controller whose rewards are noise alone, which has nothing to learn. A rate at which that one loses its entropy,
too, is too large: what it loses says nothing of the architectures.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, replace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
from harness.methods.common.baseline import RewardBaseline
from harness.methods.common.enas_macro_controller import EnasMacroController
from harness.methods.common.enas_micro_controller import EnasMicroController
from harness.methods.common.policy import Controller

from benchmarks.additive import CENTRE, SPREAD, Worth, made, space_of
from harness.core.seeds import rng

SAMPLES = 200


@dataclass(frozen=True)
class Case:
    """A method under a profile.

    Args:
        method, profile: which.
        updates: of the controller, for which the budget has room.
    """

    method: str
    profile: str
    updates: int


CASES = (
    Case("enas_macro", "quick", 500),
    Case("enas_micro", "quick", 140),
    Case("enas_macro", "hour", 500),
    Case("enas_micro", "hour", 300),
)


def learned(case: Case, rate: float, seed: int, *, signal: bool = True) -> tuple[float, float]:
    """Gain of the mean worth, and the share of the entropy that is left.

    Args:
        case: what is trained, and how long.
        rate: of the controller; 0: the profile's.
        seed: of task, weights and noise.
        signal: whether rewards depend on the architecture; else all are drawn at the mean accuracy.
    """
    method, space = made(case.method, case.profile), space_of(case.method, case.profile)
    settings = vars(method)
    kind = EnasMacroController if case.method == "enas_macro" else EnasMicroController
    controller: Controller = kind(
        space, rng(seed, "weights"), learning_rate=rate or settings["controller_learning_rate"]
    )
    baseline = RewardBaseline(settings["baseline_decay"], "after", start=0.0)
    worth, draws, noise = Worth(space, seed), rng(seed, "draws"), rng(seed, "noise")
    images = settings["valid_batch"] or settings["batch"]

    def sampled(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        walk = controller.sample(draws.random((count, controller.decisions), np.float32))
        return (
            walk.picks,
            np.array([worth.of(space.genotype(tuple(picks))) for picks in walk.picks.tolist()]),
            walk.entropy,
        )

    _, first, entropy = sampled(SAMPLES)
    for _ in range(case.updates):
        picks, worths, entropies = sampled(settings["samples"])
        accuracy = CENTRE - 0.3 + SPREAD * (worths if signal else np.zeros_like(worths))
        rewards = noise.binomial(images, np.clip(accuracy, 0, 1)) / images + settings["entropy_weight"] * entropies
        controller.train(picks, baseline.advantages(rewards))
    _, last, left = sampled(SAMPLES)
    return float(last.mean() - first.mean()), float(left.mean() / entropy.mean())


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rate", type=float, default=0.0, help="of the controller; 0: the profile's")
    parser.add_argument("--updates", type=int, default=0, help="of the controller; 0: those of each case")
    parser.add_argument("--cases", type=int, default=len(CASES), help="only the first ones")
    options = parser.parse_args()
    print("| method | profile, updates | gain (deviations) | entropy left | entropy left, noise alone |")
    print("| :--- | :--- | ---: | ---: | ---: |")
    for case in CASES[: options.cases]:
        case = replace(case, updates=options.updates or case.updates)
        gains, left = zip(*(learned(case, options.rate, seed) for seed in range(options.seeds)), strict=True)
        alone = [learned(case, options.rate, seed, signal=False)[1] for seed in range(options.seeds)]
        error = np.std(gains, ddof=1) / np.sqrt(len(gains))
        print(
            f"| {case.method} | {case.profile}, {case.updates} | {np.mean(gains):+.2f} ± {error:.2f} "
            f"| {100 * np.mean(left):.0f} % | {100 * np.mean(alone):.0f} % ({100 * min(alone):.0f} at least) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
