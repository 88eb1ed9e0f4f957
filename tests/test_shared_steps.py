"""The step of all shared weights, written out, and with which numbers every method takes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from fakes import make_task
from harness.methods.bsn import METHOD as BSN
from harness.methods.common import path_search
from harness.methods.enas_macro import METHOD as ENAS_MACRO
from harness.methods.enas_micro import METHOD as ENAS_MICRO
from harness.methods.fabrics import METHOD as FABRICS
from harness.methods.gdas import METHOD as GDAS
from harness.methods.nao_ws import METHOD as NAO_WS
from harness.methods.one_shot import METHOD as ONE_SHOT
from harness.methods.rs_ws import METHOD as RS_WS
from harness.methods.setn import METHOD as SETN
from parted import parted_data
from round_trip import takes_everything

from harness.core.method import Method
from harness.core.primitives import Conv
from harness.core.seeds import rng
from harness.core.space import Space
from harness.nets.supernets import enas, fabric, paths
from harness.nets.supernets.flat_weights import Handle, Weights
from harness.nets.supernets.gated import GatedSupernet
from harness.nets.supernets.relaxed import Layers
from harness.spaces import get_space
from harness.spaces.fabric import FabricSpace

Numbers = np.ndarray


class Kernels(GatedSupernet):
    """Two kernels of nine numbers; the second one is on a path or not. There is no network."""

    def __init__(self, **settings: float) -> None:
        weights = Weights(rng(0, "kernels"))
        self._handles = [weights.add((Conv(3, 3, 1),), 1) for _ in range(2)]
        super().__init__(weights, 1, (4, 4, 1), **settings)

    def gated(self) -> list[tuple[Handle, Numbers]]:
        return [(self._handles[1], np.array(0))]

    def flags(self, picks: tf.Tensor) -> list[tf.Tensor]:
        return [picks > 0]

    def network(self, images: tf.Tensor, weights: Sequence[tf.Tensor], picks: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError

    def cut(self, picks: Sequence[int]) -> tuple[Layers, list[Numbers]]:
        raise NotImplementedError

    def macs(self, picks: Sequence[int] | Numbers) -> int:
        raise NotImplementedError


def of_norm(norm: float, size: int, seed: int) -> Numbers:
    """A gradient."""
    gradient = np.random.default_rng(seed).normal(size=size)
    return norm * gradient / np.linalg.norm(gradient)


def descended(net: GatedSupernet, gradient: Numbers, active: Numbers | bool, rate: float) -> None:
    net.descend(tf.constant(gradient, tf.float32), tf.constant(active), tf.constant(rate, tf.float32))


def test_steps_are_nesterovs_with_the_norm_clipped_before_the_decay() -> None:
    """The first gradient is longer than the clip, the second one is not; the rate falls."""
    net = Kernels(momentum=0.8, weight_decay=0.3, clip=2.0)
    w, velocity = net.weights.numpy().astype(np.float64), np.zeros(18)
    for seed, (norm, rate) in enumerate([(7.0, 0.1), (0.5, 0.04)]):
        gradient = of_norm(norm, 18, seed)
        descended(net, gradient, True, rate)
        clipped = gradient * min(1.0, 2.0 / norm) + 0.3 * w
        velocity = 0.8 * velocity + clipped
        w -= rate * (clipped + 0.8 * velocity)
        np.testing.assert_allclose(net.state()["velocity"], velocity, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(net.weights.numpy(), w, rtol=1e-5, atol=1e-6)


def test_at_a_constant_rate_steps_are_those_of_keras() -> None:
    net = Kernels(momentum=0.9, weight_decay=0.0, clip=1.0)
    twin = tf.Variable(net.weights)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipnorm=1.0)
    for seed, norm in enumerate((3.0, 0.2, 0.9)):
        gradient = of_norm(norm, 18, seed)
        descended(net, gradient, True, 0.1)
        optimizer.apply([tf.constant(gradient, tf.float32)], [twin])
    np.testing.assert_allclose(net.weights.numpy(), twin.numpy(), rtol=1e-5, atol=1e-6)


def test_what_is_off_the_path_rests() -> None:
    net = Kernels(momentum=0.9, weight_decay=0.1, clip=9.0)
    descended(net, of_norm(1.0, 18, 0), True, 0.1)  # so that momentum is not zero
    before = {name: net.layout.split(value) for name, value in net.state().items()}
    descended(net, of_norm(1.0, 18, 1), net.active(tf.constant([0])).numpy(), 0.1)
    for name, value in net.state().items():
        for number, (old, new) in enumerate(zip(before[name], net.layout.split(value), strict=True)):
            assert np.array_equal(old, new) == (number == 1)


def test_every_number_of_a_checkpoint_is_taken_over() -> None:
    net = Kernels(momentum=0.9, weight_decay=0.1, clip=9.0)
    takes_everything(net.state, net.restore)


class Caught(Exception):
    """Carries the supernet that a method has made."""


MOMENTUM, DECAY, CLIP = 0.7, 0.02, 0.5
SGD = {"momentum": MOMENTUM, "weight_decay": DECAY, "clip": CLIP}
CELL = get_space("nasbench201")
METHODS: dict[str, tuple[Method, Space, Any, str, int]] = {
    "enas_macro": (ENAS_MACRO(**SGD), get_space("macro-4"), enas, "GatedMacro", 2),
    "enas_micro": (ENAS_MICRO(**SGD), get_space("enas_cell-2"), enas, "GatedCells", 2),
    "enas_micro, one cell": (ENAS_MICRO(**SGD), CELL, paths, "GatedPaths", 2),
    "nao_ws": (NAO_WS(**SGD), get_space("enas_cell-2"), enas, "GatedCells", 2),
    "fabrics": (FABRICS(**SGD), FabricSpace("fabric-2", 2, 2), fabric, "GatedFabric", 2),
    "bsn": (BSN(**SGD), FabricSpace("fabric-2", 2, 2), fabric, "GatedFabric", 2),
    "rs_ws": (RS_WS(**SGD), CELL, path_search, "GatedPaths", 1),
    "gdas": (GDAS(**SGD), CELL, path_search, "GatedPaths", 1),
    "setn": (SETN(**SGD), CELL, path_search, "GatedPaths", 1),
    "one_shot": (ONE_SHOT(**SGD), CELL, path_search, "GatedPaths", 1),
}
"""Methods, spaces, where each finds its supernet, and how often the gradient has the decay."""


@pytest.mark.parametrize("name", METHODS)
def test_a_method_gives_its_numbers_to_the_step(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The decay of ENAS, NAO-WS and fabrics is a factor on the sum of squares, whose derivative is twice the weights.

    Their authors' code adds it to the loss so. In the code of the others it is a factor on the weights.
    """
    method, space, module, kind, times = METHODS[name]
    real = getattr(module, kind)

    def caught(*arguments: Any, **settings: Any) -> None:
        raise Caught(real(*arguments, **settings))

    monkeypatch.setattr(module, kind, caught)
    with pytest.raises(Caught) as made:
        method.search(make_task(space, data=parted_data(16)))
    net: GatedSupernet = made.value.args[0]
    before = net.weights.numpy()
    gradient, rate = of_norm(40.0, len(before), 0), 0.1
    descended(net, gradient, True, rate)
    moved = (before - net.weights.numpy()) / rate
    clipped = gradient * CLIP / 40.0
    np.testing.assert_allclose(moved, (1 + MOMENTUM) * (clipped + times * DECAY * before), rtol=1e-3, atol=1e-4)
