"""What the system says of this machine's processor."""

from __future__ import annotations

import platform
from pathlib import Path


def cpu(name: str) -> str:
    """What the system says of the first core under a heading of ``/proc/cpuinfo``; empty where it says nothing."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    except OSError:
        pass
    return ""


def processor() -> str:
    """The processor's name."""
    return cpu("model name") or platform.processor() or platform.machine()
