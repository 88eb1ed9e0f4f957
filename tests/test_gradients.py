"""A gradient of one's own counts instead of the derivative of what was computed."""

from __future__ import annotations

import pytest
import tensorflow as tf

from harness.nets.gradients import OwnGradient

THROUGH = OwnGradient("TestStraightThrough", lambda upstream, x, scale: [upstream * scale, None])


@tf.function(autograph=False)
def rounded(x: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    return THROUGH.tie(tf.round(x), x, scale)


def value_and_gradients(x: tf.Tensor, scale: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
    with tf.GradientTape() as tape:
        tape.watch([x, scale])
        y = rounded(x, scale) ** 2
    return y, tape.gradient(y, [x, scale])


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
def test_the_registered_gradient_is_used(traced: bool) -> None:
    call = tf.function(value_and_gradients, autograph=False) if traced else value_and_gradients
    y, (for_x, for_scale) = call(tf.constant([0.6, 3.2]), tf.constant(5.0))
    assert y.numpy().tolist() == [1.0, 9.0]
    assert for_x.numpy().tolist() == [10.0, 30.0]
    assert for_scale is None or float(for_scale) == 0.0


def test_functions_that_are_run_eagerly_have_it_too() -> None:
    tf.config.run_functions_eagerly(True)
    try:
        _, (for_x, _) = value_and_gradients(tf.constant([0.6, 3.2]), tf.constant(5.0))
    finally:
        tf.config.run_functions_eagerly(False)
    assert for_x.numpy().tolist() == [10.0, 30.0]


def test_branches_of_a_switch_have_their_own() -> None:
    @tf.function(autograph=False)
    def gradient(x: tf.Tensor, branch: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.switch_case(branch, [lambda: rounded(x, tf.constant(5.0)), lambda: 3.0 * x])
        return tape.gradient(y, x)

    found = [gradient(tf.constant([0.6]), tf.constant(branch)).numpy().tolist() for branch in range(2)]
    assert found == [[5.0], [3.0]]
