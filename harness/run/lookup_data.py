"""Tables for the child processes: what a search may see of one, on disk, and the scores that stay in the parent."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import InputError
from harness.core.files import replacing
from harness.core.names import directory_name
from harness.core.record import Record
from harness.core.space import Choice, Space, option_text
from harness.core.table import Signal, Table
from harness.run.profiles import PROFILES
from harness.spaces.table import TableSpace

if TYPE_CHECKING:
    from harness.run.job import Job


@dataclass(frozen=True)
class PreparedTable:
    """The part of a table that a search may see, on disk.

    Args:
        path: an ``.npz`` file with one signal.
        checksum: SHA-256 of the complete table, scores included; stored with every run.
        signal: the signal's name.
        choices: of a space that only this table has; None where the space goes by its name.
    """

    path: Path
    checksum: str
    signal: str
    choices: tuple[Choice, ...] | None


def locate(table: Table, signal: str, out: Path) -> PreparedTable:
    """Where a table's signal belongs below ``out``; writes nothing.

    Raises:
        InputError: the table has no such signal; names the profiles that could use it.
    """
    try:
        name = table.signal(signal)
    except InputError as error:
        fitting = [f"--profile {profile.name}" for profile in PROFILES.values() if profile.signal in table.signals]
        raise InputError(f"{error}; use {' or '.join(fitting) or 'another table'}") from None
    choices = table.space.choices if isinstance(table.space, TableSpace) else None
    checksum = _checksum(table)
    path = out / "prepared" / directory_name(table.name) / f"{directory_name(name)}-{checksum[:16]}.npz"
    return PreparedTable(path, checksum, name, choices)


def write(table: Table, prepared: PreparedTable) -> None:
    """Writes the signal where it belongs, unless it is there."""
    if prepared.path.exists():
        return
    prepared.path.parent.mkdir(parents=True, exist_ok=True)
    signal = table.signals[prepared.signal]
    with replacing(prepared.path) as new:
        np.savez(new, genotypes=np.array(table.genotypes), accuracy=signal.accuracy, seconds=signal.seconds)


def read(prepared: PreparedTable) -> tuple[dict[str, int], Signal]:
    """Row by genotype, and the signal."""
    with np.load(prepared.path, allow_pickle=False) as stored:
        rows = {str(text): row for row, text in enumerate(stored["genotypes"])}
        return rows, Signal(stored["accuracy"], stored["seconds"])


def own_space(prepared: PreparedTable) -> Space | None:
    """The space that only this table has, or None."""
    return None if prepared.choices is None else TableSpace(prepared.choices)


class HiddenScores:
    """The only reader of a table's scores: looks up what a search has proposed, in the parent process.

    Args:
        tables: by name on the command line.
    """

    def __init__(self, tables: dict[str, Table]) -> None:
        self._tables = tables
        self._best = {name: float(table.score.max()) for name, table in tables.items()}

    def score(self, job: Job, record: Record) -> Record:
        """The record with the score of its proposal; failed if the table does not have it."""
        table = self._tables[job.dataset]
        row = table.rows.get(record.proposal)
        if row is None:
            return dataclasses.replace(
                record, status="failed", reason=f"the search proposed {record.proposal}, which is not in the table"
            )
        return dataclasses.replace(
            record,
            test_accuracy=float(table.score[row]),
            parameters=None if table.parameters is None else int(table.parameters[row]),
            final={"optimum": self._best[job.dataset]},
        )

    def recipes(self, job: Job) -> dict[str, Any]:
        """What stands in the record for the recipes of trainings."""
        assert isinstance(job.prepared, PreparedTable)
        table = self._tables[job.dataset]
        return {
            "proxy": {"table": table.name, "signal": job.prepared.signal},
            "final": {"table": table.name, "score": table.measure},
        }


def _checksum(table: Table) -> str:
    about = {
        "space": [table.space.name, [[c.name, [option_text(o) for o in c.options]] for c in table.space.choices]],
        "measure": table.measure,
        "signals": list(table.signals),
    }
    digest = hashlib.sha256(json.dumps(about).encode())
    digest.update("\n".join(table.genotypes).encode())
    parameters = np.zeros(0, np.int64) if table.parameters is None else table.parameters
    columns = [column for signal in table.signals.values() for column in (signal.accuracy, signal.seconds)]
    for column in (table.score, parameters, *columns):
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()
