"""The verdict in words: its statistics by simulation, and what it may not say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_records import make, tabular

from harness.core.record import Run
from harness.core.zero_line import RANDOM_SAMPLING, RANDOM_SEARCH
from harness.report.forms.html import report_html
from harness.report.forms.markdown import markdown
from harness.report.model.groups import Block, MethodInSpace, blocks
from harness.report.model.performance import performance
from harness.report.stats import inference as stats
from harness.report.stats.leader import FEWEST
from harness.report.stats.page import statistics
from harness.report.stats.pairs import searches, with_random_search
from harness.report.stats.power import MOST, _critical, pairs_for_power, power, smallest_sample
from harness.report.stats.standing import Standing, standings
from harness.report.stats.verdict import verdict, verdicts

RNG = np.random.default_rng


def differences(block: Block, method: MethodInSpace, datasets: Sequence[str]) -> dict[int, float]:
    return with_random_search(block, method, datasets).differences


def told(runs: list[Run]) -> str:
    return markdown(verdict(runs))


def stand(runs: list[Run], method: str) -> Standing:
    [block] = blocks(runs)
    [found] = [one for one in standings(block) if one.method.name == method]
    return found


def series(method: str, accuracies, **changes) -> list[Run]:
    """A run per accuracy; None is a failed one."""
    return [make(method, None if a is None else float(a), seed, **changes) for seed, a in enumerate(accuracies)]


def test_methods_stand_in_the_order_of_their_differences_whatever_their_seeds():
    """A small lead of many seeds has the smaller p, and would look like the better method."""
    rng = RNG(0)
    luck, cell = rng.normal(0.8, 0.001, 40), {"space": "cell", "native": "cell"}
    runs = series(RANDOM_SEARCH, luck) + series("darts", luck + 0.004 + rng.normal(0, 0.001, 40))
    runs += series("local_search", (luck + 0.01 + rng.normal(0, 0.001, 40))[:10])
    runs += series("nas_rl", luck - 0.02, **cell) + series("enas_macro", luck - 0.01, **cell)
    assert stand(runs, "local_search").corrected > stand(runs, "darts").corrected
    bullets = [line.split(":")[0].removesuffix(" in cell") for line in told(runs).splitlines() if line.startswith("- ")]
    assert bullets == ["- local_search", "- DARTS", "- ENAS (macro)", "- NAS-RL"]


def test_a_table_says_that_its_trainings_are_the_same_for_all_seeds():
    runs = [tabular(RANDOM_SEARCH, 0.9 + 0.001 * seed, seed) for seed in range(8)]
    plain = told([*runs, *(tabular("darts", 0.91, seed) for seed in range(8))])
    assert "the trainings behind a table are the same for all of them" in plain
    assert "differ beyond chance" not in plain, "nobody knows how noisy they are"
    noisy = [tabular("darts", 0.91, seed, final={"optimum": 0.95, "noise": 0.003}) for seed in range(8)]
    assert "differ beyond chance if their scores are at least 0.83 points (nasbench201/cifar10) apart" in told(
        [*runs, *noisy]
    )
    assert "behind a table" not in told(series(RANDOM_SEARCH, [0.5] * 8) + series("darts", [0.6] * 8))


def league(rng, seeds: int, effects: dict[str, float], shared: float, datasets=("fashion_mnist", "cifar10")):
    """Runs in points around 80 %. ``shared`` of a run's luck belongs to its seed and is the same on all data sets."""
    runs = []
    for method in (RANDOM_SEARCH, *effects):
        luck = rng.normal(0, math.sqrt(shared), seeds)
        for dataset in datasets:
            own = rng.normal(0, math.sqrt(1 - shared), seeds)
            points = 80 + effects.get(method, 0.0) + luck + own
            runs += series(method, points / 100, dataset=dataset)
    return runs


# By simulation


@pytest.fixture
def _no_planning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the numbers of seeds, which take most of the time and change no outcome."""
    monkeypatch.setattr("harness.report.stats.standing.pairs_for_power", lambda *_: None)


@pytest.mark.usefixtures("_no_planning")
@pytest.mark.parametrize("shared", [0.0, pytest.param(0.8, marks=pytest.mark.slow)])
def test_tables_without_a_difference_rarely_claim_one(shared: float):
    """Also where a seed is lucky on all data sets: data sets are no independent pairs."""
    rng, tables = RNG(int(10 * shared)), 300
    claims = pooled = 0
    for _ in range(tables):
        runs = league(rng, 8, {"a": 0.0, "b": 0.0, "c": 0.0}, shared)
        [block] = blocks(runs)
        claims += any(one.outcome in ("better", "worse") for one in standings(block))
        every = [
            [d for dataset in block.datasets for d in differences(block, m, (dataset,)).values()]
            for m in block.methods[1:]
        ]
        pooled += min(stats.holm([stats.compare_differences(values).p for values in every if values])) <= stats.LEVEL
    margin = 3 * math.sqrt(stats.LEVEL * (1 - stats.LEVEL) / tables)
    assert claims / tables <= stats.LEVEL + margin
    if shared:
        assert pooled / tables > stats.LEVEL + margin, "pairs over data sets would have been wrong here"


@pytest.mark.parametrize("effect", [0.35, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("level", [0.05, 0.05 / 7])
def test_the_sample_told_has_the_power_promised_by_another_implementation(effect: float, level: float):
    from scipy.stats import wilcoxon

    needed = smallest_sample(effect, level)
    assert needed is not None

    def found(pairs: int) -> float:
        drawn = RNG(99).normal(effect, 1.0, (1500, pairs))
        method = "exact" if pairs <= 50 else "asymptotic"
        return float(np.mean(wilcoxon(drawn, axis=1, method=method, correction=True).pvalue <= level))

    assert found(needed) >= 0.76
    fewest = 1 + math.ceil(math.log2(1 / level))
    assert needed == fewest or found(needed - max(1, needed // 10)) <= 0.83


@pytest.mark.parametrize("seed", range(3))
def test_from_ten_pairs_on_the_sample_told_suits_the_differences_seen(seed: int):
    """A few very bad pairs spread the mean, but not the ranks: a normal distribution would ask for too many."""
    from scipy.stats import wilcoxon

    values = np.concatenate([RNG(seed).normal(0.4, 0.5, 27), RNG(seed).normal(-3.0, 0.5, 3)])
    told = pairs_for_power(values.tolist(), 0.05)
    normal = smallest_sample(abs(values.mean()) / values.std(ddof=1), 0.05)
    assert told is not None
    assert normal is None or told < normal
    drawn = RNG(77).choice(values, (1500, told)) + RNG(78).normal(0, 1e-6, (1500, told))
    method = "exact" if told <= 50 else "asymptotic"
    assert 0.75 <= np.mean(wilcoxon(drawn, axis=1, method=method, correction=True).pvalue <= 0.05) <= 0.9


@pytest.mark.parametrize("level", [0.05, 0.025])
@pytest.mark.parametrize(
    "values",
    [
        [0.1] * 13 + [-0.1] * 6,
        [0.1] * 9 + [0.2] * 9 + [-0.1] * 7,
        [0.05, 0.1, 0.1, 0.2, 0.3, -0.1, -0.1, -0.2, 0.1, 0.4],
    ],
    ids=["one size", "two sizes", "few"],
)
def test_where_many_differences_are_equal_the_sample_told_has_the_power_in_the_test_itself(
    values: list[float], level: float
):
    """Accuracies of a table are counts of images: some distances come again and again."""
    told = pairs_for_power(values, level)
    assert told is not None

    def found(pairs: int) -> float:
        drawn = RNG(7).choice(values, (400, pairs))
        return float(np.mean([stats.compare_differences(row).p <= level for row in drawn]))

    assert found(told) >= 0.72
    assert found(told - max(1, told // 5)) <= 0.84


def test_the_sample_told_takes_the_same_differences_for_equal_as_the_test_does():
    """Percentages are subtracted, and leave last digits of their own."""
    exact = [0.1] * 13 + [-0.1] * 6 + [0.0] * 4
    subtracted = [100 * (0.8 + n / 100 + d / 100) - 100 * (0.8 + n / 100) for n, d in enumerate(exact)]
    assert len(set(subtracted)) > 3
    assert pairs_for_power(subtracted, 0.05) == pairs_for_power(exact, 0.05)


@pytest.mark.parametrize("pairs", [8, 20, 50, 51, 80])
def test_the_power_without_a_difference_is_the_level(pairs: int):
    assert power(pairs, 0.0, 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.parametrize(
    ("pairs", "smaller"), [(5, None), (6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (12, 13), (15, 25), (20, 52), (50, 434)]
)
def test_the_critical_sums_are_those_of_the_printed_tables(pairs: int, smaller: int | None):
    """Wilcoxon's two-sided table at 5 %: the largest smaller sum of ranks; with 5 pairs there is none."""
    expected = math.inf if smaller is None else pairs * (pairs + 1) / 2 - 2 * smaller
    assert _critical(pairs, 0.05) == expected


@pytest.mark.parametrize("pairs", [51, 80, 200])
def test_the_critical_sums_of_many_pairs_are_those_of_the_exact_distribution(
    monkeypatch: pytest.MonkeyPatch, pairs: int
):
    """Sums of signed ranks go by twos. Further out than 5 % the normal distribution, as the test has it, is wider."""
    told = _critical.__wrapped__(pairs, 0.05)
    monkeypatch.setattr("harness.report.stats.power.EXACT", pairs)
    assert told == pytest.approx(_critical.__wrapped__(pairs, 0.05), abs=2)


def test_the_seeds_told_would_tell_about_four_times_in_five():
    """The whole way: a pilot of eight seeds names a number, and new tables with so many seeds find the method."""
    pilot = np.array([1.0, -1.0] * 4)
    pilot = 0.5 + pilot / np.std(pilot, ddof=1)  # points: mean 0.5, spread 1
    runs = series(RANDOM_SEARCH, [0.8] * 8) + series("darts", 0.8 + pilot / 100) + series("other", [0.8, 0.801] * 4)
    first = stand(runs, "darts")
    assert (first.outcome, len(first.differences)) == ("undecided", 8)
    assert first.seeds_needed is not None
    assert f"about {first.seeds_needed - 8} more seeds would tell" in told(runs)
    rng, tables, found = RNG(5), 120, 0
    for _ in range(tables):
        values = {"darts": rng.normal(0.5, 1.0, first.seeds_needed), "other": rng.normal(0, 1.0, first.seeds_needed)}
        p = [stats.compare_differences(values[name]).p for name in values]
        found += stats.holm(p)[0] <= stats.LEVEL
    assert 0.7 <= found / tables <= 0.93


def test_how_many_pairs_follows_effect_level_and_equal_pairs():
    values = RNG(0).normal(0.5, 1, 12).tolist()
    base = pairs_for_power(values, 0.05)
    assert base is not None
    assert pairs_for_power([-v for v in values], 0.05) == base
    assert pairs_for_power([10 * v for v in values], 0.05) == base
    assert pairs_for_power(values, 0.001) > base
    assert pairs_for_power([v + 2 for v in values], 0.05) < base
    assert pairs_for_power([*values, *[0.0] * 12], 0.05) in (2 * base - 1, 2 * base)
    assert pairs_for_power([0.001, -0.001, 0.00001], 0.05) is None
    assert pairs_for_power([1.0, 0.0, 0.0], 0.05) is None
    assert pairs_for_power([1.0, 1.0, 1.0], 0.05) == 6 == stats.pairs_needed(1)
    assert smallest_sample(0.02, 0.05) is None
    assert smallest_sample(0.1, 0.05) <= MOST


# What it says


def test_it_stands_first_in_the_tables_and_on_the_page(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "")
    runs = series(RANDOM_SEARCH, np.linspace(0.8, 0.81, 8)) + series("darts", np.linspace(0.83, 0.85, 8))
    sentence = "the one method compared beats random search in its space beyond chance."
    lines = markdown(performance(runs)).splitlines()
    assert lines[0] == "# Test accuracy"
    assert sentence in lines[2]
    text = report_html(runs, Path("/out"), lambda _: None, verdicts(runs), [], [])
    assert sentence in text
    assert text.index(sentence) < text.index("<table")
    assert text.index(sentence) - text.index("</h1>") < 300


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("methods", [1, 3, 14])
def test_one_or_two_seeds_tell_nothing_and_it_says_how_many_could(seeds: int, methods: int):
    runs = series(RANDOM_SEARCH, [0.5] * seeds)
    runs += [run for n in range(methods) for run in series(f"method{n}", [0.9] * seeds)]
    made = told(runs)
    assert "nothing can be told" in made
    assert f"at least {stats.pairs_needed(methods)} seeds" in made
    assert "more seed" not in made
    assert "\n- " not in made


@pytest.mark.parametrize("methods", [1, 3])
def test_a_clean_sweep_is_told_from_the_smallest_number_on(methods: int):
    needed = stats.pairs_needed(methods)
    for seeds in range(FEWEST, needed + 2):
        runs = series(RANDOM_SEARCH, [0.8] * seeds)
        runs += [run for n in range(methods) for run in series(f"m{n}", 0.82 + 0.001 * np.arange(seeds))]
        outcomes = {one.outcome for one in standings(blocks(runs)[0])}
        assert outcomes == ({"better"} if seeds >= needed else {"too few"})
        assert ("No result could have been beyond chance" in told(runs)) == (seeds < needed)


def test_who_is_better_worse_and_neither_with_difference_and_interval():
    noise = RNG(3).normal(0, 0.002, (4, 12))
    runs = (
        series(RANDOM_SEARCH, 0.8 + noise[0])
        + series("darts", 0.82 + noise[1])
        + series("local_search", 0.79 + noise[2])
    )
    runs += series("other", 0.8 + noise[3])
    made = told(runs)
    assert "of 3 methods compared, 1 beat random search in their space (DARTS) and 1 did worse than it" in made
    assert "1 cannot be told apart from it" in made
    [line] = [line for line in made.splitlines() if line.startswith("- DARTS in cell")]
    one = stand(runs, "darts")
    low, high = stats.mean_interval(one.differences)
    assert (
        f"+{one.comparison.difference:.2f} points (95 % interval +{low:.2f} to +{high:.2f}; "
        "higher in 12, equal in 0, lower in 0 of 12 seeds; " in line
    )
    assert low < 2 + 100 * (noise[1] - noise[0]).mean() < high
    assert "worse than random search" in made
    assert "seeds would" in next(line for line in made.splitlines() if line.startswith("- other"))


def test_intervals_of_three_to_nine_seeds_cover_as_often_as_they_say():
    rng = RNG(8)
    inside = 0
    for _ in range(1000):
        low, high = stats.mean_interval(rng.normal(1.0, 2.0, 4).tolist())
        inside += low <= 1.0 <= high
    assert 0.93 <= inside / 1000 <= 0.97
    assert stats.mean_interval([1.0, 2.0]) is None


def test_methods_are_compared_within_their_space_only():
    runs = (
        series(RANDOM_SEARCH, [0.5] * 8)
        + series("enas_macro", [0.9] * 8)
        + series("darts", [0.6 + 0.001 * n for n in range(8)])
    )
    assert stand(runs, "enas_macro").outcome == "not compared"
    assert "not compared (random search was not run in their space): ENAS (macro) in macro-6" in told(runs)
    both = [*runs, *series(RANDOM_SEARCH, [0.95 + 0.001 * n for n in range(8)], space="macro-6")]
    assert stand(both, "enas_macro").outcome == "worse"
    assert stand(both, "darts").outcome == "better"


def test_nothing_to_compare_is_said():
    assert "only random sampling and random search were run" in told(
        series(RANDOM_SEARCH, [0.9]) + series(RANDOM_SAMPLING, [0.9])
    )
    assert "random search was not run in the space of any method" in told(series("darts", [0.9]))
    strangers = series(RANDOM_SEARCH, [0.9] * 4) + [make("darts", 0.9, seed) for seed in range(10, 14)]
    assert "no method has a seed in common" in told(strangers)


# Failed runs


def test_failed_runs_are_the_worst_of_their_pairs():
    runs = series(RANDOM_SEARCH, [0.5] * 8) + series("darts", [None] * 8)
    found = stand(runs, "darts")
    assert (found.outcome, found.comparison.losses, found.comparison.difference) == ("worse", 8, None)
    assert "no two results to subtract" in told(runs)
    mostly = series(RANDOM_SEARCH, [0.5] * 8) + series("darts", [*[0.500001] * 2, *[None] * 6])
    assert stand(mostly, "darts").comparison.effect < -0.8, "a failure weighs more than the largest difference"
    assert stand(mostly, "darts").outcome == "worse", "the mean of the two that ended says nothing of the six"
    both = stand(series(RANDOM_SEARCH, [None] * 8) + series("darts", [None] * 8), "darts")
    assert (both.comparison.ties, both.outcome) == (8, "undecided")
    lucky = series(RANDOM_SEARCH, [None] * 8) + series("darts", [0.1] * 8)
    assert stand(lucky, "darts").outcome == "better"
    assert "8 higher because random search failed" in told(lucky)
    refused = series(RANDOM_SEARCH, [0.5] * 8) + series("darts", [None] * 8, status="unsupported", reason="no")
    assert stand(refused, "darts").outcome == "not compared"


def test_a_failure_on_one_of_several_data_sets_is_a_failure_of_the_seed():
    runs = league(RNG(0), 4, {"darts": 0.0}, 0.0)
    [block] = blocks(runs)
    [method] = [m for m in block.methods if m.name == "darts"]
    before = differences(block, method, block.datasets)
    lost = [
        make("darts", None, r.record.seed, dataset="cifar10")
        if (r.record.method, r.record.seed, r.record.dataset) == ("darts", 2, "cifar10")
        else r
        for r in runs
    ]
    after = differences(blocks(lost)[0], method, block.datasets)
    assert after[2] == -math.inf
    assert {seed: d for seed, d in after.items() if seed != 2} == {seed: d for seed, d in before.items() if seed != 2}


# What the test says and what the mean says


def beside(shifts, base: float = 0.8) -> list[Run]:
    """Random search at one accuracy, and a method that differs from it by so many points; None is a failed run."""
    points = [None if shift is None else base + shift / 100 for shift in shifts]
    return series(RANDOM_SEARCH, [base] * len(shifts)) + series("darts", points)


def line_of(runs: list[Run], title: str) -> str:
    [line] = [line for line in told(runs).splitlines() if line.startswith(f"- {title}")]
    return line


def test_a_method_with_too_few_seeds_is_not_said_to_be_like_random_search():
    """Five seeds beside forty: no outcome could have been beyond chance. All equal in forty is another matter."""
    base, noise = [0.8] * 40, RNG(2).normal(0, 0.002, 40)
    runs = series(RANDOM_SEARCH, base) + series("darts", 0.8 + noise) + series("few", [0.9, 0.91, 0.92, 0.93, 0.94])
    runs += series("equal", base)
    made = told(runs)
    assert [stand(runs, name).outcome for name in ("few", "darts", "equal")] == ["too few", "undecided", "undecided"]
    assert "fashion_mnist; 5 to 40 seeds: of 3 methods compared, 2 cannot be told apart" in made
    assert "in their space; 1 had too few seeds to tell (few)." in made
    assert line_of(runs, "few").startswith("- few in cell: too few seeds to tell, +12.00 points (")
    assert "more seeds would tell" in line_of(runs, "few")
    assert "cannot be told apart" not in line_of(runs, "few")
    assert "equal in 40, lower in 0 of 40 seeds" in line_of(runs, "equal")
    alone = told(series(RANDOM_SEARCH, [0.8] * 5) + series("few", [0.9, 0.91, 0.92, 0.93, 0.94]))
    assert "; 5 seeds: the one method compared has too few seeds to be told apart" in alone
    assert "No result could have been beyond chance" in alone
    assert "No result could have been beyond chance" not in made


def test_better_is_said_where_test_and_mean_agree_and_else_how_they_differ():
    """Eighteen seeds a little better and two much worse: better by the ranks, and worse by the number beside it."""
    runs = beside([0.2] * 18 + [-5.0] * 2)
    found = stand(runs, "darts")
    assert (found.outcome, found.seeds_needed) == ("mixed", None)
    assert found.corrected <= stats.LEVEL
    assert found.comparison.effect > 0 > found.comparison.difference
    words = "higher in most seeds but lower on average than random search, -0.32 points ("
    assert line_of(runs, "DARTS").startswith(f"- DARTS in cell: {words}")
    assert "beats" not in told(runs)
    [row] = [line for line in markdown(statistics(runs)).splitlines() if line.startswith("| fashion_mnist | DARTS")]
    assert row.endswith("| higher in most seeds but lower on average |")
    assert "higher in 18, equal in 0, lower in 2 of 20 seeds; corrected p" in line_of(runs, "DARTS")
    turned = beside([-0.2] * 18 + [5.0] * 2)
    assert "lower in most seeds but higher on average" in line_of(turned, "DARTS")
    assert "equal on average" in line_of(beside([0.5] * 18 + [-4.5] * 2), "DARTS")
    several = [*runs, *series("other", [0.83 + 0.001 * n for n in range(20)])]
    split = "1 went one way against it by the ranks of their differences, beyond chance, and the other way on average"
    assert f"1 beat random search in their space (other) beyond chance; {split} (DARTS)." in told(several)


@pytest.mark.usefixtures("_no_planning")
def test_the_number_beside_better_or_worse_has_its_sign():
    """Whatever the differences are like: skewed, with ties, with failures."""
    rng, seen = RNG(4), set()
    for _ in range(150):
        size = int(rng.integers(6, 40))
        values = rng.normal(0.3, 0.5, size) - (rng.random(size) < 0.15) * rng.exponential(4, size)
        values = np.where(rng.random(size) < 0.1, 0.0, np.round(values, 1))
        failed = rng.random(size) < rng.choice([0.0, 0.2])
        found = stand(beside([None if lost else float(v) for v, lost in zip(values, failed, strict=True)]), "darts")
        one = found.comparison
        seen.add(found.outcome)
        if found.outcome in ("better", "worse") and not failed.any():
            assert (one.difference > 0) == (found.outcome == "better")
        assert (one.wins, one.ties, one.losses) == (
            sum(d > 0 for d in found.differences),
            sum(d == 0 for d in found.differences),
            sum(d < 0 for d in found.differences),
        )
    assert {"better", "worse", "mixed", "undecided"} <= seen


def test_ties_are_told_and_the_three_counts_are_all_seeds():
    line = line_of(beside([0.1, 0.0, 0.0, -0.1, 0.0, 0.2, -0.3, 0.0]), "DARTS")
    assert "higher in 2, equal in 4, lower in 2 of 8 seeds" in line


# Failed runs and the seeds that would tell


def test_failed_runs_count_in_the_number_of_seeds_as_in_the_test():
    values = np.abs(RNG(0).normal(0.8, 0.4, 12)).tolist()
    base = pairs_for_power(values, 0.05)
    assert base is not None
    helped, hurt = (pairs_for_power([*values, *[side * math.inf] * 3], 0.05) for side in (1, -1))
    assert helped is not None
    assert helped <= base < (hurt or math.inf)
    assert pairs_for_power([math.inf] * 4, 0.05) == stats.pairs_needed(1)
    assert pairs_for_power([0.4, 0.5, -math.inf, 0.6], 0.05) != pairs_for_power([0.4, 0.5, 0.6], 0.05)


def test_the_seeds_told_would_tell_with_failures_as_often_as_promised():
    """New seeds drawn like those seen, failures included, tested by another implementation."""
    from scipy.stats import wilcoxon

    seen = [*RNG(1).normal(0.9, 0.5, 20).tolist(), -math.inf, -math.inf]
    needed = pairs_for_power(seen, 0.05)
    assert needed is not None
    drawn = RNG(3).choice(np.clip(seen, -50, 50), (1500, needed)) + RNG(4).normal(0, 1e-6, (1500, needed))
    p = wilcoxon(drawn, axis=1, method="exact" if needed <= 50 else "asymptotic", correction=True).pvalue
    assert 0.72 <= np.mean(p <= 0.05) <= 0.9


def test_what_failures_hide_is_not_promised_by_more_seeds():
    """A method that is better whenever it ends, and fails as often as random search wins by that: nobody can tell."""
    good = [0.5 + 0.05 * n for n in range(9)]
    hidden = beside([*good, None, None, None, None])
    found = stand(hidden, "darts")
    assert found.outcome == "undecided"
    assert found.comparison.difference > 0
    assert pairs_for_power(good, 0.05) is not None
    assert "undecided because of failures" in line_of(hidden, "DARTS")
    assert "would tell" not in line_of(hidden, "DARTS")
    assert "points where neither failed" in line_of(hidden, "DARTS")
    turned = beside([*good, *[None] * 6])
    found = stand(turned, "darts")
    assert found.comparison.difference > 0 > found.comparison.effect
    assert found.seeds_needed is not None, "to tell that it is worse, beside a number that says better"
    assert "undecided because of failures" in line_of(turned, "DARTS")
    fine = beside([*good[:5], *[-0.3] * 4])
    assert "because of failures" not in line_of(fine, "DARTS")
    assert "where neither failed" not in line_of(fine, "DARTS")
    small = [0.02, -0.01] * 8
    assert "because of failures" not in line_of(beside([*small, None]), "DARTS"), "it would be undecided without it"


# Look-ups of one search

SETS = ("nasbench201/cifar10", "nasbench201/cifar100", "nasbench201/imagenet16-120")


def lookups(seeds: int, methods=("darts", "local_search"), own: bool = False) -> list[Run]:
    """Searches on a table; with ``own``, another one on each data set."""
    rng = RNG(seeds)
    return [
        tabular(
            method,
            0.9 + 0.02 * (method != RANDOM_SEARCH) + float(rng.normal(0, 0.003)),
            seed,
            dataset=dataset,
            proposal=f"nasbench201:{method}{seed}{dataset if own else ''}",
            recipes={"proxy": {"signal": "cifar10-12"}, "final": {"table": dataset, "score": "test accuracy"}},
        )
        for method in (RANDOM_SEARCH, *methods)
        for dataset in SETS
        for seed in range(seeds)
    ]


def test_look_ups_of_one_search_are_recognised_and_images_never_are():
    assert searches(blocks(lookups(3))[0]) == [SETS]
    assert searches(blocks(lookups(3, own=True))[0]) == [(name,) for name in SETS]
    assert searches(blocks(league(RNG(0), 2, {"darts": 0.0}, 0.0))[0]) == [("fashion_mnist",), ("cifar10",)]


def test_look_ups_count_once_for_holm_and_are_not_ranked():
    from harness.report.drawing.diagram import rankings

    same, own = lookups(8), lookups(8, own=True)
    made = markdown(statistics(same))
    section = made.partition("### Comparison")[2].partition("###")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if "DARTS |" in line]
    assert [row[0].startswith("nasbench201/cifar10, ") for row in rows] == [True, False, False, False]
    p = stats.compare_differences(stand(same, "darts").differences).p
    assert rows[0][-3].startswith(stats.p_text(p))
    assert rows[0][-2].startswith(stats.p_text(2 * p)), "two searches are two comparisons, not six"
    assert all(row[-3:] == ["–"] * 3 for row in rows[1:])
    assert "No ranks: " in made
    assert "look-ups of the same searches" in made
    assert "Friedman's test:" not in made
    assert not rankings(same)
    assert "Friedman" in markdown(statistics(own))
    assert "No ranks" not in markdown(statistics(own))


def test_a_search_that_was_looked_up_thrice_says_no_more_than_its_mean():
    runs = lookups(8, ("darts",))
    values = stand(runs, "darts").differences
    single = stand([run for run in runs if run.record.dataset == SETS[0]], "darts").differences
    assert len(values) == len(single) == 8
    thrice = [
        replace(run, record=replace(run.record, dataset=name))
        for name in SETS
        for run in runs
        if run.record.dataset == SETS[0]
    ]
    assert stand(thrice, "darts").differences == pytest.approx(single)


@pytest.mark.parametrize("values", [[1.0, 2.0], [0.2, 0.5, -0.1], [1.0, 2.5, 0.5, 2.0, 3.0]])
def test_few_pairs_are_taken_for_normal_with_their_mean_and_sample_deviation(values: list[float]) -> None:
    effect = abs(sum(values) / len(values)) / np.std(values, ddof=1)
    assert pairs_for_power(values, 0.05) == smallest_sample(float(effect), 0.05)
    assert pairs_for_power(values[:1], 0.05) is None
