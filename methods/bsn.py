"""Budgeted super networks: gates on the edges of a fabric learn which edges are worth their cost.

Paper: Veniat & Denoyer, *Learning time/memory-efficient deep architectures with budgeted super networks*, CVPR 2018.
Every edge of a fabric (:mod:`harness.spaces.fabric`) has a Bernoulli gate; for every image of a batch all gates are
drawn. The weights follow the gradient of the cross-entropy under the drawn gates, the gates' logits REINFORCE with the
reward -(cross-entropy + price * max(0, cost - budget)) minus its mean over the batch. The cost is what the open gates'
convolutions need, in multiply-accumulates or parameters. At the end the edges with probability above one half remain.
Logits start at 3, which is 95 % open. Their rate is 1e-3 at the paper's 234,000 steps, larger for fewer.

Deviations: costs are shares of the whole fabric's, so ``cost=0.5`` is the same budget at any size (the code: 1e-7 per
FLOP and a budget of 0); the fabric stands for both super networks of the paper; if no path is left, the one with the
likeliest edges is added; a cosine instead of three steps of the rate; Nesterov momentum; gradients are clipped at norm
5; the sub-fabric is trained again from scratch by the final recipe. A node that no open gate reaches says nothing. The
classifier reads the last node reached.
Expected: curves of accuracy over cost, above those of ResNets of equal cost on C10; Table B has 9.21 % for one network.
Cost: one training of the super network per budget; all edges are computed and charged at each step, whatever is drawn.
Fails when the price is large before the weights are any good: gates close on cost alone and do not open again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness import InputError, Method, Task, needs_images, space_is
from harness.core.budget import PASSES_PER_STEP
from harness.core.names import one_of
from harness.spaces.fabric import FabricSpace

from .common.scaling import between

UNITS = ("macs", "parameters")


@dataclass(frozen=True)
class BudgetedSuperNetwork(Method):
    """Learns gates and weights of a fabric together.

    Args:
        cost: the budget of the network found, as a share of the whole fabric's cost.
        unit: of the cost, ``macs`` or ``parameters``.
        price: of the whole fabric's cost beyond the budget, in units of the cross-entropy.
        logit: of each gate at the start.
        gate_rate: of the logits' gradient steps; 0: from the number of steps.
        batch, valid_batch: images per gradient step, and per accuracy.
        rounds: how often the present sub-fabric is proposed, evenly over the budget.
        learning_rate, momentum, weight_decay, clip: of the weights; the rate falls to 0 along half a cosine. The
            weight decay is on the sum of squares: its gradient is twice that times the weight.
    """

    name = "bsn"
    title = "Budgeted super network"
    space = "fabric"
    families = ("gradient-based", "one-shot")
    trains = True
    position = 158
    look = 39
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"batch": 16, "valid_batch": 64, "rounds": 2},
        "quick": {"valid_batch": 512, "rounds": 5},
        "hour": {"valid_batch": 512, "rounds": 5},
    }

    cost: float = 0.5
    unit: str = "macs"
    price: float = 10.0
    logit: float = 3.0
    gate_rate: float = 0.0
    batch: int = 64
    valid_batch: int = 1000
    rounds: int = 10
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-5
    clip: float = 5.0

    def __post_init__(self) -> None:
        one_of("unit of bsn", self.unit, UNITS)
        if not 0 <= self.cost <= 1 or min(self.price, self.gate_rate) < 0:
            raise InputError("bsn needs cost in [0, 1], and price and gate_rate >= 0")
        if min(self.batch, self.valid_batch, self.rounds) < 1 or self.learning_rate <= 0:
            raise InputError("bsn needs learning_rate > 0, and at least one image and round")

    def unsupported(self, task: Task) -> str | None:
        """The super network is a fabric."""
        return space_is(task, FabricSpace) or needs_images(task)

    def search(self, task: Task) -> None:
        """Trains weights and gates, proposing what is open round by round. An interrupted run continues."""
        from harness.nets.supernets.fabric import GatedFabric

        from .common.fabric_training import DrawnFabric, FabricSettings
        from .common.shared_weights import supernet

        net = supernet(GatedFabric, task, self, squares_in_loss=True)
        costs = net.edge_macs if self.unit == "macs" else net.edge_parameters
        batch = min(self.batch, len(task.data.x_train))
        step = task.meter.price(seconds=0.0, steps=1, macs=PASSES_PER_STEP * batch * net.macs(()))
        search = DrawnFabric(
            task,
            net,
            FabricSettings.of(self),
            costs=costs / costs.sum(),
            budget=self.cost,
            price=self.price,
            logit=self.logit,
            gate_rate=self.rate(task.meter.limit / step if step else SECONDS_STEPS),
        )
        search.run()

    def rate(self, steps: float) -> float:
        """Rate of the logits' gradient steps in a search of so many steps."""
        return self.gate_rate or between(steps, (500, 0.05), (234_000, 1e-3))


SECONDS_STEPS = 10_000
"""Steps that the rate of the logits is made for where a budget in seconds does not say how many there will be."""
METHOD = BudgetedSuperNetwork
