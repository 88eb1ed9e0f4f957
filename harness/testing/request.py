"""What the checks of a method ask of a child process."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.core.budget import Budget

STEPS = 4
"""Gradient steps of an evaluation."""
BUDGET = Budget(28, "steps")


@dataclass(frozen=True)
class Request:
    """What a child process is to do.

    Args:
        method: its name in the catalogue.
        plugins: ``--plugin`` files.
        directory: where to write; made here.
        space: instead of the method's own.
        dies_at: the write to the log in which the search is killed, to be resumed; None: it is left alone.
        everywhere: whether to kill it in every write instead, and to go on from each.
        globals_seed: of Python's and NumPy's global generators, which must not matter.
        hidden: directories of data sets, which are closed to the search.
        strict: whether a DeprecationWarning ends the search.
        scenarios: whether to search in :mod:`harness.testing.scenarios` instead.
    """

    method: str
    plugins: tuple[str, ...]
    directory: str
    space: str = ""
    dies_at: int | None = None
    everywhere: bool = False
    globals_seed: int = 0
    hidden: tuple[str, ...] = ()
    strict: bool = False
    scenarios: bool = False

    def write(self, path: Path) -> None:
        """Stores it for the child."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Request:
        """Reads what :meth:`write` has stored."""
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**stored, "plugins": tuple(stored["plugins"]), "hidden": tuple(stored["hidden"])})


def killed_at(method: str) -> int:
    """The number of the write in which a method's search is killed: not the same for all, so that each kind is met.

    The first ones leave nothing to resume from.
    """
    return 3 + zlib.crc32(method.encode()) % 4
