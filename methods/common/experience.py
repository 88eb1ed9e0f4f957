"""Experience of searches on other data sets: a file of accuracies, read for one space without the target's rows.

``python -m harness experience RUNS FILE.csv`` writes it. Columns: ``dataset``, ``space``, ``genotype`` and
``accuracy``, a validation accuracy 0..1; others are ignored. It holds no test result.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import InputError
from harness.core.space import Genotype, Space

from .ranks import normal_scores

Picks = tuple[int, ...]
_COLUMNS = ("dataset", "space", "genotype", "accuracy")


@dataclass(frozen=True)
class Experience:
    """Architectures that were trained on other data sets.

    Args:
        scores: of each: its rank among those of the same data set as a normal score, the mean over the data sets. So
            accuracies of easy and of hard data sets count alike.
        datasets: where from.
    """

    scores: dict[Genotype, float]
    datasets: tuple[str, ...]

    def best(self, count: int) -> list[Genotype]:
        """The best ones, best first; the earlier in the file of two equal ones."""
        return sorted(self.scores, key=lambda genotype: -self.scores[genotype])[:count]

    def rows(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Picks ``(n, d)`` and scores ``(n,)``."""
        picks = np.array([genotype.picks for genotype in self.scores], float)
        return picks, np.array(list(self.scores.values()))


def read(path: str, space: Space, target: str) -> Experience:
    """The experience in a file, from all data sets but ``target`` and other sources of the same images.

    Raises:
        InputError: it cannot be read, or has nothing for this space from other data sets; the message is a sentence.
    """
    told: dict[str, dict[Genotype, list[float]]] = {}
    try:
        with Path(path).expanduser().open(encoding="utf-8", newline="") as file:
            lines = csv.DictReader(file)
            if absent := [name for name in _COLUMNS if name not in (lines.fieldnames or ())]:
                raise InputError(f"{path} has no column {absent[0]}; make it with: python -m harness experience")
            for row in lines:
                if row["space"] == space.name and _images(row["dataset"]) != _images(target):
                    genotype, accuracy = _row(row, space, path, lines.line_num)
                    told.setdefault(row["dataset"], {}).setdefault(genotype, []).append(accuracy)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"the experience {path} cannot be read ({error}); it has to lie outside of --out and of the checkout"
        ) from error
    if not told:
        raise InputError(f"{path} has no accuracies of the space '{space.name}' on other data sets than '{target}'")
    scores: dict[Genotype, list[float]] = {}
    for accuracies in told.values():
        means = np.array([np.mean(values) for values in accuracies.values()])
        for genotype, score in zip(accuracies, normal_scores(means), strict=True):
            scores.setdefault(genotype, []).append(float(score))
    return Experience({genotype: float(np.mean(values)) for genotype, values in scores.items()}, tuple(sorted(told)))


def _images(dataset: str) -> str:
    """The images that a data set and tables of it have in common: ``cifar10`` of ``cifar10``, ``nasbench201/cifar10``,
    ``table:my/cifar10.csv``. Strangers with one name are left out too, which costs them a warm start and no more."""
    return PurePath(dataset.partition(":")[2] or dataset).stem.lower()


def _row(row: dict[str, str], space: Space, path: str, line: int) -> tuple[Genotype, float]:
    try:
        accuracy = float(row["accuracy"])
        genotype = space.parse(row["genotype"])
    except (TypeError, ValueError, InputError) as error:
        raise InputError(f"line {line} of {path} is no accuracy of a genotype ({error})") from error
    if not 0 <= accuracy <= 1:
        raise InputError(f"line {line} of {path} has the accuracy {accuracy:g}; it has to be from 0 to 1")
    return genotype, accuracy
