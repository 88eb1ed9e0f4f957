"""Reads the directories that runs leave behind. Whatever is wrong with a file is one sentence that names it."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import InputError
from harness.core.record import EvaluationRow, ProposalRow, Record, Run, phase_note, trained
from harness.core.stored import AGAIN, LogRow, read_record, read_rows


def load_runs(directory: Path) -> list[Run]:
    """Every finished run below ``directory``, at any depth, in an order that depends on the records only.

    A run without ``record.json``, or of which a phase is under way, has not ended and is left out. So is a record below
    the directory of a run: a search may have put it there.

    Raises:
        InputError: no record at all, a record or a log that cannot be read, or two records of the same run, which
            would count one seed twice.
    """
    found = set(directory.rglob("record.json")) if directory.is_dir() else set()
    paths = sorted(path for path in found if not _is_foreign(path, found))
    if not paths:
        raise InputError(f"there is no record.json below {directory}; give the directory that a run was written to")
    known: dict[tuple[Any, ...], Run] = {}
    for path in paths:
        run = load_run(path.parent)
        key = run_key(run)
        if key in known:
            raise InputError(
                f"{path.parent} and {known[key].path} hold the same run; report on one output directory at a time"
            )
        known[key] = run
    return [known[key] for key in sorted(known)]


def _is_foreign(path: Path, found: Container[Path]) -> bool:
    """Whether a record was not written by the parent of its run, as far as its surroundings tell."""
    run = path.parent
    return phase_note(run).exists() or any(above / path.name in found for above in run.parents)


def load_run(directory: Path) -> Run:
    """The run whose files lie in ``directory``; logs that are not there are empty.

    Raises:
        InputError: the record or a log cannot be read.
    """
    path = directory / "record.json"
    record = read_record(path)
    log = directory / "evaluations.jsonl"
    evaluations = _rows(log, EvaluationRow)
    if log.exists():  # a search on a table may keep none
        _check_whole(record, evaluations, log)
    return Run(
        path=directory,
        record=record,
        evaluations=evaluations,
        proposals=_rows(directory / "proposals.jsonl", ProposalRow),
    )


def run_key(run: Run) -> tuple[str, str, str, str, str, int]:
    """What tells one run from another; also the order of runs everywhere in the report."""
    record = run.record
    return record.profile, record.budget, record.space, record.dataset, record.method, record.seed


def _check_whole(record: Record, evaluations: Sequence[EvaluationRow], path: Path) -> None:
    """Refuses a log that has lost rows, or won some: curves and costs would be others than those of the search."""
    logged = trained(evaluations)
    counted = record.search.get("evaluations")
    if record.status == "ok" and counted is not None and logged != counted:
        record_file = path.with_name("record.json")
        raise InputError(f"{record_file} counts {counted:g} evaluations, and {path.name} holds {logged}; {AGAIN}")


def _rows(path: Path, kind: type[LogRow]) -> tuple[LogRow, ...]:
    """The rows of a log, in a sentence where there can be none."""
    try:
        return tuple(read_rows(path, kind))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {AGAIN}") from error
    except ValueError as error:
        raise InputError(f"{path} cannot be read ({error}); {AGAIN}") from error
