"""What a description of a table says of repeated trainings: what ``python -m harness tabulate`` writes."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import InputError
from harness.core.space import MOST_TABULATED, Size, Space
from harness.core.table import Behind, Integers, Trained

from .spreadsheet import Sheet

TRAINED = {"channels", "layers", "stem_stride", "image", "classes", "images", "validated"}


@dataclass(frozen=True)
class Spread:
    """The rows of a table in which each architecture stands for all genotypes that compute its function.

    Args:
        genotypes: texts.
        source: the row of the file that each is from.
        representatives: a row of each architecture; empty where each row is one.
    """

    genotypes: tuple[str, ...]
    source: Integers
    representatives: tuple[int, ...] = ()


def spread(space: Space, genotypes: Sequence[str], path: Path) -> Spread:
    """All genotypes of ``space`` whose function one of ``genotypes`` computes, in the order of the space.

    Raises:
        InputError: two of them compute the same.
    """
    rows: dict[str, int] = {}
    for row, text in enumerate(genotypes):
        other = rows.setdefault(space.function(space.parse(text)), row)
        if other != row:
            raise InputError(
                f"{path}: {genotypes[other]} and {text} compute the same function; keep one of the two rows"
            )
    if space.cardinality > MOST_TABULATED:
        return Spread(tuple(genotypes), np.arange(len(genotypes)))
    found = [(every.text, rows.get(space.function(every), -1)) for every in space.every()]
    texts, source = zip(*((text, row) for text, row in found if row >= 0), strict=True)
    firsts: dict[int, int] = {}
    for place, row in enumerate(source):
        firsts.setdefault(row, place)
    return Spread(texts, np.array(source), tuple(firsts[row] for row in range(len(genotypes))))


def whole_rows(sheet: Sheet, needed: Sequence[str], described: Mapping[str, Any]) -> tuple[Sheet, str]:
    """The rows that have all needed cells, and a line on the others: a table may be under way.

    Raises:
        InputError: there are none.
    """
    rows = [row for row in sheet.rows if all(row.cells.get(name) for name in needed)]
    every = described["architectures"]
    if not rows:
        raise InputError(f"{sheet.path} has no row that is complete yet; go on with the tabulate command that made it")
    if len(rows) == every:
        return sheet, ""
    words = f"{sheet.path}: {len(rows)} of {every} architectures are complete; the table does not have the others"
    return replace(sheet, rows=rows), words


def on_the_way(path: Path, described: Mapping[str, Any]) -> dict[str, dict[float, str]]:
    """Columns of validation accuracies on the way of a training, by the share of it, for each seed as text.

    Raises:
        InputError: the entry ``made`` says nonsense.
    """
    made = described.get("made", {})
    try:
        seeds, points = [int(seed) for seed in made.get("seeds", ())], [int(point) for point in made.get("points", ())]
        return {f"{seed}": {point / points[-1]: f"valid_{point}_s{seed}" for point in points[:-1]} for seed in seeds}
    except (AttributeError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise InputError(f"{path}: seeds and points in made have to be lists of numbers") from error


def trained(path: Path, described: Mapping[str, Any]) -> Trained | None:
    """What the entry ``trained`` says, if there is one.

    Raises:
        InputError: it says something else.
    """
    entry = described.get("trained")
    if entry is None:
        return None
    numbers = [value for name, value in entry.items() if name != "image"] if isinstance(entry, dict) else []
    if not numbers or not set(entry) >= TRAINED or not all(type(number) is int and number > 0 for number in numbers):
        raise InputError(f"{path}: trained has to say {', '.join(sorted(TRAINED))}, as docs/tables.md has it")
    match entry["image"]:
        case [int(height), int(width), int(channels)]:
            size = Size(entry["channels"], entry["layers"], entry["stem_stride"])
            final = _final_size(path, described)
            return Trained(
                size,
                (height, width, channels),
                entry["classes"],
                entry["images"],
                entry["validated"],
                final if final != size else None,
            )
    raise InputError(f"{path}: image in trained has to be height, width and channels")


def _final_size(path: Path, described: Mapping[str, Any]) -> Size | None:
    """Size of the networks behind the score, from the recipe that `tabulate` writes; None where it wrote none.

    Raises:
        InputError: the recipe is no recipe.
    """
    recipe = described["made"].get("final") if isinstance(described.get("made"), dict) else None
    if recipe is None:
        return None
    try:
        size = json.loads(recipe)["size"]
        return Size(int(size["channels"]), int(size["layers"]), int(size["stem_stride"]), int(size.get("more", 0)))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: final in made has to be a recipe, as tabulate writes it") from error


def hidden(path: Path) -> tuple[Path, ...]:
    """A table, what its making has left, and the tables beside it of the same images and space: parts that were merged
    into it, say, which hold its scores too. Such tables elsewhere are not known."""
    own = _made(path)
    others = path.parent.glob("*.csv") if own else ()
    same = [other for other in sorted(others) if other != path and _made(other) == own]
    return (path, path.with_name(f"{path.name}.work"), *same)


def _made(path: Path) -> tuple[str, str] | None:
    """Checksum of the images, and space of a table that `tabulate` has made; None of any other file."""
    try:
        made = tomllib.loads(path.with_suffix(".toml").read_text(encoding="utf-8"))["made"]
        return str(made["data"]), str(made["space"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def behind(described: Mapping[str, Any]) -> Behind | None:
    """The images that the entry ``made`` names, as `tabulate` writes it; None where it does not."""
    match described.get("made"):
        case {"dataset": str(dataset), "data": str(checksum), "validation_share": float(share)}:
            return Behind(dataset, checksum, share)
    return None
