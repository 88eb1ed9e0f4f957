"""Trainings of what moves make of trained networks, for EAS and AutoKeras' morphism: moves are replayed on the weights.

:class:`MorphingTrainer` is the :class:`.morph_trainer.Trainer` of both searches.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from harness import State, Task, rng
from harness.spaces.morphism import Chain

from .inheriting import Inheriting, Trained
from .morph_moves import Move
from .morphism import Morphisms, Net, Noise


class MorphingTrainer:
    """Keeps all trained networks, and the weights of the best.

    Args:
        task: of the search.
        noise: of inherited weights that would otherwise be equal, relative to their deviation; a tenth of it on new
            layers.
        kept: how many networks keep their weights, the best ones; besides them the one that is held.
    """

    def __init__(self, task: Task, noise: float, kept: int) -> None:
        self._task, self._noise, self._kept = task, noise, kept
        self._inheriting = Inheriting(task)
        self._morphisms = Morphisms(self._inheriting.space, task.recipe.size)
        self._networks: list[Trained] = []
        self._held: int | None = None

    def restored(self) -> State | None:
        """Takes over the networks of an interrupted search; its whole checkpoint, if there is one."""
        state = self._task.restored()
        if state is not None:
            self._networks = self._inheriting.loaded(state)
        return state

    def known(self) -> list[tuple[Chain, float]]:
        """All trained networks, with accuracies."""
        return [(net.chain, net.accuracy) for net in self._networks]

    def save(self, extra: Callable[[], State] = dict) -> None:
        """Offers the networks, and ``extra``, to the task's checkpoint."""
        self._task.checkpoint(lambda: {**self._inheriting.saved(self._networks), **extra()})

    def start(self, chain: Chain) -> float:
        """Trains a network from random weights; its accuracy."""
        return self._train(self._inheriting.first(chain), 0)

    def descend(self, ancestor: int, moves: Sequence[Move], chain: Chain) -> float:
        """Trains ``chain``, which ``moves`` make of the trained network number ``ancestor``; its accuracy."""
        parent = self._networks[ancestor]
        assert parent.weights is not None
        draws = rng(self._task.seed, f"morphisms {len(self._networks)}")
        noise, net = Noise(draws, wider=self._noise, deeper=self._noise / 10), Net(parent.chain, parent.weights)
        for move in moves:
            net = self._moved(net, move, noise)
        assert net.chain == chain, "the moves lead to the network that was proposed"
        return self._train(net, parent.behind)

    def ancestors(self) -> list[int]:
        """The trained networks whose weights are there to inherit."""
        return [number for number, net in enumerate(self._networks) if net.weights is not None]

    def hold(self, number: int) -> None:
        """Keeps the weights of this network, however many others are better, until another one is held."""
        self._held = number

    def _train(self, net: Net, inherited: int) -> float:
        self._networks.append(self._inheriting.train(net, inherited))
        alive = sorted(self.ancestors(), key=lambda number: self._networks[number].accuracy)
        for number in alive[: max(0, len(alive) - self._kept)]:
            if number != self._held:
                self._networks[number] = replace(self._networks[number], weights=None)
        return self._networks[-1].accuracy

    def _moved(self, net: Net, move: Move, noise: Noise) -> Net:
        """The weights after one move."""
        match move.what:
            case "deeper":
                measured = self._inheriting.statistics(net, ("conv", move.number))
                return self._morphisms.deeper(net, move.number, move.kernel, noise, measured)
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
