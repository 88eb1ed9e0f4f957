"""NAS-RL: an LSTM controller proposes networks and learns from the accuracy of the trained children by REINFORCE.

Paper: Zoph & Le, *Neural architecture search with reinforcement learning*, ICLR 2017. A two-layer LSTM of 35 units has
one time step per decision; the embedding of the picked value is the next input. Softmax heads decide filter height,
width and number (and strides), anchor points the skip connections: P(layer i reads layer j) = sigmoid(v . tanh(W_prev
h_j + W_curr h_i)). The reward R is the largest of the last five validation accuracies, cubed. The gradient is the mean
over ``children`` networks of grad log P * (R - b), where b is a moving average of earlier rewards only. Adam with rate
6e-4; weights start in U(-0.08, 0.08).

Deviations: one controller instead of 20 parameter-server shards and 100 replicas, which makes the updates synchronous.
``replicas=100:children=8`` has the paper's replicas and asynchronous updates, whose order is simulated or real
(:mod:`.common.replicas`; the shards are one object in this process). Outside chains of convolutions, where there are no
anchor points, the controller has one LSTM layer and a softmax per choice (NASNet's, with REINFORCE instead of PPO). No
growing depth, because the space fixes it; no grid of training settings at the end. Not published, and chosen here: the
decay of b (0.95), LSTM biases (none) and the input after an anchor point (the mean of the chosen anchors, as in ENAS).
Schedule: m and the rate follow from the number of children that the budget buys, by power laws from 2 and 0.03 for 20
children to the paper's settings for its 12,800.
Expected: C10 error 5.50 % after 12,800 children (15 layers, no strides, no pooling, as in the space here; 3.65 with 39
layers, pooling and more filters). Cost: one proxy training per child.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness import Evaluation, InputError, Method, Task, needs_choices
from harness.spaces.nas_rl import ConvChainSpace

from .common.baseline import RewardBaseline
from .common.ppo import LstmPolicy
from .common.replicas import Replicas, Rules, Served
from .common.scaling import between, nearest_positive
from .common.served_policy import ServedPolicy

if TYPE_CHECKING:
    from .common.served_controller import ServedController


@dataclass(frozen=True)
class NasRl(Method):
    """REINFORCE on the chain of convolutions, or over the choices of any other space.

    Args:
        children: networks per gradient step, m; 0: from the budget.
        learning_rate: Adam's; 0: from the budget.
        units, layers: of the LSTM; outside chains it has one layer.
        bound: weights start in U(-bound, bound).
        baseline_decay: share of the old moving average kept per reward.
        last: how many validation accuracies at the end of a training the reward looks at.
        replicas: controller replicas K around one parameter server. The clock is simulated, with a device for each of
            their K m children, or real (:mod:`.common.replicas`); 0: one, and the record says nothing of it.
        synchronous: whether an update is the mean of one gradient of every replica; else each gradient is applied as
            it comes.
        filters: ``+``: every layer of the final network has 40 more, as in the paper's best row.
    """

    name = "nas_rl"
    title = "NAS-RL"
    space = "chain"
    families = ("reinforcement learning",)
    position = 70
    look = 6
    extras: ClassVar[Mapping[str, Mapping[str, float]]] = {"filters": {"more": 40}}

    children: int = 0
    learning_rate: float = 0.0
    units: int = 35
    layers: int = 2
    bound: float = 0.08
    baseline_decay: float = 0.95
    last: int = 5
    replicas: int = 0
    synchronous: bool = False
    filters: str = ""

    def __post_init__(self) -> None:
        if self.children < 0 or min(self.units, self.layers, self.last) < 1:
            raise InputError("nas_rl needs children >= 0 and at least one unit, layer and last validation")
        if self.replicas < 0 or (self.synchronous and not self.replicas):
            raise InputError("nas_rl needs replicas >= 0, and replicas >= 1 to be synchronous")
        if self.learning_rate < 0 or not 0 <= self.baseline_decay < 1:
            raise InputError("nas_rl needs learning_rate >= 0 and baseline_decay in [0, 1)")

    def unsupported(self, task: Task) -> str | None:
        """It needs choices, and for more filters a chain of convolutions, whose layers have them."""
        if self.filters and not isinstance(task.space, ConvChainSpace):
            return f"filters={self.filters} is for chains of convolutions, not for the space '{task.space.name}'"
        return needs_choices(task)

    def search(self, task: Task) -> None:
        """Samples, trains and learns in turn, in every replica. An interrupted run learns again from its log."""
        baseline = RewardBaseline(self.baseline_decay, "before")
        rules = Rules(
            max(1, self.replicas),
            self.synchronous,
            minibatch=lambda: self.minibatch(task.children()),
            rate=lambda: self.rate(task.children()),
            reward=self.reward,
        )
        chain = isinstance(task.space, ConvChainSpace)
        served: Served[Any] = self._layered(task) if chain else self._flat(task)
        replicas = Replicas(task, served, baseline, rules)
        try:
            replicas.search()
        finally:
            if self.replicas:
                task.plan(**replicas.clock.facts())

    def _layered(self, task: Task) -> ServedController:
        """The paper's controller, with anchor points."""
        import keras

        from .common.layered_controller import LayeredController
        from .common.served_controller import ServedController

        assert isinstance(task.space, ConvChainSpace)
        adam = keras.optimizers.Adam()
        controller = LayeredController(
            task.space, task.rng, units=self.units, layers=self.layers, bound=self.bound, optimizer=adam
        )  # fmt: skip
        return ServedController(controller, adam)

    def _flat(self, task: Task) -> ServedPolicy:
        """A softmax per choice."""
        return ServedPolicy(LstmPolicy(task.space, task.rng, units=self.units, bound=self.bound))

    def minibatch(self, children: int) -> int:
        """Networks per gradient step in a search of so many children."""
        return self.children or nearest_positive(between(children, (20, 2), (12_800, 8)))

    def rate(self, children: int) -> float:
        """Adam's rate in a search of so many children."""
        return self.learning_rate or between(children, (20, 0.03), (12_800, 6e-4))

    def reward(self, evaluation: Evaluation) -> float:
        """The largest of the last validation accuracies, cubed; 0 for a child that failed."""
        return max(evaluation.curve[-self.last :], default=0.0) ** 3


METHOD = NasRl
