"""Numbers of the report as numbers and as text, and what a metric's share is."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pytest
from report_records import make, tabular

from harness.core.errors import InputError
from harness.report.model.groups import blocks
from harness.report.model.metrics import METRICS, is_percent, measure_of, measured_by, shown
from harness.report.model.numbers import deviation, listed, mean, mean_text, numbers, plural, signed
from harness.report.model.results import (
    MethodResult,
    axis_of,
    measures,
    mixed_devices,
    own_values,
    relative_improvement,
    result_of,
    title_of_measure,
)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_mean_and_deviation_are_those_of_a_sample_in_any_order(count: int) -> None:
    values = np.random.default_rng(count).normal(90, 3, count).tolist()
    assert mean(values) == mean(values[::-1]) == pytest.approx(statistics.fmean(values))
    assert deviation(values) == deviation(values[::-1]) == pytest.approx(statistics.stdev(values))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([90.0], "90.00 (1)"),
        ([90.0, 92.0], "91.00 (2)"),
        ([90.0, 92.0, 94.0], "92.00 ± 2.00 (3)"),
        ([90.0, 90.0, 94.0, 94.0], "92.00 ± 2.31 (4)"),
    ],
)
def test_a_mean_has_its_number_always_and_its_deviation_from_three_on(values: list[float], text: str) -> None:
    assert mean_text(values) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "+1.00"), (-1.0, "-1.00"), (0.004, "0.00"), (-0.004, "0.00"), (0.0, "0.00"), (-2.5, "-2.50")],
)
def test_nothing_has_no_sign(value: float, text: str) -> None:
    assert signed(value) == text


def test_words_of_counts_and_lists() -> None:
    assert [plural(count, "seed") for count in (0, 1, 2, 1000)] == ["0 seeds", "1 seed", "2 seeds", "1,000 seeds"]
    assert [listed(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


@pytest.mark.parametrize("seed", range(20))
def test_seeds_as_text_are_those_seeds_with_a_dash_for_three_and_more(seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 12, 8).tolist()
    read: list[int] = []
    for part in numbers(values).split(", "):
        first, _, last = part.partition("-")
        read += range(int(first), int(last or first) + 1)
        assert not last or int(last) >= int(first) + 2
    assert read == sorted(set(values))
    assert numbers([*range(5), 7, 9, 10]) == "0-4, 7, 9, 10"
    assert numbers([]) == ""


# Metrics


@pytest.mark.parametrize(
    ("metric", "value", "share", "own"),
    [
        ("balanced_accuracy", 0.3, 0.3, 30.0),
        ("macro_f1", 0.3, 0.3, 30.0),
        ("nll", 0.0, 1.0, 0.0),
        ("nll", math.log(4), 0.0, math.log(4)),
        ("nll", 2 * math.log(4), -1.0, 2 * math.log(4)),
        ("calibration_error", 0.0, 1.0, 0.0),
        ("calibration_error", 1.0, 0.0, 100.0),
        ("calibration_error", 0.2, 0.8, 20.0),
    ],
)
def test_a_metric_is_a_share_of_the_way_from_a_guess_to_perfection(
    metric: str, value: float, share: float, own: float
) -> None:
    run = make("darts", 0.9, metrics={metric: value}, classes={"names": ["a", "b", "c", "d"]})
    [measured] = measured_by([run], metric)
    assert measured.record.test_accuracy == pytest.approx(share)
    assert own_values([measured]) == pytest.approx([own])
    assert is_percent(measure_of(measured.record)) == (metric in ("balanced_accuracy", "macro_f1"))


def test_a_guess_is_among_two_classes_where_none_are_known() -> None:
    found = [METRICS["nll"](classes).worst for classes in (0, 1, 2, 3)]  # type: ignore[misc]
    assert found == pytest.approx([math.log(many) for many in (2, 2, 2, 3)])


def test_runs_without_a_result_stay_as_they_are_and_do_not_lack_a_metric() -> None:
    lost = [
        make("darts", None),
        make("darts", None, 1, status="unsupported"),
        make("darts", None, 2, metrics={"nll": 1}),
    ]
    assert measured_by(lost, "nll") == lost
    with pytest.raises(InputError, match=r"1 of 4 runs have no nll, among them \S+/3:"):
        measured_by([*lost, make("darts", 0.9, 3)], "nll")


@pytest.mark.parametrize("points", [0.0, 25.0, 60.0, 100.0])
def test_points_read_in_the_unit_of_their_measure(points: float) -> None:
    losses = METRICS["nll"](3)  # type: ignore[misc]
    assert shown(losses, points) == pytest.approx(math.log(3) * (1 - points / 100))
    percent = METRICS["macro_f1"](3)  # type: ignore[misc]
    assert shown(percent, points) == points


# Results

OWN = {"name": "perplexity", "unit": "", "worst": 210.0, "best": 10.0}


def lossy(share: float, method: str = "darts", seed: int = 0, **measure: Any) -> Any:
    """A run on a table whose score is in a unit of its own."""
    own = OWN | measure
    final = {"table": "mine", "score": own["name"], "measure": own}
    return tabular(method, share, seed, dataset="mine", recipes={"final": final})


def result(*runs: Any, method: str = "darts") -> MethodResult:
    [block] = blocks(runs)
    return result_of(block, block.datasets[0], next(one for one in block.methods if one.name == method))


def test_the_spread_is_scaled_with_the_unit() -> None:
    found = result(*(lossy(share, seed=seed) for seed, share in enumerate((0.5, 0.6, 0.7))))
    assert found.own_mean == pytest.approx(90.0)
    assert found.own_deviation == pytest.approx(20.0), "a tenth of the way from 210 to 10"
    assert result(lossy(0.5)).own_deviation is None
    rising = result(*(lossy(share, seed=n, worst=10.0, best=210.0) for n, share in enumerate((0.5, 0.6, 0.7))))
    assert (rising.own_mean, rising.own_deviation) == (pytest.approx(130.0), pytest.approx(20.0))


@pytest.mark.parametrize(("own", "random", "expected"), [(0.9, 0.8, 40.0), (0.7, 0.8, -40.0), (0.8, 0.8, 0.0)])
def test_a_lower_loss_is_an_improvement(own: float, random: float, expected: float) -> None:
    """Perplexities 30 and 50, 70 and 50."""
    runs = lossy(own), lossy(random, "random_sampling")
    assert result(*runs).improvement == pytest.approx(expected)
    assert result(*runs, method="random_sampling").improvement is None


def test_a_higher_number_is_one_where_more_is_better() -> None:
    runs = lossy(0.8, worst=0.0, best=50.0), lossy(0.5, "random_sampling", worst=0.0, best=50.0)
    assert result(*runs).improvement == pytest.approx(60.0)
    assert relative_improvement(30.0, 20.0) == pytest.approx(50.0)
    nothing = lossy(0.8, worst=10.0, best=0.0), lossy(1.0, "random_sampling", worst=10.0, best=0.0)
    assert result(*nothing).improvement is None, "there is no share of nothing"


def test_what_the_numbers_are_is_said_where_they_are_no_test_accuracy() -> None:
    for better, runs in (("less", [lossy(0.8)]), ("more", [lossy(0.8, worst=0.0, best=9.0)])):
        [block] = blocks(runs)
        [said] = measures(block, "mine")
        assert said.startswith(f"On mine, the numbers are perplexity; {better} is better.")
        assert axis_of(block, "mine") == "perplexity"
        assert title_of_measure(block) == "Perplexity"
    [plain] = blocks([make("darts", 0.9)])
    assert measures(plain, "fashion_mnist") == []
    assert (axis_of(plain, "fashion_mnist"), title_of_measure(plain)) == ("test accuracy (%)", "Test accuracy")
    other = {"recipes": {"final": {"table": "t", "score": "validation accuracy"}}}
    [table] = blocks([tabular("darts", 0.9, dataset="t", **other)])
    assert measures(table, "t") == ["On t, accuracy is validation accuracy: its table has no other."]
    [chosen] = blocks(measured_by([make("darts", 0.9, metrics={"macro_f1": 0.5})], "macro_f1"))
    assert measures(chosen, "fashion_mnist") == ["On fashion_mnist, accuracy is macro F1, from the stored predictions."]


def test_costs_are_means_over_the_runs_with_a_result_or_over_all_where_none_has_one() -> None:
    runs = [make("darts", 0.9, s, search={"seconds": 10.0 * s}) for s in (1, 2)]
    lost = [make("darts", None, s, search={"seconds": 100.0}) for s in (3, 4)]
    assert result(*runs, *lost).cost("search_seconds") == pytest.approx(15.0)
    assert result(*lost).cost("search_seconds") == pytest.approx(100.0)
    half = [*runs, make("darts", 0.9, 5, search={})]
    assert result(*half).cost("search_seconds") == pytest.approx(15.0), "what was not recorded does not count as 0"
    assert result(*lost).cost("steps") is None


def test_seeds_without_a_result_are_told_by_status_and_reason() -> None:
    runs = [make("darts", 0.9), make("darts", None, 1), make("darts", None, 2), make("darts", math.nan, 3)]
    runs += [make("darts", None, 4, status="unsupported", reason=""), make("darts", None, 5, reason="")]
    assert result(*runs).reasons() == {
        ("failed", "it ran out of memory"): [1, 2],
        ("failed", "the record says 'ok' but holds no test accuracy"): [3],
        ("unsupported", "no reason given"): [4],
        ("failed", "no reason given"): [5],
    }
    assert [result(*runs).count(status) for status in ("failed", "unsupported", "ok")] == [4, 1, 2]
    assert [MethodResult.seeds_text(seeds) for seeds in ([3], [3, 4], [1, 2, 3])] == [
        "seed 3",
        "seeds 3, 4",
        "seeds 1-3",
    ]


@pytest.mark.parametrize(("spent", "marked"), [(1.0, False), (1.05, False), (1.06, True), (None, False)])
def test_a_search_is_marked_that_spent_a_twentieth_more_than_it_had(spent: float | None, marked: bool) -> None:
    for name in ("share", "overrun"):
        assert bool(result(make("darts", 0.9, search={name: spent})).overrun) == marked


def test_several_devices_are_told_with_their_runs() -> None:
    runs = [make("darts", 0.9, seed, provenance={"device": "CPU" if seed else "a card"}) for seed in range(3)]
    [block] = blocks(runs)
    [told] = mixed_devices(block)
    assert "Several devices: CPU (2 runs), a card (1 run)." in told
    assert mixed_devices(blocks(runs[1:])[0]) == []
