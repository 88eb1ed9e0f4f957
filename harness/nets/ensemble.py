"""An ensemble as one model: the mean of its members' probabilities, made of stock Keras layers."""

from __future__ import annotations

from collections.abc import Sequence

import keras


def averaged(members: Sequence[keras.Model]) -> keras.Model:
    """One model that returns the logarithm of the mean of the members' class probabilities.

    That is a kind of logits: their softmax is the mean. So whatever takes a network's logits takes an ensemble's.

    Args:
        members: take the same images and return logits; auxiliary heads are left out.
    """
    image = keras.Input(members[0].input_shape[1:], name="image")
    shares = [
        keras.layers.Softmax()(keras.Model(member.inputs[0], member.outputs[0], name=f"member_{number}")(image))
        for number, member in enumerate(members, start=1)
    ]
    mean = keras.layers.Average()(shares) if len(shares) > 1 else shares[0]
    return keras.Model(image, keras.ops.log(mean))
