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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from harness.core.budget import Budget, BudgetSpent, Meter
from harness.core.dataset import SearchData
from harness.core.errors import InputError
from harness.core.evaluation import Evaluation, Part, Proposal
from harness.core.files import replacing
from harness.core.limits import NO_LIMITS, Footprint, Limits
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.names import directory_name
from harness.core.seeds import derive_seed
from harness.core.space import Choice, Genotype, Space, option_text
from harness.core.table import Numbers, Signal, Table, Trained
from harness.plugins.catalogue import load_space
from harness.run.backends.base import Tell
from harness.run.job import Job, Phase, Workbench
from harness.run.journal import TableJournal
from harness.run.profiles import PROFILES
from harness.run.scoring import HiddenScores
from harness.spaces.table import TableSpace


class TableEvaluator:
    """Looks accuracies up and charges the seconds of the table.

    Args:
        rows: row by genotype text.
        signal: the columns.
        steps: gradient steps that one evaluation stands for.
        space: of the rows; None where no multiply-accumulates are to be counted, which takes longer than a look-up.
        seed: names the draws among repeated trainings.
    """

    def __init__(
        self, rows: dict[str, int], signal: Signal, steps: int, space: Space | None = None, seed: int = 0
    ) -> None:
        self._trained, self._space, self._seed = signal.trained, space, seed
        self._rows, self._steps = rows, steps
        self._repeats = [(one.accuracy.tolist(), one.seconds.tolist()) for one in signal.each()]
        self._stopped = [{round(share * steps): one for share, one in each.stopped.items()} for each in signal.each()]
        self._mean = float(np.mean(signal.seconds))

    def steps(self) -> int:
        """Gradient steps of one evaluation."""
        return self._steps

    def macs(self, proposal: Proposal) -> int:
        """Multiply-accumulates of the training behind a row, counted once per process; 0 if they are not to be."""
        if self._space is None or self._trained is None or not isinstance(proposal, Genotype):
            return 0
        key = self._trained, proposal
        if key not in _MACS:
            _MACS[key] = self._trained.macs(self._space, proposal)
        return _MACS[key]

    def evaluate(self, proposal: Proposal, number: int, meter: Meter) -> Evaluation:
        """The table's row; a genotype that it does not have costs the mean and is a failure.

        Of several trainings it is that of one, drawn by the seed and the number of the evaluation.

        Raises:
            BudgetSpent: the budget has no room for it.
        """
        return self.evaluate_part(proposal, number, meter, Part(0, self._steps))

    def stops(self) -> Sequence[int]:
        """The points that the table has of its trainings."""
        return (*sorted(end for end in self._stopped[0] if 0 < end < self._steps), self._steps)

    def part_macs(self, proposal: Proposal, part: Part) -> int:
        """In proportion to the gradient steps."""
        return self.macs(proposal) * part.steps // self._steps

    def evaluate_part(self, proposal: Proposal, number: int, meter: Meter, part: Part) -> Evaluation:
        """As :meth:`evaluate`, at one of :meth:`stops`; seconds are in proportion to the gradient steps."""
        text, share = str(proposal), part.end / self._steps
        row = self._rows.get(text)
        accuracies, costs = self._repeats[self._drawn(number)]
        seconds = (self._mean if row is None else costs[row]) * (part.steps / self._steps)
        if not meter.budget.counted and meter.spent + seconds > meter.limit:
            raise BudgetSpent
        macs = self.part_macs(proposal, part)
        if row is None:
            return Evaluation(text, 0.0, (), seconds, part.steps, "the table does not have it", macs, share)
        stopped = self._stopped[self._drawn(number)]
        accuracy = accuracies[row] if part.end == self._steps else float(stopped[part.end][row])
        return Evaluation(text, accuracy, (accuracy,), seconds, part.steps, "", macs, share)

    def _drawn(self, number: int) -> int:
        many = len(self._repeats)
        return derive_seed(self._seed, f"repeat {number}") % many if many > 1 else 0


_AT = "accuracy at "
"""Begins the name of a column of stopped trainings; their share follows."""
_MACS: dict[tuple[Trained, Genotype], int] = {}
_FOOTPRINTS: dict[tuple[Trained, Genotype], Footprint] = {}
"""What this process has counted."""


@dataclass(frozen=True)
class PreparedTable:
    """The part of a table that a search may see, on disk.

    Args:
        path: an ``.npz`` file with one signal.
        checksum: SHA-256 of the complete table, scores included; stored with every run.
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


class Tables:
    """The tables of a command, for its plan.

    Args:
        tables: by name on the command line.
        signal: the profile's.
        out: directory of the records.
        budget: of the searches.
        limits: of their proposals.

    Raises:
        InputError: a table has no such signal, or does not know what the budget counts.
    """

    def __init__(
        self, tables: Mapping[str, Table], signal: str, out: Path, budget: Budget, limits: Limits = NO_LIMITS
    ) -> None:
        self._tables = tables
        self._prepared = {name: locate(table, signal, out, budget) for name, table in tables.items()}
        for name, table in tables.items():
            check_limits(table, self._prepared[name], limits)
        self.spaces: Mapping[str, str | None] = {name: table.space.name for name, table in tables.items()}
        self.notes = [table.note for table in tables.values() if table.note]
        self.scorer = HiddenScores(tables, {name: table.signal for name, table in self._prepared.items()})

    def checksum(self, name: str) -> str:
        """SHA-256 of a complete table."""
        return self._prepared[name].checksum

    def prepare(self, name: str, seeds: Iterable[int], check: Callable[[str], None]) -> PreparedTable:
        """Writes what searches read; ``check`` is told the checksum before that."""
        check(self._prepared[name].checksum)
        write(self._tables[name], self._prepared[name])
        return self._prepared[name]


def locate(table: Table, signal: str, out: Path, budget: Budget) -> PreparedTable:
    """Where a table's signal belongs below ``out``; writes nothing.

    Raises:
        InputError: the table has no such signal; names the profiles that could use it. Or the budget counts what the
            table does not know.
    """
    try:
        name = table.signal(signal)
    except InputError as error:
        fitting = [f"--profile {profile.name}" for profile in PROFILES.values() if profile.signal in table.signals]
        raise InputError(f"{error}; use {' or '.join(fitting) or 'another table'}") from None
    choices = table.space.choices if isinstance(table.space, TableSpace) else None
    checksum = _checksum(table)
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
    """What of a row's network is beyond the limits."""
    if trained is None or not isinstance(proposal, Genotype):
        return ""
    key = trained, proposal
    if key not in _FOOTPRINTS:
        sizes = measure(lower(space.decode(proposal, trained.size)), trained.image, trained.classes)
        _FOOTPRINTS[key] = Footprint(sizes.parameters, sizes.macs)
    return limits.beyond(_FOOTPRINTS[key])


def write(table: Table, prepared: PreparedTable) -> None:
    """Writes the signal where it belongs, unless it is there and undamaged."""
    signal = table.signals[prepared.signal]
    columns: dict[str, Any] = {
        "genotypes": np.array(table.genotypes),
        **_columns(signal),
    }
    for number, one in enumerate(signal.repeats):
        columns |= _columns(one, f" {number}")
    if _holds(prepared.path, columns):
        return
    prepared.path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(prepared.path) as new:
        np.savez(new, allow_pickle=False, **columns)


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


def _checksum(table: Table) -> str:
    stopped = [list(signal.stopped) for signal in table.signals.values()]
    about = {
        "space": [table.space.name, [[c.name, [option_text(o) for o in c.options]] for c in table.space.choices]],
        "measure": table.measure,
        **({} if table.scored is None else {"scored": dataclasses.asdict(table.scored)}),
        "signals": list(table.signals),
        **({"stopped": stopped} if any(stopped) else {}),
    }
    digest = hashlib.sha256(json.dumps(about).encode())
    digest.update("\n".join(table.genotypes).encode())
    parameters = np.zeros(0, np.int64) if table.parameters is None else table.parameters
    signals = [one for signal in table.signals.values() for one in (signal, *signal.repeats)]
    columns = [column for signal in signals for column in (signal.accuracy, signal.seconds, *signal.stopped.values())]
    for column in (table.score, parameters, *columns, *table.scores):
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()
