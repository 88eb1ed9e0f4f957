"""What a valid record is: the fields that are read of it, their kinds and their ranges."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from harness.core.budget import Budget
from harness.core.errors import InputError
from harness.core.files import read_text
from harness.core.names import one_line, one_of
from harness.core.record import SCHEMA, Record
from harness.core.signal import ACCURACY, SIGNALS

AGAIN = "move its directory elsewhere to run it again"
"""What to do about files of a run that nobody can use. Not to delete them: results may be in them."""
MOST = 1e100
"""Size of the numbers that are computed with: squares and sums of them are numbers, too."""
_DIGITS = 15
"""Of a count in a confusion matrix."""
_TINY = re.compile(r"\d+(?:\.\d+)?e-\d{1,2}", re.ASCII)
"""As a budget of very few seconds is written, and nobody would write it."""
_Number = Annotated[float, msgspec.Meta(ge=-MOST, le=MOST)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Position = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class _Provenance(msgspec.Struct):
    """What is read of a record's provenance."""

    commit: str | None = None
    dirty: bool | None = None
    versions: dict[str, str | None] = {}
    command: str | list[str] = ""
    data: str = ""
    device: str = ""
    nodes: dict[str, str] = {}


class _Size(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of :class:`~harness.core.space.Size`."""

    channels: _Position
    layers: _Position
    stem_stride: Literal[1, 2] = 1
    more: _Whole = 0


class _Limits(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of :class:`~harness.core.limits.Limits`."""

    parameters: _Count = 0
    macs: _Count = 0
    latency: Annotated[float, msgspec.Meta(ge=0, le=MOST)] = 0.0


class _Classes(msgspec.Struct, forbid_unknown_fields=True):
    """What stored predictions say by class."""

    names: list[str] = []
    confusion: list[str] = []


class _Measure(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of :class:`~harness.core.table.Measure`."""

    name: str
    unit: str = "%"
    worst: _Number = 0.0
    best: _Number = 100.0


class _Search(msgspec.Struct):
    """What is read of the facts of a search; what a method has planned is there too, of any kind."""

    charged: _Number = 0.0
    share: _Number = 0.0
    overrun: _Number = 0.0
    seconds: _Number = 0.0
    cpu_seconds: _Number = 0.0
    device_seconds: _Number = 0.0
    evaluations: _Number = 0.0
    unique: _Number = 0.0
    proposals: _Number = 0.0
    steps: _Number = 0.0
    macs: _Number = 0.0
    planned_simulated_wall: _Number | None = None


class _Final(msgspec.Struct):
    """What is read of the facts of a final training."""

    seconds: _Number = 0.0
    cpu_seconds: _Number = 0.0
    steps: _Number = 0.0
    images_per_second: _Number = 0.0
    latency: _Number = 0.0
    training_seed: _Number = 0.0
    optimum: _Number = 0.0
    noise: _Number = 0.0
    epochs: _Number = 0.0
    chance: _Share | None = None
    capped: bool = False
    limit: Literal["", "epochs", "seconds", "steps"] = ""


class _ProxyRecipe(msgspec.Struct):
    """What is read of the recipe of a search's trainings, or of a table that stands for them."""

    signal: str = ACCURACY


class _FinalRecipe(msgspec.Struct):
    """What is read of the recipe of a final training, or of a table that stands for it."""

    table: str = ""
    score: str = ""
    size: _Size = _Size(16, 15)
    measure: _Measure | None = None
    top: _Position = 1


class _Network(msgspec.Struct):
    """One of several networks of a record."""

    rank: _Position
    genotype: str
    member: _Position = 1
    validation_accuracy: _Share | None = None
    test_accuracy: _Share | None = None
    failure: str = ""


class _Recipes(msgspec.Struct):
    """What is read of the recipes."""

    final: _FinalRecipe = msgspec.field(default_factory=_FinalRecipe)
    proxy: _ProxyRecipe = msgspec.field(default_factory=_ProxyRecipe)
    extra: dict[str, _Number] = {}


class _Fields(msgspec.Struct):
    """What :class:`Record` does not say of its fields itself. A table's own measure stands there as a share, too."""

    test_accuracy: _Share | None
    parameters: _Count | None
    macs: _Count | None
    position: _Whole | None
    look: _Whole | None
    search: _Search
    final: _Final
    recipes: _Recipes
    provenance: _Provenance
    limits: _Limits
    metrics: dict[str, _Number]
    classes: _Classes
    learning: dict[str, list[_Number]]
    networks: list[_Network]
    robustness: dict[str, list[_Share]]


def read_record(path: Path) -> Record:
    """The record in a file, looked at.

    Its title and its reason are one line each that a terminal and a file take.

    Raises:
        InputError: it cannot be read, is one of another version of this harness, or is damaged.
    """
    try:
        record = Record.read(path)
    except InputError as error:
        raise _unread(path, error) from error
    if wrong := what_is_wrong(record):
        raise InputError(f"{path} is damaged: {wrong}; {AGAIN}")
    if not (record.title + record.reason).isprintable():
        record = replace(record, title=_shown(record.title), reason=_shown(record.reason))
    return record


def _shown(text: str) -> str:
    return one_line(text, len(text))


def _unread(path: Path, error: InputError) -> InputError:
    """The sentence about a record that is none here; one of another version is as good as it was."""
    try:
        raw = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        raw = None
    if isinstance(raw, dict):
        schema, unknown = raw.get("schema"), sorted(set(raw) - {known.name for known in fields(Record)})
        told = f"schema {schema}" if schema != SCHEMA else f"fields {one_line(', '.join(unknown), 100)}"
        if type(schema) is int and (schema != SCHEMA or unknown):
            return InputError(
                f"{path} was written by another version of this harness ({told}); use that version, or move its "
                "directory elsewhere"
            )
    return InputError(f"{str(error).rpartition('; ')[0] or error}; {AGAIN}")


def what_is_wrong(record: Record) -> str:
    """What makes a record unusable, as a part of a sentence; "" if nothing does.

    It has fields of other kinds than :class:`Record` says, or numbers out of their range, or contradicts itself.
    """
    try:
        msgspec.convert(vars(record), Record)
        recipes = msgspec.convert(vars(record), _Fields).recipes
        if not recipes.final.table:
            one_of("signal", recipes.proxy.signal, SIGNALS)
        _check_confusion(record.classes)
        _check_texts(record)
        Budget.parse(_TINY.sub(lambda number: f"{float(number[0]):.40f}", record.budget))
    except (msgspec.ValidationError, ValueError, InputError, RecursionError) as error:
        return said(error)
    except SystemError:  # of the lowest msgspec, where a whole number is too large for a float
        return "a number in it is out of range"
    if record.status == "ok" and record.test_accuracy is None:
        return "it says 'ok' but has no test accuracy"
    return ""


def _check_confusion(classes: Mapping[str, list[str]]) -> None:
    """Looks whether the texts of a record are a matrix of counts with a row and a column per class.

    Raises:
        ValueError: they are not; the message is a sentence.
    """
    names = classes.get("names", ())
    rows = [row.split() for row in classes.get("confusion", ())]
    if any(not (word.isdecimal() and word.isascii() and len(word) <= _DIGITS) for row in rows for word in row):
        raise ValueError("its confusion matrix holds something else than counts")
    if any(len(row) != len(rows) for row in rows) or len(names) not in (0, len(rows)):
        raise ValueError("its confusion matrix does not have a row and a column per class")


def _check_texts(record: Record) -> None:
    """Looks whether what a record holds can be written again, at any depth.

    Raises:
        ValueError: it cannot; the message is a sentence.
    """
    try:
        text = json.dumps(vars(record), ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError("a number in it is infinite or none") from error
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("a text in it holds half a character") from error


def said(error: Exception) -> str:
    """``Expected `int`, got `str` - at `$.seed` `` as ``expected `int`, got `str` at `seed` ``."""
    text = str(error).replace(" - at `$.", " at `").replace("`$.", "`")
    return text[:1].lower() + text[1:]
