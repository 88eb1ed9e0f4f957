"""Reads a table of trained architectures with a description beside it; see :mod:`harness.datasets.table`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import InputError
from harness.core.files import readable
from harness.core.space import Choice, Space
from harness.core.table import Measure, Numbers, Signal, Table
from harness.spaces import get_space
from harness.spaces.nasbench201 import NasBench201Space
from harness.spaces.table import TableSpace

from .spreadsheet import Sheet, read_sheet
from .tabulated import Spread, behind, on_the_way, spread, trained, whole_rows

_KEYS = {
    *("signal", "score", "seconds", "scale", "measure", "parameters", "repeats"),
    *("functions", "architectures", "trained", "made"),
    *("genotype", "space", "choices", "characters"),
}
_COLUMN_KEYS = {"column", "goal", "unit", "name"}
_MOST = 2**20  # bytes of a description
_MEASURES = ("test accuracy", "validation accuracy")
_GOALS = ("max", "min")
_LESS_IS_BETTER = re.compile(r"loss|err(or)?(?![a-z])|perplex|ppl|nll|entropy|r?mse|mae|latency|energy|regret", re.I)
"""Names of columns whose small values are usually the good ones."""


@dataclass(frozen=True)
class _Column:
    """A described column: its name, whether large or small values are good, and how it is called in tables."""

    column: str
    goal: str = ""
    unit: str = ""
    name: str = ""

    @property
    def is_accuracy(self) -> bool:
        """Whether it holds accuracies, which the entry ``scale`` brings to 0..1."""
        return not self.unit and not self.name and self.goal != "min"


def missing(path: Path) -> str | None:
    if path.is_dir():
        return f"{path} is a directory; write table:FILE.csv with the path of your table"
    if not path.is_file():
        return f"{path} is missing; write table:FILE.csv with the path of your table"
    if not path.with_suffix(".toml").is_file():
        return f"{path.with_suffix('.toml')} is missing; it names the columns of {path.name} (see docs/tables.md)"
    return None


def load_table(name: str, path: Path) -> Table:
    """The table in a CSV file with a description beside it; InputError if it cannot be read."""
    if absent := missing(path):
        raise InputError(absent)
    described = _description(path.with_suffix(".toml"))
    signals, scores = (_columns(path, described, key) for key in ("signal", "score"))
    if both := {column.column for column in signals} & {column.column for column in scores}:
        raise InputError(
            f"{path.with_suffix('.toml')}: signal and score are both '{min(both)}', so a search would be told what "
            "counts in the end; name two columns"
        )
    seconds = _listed(described.get("seconds", []))
    needed = [*(described[key] for key in ("parameters", "genotype", "characters") if key in described), *seconds]
    needed += [*described.get("choices", ()), *(column.column for column in (*signals, *scores))]
    by_seed = on_the_way(path.with_suffix(".toml"), described)
    ways = [by_seed.get(one.column.rpartition("_s")[2], {}) for one in signals]
    if not all(ways):
        ways = [{}] * len(signals)
    needed += [name for way in ways for name in way.values()]
    sheet, note = read_sheet(path, needed), ""
    if "architectures" in described:
        sheet, note = whole_rows(sheet, needed, described)
    space, genotypes = _genotypes(sheet, described)
    rows = _Rows(sheet, genotypes, described.get("repeats") == "mean")
    every = Spread(rows.genotypes, np.arange(len(rows.genotypes)))
    if described.get("functions"):
        every = spread(space, rows.genotypes, path)

    def values(name: str) -> Numbers:
        whole: Numbers = rows.values(sheet.numbers(name))[every.source]
        return whole

    scale, kind = float(described.get("scale", 1.0)), described.get("measure", _MEASURES[0])
    told = [_shares(sheet, one, values(one.column), scale, "validation accuracy")[0] for one in signals]
    worth = [_shares(sheet, one, values(one.column), scale, kind) for one in scores]
    costs = [values(name) for name in seconds] or [np.ones(len(every.genotypes))]
    how = trained(path.with_suffix(".toml"), described)
    repeats = [
        Signal(one, costs[place % len(costs)], how, {share: values(name) for share, name in way.items()})
        for place, (one, way) in enumerate(zip(told, ways, strict=True))
    ]
    measure = worth[0][1]
    return Table(
        name=name,
        space=space,
        genotypes=every.genotypes,
        signals={signals[0].column: Signal.of(repeats)},
        score=np.mean([one for one, _ in worth], axis=0),
        measure=measure.name,
        parameters=_counts(sheet, rows, described["parameters"])[every.source] if "parameters" in described else None,
        scored=None if scores[0].is_accuracy else measure,
        scores=tuple(one for one, _ in worth) if len(worth) > 1 else (),
        representatives=every.representatives,
        behind=behind(described),
        note="; ".join(line for line in (note, rows.note) if line),
    )


def _description(path: Path) -> dict[str, Any]:
    try:
        described = tomllib.loads(readable(path, _MOST).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is no readable TOML ({error})") from error
    if unknown := sorted(set(described) - _KEYS):
        raise InputError(f"{path} has the unknown entry '{unknown[0]}'; there are {', '.join(sorted(_KEYS))}")
    for key in ("signal", "score"):
        if not isinstance(described.get(key), str | dict) and not _is_list_of_columns(described.get(key)):
            raise InputError(f'{path} has to say {key} = "..."')
    seconds = described.get("seconds", "")
    if not isinstance(seconds, str) and not (
        _is_list_of_columns(seconds) and len(seconds) in (1, len(_listed(described["signal"])))
    ):
        raise InputError(f'{path} has to say seconds = "...", or a list of as many columns as signal has')
    if type(described.get("architectures", 1)) is not int or type(described.get("functions", True)) is not bool:
        raise InputError(f"{path}: architectures has to be a number, and functions true or false")
    for key in ("parameters", "genotype", "space", "characters", "repeats"):
        if key in described and not isinstance(described[key], str):
            raise InputError(f'{path} has to say {key} = "..."')
    scale = described.get("scale", 1.0)
    if not isinstance(scale, int | float) or isinstance(scale, bool) or not 0 < scale < float("inf"):
        raise InputError(f"{path}: scale has to be a positive number")
    if described.get("measure", _MEASURES[0]) not in _MEASURES:
        raise InputError(f"{path}: measure has to be {' or '.join(_MEASURES)}")
    if described.get("repeats", "mean") != "mean":
        raise InputError(f'{path}: repeats can only be "mean"')
    if sum(key in described for key in ("choices", "genotype", "characters")) != 1 or (
        ("space" in described) != ("genotype" in described)
    ):
        raise InputError(f"{path} has to name either genotype and space, or choices, or characters")
    names = described.get("choices", [""])
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path}: choices has to be a list of columns")
    return described


def _is_list_of_columns(entry: Any) -> bool:
    return isinstance(entry, list) and bool(entry) and all(isinstance(name, str) for name in entry)


def _listed(entry: Any) -> list[Any]:
    return entry if isinstance(entry, list) else [entry]


def _columns(path: Path, described: dict[str, Any], key: str) -> list[_Column]:
    """The entry ``signal`` or ``score``: a column, or a list of them, one for each repeated training."""
    return [_column(path, entry, key) for entry in _listed(described[key])]


def _column(path: Path, entry: Any, key: str) -> _Column:
    """A name, or ``{ column = ..., goal = ..., unit = ..., name = ... }``."""
    toml = path.with_suffix(".toml")
    entry = entry if isinstance(entry, dict) else {"column": entry}
    if unknown := sorted(set(entry) - _COLUMN_KEYS):
        known = ", ".join(sorted(_COLUMN_KEYS))
        raise InputError(f"{toml}: {key} has the unknown entry '{unknown[0]}'; there are {known}")
    if "column" not in entry or not all(isinstance(value, str) for value in entry.values()):
        raise InputError(f'{toml} has to say {key} = {{ column = "...", goal = "max" }}')
    column = _Column(**entry)
    if column.goal and column.goal not in _GOALS:
        raise InputError(f'{toml}: the goal of {key} has to be "max" or "min"')
    if not column.goal and _LESS_IS_BETTER.search(column.column):
        raise InputError(
            f"{toml}: less of '{column.column}' sounds better; say so, "
            f'{key} = {{ column = "{column.column}", goal = "min" }}, or goal = "max" if more of it is better'
        )
    return column


def _shares(sheet: Sheet, column: _Column, values: Numbers, scale: float, usual: str) -> tuple[Numbers, Measure]:
    """A column in 0..1, where 1 is best, and how it reads in its own unit.

    Accuracies stay as they are, times ``scale``. Others are set between the worst and the best value of the table.
    """
    if column.is_accuracy:
        shares = values * scale
        if shares.max() > 1 and scale == 1.0 and values.max() <= 100:
            raise InputError(
                f"{sheet.path}: column '{column.column}' goes up to {values.max():g}, outside 0..1; for percent, write "
                f"scale = 0.01 into {sheet.path.with_suffix('.toml').name}"
            )
        return shares, Measure(usual)
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise InputError(f"{sheet.path}: column '{column.column}' is {low:g} in every row")
    worst, best = (high, low) if column.goal == "min" else (low, high)
    measure = Measure(column.name or column.column, column.unit, worst, best)
    return measure.share(values), measure


class _Rows:
    """The rows of a sheet, one per architecture: several of one architecture are averaged if that was asked for."""

    def __init__(self, sheet: Sheet, texts: Sequence[str], average: bool) -> None:
        first: dict[str, int] = {}
        self._group = np.array([first.setdefault(text, len(first)) for text in texts])
        self.genotypes, self.note = tuple(first), ""
        if len(first) < len(texts):
            if not average:
                # Up to the first row that is there again, each row is a group of its own.
                again, before = next((row, group) for row, group in enumerate(self._group.tolist()) if row != group)
                raise InputError(
                    f"{sheet.path}: lines {sheet.rows[before].line} and {sheet.rows[again].line} "
                    f'are both {texts[again]}; write repeats = "mean" into {sheet.path.with_suffix(".toml").name} to '
                    "average them, or keep one of the two rows"
                )
            counts = np.bincount(self._group)
            some = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
            self.note = f"{sheet.path}: {len(texts)} rows of {len(first)} architectures, n = {some} each, averaged"

    def values(self, column: Numbers) -> Numbers:
        """A column's mean for each architecture."""
        means: Numbers = np.bincount(self._group, weights=column) / np.bincount(self._group)
        return means


def _counts(sheet: Sheet, rows: _Rows, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    values = sheet.numbers(name)
    for row, value in zip(sheet.rows, values, strict=True):
        if value != round(value) or value < 0:
            raise InputError(f"{sheet.path}, line {row.line}: {value:g} in column '{name}' is no number of parameters")
    return np.rint(rows.values(values)).astype(np.int64)


def _genotypes(sheet: Sheet, described: dict[str, Any]) -> tuple[Space, list[str]]:
    if "genotype" in described:
        return _of_a_known_space(sheet, described["genotype"], get_space(described["space"]))
    if "characters" in described:
        words, names = _characters(sheet, described["characters"])
    else:
        names = described["choices"]
        words = [sheet.words(name) for name in names]
    for name, column in zip(names, words, strict=True):
        if bad := next((word for word in column if "," in word), None):
            raise InputError(f"{sheet.path}: the value '{bad}' of the choice '{name}' has a comma in it")
    space = TableSpace([Choice(n, tuple(dict.fromkeys(column))) for n, column in zip(names, words, strict=True)])
    return space, [f"{space.name}:{','.join(row)}" for row in zip(*words, strict=True)]


def _of_a_known_space(sheet: Sheet, column: str, space: Space) -> tuple[Space, list[str]]:
    texts = []
    for row, word in zip(sheet.rows, sheet.words(column), strict=True):
        try:
            if isinstance(space, NasBench201Space) and word.startswith("|"):
                texts.append(str(space.from_official(word)))
            else:
                texts.append(str(space.parse(word)))
        except InputError as error:
            raise InputError(f"{sheet.path}, line {row.line}: {error}") from error
    return space, texts


def _characters(sheet: Sheet, column: str) -> tuple[list[list[str]], list[str]]:
    """A column of codes such as 01201221, of which each character is a choice."""
    codes = sheet.words(column)
    length = max(len(code) for code in codes)
    for row, code in zip(sheet.rows, codes, strict=True):
        if len(code) != length:
            raise InputError(
                f"{sheet.path}, line {row.line}: '{code}' has {len(code)} characters and others have {length}; a "
                "spreadsheet drops zeros at the front, so format the column as text"
            )
    return [list(letters) for letters in zip(*codes, strict=True)], [f"{column}[{n}]" for n in range(length)]
