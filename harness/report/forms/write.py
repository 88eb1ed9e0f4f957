"""Writes all that the report has to say about some runs into a directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.core.errors import InputError
from harness.core.files import replace_text
from harness.core.record import Record, Run
from harness.report.drawing.diagram import critical_difference, rankings
from harness.report.forms.cost import cost
from harness.report.forms.html import report_html
from harness.report.forms.html_blocks import Decode
from harness.report.forms.latex import cost_tex, performance_tex
from harness.report.forms.sheets import cost_csv, performance_csv, records_csv
from harness.report.forms.tables import performance
from harness.report.plots import accuracy_parameters, anytime
from harness.report.stats.page import statistics


def _nothing(record: Record) -> None:
    """Decodes no proposal: they are shown as text."""


def write_all(runs: Sequence[Run], directory: Path, decode: Decode = _nothing) -> list[Path]:
    """Writes the tables as markdown, CSV and LaTeX, the statistics, the plots, and ``report.html`` with all of it.

    ``critical_difference.png`` is there with enough data sets only. Existing files of these names are replaced.

    Args:
        runs: at least one.
        directory: made, if it is not there.
        decode: tells which architecture a record's proposal means; it is drawn on the page.

    Returns:
        The paths of all files.

    Raises:
        InputError: there are no runs, or the directory cannot be written.
    """
    if not runs:
        raise InputError("there are no runs to report on; run some first")
    texts = {
        "performance.md": performance(runs),
        "performance.csv": performance_csv(runs),
        "performance.tex": performance_tex(runs),
        "cost.md": cost(runs),
        "cost.csv": cost_csv(runs),
        "cost.tex": cost_tex(runs),
        "statistics.md": statistics(runs),
        "records.csv": records_csv(runs),
    }
    figures = {"anytime.png": anytime, "accuracy_parameters.png": accuracy_parameters}
    if rankings(runs):
        figures["critical_difference.png"] = critical_difference
    files = [*texts, *figures]
    texts["report.html"] = report_html(runs, directory, decode, texts["statistics.md"], files)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            replace_text(directory / name, text)
        for name, draw in figures.items():
            draw(runs, directory / name)
    except OSError as error:
        raise InputError(f"the report cannot be written to {directory} ({error}); name another directory") from error
    return [directory / name for name in (*files, "report.html")]
