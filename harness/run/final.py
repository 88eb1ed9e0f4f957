"""The final trainings of a run, inside a fresh process, behind a fence that leaves it the test images.

The method is not loaded. A space's plug-in is, and may be the same file as the method; so the fence is that of the
search, without the test images, which the network has to label. Nothing in this process can reach a test label.

A run has one final training, or several where the command asks for the best proposals of each search. Then the
validation images are left out of them, and the accuracy on these chooses the network of the run.

TensorFlow is imported inside the functions, after the limits of the process are set.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.dataset import Images, SearchData
from harness.core.errors import InputError
from harness.core.evaluation import Proposal
from harness.core.files import replacing
from harness.core.names import sentence
from harness.core.proposals import proposal_from_json
from harness.core.seeds import derive_seed, rng
from harness.core.space import Space
from harness.plugins.catalogue import load_space
from harness.run.backends.base import Outcome, Tell
from harness.run.fence import fence
from harness.run.images import PreparedImages, class_names, final_data
from harness.run.job import Failure, Job, guarded
from harness.run.journal import Progress
from harness.run.store import read_json, write_json

Model = Any
"""A Keras model; Keras stays on the floors below."""
WRITES = ("progress.json", "final.checkpoint", "networks", "predictions.npz", "model.keras", "final.json")
"""What a final training may leave in its run's directory."""


def train_finally(job: Job, tell: Tell) -> Outcome:
    """Trains the proposed network on all training images, and stores its predictions for the test images."""
    return guarded(job, "final", lambda: _train(job, tell))


def _train(job: Job, tell: Tell) -> None:
    from harness.nets import runtime

    if not isinstance(job.prepared, PreparedImages):
        raise Failure(f"'{job.dataset}' has no images to train on")
    stands = fence(job.forbidden.without(job.prepared.hidden))
    seed = derive_seed(job.seed, "final training")
    device = runtime.start(threads=job.threads, deterministic=job.final.limit != "seconds", seed=seed)

    space = load_space(job.space, job.space_source)
    searched = read_json(job.directory.search)
    handed = [searched["proposal"], *searched.get("others", ())][: job.profile.top]
    networks = [Network(proposal_from_json(stored, space), seed) for stored in handed]
    data, test_images = final_data(job.prepared, job.seed if job.profile.top > 1 else None)
    data = drawn(data, job.final.train_images, job.seed)
    progress = Progress(job.directory.progress, "final", tell)
    trainings = Trainings(job, space, data, networks, progress)
    chosen = _choose(trainings, np.asarray(test_images)) if job.profile.top > 1 else _only(trainings, test_images)
    stored = {
        **chosen,
        "mean": list(data.mean),
        "std": list(data.std),
        "classes": class_names(job.prepared),
        "process": {"fence": stands, "device": device},
    }
    write_json(job.directory.final, stored)
    trainings.clear()


@dataclass(frozen=True)
class Network:
    """A network that is to be trained.

    Args:
        proposal: what it is.
        seed: of its training.
    """

    proposal: Proposal
    seed: int


class Trainings:
    """Trains the networks of a run one after the other; of several, each is kept until all are trained.

    Args:
        job: of the run.
        space: of the proposals.
        data: to train on; validation images in it are not touched.
        networks: at least one.
        progress: of all of them together.
    """

    def __init__(
        self, job: Job, space: Space, data: SearchData, networks: Sequence[Network], progress: Progress
    ) -> None:
        self.job, self.data, self.networks = job, data, networks
        self.progress, self._space = progress, space

    def train(self, number: int) -> tuple[Model, dict[str, Any]]:
        """The trained network with this number, from 0, and the counts of its training."""
        from harness.nets import training
        from harness.nets.build import build_model

        recipe, network, data = self.job.final, self.networks[number], self.data
        model = build_model(
            network.proposal,
            self._space,
            recipe.size,
            data.image_shape,
            data.classes,
            seed=network.seed,
            drop_path=recipe.drop_path > 0,
            auxiliary=recipe.auxiliary > 0,
        )
        try:
            trained = training.train(
                model,
                dataclasses.replace(data, x_valid=data.x_valid[:0], y_valid=data.y_valid[:0]),
                recipe,
                seed=network.seed,
                on_step=lambda step, steps: self._tell(number, step, steps),
                checkpoint=self.job.directory.final_checkpoint,
            )
        except training.TrainingFailed as error:
            raise Failure(f"the final training failed: {error}") from error
        counts = {
            "limit": recipe.limit,
            "epochs": trained.epochs,
            "steps": trained.steps,
            "capped": trained.capped,
            "images_per_second": trained.images_per_second,
            "training_seed": network.seed,
            **self.progress.times(),
        }
        return model, {"final": counts, "learning": trained.learning}

    def kept(self, number: int) -> tuple[Model, dict[str, Any]]:
        """As :meth:`train`, unless an interrupted process has trained it already; the model is read back from a file.

        What was computed before is forgotten, so that the memory of a process holds one network.
        """
        from harness.nets import runtime

        runtime.forget()
        model_file, facts_file = self._files(number)
        if not facts_file.exists():
            model, facts = self.train(number)
            model_file.parent.mkdir(exist_ok=True)
            with replacing(model_file) as new:
                model.save(new)
            write_json(facts_file, facts)
            self.job.directory.final_checkpoint.unlink(missing_ok=True)
        return runtime.load(model_file), read_json(facts_file)

    def _files(self, number: int) -> tuple[Path, Path]:
        stem = self.job.directory.networks / str(number + 1)
        return stem.with_suffix(".keras"), stem.with_suffix(".json")

    def clear(self) -> None:
        """Removes what an interrupted process would need."""
        shutil.rmtree(self.job.directory.networks, ignore_errors=True)
        self.job.directory.final_checkpoint.unlink(missing_ok=True)

    def _tell(self, number: int, step: int, steps: int) -> None:
        words, many = f"step {step} of {steps}", len(self.networks)
        told = words if many == 1 else f"network {number + 1} of {many}, {words}"
        self.progress.tell((number + step / steps) / many, told)


def _only(trainings: Trainings, images: Images) -> dict[str, Any]:
    """Trains the one network and stores it with its predictions; what the record is made of."""
    from harness.nets import training

    model, facts = trainings.train(0)
    probabilities = training.predict(model, np.asarray(images), trainings.data.mean, trainings.data.std)
    return _stored(trainings.job, model, facts, {"probabilities": probabilities})


def _choose(trainings: Trainings, images: Images) -> dict[str, Any]:
    """Trains all networks, and stores the one that is best on the validation images, the first of equal ones.

    The predictions of the others are stored beside its own, and the record lists all.
    """
    from harness.nets import count, training

    data = trainings.data
    lines: list[dict[str, Any]] = []
    predictions: dict[str, np.ndarray] = {}
    steps, failure = 0, Failure("there was nothing to train")
    for rank, network in enumerate(trainings.networks, start=1):
        line = {"rank": rank, "genotype": str(network.proposal), "training_seed": network.seed}
        lines.append(line)
        try:
            model, facts = trainings.kept(rank - 1)
        except (Failure, InputError, ValueError) as error:
            line["failure"], failure = sentence(error), Failure(f"no proposal could be trained; the last: {error}")
            continue
        steps += facts["final"]["steps"]
        line |= {"parameters": count.parameters(model), "macs": count.macs(model)}
        line["validation_accuracy"] = training.accuracy(model, data.x_valid, data.y_valid, data.mean, data.std)
        predictions[f"network {rank}"] = training.predict(model, images, data.mean, data.std)
    trained = [line for line in lines if "failure" not in line]
    if not trained:
        raise failure
    best = max(trained, key=lambda line: line["validation_accuracy"])
    model, facts = trainings.kept(best["rank"] - 1)
    probabilities = predictions[f"network {best['rank']}"]
    stored = _stored(trainings.job, model, facts, {"probabilities": probabilities, **predictions})
    stored["final"] |= {"steps": steps, "trainings": len(trained), "chosen": best["rank"], **trainings.progress.times()}
    return {**stored, "networks": lines}


def _stored(job: Job, model: Model, facts: dict[str, Any], predictions: dict[str, np.ndarray]) -> dict[str, Any]:
    """Stores the network of a run and its predictions; the counts of both."""
    from harness.nets import count, footprint

    with replacing(job.directory.predictions) as new:
        np.savez_compressed(new, allow_pickle=False, **predictions)
    with replacing(job.directory.model) as new:
        model.save(new)
    final = {**facts["final"], "latency": round(footprint.latency(model), 3)}
    return {**facts, "final": final, "parameters": count.parameters(model), "macs": count.macs(model)}


def drawn(data: SearchData, images: int, seed: int) -> SearchData:
    """The data with so many of its training images; 0 for all.

    They are drawn, because files may come class by class. The draw depends on the seed of the run and on the data set,
    so that all methods of a comparison train on the same ones.
    """
    if not 0 < images < len(data.x_train):
        return data
    chosen = np.sort(rng(seed, f"final images/{data.dataset}").permutation(len(data.x_train))[:images])
    return dataclasses.replace(data, x_train=data.x_train[chosen], y_train=data.y_train[chosen])
