"""``run``: compares methods, from a request to records and tables."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.named import check_architectures, check_data_sets
from harness.commands.sources import with_sources
from harness.core.errors import InputError
from harness.core.files import there
from harness.core.record import Record, Run
from harness.plugins.catalogue import PACKAGES, Catalogue
from harness.run.backends import in_a_process, make_backend
from harness.run.plan import make_plan
from harness.run.progress import screen_for
from harness.run.provenance import provenance
from harness.run.request import Request
from harness.run.scheduler import Scheduler
from harness.run.search import try_settings
from harness.run.store import RunDirectory

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Results:
    """What a comparison has found.

    Args:
        records: one per run, by data set, method and seed; failed runs are among them, with a reason.
        out: the directory of the records.
    """

    records: tuple[Record, ...]
    out: Path

    @property
    def failed(self) -> tuple[Record, ...]:
        """The records of failed runs."""
        return tuple(record for record in self.records if record.status == "failed")

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The records with the logs of their searches."""
        return tuple(_run(record, self.out) for record in self.records)

    def table(self) -> str:
        """The table of test accuracies, as markdown."""
        from harness.report.forms.markdown import markdown
        from harness.report.model.performance import performance

        return markdown(performance(self.runs))

    def cost(self) -> str:
        """The table of what the searches and the trainings took, as markdown."""
        from harness.report.forms.markdown import markdown
        from harness.report.model.cost import cost

        return markdown(cost(self.runs))

    def statistics(self) -> str:
        """Spread, intervals, comparisons with random search and ranks, as markdown."""
        from harness.report.forms.markdown import markdown
        from harness.report.stats.page import statistics

        return markdown(statistics(self.runs))

    def to_dicts(self) -> list[dict[str, Any]]:
        """The records as plain values, for ``pandas.DataFrame`` or ``json.dumps``."""
        return [json.loads(record.to_json()) for record in self.records]

    def write(self) -> None:
        """Writes tables, statistics, plots and ``report.html`` of all runs in :attr:`out`, as ``report`` does.

        Raises:
            StorageError: they cannot be written.
        """
        from harness.commands.report import tables

        tables(self.out)


def compare(
    request: Request, *, command: str, backend: str = "local", address: str = "", console: Console | None = None
) -> Results:
    """Does what a request asks for.

    Args:
        request: of the command.
        command: as it was given, for the records.
        backend: name of the back end.
        address: of a cluster, for a back end that has one.
        console: where progress is shown; None for nowhere.

    Raises:
        InputError: something in the request cannot be used; nothing was done then.
        KeyboardInterrupt: passed on after every process was stopped; the same request continues.
    """
    catalogue = Catalogue(request.plugins)
    check_data_sets(request.datasets, catalogue)
    check_architectures(request.architectures, catalogue)
    request = with_sources(request)
    _check_settings(request)
    with contextlib.closing(make_backend(backend, request.out, address)) as chosen:
        capacity = chosen.capacity
        plan = make_plan(request, capacity)
        if console is not None:
            for note in plan.notes:
                console.print(note, markup=False, highlight=False, soft_wrap=True)
        with screen_for(console) as screen:
            records = Scheduler(plan, chosen, provenance(command, capacity.cores), screen).run()
    return Results(_sorted(records), request.out)


def _check_settings(request: Request) -> None:
    """Looks whether methods take the hyper-parameters of the command line, in processes without anything of a run.

    A plug-in's code runs behind a fence only, and a method that trains brings TensorFlow along: of these the search
    says it, as a failed row.

    Raises:
        InputError: one does not.
    """
    catalogue = Catalogue(request.plugins)
    for name in request.methods:
        if ":" not in name:
            continue
        method = catalogue.source("method", name)
        if method.settings and not method.facts().trains and method.module.startswith(f"{PACKAGES['method']}."):
            tried = in_a_process("check of the settings", try_settings, (method, request.profile.scale))
            if tried.status != "ok":
                raise InputError(tried.reason)


def _sorted(records: Sequence[Record]) -> tuple[Record, ...]:
    return tuple(sorted(records, key=lambda record: (record.dataset, record.space, record.method, record.seed)))


def _run(record: Record, out: Path) -> Run:
    from harness.report.model.load import load_run

    names = record.profile, record.dataset, record.space, record.method
    directory = RunDirectory.of(out, *names, record.seed)
    return load_run(directory.path) if there(directory.record) else Run(directory.path, record, (), ())
