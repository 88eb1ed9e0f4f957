"""One network on several devices of a machine: each has a copy of it and computes its part of every batch.

TensorFlow's ``MirroredStrategy`` keeps the copies and adds their gradients up. What a batch is as a whole stays whole
(:mod:`harness.nets.replicas`): statistics of normalisations, random numbers, the clipped gradient. So the numbers are
those of one device, except that sums round otherwise.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from harness.core.errors import InputError
from harness.nets.layers import BatchDropout, DropPath, Shake
from harness.nets.norm import FusedBatchNormalization
from harness.nets.processor import has_graphics_card

_OF_WHOLE_BATCHES = (BatchDropout, DropPath, Shake, FusedBatchNormalization)
"""Layers of the project's own that know of parts."""


@contextlib.contextmanager
def mirrored(model: keras.Model, devices: int) -> Iterator[tuple[keras.Model, tf.distribute.Strategy]]:
    """A copy of a network on so many devices, and the strategy that runs it.

    Afterwards ``model`` has the variables of the copy, also if an exception has ended its training.

    Raises:
        InputError: this process has fewer devices, or a layer cannot work on parts of batches.
    """
    strategy = _strategy(devices)
    with strategy.scope():
        copy = keras.models.clone_model(model, clone_function=_in_parts)
    _copy(model, copy)
    try:
        yield copy, strategy
    finally:
        _copy(copy, model)


@functools.cache
def _strategy(number: int) -> tf.distribute.Strategy:
    """The strategy for so many devices: the first graphics cards, or parts of the CPU where there is no card.

    One for the whole process: a second one would number its sums anew, and TensorFlow takes sums of the same number for
    the same one.
    """
    kind = "GPU" if has_graphics_card() else "CPU"
    found = [device.name for device in tf.config.list_logical_devices(kind)]
    if len(found) < number:
        raise InputError(f"TensorFlow has {len(found)} devices of kind {kind} here, and the training needs {number}")
    # Not by NCCL, whose cards find each other by sockets: a final training has no network.
    return tf.distribute.MirroredStrategy(found[:number], cross_device_ops=tf.distribute.ReductionToOneDevice())


def _in_parts(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A new layer that computes the same in parts."""
    config: dict[str, Any] = layer.get_config()
    if type(layer) is keras.layers.Dropout:
        return BatchDropout.from_config(config)
    draws = any(variable.name == "seed_generator_state" for variable in layer.variables)
    if isinstance(layer, keras.layers.BatchNormalization) or (draws and not isinstance(layer, _OF_WHOLE_BATCHES)):
        raise InputError(f"layer '{layer.name}' works on whole batches only; train the network on one device")
    return type(layer).from_config(config)


def _copy(source: keras.Model, target: keras.Model) -> None:
    for variable, other in zip(source.variables, target.variables, strict=True):
        other.assign(variable.numpy())
