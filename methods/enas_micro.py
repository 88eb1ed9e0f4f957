"""ENAS in the micro space (Pham et al.: Efficient Neural Architecture Search via Parameter Sharing, ICML 2018).

Two cells of five nodes with two inputs and two operations each; the outputs that no node reads are concatenated. See
:mod:`harness.methods.common.enas` for the loop, :mod:`harness.methods.common.enas_micro_controller` for the policy,
:mod:`harness.nets.supernets.enas` for the shared weights, one set per (cell, node, slot, input, operation).

Deviations: both inputs of a reduction cell are halved by a factorised reduction of their own; no auxiliary head, no
drop path and no dropout in the search; the profile's width (the authors: 20 channels); candidates are compared on
common validation batches; gradients are clipped; momentum and weight decay leave the weights outside the sampled
architecture unchanged; the search network averages its last cell without a ReLU before, and its classifier has a bias,
where the authors' has the ReLU and no bias. The final network is the authors' fixed one, in that too, and without the
projection that the search network has.

Schedule: five cycles of the learning rate, each twice as long as the one before, fill the budget (fewer in small
profiles); cells are proposed at the end of each. The weight decay is on the sum of squares, so that its gradient is
twice the decay times the weight, as in the authors' code.

In NAS-Bench-201's cell (``--space nasbench201``) the shared network is :mod:`harness.nets.supernets.paths` and the
controller decides edge by edge (:mod:`harness.methods.common.edge_controller`), as in that benchmark. The rest is the
same, the controller's rate too: 3.5e-3 unless a profile says otherwise, where that benchmark has 1e-3. Under
``nb201-weights`` the baseline starts at the first reward and the controller's gradient is clipped, as in its script.

In ``quick`` the controller hardly learns: there this is random sampling with a selection under shared weights.

Published: CIFAR-10 error 3.54, with cutout 2.89; 0.45 GPU-days of search. Cost: one gradient step per training batch; a
forward pass for a reward or a candidate is charged as a third of a step with as many images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness import Method, Task, needs_images, rng, space_is
from harness.spaces.enas_micro import EnasCellSpace
from harness.spaces.nasbench201 import NasBench201Space

if TYPE_CHECKING:
    from harness.nets.supernets.gated import GatedSupernet


@dataclass(frozen=True)
class EnasMicro(Method):
    """The hyper-parameters of the released search on CIFAR-10; see :class:`harness.methods.common.enas.EnasSettings`.

    Args:
        momentum, weight_decay, clip: of the shared weights.
        controller_learning_rate: Adam's.
        controller_clip: the largest norm of the controller's gradient; 0: any, as in ENAS' code.
        first_reward: whether the baseline starts at the first reward instead of at 0, as in ENAS' code.
    """

    name = "enas_micro"
    title = "ENAS micro"
    space = "enas_cell"
    families = ("reinforcement learning", "one-shot")
    trains = True
    position = 140
    look = 13
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {
            **{"batch": 16, "child_steps": 6, "controller_steps": 1, "samples": 3, "cycles": 1},
            **{"candidates": 3, "candidate_batches": 1},
        },
        "quick": {
            **{"batch": 32, "valid_batch": 64, "child_steps": 20, "controller_steps": 4, "samples": 8, "cycles": 3},
            **{"candidates": 16, "candidate_batches": 3, "controller_learning_rate": 0.04, "baseline_decay": 0.95},
        },
        "hour": {
            **{"batch": 64, "valid_batch": 128, "child_steps": 100, "controller_steps": 10, "samples": 10, "cycles": 4},
            **{"candidates": 20, "candidate_batches": 4, "controller_learning_rate": 0.02, "baseline_decay": 0.95},
        },
        # The benchmark's, a fifth of its epoch at a time, with half its decay, because the gradient here has it twice.
        # Of its 12,500 updates of the controller the budget holds a hundred: the rate is a hundred times as large.
        "nb201-weights": {
            **{"batch": 128, "child_steps": 39, "controller_steps": 10, "samples": 20, "cycles": 1},
            **{"candidates": 100, "candidate_batches": 4, "weight_decay": 1.25e-4},
            **{"controller_learning_rate": 0.1, "controller_clip": 5.0, "first_reward": True, "baseline_decay": 0.95},
        },
    }

    batch: int = 160
    valid_batch: int = 0
    child_steps: int = 0
    controller_steps: int = 30
    samples: int = 10
    candidates: int = 10
    candidate_batches: int = 4
    learning_rate: float = 0.05
    final_learning_rate: float = 0.0005
    cycles: int = 5
    cycle_factor: int = 2
    momentum: float = 0.9
    weight_decay: float = 1e-4
    clip: float = 5.0
    controller_learning_rate: float = 3.5e-3
    controller_clip: float = 0.0
    entropy_weight: float = 1e-4
    baseline_decay: float = 0.99
    first_reward: bool = False

    def unsupported(self, task: Task) -> str | None:
        """The shared networks are those of ENAS' cells and of NAS-Bench-201's."""
        return space_is(task, EnasCellSpace, NasBench201Space) or needs_images(task)

    def search(self, task: Task) -> None:
        """Trains shared weights and controller in turn until the budget is spent."""
        from harness.nets.supernets.enas import GatedCells
        from harness.nets.supernets.paths import GatedPaths

        from .common.edge_controller import EdgeController
        from .common.enas import EnasSearch, EnasSettings
        from .common.enas_micro_controller import EnasMicroController
        from .common.policy import Controller
        from .common.shared_weights import supernet

        weights = rng(task.seed, "controller weights")
        adam: dict[str, Any] = {"learning_rate": self.controller_learning_rate, "clip": self.controller_clip}
        controller: Controller
        if isinstance(task.space, EnasCellSpace):
            controller = EnasMicroController(task.space, weights, **adam)
            net: GatedSupernet = supernet(GatedCells, task, self, squares_in_loss=True)
        else:
            controller = EdgeController(task.space, weights, **adam)
            net = supernet(GatedPaths, task, self, squares_in_loss=True)
        start = None if self.first_reward else 0.0
        EnasSearch(task, net, controller, EnasSettings.of(self), baseline=start).run()


METHOD = EnasMicro
