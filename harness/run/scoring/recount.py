"""What a search has been charged, counted again by the parent: the meter was in the method's hands.

The log has a row with the cost of each evaluation. Gradient steps that a method takes itself are in no row, and a
search on a table keeps no log: of these the parent knows only the sum that the search has reported.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, get_args, get_origin, get_type_hints

from harness.core.files import read_text
from harness.core.record import refuse_constant, trained
from harness.run.job import Job

_BLANK = " \t\r\n\x0b\x0c"
"""What the report takes for white space."""
_SLACK = 1e-6
_MACS_SLACK = 0.05  # a network is counted before it is built, and again when it is trained


def check_charged(job: Job, search: Mapping[str, float], evaluations: Sequence[Mapping[str, Any]]) -> None:
    """Refuses a search that went on after its budget was spent.

    The last evaluation may overrun a budget that counts no work, because nobody knows before how long it takes.

    Args:
        job: whose search is over.
        search: what it has reported.
        evaluations: the rows of its log.

    Raises:
        ValueError: it was charged more than the budget allows; the message is a sentence.
    """
    budget = job.profile.budget
    slack = 1 + (_MACS_SLACK if budget.unit == "macs" else _SLACK)
    charged = search.get("charged", 0.0)
    if budget.counted and not 0 <= charged <= budget.amount * slack:
        raise ValueError(_sentence(charged, job))
    costs = _costs(job, evaluations)
    logged = math.fsum(costs if budget.counted else costs[:-1])
    if min(costs, default=0.0) < 0 or logged > budget.amount * slack:
        raise ValueError(_sentence(logged, job))


def check_counted(job: Job, search: Mapping[str, float], evaluations: Sequence[Mapping[str, Any]]) -> None:
    """Refuses a log that has lost rows, or won some: curves and costs would be others than those of the search.

    Args:
        job, search, evaluations: as with :func:`check_charged`.

    Raises:
        ValueError: it has; the message is a sentence.
    """
    counted = search.get("evaluations")
    # A look-up keeps its log in memory.
    if counted is None or not (job.prepared.tensorflow or job.directory.evaluations.exists()):
        return
    logged = trained(evaluations)
    if logged != counted:
        raise ValueError(f"the search counted {counted:g} evaluations, and its log holds {logged}")


def rows_of(log: Path, kind: type) -> list[dict[str, Any]]:
    """The rows of a log, of which none is such that the report refuses it; a last line may be torn, by a kill.

    Args:
        log: one that is not there has no rows.
        kind: a ``TypedDict``.

    Raises:
        OSError, ValueError: it cannot be read, or holds something else; the message is a sentence.
    """
    if not log.exists():
        return []
    rows, lines = list[dict[str, Any]](), read_text(log).split("\n")
    for number, text in enumerate(lines, start=1):
        if not text.strip(_BLANK):
            continue
        try:
            row = json.loads(text, parse_constant=refuse_constant)
            json.dumps(row, ensure_ascii=False).encode()  # half a character is none
            right = _is_row(row, kind)
        except (ValueError, RecursionError, OverflowError):
            right = False
            if number == len(lines):
                break
        if not right:
            raise ValueError(f"line {number} of {log.name} is no row of this log")
        rows.append(row)
    return rows


@functools.cache
def _fields(kind: type) -> tuple[frozenset[str], dict[str, Any]]:
    """Names that a row has to have, and types by name."""
    stated = get_type_hints(kind, include_extras=True)
    needed = frozenset(name for name, hint in stated.items() if get_origin(hint) is not NotRequired)
    return needed, get_type_hints(kind)


def _is_row(row: object, kind: type) -> bool:
    needed, hints = _fields(kind)
    return (
        isinstance(row, dict)
        and needed <= row.keys()
        and all(_is(row[name], hint) for name, hint in hints.items() if name in row)
    )


def _is(value: object, hint: Any) -> bool:
    """Whether a value of JSON is of a type; numbers are finite, and a truth value is none."""
    if hint is bool or hint is str:
        return isinstance(value, hint)
    if hint in (int, float):
        number = isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
        return number and math.isfinite(value)  # type: ignore[arg-type]
    of = get_args(hint)  # of a list, or of an alternative to None
    if value is None:
        return type(None) in of
    if isinstance(value, list):
        return get_origin(hint) is list and all(_is(one, of[0]) for one in value)
    return get_origin(hint) is not list and _is(value, of[0])


def _sentence(charged: float, job: Job) -> str:
    unit = job.profile.budget.unit
    return f"the search was charged {charged:.6g} {unit}, and its budget is {job.profile.budget}"


def _costs(job: Job, rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Cost of each logged evaluation in the budget's unit."""
    unit = job.profile.budget.unit
    match unit:
        case "s":
            costs = [row["seconds"] for row in rows]
        case "macs":
            costs = [row["macs"] for row in rows]
        case "steps":
            costs = [row["steps"] for row in rows]
        case "evals":
            each = max(1, job.profile.proxy_for(job.space).steps)
            costs = [row["steps"] / each for row in rows]
    return [float(cost) for cost in costs]
