"""The final training of a run, inside a fresh process, behind a fence that leaves it the test images.

The method is not loaded. A space's plug-in is, and may be the same file as the method; so the fence is that of the
search, without the test images, which the network has to label. Nothing in this process can reach a test label.

TensorFlow is imported inside the function, after the limits of the process are set.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from harness.core.dataset import SearchData
from harness.core.files import replacing
from harness.core.seeds import derive_seed, rng
from harness.plugins.catalogue import load_space
from harness.run.backends.base import Outcome, Tell
from harness.run.fence import fence
from harness.run.images import PreparedImages, class_names, final_data
from harness.run.job import Failure, Job, guarded
from harness.run.journal import Progress
from harness.run.store import proposal_from_json, read_json, write_json

WRITES = ("progress.json", "final.checkpoint", "predictions.npz", "model.keras", "final.json")
"""What a final training may leave in its run's directory."""


def train_finally(job: Job, tell: Tell) -> Outcome:
    """Trains the proposed network on all training images, and stores its predictions for the test images."""
    return guarded(job, "final", lambda: _train(job, tell))


def _train(job: Job, tell: Tell) -> None:
    from harness.nets import runtime

    if not isinstance(job.prepared, PreparedImages):
        raise Failure(f"'{job.dataset}' has no images to train on")
    stands = fence(job.forbidden.without(job.prepared.hidden))
    recipe, seed = job.final, derive_seed(job.seed, "final training")
    device = runtime.start(threads=job.threads, deterministic=recipe.limit != "seconds", seed=seed)
    from harness.nets import count, footprint, training
    from harness.nets.build import build_model

    space = load_space(job.space, job.space_source)
    proposal = proposal_from_json(read_json(job.directory.search)["proposal"], space)
    data, test_images = final_data(job.prepared)
    data = drawn(data, recipe.train_images, job.seed)
    progress = Progress(job.directory.progress, "final", tell)
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
    counts = {
        "limit": recipe.limit,
        "epochs": trained.epochs,
        "steps": trained.steps,
        "capped": trained.capped,
        "images_per_second": trained.images_per_second,
        "latency": round(footprint.latency(model), 3),
        "training_seed": seed,
        **times,
    }
    stored = {
        "final": counts,
        "learning": trained.learning,
        "parameters": count.parameters(model),
        "macs": count.macs(model),
        "mean": list(data.mean),
        "std": list(data.std),
        "classes": class_names(job.prepared),
        "process": {"fence": stands, "device": device},
    }
    write_json(job.directory.final, stored)
    job.directory.final_checkpoint.unlink(missing_ok=True)


def drawn(data: SearchData, images: int, seed: int) -> SearchData:
    """The data with so many of its training images; 0 for all.

    They are drawn, because files may come class by class. The draw depends on the seed of the run and on the data set,
    so that all methods of a comparison train on the same ones.
    """
    if not 0 < images < len(data.x_train):
        return data
    chosen = np.sort(rng(seed, f"final images/{data.dataset}").permutation(len(data.x_train))[:images])
    return dataclasses.replace(data, x_train=data.x_train[chosen], y_train=data.y_train[chosen])
