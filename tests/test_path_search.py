"""The loop of searches that train shared weights: how many steps it expects to take."""

from __future__ import annotations

import math
from typing import Any

import pytest
from fakes import make_task
from harness.methods.common.path_search import LoopSettings, WeightsSearch

from harness.core.task import Task
from harness.spaces import get_space

SETTINGS = LoopSettings(batch=8, valid_batch=8, learning_rate=0.1, final_learning_rate=0.01, save_every=1000)
TRACING = 50.0


class Counting(WeightsSearch):
    """A step of two gradients and 30 multiply-accumulates at most, 15 in truth; the first one takes 50 s, others 1."""

    def __init__(self, task: Task, clock: list[float]) -> None:
        shared: Any = None  # nothing is trained
        super().__init__(task, SETTINGS, shared)
        self.clock, self.expected = clock, list[float]()

    def price(self) -> tuple[int, int]:
        """See the class."""
        return 2, 30

    def step(self, rate: float, done: float) -> None:
        """Notes what is expected."""
        self.expected.append(self.planned_steps())
        self.task.step(2, macs=15)
        self.clock[0] += 1.0 if self.steps else TRACING

    def finish(self) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ("100steps", [50, 50, 50, 50]),
        ("1500macs", [50, 100, 100, 100]),
        ("150s", [math.inf, math.inf, 101, 101]),
    ],
)
def test_the_length_of_a_training_is_known_before_its_first_step(budget: str, expected: list[float]) -> None:
    """A rate that follows from the length would else begin with that of a search of one step, or of the tracing."""
    clock = [0.0]
    search = Counting(make_task(get_space("cell-2"), budget, clock=lambda: clock[0]), clock)
    search.train()
    assert search.expected[:4] == pytest.approx(expected)
    # A step is not begun where its price, which is the most that it can cost, is more than what is left.
    assert search.steps in (expected[-1], expected[-1] - 1)
