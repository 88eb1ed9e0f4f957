"""Refuses to put runs into one table that are not of one experiment."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from harness.core.errors import InputError
from harness.core.record import Run
from harness.report.gate.differences import leaves
from harness.report.model.groups import extra_of, limit_of, table_of


def check_one_experiment(runs: Sequence[Run]) -> None:
    """Looks whether the runs of each table were made alike: same images, in a space same recipes, same settings.

    What a record does not say, as older ones do not, is not compared.

    Raises:
        InputError: they were not.
    """
    known: dict[Hashable, tuple[Run, object]] = {}
    for run in runs:
        for what, group, value in _facts(run):
            other, before = known.setdefault((what, group), (run, value))
            if before != value:
                told = f"different settings: {what} is {before} in the one and {value} in the other"
                if what == "data":
                    told = f"different data of the name '{run.record.dataset}'"
                raise InputError(
                    f"{other.path} and {run.path} were made with {told}; they do not belong in one table, so "
                    "move the runs with the one into another directory"
                )


def _facts(run: Run) -> Iterator[tuple[str, Hashable, object]]:
    """What has to be the same: its name, of which runs, and what it is."""
    record = run.record
    if checksum := record.provenance.get("data"):
        # Also of runs in different tables: searches are told, and networks judged, by these images.
        yield "data", (record.profile, record.budget, record.dataset), checksum
    table = (*table_of(run), limit_of(record), record.dataset, record.space)
    for name, value in leaves(record.settings).items():
        yield name, (*table, record.method), value
    # A published network has its own size, and networks with more filters a training of their own.
    alike = record.method if "network" in record.recipes else tuple(sorted(extra_of(record).items()))
    for part in ("proxy", "final", "network", "images"):
        for name, value in leaves(record.recipes.get(part, {})).items():
            yield f"{part}.{name}", (*table, alike), value
