"""Every search that trains shared weights, small and on a supernet that only pretends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from fakes import FakeEvaluator, MemoryJournal, make_task
from harness.methods import smash
from harness.methods.bsn import METHOD as BSN
from harness.methods.common.enas import EnasSearch, EnasSettings
from harness.methods.common.fabric_training import DrawnFabric, FabricSettings, WholeFabric
from harness.methods.common.nao_settings import ModelSettings
from harness.methods.common.nao_ws import PoolSearch, PoolSettings
from harness.methods.common.policy import Walk
from harness.methods.enas_micro import METHOD as ENAS
from harness.methods.fabrics import METHOD as FABRICS
from harness.methods.gdas import METHOD as GDAS
from harness.methods.gdas import GdasSearch
from harness.methods.nao_ws import METHOD as NAO_WS
from harness.methods.one_shot import METHOD as ONE_SHOT
from harness.methods.rs_ws import METHOD as RS_WS
from harness.methods.setn import METHOD as SETN
from nao_supernet import FakeNet
from parted import parted_data
from path_supernet import FakePaths, install

from harness.core.recipe import Recipe
from harness.core.space import Size, Space
from harness.core.task import Task
from harness.spaces import get_space
from harness.spaces.fabric import FabricSpace

BATCHES: dict[str, Any] = {"batch": 8, "valid_batch": 8}
COMPARED: dict[str, Any] = {
    **BATCHES,
    **{"candidates": 20, "candidate_batches": 1, "finalists": 3, "final_batches": 2, "retrained": 0, "save_every": 20},
}


class FakeController:
    """Samples uniformly and remembers what it was taught.

    Args:
        space: whose choices it decides.

    Attributes:
        taught: picks and advantages of every training.
    """

    def __init__(self, space: Space) -> None:
        self.decisions = len(space.choices)
        self._sizes = np.array([len(choice) for choice in space.choices])
        self.taught: list[tuple[np.ndarray, np.ndarray]] = []
        self._weights = 0.0

    def sample(self, uniforms: np.ndarray) -> Walk:
        """The picks of uniform numbers."""
        zeros = np.zeros(len(uniforms), np.float32)
        return Walk((uniforms * self._sizes).astype(np.int32), zeros, zeros + 2.0, zeros)

    def train(self, picks: np.ndarray, advantages: np.ndarray) -> None:
        """Remembers."""
        self.taught.append((picks, advantages))
        self._weights = 0.9 * self._weights + float(advantages @ picks.sum(axis=1))

    def state(self) -> dict[str, np.ndarray]:
        """A number that stands for the weights: it tells what was taught, in which order."""
        return {"weights": np.array(self._weights)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Takes the number over."""
        self._weights = float(state["weights"])


class FakeFabric(FakeNet):
    """A fabric without weights; what its kernels are depends on what has been trained."""

    def __init__(self, space: FabricSpace) -> None:
        super().__init__()
        self.edges = len(space.edges)
        self.drawn_step = self._remember_drawn

    def norms(self) -> np.ndarray:
        """Of kernels."""
        return np.random.default_rng(self._weights).random(self.edges)

    def _remember_drawn(self, images: tf.Tensor, labels: tf.Tensor, gates: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        self._learn(images, labels, gates.numpy().tobytes(), float(rate))
        return tf.reduce_mean(gates, axis=1)


class FakeSmash(FakeNet):
    """Memory banks without weights."""

    def most_macs(self) -> int:
        """More than any architecture takes."""
        return 100


class Made(NamedTuple):
    """A search before its first step, and its supernet."""

    search: Any
    net: Any


def _slopes() -> dict[str, np.ndarray]:
    """What architecture parameters are told by a path's supernet: numbers that differ."""
    generator = np.random.default_rng(5)
    return {
        "slope": generator.normal(size=(1, 6, 5)).astype(np.float32),
        "charges": generator.normal(size=(6, 5)).astype(np.float32),
    }


def _paths(search: Callable[[Task], Any]) -> Callable[[pytest.MonkeyPatch, Task], Made]:
    def make(patch: pytest.MonkeyPatch, task: Task) -> Made:
        made: list[FakePaths] = install(patch, lambda picks, batch: sum(picks) % 7 / 7, **_slopes())
        return Made(search(task), made[-1])

    return make


def _smash(patch: pytest.MonkeyPatch, task: Task) -> Made:
    net = FakeSmash()
    patch.setattr(smash, "GatedSmash", lambda *_, **__: net)
    return Made(smash.METHOD(**{**COMPARED, "perturbed": 5, "chain": 5}).on(task), net)


def _enas(patch: pytest.MonkeyPatch, task: Task) -> Made:
    net, controller = FakeNet(), FakeController(task.space)
    loop: dict[str, Any] = {"child_steps": 12, "controller_steps": 2, "samples": 4, "cycles": 2}
    settings = EnasSettings.of(ENAS(**BATCHES, **loop, candidates=4, candidate_batches=2))
    return Made(EnasSearch(task, net, controller, settings), net)  # type: ignore[arg-type]


def _nao_ws(patch: pytest.MonkeyPatch, task: Task) -> Made:
    """One round, so that nothing is learnt from the pool."""
    net = FakeNet()
    loop: dict[str, Any] = {"child_steps": 12, "rounds": 1, "pool": 6, "new": 2, "random": 1, "finalists": 2}
    method = NAO_WS(**BATCHES, **loop, cycles=1, final_batches=1, epd_units=16, epd_layers=(8,))
    return Made(PoolSearch(task, net, PoolSettings.of(method), ModelSettings.of(method)), net)


def _fabrics(patch: pytest.MonkeyPatch, task: Task) -> Made:
    assert isinstance(task.space, FabricSpace)
    net = FakeFabric(task.space)
    settings = FabricSettings.of(FABRICS(**BATCHES, rounds=4))
    return Made(WholeFabric(task, net, settings, keep=0.5), net)  # type: ignore[arg-type]


def _bsn(patch: pytest.MonkeyPatch, task: Task) -> Made:
    assert isinstance(task.space, FabricSpace)
    net = FakeFabric(task.space)
    costs = np.full(net.edges, 1 / net.edges)
    settings = FabricSettings.of(BSN(**BATCHES, rounds=4))
    gates: dict[str, Any] = {"costs": costs, "budget": 0.2, "price": 10.0, "logit": 3.0, "gate_rate": 0.1}
    return Made(DrawnFabric(task, net, settings, **gates), net)  # type: ignore[arg-type]


_CELL, _ENAS_CELL, _FABRIC = get_space("nasbench201"), get_space("enas_cell-2"), FabricSpace("fabric-2", 2, 2)

SEARCHES: dict[str, tuple[Space, Callable[[pytest.MonkeyPatch, Task], Made]]] = {
    "rs_ws": (_CELL, _paths(RS_WS(**COMPARED).on)),
    "one_shot": (_CELL, _paths(ONE_SHOT(**COMPARED).on)),
    "setn": (_CELL, _paths(SETN(**COMPARED).on)),
    "gdas": (_CELL, _paths(lambda task: GdasSearch(task, GDAS(**BATCHES, save_every=10)))),
    "smash": (get_space("smash-1"), _smash),
    "enas": (_ENAS_CELL, _enas),
    "nao_ws": (_ENAS_CELL, _nao_ws),
    "fabrics": (_FABRIC, _fabrics),
    "bsn": (_FABRIC, _bsn),
}
"""Every search: its space, and what makes it."""


def begun(patch: pytest.MonkeyPatch, name: str, journal: MemoryJournal | None = None) -> Made:
    """A search before its first step, on images that tell their split."""
    space, make = SEARCHES[name]
    data = parted_data()
    evaluator, recipe = FakeEvaluator(labels=data.y_valid), Recipe(size=Size(4, 3), steps=1, augment=False)
    return make(patch, make_task(space, "120steps", data=data, recipe=recipe, evaluator=evaluator, journal=journal))
