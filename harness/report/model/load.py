"""Reads the directories that runs leave behind."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, get_args

from harness.core.errors import InputError
from harness.core.record import Record, Run, Status

EVALUATION_KEYS = ("number", "genotype", "accuracy", "curve", "seconds", "steps", "failure", "spent")
PROPOSAL_KEYS = ("genotype", "accuracy", "spent", "shared_weights")


def load_runs(directory: Path) -> list[Run]:
    """Every finished run below ``directory``, at any depth, in an order that depends on the records only.

    A run without ``record.json`` has not ended and is left out.

    Raises:
        InputError: no record at all, a record or a log that cannot be read, or two records of the same run, which
            would count one seed twice.
    """
    paths = sorted(directory.rglob("record.json")) if directory.is_dir() else []
    if not paths:
        raise InputError(f"there is no record.json below {directory}; give the directory that a run was written to")
    found: dict[tuple[Any, ...], Run] = {}
    for path in paths:
        run = load_run(path.parent)
        key = run_key(run)
        if key in found:
            raise InputError(
                f"{path.parent} and {found[key].path} hold the same run; report on one output directory at a time"
            )
        found[key] = run
    return [found[key] for key in sorted(found)]


def load_run(directory: Path) -> Run:
    """The run whose files lie in ``directory``; logs that are not there are empty.

    Raises:
        InputError: the record or a log cannot be read.
    """
    path = directory / "record.json"
    record = Record.read(path)
    problem = _problem(record)
    if problem:
        raise InputError(f"{path} is damaged: {problem}; delete its directory to run it again")
    return Run(
        path=directory,
        record=record,
        evaluations=_rows(directory / "evaluations.jsonl", EVALUATION_KEYS),
        proposals=_rows(directory / "proposals.jsonl", PROPOSAL_KEYS),
    )


def run_key(run: Run) -> tuple[str, str, str, str, str, int]:
    """What tells one run from another; also the order of runs everywhere in the report."""
    record = run.record
    return record.profile, record.budget, record.space, record.dataset, record.method, record.seed


def _problem(record: Record) -> str:
    if record.status not in get_args(Status):
        return f"its status is {record.status!r}"
    for name in ("settings", "recipes", "search", "final", "provenance"):
        if not isinstance(getattr(record, name), dict):
            return f"its field '{name}' is no object"
    for name in ("reason", "profile", "dataset", "space", "method", "title", "budget", "proposal", "native"):
        if not isinstance(getattr(record, name), str):
            return f"its field '{name}' is no text"
    numbers = [getattr(record, name) for name in ("test_accuracy", "parameters", "macs")]
    numbers += [record.seed, *record.search.values(), *record.final.values()]
    if any(number is not None and not _is_number(number) for number in numbers):
        return "one of its numbers is none"
    if record.status == "ok" and record.test_accuracy is None:
        return "it says 'ok' but has no test accuracy"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _rows(path: Path, keys: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    """The rows of a log. A last line without its newline may be half a row: a killed process left it."""
    if not path.exists():
        return ()
    lines = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict) or any(key not in row for key in keys):
                raise ValueError(f"it lacks one of {', '.join(keys)}")
        except ValueError as error:
            if number == len(lines):
                break
            raise InputError(
                f"line {number} of {path} is no row ({error}); delete its directory to run it again"
            ) from error
        rows.append(row)
    return tuple(rows)
