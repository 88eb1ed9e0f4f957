"""What happens in the child processes: the search in one, the final training in a fresh one without the method's code.

Nothing here is called in the parent. TensorFlow is imported inside the functions, after the fence is up and the limits
are set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.core.budget import Meter
from harness.core.evaluation import Evaluator
from harness.core.files import replacing
from harness.core.seeds import derive_seed, rng
from harness.core.task import Task
from harness.plugins.catalogue import load_space
from harness.run import sandbox
from harness.run.fence import fence
from harness.run.job import Job, Outcome
from harness.run.journal import Progress, RunJournal
from harness.run.prepare import Prepared, class_names, final_data, search_data
from harness.run.searching import (
    Failure,
    checked,
    let_search,
    make_method,
    proposal_of,
    title_of,
    to_json,
    what_happened,
)
from harness.run.store import read_json, write_json


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
    except BaseException as error:
        return what_happened(error, phase, job.profile.memory)


def _search(job: Job) -> dict[str, Any]:
    details = {"fence": fence(job.forbidden)}
    from harness.nets import runtime

    assert isinstance(job.prepared, Prepared)
    profile = job.profile
    details["device"] = runtime.start(
        threads=job.threads, deterministic=profile.budget.counted, seed=derive_seed(job.seed, "global generators")
    )
    from harness.nets.evaluator import ProxyEvaluator

    method, settings = make_method(job)
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
    let_search(method, task)
    proposal = checked(task, space)
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
    stored = {"proposal": to_json(proposal), "search": counts, "settings": settings, "title": title_of(job, method)}
    write_json(job.directory.search, {**stored, "process": details})
    return details


def _final(job: Job) -> dict[str, Any]:
    from harness.nets import runtime

    assert isinstance(job.prepared, Prepared)
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
    with replacing(job.directory.predictions) as new:
        np.savez_compressed(new, probabilities=probabilities)
    with replacing(job.directory.model) as new:
        model.save(new)
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
