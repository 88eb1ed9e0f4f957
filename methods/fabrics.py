"""Convolutional neural fabrics: one trellis that holds a great many networks is trained whole, then pruned.

Paper: Saxena & Verbeek, *Convolutional neural fabrics*, NeurIPS 2016. There is no search: all edges of the trellis
(:mod:`harness.spaces.fabric`) are trained together by SGD, and only layers and channels are free. What is left of a
fabric after training can be a path or a sub-fabric: ``keep`` is the share of its edges, those whose kernels have the
largest Euclidean norm, always with the path whose smallest norm is largest. ``keep=1`` is the paper's whole fabric,
``keep=0`` that path alone, which is a chain network.

Deviations: the sub-fabric is trained again from scratch by the final recipe, as every result here; convolutions have no
bias; the normalisations of the search use the statistics of the batch; a cosine instead of three steps of the learning
rate; Nesterov momentum; gradients are clipped at norm 5. Profiles have smaller fabrics (``fabric-N``: N layers, N
scales). The dense variant only (each channel reads all).
Expected: C10 error 7.43 % for the whole fabric of 8 layers and 128 channels (21.2M weights as the paper counts).
Cost: one training of the whole fabric; a validation batch per round is charged as a third of a step
for as many images as a step has.
Fails when norms say little about edges: after a short training they are near their first values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness import InputError, Method, Task, needs_images, space_is
from harness.spaces.fabric import FabricSpace


@dataclass(frozen=True)
class Fabrics(Method):
    """Trains the whole fabric and keeps its strongest edges.

    Args:
        keep: share of the edges that the proposal has, at least a path.
        batch, valid_batch: images per gradient step, and per accuracy.
        rounds: how often the present sub-fabric is proposed, evenly over the budget.
        learning_rate, momentum, weight_decay, clip: of the weights; the rate falls to 0 along half a cosine. The
            weight decay is on the sum of squares: its gradient is twice that times the weight.
    """

    name = "fabrics"
    title = "Neural fabric, pruned"
    space = "fabric"
    families = ("one-shot",)
    trains = True
    position = 157
    look = 38
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"batch": 16, "valid_batch": 64, "rounds": 2, "learning_rate": 0.05},
        "quick": {"valid_batch": 512, "rounds": 5, "learning_rate": 0.05},
        "hour": {"valid_batch": 512, "rounds": 5, "learning_rate": 0.05},
    }

    keep: float = 0.5
    batch: int = 64
    valid_batch: int = 1000
    rounds: int = 10
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 2.5e-4
    clip: float = 5.0

    def __post_init__(self) -> None:
        if not 0 <= self.keep <= 1 or min(self.batch, self.valid_batch, self.rounds) < 1 or self.learning_rate <= 0:
            raise InputError("fabrics needs keep in [0, 1], learning_rate > 0, and at least one image and round")

    def unsupported(self, task: Task) -> str | None:
        """The trained network is a fabric."""
        return space_is(task, FabricSpace) or needs_images(task)

    def search(self, task: Task) -> None:
        """Trains the fabric, proposing what is left of it round by round. An interrupted run continues."""
        from harness.nets.supernets.fabric import GatedFabric

        from .common.fabric_training import FabricSettings, WholeFabric
        from .common.shared_weights import supernet

        net = supernet(GatedFabric, task, self, squares_in_loss=True)
        WholeFabric(task, net, FabricSettings.of(self), self.keep).run()


METHOD = Fabrics
