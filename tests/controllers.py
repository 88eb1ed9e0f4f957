"""Small controllers of every kind and a macro space of eight architectures, for tests."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import keras
import numpy as np
from harness.methods.common.edge_controller import EdgeController
from harness.methods.common.enas_macro_controller import EnasMacroController
from harness.methods.common.enas_micro_controller import EnasMicroController
from harness.methods.common.layered_controller import LayeredController
from harness.methods.common.policy import Controller

from harness.core.space import Space
from harness.spaces import get_space
from harness.spaces.enas_macro import MacroSpace
from harness.spaces.enas_micro import EnasCellSpace
from harness.spaces.nas_rl import ConvChainSpace


class TinyMacro(MacroSpace):
    """Two layers, two operations, one skip bit: eight architectures."""

    def __init__(self) -> None:
        super().__init__("tiny", 2)
        pair = ("conv_3x3", "max_pool_3x3")
        self.choices = tuple(
            dataclasses.replace(choice, options=pair if choice.kind == "op" else choice.options)
            for choice in self.choices
        )


def plain(
    space: ConvChainSpace | MacroSpace, seed: int = 0, bound: float = 0.08, rate: float = 6e-4
) -> LayeredController:
    """NAS-RL's controller, small where the size does not matter."""
    adam = keras.optimizers.Adam(rate)
    return LayeredController(space, np.random.default_rng(seed), units=12, layers=2, bound=bound, optimizer=adam)


def macro(space: MacroSpace, seed: int = 0, bound: float = 0.1, rate: float = 1e-3, weight: float = 0.8) -> Controller:
    rng = np.random.default_rng(seed)
    return EnasMacroController(space, rng, units=12, bound=bound, learning_rate=rate, skip_weight=weight)


def micro(space: EnasCellSpace, seed: int = 0, bound: float = 0.1) -> EnasMicroController:
    return EnasMicroController(space, np.random.default_rng(seed), units=12, bound=bound)


def edges(space: Space, seed: int = 0, bound: float = 0.1) -> EdgeController:
    return EdgeController(space, np.random.default_rng(seed), units=12, bound=bound, temperature=1.0)


CASES: dict[str, tuple[Space, Callable[[], Controller]]] = {
    "chain": (
        ConvChainSpace(layers=3, strides=True),
        lambda: plain(ConvChainSpace(layers=3, strides=True), bound=0.5),
    ),
    "macro": (get_space("macro-5"), lambda: macro(MacroSpace("macro-5", 5), bound=0.5)),
    "edges": (get_space("nasbench201"), lambda: edges(get_space("nasbench201"), bound=0.5)),
    "micro": (EnasCellSpace(nodes=3), lambda: micro(EnasCellSpace(nodes=3), bound=0.5)),
}


def uniforms(n: int, controller: Controller, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, controller.decisions), np.float32)


def all_picks(space: Space) -> np.ndarray:
    return np.array(list(itertools.product(*(range(len(choice)) for choice in space.choices))), np.int32)
