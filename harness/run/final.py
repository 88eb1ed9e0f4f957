"""Writes the record of a run; the only reader of test labels, with which it scores stored predictions.

Runs in the parent process, after the last phase has ended. Test labels never leave it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from harness.core.dataset import Labels
from harness.core.errors import InputError
from harness.core.files import replace_text
from harness.core.record import Record
from harness.run.job import Job, Outcome
from harness.run.store import read_json
from harness.spaces.zoo.find import scaling


class Scorer(Protocol):
    """Knows what a search never sees, and says what its result is worth."""

    def score(self, job: Job, record: Record) -> Record:
        """The record of a run that went well, with its test accuracy; failed if there can be none."""

    def recipes(self, job: Job) -> dict[str, Any]:
        """How networks were trained, as the record has it: ``proxy`` and ``final``."""


class HiddenLabels:
    """Test labels by data set, each loaded at most once in a command.

    Args:
        load: loads the test labels of a data set named on the command line.
    """

    def __init__(self, load: Callable[[str], Labels]) -> None:
        self._load = load
        self._known: dict[str, Labels] = {}

    def keep(self, dataset: str, labels: Labels) -> None:
        """Keeps labels that were read along with the images."""
        self._known[dataset] = labels

    def of(self, dataset: str) -> Labels:
        """The labels ``(n,)`` of a data set."""
        if dataset not in self._known:
            self._known[dataset] = self._load(dataset)
        return self._known[dataset]

    def score(self, job: Job, record: Record) -> Record:
        """The record with the accuracy of the stored predictions."""
        trained = read_json(job.directory.final)
        with np.load(job.directory.predictions) as stored:
            probabilities = stored["probabilities"]
        record = dataclasses.replace(
            record, final=trained["final"], parameters=trained["parameters"], macs=trained["macs"]
        )
        try:
            return dataclasses.replace(record, test_accuracy=accuracy(probabilities, self.of(job.dataset)))
        except (ValueError, InputError) as error:
            return dataclasses.replace(record, status="failed", reason=str(error))

    def recipes(self, job: Job) -> dict[str, Any]:
        """The profile's two recipes; of a published network also the size that it has under the second one."""
        final = job.profile.final
        recipes = {"proxy": dataclasses.asdict(job.profile.proxy), "final": dataclasses.asdict(final)}
        return {**recipes, "network": scaling(job.method.member, final.size)} if job.method.member else recipes


def finish(job: Job, outcome: Outcome, scorer: Scorer, provenance: dict[str, Any]) -> Record:
    """Turns what a job left in its directory into its record, and stores that unless another process has the run.

    Args:
        job: whose last phase has ended.
        outcome: of that phase.
        scorer: knows the test set.
        provenance: of this command.
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
        native=job.native,
    )
    if job.directory.settings.exists():
        record = dataclasses.replace(record, settings=read_json(job.directory.settings))
    processes: dict[str, Any] = {}
    if job.directory.search.exists():
        found = read_json(job.directory.search)
        processes["search"] = found["process"]
        record = dataclasses.replace(
            record, proposal=found["proposal"]["text"], search=found["search"], title=found["title"]
        )
    if outcome.status == "ok":
        if job.directory.final.exists():
            processes["final"] = read_json(job.directory.final)["process"]
        record = scorer.score(job, record)
    record = dataclasses.replace(record, provenance=_provenance(job, provenance, processes))
    if outcome.status != "busy":
        replace_text(job.directory.record, record.to_json())
    return record


def _provenance(job: Job, command: dict[str, Any], processes: dict[str, Any]) -> dict[str, Any]:
    """Facts of the command and of this run; the device is a graphics card by name, or the CPU."""
    trained_on = {process["device"] for process in processes.values()} - {"CPU"}
    return {
        **command,
        "threads": job.threads,
        "data": job.prepared.checksum,
        "device": ", ".join(sorted(trained_on)) or command["cpu"],
        "processes": processes,
    }


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
