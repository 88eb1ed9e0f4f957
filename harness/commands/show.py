"""One run, for ``show RUN``: its facts for ``--json``, and as text with its architecture and its curves."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.commands.inspection import proposed
from harness.commands.outputs import check_directory, check_output
from harness.commands.printing import print_json
from harness.core.architecture import Architecture
from harness.core.errors import InputError
from harness.core.record import Run
from harness.core.signal import SIGNALS
from harness.core.table import Measure
from harness.report.drawing.describe import describe
from harness.report.model.curves import incumbent
from harness.report.model.groups import signal_of
from harness.report.model.load import load_run

BEST = 5
_BLOCKS = "▁▂▃▄▅▆▇█"


def show_run(directory: Path, svg: Path | None, *, as_json: bool) -> None:
    """Prints one run, and draws what it has found into a file if one is named.

    Raises:
        InputError: the run cannot be read, there is nothing to draw, or the file may not be written.
    """
    check_directory(directory, of_runs=False)
    if not os.path.lexists(directory / "record.json"):
        raise InputError(f"{directory} is no run that has ended; name the directory of one, down to its seed")
    drawing = None if svg is None else check_output(svg, (".svg",))
    run = load_run(directory)
    architecture = proposed(run.record)
    if drawing is not None:
        from harness.report.drawing.draw import write_svg

        if architecture is None:
            raise InputError(f"there is nothing to draw: {directory} found no architecture of a built-in space")
        write_svg(architecture, drawing)
        print(f"wrote {svg}", file=sys.stderr)
    facts = show(run)
    if as_json:
        print_json(facts)
    else:
        for line in lines(facts, architecture):  # a search may have put anything into its log
            print("".join(mark if mark.isprintable() else " " for mark in line))


def show(run: Run) -> dict[str, Any]:
    """Everything a person asks about one run, as plain values that ``json.dumps`` takes.

    Returns:
        ``record``: the record's fields; ``evaluations``: ``count``, ``unique``, ``failed`` and ``best``, the
        different genotypes with the highest validation accuracy (at most five, with rank, number, genotype, accuracy,
        curve, seconds, steps); ``incumbent``: ``[spent, accuracy or null]`` at each change of the
        proposal; ``shared_weights``: whether those accuracies come from shared weights; ``proposals``: how many there
        were.
    """
    rows = run.evaluations
    ended = [row for row in rows if not row["failure"]]
    best: dict[str, dict[str, Any]] = {}  # by genotype
    for row in sorted(ended, key=lambda row: (-row["accuracy"], row["number"])):
        best.setdefault(row["genotype"], dict(row))
    kept = ("number", "genotype", "accuracy", "curve", "seconds", "steps")
    return {
        "record": dataclasses.asdict(run.record),
        "evaluations": {
            "count": len(rows),
            "unique": len({row["genotype"] for row in rows}),
            "failed": len(rows) - len(ended),
            "best": [
                {"rank": rank, **{name: row[name] for name in kept}}
                for rank, row in enumerate(list(best.values())[:BEST], start=1)
            ],
        },
        "incumbent": [[spent, None if math.isnan(value) else value] for spent, value in incumbent(run)],
        "shared_weights": any(row["shared_weights"] and row["accuracy"] is not None for row in run.proposals),
        "proposals": len(run.proposals),
    }


def lines(facts: Mapping[str, Any], architecture: Architecture | None) -> list[str]:
    """What a person reads of :func:`show`'s facts.

    Args:
        facts: of a run.
        architecture: what its proposal means; None where only the proposal's text can be shown.
    """
    record = facts["record"]
    found = [
        f"{record['title']} on {record['dataset']}, seed {record['seed']}, profile {record['profile']}",
        f"  status            {record['status']}{': ' + record['reason'] if record['reason'] else ''}",
        f"  budget            {record['budget']}, space {record['space']}",
    ]
    for name, words in (("test_accuracy", "test accuracy"), ("parameters", "parameters"), ("macs", "MACs")):
        if record[name] is not None:
            value = f"{100 * record[name]:.2f} %" if name == "test_accuracy" else f"{record[name]:,}"
            if name == "test_accuracy" and (own := record["recipes"].get("final", {}).get("measure")):
                measure = Measure(**own)
                words, value = measure.name, f"{measure.value(record[name]):.4g} {measure.unit}".rstrip()
            found.append(f"  {words:<17} {value}")
    for phase in ("search", "final"):
        counts = ", ".join(f"{name} {_number(value)}" for name, value in record[phase].items() if value is not None)
        if counts:
            found.append(f"  {phase:<17} {counts}")
    for number, network in enumerate(record["networks"]):
        found.append(f"  {'' if number else 'trained finally':<17} {_network(record, network)}")
    if record["metrics"]:
        more = ", ".join(f"{name} {value:.4f}" for name, value in record["metrics"].items())
        found.append(f"  {'also measured':<17} {more}")
    for name, shares in record["robustness"].items():
        found.append(f"  with {name:<12} {', '.join(f'{100 * share:.2f}' for share in shares)} %, weakest first")
    if record["settings"]:
        found.append(
            f"  settings          {', '.join(f'{name} {value}' for name, value in record['settings'].items())}"
        )
    if record["proposal"]:
        words = record["proposal"] if architecture is None else describe(architecture)
        found += ["", "found", *(f"  {line}" for line in words.splitlines())]
    accuracies = [value for _, value in facts["incumbent"] if value is not None]
    if accuracies:
        kind = "under shared weights" if facts["shared_weights"] else "after proxy training"
        told = SIGNALS[signal_of(record["recipes"])].words
        found += ["", f"incumbent's validation {told} {kind}: {sparkline(accuracies)} {100 * accuracies[-1]:.2f} %"]
    for row in facts["evaluations"]["best"]:
        found.append(f"  {row['rank']}. {100 * row['accuracy']:.2f} % {sparkline(row['curve'])} {row['genotype']}")
    return found


def _network(record: Mapping[str, Any], network: Mapping[str, Any]) -> str:
    """One of several final trainings in a line."""
    told = network.get("failure", "")
    if not told:
        names = (("validation", "validation_accuracy"), ("test", "test_accuracy"))
        told = ", ".join(f"{words} {100 * network[name]:.2f} %" for words, name in names if name in network)
    mark = ", chosen" if network["rank"] == record["final"].get("chosen") else ""
    return f"{network.get('member', network['rank'])}. {told}{mark}: {network['genotype']}"


def sparkline(values: Sequence[float]) -> str:
    """Values as blocks between the smallest and the largest of them."""
    if not values:
        return ""
    low, high = min(values), max(values)
    step = (high - low) / (len(_BLOCKS) - 1) or 1.0
    return "".join(_BLOCKS[round((value - low) / step)] for value in values)


def _number(value: float) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else str(value)
