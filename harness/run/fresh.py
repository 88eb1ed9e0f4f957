"""Whether a report's files still say what the records say, so that asking again costs no plotting."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from harness.core.record import Run
from harness.run.plugins import ROOT
from harness.run.store import write_json

_MARK = ".report.json"


def is_fresh(directory: Path, runs: Sequence[Run]) -> bool:
    """Whether :func:`mark` was called for the very same runs and report code, and its files are still there."""
    try:
        stored = json.loads((directory / _MARK).read_text(encoding="utf-8"))
        files, digest = stored["files"], stored["digest"]
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return bool(digest == _digest(runs)) and all((directory / name).is_file() for name in files)


def mark(directory: Path, runs: Sequence[Run], files: Sequence[Path]) -> None:
    """Notes that ``files`` in ``directory`` tell about ``runs``."""
    write_json(directory / _MARK, {"digest": _digest(runs), "files": [path.name for path in files]})


def _digest(runs: Sequence[Run]) -> str:
    digest = hashlib.sha256()
    for path in sorted((ROOT / "harness" / "report").glob("*.py")) + sorted((ROOT / "results" / "published").glob("*")):
        digest.update(f"{path.name} {path.stat().st_mtime_ns}\n".encode())
    for run in runs:
        digest.update(run.record.to_json().encode())
        digest.update(json.dumps([run.evaluations, run.proposals]).encode())
    return digest.hexdigest()
