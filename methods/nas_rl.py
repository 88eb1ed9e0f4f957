"""NAS-RL: an LSTM controller proposes networks and learns from the accuracy of the trained children by REINFORCE.

Paper: Zoph & Le, *Neural architecture search with reinforcement learning*, ICLR 2017. Two-layer LSTM of 35 units, one
step per decision, the embedding of the picked value as next input; softmax heads for filter height, width, number (and
strides), skip connections by anchor points, P(j feeds i) = sigmoid(v . tanh(W_prev h_j + W_curr h_i)). Reward: the
largest of the last five validation accuracies, cubed (all profiles validate once, at the end). Gradient: the mean
over ``children`` networks of grad log P * (R - b), b a moving average of earlier rewards only. Adam with rate 6e-4,
weights U(-0.08, 0.08).

Deviations: one controller instead of 20 parameter-server shards and 100 replicas, which makes the updates synchronous;
no growing depth, because the space fixes it; the decay of b is not published (0.95 here), nor are LSTM biases (none)
and the input after an anchor point (ENAS' mean of chosen anchors); no grid of training settings at the end.
Expected: C10 error 5.50 % after 12,800 children (15 layers, no strides, no pooling, as in the space here; 3.65 with 39
layers, pooling and more filters). Cost: one proxy training per child.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.core.errors import InputError
from harness.core.evaluation import Evaluation
from harness.core.method import Method, space_is
from harness.core.task import Task
from harness.spaces.nas_rl import ConvChainSpace


@dataclass(frozen=True)
class NasRl(Method):
    """REINFORCE on the chain of convolutions.

    Args:
        children: networks per gradient step, m.
        learning_rate: Adam's.
        units, layers: of the LSTM.
        bound: weights start in U(-bound, bound).
        baseline_decay: share of the old moving average kept per reward.
        last: validation accuracies at the end of a training among which the largest counts.
    """

    name = "nas_rl"
    title = "NAS-RL"
    space = "chain"
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"children": 2, "learning_rate": 0.03},
        "quick": {"children": 2, "learning_rate": 0.03},
        "hour": {"children": 2, "learning_rate": 0.03},
    }

    children: int = 8
    learning_rate: float = 6e-4
    units: int = 35
    layers: int = 2
    bound: float = 0.08
    baseline_decay: float = 0.95
    last: int = 5

    def __post_init__(self) -> None:
        if min(self.children, self.units, self.layers, self.last) < 1:
            raise InputError("nas_rl needs at least one child, unit, layer and last validation")
        if self.learning_rate <= 0 or not 0 <= self.baseline_decay < 1:
            raise InputError("nas_rl needs learning_rate > 0 and baseline_decay in [0, 1)")

    def unsupported(self, task: Task) -> str | None:
        """Only chains have anchor points in this order."""
        return space_is(task, ConvChainSpace)

    def search(self, task: Task) -> None:
        """Samples, trains and learns in turn. An interrupted run learns again from its log."""
        import keras

        from .common.layered_controller import LayeredController
        from .common.policy import MovingAverage

        assert isinstance(task.space, ConvChainSpace)
        adam = keras.optimizers.Adam(self.learning_rate)
        controller = LayeredController(
            task.space, task.rng, units=self.units, layers=self.layers, bound=self.bound, optimizer=adam
        )  # fmt: skip
        baseline = MovingAverage(self.baseline_decay, current=False)
        while True:
            uniforms = task.rng.random((self.children, controller.decisions), np.float32)
            picks = controller.sample(uniforms).picks
            evaluations = task.evaluate(task.space.genotype(tuple(row)) for row in picks.tolist())
            rewards = np.array([self.reward(evaluation) for evaluation in evaluations])
            controller.train(picks, baseline.advantages(rewards))

    def reward(self, evaluation: Evaluation) -> float:
        """The largest of the last validation accuracies, cubed; 0 for a child that failed."""
        return max(evaluation.curve[-self.last :], default=0.0) ** 3


METHOD = NasRl
