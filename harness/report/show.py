"""The facts about one run, for ``show RUN`` and ``--json``."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from harness.core.record import Run
from harness.report.plots import incumbent

BEST = 5


def show(run: Run) -> dict[str, Any]:
    """Everything a person asks about one run, as plain values that ``json.dumps`` takes.

    Returns:
        ``record``: the record's fields; ``evaluations``: ``count``, ``unique``, ``failed`` and ``best``, the
        different genotypes with the highest validation accuracy (at most five, with rank, number, genotype, accuracy,
        curve, seconds, steps); ``incumbent``: ``[spent, accuracy or null]`` whenever the search changed its
        mind; ``shared_weights``: whether those accuracies come from shared weights; ``proposals``: how many there
        were.
    """
    rows = run.evaluations
    ended = [row for row in rows if not row["failure"]]
    best: dict[str, dict[str, Any]] = {}
    for row in sorted(ended, key=lambda row: (-row["accuracy"], row["number"])):
        best.setdefault(row["genotype"], row)
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
