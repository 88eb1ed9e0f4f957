"""Which runs belong in one table: same profile, budget and kind of final training; native spaces or a common one.

Within a table the methods of one space stand together, with the two that search nothing in that space: its *zero line*.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.core.limits import Limits
from harness.core.method import LAST
from harness.core.record import Record, Run
from harness.core.signal import ACCURACY, SIGNALS
from harness.core.zero_line import ZERO_LINE
from harness.report.model.literature import table_a
from harness.report.model.load import run_key
from harness.report.model.numbers import NOT_RECORDED

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
        ended_by: what ends the final trainings, see :func:`limit_of`.
        limits: of the final networks, in words; empty without one.
        top: how many proposals of each search were trained finally.
        signal: what searches on images were told of the validation images, by name.
    """

    profile: str
    budget: str
    common: str
    runs: tuple[Run, ...]
    ended_by: str = ""
    limits: str = ""
    top: int = 1
    signal: str = ACCURACY

    @property
    def told(self) -> str:
        """What searches were told, in words."""
        return f"validation {SIGNALS[self.signal].words}"

    @property
    def title(self) -> str:
        """Profile, budget, kind of space and measure of the final training, as printed above the table."""
        spaces = f"common space {self.common}" if self.common else "native spaces"
        trained = {"epochs": ", final trainings of equal epochs", "seconds": ", final trainings of equal seconds"}
        told = f"profile {self.profile}, search budget {self.budget}, {spaces}{trained.get(self.ended_by, '')}"
        told += f", searches told the {self.told}" if self.signal != ACCURACY else ""
        told += f", networks of {self.limits}" if self.limits else ""
        return f"{told}, the best {self.top} of each search trained finally" if self.top > 1 else told

    @cached_property
    def methods(self) -> tuple[MethodInSpace, ...]:
        """The methods that were run, space by space; within one as their classes ask for, then by name."""
        spaces = {space: number for number, space in enumerate(self.spaces)}
        return tuple(sorted(self._positions, key=lambda one: (spaces[one.space], self._positions[one], one)))

    @cached_property
    def spaces(self) -> tuple[str, ...]:
        """The spaces: by the first of their methods, zero lines first, then by the first method that learns."""
        first: dict[str, tuple[int, int]] = {}
        for one, position in self._positions.items():
            every, learning = first.get(one.space, (LAST, LAST))
            first[one.space] = (min(every, position), learning if one.name in ZERO_LINE else min(learning, position))
        return tuple(sorted(first, key=lambda space: (first[space], space)))

    @cached_property
    def _positions(self) -> dict[MethodInSpace, int]:
        """The methods with the position that their records state."""
        stated: dict[str, int] = {}
        for run in self.runs:
            name, position = run.record.method, run.record.position
            stated[name] = min(stated.get(name, LAST), LAST if position is None else position)
        return {method: stated[method.name] for _, method in self._groups}

    def of_space(self, space: str) -> tuple[MethodInSpace, ...]:
        """The methods in one space; all of them, if it is empty."""
        return tuple(method for method in self.methods if space in ("", method.space))

    def zero(self, name: str, space: str) -> MethodInSpace | None:
        """One of :data:`ZERO_LINE` in a space, or None where it was not run there."""
        wanted = MethodInSpace(name, space)
        return wanted if wanted in self._positions else None

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

    @cached_property
    def ensembles(self) -> frozenset[MethodInSpace]:
        """The methods whose result is several networks together."""
        return frozenset(
            MethodInSpace(run.record.method, run.record.space) for run in self.runs if is_ensemble(run.record)
        )

    def alone(self, method: MethodInSpace) -> bool:
        """Whether a method's row is compared with no other: its network was trained otherwise, or is several."""
        return bool(self.extra(method)) or method in self.ensembles

    def extra(self, method: MethodInSpace) -> dict[str, float]:
        """What a method's final trainings have besides the profile's recipe."""
        return next(
            (extra_of(run.record) for (_, own), runs in self._groups.items() if own == method for run in runs), {}
        )

    def title_of(self, method: MethodInSpace) -> str:
        """The method's title as the records have it."""
        return next(runs[0].record.title for (_, own), runs in self._groups.items() if own == method)

    def heading(self, method: MethodInSpace) -> str:
        """The method's title, with the space where the method was run in several."""
        title = self.title_of(method)
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

    A run that searched its method's native space stands in two tables where that is also the common space. The zero
    line of a space stands wherever the space does.
    """
    ordered = sorted(runs, key=lambda run: (*run_key(run), run.path.as_posix()))
    keys = sorted({table_of(run) for run in ordered})
    return [
        dataclasses.replace(block, limits=limits, top=top, signal=signal)
        for profile, budget, limits, top, signal in keys
        for ended_by, here in _by_limit(
            [run for run in ordered if table_of(run) == (profile, budget, limits, top, signal)]
        )
        for block in _by_space(profile, budget, ended_by, here)
    ]


def table_of(run: Run) -> tuple[str, str, str, int, str]:
    """What the runs of a table have in common: profile, budget, limits of size, number of final trainings, signal."""
    record = run.record
    limits = Limits(**record.limits).words()  # type: ignore[arg-type]
    top = int(record.recipes.get("final", {}).get("top", 1))
    return record.profile, record.budget, limits, top, signal_of(record.recipes)


def signal_of(recipes: Mapping[str, Mapping[str, Any]]) -> str:
    """What a search was told of the validation images, by name; on a table the accuracy, or what stands for one.

    Args:
        recipes: of its record.
    """
    tabular = "table" in recipes.get("final", {})
    return ACCURACY if tabular else str(recipes.get("proxy", {}).get("signal", ACCURACY))


def _by_limit(runs: Sequence[Run]) -> list[tuple[str, list[Run]]]:
    """The runs of a profile by what ends their final trainings: such accuracies do not belong in one table.

    A run that failed before it was told has none; it stands with the others.
    """
    limits = {id(run): limit_of(run.record) for run in runs}
    known = sorted({limits[id(run)] for run in runs if limits[id(run)] or run.record.status == "ok"}) or [""]
    groups: dict[str, list[Run]] = {limit: [] for limit in known}
    for run in runs:
        groups[limits[id(run)] if limits[id(run)] in groups else known[0]].append(run)
    return list(groups.items())


def _by_space(profile: str, budget: str, ended_by: str, runs: Sequence[Run]) -> list[Block]:
    """One table of native spaces, and one for each common space.

    A zero line is at home everywhere. It stands in the table of native spaces where a method is at home in its space,
    or where no method searched that.
    """
    learning = [run for run in runs if run.record.method not in ZERO_LINE]
    searched = {run.record.space for run in learning}
    at_home = {run.record.space for run in learning if in_native_space(run.record)}

    def is_native(run: Run) -> bool:
        if run.record.method in ZERO_LINE and run.record.space in searched:
            return run.record.space in at_home
        return in_native_space(run.record)

    native = tuple(filter(is_native, runs))
    tables = [Block(profile, budget, "", native, ended_by)] if native else []
    covered = set(map(id, native))
    for space in sorted({run.record.space for run in runs if id(run) not in covered}):
        same = tuple(run for run in runs if run.record.space == space)
        tables.append(Block(profile, budget, space, same, ended_by))
    return tables


def limit_of(record: Record) -> str:
    """What ends the final training: ``epochs``, ``seconds`` (all of a table get as many), or empty: neither or unknown.

    An older record does not say so; there a limit in seconds in the recipe ended the training.
    """
    stated = record.final.get("limit")
    if isinstance(stated, str):
        return "" if stated == "steps" else stated
    recipe = record.recipes.get("final", {})
    if recipe.get("epochs"):
        return "epochs"
    return "seconds" if recipe.get("seconds") else ""


def extra_of(record: Record) -> dict[str, float]:
    """What a final training has besides the profile's recipe: more filters, another width, cutout."""
    stated = record.recipes.get("extra", {})
    return {str(name): float(value) for name, value in stated.items()}


def devices(block: Block) -> dict[str, int]:
    """Number of runs by kind of device, where the clock decides how much work a run was given; else empty."""
    timed = block.ended_by == "seconds" or (block.budget.endswith("s") and " " not in block.budget)
    if not timed or all(is_tabular(run.record) for run in block.runs):
        return {}
    return dict(sorted(Counter(str(run.record.provenance.get("device") or NOT_RECORDED) for run in block.runs).items()))


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


def is_ensemble(record: Record) -> bool:
    """Whether the result is that of several networks together."""
    return any("member" in network for network in record.networks)


def accuracies(runs: Sequence[Run]) -> list[float]:
    """Test accuracies in % of the runs that have one."""
    return [100 * value for run in runs if (value := accuracy(run.record)) is not None]


def accuracy(record: Record) -> float | None:
    """Test accuracy 0..1 of a run with a result."""
    value = record.test_accuracy
    return value if record.status == "ok" and value is not None and math.isfinite(value) else None
