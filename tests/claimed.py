"""A run that another command is working on."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.core.home import CHECKOUT

_HOLD = """
import sys
from pathlib import Path
from harness.run.claims import Claims
claims = Claims(Path(sys.argv[1]))
print(claims.take(Path(sys.argv[2])), flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def elsewhere(out: Path, run: Path) -> Iterator[bool]:
    """Another process claims a run below ``out``; whether it got it."""
    command = [sys.executable, "-c", _HOLD, str(out), str(run)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = process.stdout.readline().strip()
        assert told in ("True", "False")
        try:
            yield told == "True"
        finally:
            process.communicate()
