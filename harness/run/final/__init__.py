"""The final trainings of a run, inside a fresh process, behind a fence that leaves it the test images.

The method is not loaded. A space's plug-in is, and may be the same file as the method; so the fence is that of the
search, without the test images, which the network has to label. Nothing in this process can reach a test label.

A run has one final training, or several. Where the command asks for the best proposals of each search, the validation
images are left out of their trainings, and the accuracy on these chooses the network of the run. Where the search has
proposed an ensemble, each member is trained, and their predicted probabilities are averaged.

TensorFlow is imported inside the functions, after the limits of the process are set.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.core.dataset import Images, SearchData, seeded_by
from harness.core.errors import InputError
from harness.core.evaluation import Ensemble, Proposal
from harness.core.files import replacing
from harness.core.names import sentence
from harness.core.proposals import proposal_from_json
from harness.core.ranking import chosen
from harness.core.seeds import derive_seed, rng
from harness.plugins.catalogue import load_space
from harness.run.backends.base import Outcome, Tell
from harness.run.fence import fence
from harness.run.final.trainings import Model, Network, Trainings, Unreadable
from harness.run.images import PreparedImages, class_names, final_data
from harness.run.job import CORRUPTED, Failure, Job, guarded
from harness.run.journal import Progress
from harness.run.store import read_json, write_json

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
    device = runtime.start(
        threads=job.threads_of("final"),
        deterministic=job.final.limit != "seconds",
        seed=seed,
        devices=job.profile.cards,
    )

    space = load_space(job.space, job.space_source)
    searched = read_json(job.directory.search)
    handed = [searched["proposal"], *searched.get("others", ())][: job.profile.top]
    proposals = [proposal_from_json(stored, space) for stored in handed]
    data, test_images = final_data(job.prepared, job.seed if job.profile.top > 1 else None)
    data = drawn(data, job.final.train_images, job.seed)
    progress = Progress(job.directory.progress, "final", tell)
    trainings = Trainings(job, space, data, _networks(proposals, seed), progress)
    if isinstance(proposals[0], Ensemble):
        found = _averaged(trainings, np.asarray(test_images))
    elif job.profile.top > 1:
        found = _chosen(trainings, np.asarray(test_images))
    else:
        found = _only(trainings, np.asarray(test_images))
    stored = {
        **found,
        "mean": list(data.mean),
        "std": list(data.std),
        "classes": class_names(job.prepared),
        "process": {"fence": stands, "device": device},
    }
    write_json(job.directory.final, stored)
    trainings.clear()


def _networks(proposals: Sequence[Proposal], seed: int) -> list[Network]:
    """Alternatives have the same seed, so that their images come in the same order; members of an ensemble have their
    own, so that two of the same architecture differ. The first member has that of a single network."""
    if isinstance(proposals[0], Ensemble):
        members = proposals[0].members
        return [Network(one, derive_seed(seed, f"member {n}") if n else seed) for n, one in enumerate(members)]
    return [Network(proposal, seed) for proposal in proposals]


def _only(trainings: Trainings, images: Images) -> dict[str, Any]:
    """Trains the one network and stores it with its predictions; what the record is made of."""
    from harness.nets import training

    model, facts = trainings.train(0)
    probabilities = training.predict(model, images, trainings.data.mean, trainings.data.std)
    return _stored(trainings, model, facts, {"probabilities": probabilities}, images)


def _chosen(trainings: Trainings, images: Images) -> dict[str, Any]:
    """Trains all networks, and stores the one that is best on the validation images, the first of equal ones.

    The predictions of the others are stored beside its own, and the record lists all.
    """
    lines: list[dict[str, Any]] = []
    predictions: dict[str, np.ndarray] = {}
    steps, failure = 0, Failure("there was nothing to train")
    for rank, network in enumerate(trainings.networks, start=1):
        line: dict[str, Any] = {"rank": rank, "genotype": str(network.proposal), "training_seed": network.seed}
        lines.append(line)
        try:
            facts = trainings.measured(rank - 1, images, line, predictions)
        except Unreadable:  # else another network would be chosen because of a file
            raise
        except (Failure, InputError, ValueError) as error:
            line["failure"], failure = sentence(error), Failure(f"no proposal could be trained; the last: {error}")
            continue
        steps += facts["steps"]
    best = chosen(lines)
    if best is None:
        raise failure
    model, facts = trainings.kept(best["rank"] - 1)
    probabilities = predictions[f"network {best['rank']}"]
    stored = _stored(trainings, model, facts, {"probabilities": probabilities, **predictions}, images)
    stored["final"] |= {
        "steps": steps,
        "trainings": len(predictions),
        "chosen": best["rank"],
        **trainings.progress.times(),
    }
    return {**stored, "networks": lines}


def _averaged(trainings: Trainings, images: Images) -> dict[str, Any]:
    """Trains the members of an ensemble and stores the mean of their predictions, with those of each.

    The model that is stored is the ensemble as one network. Steps and seconds are those of all members.
    """
    from harness.nets.ensemble import averaged

    lines: list[dict[str, Any]] = []
    predictions: dict[str, np.ndarray] = {}
    told: list[dict[str, Any]] = []
    for number, network in enumerate(trainings.networks):
        line = {"rank": 1, "member": number + 1, "genotype": str(network.proposal), "training_seed": network.seed}
        lines.append(line)
        told.append(trainings.measured(number, images, line, predictions))
    model = averaged([trainings.load(number) for number in range(len(lines))])
    probabilities = np.mean([*predictions.values()], axis=0)
    means = {name: float(np.mean([facts[name] for facts in told])) for name in ("epochs", "images_per_second")}
    final = {
        **told[0],
        **means,
        "steps": sum(facts["steps"] for facts in told),
        "capped": any(facts["capped"] for facts in told),
        "trainings": len(told),
        **trainings.progress.times(),
    }
    stored = _stored(trainings, model, {"final": final}, {"probabilities": probabilities, **predictions}, images)
    return {**stored, "networks": lines}


def _stored(
    trainings: Trainings, model: Model, facts: dict[str, Any], predictions: dict[str, np.ndarray], images: Images
) -> dict[str, Any]:
    """Stores the network of a run and its predictions; the counts of both."""
    from harness.nets import count, footprint

    job = trainings.job
    classes = _of_corrupted(trainings, model, images) if job.profile.corruptions else {}
    with replacing(job.directory.predictions) as new:
        np.savez_compressed(new, allow_pickle=False, **predictions, **classes)
    with replacing(job.directory.model) as new:
        model.save(new)
    final = {**facts["final"], "latency": round(footprint.latency(model), 3)}
    return {**facts, "final": final, "parameters": count.parameters(model), "macs": count.macs(model)}


def _of_corrupted(trainings: Trainings, model: Model, images: Images) -> dict[str, np.ndarray]:
    """The predicted classes of the corrupted test images, by corruption and strength."""
    from harness.nets import training
    from harness.nets.corruptions import CORRUPTIONS, STRENGTHS, all_corrupted

    found: dict[str, np.ndarray] = {}
    data, many = trainings.data, len(CORRUPTIONS) * len(STRENGTHS)
    for name, made in all_corrupted(images, data.dataset):
        trainings.progress.tell(1.0, f"corrupted images, {len(found) + 1} of {many}")
        probabilities = training.predict(model, made, data.mean, data.std)
        found[f"{CORRUPTED}{name}"] = probabilities.argmax(axis=1).astype(np.uint16)
    return found


def drawn(data: SearchData, images: int, seed: int) -> SearchData:
    """The data with so many of its training images; 0 for all.

    They are drawn, because files may come class by class. The draw depends on the seed of the run and on the data set,
    not on where a folder is, so that all methods of a comparison train on the same ones.
    """
    if not 0 < images < len(data.x_train):
        return data
    chosen = np.sort(rng(seed, f"final images/{seeded_by(data.dataset)}").permutation(len(data.x_train))[:images])
    return dataclasses.replace(data, x_train=data.x_train[chosen], y_train=data.y_train[chosen])
