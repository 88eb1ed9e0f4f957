"""A tabular benchmark: the results of architectures that somebody has trained already, to be looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.core.budget import PASSES_PER_STEP
from harness.core.errors import InputError
from harness.core.lowering import lower
from harness.core.measure import Shape, measure
from harness.core.space import Genotype, Size, Space

Numbers = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Trained:
    """What the networks behind a signal were and saw, so that their multiply-accumulates can be counted.

    Args:
        size: of the network around a genotype.
        image: height, width, channels.
        classes: of the data set.
        images: that a training sees, an image once per epoch.
        validated: images that are validated on, counted likewise.
        final: size of the network behind the score, where it is another one.
    """

    size: Size
    image: Shape
    classes: int
    images: int
    validated: int
    final: Size | None = None

    @property
    def final_size(self) -> Size:
        """Size of the network that a search's proposal stands for."""
        return self.final or self.size

    def macs(self, space: Space, genotype: Genotype) -> int:
        """Multiply-accumulates of training and validating the network of ``genotype``."""
        network = lower(space.decode(genotype, self.size))
        own = measure(network, self.image, self.classes).macs
        return own * (PASSES_PER_STEP * self.images + self.validated)


@dataclass(frozen=True)
class Signal:
    """The accuracies that a search may see, and their cost.

    Args:
        accuracy: validation accuracy 0..1 of each row, shape ``(n,)``.
        seconds: device seconds that each row's training costs, shape ``(n,)``.
        trained: how, if known; without it a search cannot be paid for in multiply-accumulates.
        stopped: validation accuracies 0..1 of the very same trainings on their way, shape ``(n,)``, by the share of the
            training at which they were measured, above 0 and below 1. Not those of shorter trainings, whose learning
            rate has fallen sooner. Without them a search cannot buy a part of an evaluation.
        repeats: the single trainings, where the other columns are their means. A search is told one of them, drawn
            anew for every training, as in NAS-Bench-201's protocol. All are stopped at the same shares.
    """

    accuracy: Numbers
    seconds: Numbers
    trained: Trained | None = None
    stopped: Mapping[float, Numbers] = field(default_factory=dict)
    repeats: tuple[Signal, ...] = ()

    def each(self) -> tuple[Signal, ...]:
        """The single trainings; itself if there is one only."""
        return self.repeats or (self,)

    @staticmethod
    def of(repeats: Sequence[Signal]) -> Signal:
        """The signal of several trainings of each architecture; of one it is that."""
        if len(repeats) == 1:
            return repeats[0]

        def mean(columns: Sequence[Numbers]) -> Numbers:
            return np.asarray(np.mean(columns, axis=0))

        return Signal(
            mean([one.accuracy for one in repeats]),
            mean([one.seconds for one in repeats]),
            repeats[0].trained,
            {share: mean([one.stopped[share] for one in repeats]) for share in repeats[0].stopped},
            tuple(repeats),
        )


@dataclass(frozen=True)
class Measure:
    """What a score or a signal is, and how its share 0..1 reads in its own unit.

    Args:
        name: as printed: ``test accuracy``, ``perplexity``.
        unit: as printed behind a number; "" for none.
        worst, best: the values that the shares 0 and 1 stand for; less is better if ``best`` is the smaller one.
    """

    name: str
    unit: str = "%"
    worst: float = 0.0
    best: float = 100.0

    def share(self, values: Numbers) -> Numbers:
        """Values in the own unit as shares 0..1, 1 being best."""
        shares: Numbers = (values - self.worst) / (self.best - self.worst)
        return shares

    def value(self, share: float) -> float:
        """A share in the own unit."""
        return self.worst + share * (self.best - self.worst)

    def words(self) -> str:
        """Its name, and what 0 and 100 % of it are, for a table that prints shares."""
        worst, best = (f"{value:g} {self.unit}".rstrip() for value in (self.worst, self.best))
        return f"{self.name} as a share, {worst} being 0 % and {best} being 100 %"

    @property
    def goal(self) -> str:
        """``max`` or ``min``."""
        return "max" if self.best > self.worst else "min"


@dataclass(frozen=True)
class Behind:
    """The images that the trainings behind a table saw.

    Args:
        dataset: their name on the command line.
        checksum: SHA-256 of the complete data set.
        share: of the training images that validates.
    """

    dataset: str
    checksum: str
    share: float


@dataclass(frozen=True)
class Table:
    """A complete or partial table of a space.

    Args:
        name: as given on the command line.
        space: the space; every row is one of its genotypes.
        genotypes: text of each row's genotype.
        signals: by name; the first is the usual one.
        score: the result by which architectures are compared in the end, 0..1, shape ``(n,)``; a search never sees it.
        measure: what ``score`` is: ``test accuracy`` or ``validation accuracy``.
        parameters: trainable weights of each row's network, shape ``(n,)``, if known.
        scored: how ``score`` reads in its own unit; None: it is ``measure`` in percent.
        scores: of the single trainings, whose mean ``score`` is, each of shape ``(n,)``; empty if there are none.
        representatives: a row of each different architecture, where several rows are the same one; empty if none are.
        final_signal: name of the signal by which one of several proposals is chosen: the validation accuracy of the
            trainings behind ``score``, or of trainings of the same length on fewer images, where those were not
            validated; then ``note`` says so. "" if there is neither.
        behind: the images of the trainings, if known.
        note: one line for the person who waits, for example how many rows were averaged; "" if there is none.

    Raises:
        InputError: the columns do not fit together, a value is not finite or out of range, or a genotype appears twice
            or is not in the space.
    """

    name: str
    space: Space
    genotypes: tuple[str, ...]
    signals: Mapping[str, Signal]
    score: Numbers
    measure: str = "test accuracy"
    parameters: Integers | None = None
    scored: Measure | None = None
    scores: tuple[Numbers, ...] = ()
    representatives: tuple[int, ...] = ()
    final_signal: str = ""
    behind: Behind | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not self.genotypes or not self.signals:
            raise InputError(f"the table '{self.name}' is empty")
        for what, values in self._accuracies():
            self._check(what, values)
            if values.min() < 0 or values.max() > 1:
                raise InputError(f"the table '{self.name}' has a {what} outside 0..1 (after its scale)")
        for signal, column in ((name, one) for name, whole in self.signals.items() for one in whole.each()):
            if wrong := [share for share in column.stopped if not 0 < share < 1]:
                raise InputError(
                    f"the table '{self.name}' stops trainings at the share {wrong[0]:g}; it is above 0 and below 1"
                )
            self._check(f"cost '{signal}'", column.seconds)
            if column.seconds.min() <= 0:
                raise InputError(
                    f"the table '{self.name}' has a cost of {column.seconds.min():g} s; it must be positive"
                )
        if self.parameters is not None and len(self.parameters) != len(self.genotypes):
            raise InputError(f"the table '{self.name}' has {len(self.parameters)} parameter counts for its rows")
        if len(set(self.genotypes)) != len(self.genotypes):
            raise InputError(f"the table '{self.name}' has the same genotype in two rows")
        if self.final_signal and self.final_signal not in self.signals:
            raise InputError(f"the table '{self.name}' has no signal '{self.final_signal}' to choose by")
        for text in self.genotypes:
            self.space.parse(text)

    def _accuracies(self) -> list[tuple[str, Numbers]]:
        signals = [(name, one) for name, signal in self.signals.items() for one in signal.each()]
        told = [(f"signal '{name}'", one.accuracy) for name, one in signals]
        parts = [
            (f"signal '{name}' at {share:g} of the training", accuracy)
            for name, one in signals
            for share, accuracy in one.stopped.items()
        ]
        return [*((self.measure, score) for score in (self.score, *self.scores)), *told, *parts]

    def _check(self, what: str, values: Numbers) -> None:
        if values.shape != (len(self.genotypes),):
            raise InputError(f"the table '{self.name}' has {len(values)} values of its {what} for its rows")
        if not np.isfinite(values).all():
            raise InputError(f"the table '{self.name}' has a {what} that is no number")

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row by genotype text."""
        return {text: row for row, text in enumerate(self.genotypes)}

    @cached_property
    def different(self) -> Integers:
        """A row of each different architecture."""
        return np.array(self.representatives or range(len(self.genotypes)))

    def validation(self, name: str) -> Numbers:
        """Validation accuracies by which one of several is chosen, shape ``(n,)``: those of ``final_signal``, if any.

        Args:
            name: of the signal that searches are told, for a table without; of repeated trainings it is their mean.
        """
        return self.signals[self.final_signal or name].accuracy

    def signal(self, name: str) -> str:
        """The name of the signal to search with: ``name``, or that of the only signal if there is just one.

        Raises:
            InputError: the table has several signals, and none of them is called ``name``.
        """
        if name in self.signals:
            return name
        if len(self.signals) == 1:
            return next(iter(self.signals))
        raise InputError(f"the table '{self.name}' has no signal '{name}'; it has {', '.join(self.signals)}")


def within(scores: Sequence[Numbers]) -> float:
    """Standard deviation between the trainings of one architecture, pooled over the architectures."""
    return float(np.sqrt(np.mean(np.var(scores, axis=0, ddof=1))))
