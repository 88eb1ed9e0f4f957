"""Where a number comes from: command, code, versions, machine."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.core.home import CHECKOUT
from harness.core.processor import cpu, processor

_PACKAGES = ("nas-comparison-harness", "tensorflow", "keras", "autokeras", "numpy")


def provenance(command: str, cores: int) -> dict[str, Any]:
    """What is the same for all runs of a command.

    Args:
        command: as it was given.
        cores: of the back end.
    """
    commit, dirty = _commit()
    return {
        "command": command,
        "commit": commit,
        "dirty": dirty,
        "versions": {"python": platform.python_version(), **_versions()},
        "platform": platform.platform(),
        "cpu": processor(),
        # One name covers several generations, and kernels pick their order of summation by these.
        "cpu_details": ", ".join(cpu(name) for name in ("cpu family", "model", "stepping", "cache size")),
        "blas": _kernels(),
        "cores": cores,
        "executable": Path(sys.executable).name,
    }


def _kernels() -> str:
    """The kernels that NumPy's library of linear algebra has chosen for this processor; "" if it does not say."""
    from threadpoolctl import threadpool_info

    names = {str(library["architecture"]) for library in threadpool_info() if "architecture" in library}
    return ", ".join(sorted(names))


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "unknown" if name == _PACKAGES[0] else "absent"
    for variant in ("tensorflow_cpu", "tensorflow_intel"):
        if found["tensorflow"] == "absent":
            try:
                found["tensorflow"] = f"{metadata.version(variant)} ({variant})"
            except metadata.PackageNotFoundError:
                continue
    return found


def _commit() -> tuple[str, bool]:
    """Commit and whether files differ from it; ("", False) without git or outside of a checkout."""
    if CHECKOUT is None or not (CHECKOUT / ".git").exists():
        return "", False
    try:
        head = _git("rev-parse", "HEAD")
        return head.strip(), bool(_git("status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.SubprocessError):
        return "", False


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(CHECKOUT), *words], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout
