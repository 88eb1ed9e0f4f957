"""What this machine offers to runs: cores, memory, graphics cards."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

MEMORY_OF_A_RUN = 2 * 2**30
"""Bytes that a run of the smaller profiles may want; most take half of it."""
VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Variable of the environment: the graphics cards that a process may use."""


def cores() -> int:
    """CPU cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def installed_cards() -> int:
    """Graphics cards of the machine."""
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def cards() -> tuple[str, ...]:
    """Graphics cards that this process may use, by the names that :data:`VISIBLE` has for them."""
    installed, named = installed_cards(), os.environ.get(VISIBLE)
    if named is None or not installed:
        return tuple(str(number) for number in range(installed))
    # As CUDA reads it: a name of no card hides those after it.
    names = (name.strip() for name in named.split(","))
    return tuple(itertools.takewhile(lambda name: name not in ("", "-1"), names))


def default_workers() -> int:
    """Runs at the same time, unless the user says otherwise: one per core, as far as the memory goes.

    So many processes of one thread train more images per second than one process of so many threads (see
    docs/performance.md), and a search gets the same share of the machine whatever runs beside it. Where there are
    graphics cards, one per card, or runs would share one and its memory.
    """
    return max(1, min(len(cards()) or cores(), memory() // MEMORY_OF_A_RUN))


def memory() -> int:
    """Bytes of the machine, or of the container's limit if that is less."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return whole
    return min(whole, int(limit)) if limit.isdigit() else whole
