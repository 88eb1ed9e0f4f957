"""Reads the directories that runs leave behind. Whatever is wrong with a file is one sentence that names it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from harness.core.errors import InputError
from harness.core.files import there
from harness.core.names import one_line
from harness.core.record import EvaluationRow, ProposalRow, Run, trained
from harness.report.model.numbers import plural
from harness.stored.fields import AGAIN, read_record
from harness.stored.logs import LogRow, read_rows
from harness.stored.runs import RECORD, Found, begun_as, check_inputs_are_of, check_place, find_runs

_NAMED = 5
"""Runs that have not ended, of which a sentence says the names."""


class Runs(list[Run]):
    """Runs, and the directories of those that have not ended and are left out."""

    def __init__(self, runs: Iterable[Run], unended: Sequence[Path] = ()) -> None:
        super().__init__(runs)
        self.unended = tuple(unended)


def load_runs(directory: Path, found: Found | None = None) -> Runs:
    """Every finished run below ``directory``, at any depth, in an order that depends on the records only.

    Args:
        directory: to look below.
        found: what lies there; None: it is looked up.

    Raises:
        InputError: no record at all, a directory, a record or a log that cannot be read, a record of another run than
            its directory's, or two records of the same run, which would count one seed twice.
    """
    found = found or find_runs(directory)
    if not found.ended and found.unended:
        raise InputError(f"no run below {directory} has ended; the same run command continues them")
    if not found.ended:
        raise InputError(f"there is no record.json below {directory}; give the directory that a run was written to")
    known: dict[tuple[Any, ...], Run] = {}
    for path in found.ended:
        run = load_run(path)
        if path.name.isdecimal():  # else somebody has called it otherwise, and its place says nothing
            check_place(run.record, path, path.relative_to(directory).parts)
        key = run_key(run)
        if key in known:
            raise InputError(
                f"{path} and {known[key].path} hold the same run; report on one output directory at a time"
            )
        known[key] = run
    return Runs((known[key] for key in sorted(known)), found.unended)


def about_unended(runs: Sequence[Run]) -> list[str]:
    """A sentence on the runs that have not ended, if there are any."""
    return sentences_on(runs.unended) if isinstance(runs, Runs) else []


def sentences_on(unended: Sequence[Path]) -> list[str]:
    """Which runs have not ended, in a sentence; none without such runs."""
    if not unended:
        return []
    names = [_name(run) for run in unended[:_NAMED]]
    names += [f"and {len(unended) - _NAMED} more"] if len(unended) > _NAMED else []
    have, are, them = ("has", "is", "it") if len(unended) == 1 else ("have", "are", "them")
    told = f"{plural(len(unended), 'run')} {have} not ended and {are} left out ({', '.join(names)})"
    return [f"{told}; the same run command continues {them}"]


def _name(run: Path) -> str:
    """Method and seed of a run, by what was noted when it was begun, or by its path."""
    begun = begun_as(run)
    method, seed = begun.get("method", unquote(run.parent.name)), begun.get("seed", run.name)
    return one_line(f"{method} seed {seed}", 100)


def load_run(directory: Path) -> Run:
    """The run whose files lie in ``directory``; logs that are not there are empty, as those of a failed run may be.

    Raises:
        InputError: the record or a log cannot be read, or the record is of another run.
    """
    record = read_record(directory / RECORD)
    check_inputs_are_of(record, directory)
    log = directory / "evaluations.jsonl"
    run = Run(
        path=directory,
        record=record,
        evaluations=_rows(log, EvaluationRow),
        proposals=_rows(directory / "proposals.jsonl", ProposalRow),
    )
    if record.status == "ok":
        if there(log):  # a search on a table may keep none
            _check_whole(run, "evaluations", trained(run.evaluations))
        _check_whole(run, "proposals", len(run.proposals))
        if not run.proposals:
            raise InputError(f"{directory / RECORD} says 'ok', and there is no proposal in proposals.jsonl; {AGAIN}")
    return run


def run_key(run: Run) -> tuple[str, str, str, str, str, int]:
    """What tells one run from another; also the order of runs everywhere in the report."""
    record = run.record
    return record.profile, record.budget, record.space, record.dataset, record.method, record.seed


def _check_whole(run: Run, what: str, logged: int) -> None:
    """Refuses a log that has lost rows, or won some: curves and costs would be others than those of the search."""
    counted = run.record.search.get(what)
    if counted is not None and logged != counted:
        raise InputError(f"{run.path / RECORD} counts {counted:g} {what}, and {what}.jsonl holds {logged}; {AGAIN}")


def _rows(path: Path, kind: type[LogRow]) -> tuple[LogRow, ...]:
    """The rows of a log, in a sentence where there can be none."""
    try:
        return tuple(read_rows(path, kind))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {AGAIN}") from error
    except ValueError as error:
        raise InputError(f"{path} cannot be read ({error}); {AGAIN}") from error
