"""The search of a run, inside its process: makes the method, lets it search, stores what it proposes.

The same for images and for tables; what differs is the workbench that the prepared data opens.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from typing import Any

from harness.core.budget import BudgetSpent, Meter
from harness.core.errors import InputError
from harness.core.evaluation import MOST_MEMBERS, Ensemble, KerasConfig, Proposal
from harness.core.method import Method, needs_accuracy
from harness.core.names import sentence
from harness.core.proposals import proposal_to_json
from harness.core.seeds import derive_seed, rng
from harness.core.space import Genotype, Space
from harness.core.task import Task
from harness.plugins.catalogue import BrokenPlugin, Source, load_method
from harness.run.backends.base import Outcome, Tell
from harness.run.children import beside
from harness.run.fence import fence
from harness.run.job import Failure, Job, Unsupported, guarded
from harness.run.store import plain, read_json, write_json

WRITES = (
    "settings.json",
    "progress.json",
    "evaluations.jsonl",
    "proposals.jsonl",
    "judgements.jsonl",
    "checkpoint.npz",
    "stopped",
    "search.json",
)
"""What a search may leave in its run's directory."""


def search(job: Job, tell: Tell) -> Outcome:
    """Lets the method search, and stores what it proposes in ``search.json``."""
    return guarded(job, "search", lambda: _search(job, tell))


def get_ready(job: Job) -> None:
    """Imports the method, behind a fence, before its searches: each search then runs in a copy of this process.

    Args:
        job: one of the searches; what is forbidden to it is forbidden to all of them.
    """
    fence(job.forbidden)
    load_method(job.method)


def _search(job: Job, tell: Tell) -> None:
    stands = fence(job.forbidden)
    with beside(job) as pool:
        device = job.prepared.start(job)
        method, settings = make_method(job)
        bench = job.prepared.open(job, tell)
        profile, journal, rate = job.profile, bench.journal, bench.evaluator.steps()
        task = Task(
            space=bench.space,
            data=bench.data,
            recipe=bench.recipe or profile.proxy_for(job.space),
            rng=rng(job.seed, "search"),
            seed=derive_seed(job.seed, "search"),
            meter=Meter(profile.budget, rate, clock=bench.clock),
            evaluator=bench.evaluator,
            journal=journal,
            limits=profile.limits,
            beyond=bench.beyond,
            top=profile.top,
            pool=pool,
        )
        let_search(method, task)
    proposal, *others = checked(task, bench.space)
    counts = summary(task, rate) | journal.times()
    if pool is not None:
        counts["device_seconds"] = round(task.meter.charged, 3)
        counts |= {"restarts": pool.restarts} if pool.restarts else {}
    journal.close(len(task.evaluations))
    stored = {
        "proposal": proposal_to_json(proposal),
        **({"others": [proposal_to_json(other) for other in others]} if profile.top > 1 else {}),
        "search": counts,
        "settings": settings,
        "title": title_of(job, method),
        "process": {
            "fence": stands,
            "device": device,
            **({"tensorflow": "used"} if "tensorflow" in sys.modules else {}),
        },
    }
    write_json(job.directory.search, stored, durable=job.durable)


def summary(task: Task, steps_per_evaluation: int) -> dict[str, float]:
    """What a search has spent and done, for its record.

    ``charged`` is in the budget's unit, ``share`` is what that is of the budget: above 1 the search has overrun it.
    ``steps`` and ``macs`` are counted under every budget, ``macs`` only where the networks are known. ``discarded``
    proposals came too late, ``refused`` ones were beyond a limit and are no evaluations.
    ``planned_...`` is what the method has made of the budget.
    """
    meter = task.meter
    rate = steps_per_evaluation if meter.budget.unit == "evals" else 1
    trained = [evaluation for evaluation in task.evaluations if not evaluation.refused]
    facts: dict[str, float] = {
        "charged": meter.spent / rate,
        "share": round(meter.spent / meter.limit, 4),
        "evaluations": len(trained),
        "unique": len({evaluation.genotype for evaluation in trained}),
        "steps": meter.steps,
    }
    if meter.macs:
        facts["macs"] = meter.macs
    if task.refusals.count:
        facts["refused"] = task.refusals.count
    if task.discarded:
        facts["discarded"] = task.discarded
    return facts | {f"planned_{name}": value for name, value in task.planned.items()}


def configured(source: Source, scale: str) -> Method:
    """A method with its hyper-parameters: those of the command line, and those of the profile for the others."""
    cls = load_method(source)
    return cls(**{**cls.scaled.get(scale, {}), **dict(source.settings)})


def try_settings(method: tuple[Source, str], tell: Tell) -> Outcome:
    """Looks whether a method takes its hyper-parameters; arguments as of :func:`configured`."""
    try:
        configured(*method)
    except Exception as error:
        return Outcome("failed", str(error) if isinstance(error, InputError | BrokenPlugin) else sentence(error))
    return Outcome("ok")


def make_method(job: Job) -> tuple[Method, dict[str, Any]]:
    """The method with its hyper-parameters under this profile; refuses others than the run was started with."""
    if not job.native:
        raise Failure(f"the class of '{job.method.name}' has to state its space as a plain string: space = \"...\"")
    method = configured(job.method, job.profile.scale)
    settings: dict[str, Any] = {}
    if dataclasses.is_dataclass(method):
        settings = plain(dataclasses.asdict(method))
        # Nearly all runs ask for no extra; their settings do not mention it.
        settings = {name: value for name, value in settings.items() if name not in method.extras or value}
    if job.directory.settings.exists():
        if read_json(job.directory.settings) != settings:
            raise Failure(
                f"the settings of '{job.method.name}' changed while its run was interrupted; use another --out"
            )
    else:
        write_json(job.directory.settings, settings, durable=job.durable)
    return method, settings


def title_of(job: Job, method: Method) -> str:
    """The title for tables: the class's own, or the one that names the hyper-parameters given on the command line."""
    return job.title if job.method.settings else type(method).title


def let_search(method: Method, task: Task) -> None:
    """Lets the method search until it is done or its budget is spent.

    Raises:
        Unsupported: the method cannot work on this task.
    """
    reason = method.unsupported(task) or needs_accuracy(method, task)
    if reason is not None:
        raise Unsupported(str(reason))
    with contextlib.suppress(BudgetSpent):
        method.search(task)


def checked(task: Task, space: Space) -> list[Proposal]:
    """The search's result, and what it hands over besides, looked at with suspicion: a method may have put anything
    there.

    Raises:
        Failure: there is none, or one is no proposal of this space.
    """
    if task.proposal is None and task.refusals.count:
        refusals = task.refusals
        told = f"{task.limits.words()}; {refusals.count} were refused, the last one {refusals.last}"
        raise Failure(f"the search proposed nothing within the limits, {told}")
    if task.proposal is None:
        reason = "within its budget; a method has to evaluate or to call task.propose before that is spent"
        raise Failure(f"the search proposed nothing {reason}")
    return [_checked(proposal, space) for proposal in task.handed_over()]


def _checked(proposal: object, space: Space) -> Proposal:
    match proposal:
        case KerasConfig():
            return proposal
        case Genotype() if space.contains(proposal):
            return proposal
        case Ensemble(members) if 1 <= len(members) <= MOST_MEMBERS and all(map(space.contains, members)):
            return proposal
        case other:
            raise Failure(f"the search proposed a {type(other).__name__} that is not in space '{space.name}'")
