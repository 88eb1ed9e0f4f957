"""What happens in the child processes: the search in one, the final training in a fresh one without the method's code.

Nothing here is called in the parent. TensorFlow is imported inside the functions, after the fence is up and the limits
are set.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.budget import BudgetSpent, Meter
from harness.core.method import Method
from harness.core.seeds import derive_seed, rng
from harness.core.space import Genotype, Space
from harness.core.task import Evaluator, KerasConfig, Proposal, Task
from harness.run import sandbox
from harness.run.fence import fence
from harness.run.job import Job, Outcome
from harness.run.journal import Progress, RunJournal
from harness.run.names import sentence
from harness.run.plugins import BrokenPlugin, load_method, load_space
from harness.run.prepare import class_names, final_data, search_data
from harness.run.store import plain, read_json, write_json


class Failure(Exception):
    """A phase cannot go on; the message is the reason in the record."""


class Unsupported(Exception):
    """The method says that it cannot work on this task."""


def search(job: Job) -> Outcome:
    """Lets the method search and stores what it proposes."""
    return _guarded(job, "search", _search)


def final(job: Job) -> Outcome:
    """Trains the proposed network on all training images and stores its predictions for the test images."""
    return _guarded(job, "final training", _final)


def _guarded(job: Job, phase: str, body: Callable[[Job], dict[str, Any]]) -> Outcome:
    """Runs a phase; whatever it raises becomes an outcome with one sentence, and a traceback in the run's log."""
    try:
        sandbox.move_in(job.directory, job.profile.memory)
        details = body(job)
        sandbox.move_out(job.directory)
        return Outcome("ok", details=details)
    except sandbox.Busy:
        return Outcome("busy", "another process is working on the same run")
    except Unsupported as reason:
        return Outcome("unsupported", str(reason))
    except (Failure, BrokenPlugin) as reason:
        traceback.print_exc()
        return Outcome("failed", str(reason))
    except MemoryError:
        traceback.print_exc()
        return Outcome("failed", f"the {phase} needs more than its {job.profile.memory:g} GiB of memory")
    except BaseException as error:
        traceback.print_exc()
        return Outcome("failed", f"the {phase} raised {sentence(error)}{_place(error)}")


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _search(job: Job) -> dict[str, Any]:
    details = {"fence": fence(job.forbidden)}
    from harness.nets import runtime

    profile = job.profile
    details["device"] = runtime.start(
        threads=job.threads, deterministic=profile.budget.counted, seed=derive_seed(job.seed, "global generators")
    )
    from harness.nets.evaluator import ProxyEvaluator

    method, settings = _method(job)
    space = load_space(job.space, job.space_source)
    data = search_data(job.prepared, job.seed)
    evaluator: Evaluator = ProxyEvaluator(space, data, profile.proxy, derive_seed(job.seed, "proxy training"))
    progress = Progress(job.directory.progress, "search")
    journal = RunJournal(job.directory, progress)
    task = Task(
        space=space,
        data=data,
        recipe=profile.proxy,
        rng=rng(job.seed, "search"),
        seed=derive_seed(job.seed, "search"),
        meter=Meter(profile.budget, evaluator.steps()),
        evaluator=evaluator,
        journal=journal,
    )
    reason = method.unsupported(task)
    if reason is not None:
        raise Unsupported(str(reason))
    with contextlib.suppress(BudgetSpent):
        method.search(task)
    proposal = _checked(task, space)
    rate = evaluator.steps() if profile.budget.unit == "evals" else 1
    times = progress.times()
    journal.close()
    counts = {
        "charged": task.meter.spent / rate,
        "evaluations": len(task.evaluations),
        "unique": len({evaluation.genotype for evaluation in task.evaluations}),
        "steps": task.meter.steps,
        **times,
    }
    stored = {"proposal": _to_json(proposal), "search": counts, "settings": settings, "title": type(method).title}
    write_json(job.directory.search, {**stored, "process": details})
    return details


def _method(job: Job) -> tuple[Method, dict[str, Any]]:
    """The method with its hyper-parameters under this profile; refuses others than the run was started with."""
    cls = load_method(job.method)
    if not job.native:
        raise Failure(f"the class of '{job.method.name}' has to state its space as a plain string: space = \"...\"")
    method = cls(**cls.scaled.get(job.profile.name, {}))
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


def _checked(task: Task, space: Space) -> Proposal:
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


def _to_json(proposal: Proposal) -> dict[str, str]:
    if isinstance(proposal, KerasConfig):
        return {"name": proposal.name, "json": proposal.json, "text": str(proposal)}
    return {"text": proposal.text}


def proposal_of(stored: dict[str, str], space: Space) -> Proposal:
    """The proposal that a search has stored."""
    if "json" in stored:
        return KerasConfig(stored["name"], stored["json"])
    return space.parse(stored["text"])


def _final(job: Job) -> dict[str, Any]:
    from harness.nets import runtime

    profile, recipe, seed = job.profile, job.profile.final, derive_seed(job.seed, "final training")
    device = runtime.start(threads=job.threads, deterministic=profile.counted, seed=seed)
    from harness.nets import count, training
    from harness.nets.build import build_model

    space = load_space(job.space, job.space_source)
    proposal = proposal_of(read_json(job.directory.search)["proposal"], space)
    data, test_images = final_data(job.prepared)
    progress = Progress(job.directory.progress, "final")
    model = build_model(
        proposal,
        space,
        recipe.size,
        data.image_shape,
        data.classes,
        seed=seed,
        drop_path=recipe.drop_path > 0,
        auxiliary=recipe.auxiliary > 0,
    )
    try:
        trained = training.train(
            model,
            data,
            recipe,
            seed=seed,
            on_step=lambda step, steps: progress.tell(step / steps, f"step {step} of {steps}"),
            checkpoint=job.directory.final_checkpoint,
        )
    except training.TrainingFailed as error:
        raise Failure(f"the final training failed: {error}") from error
    times = progress.times()
    probabilities = training.predict(model, np.asarray(test_images), data.mean, data.std)
    _replace(job.directory.predictions, lambda path: np.savez_compressed(path, probabilities=probabilities))
    _replace(job.directory.model, model.save)
    counts = {"steps": trained.steps, "images_per_second": trained.images_per_second, "training_seed": seed, **times}
    stored = {
        "final": counts,
        "parameters": count.parameters(model),
        "macs": count.macs(model),
        "mean": list(data.mean),
        "std": list(data.std),
        "classes": class_names(job.prepared),
    }
    write_json(job.directory.final, {**stored, "process": {"device": device}})
    job.directory.final_checkpoint.unlink(missing_ok=True)
    return {"device": device}


def _replace(path: Path, save: Callable[[Path], object]) -> None:
    """Writes a file under another name with the same suffix, and renames it."""
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    save(temporary)
    temporary.replace(path)
