"""Log-probabilities of the traced controllers against the papers' recursions, one architecture at a time."""

from __future__ import annotations

import numpy as np
import pytest
from controllers import macro, micro, plain, uniforms
from harness.methods.common.policy import Controller

from harness.spaces.enas_macro import MacroSpace
from harness.spaces.enas_micro import EnasCellSpace
from harness.spaces.nas_rl import ConvChainSpace

Vector = np.ndarray


class Recursion:
    """The LSTM and the running sum of log-probabilities, in double precision."""

    def __init__(self, controller: Controller, units: int, layers: int) -> None:
        self.w = {name: value.numpy().astype(np.float64) for name, value in controller.weights.variables.items()}
        self.state = [(np.zeros(units), np.zeros(units)) for _ in range(layers)]
        self.log_prob = 0.0
        self.start = self.w["start"][0]

    def step(self, x: Vector) -> Vector:
        for layer, (c, h) in enumerate(self.state):
            i, f, o, g = np.split(np.concatenate([x, h]) @ self.w[f"lstm.{layer}"], 4)
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            x = np.tanh(c) / (1 + np.exp(-o))
            self.state[layer] = (c, x)
        return x

    def score(self, anchor: Vector, h: Vector) -> float:
        hidden = np.tanh(anchor @ self.w["attention.previous"] + h @ self.w["attention.current"])
        return float(hidden @ self.w["attention.v"])

    def choose(self, logits: Vector, pick: int) -> None:
        self.log_prob += logits[pick] - np.log(np.exp(logits).sum())


def layered(
    run: Recursion, space: ConvChainSpace | MacroSpace, picks: list[int], kinds: list[str], bound: float
) -> float:
    """NAS-RL (``bound`` 0) and ENAS macro."""
    todo, x = iter(picks), run.start
    anchors: list[Vector] = []
    for _ in range(space.layers):
        for kind in kinds:
            logits = run.step(x) @ run.w[f"head.{kind}"]
            pick = next(todo)
            run.choose(bound * np.tanh(logits) if bound else logits, pick)
            x = run.w[f"embedding.{kind}"][pick]
        h = run.step(x)
        bits = [next(todo) for _ in anchors]
        for anchor, bit in zip(anchors, bits, strict=True):
            q = run.score(anchor, h)
            two = bound * np.tanh(np.array([-q, q])) if bound else np.array([0.0, q])
            run.choose(two, bit)
        chosen = [anchor for anchor, bit in zip(anchors, bits, strict=True) if bit]
        x = np.sum([*chosen, np.zeros_like(h)], axis=0) / (1 + len(chosen)) if anchors else run.start
        anchors.append(h)
    return run.log_prob


def cells(run: Recursion, space: EnasCellSpace, picks: list[int]) -> float:
    """ENAS micro."""
    fixed = np.array([0.25, 0.25, -0.25, -0.25, -0.25])
    todo = iter(picks)
    for cell in range(2):
        keys = [run.step(run.start) for _ in range(2)]
        values = [np.zeros_like(key) for key in keys]
        for _ in range(space.nodes):
            in0, op0, in1, op1 = (next(todo) for _ in range(4))
            x = run.start
            for pick in (in0, in1):
                h = run.step(x)
                run.choose(1.1 * np.tanh([run.score(key, h) for key in keys]), pick)
                x = values[pick]
            for pick in (op0, op1):
                logits = 0.44 * np.tanh(run.step(x) @ run.w["head.op"] + run.w["bias.op"])
                run.choose(logits + fixed * (cell == 0), pick)
                x = run.w["embedding.op"][pick]
            keys.append(run.step(x))
            values.append(keys[-1])
    return run.log_prob


@pytest.mark.parametrize("strides", [False, True])
def test_nas_rl(strides: bool) -> None:
    space = ConvChainSpace(layers=4, strides=strides)
    kinds = ["height", "width", "filters"] + (["stride_height", "stride_width"] if strides else [])
    controller = plain(space, bound=0.8)
    walk = controller.sample(uniforms(8, controller))
    expected = [layered(Recursion(controller, 12, 2), space, row, kinds, 0.0) for row in walk.picks.tolist()]
    assert np.allclose(walk.log_prob, expected, atol=1e-4)
    assert np.ptp(walk.log_prob) > 0.1


def test_enas_macro() -> None:
    space = MacroSpace(layers=5)
    controller = macro(space, bound=0.8)
    walk = controller.sample(uniforms(8, controller))
    expected = [layered(Recursion(controller, 12, 1), space, row, ["op"], 1.5) for row in walk.picks.tolist()]
    assert np.allclose(walk.log_prob, expected, atol=1e-4)
    assert np.ptp(walk.log_prob) > 0.1


def test_enas_micro() -> None:
    space = EnasCellSpace(nodes=3)
    controller = micro(space, bound=0.8)
    walk = controller.sample(uniforms(8, controller))
    expected = [cells(Recursion(controller, 12, 1), space, row) for row in walk.picks.tolist()]
    assert np.allclose(walk.log_prob, expected, atol=1e-4)
    assert np.ptp(walk.log_prob) > 0.1
