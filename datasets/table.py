"""A table of trained architectures of your own: ``table:FILE.csv`` with a small description beside it, ``FILE.toml``.

The description names the columns::

    signal = "valid"            # what a search is told: validation accuracy
    seconds = "cost"            # what it pays for that, in seconds
    score = "test"              # what counts in the end; a search never sees it
    scale = 0.01                # accuracies times this are in 0..1; without it they are taken as they are
    measure = "test accuracy"   # or "validation accuracy", if score is no more than that
    parameters = "params"       # optional: trainable weights
    genotype = "arch"           # genotypes as text, of one of the harness's spaces ...
    space = "nasbench201"
    choices = ["op1", "op2"]    # ... or, instead of these two: columns whose values are independent choices
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.dataset import DatasetSource
from harness.core.errors import InputError
from harness.core.space import Choice, Space
from harness.core.table import Numbers, Signal, Table
from harness.spaces import get_space
from harness.spaces.table import TableSpace

_KEYS = {"signal", "seconds", "score", "scale", "measure", "parameters", "genotype", "space", "choices"}
_NEEDED = ("signal", "seconds", "score")
_MEASURES = ("test accuracy", "validation accuracy")
Rows = Sequence[dict[str, str]]


def source(path: Path) -> DatasetSource:
    """The table in a CSV file."""
    return DatasetSource(
        name=f"table:{path}",
        summary="a table of your own: a CSV file of trained architectures with a description beside it",
        load=lambda root: _load(path),
        missing=lambda root: _missing(path),
        fetch=None,
        hidden=lambda root: (path,),
        tabular=True,
    )


def _missing(path: Path) -> str | None:
    if not path.is_file():
        return f"{path} is missing; write table:FILE.csv with the path of your table"
    if not path.with_suffix(".toml").is_file():
        return f"{path.with_suffix('.toml')} is missing; it names the columns of {path.name} (see datasets/table.py)"
    return None


def _load(path: Path) -> Table:
    if absent := _missing(path):
        raise InputError(absent)
    described, rows = _description(path.with_suffix(".toml")), _rows(path)
    scale = described.get("scale", 1.0)
    if not isinstance(scale, int | float) or isinstance(scale, bool) or scale <= 0:
        raise InputError(f"{path.with_suffix('.toml')}: scale has to be a positive number")
    space, genotypes = _genotypes(path, described, rows)
    counts = _column(path, rows, described["parameters"]).astype(np.int64) if "parameters" in described else None
    return Table(
        name=f"table:{path}",
        space=space,
        genotypes=genotypes,
        signals={
            described["signal"]: Signal(
                _column(path, rows, described["signal"]) * scale, _column(path, rows, described["seconds"])
            )
        },
        score=_column(path, rows, described["score"]) * scale,
        measure=described.get("measure", _MEASURES[0]),
        parameters=counts,
    )


def _description(path: Path) -> dict[str, Any]:
    try:
        described = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} is no readable TOML ({error})") from error
    if unknown := sorted(set(described) - _KEYS):
        raise InputError(f"{path} has the unknown entry '{unknown[0]}'; there are {', '.join(sorted(_KEYS))}")
    columns = [*_NEEDED, *(name for name in ("parameters", "genotype", "space") if name in described)]
    for name in columns:
        if not isinstance(described.get(name), str):
            raise InputError(f'{path} has to say {name} = "..."')
    if described.get("measure", _MEASURES[0]) not in _MEASURES:
        raise InputError(f"{path}: measure has to be {' or '.join(_MEASURES)}")
    if ("choices" in described) == ("genotype" in described) or ("space" in described) != ("genotype" in described):
        raise InputError(f"{path} has to name either genotype and space, or choices")
    return described


def _genotypes(path: Path, described: dict[str, Any], rows: Rows) -> tuple[Space, tuple[str, ...]]:
    if "genotype" in described:
        return get_space(described["space"]), tuple(_words(path, rows, described["genotype"]))
    names = described["choices"]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path.with_suffix('.toml')}: choices has to be a list of columns")
    words = [_words(path, rows, name) for name in names]
    for name, column in zip(names, words, strict=True):
        if bad := next((word for word in column if "," in word), None):
            raise InputError(f"{path}: the value '{bad}' of the choice '{name}' has a comma in it")
    space = TableSpace([Choice(n, tuple(dict.fromkeys(column))) for n, column in zip(names, words, strict=True)])
    return space, tuple(f"{space.name}:{','.join(row)}" for row in zip(*words, strict=True))


def _rows(path: Path) -> Rows:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no readable CSV file ({error})") from error
    if not rows:
        raise InputError(f"{path} has no rows")
    return rows


def _words(path: Path, rows: Rows, name: str) -> list[str]:
    if name not in rows[0]:
        raise InputError(f"{path} has no column '{name}'; it has {', '.join(rows[0])}")
    words = [row[name] for row in rows]
    if any(word is None or not word.strip() for word in words):
        raise InputError(f"{path} has an empty cell in column '{name}'")
    return [word.strip() for word in words]


def _column(path: Path, rows: Rows, name: str) -> Numbers:
    try:
        return np.array([float(word) for word in _words(path, rows, name)])
    except ValueError as error:
        raise InputError(f"{path}: column '{name}' is not all numbers ({error})") from error
