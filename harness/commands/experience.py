"""What the searches of a directory have learned, as a file that a search on another data set may begin with."""

from __future__ import annotations

import csv
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

from harness.commands.outputs import check_output
from harness.core.errors import InputError
from harness.core.files import replacing
from harness.core.record import Record, Run
from harness.core.signal import ACCURACY
from harness.report.gate.differences import leaves
from harness.report.model.groups import signal_of
from harness.report.model.load import load_runs

COLUMNS = ("dataset", "space", "genotype", "accuracy")


def write_experience(directory: Path, file: Path) -> int:
    """Writes the validation accuracies of all complete trainings that the searches have logged; how many they are.

    A search on a table logs its proposals only. Nothing of the test set is written: records are read for their names.

    Raises:
        InputError: there are no such trainings, searches were told another number, or trained otherwise, or on other
            data of the same name, or ``file`` cannot be written: no search could read one among the runs, or in the
            checkout.
    """
    path = check_output(file, (".csv",), [directory], checkout=False)
    runs = load_runs(directory)
    for run in runs:
        if (told := signal_of(run.record.recipes)) != ACCURACY:
            raise InputError(f"the searches in {directory} were told {told}, and a file of experience is of accuracies")
    logged = {run.path: [*_rows(run)] for run in runs}
    _check_alike([run for run in runs if logged[run.path]])
    rows = [row for found in logged.values() for row in found]
    if not rows:
        raise InputError(f"no search in {directory} has logged an accuracy; there is nothing to learn from")
    try:
        with replacing(path) as new, new.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([COLUMNS, *rows])
    except OSError as error:
        raise InputError(f"{file} cannot be written ({error.strerror or error})") from error
    return len(rows)


def _check_alike(runs: Sequence[Run]) -> None:
    """Looks whether networks of one space were trained alike on one data set: else their accuracies do not compare.

    What a record does not say, as older ones do not, is not compared.

    Raises:
        InputError: they were not.
    """
    known: dict[Hashable, tuple[Run, object]] = {}
    for run in runs:
        for what, value in _made_with(run.record):
            other, before = known.setdefault((run.record.dataset, run.record.space, what), (run, value))
            if before != value:
                told = f"different proxy trainings: {what} is {before} in the one and {value} in the other"
                if what == "data":
                    told = f"different data of the name '{run.record.dataset}'"
                raise InputError(
                    f"{other.path} and {run.path} were made with {told}, so their accuracies do not compare; give a "
                    "directory of runs that were made alike, as that of one profile"
                )


def _made_with(record: Record) -> Iterator[tuple[str, object]]:
    """What an accuracy depends on besides the network: its name, and what it is."""
    if checksum := record.provenance.get("data"):
        yield "data", checksum
    yield from leaves(record.recipes.get("proxy", {})).items()


def _rows(run: Run) -> Iterator[tuple[str, str, str, float]]:
    for row in run.evaluations:
        if not row["failure"] and row.get("share", 1.0) == 1:
            yield run.record.dataset, run.record.space, row["genotype"], row["accuracy"]
    # A table's runs have no log of evaluations, and a proposal does not say how far its training went: with rungs, not
    # every one of them was complete.
    told = () if run.evaluations or "planned_rungs" in run.record.search else run.proposals
    for proposal in told:
        accuracy = proposal["accuracy"]
        if accuracy is not None and not proposal["shared_weights"]:
            yield run.record.dataset, run.record.space, proposal["genotype"], accuracy
