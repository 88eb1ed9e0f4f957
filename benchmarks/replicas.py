"""The distributed training of Zoph & Le (ICLR 2017, Fig. 8) on a table: ``python -m benchmarks.replicas [FILE.png]``.

The paper has 20 parameter-server shards, 100 controller replicas of 8 children each, and 800 graphics cards. Here
children are looked up in a table and take its recorded seconds on the simulated clock of
:mod:`harness.methods.common.replicas`. Every set-up has the same device time and NAS-RL's rules: 8 children per
replica, the reward is the accuracy cubed, Adam's rate as for so many children. The controller is an LSTM of 35 units
with a softmax per choice (:mod:`harness.methods.common.ppo`), because NAS-RL's own is for chains of convolutions.

Printed is a row per set-up, means over seeds; a PNG file is drawn if it is named. Not simulated: messages, the time
of updates, waiting for data, lost machines. At the paper's 12,800 children a search takes about five seconds of a core;
``--keep FILE`` keeps what is done, so that the same command continues.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.replica_searches import BEST_GOAL, POINTS, POLICY_GOAL, SETUPS, WINDOW, Setup, Told, search
from harness.core.errors import InputError
from harness.core.table import Signal, Table
from harness.plugins.catalogue import Catalogue, load_dataset
from harness.report.style import PALETTE, count_logarithmically, figure


@dataclass(frozen=True)
class Study:
    """All searches of a table.

    Args:
        table, signal: what is looked up.
        children: that the device time of each search buys at the mean of the table.
        rate: Adam's; 0: NAS-RL's.
        seeds: how many searches per set-up.
        keep: file of what is done; None: nothing is kept.
        speed: that the signal's seconds were made with, see :func:`at_speed`.
    """

    table: Table
    signal: Signal
    children: int
    rate: float
    seeds: int
    keep: Path | None
    speed: float = 0.0

    def results(self) -> dict[Setup, list[Told]]:
        """Makes those that are missing, seed by seed."""
        known, began = self._kept(), time.perf_counter()
        wanted = [(seed, setup) for seed in range(self.seeds) for setup in SETUPS[1:]]
        missing = [pair for pair in wanted if pair not in known]
        for made, (seed, setup) in enumerate(missing, start=1):
            done = search(self.table, self.signal, setup, self.children, self.rate, seed)
            for own, one in ((SETUPS[0], done.serial()), (setup, done))[setup.replicas > 1 :]:
                known[seed, own] = one.told(self.signal)
                self._add(seed, own, known[seed, own])
            left = (time.perf_counter() - began) / made * (len(missing) - made)
            print(f"seed {seed}, {setup.name}: about {left / 60:.0f} minutes left", file=sys.stderr, flush=True)
        return {setup: [known[seed, setup] for seed in range(self.seeds)] for setup in SETUPS}

    @property
    def _name(self) -> str:
        at_speed = f" {self.speed:g} MACs/s" if self.speed else ""
        return f"{self.table.name} {self.children} {self.rate:g}{at_speed}"

    def _kept(self) -> dict[tuple[int, Setup], Told]:
        lines = self.keep.read_text(encoding="utf-8").splitlines() if self.keep and self.keep.exists() else []
        found = [json.loads(line) for line in lines if line.endswith("}")]  # a killed command may leave half a line
        return {(one["seed"], Setup(*one["setup"])): Told(**one["told"]) for one in found if one["study"] == self._name}

    def _add(self, seed: int, setup: Setup, told: Told) -> None:
        if self.keep:
            line = {"study": self._name, "seed": seed, "setup": astuple(setup), "told": asdict(told)}
            with self.keep.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def rows(results: dict[Setup, list[Told]]) -> list[str]:
    """The table in markdown."""
    heads = (
        "devices",
        "simulated hours",
        "devices busy",
        "updates",
        "staleness, mean (largest)",
        f"hours until a child is in the top {100 * (1 - BEST_GOAL):.1g} %",
        f"hours until the mean child is in the top {100 * (1 - POLICY_GOAL):.0f} %",
        f"accuracy told of the last {WINDOW} children, %",
        "score of the best child, %",
    )
    lines = [f"| {' | '.join(heads)} |", f"| :--- |{' ---: |' * (len(heads) - 1)}"]
    for setup, told in results.items():
        facts = {name: np.array([one.facts.get(name, np.nan) for one in told]) for name in told[0].facts}
        cells = (
            setup.name,
            f"{facts['simulated_wall'].mean() / 3600:.3g}",
            f"{100 * facts['busy'].mean():.0f} %",
            f"{facts['updates'].mean():.0f}",
            f"{facts['staleness'].mean():.1f} ({facts['most_staleness'].max():.0f})",
            _hours(facts["best_seconds"]),
            _hours(facts["policy_seconds"]),
            f"{100 * facts['recent'].mean():.2f}",
            f"{100 * facts['score'].mean():.2f} ± {100 * facts['score'].std(ddof=1):.2f}" if len(told) > 2 else "",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _hours(seconds: np.ndarray) -> str:
    """The median, and how many searches have got there if not all."""
    there = seconds[~np.isnan(seconds)]
    if 2 * len(there) < len(seconds):
        return f"– ({len(there)} of {len(seconds)})"
    some = "" if len(there) == len(seconds) else f" ({len(there)} of {len(seconds)})"
    return f"{np.median(there) / 3600:.3g}{some}"


def draw(study: Study, results: dict[Setup, list[Told]], target: Path) -> None:
    """What the controller proposes, over simulated time and over device time."""
    with figure(target, 11, 4.4) as canvas:
        canvas.suptitle(f"REINFORCE by controller replicas on {study.table.name}, {study.seeds} seeds", fontsize=11)
        left, right = canvas.add_subplot(1, 2, 1), canvas.add_subplot(1, 2, 2)
        for place, (setup, told) in enumerate(results.items()):
            style: dict[str, Any] = {
                "color": PALETTE[(0, 1, 2, 2, 4, 4)[place]],
                "linestyle": "--" if setup.synchronous else "-",
                "label": setup.name,
            }
            heights = 100 * np.mean([one.recent for one in told], axis=0)
            left.plot(np.exp(np.mean(np.log([one.seconds for one in told]), axis=0)), heights, **style)
            ends = np.linspace(WINDOW, np.mean([one.facts["children"] for one in told]), POINTS)
            right.plot(ends, heights, **style)
        goal = 100 * float(np.quantile(study.signal.accuracy, POLICY_GOAL))
        for axes in (left, right):
            axes.axhline(goal, color="#bbbbbb", linewidth=0.8)
            axes.grid(color="#dddddd", linewidth=0.5)
        left.set(xscale="log", xlabel="simulated seconds", ylabel=f"accuracy told of the last {WINDOW} children, %")
        count_logarithmically(left.xaxis)
        right.set(xlabel="children trained")
        canvas.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9, frameon=False)


def at_speed(table: Table, signal: Signal, speed: float) -> Signal:
    """The signal, with children that take their multiply-accumulates at a speed and not the table's seconds.

    For a table whose seconds are those of several kinds of machines, or of none.

    Args:
        table, signal: what is looked up.
        speed: multiply-accumulates per second; 0: the table's seconds stay.

    Raises:
        InputError: the table does not say what was trained.
    """
    if not speed:
        return signal
    if signal.trained is None:
        raise InputError(f"'{table.name}' does not say what was trained; leave --speed out")
    macs = np.zeros(len(signal.seconds))
    for text, row in table.rows.items():
        if not macs[row]:
            macs[row] = signal.trained.macs(table.space, table.space.parse(text))
    seconds = macs / speed
    return replace(signal, seconds=seconds, repeats=tuple(replace(one, seconds=seconds) for one in signal.repeats))


def loaded(name: str, data: Path) -> Table:
    """The table with this name on the command line.

    Raises:
        InputError: it is no table, or not there.
    """
    base, _, argument = name.partition(":")
    source = load_dataset(Catalogue().source("dataset", base), argument)
    if reason := source.missing(data):
        raise InputError(reason)
    found = source.load(data)
    if not isinstance(found, Table):
        raise InputError(f"'{name}' is no table; children are looked up")
    return found


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("figure", nargs="?", type=Path, help="PNG file to draw")
    parser.add_argument("--table", default="nasbench201/cifar10")
    parser.add_argument("--signal", default="", help="what a search is told; the table's first one")
    parser.add_argument("--data", type=Path, default=Path("data"), help="directory of the data sets")
    parser.add_argument("--children", type=int, default=12_800, help="that the device time buys; the paper's")
    parser.add_argument("--rate", type=float, default=0.0, help="of Adam; 0: as NAS-RL has it for so many children")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument(
        "--speed", type=float, default=0.0, help="multiply-accumulates per second of a device; 0: the table's seconds"
    )
    parser.add_argument("--keep", type=Path, help="file of what is done; the same command continues it")
    options = parser.parse_args()
    if options.children < 2 * WINDOW or options.seeds < 1 or options.speed < 0:
        parser.error(f"give --children {2 * WINDOW} or more, one seed or more, and no speed below 0")
    try:
        table = loaded(options.table, options.data)
        signal = table.signals[table.signal(options.signal or next(iter(table.signals)))]
        signal = at_speed(table, signal, options.speed)
    except InputError as error:
        parser.error(str(error))
    study = Study(table, signal, options.children, options.rate, options.seeds, options.keep, options.speed)
    with threadpool_limits(1):  # the matrices are small: more threads only get into each other's way
        results = study.results()
    print("\n".join(rows(results)))
    if options.figure:
        draw(study, results, options.figure)


if __name__ == "__main__":
    main()
