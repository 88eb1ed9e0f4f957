"""Which runs belong in one table: same profile, same budget, and either native spaces or one common space."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.core.record import Record, Run
from harness.report.forms.text import escape, mean_text, numbers
from harness.report.model.load import run_key
from harness.report.model.published import table_a

BASELINE = "random_sampling"
METHODS = (
    BASELINE,
    "random_search",
    "local_search",
    "regularized_evolution",
    "gp",
    "reinforce",
    "nas_rl",
    "metaqnn",
    "blockqnn",
    "nasnet",
    "pnas",
    "nao",
    "enas_macro",
    "enas_micro",
    "nao_ws",
    "darts",
    "autokeras",
)
"""Order of the columns: the baselines first, then by year and kind. Others follow by name."""


@dataclass(frozen=True, order=True)
class Column:
    """A column (or row) of a table: runs of one method in different spaces are never averaged.

    Args:
        place: where it stands, from :data:`METHODS`.
        method, space: what it holds.
    """

    place: int
    method: str
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
    def columns(self) -> tuple[Column, ...]:
        """The methods that were run, baselines first."""
        return tuple(sorted({place for _, place in self._cells}))

    @cached_property
    def _cells(self) -> dict[tuple[str, Column], list[Run]]:
        """Sorted into cells once: a table of thousands of runs is asked for its cells again and again."""
        cells: dict[tuple[str, Column], list[Run]] = {}
        for run in self.runs:
            cells.setdefault((run.record.dataset, column(run)), []).append(run)
        return cells

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        """The data sets that were used: those of Table A in its order, then the others by name."""
        known = list(table_a().datasets)
        names = {run.record.dataset for run in self.runs}
        return tuple(sorted(names, key=lambda name: (known.index(name) if name in known else len(known), name)))

    def cell(self, dataset: str, place: Column) -> tuple[Run, ...]:
        """The runs of one method on one data set, by seed."""
        return tuple(self._cells.get((dataset, place), ()))

    def heading(self, place: Column) -> str:
        """The method's title as the records have it, with the space where the method was run in several."""
        title = next(runs[0].record.title for (_, own), runs in self._cells.items() if own == place)
        return title if sum(c.method == place.method for c in self.columns) == 1 else f"{title}, {place.space}"


def column(run: Run) -> Column:
    """The column that a run belongs to."""
    method = run.record.method
    usual = method.partition(":")[0]  # behind it, hyper-parameters
    return Column(METHODS.index(usual) if usual in METHODS else len(METHODS), method, run.record.space)


def blocks(runs: Iterable[Run]) -> list[Block]:
    """The runs sorted into tables, in an order that does not depend on the order given.

    A run whose method was at home in the common space stands in both tables: it is the same run.
    """
    ordered = sorted(runs, key=lambda run: (*run_key(run), run.path.as_posix()))
    found: list[Block] = []
    for profile, budget in sorted({(run.record.profile, run.record.budget) for run in ordered}):
        here = [run for run in ordered if (run.record.profile, run.record.budget) == (profile, budget)]
        native = tuple(run for run in here if at_home(run.record))
        if native:
            found.append(Block(profile, budget, "", native))
        for space in sorted({run.record.space for run in here if not at_home(run.record)}):
            found.append(Block(profile, budget, space, tuple(run for run in here if run.record.space == space)))
    return found


def at_home(record: Record) -> bool:
    """Whether the run searched its method's own space; ``macro-6`` is a profile's smaller ``macro``.

    A table is nobody's home: all methods search the space that it tabulates, and stand in one table.
    """
    if is_tabular(record):
        return False
    return record.native in ("", record.space) or record.native.split("-")[0] == record.space.split("-")[0]


def is_tabular(record: Record) -> bool:
    """Whether nothing was trained: accuracies were looked up in a table."""
    return "table" in record.recipes.get("final", {})


def accuracies(runs: Sequence[Run]) -> list[float]:
    """Test accuracies in % of the runs that have one."""
    return [100 * accuracy for run in runs if (accuracy := _accuracy(run.record)) is not None]


def _accuracy(record: Record) -> float | None:
    accuracy = record.test_accuracy
    return accuracy if record.status == "ok" and accuracy is not None and math.isfinite(accuracy) else None


class Notes:
    """Numbered sentences below a table; the same sentence gets the same number."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    def number(self, note: str) -> int:
        """The number of ``note``, counted from 1."""
        if note not in self._notes:
            self._notes.append(note)
        return self._notes.index(note) + 1

    def lines(self) -> list[str]:
        """All notes, as an ordered markdown list."""
        return [f"{number}. {note}" for number, note in enumerate(self._notes, start=1)]


def failures(runs: Sequence[Run], what: str, notes: Notes) -> list[str]:
    """What stands in a cell for the runs without an accuracy, one text per status and reason.

    Args:
        runs: the runs of one method on one data set.
        what: names the cell in the note.
        notes: takes the reasons.
    """
    seeds: dict[tuple[str, str], list[int]] = {}
    for run in runs:
        record = run.record
        if _accuracy(record) is None:
            lost = record.status == "ok"
            reason = "the record says 'ok' but holds no test accuracy" if lost else record.reason or "no reason given"
            seeds.setdefault(("failed" if lost else record.status, reason), []).append(record.seed)
    texts = []
    for (status, reason), failed in seeds.items():
        plural = "seed" if len(failed) == 1 else "seeds"
        note = f"{what}, {plural} {numbers(failed)}: {status}: {escape(reason)}"
        texts.append(f"{len(failed)} {status} [{notes.number(note)}]")
    return texts


def cell_text(runs: Sequence[Run], values: Sequence[float], what: str, notes: Notes) -> str:
    """A table's cell: mean ± deviation (n) of ``values``, and every failed run; ``not run`` if there is none."""
    parts = [mean_text(values)] if values else []
    return "<br>".join(parts + failures(runs, what, notes)) or "not run"
