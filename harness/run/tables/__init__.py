"""Tables: what a search may see of one, on disk, and the evaluator that looks accuracies up instead of training.

The meter's clock stands still: a search pays what the table says its evaluations cost and nothing for its own time, so
that the result depends on the seed and not on the machine. An evaluation that does not fit into the budget any more is
dropped and ends the search, as in NAS-Bench-201's comparison.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from harness.core.budget import Budget
from harness.core.dataset import SearchData
from harness.core.errors import InputError
from harness.core.evaluation import Proposal
from harness.core.files import replacing
from harness.core.limits import NO_LIMITS, Footprint, Limits
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.names import directory_name
from harness.core.space import Choice, Genotype, Space, option_text
from harness.core.table import Numbers, Signal, Table, Trained
from harness.plugins.catalogue import load_space
from harness.run.backends.base import Tell
from harness.run.job import Job, Phase, Prepared, Workbench
from harness.run.profiles import PROFILES
from harness.run.scoring import HiddenScores
from harness.run.tables.cheapest import check_affordable
from harness.run.tables.evaluator import TableEvaluator
from harness.run.tables.journal import TableJournal
from harness.spaces.table import TableSpace

_AT = "accuracy at "
"""Begins the name of a column of stopped trainings; their share follows."""
_FOOTPRINTS: dict[tuple[Trained, Genotype], Footprint] = {}
"""What this process has counted."""


@dataclass(frozen=True)
class PreparedTable:
    """The part of a table that a search may see, on disk.

    Args:
        path: an ``.npz`` file with one signal.
        checksum: SHA-256 of the complete table, with its scores and with what was trained; stored with every run.
        signal: the signal's name.
        choices: of a space that only this table has; None where the space goes by its name.
        trained: see :class:`harness.core.table.Signal`.
    """

    phases: ClassVar[tuple[Phase, ...]] = ("search",)
    tensorflow: ClassVar[bool] = False
    together: ClassVar[int] = 250  # a start of a process costs as much as some twenty searches

    path: Path
    checksum: str
    signal: str
    choices: tuple[Choice, ...] | None
    trained: Trained | None = None

    @property
    def hidden(self) -> tuple[Path, ...]:
        """Nothing: the scores are not written."""
        return ()

    @property
    def opened(self) -> tuple[Path, ...]:
        """The file with the signal."""
        return (self.path,)

    def reads(self, seed: int, phase: Phase) -> tuple[Path, ...]:
        """The file with the signal."""
        return (self.path,)

    def start(self, job: Job) -> str:
        """There is nothing to get ready."""
        return "CPU"

    def open(self, job: Job, tell: Tell) -> Workbench:
        """Proposals are looked up, and the clock stands still."""
        space = own_space(self) or load_space(job.space, job.space_source)
        counted_in = space if job.profile.budget.unit == "macs" else None
        evaluator = TableEvaluator(*read(self), job.profile.proxy.steps, counted_in, job.seed)
        data = SearchData.of_table(job.dataset)
        beyond = functools.partial(_beyond, space, self.trained, job.profile.limits)
        return Workbench(space, data, evaluator, TableJournal(job.directory), lambda: 0.0, beyond)


class Images(Protocol):
    """The images behind tables: :class:`harness.run.tables.images.ImagesBehind`."""

    notes: list[str]

    def prepare(self, table: PreparedTable, name: str, seeds: Iterable[int]) -> Prepared | None:
        """A table with its images; None where they cannot be had."""


class Tables:
    """The tables of a command, for its plan.

    Args:
        tables: by name on the command line.
        signal: the profile's.
        out: directory of the records.
        budget: of the searches.
        limits: of their proposals.
        images: behind the tables.
        trains: whether a method may train weights of its own on them.
        steps: gradient steps that a complete evaluation stands for.

    Raises:
        InputError: a table has no such signal, or does not know what the budget counts, or that buys nothing of it.
    """

    def __init__(
        self,
        tables: Mapping[str, Table],
        signal: str,
        out: Path,
        budget: Budget,
        limits: Limits = NO_LIMITS,
        images: Images | None = None,
        trains: bool = True,
        steps: int = 1,
    ) -> None:
        self._tables, self._images = tables, images
        self._prepared = {name: locate(table, signal, out, budget) for name, table in tables.items()}
        for name, table in tables.items():
            if budget.unit == "s" or not (trains and table.behind):  # who trains may do without a look-up
                check_affordable(table, self._prepared[name].signal, budget, steps)
            check_limits(table, self._prepared[name], limits)
        self.spaces: Mapping[str, str | None] = {name: table.space.name for name, table in tables.items()}
        self.scorer = HiddenScores(tables, {name: table.signal for name, table in self._prepared.items()})

    @property
    def notes(self) -> list[str]:
        """What the tables, and the images behind them, have to say."""
        own = [table.note for table in self._tables.values() if table.note]
        return [*own, *(self._images.notes if self._images else ())]

    def checksum(self, name: str) -> str:
        """SHA-256 of a complete table."""
        return self._prepared[name].checksum

    def prepare(self, name: str, seeds: Iterable[int], check: Callable[[str], None]) -> PreparedTable:
        """Writes what searches read; ``check`` is told the checksum before that."""
        check(self._prepared[name].checksum)
        write(self._tables[name], self._prepared[name])
        return self._prepared[name]

    def with_images(self, name: str, seeds: Iterable[int]) -> Prepared | None:
        """A table with its images, for searches that train weights themselves; None where they cannot be had."""
        return self._images.prepare(self._prepared[name], name, seeds) if self._images else None


def locate(table: Table, signal: str, out: Path, budget: Budget) -> PreparedTable:
    """Where a table's signal belongs below ``out``; writes nothing.

    Raises:
        InputError: the table has no such signal; names the profiles that could use it. Or the budget counts what the
            table does not know.
    """
    try:
        name = table.signal(signal)
    except InputError as error:
        fitting = [f"--profile {profile.name}" for profile in PROFILES.values() if profile.column in table.signals]
        raise InputError(f"{error}; use {' or '.join(fitting) or 'another table'}") from None
    choices = table.space.choices if isinstance(table.space, TableSpace) else None
    checksum = checksum_of(table)
    path = out / "prepared" / directory_name(table.name) / f"{directory_name(name)}-{checksum[:16]}.npz"
    trained = table.signals[name].trained
    if budget.unit == "macs" and trained is None:
        raise InputError(
            f"the table '{table.name}' does not say which networks were trained, so their multiply-accumulates cannot "
            "be counted; give the budget in seconds, evals or steps"
        )
    return PreparedTable(path, checksum, name, choices, trained)


def check_limits(table: Table, prepared: PreparedTable, limits: Limits) -> None:
    """Looks whether networks of a table can be counted, where there are limits.

    Raises:
        InputError: they cannot, or cannot be timed.
    """
    if limits.latency:
        raise InputError(f"the table '{table.name}' has no networks to time; leave --max-latency out")
    if limits and prepared.trained is None:
        raise InputError(
            f"the table '{table.name}' does not say which networks were trained, so they cannot be counted; leave "
            "--max-parameters and --max-macs out"
        )


def _beyond(space: Space, trained: Trained | None, limits: Limits, proposal: Proposal) -> str:
    """What of the network behind a row's score is beyond the limits."""
    if trained is None or not isinstance(proposal, Genotype):
        return ""
    key = trained, proposal
    if key not in _FOOTPRINTS:
        sizes = measure(lower(space.decode(proposal, trained.final_size)), trained.image, trained.classes)
        _FOOTPRINTS[key] = Footprint(sizes.parameters, sizes.macs)
    return limits.beyond(_FOOTPRINTS[key])


def write(table: Table, prepared: PreparedTable) -> None:
    """Writes the signal where it belongs, unless it is there and undamaged.

    Raises:
        InputError: it cannot be written.
    """
    signal = table.signals[prepared.signal]
    columns: dict[str, Any] = {
        "genotypes": np.array(table.genotypes),
        **_columns(signal),
    }
    for number, one in enumerate(signal.repeats):
        columns |= _columns(one, f" {number}")
    if _holds(prepared.path, columns):
        return
    try:
        prepared.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(prepared.path) as new:
            np.savez(new, allow_pickle=False, **columns)
    except OSError as error:
        raise InputError(
            f"{prepared.path} cannot be written ({error.strerror or error}); make room for it, or name another --out"
        ) from error


def _holds(path: Path, columns: Mapping[str, np.ndarray]) -> bool:
    """Whether an ``.npz`` file holds exactly these arrays."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return set(stored.files) == set(columns) and all(
                stored[name].dtype == column.dtype and np.array_equal(stored[name], column)
                for name, column in columns.items()
            )
    except Exception:  # np.load has many ways to fail
        return False


@cache  # the searches of a process share it
def read(prepared: PreparedTable) -> tuple[dict[str, int], Signal]:
    """Row by genotype, and the signal."""
    with np.load(prepared.path, allow_pickle=False) as stored:
        rows = {str(text): row for row, text in enumerate(stored["genotypes"])}
        whole = _stored(stored, "", prepared.trained)
        repeats = [
            _stored(stored, f" {number}", prepared.trained)
            for number in range(sum(name.startswith("seconds ") for name in stored.files))
        ]
        return rows, dataclasses.replace(whole, repeats=tuple(repeats))


def _columns(signal: Signal, name: str = "") -> dict[str, Numbers]:
    """The columns of one training, as they are stored; ``name`` ends their names."""
    parts = {f"{_AT}{share!r}{name}": accuracy for share, accuracy in signal.stopped.items()}
    return {f"accuracy{name}": signal.accuracy, f"seconds{name}": signal.seconds, **parts}


def _stored(stored: Mapping[str, Any], name: str, trained: Trained | None) -> Signal:
    """Reads what :func:`_columns` has named."""
    parts = {
        float(words[0]): stored[column]
        for column in stored
        if column.startswith(_AT) and (words := column.removeprefix(_AT).split(" "))[1:] == name.split()
    }
    return Signal(stored[f"accuracy{name}"], stored[f"seconds{name}"], trained, parts)


def own_space(prepared: PreparedTable) -> Space | None:
    """The space that only this table has, or None."""
    return None if prepared.choices is None else TableSpace(prepared.choices)


def _plain(trained: Trained) -> dict[str, Any]:
    """What the checksum covers; the final size only where it is another one, as older tables' checksums have it."""
    values = dataclasses.asdict(trained)
    return values if trained.final else {name: value for name, value in values.items() if name != "final"}


def checksum_of(table: Table) -> str:
    """SHA-256 of all that searches on a table, and their results, depend on; it is in their records."""
    stopped = [list(signal.stopped) for signal in table.signals.values()]
    # What an evaluation costs in multiply-accumulates, and which proposals are beyond a limit, follows from this.
    trained = [signal.trained and _plain(signal.trained) for signal in table.signals.values()]
    about = {
        "space": [table.space.name, [[c.name, [option_text(o) for o in c.options]] for c in table.space.choices]],
        "measure": table.measure,
        **({} if table.scored is None else {"scored": dataclasses.asdict(table.scored)}),
        "signals": list(table.signals),
        **({"stopped": stopped} if any(stopped) else {}),
        **({"trained": trained} if any(trained) else {}),
        **({"final signal": table.final_signal} if table.final_signal else {}),
    }
    digest = hashlib.sha256(json.dumps(about).encode())
    digest.update("\n".join(table.genotypes).encode())
    parameters = np.zeros(0, np.int64) if table.parameters is None else table.parameters
    signals = [one for signal in table.signals.values() for one in (signal, *signal.repeats)]
    columns = [column for signal in signals for column in (signal.accuracy, signal.seconds, *signal.stopped.values())]
    for column in (table.score, parameters, *columns, *table.scores):
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()
