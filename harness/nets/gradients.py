"""Gradients of our own for compositions of TensorFlow's operations.

``tf.custom_gradient`` registers every single call for the life of the process, and with it the graph that the call is
in: 20 MiB for each sampled network. Here a gradient is registered once and tied to one node of a ``tf.function``, which
is where TensorFlow looks for such a tie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

Gradient = Callable[..., Sequence[tf.Tensor | None]]


class OwnGradient:
    """A registered gradient.

    Args:
        name: unique in the process.
        gradient: takes the gradient of the result and the tensors of :meth:`tie`, and returns their gradients.
    """

    def __init__(self, name: str, gradient: Gradient) -> None:
        self._name, self._gradient = f"Harness{name}", gradient

        def for_node(node: tf.Operation, upstream: tf.Tensor, *_: tf.Tensor) -> list[tf.Tensor | None]:
            return [None, *gradient(upstream, *node.inputs[1:])]

        tf.RegisterGradient(self._name)(for_node)

    def tie(self, result: tf.Tensor, *tensors: tf.Tensor) -> tf.Tensor:
        """``result`` as a function of ``tensors``; how it was really computed does not count for gradients any more.

        To be called inside a ``tf.function``. What else that function returns must not depend on ``tensors`` in a
        differentiable way, or a second gradient is added to this one.
        """
        if tf.executing_eagerly():  # with tf.config.run_functions_eagerly; nothing is registered then
            return tf.custom_gradient(lambda *given: (result, lambda upstream: self._gradient(upstream, *given)))(
                *tensors
            )
        with tf.compat.v1.get_default_graph().gradient_override_map({"IdentityN": self._name}):
            return tf.identity_n([result, *tensors])[0]
