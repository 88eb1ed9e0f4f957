"""A batch in parts: what the parts of one batch have to know of each other where each is computed on its own device.

:mod:`harness.nets.mirrored` trains one network like that. What a step does with a batch as a whole, it asks for here.
Everywhere else there is one part, which is the whole batch: then nothing here adds anything to a graph.
"""

from __future__ import annotations

import tensorflow as tf


def parts() -> int:
    """How many there are, this one included."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else int(context.num_replicas_in_sync)


def own(values: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """This part's of the values for a whole batch, which are image by image along ``axis``."""
    number = parts()
    return values if number == 1 else tf.split(values, number, axis)[_place()]


def whole_batch_size(images: tf.Tensor) -> int | tf.Tensor:
    """How many images the batch has of which ``images`` are this part.

    Random numbers are drawn for so many, and :func:`own` are taken: an image gets the same ones on any number of
    devices.
    """
    number, here = parts(), images.shape[0]
    if number == 1 or here is None:
        here = tf.shape(images)[0]
    return here if number == 1 else here * number


def mean(value: tf.Tensor) -> tf.Tensor:
    """The mean over the parts, the same for all."""
    return value if parts() == 1 else _reduced(tf.distribute.ReduceOp.MEAN, value)


def total(value: tf.Tensor) -> tf.Tensor:
    """The sum over the parts, the same for all."""
    return value if parts() == 1 else _reduced(tf.distribute.ReduceOp.SUM, value)


def gathered(value: tf.Tensor) -> tf.Tensor:
    """The values of all parts, one behind the other along a new first axis.

    As a sum of arrays that are zero but for one place: cards have a fast way for sums and none for this.
    """
    number = parts()
    place = tf.reshape(tf.one_hot(_place(), number, dtype=value.dtype), [number, *[1] * value.shape.rank])
    return total(place * value)


def _place() -> int:
    return int(tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group))


def _reduced(how: tf.distribute.ReduceOp, value: tf.Tensor) -> tf.Tensor:
    return tf.distribute.get_replica_context().all_reduce(how, value)
