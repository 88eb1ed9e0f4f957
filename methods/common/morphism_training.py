"""The trainings of AutoKeras' morphism: moves are replayed on the weights of a trained ancestor.

Importing this module imports TensorFlow; the method does so inside ``search``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness import Task, rng
from harness.spaces.morphism import Chain

from .inheriting import Inheriting, Trained
from .morph_moves import Move
from .morphism import Morphisms, Net, Noise


class MorphingTrainer:
    """Keeps all trained networks, and the weights of the best.

    Args:
        task: of the search.
        noise: see :class:`harness.methods.morphism_bo.MorphismSearch`.
        kept: how many networks keep their weights.
    """

    def __init__(self, task: Task, noise: float, kept: int) -> None:
        self._task, self._noise, self._kept = task, noise, kept
        self._inheriting = Inheriting(task)
        self._morphisms = Morphisms(self._inheriting.space, task.recipe.size)
        self._networks: list[Trained] = []

    def restored(self) -> list[tuple[Chain, float]]:
        """The networks of an interrupted search."""
        state = self._task.restored()
        if state is not None:
            self._networks = self._inheriting.loaded(state)
        return [(net.chain, net.accuracy) for net in self._networks]

    def start(self, chain: Chain) -> float:
        """See :class:`harness.methods.morphism_bo.Trainer`."""
        return self._train(self._inheriting.first(chain), 0)

    def descend(self, ancestor: int, moves: Sequence[Move], chain: Chain) -> float:
        """See :class:`harness.methods.morphism_bo.Trainer`."""
        parent = self._networks[ancestor]
        assert parent.weights is not None
        draws = rng(self._task.seed, f"morphisms {len(self._networks)}")
        noise, net = Noise(draws, wider=self._noise, deeper=self._noise / 10), Net(parent.chain, parent.weights)
        for move in moves:
            net = self._moved(net, move, noise)
        assert net.chain == chain, "the moves lead to the network that was proposed"
        return self._train(net, parent.behind)

    def ancestors(self) -> list[int]:
        """See :class:`harness.methods.morphism_bo.Trainer`."""
        return [number for number, net in enumerate(self._networks) if net.weights is not None]

    def _train(self, net: Net, inherited: int) -> float:
        self._networks.append(self._inheriting.train(net, inherited))
        alive = sorted(self.ancestors(), key=lambda number: self._networks[number].accuracy)
        for number in alive[: max(0, len(alive) - self._kept)]:
            self._networks[number] = replace(self._networks[number], weights=None)
        self._task.checkpoint(lambda: self._inheriting.saved(self._networks))
        return self._networks[-1].accuracy

    def _moved(self, net: Net, move: Move, noise: Noise) -> Net:
        """The weights after one move."""
        match move.what:
            case "deeper":
                measured = self._inheriting.statistics(net, ("conv", move.number))
                return self._morphisms.deeper(net, move.number, 3, noise, measured)
            case "deeper_dense":
                measured = self._inheriting.statistics(net, ("dense", move.number))
                return self._morphisms.deeper_dense(net, move.number, noise, measured)
            case "wider":
                return self._morphisms.wider(net, ("conv", move.number), move.width, noise)
            case "wider_dense":
                return self._morphisms.wider(net, ("dense", move.number), move.width, noise)
            case _:
                assert move.skip is not None
                return self._morphisms.skip(net, move.skip)
