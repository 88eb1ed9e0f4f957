"""What the searches of a directory have learned, as a file that a search on another data set may begin with."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from harness.commands.outputs import check_output
from harness.core.errors import InputError
from harness.core.files import replacing
from harness.core.record import Run
from harness.core.signal import ACCURACY
from harness.report.model.groups import signal_of
from harness.report.model.load import load_runs

COLUMNS = ("dataset", "space", "genotype", "accuracy")


def write_experience(directory: Path, file: Path) -> int:
    """Writes the validation accuracies of all complete trainings that the searches have logged; how many they are.

    A search on a table logs its proposals only. Nothing of the test set is written: records are read for their names.

    Raises:
        InputError: there are no such trainings, searches were told another number, or ``file`` cannot be written: no
            search could read one among the runs, or in the checkout.
    """
    path = check_output(file, (".csv",), [directory], checkout=False)
    runs = load_runs(directory)
    for run in runs:
        if (told := signal_of(run.record.recipes)) != ACCURACY:
            raise InputError(f"the searches in {directory} were told {told}, and a file of experience is of accuracies")
    rows = [row for run in runs for row in _rows(run)]
    if not rows:
        raise InputError(f"no search in {directory} has logged an accuracy; there is nothing to learn from")
    try:
        with replacing(path) as new, new.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([COLUMNS, *rows])
    except OSError as error:
        raise InputError(f"{file} cannot be written ({error.strerror or error})") from error
    return len(rows)


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
