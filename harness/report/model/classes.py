"""Results by class: the accuracy of each, and which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.core.record import Run

MOST = 20
"""Classes of a matrix that is shown as a whole; of more, the pairs that are confused most often are named."""
_PAIRS = 10
Counts = NDArray[np.int64]


def matrix(runs: Sequence[Run]) -> tuple[list[str], Counts] | None:
    """Names of the classes, and images by true and predicted class, all runs together; None where no run says it."""
    told = [run.record.classes for run in runs if run.record.status == "ok" and run.record.classes.get("confusion")]
    counts = [np.array([list(map(int, row.split())) for row in one["confusion"]], np.int64) for one in told]
    if not counts or any(one.shape != counts[0].shape for one in counts):
        return None
    names = told[0].get("names") or [str(number) for number in range(len(counts[0]))]
    return list(names), np.sum(counts, axis=0)


def by_class(counts: Counts) -> list[float | None]:
    """Accuracy of each class, 0..1; None of a class without images."""
    images = counts.sum(axis=1)
    return [float(right / all_of) if all_of else None for right, all_of in zip(counts.diagonal(), images, strict=True)]


def most_confused(names: Sequence[str], counts: Counts) -> list[tuple[str, str, int, int]]:
    """True class, what it was taken for, how often, and of how many images: the most frequent first, ten at most."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
    pairs = [divmod(int(place), len(names)) for place in order]
    return [
        (names[true], names[taken], int(wrong[true, taken]), int(counts[true].sum()))
        for true, taken in pairs
        if wrong[true, taken]
    ]
