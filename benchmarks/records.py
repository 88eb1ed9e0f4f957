"""Whether two directories hold the same results: ``python -m benchmarks.records DIRECTORY OTHER``.

Records, logs and predictions are compared, without what a clock has measured and without where it was.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

CLOCKED = frozenset(
    {"seconds", "cpu_seconds", "images_per_second", "latency", "device_seconds", "restarts", "provenance"}
)
"""Fields that may differ, at any depth."""
LOGS = ("evaluations.jsonl", "proposals.jsonl")


def compared(one: Path, other: Path) -> tuple[int, list[str]]:
    """How many records the first directory holds, and a line for each field that differs."""
    mine, theirs = (_runs(directory) for directory in (one, other))
    lines = [f"{run}: only in one of them" for run in sorted(mine ^ theirs)]
    for run in sorted(mine & theirs):
        lines += [f"{run}: {difference}" for difference in _of_run(one / run, other / run)]
    return len(mine), lines


def _runs(directory: Path) -> set[Path]:
    return {path.parent.relative_to(directory) for path in directory.rglob("record.json")}


def _of_run(one: Path, other: Path) -> Iterator[str]:
    yield from _differences("record", *(json.loads((run / "record.json").read_text()) for run in (one, other)))
    for name in LOGS:
        yield from _differences(name, *(_rows(run / name) for run in (one, other)))
    yield from _differences("predictions", *(_arrays(run / "predictions.npz") for run in (one, other)))


def _rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _arrays(path: Path) -> dict[str, Any]:
    """Checked bit by bit; NaN equals itself."""
    if not path.exists():
        return {}
    with np.load(path) as stored:
        return {name: (stored[name].shape, stored[name].tobytes()) for name in stored.files}


def _differences(name: str, one: Any, other: Any) -> Iterator[str]:
    match one, other:
        case dict(), dict():
            for key in sorted((one.keys() | other.keys()) - CLOCKED):
                yield from _differences(f"{name}.{key}", one.get(key), other.get(key))
        case list(), list() if len(one) == len(other):
            for number, (mine, theirs) in enumerate(zip(one, other, strict=True)):
                yield from _differences(f"{name}[{number}]", mine, theirs)
        case _ if one != other:
            yield f"{name}: {one!r:.80} and {other!r:.80}"


def main() -> None:
    """See the module."""
    one, other = (Path(argument) for argument in sys.argv[1:])
    records, lines = compared(one, other)
    print(f"{records} records, {len(lines)} differences", *lines, sep="\n")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
