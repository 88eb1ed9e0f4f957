"""What a command asks for, as a value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import InputError
from harness.run.profiles import Profile

MOST_SEEDS = 1000
_SEEDS = re.compile(r"^(\d{1,9})(?:-(\d{1,9}))?$")


@dataclass(frozen=True)
class Request:
    """One run of every method on every data set with every seed.

    Args:
        methods, datasets: names; ``("all",)`` are all methods.
        profile: with the search budget in force.
        seeds: of the runs.
        out: directory of the records.
        data_root: directory of the data sets.
        space: ``native``: each method's own under the profile; else one for all.
        workers: processes at the same time.
        plugins: files with methods, data sets or spaces.
        retry_failed: whether failed runs are thrown away and done again.
    """

    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    profile: Profile
    seeds: tuple[int, ...]
    out: Path
    data_root: Path
    space: str = "native"
    workers: int = 2
    plugins: tuple[Path, ...] = ()
    retry_failed: bool = False


def parse_names(what: str, text: str) -> tuple[str, ...]:
    """Reads ``a,b,c``.

    Raises:
        InputError: nothing in it, or a name twice.
    """
    names = tuple(word.strip() for word in text.split(",") if word.strip())
    if not names:
        raise InputError(f"name at least one {what}")
    if len(set(names)) != len(names):
        raise InputError(f"a {what} is named twice in '{text}'")
    return names


def parse_seeds(text: str) -> tuple[int, ...]:
    """Reads ``0,1,2`` or ``0-9`` or a mixture.

    Raises:
        InputError: anything else, a seed twice, or more than a thousand.
    """
    seeds: list[int] = []
    for word in text.split(","):
        match = _SEEDS.match(word.strip())
        if match is None:
            raise InputError(f"'{text}' are no seeds; write them like 0,1,2 or 0-9")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InputError(f"the seeds '{word.strip()}' run backwards; write {last}-{first}")
        if last - first + len(seeds) >= MOST_SEEDS:
            raise InputError(f"'{text}' are too many seeds; {MOST_SEEDS} is the most")
        seeds += range(first, last + 1)
    if len(set(seeds)) != len(seeds):
        raise InputError(f"a seed is named twice in '{text}'")
    return tuple(seeds)
