"""Runs on images: the only reader of test labels."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.dataset import Labels
from harness.core.errors import InputError
from harness.core.files import readable
from harness.core.record import CORRUPTED_ACCURACY, Record
from harness.plugins.catalogue import PUBLISHED
from harness.run.job import Job
from harness.run.scoring.fields import count, counts, number, numbers, several, text
from harness.run.scoring.metrics import confusion, metrics, robust
from harness.run.store import read_json


class HiddenLabels:
    """Test labels by data set, each loaded at most once in a command.

    Args:
        load: loads the test labels of a data set named on the command line.
    """

    def __init__(self, load: Callable[[str], Labels]) -> None:
        self._load = load
        self._known: dict[str, Labels] = {}
        self._averaged: dict[str, tuple[int, int]] = {}

    def keep(self, dataset: str, labels: Labels, averaged: tuple[int, int] | None = None) -> None:
        """Keeps labels that were read along with the images, and what size a profile has averaged these to."""
        self._known[dataset] = labels
        if averaged:
            self._averaged[dataset] = averaged

    def of(self, dataset: str) -> Labels:
        """The labels ``(n,)`` of a data set."""
        if dataset not in self._known:
            self._known[dataset] = self._load(dataset)
        return self._known[dataset]

    def score(self, job: Job, record: Record) -> Record:
        """The record with the accuracy of the stored predictions."""
        trained = read_json(job.directory.final)
        record = dataclasses.replace(
            record,
            final=counts(trained["final"]),
            parameters=count(trained["parameters"]),
            macs=count(trained["macs"]),
            learning={str(name): list(map(number, row)) for name, row in trained.get("learning", {}).items()},
        )
        predictions = _arrays(job.directory.predictions, job.profile.memory)
        probabilities = predictions.pop("probabilities")
        try:
            labels = self.of(job.dataset)
            record = _with_networks(record, trained.get("networks", ()), predictions, labels)
            found = accuracy(probabilities, labels)
            facts = record.final | {"chance": float(np.bincount(labels).max() / len(labels))}
            names = [text(name) for name in trained.get("classes", ())]
            classes = {"names": names, "confusion": confusion(probabilities, labels)}
            more, robustness = metrics(probabilities, labels), robust(predictions, labels)
            if robustness:
                more[CORRUPTED_ACCURACY] = float(np.mean([*robustness.values()]))
            return dataclasses.replace(
                record, test_accuracy=found, final=facts, metrics=more, classes=classes, robustness=robustness
            )
        except (ValueError, InputError) as error:
            return dataclasses.replace(record, status="failed", reason=str(error))

    def recipes(self, job: Job) -> dict[str, Any]:
        """The two recipes, and what the second one has besides the profile's; of a published network also its size
        under the second one."""
        final = job.final
        recipes: dict[str, Any] = {
            "proxy": job.profile.proxy_for(job.space).values(),
            "final": {**final.values(), **several(job)},
        }
        if job.dataset in self._averaged:
            recipes["images"] = {"averaged": list(self._averaged[job.dataset])}
        if job.extra:
            recipes["extra"] = dict(job.extra)
        if job.method.family != PUBLISHED:
            return recipes
        from harness.spaces.zoo.find import scaling

        return {**recipes, "network": scaling(job.method.member, final.size)}


def _arrays(path: Path, memory: float) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file.

    Raises:
        ValueError, OSError, zipfile.BadZipFile: it cannot be read, or holds more than ``memory`` GiB, which no process
            has written that had no more.
    """
    with zipfile.ZipFile(readable(path)) as file:
        size = sum(entry.file_size for entry in file.infolist())
    if size > memory * 2**30:
        raise ValueError(f"{path.name} holds {size / 2**30:,.0f} GiB, and its process had {memory:g} GiB of memory")
    with np.load(path) as stored:
        return dict(stored)


def _with_networks(
    record: Record, lines: Sequence[dict[str, Any]], predictions: Mapping[str, np.ndarray], labels: Labels
) -> Record:
    """The record with the networks that were trained and their test accuracies.

    Its proposal is the chosen one, unless all of them are members of an ensemble.
    """
    if not lines:
        return record
    told: list[dict[str, Any]] = []
    for position, entry in enumerate(lines, start=1):
        facts: dict[str, Any] = {"genotype": text(entry["genotype"]), "rank": count(entry["rank"])}
        if "failure" in entry:
            told.append({**facts, "failure": text(entry["failure"])})
            continue
        names = ("member", "parameters", "macs", "training_seed", "validation_accuracy")
        facts |= numbers({name: entry[name] for name in names if name in entry})
        found = accuracy(predictions[f"network {position}"], labels)
        told.append({**facts, "test_accuracy": found})
    record = dataclasses.replace(record, networks=told)
    if "chosen" not in record.final:
        return record
    chosen = next(line["genotype"] for line in told if line["rank"] == record.final["chosen"])
    return dataclasses.replace(record, proposal=chosen)


def accuracy(probabilities: np.ndarray, labels: Labels) -> float:
    """Share of the rows of ``probabilities`` ``(n, classes)`` whose largest entry is at the label.

    Raises:
        ValueError: the shapes do not fit, or a probability is not finite; the message is a sentence.
    """
    if probabilities.ndim != 2 or len(probabilities) != len(labels):
        raise ValueError(f"there are predictions of shape {probabilities.shape} for {len(labels)} test images")
    if not np.isfinite(probabilities).all():
        raise ValueError("the final training diverged: the network's predictions are not finite")
    return float(np.mean(np.argmax(probabilities, axis=1) == labels))
