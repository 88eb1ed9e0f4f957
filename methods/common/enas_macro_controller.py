"""ENAS' controller for the macro space (Pham et al., ICML 2018).

The LSTM has one layer of 64 units without biases; weights start in U(-0.1, 0.1). Logits of operations are 1.5 tanh(.).
The attention's score q of a skip from layer j gives l = 1.5 tanh(q) and the two logits (-l, l), so that P(skip) is
sigmoid(2 l). The penalty is KL(Bernoulli(sigmoid(l)) || Bernoulli(0.4)): it uses sigmoid(l), as in ENAS' code, and is
zero where P(skip) is 0.31. It is summed over a layer's skips, averaged over the layers that have skips, and added to
the loss with weight 0.8. The entropy of :class:`Walk` is the true one; ENAS' code adds -p log p of the sampled skips
and operations instead.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from harness.spaces.enas_macro import MacroSpace

from .layered_controller import LayeredController
from .policy import squeeze


class EnasMacroController(LayeredController):
    """The policy over :class:`MacroSpace`.

    Args:
        space: any depth.
        rng: draws the weights.
        units: of the LSTM.
        bound: weights start in U(-bound, bound).
        tanh_constant: bound of all logits.
        skip_target, skip_weight: of the penalty.
        learning_rate: Adam's, with beta_1 = 0 and epsilon 1e-3.
    """

    def __init__(
        self,
        space: MacroSpace,
        rng: np.random.Generator,
        *,
        units: int = 64,
        bound: float = 0.1,
        tanh_constant: float = 1.5,
        skip_target: float = 0.4,
        skip_weight: float = 0.8,
        learning_rate: float = 1e-3,
    ) -> None:
        self._tanh, self._target = tanh_constant, skip_target
        adam = keras.optimizers.Adam(learning_rate, beta_1=0.0, epsilon=1e-3)
        super().__init__(
            space, rng, units=units, layers=1, bound=bound, optimizer=adam, penalty_weight=skip_weight
        )  # fmt: skip

    def head_logits(self, logits: tf.Tensor) -> tf.Tensor:
        """Bounded logits."""
        return squeeze(logits, self._tanh)

    def skip_logits(self, scores: tf.Tensor) -> tf.Tensor:
        """The difference of the two-way logits (-l, l)."""
        return 2.0 * squeeze(scores, self._tanh)

    def skip_penalty(self, scores: tf.Tensor) -> tf.Tensor:
        """KL divergence from the target rate, in nats."""
        logits = squeeze(scores, self._tanh)
        p, log_p, log_rest = tf.sigmoid(logits), -tf.nn.softplus(-logits), -tf.nn.softplus(logits)
        return p * (log_p - np.log(self._target)) + (1.0 - p) * (log_rest - np.log1p(-self._target))
