"""A stored table of results that later runs are checked against (``harness/report/gate/check.py``), as one JSON file.

One row per profile, budget, space, data set and method, with every seed's test accuracy and architecture, a checksum of
its search, and what the row can promise: a *tabular* row is looked up and repeats anywhere; a *counted* one repeats on
the same machine with the same versions; a *timed* one does not repeat. A search on a table that used TensorFlow is
counted, because TensorFlow's sums depend on the processor.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from harness.core.errors import InputError
from harness.core.files import read_text, replace_text
from harness.core.record import Record, Run
from harness.report.gate.chance import LEVEL, UNKNOWN_CHANCE, room
from harness.report.model.groups import accuracies, is_tabular
from harness.report.model.load import about_unended, run_key
from harness.report.model.numbers import numbers

SCHEMA = 2
Kind = Literal["tabular", "counted", "timed"]
_COUNTS = ("charged", "evaluations", "steps", "unique")
"""What a search on a table has done, besides its proposals; a budget that shrinks often changes nothing else."""
_OWN_PACKAGE = "nas-comparison-harness"
_ORIGIN = ("cpu", "cpu_details", "blas", "device", "threads", "data")


class Key(NamedTuple):
    """What tells one row from another."""

    profile: str
    budget: str
    space: str
    dataset: str
    method: str


class SeedResult(NamedTuple):
    """The result of a run.

    Args:
        accuracy: test accuracy 0..1.
        proposal: the proposed architecture as text.
        search: checksum of all evaluations and proposals of the search, and of what it made of its budget; empty
            without logs, and in timed rows.
    """

    accuracy: float
    proposal: str
    search: str = ""


@dataclass(frozen=True)
class BaselineRow:
    """All seeds of one method on one data set under one budget.

    Args:
        key: which row.
        kind: what its numbers can promise.
        origins: the different processors, kernels of linear algebra, devices, threads, versions and checksums of the
            data that its runs were made with.
        recipes: the different proxy and final recipes of its runs: one, unless a profile was changed in between.
        settings: the different hyper-parameters of its runs.
        limits: the different limits of their final networks, each by name; a row that was stored without has none.
        chance: accuracy of a guess, 0..1: the share of the largest test class, or the mean of a table; None: not known.
        results: per seed, of the runs that ended.
        failures: per seed, status and reason of the others.
    """

    key: Key
    kind: Kind
    origins: tuple[dict[str, Any], ...]
    recipes: tuple[dict[str, Any], ...]
    settings: tuple[dict[str, Any], ...]
    limits: tuple[dict[str, Any], ...]
    chance: float | None
    results: dict[int, SeedResult]
    failures: dict[int, str]

    @property
    def guess(self) -> float:
        """The accuracy of chance in %."""
        return UNKNOWN_CHANCE if self.chance is None else 100 * self.chance

    @property
    def percent(self) -> tuple[float, ...]:
        """Test accuracies in %, in the order of the seeds."""
        return tuple(100 * self.results[seed].accuracy for seed in sorted(self.results))


@dataclass(frozen=True)
class StoredBaseline:
    """A baseline file.

    Args:
        name: of the baseline.
        commits: where its numbers were made; ``-dirty`` behind a commit means uncommitted changes.
        rows: its rows.
    """

    name: str
    commits: tuple[str, ...]
    rows: tuple[BaselineRow, ...]


def rows_of(runs: Sequence[Run]) -> list[BaselineRow]:
    """The runs as rows, in an order that does not depend on the order given."""
    groups: dict[Key, list[Run]] = {}
    for run in sorted(runs, key=run_key):
        groups.setdefault(Key(*run_key(run)[:5]), []).append(run)
    return [_row(key, group) for key, group in groups.items()]


def _row(key: Key, runs: Sequence[Run]) -> BaselineRow:
    records = {run.record.seed: run.record for run in runs}
    ended = {run.record.seed: run for run in runs if accuracies([run])}
    kinds = [_kind(records[seed]) for seed in ended or records]
    kind = max(kinds, key=get_args(Kind).index)
    chances = [told for record in records.values() if (told := record.final.get("chance")) is not None]
    return BaselineRow(
        key=key,
        kind=kind,
        origins=_different([_origin(record) for record in records.values()]),
        recipes=_different([record.recipes for record in records.values() if record.recipes]),
        settings=_different([record.settings for record in records.values()]),
        limits=_different([record.limits for record in records.values()]),
        chance=max(chances, default=None),
        results={seed: _result(run, kind) for seed, run in ended.items()},
        failures={
            s: f"{'failed' if r.status == 'ok' else r.status}: {r.reason or 'no reason given'}"
            for s, r in records.items()
            if s not in ended
        },
    )


def _result(run: Run, kind: Kind) -> SeedResult:
    logged: list[Any] = [[row["genotype"], row["accuracy"], row["spent"]] for row in run.evaluations]
    logged += [[row["genotype"], row["accuracy"], row["spent"], row["shared_weights"]] for row in run.proposals]
    counts = run.record.search
    logged += [[name, counts[name]] for name in sorted(counts) if name == "discarded" or name.startswith("planned_")]
    if logged and is_tabular(run.record):  # such a search keeps no log of its evaluations
        logged += [[name, counts.get(name)] for name in _COUNTS]
    text = json.dumps(logged) if logged and kind != "timed" else ""
    checksum = hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""
    return SeedResult(float(run.record.test_accuracy or 0), run.record.proposal, checksum)


def _kind(record: Record) -> Kind:
    if is_tabular(record):
        return "counted" if _with_tensorflow(record) else "tabular"
    limited = any(recipe.get("seconds") and not recipe.get("epochs") for recipe in record.recipes.values())
    by_clock = limited or record.final.get("capped") or re.search(r"\d\s*s$", record.budget)
    by_clock = by_clock or record.limits.get("latency")
    return "timed" if by_clock else "counted"


def _with_tensorflow(record: Record) -> bool:
    """Whether the search process had loaded TensorFlow; records that do not say come from processes without it."""
    processes = record.provenance.get("processes")
    searched = processes.get("search") if isinstance(processes, dict) else None
    return isinstance(searched, dict) and bool(searched.get("tensorflow"))


def _origin(record: Record) -> dict[str, Any]:
    """What the numbers of a counted run depend on besides the code."""
    stored = record.provenance
    versions = {name: version for name, version in stored.get("versions", {}).items() if name != _OWN_PACKAGE}
    return {name: stored.get(name, "not recorded") for name in _ORIGIN} | {"versions": versions}


def _different(values: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(text) for text in sorted({json.dumps(value, sort_keys=True) for value in values}))


def write_baseline(runs: Sequence[Run], name: str, directory: Path) -> tuple[Path, list[str]]:
    """Writes ``directory/name.json``, replacing an older one; the same records give the same bytes.

    Returns:
        Its path, and sentences: one on runs that have not ended, one per row that was left out because its method does
        not support the task, and one per row that a statistical check could not decide.

    Raises:
        InputError: the name cannot name a file; a run failed, or a row mixes recipes, settings or limits: all this is
            nothing to compare with; or the file cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise InputError(f"'{name}' is no name for a baseline; use letters, digits, '.', '_' and '-'")
    rows, left_out = [], []
    for row in rows_of(runs):
        what = f"{row.key.method} on {row.key.dataset}"
        if row.failures and all(text.startswith("unsupported") for text in row.failures.values()) and not row.results:
            left_out.append(f"{what} is left out: {next(iter(row.failures.values()))}")
            continue
        if row.failures:
            reason = next(iter(row.failures.values()))
            raise InputError(
                f"{what}, seed {numbers(row.failures)}, cannot be part of a baseline ({reason}); repeat it with "
                "'run --retry-failed', or run without that method"
            )
        for part, different in (("recipes", row.recipes), ("settings", row.settings), ("limits", row.limits)):
            if len(different) > 1:
                raise InputError(
                    f"{what} was run with different {part}; make the baseline from one directory run at once"
                )
        rows.append(row)
    if not rows:
        raise InputError("no run has a result, so there is nothing to compare with; run some methods first")
    path = directory / f"{name}.json"
    commits = sorted({_commit(run.record) for run in runs})
    content = {"schema": SCHEMA, "name": name, "commits": commits, "rows": [_plain(row) for row in rows]}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise InputError(f"the baseline cannot be written to {path} ({error}); name another directory") from error
    return path, about_unended(runs) + left_out + _undecidable(rows)


def _undecidable(rows: Sequence[BaselineRow]) -> list[str]:
    """Which rows are too uncertain for a statistical check with as many seeds as they have."""
    statistical = [row for row in rows if row.kind != "tabular"]
    sentences = []
    for row in statistical:
        decided = room(row.percent, row.percent, LEVEL / len(statistical), row.guess)
        if not decided.decides:
            where = "every check" if row.kind == "timed" else "a check on another machine"
            sentences.append(
                f"{row.key.method} on {row.key.dataset} ({_count(row)}): {where} will be undecided, "
                f"because chance allows {decided.allowed:.1f} points"
            )
    return sentences


def _count(row: BaselineRow) -> str:
    return "1 seed" if len(row.results) == 1 else f"{len(row.results)} seeds"


def _commit(record: Record) -> str:
    commit = str(record.provenance.get("commit") or "unknown")
    return f"{commit}-dirty" if record.provenance.get("dirty") else commit


def _plain(row: BaselineRow) -> dict[str, Any]:
    return {
        **row.key._asdict(),
        "kind": row.kind,
        "origins": row.origins,
        "recipes": row.recipes,
        "settings": row.settings,
        "limits": row.limits,
        "chance": row.chance,
        "accuracies": {str(seed): result.accuracy for seed, result in row.results.items()},
        "proposals": {str(seed): result.proposal for seed, result in row.results.items()},
        "searches": {str(seed): result.search for seed, result in row.results.items()},
    }


def read_baseline(path: Path) -> StoredBaseline:
    """The baseline in a file.

    Raises:
        InputError: it is not there, cannot be read, or is no baseline of this layout.
    """
    again = "make one with 'python -m harness baseline RUNS --name NAME'"
    try:
        raw = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"the baseline {path} cannot be read ({error}); {again}") from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise InputError(f"{path} is no baseline of schema {SCHEMA}; {again}")
    try:
        rows = tuple(_parsed(row) for row in raw["rows"])
        if not rows or len({row.key for row in rows}) < len(rows):
            raise ValueError("it has no rows, or a row twice")
        return StoredBaseline(str(raw["name"]), tuple(map(str, raw["commits"])), rows)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"the baseline {path} is damaged ({error!r}); {again}") from error


def _parsed(raw: dict[str, Any]) -> BaselineRow:
    key = Key(*(raw[name] for name in Key._fields))
    proposals, searches = raw["proposals"], raw["searches"]
    results = {
        int(seed): SeedResult(float(accuracy), str(proposals[seed]), str(searches[seed]))
        for seed, accuracy in raw["accuracies"].items()
    }
    origins, recipes, settings = (tuple(map(dict, raw[name])) for name in ("origins", "recipes", "settings"))
    limits = tuple(map(dict, raw.get("limits", [{}])))
    chance = None if raw["chance"] is None else float(raw["chance"])
    if raw["kind"] not in get_args(Kind) or not results or not all(isinstance(part, str) for part in key):
        raise ValueError(f"the row of {key.method} on {key.dataset} is incomplete")
    if not 0 <= (chance or 0) <= 1 or not all(0 <= result.accuracy <= 1 for result in results.values()):
        raise ValueError(f"an accuracy of {key.method} on {key.dataset} is outside 0..1")
    return BaselineRow(key, raw["kind"], origins, recipes, settings, limits, chance, results, {})
