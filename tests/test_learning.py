"""Learning curves: what a training says of itself by epoch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from fakes import tiny_data
from report_records import make
from test_sgd import network

from harness.core.budget import BudgetSpent
from harness.core.recipe import Recipe
from harness.core.space import Size
from harness.nets import training
from harness.nets.learning import LearningCurve
from harness.nets.training import train
from harness.report.drawing.learning import learning_svg
from harness.report.forms.html import report_html
from harness.report.stats.page import statistics
from harness.report.stats.verdict import verdicts

RECIPE = Recipe(size=Size(4, 1), steps=7, batch=16, learning_rate=0.1)
DATA = tiny_data(images=32, side=6)
DATA = dataclasses.replace(DATA, x_valid=DATA.x_valid[:0], y_valid=DATA.y_valid[:0])


def test_means_are_those_of_the_epoch_and_the_last_one_may_be_short() -> None:
    curve = LearningCurve(images=32, batch=16)
    for done, loss in enumerate((4.0, 2.0, 1.0, 0.0, 0.5), start=1):
        curve.step(done, loss, loss / 4, last=done == 5)
    assert curve.values() == {
        "epoch": [1.0, 2.0, 2.5],
        "loss": [3.0, 0.5, 0.5],
        "accuracy": [0.75, 0.125, 0.125],
    }


def test_a_training_says_how_it_got_on() -> None:
    result = train(network(), DATA, dataclasses.replace(RECIPE, steps=40), seed=0)
    told = result.learning
    assert len(told["epoch"]) == 20
    assert told["loss"][-1] < told["loss"][0]
    assert told["accuracy"][-1] > told["accuracy"][0]
    assert all(0 <= value <= 1 for value in told["accuracy"])


def test_an_interrupted_training_tells_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    whole = train(network(), DATA, RECIPE, seed=0)

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise BudgetSpent

    with pytest.raises(BudgetSpent):
        train(network(), DATA, RECIPE, seed=0, on_step=stop, checkpoint=tmp_path / "x")
    again = train(network(), DATA, RECIPE, seed=0, checkpoint=tmp_path / "x")
    assert again.learning == whole.learning
    assert again.learning["epoch"] == [1.0, 2.0, 3.0, 3.5]


@pytest.mark.parametrize("stop", range(1, 6))
def test_a_curve_goes_on_from_its_state_wherever_that_was_taken(stop: int) -> None:
    whole, begun, resumed = (LearningCurve(images=48, batch=16) for _ in range(3))
    for done in range(1, 6):
        whole.step(done, done, done / 8, last=done == 5)
        (begun if done <= stop else resumed).step(done, done, done / 8, last=done == 5)
        if done == stop:
            resumed.restore(begun.state())
    assert resumed.values() == whole.values()


def test_the_page_draws_it_and_says_what_it_is(tmp_path: Path) -> None:
    learning = {"epoch": [1.0, 2.0], "loss": [2.0, 0.5], "accuracy": [0.25, 0.75]}
    svg = learning_svg(learning)
    assert svg.count("<polyline") == 2
    assert "75.0 %" in svg
    runs = [make("darts", 0.5, learning=learning), make("random_search", 0.5)]
    page = report_html(runs, tmp_path, lambda _: None, verdicts(runs), statistics(runs), [])
    assert page.count(svg) == 1
    assert "there is no validation accuracy" in page


@pytest.mark.parametrize("learning", [{}, {"epoch": [1.0], "loss": [1.0], "accuracy": [1.0]}, {"epoch": [1, 2]}])
def test_too_little_to_draw_is_drawn_not_at_all(learning: dict[str, list[float]]) -> None:
    assert learning_svg(learning) == ""
