"""From a command to jobs: every name, file and directory is looked at before any work is done."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.dataset import DatasetSource, Labels
from harness.core.errors import InputError
from harness.core.record import Record
from harness.run import prepare
from harness.run.facts import Facts
from harness.run.fence import Forbidden
from harness.run.final import HiddenLabels
from harness.run.job import Job
from harness.run.plugins import BrokenPlugin, Catalogue, Source, load_dataset, load_space
from harness.run.prepare import Prepared
from harness.run.profiles import Profile
from harness.run.provenance import cores
from harness.run.store import RunDirectory, plain, read_json, write_json

MOST_SEEDS = 1000
UNKNOWN_SPACE = "unknown"
_SEEDS = re.compile(r"^(\d{1,9})(?:-(\d{1,9}))?$")


@dataclass(frozen=True)
class Request:
    """What a command asks for.

    Args:
        methods, datasets: names; ``("all",)`` are all methods.
        profile: with the search budget in force.
        seeds: one run each.
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


@dataclass
class Plan:
    """What is to be done, and what is there already.

    Args:
        jobs: to do, the longest first as far as is known.
        records: of runs that are over.
        labels: test labels for scoring.
        workers: processes at the same time.
    """

    jobs: list[Job]
    records: list[Record]
    labels: HiddenLabels
    workers: int
    stale: list[RunDirectory] = field(default_factory=list)


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
        if last < first or last - first >= MOST_SEEDS:
            raise InputError(f"'{word.strip()}' is no range of at most {MOST_SEEDS} rising seeds")
        seeds += range(first, last + 1)
    if len(set(seeds)) != len(seeds):
        raise InputError(f"a seed occurs twice in '{text}'")
    if len(seeds) > MOST_SEEDS:
        raise InputError(f"{len(seeds)} seeds are too many; at most {MOST_SEEDS} make sense")
    return tuple(seeds)


@dataclass(frozen=True)
class _Run:
    method: Source
    facts: Facts
    dataset: str
    space: str
    seed: int
    directory: RunDirectory


def make_plan(request: Request) -> Plan:
    """Looks at everything a command names, and prepares the data of what is to be done.

    Raises:
        InputError: something the command names does not exist or does not fit, or what is in the output directory was
            made with other inputs.
    """
    catalogue = Catalogue(request.plugins)
    sources = _datasets(request, catalogue)
    writable(request.out)
    runs = _runs(request, catalogue)
    records: list[Record] = []
    stale: list[RunDirectory] = []
    pending: list[_Run] = []
    for run in runs:
        record = run.directory.stored_record()
        if record is not None and not (request.retry_failed and record.status == "failed"):
            records.append(record)
            _check_settings(run, request.profile)
            continue
        if record is not None:
            stale.append(run.directory)
        pending.append(run)
    labels = HiddenLabels(lambda name: _load(sources[name], name, request.data_root).y_test)
    jobs: list[Job] = []
    for name in dict.fromkeys(run.dataset for run in pending):
        mine = [run for run in pending if run.dataset == name]
        data = _load(sources[name], name, request.data_root)
        prepared = prepare.locate(data, request.profile.validation_share, request.out)
        forbidden = _forbidden(sources[name], catalogue, name, request.data_root, prepared)
        of_set = [_job(run, request, catalogue, prepared, forbidden) for run in mine]
        for job, run in zip(of_set, mine, strict=True):
            if run.directory not in stale:
                _check_inputs(job)
                _check_settings(run, request.profile)
        labels.keep(name, data.y_test)
        jobs += of_set
"""
    (continued)
"""
