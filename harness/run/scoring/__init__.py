"""Writes the record of a run; the only reader of what no search may see: test labels, and the scores of a table.

Runs in the parent process, after the last phase of a run has ended. Neither ever leaves it.
"""

from __future__ import annotations

import dataclasses
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from harness.core.dataset import Labels
from harness.core.errors import InputError
from harness.core.files import readable, replace_text
from harness.core.names import sentence
from harness.core.record import CORRUPTED_ACCURACY, EvaluationRow, ProposalRow, Record
from harness.plugins.catalogue import PUBLISHED
from harness.run.backends.base import Outcome
from harness.run.job import Job
from harness.run.recount import check_charged, check_counted, rows_of
from harness.run.scoring.fields import count, counts, line, number, numbers, process, several, text
from harness.run.scoring.metrics import confusion, metrics, robust
from harness.run.scoring.scores import HiddenScores as HiddenScores
from harness.run.store import read_json


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


def finish(job: Job, outcome: Outcome, scorer: Scorer, provenance: dict[str, Any]) -> Record:
    """Turns what a job left in its directory into its record, and stores that unless another process has the run.

    A search may have put anything there. What cannot be read, or says nothing, makes a failed row with a reason.

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
        provenance=_provenance(job, provenance, {}),
        native=job.native,
        limits=job.profile.limits.plain(),
        position=job.position,
        look=job.look,
    )
    try:
        record = _with_what_is_left(job, record, provenance)
        if outcome.status == "ok":
            evaluations = rows_of(job.directory.evaluations, EvaluationRow)
            rows_of(job.directory.proposals, ProposalRow)
            if not job.directory.search.exists():
                raise ValueError(f"{job.directory.search.name} is gone")
            check_charged(job, record.search, evaluations)
            check_counted(job, record.search, evaluations)
            record = scorer.score(job, record)
    except Exception as error:
        record = _failed(record, f"what the run left behind cannot be used: {sentence(error)}")
    if outcome.status != "busy":
        try:
            replace_text(job.directory.record, record.to_json(), durable=job.durable)
            job.directory.note.unlink(missing_ok=True)
            for leftover in (job.directory.stopped, job.directory.networks):
                shutil.rmtree(leftover, ignore_errors=True)
            if record.status != "ok":
                _put_aside(job)
        except (OSError, ValueError) as error:
            record = _failed(record, f"the record could not be written: {sentence(error)}")
    return record


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


def _put_aside(job: Job) -> None:
    """Renames logs that the report could not read: what is wrong with one run does not hold up all others."""
    for log, kind in ((job.directory.evaluations, EvaluationRow), (job.directory.proposals, ProposalRow)):
        try:
            rows_of(log, kind)
        except (ValueError, OSError):
            aside = log.with_name(f"{log.name}.damaged")
            if aside.is_dir() and not aside.is_symlink():
                shutil.rmtree(aside)
            log.replace(aside)


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
