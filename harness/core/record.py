"""The record of a run: one JSON file, written last. All tables are computed from records."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from harness.core.errors import InputError
from harness.core.evaluation import REFUSED
from harness.core.files import read_text

SCHEMA = 1
CORRUPTED_ACCURACY = "corrupted_accuracy"
"""The metric of networks that were also tested on corrupted images: the mean over all of these."""
Status = Literal["ok", "failed", "unsupported"]

_CURE = "move its directory away to run it again"
_RETIRED = ("valid_accuracy",)
"""Fields of older records that are not read any more."""


def phase_note(run: Path) -> Path:
    """Where the parent notes which phase of a run is under way: beside the run's directory, into which a search writes.

    While the note is there, a record in the directory is not one that the parent has written.
    """
    return run.with_name(f".{run.name}.phase")


@dataclass(frozen=True)
class Record:
    """One method on one data set with one seed.

    Args:
        status, reason: ``ok``, or ``failed`` or ``unsupported`` with one sentence.
        profile, dataset, space, method, title, seed: which run it was.
        native: the method's own space where it may differ from ``space``, else empty.
        budget: the search budget as text.
        settings: the method's hyper-parameters.
        recipes: the recipes ``proxy`` and ``final`` as plain values; ``extra``, what the second one has besides the
            profile's (:attr:`~harness.core.method.Method.extras`); ``network``, the size of a published network;
            ``images``, to what size a profile has averaged larger ones.
        proposal: the architecture that the search proposed, as text; of several, the one that was chosen.
        test_accuracy: of the final training, 0..1; of a table, the score of the architecture.
        parameters: trainable weights of the final network, auxiliary head excluded; of an ensemble, of all members.
        macs: multiply-accumulates of one forward pass of the final network (convolutions and dense layers), likewise.
        search: ``charged`` (in the budget's unit), ``share`` (what that is of the budget, above 1 if the search has
            overrun it; older records call it ``overrun``), ``seconds``, ``cpu_seconds``, ``evaluations``, ``unique``,
            ``steps``, ``macs`` (charged multiply-accumulates of training), ``proposals`` (logged ones; older records do
            not say it). Where there were any: ``refused`` (proposals
            beyond a limit, which are no evaluations), ``discarded`` (proposals that came after the budget's end).
            ``planned_...``: what the method has made of the budget, a number each. Where children were trained at the
            same time, ``device_seconds``, the sum of what each took, and ``restarts``, the trainings that were begun
            again after their process had ended, if there were any.
        final: ``limit`` (what the training was counted in: ``epochs``, ``seconds`` or ``steps``), ``epochs`` (of the
            images trained on), ``capped`` (whether a cap in seconds has cut its epochs short), ``seconds``,
            ``cpu_seconds``, ``steps``, ``images_per_second``, ``latency`` (median of a forward pass of one image, ms),
            ``training_seed``. With several final trainings ``trainings``, ``chosen``, and the ``steps`` and seconds of
            all of them. Of a table, ``optimum``, and ``noise``, the standard deviation of a score by the chance of the
            trainings behind it, where the table has several of each architecture. Of both,
            ``chance``, the accuracy of a guess: the share of the largest test class, or the mean score of a table's
            architectures.
        provenance: command, commit, dirty flag, versions, device, threads, cores, times.
        position, look: of the method in tables and figures, as its class states them
            (:class:`~harness.core.method.Method`); None in a record that does not say.
        seen: whether test results of the data set were seen before the method's settings were made, as its class says.
        limits: of the final network, by name (:class:`~harness.core.limits.Limits`).
        metrics: of the stored predictions, besides accuracy: ``balanced_accuracy``, ``macro_f1``, ``nll`` (nats per
            image), ``calibration_error``; of a table, nothing.
        classes: ``names`` and ``confusion``: a text per true class, its images by predicted class; of a table, nothing.
        learning: of the final training, a number per epoch: ``epoch`` (how often its images had been seen), ``loss``
            and ``accuracy`` on the batches as they were learnt from. A final training has no validation images.
        networks: where several were trained finally, one entry each, in the search's own order: ``rank`` (1 is the
            search's result), ``genotype``, ``validation_accuracy`` (of the final training, which left these images out;
            of a table, its validation accuracy) and ``test_accuracy``, 0..1; of images also ``parameters``, ``macs``
            and ``training_seed``; or ``failure``. Of an ensemble likewise its members, numbered by ``member``, and the
            row is the mean of their probabilities. Else the one with the best validation accuracy is the row's:
            :attr:`proposal`, :attr:`test_accuracy` and the rest are its own, and ``final`` has its rank as ``chosen``.
            Empty where one network is trained.
        robustness: where the command asks for it, accuracy on corrupted test images, 0..1: by corruption, at strengths
            1 to 5; the mean of all is the metric ``corrupted_accuracy``.
        schema: version of this layout.
    """

    status: Status
    reason: str
    profile: str
    dataset: str
    space: str
    method: str
    title: str
    seed: int
    budget: str
    settings: dict[str, Any] = field(default_factory=dict)
    recipes: dict[str, dict[str, Any]] = field(default_factory=dict)
    proposal: str = ""
    test_accuracy: float | None = None
    parameters: int | None = None
    macs: int | None = None
    search: dict[str, Any] = field(default_factory=dict)
    final: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    native: str = ""
    position: int | None = None
    look: int | None = None
    seen: bool = False
    limits: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    classes: dict[str, list[str]] = field(default_factory=dict)
    learning: dict[str, list[float]] = field(default_factory=dict)
    networks: list[dict[str, Any]] = field(default_factory=list)
    robustness: dict[str, list[float]] = field(default_factory=dict)
    schema: int = SCHEMA

    def to_json(self) -> str:
        """Indented JSON with sorted keys: the same record gives the same bytes."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True) + "\n"

    @staticmethod
    def read(path: Path) -> Record:
        """The record in a file.

        Raises:
            InputError: unreadable, not JSON, fields missing or unknown, or another schema.
        """
        try:
            raw = json.loads(read_text(path), parse_constant=refuse_constant)
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path} is no readable record ({error}); {_CURE}") from error
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            raise InputError(f"{path} is not a record of schema {SCHEMA}; {_CURE}")
        raw = {name: value for name, value in raw.items() if name not in _RETIRED}
        names = {f.name for f in dataclasses.fields(Record)}
        required = {
            f.name
            for f in dataclasses.fields(Record)
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        }
        if set(raw) - names or required - set(raw):
            wrong = sorted((set(raw) - names) | (required - set(raw)))
            raise InputError(f"{path} has missing or unknown fields ({', '.join(wrong)}); {_CURE}")
        return Record(**raw)


def refuse_constant(constant: str) -> float:
    """JSON has no NaN and no infinity; Python's reader takes them for numbers."""
    raise ValueError(f"{constant} is no number")


class EvaluationRow(TypedDict):
    """A line of ``evaluations.jsonl``: a :class:`~harness.core.task.Evaluation`, and what had been charged after it."""

    number: int
    genotype: str
    accuracy: float
    curve: list[float]
    seconds: float
    steps: int
    failure: str
    spent: float
    share: NotRequired[float]
    macs: NotRequired[int]


def trained(rows: Iterable[Mapping[str, Any]]) -> int:
    """How many of these rows of ``evaluations.jsonl`` are evaluations; a proposal beyond the limits is none."""
    return sum(not row["failure"].startswith(REFUSED) for row in rows)


class ProposalRow(TypedDict):
    """A line of ``proposals.jsonl``: what the search would have returned from ``spent`` on; accuracy 0..1 or None."""

    genotype: str
    accuracy: float | None
    spent: float
    shared_weights: bool


@dataclass(frozen=True)
class Run:
    """A record together with its logs, as the report reads them.

    Args:
        path: the run's directory.
        record: its record.
        evaluations: rows of ``evaluations.jsonl``.
        proposals: rows of ``proposals.jsonl``.
    """

    path: Path
    record: Record
    evaluations: tuple[EvaluationRow, ...]
    proposals: tuple[ProposalRow, ...]
