"""Writes the record of a run; the only reader of what no search may see: test labels, and the scores of a table.

Runs in the parent process, after the last phase of a run has ended. Neither ever leaves it.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, get_args

import numpy as np

from harness.core.dataset import Labels
from harness.core.errors import InputError
from harness.core.files import replace_text
from harness.core.names import sentence
from harness.core.recipe import Limit
from harness.core.record import Record
from harness.core.table import Table
from harness.plugins.catalogue import PUBLISHED
from harness.run.backends.base import Outcome
from harness.run.job import Job
from harness.run.recount import check_charged
from harness.run.scoring.metrics import confusion, metrics
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
        record = dataclasses.replace(
            record,
            final=_counts(trained["final"]),
            parameters=_count(trained["parameters"]),
            macs=_count(trained["macs"]),
            learning={str(name): list(map(_number, row)) for name, row in trained.get("learning", {}).items()},
        )
        with np.load(job.directory.predictions) as stored:
            predictions = dict(stored)
        probabilities = predictions.pop("probabilities")
        try:
            labels = self.of(job.dataset)
            record = _with_networks(record, trained.get("networks", ()), predictions, labels)
            found = accuracy(probabilities, labels)
            facts = record.final | {"chance": float(np.bincount(labels).max() / len(labels))}
            names = [_text(name) for name in trained.get("classes", ())]
            classes = {"names": names, "confusion": confusion(probabilities, labels)}
            more = metrics(probabilities, labels)
            return dataclasses.replace(record, test_accuracy=found, final=facts, metrics=more, classes=classes)
        except (ValueError, InputError) as error:
            return dataclasses.replace(record, status="failed", reason=str(error))

    def recipes(self, job: Job) -> dict[str, Any]:
        """The two recipes, and what the second one has besides the profile's; of a published network also its size
        under the second one."""
        final = job.final
        recipes: dict[str, Any] = {
            "proxy": job.profile.proxy_for(job.space).values(),
            "final": {**final.values(), **_several(job)},
        }
        if job.extra:
            recipes["extra"] = dict(job.extra)
        if job.method.family != PUBLISHED:
            return recipes
        from harness.spaces.zoo.find import scaling

        return {**recipes, "network": scaling(job.method.member, final.size)}


class HiddenScores:
    """The only reader of a table's scores: looks up what a search has proposed, in the parent process.

    Args:
        tables: by name on the command line.
        signals: what searches are told, by table.
    """

    def __init__(self, tables: Mapping[str, Table], signals: Mapping[str, str]) -> None:
        self._tables, self._signals = tables, signals
        self._facts = {
            name: {"optimum": float(table.score.max()), "chance": float(table.score.mean())}
            for name, table in tables.items()
        }

    def score(self, job: Job, record: Record) -> Record:
        """The record with the score of its proposal; failed if the table does not have it.

        Of several proposals, that of the one with the best validation accuracy in the table; those that it does not
        have are listed as failures.
        """
        table = self._tables[job.dataset]
        if job.profile.top > 1:
            record = self._chosen(job, table, record)
        row = table.rows.get(record.proposal)
        if row is None:
            return dataclasses.replace(
                record, status="failed", reason=f"the search proposed {record.proposal}, which is not in the table"
            )
        return dataclasses.replace(
            record,
            test_accuracy=float(table.score[row]),
            parameters=None if table.parameters is None else int(table.parameters[row]),
            final={**self._facts[job.dataset], **_chosen(record)},
        )

    def _chosen(self, job: Job, table: Table, record: Record) -> Record:
        """The record with a line for each proposal of the search, and the best of them on validation images."""
        searched = read_json(job.directory.search)
        valid = table.validation(self._signals[job.dataset])
        lines: list[dict[str, Any]] = []
        for rank, stored in enumerate([searched["proposal"], *searched["others"]][: job.profile.top], start=1):
            line: dict[str, Any] = {"rank": rank, "genotype": _text(stored["text"])}
            row = table.rows.get(line["genotype"])
            if row is None:
                line["failure"] = "it is not in the table"
            else:
                line |= {"validation_accuracy": float(valid[row]), "test_accuracy": float(table.score[row])}
            lines.append(line)
        known = [line for line in lines if "failure" not in line]
        best = max(known, key=lambda line: line["validation_accuracy"]) if known else lines[0]
        return dataclasses.replace(record, proposal=best["genotype"], networks=lines)

    def recipes(self, job: Job) -> dict[str, Any]:
        """What stands in the record for the recipes of trainings."""
        table, several = self._tables[job.dataset], job.profile.top > 1
        own_unit = {} if table.scored is None else {"measure": dataclasses.asdict(table.scored)}
        return {
            "proxy": {"table": table.name, "signal": self._signals[job.dataset]},
            "final": {
                "table": table.name,
                "score": table.scored.words() if table.scored else table.measure,
                **own_unit,
                **({**_several(job), "chosen_by": table.final_signal or self._signals[job.dataset]} if several else {}),
            },
        }


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
            check_charged(job, record.search)
            record = scorer.score(job, record)
    except Exception as error:
        record = _failed(record, f"what the run left behind cannot be used: {sentence(error)}")
    if outcome.status != "busy":
        try:
            replace_text(job.directory.record, record.to_json(), durable=job.durable)
            job.directory.note.unlink(missing_ok=True)
            for leftover in (job.directory.stopped, job.directory.networks):
                shutil.rmtree(leftover, ignore_errors=True)
        except (OSError, ValueError) as error:
            record = _failed(record, f"the record could not be written: {sentence(error)}")
    return record


def _several(job: Job) -> dict[str, int]:
    """How many proposals of each search are trained finally, where it is more than one; an entry of the recipe."""
    return {"top": job.profile.top} if job.profile.top > 1 else {}


def _with_networks(
    record: Record, lines: Sequence[dict[str, Any]], predictions: Mapping[str, np.ndarray], labels: Labels
) -> Record:
    """The record with the networks that were trained and their test accuracies; its proposal is the chosen one."""
    if not lines:
        return record
    told: list[dict[str, Any]] = []
    for line in lines:
        facts: dict[str, Any] = {"genotype": _text(line["genotype"]), "rank": _count(line["rank"])}
        if "failure" in line:
            told.append({**facts, "failure": _text(line["failure"])})
            continue
        names = ("parameters", "macs", "training_seed", "validation_accuracy")
        facts |= _numbers({name: line[name] for name in names})
        found = accuracy(predictions[f"network {facts['rank']}"], labels)
        told.append({**facts, "test_accuracy": found})
    chosen = next(line["genotype"] for line in told if line["rank"] == record.final["chosen"])
    return dataclasses.replace(record, proposal=chosen, networks=told)


def _chosen(record: Record) -> dict[str, int]:
    """Of several networks, how many there were and the rank of the one that counts."""
    if not record.networks:
        return {}
    ranks = [line["rank"] for line in record.networks if line["genotype"] == record.proposal]
    return {"trainings": sum("failure" not in line for line in record.networks), "chosen": ranks[0]}


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
        processes["search"] = _process(searched["process"])
        record = dataclasses.replace(
            record,
            proposal=_text(searched["proposal"]["text"]),
            search=_numbers(searched["search"]),
            title=_text(searched["title"]),
        )
    if job.directory.final.exists():
        processes["final"] = _process(read_json(job.directory.final)["process"])
    return dataclasses.replace(record, provenance=_provenance(job, provenance, processes))


def _process(value: Any) -> dict[str, Any]:
    """Facts of a process: texts; ``device`` is among them."""
    facts = {str(name): _text(fact) for name, fact in dict(value).items()}
    return {"device": "CPU", **facts}


def _counts(value: Any) -> dict[str, Any]:
    """Numbers of a final training, and what it was counted in."""
    facts = dict(value)
    limit = facts.pop("limit")
    if limit not in get_args(Limit):
        raise ValueError(f"{limit!r} is nothing that a training is counted in")
    return {**_numbers(facts), "limit": limit}


def _numbers(value: Any) -> dict[str, float]:
    return {str(name): _number(number) for name, number in dict(value).items()}


def _number(value: Any) -> Any:
    if value is not None and (not isinstance(value, int | float) or not math.isfinite(value)):
        raise ValueError(f"{value!r} is no number")
    return value


def _count(value: Any) -> int | None:
    return None if value is None else int(_number(value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


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
