"""How a training got on: loss and accuracy on the images that it learnt from, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_STATE = "learning"
"""The entry of a checkpoint with the means so far, and the sums of the epoch that is under way."""


class LearningCurve:
    """Means over the batches of each epoch, as they were learnt from: augmented, before their step, with drop path.

    Args:
        images: of an epoch.
        batch: images of a step.
    """

    def __init__(self, images: int, batch: int) -> None:
        self._images, self._batch = images, batch
        self._rows: list[tuple[float, float, float]] = []
        self._loss = self._right = 0.0
        self._steps = 0

    def step(self, done: int, loss: float, right: float, *, last: bool) -> None:
        """Adds step number ``done``, counted from 1: its loss, and the share of its images that were labelled right."""
        self._loss, self._right, self._steps = self._loss + loss, self._right + right, self._steps + 1
        seen = done * self._batch / self._images
        if last or seen >= len(self._rows) + 1:
            self._rows.append((seen, self._loss / self._steps, self._right / self._steps))
            self._loss, self._right, self._steps = 0.0, 0.0, 0

    def values(self) -> dict[str, list[float]]:
        """``epoch`` (how often the images had been seen), ``loss`` and ``accuracy`` (0..1), one number per epoch."""
        columns = zip(*self._rows, strict=True) if self._rows else ((), (), ())
        rounded = [[round(value, 6) for value in column] for column in columns]
        return dict(zip(("epoch", "loss", "accuracy"), rounded, strict=True))

    def state(self) -> dict[str, np.ndarray]:
        """For a checkpoint."""
        return {_STATE: np.array([*self._rows, (self._loss, self._right, self._steps)], np.float64)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes over what :meth:`state` returned."""
        *rows, (loss, right, steps) = state[_STATE].tolist()
        self._rows = [(epoch, mean, share) for epoch, mean, share in rows]
        self._loss, self._right, self._steps = loss, right, int(steps)
