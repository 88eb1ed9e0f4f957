"""Which of a data set's training images validate: the same for a seed and a data set, whatever is done with them.

Where a folder of images is, and how its path is typed, changes nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.core.dataset import Dataset, Labels, seeded_by
from harness.core.errors import InputError
from harness.core.seeds import rng

Indices = NDArray[np.int64]


def split(labels: Labels, groups: Labels | None, share: float, seed: int, dataset: str) -> tuple[Indices, Indices]:
    """Indices of the training and of the validation images, both in random order.

    Stratified: every class gives ``share`` of its images, at least one if it has two. With ``groups``, whole groups go
    to validation, in random order, until ``share`` of the images is reached.

    Raises:
        InputError: there is nothing to split off, or everything would be.
    """
    generator = rng(seed, f"split/{seeded_by(dataset)}")
    chosen = np.zeros(len(labels), bool)
    if groups is None:
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            count = min(max(1, round(share * len(members))), len(members) - 1)
            chosen[generator.permutation(members)[:count]] = True
    else:
        for group in generator.permutation(np.unique(groups)):
            if chosen.sum() >= share * len(labels):
                break
            chosen |= groups == group
    if not chosen.any() or chosen.all():
        raise InputError(f"data set '{dataset}' has too few images or groups to split off a validation set")
    return generator.permutation(np.flatnonzero(~chosen)), generator.permutation(np.flatnonzero(chosen))


def parts(data: Dataset, share: float, seed: int) -> tuple[Indices, Indices]:
    """Indices of the training and of the validation images: the data set's own validation images, or :func:`split`."""
    if data.validation is None:
        return split(data.y_train, data.groups, share, seed, data.name)
    generator = rng(seed, f"split/{seeded_by(data.name)}")
    return generator.permutation(np.flatnonzero(~data.validation)), generator.permutation(
        np.flatnonzero(data.validation)
    )
