"""Architecture parameters of a relaxed network: logits per edge and operation, and how they learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness import State, rng

from .adam import Adam
from .softmax import softmax
from .states import below, prefixed

Numbers = NDArray[np.float64]
FASTEST = 0.05
"""Learning rate, at most."""
PAPER_STEPS = 97_500
"""Gradient steps of the searches of GDAS and SETN: 250 epochs of 25,000 images in batches of 64."""
_NAME, _ADAM = "alpha.", "alpha.adam."


class Alpha:
    """Logits, moved by Adam.

    Args:
        start: the first ones, (kinds, edges, operations).
        beta1: of Adam.
        decay: weight of the logits themselves in their gradient.
    """

    def __init__(self, start: Numbers, beta1: float, decay: float) -> None:
        self.values: Numbers = start.copy()
        self._adam, self._decay = Adam([self.values], beta1), decay

    @classmethod
    def drawn(cls, seed: int, shape: tuple[int, ...], deviation: float, beta1: float, decay: float) -> Alpha:
        """Logits that start as normal numbers of this deviation around 0; ``seed`` is the task's."""
        return cls(rng(seed, "alpha").normal(0.0, deviation, shape), beta1, decay)

    def shares(self) -> Numbers:
        """The softmax over the operations of each edge."""
        return softmax(self.values)

    def descend(self, gradient: Numbers, rate: float) -> None:
        """One step against the derivative by the logits."""
        self._adam.descend([gradient + self._decay * self.values], rate)

    def state(self) -> State:
        """Logits and Adam's averages, for a checkpoint; the names begin with ``alpha.``."""
        return {f"{_NAME}values": self.values.copy(), **prefixed(_ADAM, self._adam.state())}

    def restore(self, state: State) -> None:
        """Takes over what :meth:`state` returned; other names beside it do not matter."""
        self.values[...] = state[f"{_NAME}values"]
        self._adam.restore(below(_ADAM, state))


def alpha_rate(rate: float, paper_steps: int, steps: float) -> float:
    """Adam's rate in a search of so many steps: rate times steps is the paper's, while the rate is within bounds.

    Args:
        rate: the paper's.
        paper_steps: gradient steps of the paper's search.
        steps: of this one.
    """
    return max(rate, min(FASTEST, rate * paper_steps / max(1.0, steps)))
