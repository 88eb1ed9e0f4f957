"""The statistics of the report: against enumeration, against simulation, and what they may not claim."""

from __future__ import annotations

import itertools
import math
import random
import re
import time
from pathlib import Path

import numpy as np
import pytest
from report_records import OPTIMUM, examples, make, tabular, with_logs

from harness.core.zero_line import RANDOM_SEARCH
from harness.report.drawing.diagram import critical_difference, rankings
from harness.report.forms.markdown import markdown
from harness.report.forms.write import write_all
from harness.report.model.groups import blocks
from harness.report.model.metrics import measured_by
from harness.report.model.performance import performance
from harness.report.stats import inference as stats
from harness.report.stats import page
from harness.report.stats.page import TOO_SMALL, ranking, regrets

RNG = np.random.default_rng


def statistics(runs):
    return markdown(page.statistics(runs))


def row(text: str, start: str) -> list[str]:
    """The cells of the only table row of ``text`` that starts so."""
    [found] = [line for line in text.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in found.split("|")[1:-1]]


def comparison(text: str) -> str:
    """The part of the first table's comparisons."""
    return text.partition("### Comparison")[2].partition("###")[0]


# Intervals


@pytest.mark.parametrize("count", [3, 10, 40])
def test_the_interval_covers_the_mean_about_as_often_as_it_says(count: int):
    """Of values with a longer tail below, as accuracies have; within four standard errors of 2,000 samples."""
    rng, expected = RNG(1), {3: 0.92, 10: 0.927, 40: 0.942}[count]
    intervals = [stats.mean_interval((94 - rng.gamma(2.0, 0.3, count)).tolist()) for _ in range(2000)]
    inside = sum(found is not None and found[0] <= 94 - 0.6 <= found[1] for found in intervals)
    assert abs(inside / 2000 - expected) < 4 * (expected * (1 - expected) / 2000) ** 0.5


def test_an_interval_does_not_depend_on_the_order_and_moves_with_its_values():
    values = RNG(0).normal(90, 1, 25).tolist()
    low, high = stats.mean_interval(values)
    assert stats.mean_interval(values[::-1]) == pytest.approx((low, high), abs=1e-12)
    moved = stats.mean_interval([value + 5 for value in values])
    assert moved == pytest.approx((low + 5, high + 5), abs=1e-9)
    assert low < np.mean(values) < high


def test_no_interval_from_few_values():
    assert stats.mean_interval([1.0] * (stats.MIN_INTERVAL - 1)) is None
    assert stats.mean_interval([1.0] * stats.MIN_INTERVAL) == (1.0, 1.0)


# Paired comparisons


@pytest.mark.parametrize("pairs", [1, 2, 5, 6, 13, 50])
@pytest.mark.parametrize("ties", [False, True])
def test_the_smallest_p_is_the_p_of_a_clean_sweep(pairs: int, ties: bool):
    distances = [1.0] * pairs if ties else [1.0 + n for n in range(pairs)]
    found = stats.compare(distances, [0.0] * pairs)
    assert found.p == pytest.approx(stats.smallest_p(pairs)) == pytest.approx(found.smallest)
    assert (found.wins, found.ties, found.losses, found.effect) == (pairs, 0, 0, 1)


@pytest.mark.parametrize("seed", range(6))
def test_wilcoxon_against_all_signs(seed: int):
    """The p is the share of the 2^n sign assignments that are at least as lopsided, zeros left out."""
    differences = RNG(seed).integers(-3, 5, size=10).astype(float)
    found = stats.compare((90 + differences).tolist(), [90.0] * 10)
    moved = differences[differences != 0]
    order = sorted(map(abs, moved))
    ranks = [np.mean([n + 1 for n, other in enumerate(order) if other == abs(value)]) for value in moved]
    centre = sum(ranks) / 2
    observed = abs(sum(r for r, value in zip(ranks, moved, strict=True) if value > 0) - centre)
    sums = [sum(itertools.compress(ranks, signs)) for signs in itertools.product((0, 1), repeat=len(moved))]
    expected = np.mean([abs(total - centre) >= observed - 1e-9 for total in sums])
    assert found.p == pytest.approx(expected)
    assert found.ties == 10 - len(moved)


@pytest.mark.parametrize("pairs", [3, 20, 50, 51, 400])
def test_wilcoxon_without_ties_against_scipys_exact_test(pairs: int):
    from scipy.stats import wilcoxon

    differences = RNG(pairs).normal(0.3, 1, pairs)
    found = stats.compare((90 + differences).tolist(), [90.0] * pairs)
    assert found.p == pytest.approx(wilcoxon(differences, method="exact").pvalue, rel=1e-9 if pairs <= 50 else 0.15)


def test_the_effect_changes_sign_with_the_sides_and_p_does_not():
    rng = RNG(3)
    first, second = rng.normal(91, 1, 30).tolist(), rng.normal(90, 1, 30).tolist()
    here, there = stats.compare(first, second), stats.compare(second, first)
    assert here.effect == pytest.approx(-there.effect)
    assert 0 < here.effect < 1
    assert here.p == pytest.approx(there.p)
    assert here.difference == pytest.approx(-there.difference)


def test_nothing_differs():
    found = stats.compare([90.0] * 8, [90.0] * 8)
    assert (found.wins, found.ties, found.losses, found.effect, found.p, found.smallest) == (0, 8, 0, 0, 1, 1)


def test_equal_distances_stay_equal_after_subtraction():
    """0.3 - 0.2 is not 0.2 - 0.1 in binary; as ranks they must be tied."""
    found = stats.compare([0.3, 0.1, 0.6], [0.2, 0.2, 0.6])
    assert (found.effect, found.ties) == (0, 1)


@pytest.mark.parametrize("pairs", [6, 12, 30, 100])
def test_false_findings_are_as_rare_as_promised(pairs: int):
    rng = RNG(pairs)
    found = [stats.compare(*(np.round(rng.normal(90, 1, (2, pairs)), 1))).p <= stats.LEVEL for _ in range(400)]
    assert np.mean(found) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


# Several comparisons


def test_holm_is_the_step_down_rule():
    rng = RNG(0)
    for _ in range(200):
        values = (rng.random(rng.integers(1, 8)) ** 3).tolist()
        corrected = stats.holm(values)
        for level in (0.01, 0.05, 0.2):
            rejected = set()
            for step, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
                if values[place] > level / (len(values) - step):
                    break
                rejected.add(place)
            assert {place for place, value in enumerate(corrected) if value <= level} == rejected
    assert stats.holm([]) == []


def test_holm_never_falls_when_a_value_rises():
    """So correcting the smallest p values that n allows bounds every corrected one from below."""
    rng = RNG(1)
    for _ in range(200):
        lower = rng.random(6)
        higher = np.minimum(1, lower + rng.random(6) * (rng.random(6) < 0.5))
        assert all(a <= b + 1e-12 for a, b in zip(stats.holm(lower), stats.holm(higher), strict=True))


@pytest.mark.parametrize("comparisons", range(1, 30))
def test_pairs_needed_is_the_smallest_number_that_suffices(comparisons: int):
    needed = stats.pairs_needed(comparisons)
    assert comparisons * stats.smallest_p(needed) <= stats.LEVEL < comparisons * stats.smallest_p(needed - 1)


# Ranks


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (10, 3.164)])
def test_critical_difference_has_the_tabled_constants(methods: int, q: float):
    """The two-tailed Nemenyi constants at 0.05 of Demsar (JMLR 2006)."""
    expected = q * math.sqrt(methods * (methods + 1) / (6 * 14))
    assert stats.critical_difference(methods, 14) == pytest.approx(expected, rel=5e-4)


@pytest.mark.parametrize("methods", range(3, 12))
def test_with_enough_data_sets_the_same_order_everywhere_is_a_difference_and_with_one_less_it_is_not(methods: int):
    needed = stats.datasets_needed(methods)
    order = [float(-method) for method in range(methods)]
    for count in (needed - 1, needed):
        found = stats.ranks([order] * count)
        differs = found.p <= stats.LEVEL and methods - 1 > found.critical
        assert differs == found.enough == (count == needed)


@pytest.mark.parametrize(("methods", "datasets"), [(3, 3), (3, 5), (4, 4), (6, 6), (10, 5)])
def test_ranks_of_noise_rarely_differ(methods: int, datasets: int):
    rng = RNG(methods)
    critical = stats.critical_difference(methods, datasets)
    ranks = np.argsort(np.argsort(rng.random((4000, datasets, methods)), axis=2), axis=2).mean(axis=1)
    assert np.mean(np.ptp(ranks, axis=1) > critical) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 4000)


def test_ranks_share_places_and_all_tied_is_no_difference():
    found = stats.ranks([[0.9, 0.9, 0.5], [0.8, 0.7, 0.6]])
    assert found.average == (1.25, 1.75, 3.0)
    tied = stats.ranks([[0.5, 0.5, 0.5]] * 4)
    assert (tied.p, tied.groups()) == (1.0, [(0, 1, 2)])


def test_groups_are_the_largest_runs_within_the_critical_difference():
    found = stats.Ranks((4.0, 1.0, 2.0, 3.1, 6.0), 20, 0.001, 1.5, True)
    assert found.groups() == [(1, 2), (2, 3), (3, 0)]
    assert stats.Ranks(found.average, 20, 0.2, 1.5, True).groups() == [(1, 2, 3, 0, 4)]
    assert stats.Ranks((1.0, 2.0, 3.0), 200, 0.001, 0.5, True).groups() == []


# Anytime curves


def pointwise(curves, moment: float) -> list[float]:
    return [next((v for s, v in reversed(curve) if s <= moment), math.nan) for curve in curves]


def random_curves(rng, count: int, steps: int) -> list[list[tuple[float, float]]]:
    return [
        list(zip(np.sort(rng.random(steps)).tolist(), np.sort(rng.random(steps)).tolist(), strict=True))
        for _ in range(count)
    ]


@pytest.mark.parametrize(("count", "steps"), [(1, 3), (5, 7), (30, 40)])
def test_the_band_is_the_pointwise_quartiles(count: int, steps: int):
    curves = random_curves(RNG(count), count, steps)
    band = stats.band(curves)
    begun = max(curve[0][0] for curve in curves)
    assert band.n == count
    assert len(band.moments) == min(count * steps, 400)
    for place in range(0, len(band.moments), max(1, len(band.moments) // 20)):
        moment = band.moments[place]
        found = (band.low[place], band.middle[place], band.high[place])
        if moment < begun:
            assert all(map(math.isnan, found))
        else:
            assert found == pytest.approx(np.quantile(pointwise(curves, moment), (0.25, 0.5, 0.75)))


def test_a_band_holds_last_values_and_has_gaps_where_one_is_not_known():
    band = stats.band([[(1.0, 0.2), (3.0, 0.4)], [(2.0, 0.6), (4.0, math.nan)]])
    assert band.moments == (1.0, 2.0, 3.0, 4.0)
    assert band.middle == pytest.approx((math.nan, 0.4, 0.5, math.nan), nan_ok=True)


# statistics.md


def races(wins: int, methods: int = 1, **changes):
    """Random search and methods that beat it on each of ``wins`` seeds, always by another distance."""
    runs = [make(RANDOM_SEARCH, 0.8, seed, **changes) for seed in range(wins)]
    return runs + [
        make(f"method{n}", 0.81 + 0.001 * seed, seed, **changes) for n in range(methods) for seed in range(wins)
    ]


@pytest.mark.parametrize("methods", [1, 2, 5])
def test_a_clean_sweep_counts_from_the_number_of_seeds_that_can_support_it(methods: int):
    needed = stats.pairs_needed(methods)
    for seeds in range(1, needed + 3):
        made = comparison(statistics(races(seeds, methods)))
        assert f"at least {needed} pairs that differ" in made
        assert (row(made, "fashion_mnist | method0")[-1] == "better") == (seeds >= needed)
        assert (TOO_SMALL in row(made, "fashion_mnist | method0")[-1]) == (seeds < needed)


def test_the_smallest_p_that_n_allows_stands_beside_each_p():
    cells = row(comparison(statistics(races(4))), "fashion_mnist | method0")
    assert cells[-3:-1] == ["0.125 [0.125]", "0.125 [0.125]"]
    assert cells[2:4] == ["4 / 0 / 0", "+1.15"]


def test_no_verdict_where_n_cannot_support_it_whatever_the_numbers():
    rng = random.Random(0)
    for _ in range(30):
        seeds, methods = rng.randint(1, 9), rng.randint(1, 4)
        names = [RANDOM_SEARCH, *(f"method{n}" for n in range(methods))]
        runs = [
            make(name, rng.choice((0.8, 0.85, 0.9)) + 0.02 * n, s) for n, name in enumerate(names) for s in range(seeds)
        ]
        for line in comparison(statistics(runs)).splitlines():
            if line.endswith(("| better |", "| worse |")):
                wins, _, losses = map(int, re.search(r"(\d+) / (\d+) / (\d+)", line).groups())
                assert stats.smallest_p(wins + losses) <= stats.LEVEL


def test_a_method_is_compared_seed_by_seed():
    accuracies = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97]
    runs = [make(RANDOM_SEARCH, accuracy, seed) for seed, accuracy in enumerate(accuracies)]
    runs += [make("darts", accuracy + 0.001, seed) for seed, accuracy in enumerate(accuracies)]
    cells = row(comparison(statistics(runs)), "fashion_mnist | DARTS")
    assert (cells[2], cells[-1]) == ("7 / 0 / 0", "better")
    strangers = [run for run in runs if run.record.method == RANDOM_SEARCH] + [make("darts", 0.9, 77)]
    assert "no seed with both results" in comparison(statistics(strangers))


def test_random_search_in_the_same_space_is_the_reference():
    runs = [make(RANDOM_SEARCH, 0.9, s, space="macro-6", native="") for s in range(6)]
    runs += [make(RANDOM_SEARCH, 0.7, s) for s in range(6)] + [make("darts", 0.8, s) for s in range(6)]
    made = comparison(statistics(runs))
    assert row(made, "fashion_mnist | DARTS")[2] == "6 / 0 / 0"
    made = comparison(statistics([*runs, *(make("enas_macro", 0.8, s) for s in range(6))]))
    assert row(made, "fashion_mnist | DARTS")[2] == "6 / 0 / 0"
    assert row(made, "fashion_mnist | ENAS (macro)")[2] == "0 / 0 / 6"
    made = comparison(statistics([*runs[6:], make("enas_macro", 0.9, 0)]))
    assert row(made, "fashion_mnist | ENAS (macro)")[2:4] == ["random_search was not run in macro-6", "–"]


def test_what_is_missing_is_said():
    assert "No comparison: random_search was not run." in statistics([make("darts", 0.9)])
    assert "No comparison: only random sampling and random search were run." in statistics([make(RANDOM_SEARCH, 0.9)])
    assert "No ranks: they need at least two data sets." in statistics([make("darts", 0.9)])
    assert row(statistics([make("darts", None)]), "DARTS")[1] == "no result"


def test_regret_is_the_distance_to_the_best_of_the_table():
    runs = [tabular(RANDOM_SEARCH, OPTIMUM - 0.001 * seed, seed) for seed in range(4)] + [tabular("darts", None, 0)]
    assert regrets(runs) == pytest.approx([0, 0.1, 0.2, 0.3])
    made = statistics(runs)
    assert row(made, "Random search")[-1] == "0.15 ± 0.13 (4)"
    assert row(made, "DARTS")[-1] == "–"
    assert "regret" not in statistics([make("darts", 0.9)]).partition("## Spread")[2]


def test_scores_that_are_no_test_accuracy_are_called_by_their_name():
    recipes = {"final": {"table": "simple", "score": "validation accuracy"}}
    assert "table simple has no test accuracy: these numbers are its validation" in statistics(
        [tabular(RANDOM_SEARCH, 0.9, recipes=recipes)]
    )
    assert "has no test accuracy" not in statistics([tabular(RANDOM_SEARCH, 0.9)])


def test_the_report_does_not_depend_on_the_order_of_the_runs():
    runs = examples() + races(12, 2, dataset="toy")
    for seed in range(3):
        assert statistics(random.Random(seed).sample(runs, len(runs))) == statistics(runs)


# Ranks in the report


def league(methods: int, datasets: int, noise: float = 0.0):
    rng = random.Random(0)
    return [
        make(f"method{m}", 0.9 - 0.02 * m + noise * rng.random(), 0, dataset=f"set{d}", native="")
        for m in range(methods)
        for d in range(datasets)
    ]


def test_ranks_without_enough_data_sets_claim_nothing():
    needed = stats.datasets_needed(4)
    few, many = (statistics(league(4, datasets)) for datasets in (needed - 1, needed))
    assert f"fewer than {needed} data sets" in few
    assert "critical difference" not in few
    assert row(few.partition("### Average ranks")[2], "method3")[1:] == ["1", "4.00"]
    assert "critical difference at level 0.05" in many


def test_a_method_without_a_result_somewhere_is_not_ranked_and_named():
    runs = [
        *league(4, 6),
        make("darts", 0.99, 0, dataset="set0", native=""),
        make("darts", None, 0, dataset="set1", native=""),
    ]
    [block] = blocks(runs)
    found = ranking(block, "cell")
    assert found.left_out == ("DARTS",)
    assert "not ranked: DARTS." in statistics(runs)
    assert found.ranks.average == (1.0, 2.0, 3.0, 4.0)


def test_a_method_is_not_ranked_by_the_runs_that_did_not_fail():
    """One lucky result of ten, and nine failures, would be the first rank."""
    runs = [*league(3, 6), make("method0", 0.9, 1, dataset="set0", native="")]
    for d in range(6):
        runs += [make("darts", None if seed else 0.99, seed, dataset=f"set{d}", native="") for seed in range(10)]
    [block] = blocks(runs)
    found = ranking(block, "cell")
    assert not isinstance(found, str)
    assert found.left_out == ("DARTS",)
    assert found.seeds == ((1, 2), (1, 1), (1, 1))


def test_the_diagram_is_drawn_when_there_is_enough_for_it(tmp_path: Path):
    enough = league(3, 3)
    assert "critical_difference.png" not in [path.name for path in write_all(league(3, 2), tmp_path / "few")]
    paths = {path.name: path for path in write_all(enough, tmp_path / "enough")}
    drawn = paths["critical_difference.png"].read_bytes()
    assert drawn.startswith(b"\x89PNG\r\n\x1a\n")
    critical_difference(enough[::-1], tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == drawn


def test_a_diagram_that_no_longer_applies_is_removed(tmp_path: Path):
    """A report on fewer data sets is made into the same directory; other pictures of the user stay."""
    write_all(league(3, 3), tmp_path)
    (tmp_path / "mine.png").write_bytes(b"mine")
    assert (tmp_path / "critical_difference.png").exists()
    assert "critical_difference.png" not in [path.name for path in write_all(league(3, 2), tmp_path)]
    assert not (tmp_path / "critical_difference.png").exists()
    assert (tmp_path / "mine.png").exists()


def test_ranks_are_within_a_space_and_of_compared_rows_and_the_zero_line():
    """A space with easy networks, larger networks and ensembles would shift the ranks of the others."""
    runs = [
        make(method, accuracy + 0.01 * d, 0, dataset=f"set{d}", space=space, native=space, **more)
        for d in range(6)
        for method, accuracy, space, more in (
            ("random_sampling", 0.5, "cell", {}),
            ("random_search", 0.6, "cell", {}),
            ("darts", 0.65, "cell", {}),
            ("large", 0.8, "cell", {"recipes": {"extra": {"more": 40.0}}}),
            ("nes", 0.9, "cell", {"networks": [{"rank": 1, "member": 1, "genotype": "cell:1"}]}),
            ("random_sampling", 0.9, "chain", {}),
            ("random_search", 0.91, "chain", {}),
            ("nas_rl", 0.89, "chain", {}),
            ("enas_macro", 0.95, "macro", {}),
        )
    ]
    [block] = blocks(runs)
    cell, chain = (ranking(block, space) for space in ("cell", "chain"))
    named = {
        name: dict(zip([m.name for m in one.methods], one.ranks.average, strict=True))
        for name, one in (("cell", cell), ("chain", chain))
    }
    assert named["cell"] == {"random_sampling": 3.0, "random_search": 2.0, "darts": 1.0}
    assert named["chain"] == {"random_search": 1.0, "random_sampling": 2.0, "nas_rl": 3.0}
    made = statistics(runs).partition("### Average ranks")[2]
    assert made.count("Friedman's test: p") == 2
    assert "over 6 data sets, space cell." in made
    assert "No ranks in macro: they need at least three methods" in made
    assert sorted(found.space for _, found in rankings(runs)) == ["cell", "chain"]
    assert "large" not in made
    assert "nes" not in re.findall(r"\| (\w+) \|", made)


def test_rows_that_are_wholly_unsupported_are_named_once_with_the_reason():
    """Also if it is only on one of two data sets; a failed run is no such row, nor is one of several that ended."""
    no = {"status": "unsupported"}
    runs = [
        make(m, 0.8 + 0.01 * s, s, dataset=d) for d in ("a", "b") for m in (RANDOM_SEARCH, "darts") for s in range(3)
    ]
    runs += [make("gp", None, s, dataset=d, reason="no kernel", **no) for d in ("a", "b") for s in range(3)]
    runs += [make("bsn", None, s, dataset=d, reason="no kernel", **no) for d in ("a", "b") for s in range(3)]
    runs += [make("nao", 0.8, 0, dataset="a"), make("nao", None, 0, dataset="b", reason="too small", **no)]
    runs += [make("pnas", None, 0, dataset="a"), make("pnas", None, 1, dataset="a", reason="too small", **no)]
    made = statistics(runs)
    assert made.count("gp") == made.count("bsn") == 1
    assert "- bsn; gp: no kernel" in made
    assert "- nao on b: too small" in made
    assert len([line for line in made.splitlines() if line.startswith("| nao")]) == 1
    assert "| a | nao |" in comparison(made)
    assert "| b | nao |" not in comparison(made)
    assert len([line for line in made.splitlines() if line.startswith("| pnas")]) == 2
    verdict = markdown(performance(runs)).partition("## Test")[0]
    assert "not compared (unsupported: the table says why): bsn in cell; gp in cell" in verdict
    assert verdict.count("gp") == 1
    refused = [run for run in runs if run.record.method in (RANDOM_SEARCH, "gp")]
    assert "No comparison: no other method supports it." in statistics(refused)
    assert "| gp" not in statistics([run for run in refused if run.record.method == "gp"])


def test_the_diagram_has_every_method_at_its_rank_and_a_bar_per_group():
    from matplotlib.figure import Figure

    from harness.report.drawing.diagram import _panel

    [(block, found)] = rankings(league(5, 12, noise=0.05))
    axes = Figure().subplots()
    _panel(axes, block, found)
    shown = " ".join(text.get_text() for text in axes.texts)
    for name, average in zip(found.names, found.ranks.average, strict=True):
        assert name in shown
        assert f"{average:.2f}" in shown
    bars = [line for line in axes.lines if line.get_linewidth() == 3.5]
    assert len(bars) == len(found.ranks.groups()) > 0


def test_thousands_of_runs_take_seconds():
    """500 seeds x 3 methods x 3 data sets, as the NAS-Bench-201 comparison leaves behind."""
    rng = RNG(0)
    runs = [
        with_logs(
            tabular(method, float(0.94 - 0.004 * rng.random()), seed, dataset=dataset),
            *((200.0 * n + float(rng.random()), 0.5 + 0.01 * n) for n in range(1, 12)),
        )
        for method in (RANDOM_SEARCH, "regularized_evolution", "reinforce")
        for dataset in ("nasbench201/cifar10", "nasbench201/cifar100", "nasbench201/imagenet16-120")
        for seed in range(500)
    ]
    began = time.process_time()
    statistics(runs)
    assert time.process_time() - began < 15


def test_the_interval_of_few_values_is_students():
    """By hand: 97.5 % of t with 2 degrees of freedom is 4.3027, and the deviation of 1, 2, 3 is 1."""
    assert stats.mean_interval([5.0, 6.0]) is None
    low, high = stats.mean_interval([3.0, 1.0, 2.0])
    assert (low, high) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)
    again = stats.mean_interval([13.0, 11.0, 12.0])
    assert again == pytest.approx((low + 10, high + 10))


@pytest.mark.parametrize("count", [3, 7, 60])
def test_a_method_whose_every_run_failed_has_lost_every_pair(count: int):
    """Also where no difference is a number, and where the approximation takes over."""
    failed = stats.compare([-math.inf] * count, [50.0] * count)
    assert (failed.wins, failed.ties, failed.losses, failed.effect) == (0, 0, count, -1)
    assert failed.difference is None
    assert failed.interval is None
    if count < 50:
        assert failed.p == pytest.approx(stats.smallest_p(count))
    else:
        assert failed.p < 1e-9
    alike = stats.compare([-math.inf] * count, [-math.inf] * count)
    assert (alike.wins, alike.ties, alike.losses, alike.p) == (0, count, 0, 1)
    assert (alike.difference, alike.interval) == (None, None), "two failures have no difference to print"
    half = stats.compare([-math.inf] * 6 + [51.0] * 6, [-math.inf] * 6 + [50.0] * 6)
    assert (half.ties, half.wins, half.difference, half.interval) == (6, 6, 1.0, (1.0, 1.0))
    one_worse = stats.compare([-math.inf, *[51.0] * (count - 1)], [50.0] * count)
    assert one_worse.effect == pytest.approx((count - 3) / (count + 1)), "its difference has the highest rank"


def test_pairs_are_counted_by_the_sign_of_their_difference_however_small_it_is():
    found = stats.compare_differences([0.3, -0.4, 0.2, 0.0, -2.0, 1e-12])
    assert (found.wins, found.ties, found.losses) == (2, 2, 2)
    assert found.difference == pytest.approx(-1.9 / 6)


def test_the_page_is_called_after_what_its_numbers_are():
    """Under another metric, neither its first words nor its ranks speak of the test accuracy."""
    runs = [
        make(method, 0.5 + 0.1 * better, 0, dataset=dataset, metrics={"balanced_accuracy": 0.4 + 0.1 * better})
        for better, method in enumerate(("random_search", "darts", "local_search"))
        for dataset in ("a", "b")
    ]
    usual, other = statistics(runs), statistics(measured_by(runs, "balanced_accuracy"))
    assert "Test accuracy in %." in usual
    assert "Ranks by mean test accuracy" in usual
    assert "Balanced accuracy. Mean" in other
    assert "Ranks by mean balanced accuracy" in other
    assert "est accuracy" not in other
