"""The trainer of networks that EAS and AutoKeras' morphism work with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from harness import State
from harness.spaces.morphism import Chain

from .morph_moves import Move


class Trainer(Protocol):
    """Trains networks and remembers them by the order of their trainings; not all keep their weights."""

    def known(self) -> Sequence[tuple[Chain, float]]:
        """All trained networks, with accuracies."""

    def start(self, chain: Chain) -> float:
        """Trains a network from random weights; its accuracy."""

    def descend(self, ancestor: int, moves: Sequence[Move], chain: Chain) -> float:
        """Trains ``chain``, which ``moves`` make of the trained network number ``ancestor``; its accuracy."""

    def ancestors(self) -> Sequence[int]:
        """The trained networks whose weights are there to inherit."""

    def hold(self, number: int) -> None:
        """Keeps the weights of this network, however many others are better, until another one is held."""

    def save(self, extra: Callable[[], State] = dict) -> None:
        """Lets an interrupted search go on from here; ``extra`` is saved with it."""
