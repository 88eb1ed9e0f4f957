"""Which runs belong in one table: same profile, same budget, and either native spaces or one common space."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.core.method import LAST
from harness.core.record import Record, Run
from harness.report.model.literature import table_a
from harness.report.model.load import run_key

BASELINE = "random_sampling"
"""The method over which relative improvements are computed: no search."""

LOOKS = 99
"""How many methods a figure can tell apart: nine colours times eleven markers."""


@dataclass(frozen=True, order=True)
class MethodInSpace:
    """What a table has a row for: runs of one method in different spaces are never averaged."""

    name: str
    space: str


@dataclass(frozen=True)
class Block:
    """Runs that may stand in one table.

    Args:
        profile, budget: the same for all.
        common: the common space, or empty where every method searches its native one.
        runs: the runs, in the order of :func:`harness.report.model.load.run_key`.
    """

    profile: str
    budget: str
    common: str
    runs: tuple[Run, ...]

    @property
    def title(self) -> str:
        """Profile, budget and kind of space, as printed above the table."""
        spaces = f"common space {self.common}" if self.common else "native spaces"
        return f"profile {self.profile}, search budget {self.budget}, {spaces}"

    @cached_property
    def methods(self) -> tuple[MethodInSpace, ...]:
        """The methods that were run, in the order that their classes ask for, then by name."""
        positions: dict[str, int] = {}
        for run in self.runs:
            name, stated = run.record.method, run.record.position
            positions[name] = min(positions.get(name, LAST), LAST if stated is None else stated)
        return tuple(sorted({method for _, method in self._groups}, key=lambda m: (positions[m.name], m)))

    @cached_property
    def looks(self) -> dict[str, int]:
        """The number of each method's colour and marker, see :func:`assign_looks`."""
        stated: dict[str, int | None] = {}
        for run in self.runs:
            name = run.record.method
            stated[name] = run.record.look if stated.get(name) is None else stated[name]
        return assign_looks(stated)

    @cached_property
    def _groups(self) -> dict[tuple[str, MethodInSpace], list[Run]]:
        """Sorted once: a table of thousands of runs is asked for its groups again and again."""
        groups: dict[tuple[str, MethodInSpace], list[Run]] = {}
        for run in self.runs:
            record = run.record
            groups.setdefault((record.dataset, MethodInSpace(record.method, record.space)), []).append(run)
        return groups

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        """The data sets that were used: those of Table A in its order, then the others by name."""
        known = list(table_a().datasets)
        names = {run.record.dataset for run in self.runs}
        return tuple(sorted(names, key=lambda name: (known.index(name) if name in known else len(known), name)))

    def runs_of(self, dataset: str, method: MethodInSpace) -> tuple[Run, ...]:
        """The runs of one method on one data set, by seed."""
        return tuple(self._groups.get((dataset, method), ()))

    def heading(self, method: MethodInSpace) -> str:
        """The method's title as the records have it, with the space where the method was run in several."""
        title = next(runs[0].record.title for (_, own), runs in self._groups.items() if own == method)
        return title if sum(m.name == method.name for m in self.methods) == 1 else f"{title}, {method.space}"


def assign_looks(stated: Mapping[str, int | None]) -> dict[str, int]:
    """A different look for each method, as a number from 0.

    Args:
        stated: by name of the method, the look that its class asks for, or None.

    Returns:
        What was asked for, unless two ask for the same: then the first by name gets it. All others get a number that
        follows from their names, the next free one if it is taken; so nearly always the same one in every report.
    """
    looks: dict[str, int] = {}
    for name in sorted(stated):
        look = stated[name]
        if look is not None and look not in looks.values():
            looks[name] = look
    taken = set(looks.values()) | {look for look in stated.values() if look is not None}
    for name in sorted(stated.keys() - looks.keys()):
        first = zlib.crc32(name.encode()) % LOOKS
        look = next((n % LOOKS for n in range(first, first + LOOKS) if n % LOOKS not in taken), first)
        looks[name] = look
        taken.add(look)
    return looks


def blocks(runs: Iterable[Run]) -> list[Block]:
    """The runs sorted into tables, in an order that does not depend on the order given.

    A run that searched its method's native space stands in two tables where that is also the common space.
    """
    ordered = sorted(runs, key=lambda run: (*run_key(run), run.path.as_posix()))
    tables: list[Block] = []
    for profile, budget in sorted({(run.record.profile, run.record.budget) for run in ordered}):
        here = [run for run in ordered if (run.record.profile, run.record.budget) == (profile, budget)]
        native = tuple(run for run in here if in_native_space(run.record))
        if native:
            tables.append(Block(profile, budget, "", native))
        for space in sorted({run.record.space for run in here if not in_native_space(run.record)}):
            tables.append(Block(profile, budget, space, tuple(run for run in here if run.record.space == space)))
    return tables


def in_native_space(record: Record) -> bool:
    """Whether the run searched its method's own space; ``macro-6`` is a profile's smaller ``macro``.

    Never on a tabular benchmark: all methods search the space that it tabulates, and stand in one table.
    """
    if is_tabular(record):
        return False
    return record.native in ("", record.space) or record.native.split("-")[0] == record.space.split("-")[0]


def is_tabular(record: Record) -> bool:
    """Whether nothing was trained: accuracies were looked up in a table."""
    return "table" in record.recipes.get("final", {})


def accuracies(runs: Sequence[Run]) -> list[float]:
    """Test accuracies in % of the runs that have one."""
    return [100 * value for run in runs if (value := accuracy(run.record)) is not None]


def accuracy(record: Record) -> float | None:
    """Test accuracy 0..1 of a run with a result."""
    value = record.test_accuracy
    return value if record.status == "ok" and value is not None and math.isfinite(value) else None
