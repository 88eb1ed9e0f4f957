"""Writes all that the report has to say about some runs into a directory."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.core.errors import InputError, StorageError
from harness.core.families import Member
from harness.core.files import replace_text
from harness.core.record import Record, Run
from harness.report.drawing.diagram import critical_difference, rankings
from harness.report.drawing.leads import leads_document
from harness.report.forms.cards import Decode
from harness.report.forms.csv_files import records_csv, tables_csv
from harness.report.forms.html import report_html
from harness.report.forms.latex import tables_tex
from harness.report.forms.markdown import markdown
from harness.report.model.cost import cost, cost_table
from harness.report.model.families import families
from harness.report.model.groups import blocks
from harness.report.model.metrics import by_accuracy
from harness.report.model.performance import performance, performance_table
from harness.report.plots import accuracy_parameters, anytime
from harness.report.stats.page import statistics
from harness.report.stats.verdict import verdicts

_DIAGRAM = "critical_difference.png"
_LEADS = "leads.svg"


def _nothing(record: Record) -> None:
    """Decodes no proposal: they are shown as text."""


def write_all(
    runs: Sequence[Run], directory: Path, decode: Decode = _nothing, members: Sequence[Member] = ()
) -> list[Path]:
    """Writes the tables as markdown, CSV and LaTeX, the statistics, the families, the plots, and ``report.html`` with
    all of it.

    ``critical_difference.png`` is there with enough data sets only, ``leads.svg`` with enough seeds; else older ones
    are removed. Existing files of
    these names are replaced when all new ones are whole, so that a full disk leaves no mixture of two reports.

    Args:
        runs: at least one.
        directory: made, if it is not there.
        decode: tells which architecture a record's proposal means; it is drawn on the page.
        members: the methods that there are, for the page of families.

    Returns:
        The paths of all files.

    Raises:
        InputError: there are no runs.
        StorageError: the directory cannot be written.
    """
    if not runs:
        raise InputError("there are no runs to report on; run some first")
    accuracies = [performance_table(block) for block in blocks(runs)]
    costs = [cost_table(block, dataset) for block in blocks(runs) for dataset in block.datasets]
    numbers, known = statistics(runs), families(members, runs)
    told = verdicts(runs)
    texts = {
        "performance.md": markdown(performance(runs)),
        "performance.csv": tables_csv(accuracies),
        "performance.tex": tables_tex(accuracies),
        "cost.md": markdown(cost(runs)),
        "cost.csv": tables_csv(costs),
        "cost.tex": tables_tex(costs),
        "statistics.md": markdown(numbers),
        "families.md": markdown(known),
        "records.csv": records_csv(by_accuracy(runs)),
    }
    if leads := leads_document([(one.block, one.stands) for one in told]):
        texts[_LEADS] = leads
    figures = {"anytime.png": anytime, "accuracy_parameters.png": accuracy_parameters}
    if rankings(runs):
        figures[_DIAGRAM] = critical_difference
    files = [*texts, *figures]
    texts["report.html"] = report_html(runs, directory, decode, told, numbers, files, known)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".report-", dir=directory) as new:
            for name, text in texts.items():
                replace_text(Path(new, name), text)
            for name, draw in figures.items():
                draw(runs, Path(new, name))
            for name in (*texts, *figures):
                Path(new, name).replace(directory / name)
        for name in {_DIAGRAM, _LEADS} - {*texts, *figures}:  # older ones, of runs that are not all here any more
            Path(directory, name).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"the runs are stored, but their report cannot be written into {directory} ({error.strerror or error}); "
            f"make room, or make the directory writable, then: python -m harness report {shlex.quote(str(directory))}"
        ) from error
    return [directory / name for name in (*files, "report.html")]
