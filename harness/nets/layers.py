"""Keras layers of the project's own, besides the fused normalisation of :mod:`harness.nets.norm`."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from harness.nets import replicas


@keras.saving.register_keras_serializable(package="harness")
class DropPath(keras.layers.Layer):
    """Scheduled drop path: zeroes its input for whole images with probability ``rate`` and rescales the others.

    Source: Larsson et al. 2017 (drop path), Zoph et al. 2018 (the schedule, which the training loop applies by
    assigning ``rate``). Shape is kept; at inference the identity.
    """

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.rate = self.add_weight(name="rate", shape=(), initializer="zeros", trainable=False)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training:
            return inputs
        shape = (replicas.whole_batch_size(inputs), 1, 1, 1)
        keep = 1.0 - tf.cast(tf.convert_to_tensor(self.rate), inputs.dtype)
        uniform = replicas.own(keras.random.uniform(shape, dtype=inputs.dtype, seed=self.seed_generator))
        return inputs * tf.floor(keep + uniform) / keep

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="harness")
class Shake(keras.layers.Layer):
    """Shake-Shake's mix of two branches: ``a * first + (1 - a) * second`` with ``a`` uniform in 0..1 per image.

    The backward pass has shares of its own, drawn independently (Gastaldi 2017, "Shake-Shake-Image"); at inference both
    count one half. Takes a list of two images ``(n, h, w, c)`` of one shape, which is kept.
    """

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: list[tf.Tensor], training: bool = False) -> tf.Tensor:
        first, second = inputs
        if not training:
            return 0.5 * (first + second)
        shape, difference = (replicas.whole_batch_size(first), 1, 1, 1), first - second
        forwards, backwards = (
            replicas.own(keras.random.uniform(shape, dtype=first.dtype, seed=self.seed_generator)) for _ in range(2)
        )
        # The value has the forward share, and what depends on it is hidden from the gradient.
        return second + backwards * difference + tf.stop_gradient((forwards - backwards) * difference)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="harness")
class BatchDropout(keras.layers.Dropout):
    """Keras' layer for a batch in parts: its mask is that of the whole batch, of which each part takes its own.

    It stands in a network only while that is trained on several devices.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training:
            return inputs
        ones = tf.ones((replicas.whole_batch_size(inputs), *inputs.shape[1:]), inputs.dtype)
        return inputs * replicas.own(keras.random.dropout(ones, self.rate, seed=self.seed_generator))
