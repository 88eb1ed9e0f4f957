"""Reads the directories that runs leave behind. Whatever is wrong with a file is one sentence that names it."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from harness.core.errors import InputError
from harness.core.files import readable
from harness.core.names import one_of
from harness.core.record import EvaluationRow, ProposalRow, Record, Run, phase_note, trained
from harness.core.signal import ACCURACY, SIGNALS
from harness.report.model.classes import check_confusion

LogRow = TypeVar("LogRow", EvaluationRow, ProposalRow)

_AGAIN = "delete its directory to run it again"


class _Provenance(msgspec.Struct):
    """What the report reads of a record's provenance."""

    commit: str | None = None
    dirty: bool | None = None
    versions: dict[str, str | None] = {}
    command: str | list[str] = ""
    data: str = ""
    device: str = ""
    nodes: dict[str, str] = {}


class _Size(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of :class:`~harness.core.space.Size`."""

    channels: Annotated[int, msgspec.Meta(ge=1)]
    layers: Annotated[int, msgspec.Meta(ge=1)]
    stem_stride: Literal[1, 2] = 1
    more: int = 0


class _Limits(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of :class:`~harness.core.limits.Limits`."""

    parameters: Annotated[int, msgspec.Meta(ge=0)] = 0
    macs: Annotated[int, msgspec.Meta(ge=0)] = 0
    latency: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class _Classes(msgspec.Struct, forbid_unknown_fields=True):
    """What stored predictions say by class."""

    names: list[str] = []
    confusion: list[str] = []


_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""Of images."""


class _Measure(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of :class:`~harness.core.table.Measure`."""

    name: str
    unit: str = "%"
    worst: float = 0.0
    best: float = 100.0


class _Search(msgspec.Struct):
    """What the report reads of the facts of a search; what a method has planned is there too, of any kind."""

    charged: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    evaluations: float = 0.0
    unique: float = 0.0
    steps: float = 0.0
    macs: float = 0.0
    share: float = 0.0
    overrun: float = 0.0


class _Final(msgspec.Struct):
    """What the report reads of the facts of a final training."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    steps: float = 0.0
    images_per_second: float = 0.0
    latency: float = 0.0
    training_seed: float = 0.0
    optimum: float = 0.0
    noise: float = 0.0
    epochs: float = 0.0
    capped: bool = False
    limit: Literal["", "epochs", "seconds", "steps"] = ""


class _ProxyRecipe(msgspec.Struct):
    """What the report reads of the recipe of a search's trainings, or of a table that stands for them."""

    signal: str = ACCURACY


class _FinalRecipe(msgspec.Struct):
    """What the report reads of the recipe of a final training, or of a table that stands for it."""

    table: str = ""
    score: str = ""
    size: _Size = _Size(16, 15)
    measure: _Measure | None = None
    top: Annotated[int, msgspec.Meta(ge=1)] = 1


class _Network(msgspec.Struct):
    """One of several networks of a record."""

    rank: Annotated[int, msgspec.Meta(ge=1)]
    genotype: str
    member: Annotated[int, msgspec.Meta(ge=1)] = 1
    validation_accuracy: float | None = None
    test_accuracy: float | None = None
    failure: str = ""


def load_runs(directory: Path) -> list[Run]:
    """Every finished run below ``directory``, at any depth, in an order that depends on the records only.

    A run without ``record.json``, or of which a phase is under way, has not ended and is left out. So is a record below
    the directory of a run: a search may have put it there.

    Raises:
        InputError: no record at all, a record or a log that cannot be read, or two records of the same run, which
            would count one seed twice.
    """
    found = set(directory.rglob("record.json")) if directory.is_dir() else set()
    paths = sorted(path for path in found if not _is_foreign(path, found))
    if not paths:
        raise InputError(f"there is no record.json below {directory}; give the directory that a run was written to")
    known: dict[tuple[Any, ...], Run] = {}
    for path in paths:
        run = load_run(path.parent)
        key = run_key(run)
        if key in known:
            raise InputError(
                f"{path.parent} and {known[key].path} hold the same run; report on one output directory at a time"
            )
        known[key] = run
    return [known[key] for key in sorted(known)]


def _is_foreign(path: Path, found: Container[Path]) -> bool:
    """Whether a record was not written by the parent of its run, as far as its surroundings tell."""
    run = path.parent
    return phase_note(run).exists() or any(above / path.name in found for above in run.parents)


def load_run(directory: Path) -> Run:
    """The run whose files lie in ``directory``; logs that are not there are empty.

    Raises:
        InputError: the record or a log cannot be read.
    """
    path = directory / "record.json"
    record = Record.read(path)
    _check(record, path)
    log = directory / "evaluations.jsonl"
    evaluations = _rows(log, EvaluationRow)
    if log.exists():  # a search on a table may keep none
        _check_whole(record, evaluations, log)
    return Run(
        path=directory,
        record=record,
        evaluations=evaluations,
        proposals=_rows(directory / "proposals.jsonl", ProposalRow),
    )


def run_key(run: Run) -> tuple[str, str, str, str, str, int]:
    """What tells one run from another; also the order of runs everywhere in the report."""
    record = run.record
    return record.profile, record.budget, record.space, record.dataset, record.method, record.seed


def _check(record: Record, path: Path) -> None:
    """Refuses a record whose fields are of other kinds than :class:`Record` says, or which contradicts itself."""
    try:
        msgspec.convert(vars(record), Record)
        msgspec.convert(record.provenance, _Provenance)
        msgspec.convert(record.search, _Search)
        msgspec.convert(record.final, _Final)
        msgspec.convert(record.limits, _Limits)
        msgspec.convert(record.classes, _Classes)
        check_confusion(record.classes)
        final = msgspec.convert(record.recipes.get("final", {}), _FinalRecipe)
        proxy = msgspec.convert(record.recipes.get("proxy", {}), _ProxyRecipe)
        if not final.table:
            one_of("signal", proxy.signal, SIGNALS)
        msgspec.convert(record.networks, list[_Network])
        msgspec.convert(record.robustness, dict[str, list[_Share]])
        msgspec.convert(record.recipes.get("extra", {}), dict[str, float])
    except (msgspec.ValidationError, ValueError, InputError) as error:
        raise InputError(f"{path} is damaged: {_sentence(error)}; {_AGAIN}") from error
    if record.status == "ok" and record.test_accuracy is None:
        raise InputError(f"{path} is damaged: it says 'ok' but has no test accuracy; {_AGAIN}")


def _check_whole(record: Record, evaluations: Sequence[EvaluationRow], path: Path) -> None:
    """Refuses a log that has lost rows, or won some: curves and costs would be others than those of the search."""
    logged = trained(evaluations)
    counted = record.search.get("evaluations")
    if record.status == "ok" and counted is not None and logged != counted:
        record_file = path.with_name("record.json")
        raise InputError(f"{record_file} counts {counted:g} evaluations, and {path.name} holds {logged}; {_AGAIN}")


def _sentence(error: Exception) -> str:
    """``Expected `int`, got `str` - at `$.seed` `` as ``expected `int`, got `str` at `seed` ``."""
    text = str(error).replace(" - at `$.", " at `").replace("`$.", "`")
    return text[:1].lower() + text[1:]


def _rows(path: Path, kind: type[LogRow]) -> tuple[LogRow, ...]:
    """The rows of a log. A last line without its newline may be half a row: a killed process left it."""
    try:
        lines = readable(path).read_bytes().split(b"\n")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {_AGAIN}") from error
    except ValueError as error:
        raise InputError(f"{path} cannot be read ({error}); {_AGAIN}") from error
    decode = msgspec.json.Decoder(kind).decode
    rows: list[LogRow] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if number == len(lines):
                break
            raise InputError(f"line {number} of {path} is no row of this log ({_sentence(error)}); {_AGAIN}") from error
    return tuple(rows)
