"""What travels between the parent and its child processes: plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from harness.plugins.catalogue import Source
from harness.run.fence import Forbidden
from harness.run.lookup_data import PreparedTable
from harness.run.prepare import Prepared
from harness.run.profiles import Profile
from harness.run.store import RunDirectory

Phase = Literal["search", "final"]


@dataclass(frozen=True)
class Job:
    """One method on one data set with one seed.

    Args:
        profile: with the search budget in force.
        method: where to load it from; ``title``, ``native`` (own space), ``position`` and ``look`` are as its source
            states them.
        dataset: as named on the command line.
        space, space_source: to search in, and the plug-in it comes from, if any.
        seed: names every random stream of the run.
        directory: of the run.
        prepared: the data: images to train on, or a table to look up in.
        forbidden: what the search may not touch.
        threads: of TensorFlow in this job.
        inputs: everything that the result depends on, besides code and machine; stored in the directory.
    """

    profile: Profile
    method: Source
    title: str
    native: str
    dataset: str
    space: str
    space_source: Source | None
    seed: int
    directory: RunDirectory
    prepared: Prepared | PreparedTable
    forbidden: Forbidden
    threads: int
    inputs: dict[str, Any]
    position: int | None = None
    look: int | None = None

    @property
    def label(self) -> str:
        """Short and unique within a command, for the screen."""
        return f"{self.dataset} {self.method.name} #{self.seed}"


@dataclass(frozen=True)
class Outcome:
    """How a phase of a job ended.

    Args:
        status: ``busy``: another process is working on the same run, which therefore leaves no record here.
        reason: one sentence unless ``ok``.
        details: about the process, for the record's provenance.
    """

    status: Literal["ok", "failed", "unsupported", "busy"]
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)
