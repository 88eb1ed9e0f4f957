"""What the search processes share: making the method, looking at its proposal, telling what went wrong."""

from __future__ import annotations

import contextlib
import dataclasses
import traceback
from pathlib import Path
from typing import Any

from harness.core.budget import BudgetSpent
from harness.core.evaluation import KerasConfig, Proposal
from harness.core.method import Method
from harness.core.names import sentence
from harness.core.space import Genotype, Space
from harness.core.task import Task
from harness.plugins.catalogue import BrokenPlugin, load_method
from harness.run import sandbox
from harness.run.job import Job, Outcome
from harness.run.store import plain, read_json, write_json


class Failure(Exception):
    """A phase cannot go on; the message is the reason in the record."""


class Unsupported(Exception):
    """The method says that it cannot work on this task."""


def what_happened(error: BaseException, phase: str, memory: float) -> Outcome:
    """What an exception means for a run: an outcome with one sentence; a traceback goes into the run's log.

    Args:
        error: being handled.
        phase: in words.
        memory: cap of the process, GiB.
    """
    match error:
        case sandbox.Busy():
            return Outcome("busy", "another process is working on the same run")
        case Unsupported():
            return Outcome("unsupported", str(error))
    traceback.print_exception(error)
    match error:
        case Failure() | BrokenPlugin():
            return Outcome("failed", str(error))
        case MemoryError():
            return Outcome("failed", f"the {phase} needs more than its {memory:g} GiB of memory")
        case _:
            return Outcome("failed", f"the {phase} raised {sentence(error)}{_place(error)}")


def _place(error: BaseException) -> str:
    """Where an exception was raised: file and line, in brackets."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def let_search(method: Method, task: Task) -> None:
    """Lets the method search until it is done or its budget is spent.

    Raises:
        Unsupported: the method cannot work on this task.
    """
    reason = method.unsupported(task)
    if reason is not None:
        raise Unsupported(str(reason))
    with contextlib.suppress(BudgetSpent):
        method.search(task)


def make_method(job: Job) -> tuple[Method, dict[str, Any]]:
    """The method with its hyper-parameters under this profile; refuses others than the run was started with."""
    cls = load_method(job.method)
    if not job.native:
        raise Failure(f"the class of '{job.method.name}' has to state its space as a plain string: space = \"...\"")
    method = cls(**{**cls.scaled.get(job.profile.scale, {}), **dict(job.method.settings)})
    settings: dict[str, Any] = {}
    if dataclasses.is_dataclass(method):
        settings = plain(dataclasses.asdict(method))
    if job.directory.settings.exists():
        if read_json(job.directory.settings) != settings:
            raise Failure(
                f"the settings of '{job.method.name}' changed while its run was interrupted; use another --out"
            )
    else:
        write_json(job.directory.settings, settings)
    return method, settings


def title_of(job: Job, method: Method) -> str:
    """The title for tables: the class's own, or the one that names the hyper-parameters given on the command line."""
    return job.title if job.method.settings else type(method).title


def checked(task: Task, space: Space) -> Proposal:
    """The search's result, looked at with suspicion: a method may have put anything there."""
    match task.proposal:
        case None:
            raise Failure("the search proposed nothing; a method has to evaluate or to call task.propose")
        case KerasConfig() as config:
            return config
        case Genotype() as genotype if space.contains(genotype):
            return genotype
        case other:
            raise Failure(f"the search proposed a {type(other).__name__} that is not in space '{space.name}'")


def to_json(proposal: Proposal) -> dict[str, str]:
    """A proposal as it is stored; :func:`proposal_of` reads it back."""
    if isinstance(proposal, KerasConfig):
        return {"name": proposal.name, "json": proposal.json, "text": str(proposal)}
    return {"text": proposal.text}


def proposal_of(stored: dict[str, str], space: Space) -> Proposal:
    """The proposal that a search has stored."""
    if "json" in stored:
        return KerasConfig(stored["name"], stored["json"])
    return space.parse(stored["text"])
