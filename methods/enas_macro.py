"""ENAS in the macro space (Pham et al.: Efficient Neural Architecture Search via Parameter Sharing, ICML 2018).

One network holds the weights of all 1.6e29 networks of twelve layers; an LSTM controller is trained by REINFORCE on the
accuracy of validation batches. See :mod:`harness.methods.common.enas` for the loop,
:mod:`harness.methods.common.enas_macro_controller` for the policy, :mod:`harness.nets.supernets.enas` for the shared
weights.

Deviations: a layer has the operation that was sampled (a closure in the released code makes every branch the last one);
the final network has the operations and skips that were searched (the released code retrains another); batch statistics
instead of moving averages when rewards are measured; the true entropy in the reward; no dropout; gradient clipping (in
the released code it has no effect); momentum and weight decay leave the weights outside the sampled architecture
unchanged.

The search network has one width; the final one doubles it where the image is halved. Under ``published`` they have 36
and 96 filters, as the authors'. A layer's bits select the stem and all layers before the previous one, as in their
code.

Schedule: five cycles of the learning rate, each twice as long as the one before, fill the budget (fewer in small
profiles); networks are proposed at the end of each. The weight decay is on the sum of squares, so that its gradient is
twice the decay times the weight, as in the authors' code.

Published: CIFAR-10 error 4.23, 3.87 with more channels; 0.32 GPU-days of search. Cost: one gradient step per training
batch; a forward pass for a reward or a candidate is charged as a third of a step with as many images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness import Method, Task, needs_images, rng, space_is
from harness.spaces.enas_macro import MacroSpace


@dataclass(frozen=True)
class EnasMacro(Method):
    """The hyper-parameters of the released search on CIFAR-10; see :class:`harness.methods.common.enas.EnasSettings`.

    Args:
        momentum, weight_decay, clip: of the shared weights.
        controller_learning_rate: Adam's.
        skip_target, skip_weight: wanted rate of skip connections, and weight of the penalty for other rates.
        channels: ``+``: the final network is four thirds as wide, as in the paper's row "more channels".
    """

    name = "enas_macro"
    title = "ENAS macro"
    space = "macro"
    families = ("reinforcement learning", "one-shot")
    trains = True
    position = 130
    look = 12
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {
            **{"batch": 16, "child_steps": 6, "controller_steps": 1, "samples": 3, "cycles": 1},
            **{"candidates": 3, "candidate_batches": 1, "controller_learning_rate": 1e-2},
        },
        "quick": {
            **{"batch": 32, "valid_batch": 64, "child_steps": 20, "controller_steps": 4, "samples": 8, "cycles": 3},
            **{"candidates": 16, "candidate_batches": 3, "controller_learning_rate": 0.02, "baseline_decay": 0.95},
        },
        "hour": {
            **{"batch": 64, "valid_batch": 128, "child_steps": 100, "controller_steps": 10, "samples": 10, "cycles": 4},
            **{"candidates": 20, "candidate_batches": 4, "controller_learning_rate": 0.02, "baseline_decay": 0.95},
        },
    }

    extras: ClassVar[Mapping[str, Mapping[str, float]]] = {"channels": {"channels": 1.33334}}

    batch: int = 128
    valid_batch: int = 0
    child_steps: int = 0
    controller_steps: int = 50
    samples: int = 20
    candidates: int = 10
    candidate_batches: int = 4
    learning_rate: float = 0.05
    final_learning_rate: float = 0.0005
    cycles: int = 5
    cycle_factor: int = 2
    momentum: float = 0.9
    weight_decay: float = 2.5e-4
    clip: float = 5.0
    controller_learning_rate: float = 1e-3
    entropy_weight: float = 1e-4
    baseline_decay: float = 0.99
    skip_target: float = 0.4
    skip_weight: float = 0.8
    channels: str = ""

    def unsupported(self, task: Task) -> str | None:
        """The shared network is that of the macro space."""
        return space_is(task, MacroSpace) or needs_images(task)

    def search(self, task: Task) -> None:
        """Trains shared weights and controller in turn until the budget is spent."""
        from harness.nets.supernets.enas import GatedMacro

        from .common.enas import EnasSearch, EnasSettings
        from .common.enas_macro_controller import EnasMacroController
        from .common.shared_weights import supernet

        assert isinstance(task.space, MacroSpace)
        net = supernet(GatedMacro, task, self, squares_in_loss=True)
        controller = EnasMacroController(
            task.space,
            rng(task.seed, "controller weights"),
            skip_target=self.skip_target,
            skip_weight=self.skip_weight,
            learning_rate=self.controller_learning_rate,
        )
        EnasSearch(task, net, controller, EnasSettings.of(self)).run()


METHOD = EnasMacro
