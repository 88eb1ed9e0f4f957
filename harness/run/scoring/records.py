"""Writes the record of a run from what the run has left, and from what a scorer says of it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any, Protocol

from harness.core.files import replace_text
from harness.core.names import sentence
from harness.core.record import EvaluationRow, ProposalRow, Record
from harness.core.room import is_full
from harness.run.backends.base import Outcome
from harness.run.job import Job
from harness.run.scoring.fields import line, numbers, process
from harness.run.scoring.recount import check_charged, check_counted
from harness.run.store import read_json
from harness.stored.fields import what_is_wrong
from harness.stored.logs import read_rows


class Scorer(Protocol):
    """Knows what a search never sees, and says what its result is worth."""

    def score(self, job: Job, record: Record) -> Record:
        """The record of a run that went well, with its test accuracy; failed if there can be none."""

    def recipes(self, job: Job) -> dict[str, Any]:
        """How networks were trained, as the record has it: ``proxy`` and ``final``."""


def finish(job: Job, outcome: Outcome, scorer: Scorer, provenance: dict[str, Any]) -> Record:
    """Turns what a job left in its directory into its record, and stores that unless another process has the run.

    A search may have put anything there. What cannot be read, or says nothing, makes a failed row with a reason.

    Args:
        job: whose last phase has ended.
        outcome: of that phase.
        scorer: knows the test set.
        provenance: of this command.

    Raises:
        OSError: there is no room for the record.
    """
    record = Record(
        status="failed" if outcome.status == "busy" else outcome.status,
        reason=outcome.reason,
        profile=job.profile.name,
        dataset=job.dataset,
        space=job.space,
        method=job.method.name,
        title=job.title,
        seed=job.seed,
        budget=str(job.profile.budget),
        recipes=scorer.recipes(job),
        provenance=_provenance(job, provenance, {}),
        native=job.native,
        limits=job.profile.limits.plain(),
        position=job.position,
        look=job.look,
        seen=job.seen,
    )
    bare = record
    try:
        record = _with_what_is_left(job, record, provenance)
        if outcome.status == "ok":
            evaluations = read_rows(job.directory.evaluations, EvaluationRow)
            proposals = read_rows(job.directory.proposals, ProposalRow)
            if not job.directory.search.exists():
                raise ValueError(f"{job.directory.search.name} is gone")
            check_charged(job, record.search, evaluations)
            check_counted(job, record.search, evaluations)
            record = dataclasses.replace(record, search={**record.search, "proposals": len(proposals)})
            scored = scorer.score(job, record)
            if scored.status == "ok" and not proposals:
                raise ValueError(f"{job.directory.proposals.name} holds no proposal")
            record = scored
    except Exception as error:
        record = _failed(record, f"what the run left behind cannot be used: {sentence(error)}")
    if wrong := what_is_wrong(record):  # a record that the report refuses would hold up all others
        record = _failed(bare, f"what the run left behind cannot be used: {wrong}")
    if outcome.status != "busy":
        try:
            replace_text(job.directory.record, record.to_json(), durable=job.durable)
            if record.status != "ok":
                _put_aside(job)
            for leftover in (job.directory.stopped, job.directory.networks):
                shutil.rmtree(leftover, ignore_errors=True)
            # The last: as long as the note is there, the record does not count, and the next command does all of this.
            job.directory.note.unlink(missing_ok=True)
        except (OSError, ValueError) as error:
            if is_full(error):
                raise
            record = _failed(record, f"the record could not be written: {sentence(error)}")
    return record


def _put_aside(job: Job) -> None:
    """Renames logs that the report could not read: what is wrong with one run does not hold up all others."""
    logs: tuple[tuple[Path, type[Any]], ...] = (
        (job.directory.evaluations, EvaluationRow),
        (job.directory.proposals, ProposalRow),
    )
    for log, kind in logs:
        try:
            read_rows(log, kind)
        except (ValueError, OSError):
            aside = log.with_name(f"{log.name}.damaged")
            if aside.is_dir() and not aside.is_symlink():
                shutil.rmtree(aside)
            log.replace(aside)


def _failed(record: Record, reason: str) -> Record:
    """The record with a reason more."""
    return dataclasses.replace(
        record, status="failed", reason=f"{record.reason}; {reason}" if record.reason else reason
    )


def _with_what_is_left(job: Job, record: Record, provenance: dict[str, Any]) -> Record:
    """The record with the settings and the results of both phases, as far as there are any."""
    processes: dict[str, Any] = {}
    if job.directory.settings.exists():
        record = dataclasses.replace(record, settings=read_json(job.directory.settings))
    if job.directory.search.exists():
        searched = read_json(job.directory.search)
        processes["search"] = process(searched["process"])
        record = dataclasses.replace(
            record,
            proposal=line(searched["proposal"]["text"], "proposal", 2**20),
            search=numbers(searched["search"]),
            title=line(searched["title"], "title", 200),
        )
    if job.directory.final.exists():
        processes["final"] = process(read_json(job.directory.final)["process"])
    return dataclasses.replace(record, provenance=_provenance(job, provenance, processes))


def _provenance(job: Job, command: dict[str, Any], processes: dict[str, Any]) -> dict[str, Any]:
    """Facts of the command and of this run; the device is a graphics card by name, or the CPU."""
    trained_on = {one["device"] for one in processes.values()} - {"CPU"}
    return {
        **command,
        "threads": job.threads,
        "data": job.prepared.checksum,
        "device": ", ".join(sorted(trained_on)) or command["cpu"],
        "processes": processes,
        **({"children": job.children} if job.children > 1 else {}),
        **({"cards": job.profile.cards} if job.profile.cards > 1 else {}),
    }
