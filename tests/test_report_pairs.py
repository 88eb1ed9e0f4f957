"""Pairs of a method and random search by seed, look-ups of one search, and the words of a verdict on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from report_records import counted, make, tabular, with_logs

from harness.core.record import Run
from harness.core.zero_line import RANDOM_SAMPLING, RANDOM_SEARCH
from harness.report.forms.markdown import markdown
from harness.report.model.groups import Block, MethodInSpace, blocks
from harness.report.model.performance import performance
from harness.report.model.results import result_of
from harness.report.stats import inference as stats
from harness.report.stats.page import ranking, statistics
from harness.report.stats.pairs import compared, failures, searches, with_random_search
from harness.report.stats.power import MOST, pairs_for_power
from harness.report.stats.standing import Standing, standings
from harness.report.stats.verdict import verdict

SETS = ("one", "two", "three")


def series(method: str, accuracies: Sequence[float | None], first: int = 0, **changes: object) -> list[Run]:
    """A run per accuracy; None is a failed one."""
    return [make(method, accuracy, seed, **changes) for seed, accuracy in enumerate(accuracies, start=first)]


def block_of(runs: Sequence[Run]) -> Block:
    [block] = blocks(runs)
    return block


def method_of(block: Block, name: str) -> MethodInSpace:
    [method] = [one for one in block.methods if one.name == name]
    return method


def differences(block: Block, method: MethodInSpace, datasets: Sequence[str]) -> dict[int, float]:
    return with_random_search(block, method, datasets).differences


def told(runs: Sequence[Run]) -> str:
    return markdown(verdict(runs))


def line_of(runs: Sequence[Run], title: str) -> str:
    [line] = [line for line in told(runs).splitlines() if line.startswith(f"- {title}")]
    return line


def stand(runs: Sequence[Run], method: str) -> Standing:
    [found] = [one for one in standings(block_of(runs)) if one.method.name == method]
    return found


# Differences


def test_a_difference_is_in_points_and_a_mean_over_the_data_sets() -> None:
    """Seeds that only one of the two has make no pair, nor do runs that are not supported."""
    runs = series(RANDOM_SEARCH, [0.5, 0.6, 0.7], dataset="one") + series(RANDOM_SEARCH, [0.25, 0.5], dataset="two")
    runs += series("darts", [0.75, 0.5], dataset="one") + series("darts", [0.5, 0.5, 0.5], dataset="two")
    runs += [make("darts", None, 2, dataset="one", status="unsupported")]
    block = block_of(runs)
    darts = method_of(block, "darts")
    assert differences(block, darts, ("one",)) == pytest.approx({0: 25.0, 1: -10.0})
    assert differences(block, darts, ("one", "two")) == pytest.approx({0: 25.0, 1: -5.0})
    assert list(differences(block, darts, block.datasets)) == [0, 1]
    assert with_random_search(block, darts, ("one", "two")).partial == 0
    assert differences(block, darts, ()) == {}


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (None, 0.1, -math.inf),
        (0.1, None, math.inf),
        (None, None, math.nan),
        (0.3, 0.3, 0.0),
        (math.nan, 0.1, -math.inf),
    ],
)
def test_a_failed_run_is_worse_than_any_result(own: float | None, other: float | None, expected: float) -> None:
    block = block_of([make("darts", own), make(RANDOM_SEARCH, other)])
    assert differences(block, method_of(block, "darts"), block.datasets) == pytest.approx({0: expected}, nan_ok=True)


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        ((None, 0.9, 0.9), (0.5, 0.5, 0.5), -math.inf),
        ((0.1, 0.1, 0.1), (None, 0.9, 0.9), math.inf),
        ((None, 0.9, 0.9), (0.5, None, 0.5), math.nan),
        ((None, 0.9, 0.7), (None, 0.5, 0.5), math.nan),
        ((None, None, 0.9), (0.5, 0.5, None), -math.inf),
        ((None, 0.9, 0.9), (None, None, 0.5), math.inf),
    ],
)
def test_over_several_data_sets_the_side_with_more_failures_has_lost(
    own: Sequence[float | None], other: Sequence[float | None], expected: float
) -> None:
    runs = [make("darts", a, dataset=name) for name, a in zip(SETS, own, strict=True)]
    runs += [make(RANDOM_SEARCH, a, dataset=name) for name, a in zip(SETS, other, strict=True)]
    block = block_of(runs)
    assert differences(block, method_of(block, "darts"), block.datasets) == pytest.approx({0: expected}, nan_ok=True)


def test_failures_are_counted_over_all_data_sets_and_refusals_are_none() -> None:
    runs = series("darts", [0.9, None, math.nan], dataset="one") + series("darts", [None, 0.9], dataset="two")
    runs += [make("darts", None, 7, dataset="two", status="unsupported"), *series(RANDOM_SEARCH, [0.9], dataset="one")]
    block = block_of(runs)
    assert failures(block, method_of(block, "darts")) == 3
    assert failures(block, method_of(block, RANDOM_SEARCH)) == 0


def test_the_two_zero_lines_and_larger_networks_are_not_compared() -> None:
    larger = {"recipes": {"extra": {"filters": 2.0}}}
    runs = [make(name, 0.9) for name in (RANDOM_SAMPLING, RANDOM_SEARCH, "darts")] + [make("large", 0.9, **larger)]
    assert [method.name for method in compared(block_of(runs))] == ["darts"]


# Look-ups of one search


def lookup(dataset: str, seed: int, **changes: object) -> Run:
    recipes = {"proxy": {"signal": "s"}, "final": {"table": dataset}}
    return tabular("darts", 0.9, seed, **({"dataset": dataset, "recipes": recipes} | changes))


@pytest.mark.parametrize(
    "other",
    [
        {"proposal": "nasbench201:9"},
        {"search": {"charged": 1.0, "evaluations": 60}},
        {"search": {"charged": 11900.0, "evaluations": 61}},
        {"recipes": {"proxy": {"signal": "another"}, "final": {"table": "two"}}},
    ],
)
def test_searches_with_another_way_or_result_are_no_look_ups_of_one(other: dict[str, object]) -> None:
    same = [lookup(name, seed) for name in SETS for seed in range(2)]
    assert searches(block_of(same)) == [tuple(sorted(SETS))]
    mixed = [lookup("one", 0), lookup("one", 1), lookup("two", 0), lookup("two", 1, **other)]
    assert searches(block_of(mixed)) == [("one",), ("two",)]


def test_what_has_no_run_in_common_is_told_apart_and_the_first_data_set_decides() -> None:
    assert searches(block_of([lookup("one", 0), lookup("two", 1)])) == [("one",), ("two",)]
    chain = [lookup("a", 0), lookup("a", 1), lookup("b", 0), lookup("c", 1)]
    assert searches(block_of(chain)) == [("a", "b", "c")]
    lost = [lookup("one", 0), lookup("two", 0, status="failed", test_accuracy=None)]
    assert searches(block_of(lost)) == [("one",), ("two",)], "a failed run is no look-up"


def test_of_several_that_were_handed_over_the_first_is_the_search() -> None:
    """Each data set may have chosen another one of them for its row."""

    def handed(dataset: str, *picks: int) -> Run:
        networks = [{"genotype": f"nasbench201:{pick}"} for pick in picks]
        return lookup(dataset, 0, networks=networks, proposal=networks[-1]["genotype"])

    assert searches(block_of([handed("one", 1, 2), handed("two", 1, 3)])) == [("one", "two")]
    assert searches(block_of([handed("one", 2, 1), handed("two", 3, 1)])) == [("one",), ("two",)]


# Words

CLEAR = [0.8 + 0.001 * n for n in range(8)]


def test_a_table_is_called_by_its_title_data_sets_and_seeds() -> None:
    runs = [run for name in ("one", "two") for run in series(RANDOM_SEARCH, CLEAR[:2], dataset=name)]
    assert told(runs).startswith("Profile quick, search budget 60s, native spaces; one and two; 2 seeds: nothing to ")
    assert "; 1 seed: " in told(series(RANDOM_SEARCH, [0.9]))


@pytest.mark.parametrize("methods", [1, 2, 3])
def test_why_few_seeds_tell_nothing_follows_from_the_number_of_comparisons(methods: int) -> None:
    runs = series(RANDOM_SEARCH, [0.5] * 2) + [run for n in range(methods) for run in series(f"m{n}", [0.9] * 2)]
    made = told(runs)
    assert ("each p is corrected for their number" in made) == (methods > 1)
    assert ("it has to be 0.05 or less" in made) == (methods == 1)
    assert (f"{methods} comparisons need at least" in made) == (methods > 1)
    assert ("one comparison needs at least" in made) == (methods == 1)


@pytest.mark.parametrize(
    ("effects", "words"),
    [
        ((2, 2), "2 beat random search in their space (m0 and m1) beyond chance."),
        ((-2, -2), "2 did worse than random search in their space (m0 and m1) beyond chance."),
        ((2, -2), "1 beat random search in their space (m0) and 1 did worse than it (m1) beyond chance."),
        ((2, 0), "1 beat random search in their space (m0) beyond chance; 1 cannot be told apart from it."),
        ((0, 0), "none of the 2 methods compared can be told apart from random search in its space."),
    ],
)
def test_the_summary_counts_and_names_those_that_were_told_apart(effects: tuple[int, int], words: str) -> None:
    even = [0.01 if n % 2 else -0.01 for n in range(8)]
    shifts = [even if effect == 0 else [effect / 100] * 8 for effect in effects]
    runs = series(RANDOM_SEARCH, CLEAR)
    for n, shift in enumerate(shifts):
        runs += series(f"m{n}", [a + b + 0.0001 * s for s, (a, b) in enumerate(zip(CLEAR, shift, strict=True))])
    assert words in told(runs)
    assert "No result could have been" not in told(runs)


def test_the_clearest_come_first_and_better_before_worse_before_undecided() -> None:
    def shifted(points: Sequence[float]) -> list[float]:
        return [a + b / 100 for a, b in zip(CLEAR, points, strict=True)]

    runs = series(RANDOM_SEARCH, CLEAR)
    runs += series("near", shifted([1, -1, 1, -1, 1, -1, 1, 1.5])) + series(
        "down", shifted([-2, -3, -4] * 2 + [-5, -6])
    )
    runs += series("far", shifted([1, -1.1, 1.2, -1.3, 1.4, -1.5, 1.6, -1.7])) + series("up", shifted(range(1, 9)))
    p = {name: stand(runs, name).comparison.p for name in ("near", "far")}  # type: ignore[union-attr]
    assert p["near"] < p["far"]
    names = [line.split(" in cell")[0].removeprefix("- ") for line in told(runs).splitlines() if line.startswith("- ")]
    assert names == ["up", "down", "near", "far"]


def test_failures_are_told_where_there_are_some() -> None:
    fine = series(RANDOM_SEARCH, CLEAR) + series("m", [a + 0.01 for a in CLEAR])
    line = line_of(fine, "m")
    assert "failed" not in line
    assert "corrected p" in line
    assert "seed would tell" not in line
    lost = series(RANDOM_SEARCH, [None, *CLEAR[1:]]) + series("m", [0.5, None, None, *CLEAR[3:]])
    assert "; 2 lower because it failed; 1 higher because random search failed; " in line_of(lost, "m")
    assert "corrected p" not in line_of(lost, "m")


def test_only_failures_in_pairs_are_told_and_two_failures_are_equal() -> None:
    lost = series(RANDOM_SEARCH, [*CLEAR[:5], None]) + series("m", [*CLEAR[:5], None, None, None])
    line = line_of(lost, "m")
    assert "equal in 6, lower in 0 of 6 seeds; 1 equal because both failed; " in line
    assert "lower because" not in line


@pytest.mark.parametrize("seed", range(30))
def test_the_failures_told_are_among_the_pairs_counted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs = []
    for method in (RANDOM_SEARCH, "m"):
        for number in rng.permutation(12)[: rng.integers(6, 12)]:
            accuracy = None if rng.random() < 0.3 else 0.8 + round(float(rng.normal(0, 0.01)), 2)
            runs.append(make(method, accuracy, int(number)))
    found = stand(runs, "m")
    pairs, one = found.pairs, found.comparison
    assert one is not None
    assert pairs.won <= one.wins
    assert pairs.lost <= one.losses
    assert pairs.void <= one.ties
    assert pairs.won + pairs.lost + pairs.void + len(one.ended) == one.pairs == len(found.differences)


# Several data sets


def test_a_seed_on_some_of_the_data_sets_only_is_no_pair_and_that_is_said() -> None:
    """A mean over one data set beside means over two would be of another thing."""
    runs = [run for name in ("one", "two") for run in series(RANDOM_SEARCH, CLEAR, dataset=name)]
    runs += series("m", [a + 0.01 for a in CLEAR], dataset="one")
    runs += series("m", [a - 0.01 for a in CLEAR[:3]], dataset="two")
    found = stand(runs, "m")
    assert (list(found.pairs.differences), found.pairs.partial) == ([0, 1, 2], 5)
    assert all(abs(difference) < 1e-9 for difference in found.differences)
    assert "5 seeds without a pair on every data set left out" in line_of(runs, "m")


def test_a_method_that_supports_one_data_set_is_compared_there_and_leads_nobody_who_has_both() -> None:
    runs = [run for name in ("one", "two") for run in series(RANDOM_SEARCH, CLEAR, dataset=name)]
    runs += [run for name in ("one", "two") for run in series("both", [a + 0.01 for a in CLEAR], dataset=name)]
    runs += series("half", [a + 0.05 for a in CLEAR], dataset="one")
    runs += series("half", [None] * len(CLEAR), dataset="two", status="unsupported", reason="no")
    assert stand(runs, "half").pairs.datasets == ("one",)
    assert line_of(runs, "half").startswith("- half in cell: on one only, better than random search, +5.00 points")
    assert " only, " not in line_of(runs, "both")
    assert "both is in front, +1.00 points" in told(runs)


def test_a_seed_that_failed_on_one_of_several_data_sets_says_on_which() -> None:
    runs = [run for name in ("one", "two") for run in series(RANDOM_SEARCH, CLEAR, dataset=name)]
    runs += series("m", [a + 0.01 for a in CLEAR], dataset="one")
    runs += series("m", [None, *(a + 0.01 for a in CLEAR[1:])], dataset="two")
    assert "1 lower because it failed on two; " in line_of(runs, "m")


def test_each_failure_is_told_with_its_own_data_set() -> None:
    runs = series(RANDOM_SEARCH, CLEAR, dataset="one") + series(RANDOM_SEARCH, [None, *CLEAR[1:]], dataset="two")
    better = [a + 0.01 for a in CLEAR]
    runs += series("m", [better[0], None, *better[2:]], dataset="one") + series("m", better, dataset="two")
    line = line_of(runs, "m")
    assert "; 1 lower because it failed on one; 1 higher because random search failed on two; " in line


def test_a_seed_in_which_both_failed_on_one_data_set_has_no_mean_over_the_others() -> None:
    up = [a + 0.1 for a in CLEAR]
    runs = series(RANDOM_SEARCH, [None, *CLEAR[1:]], dataset="one") + series("m", [None, *up[1:]], dataset="one")
    runs += series(RANDOM_SEARCH, CLEAR, dataset="two") + series("m", CLEAR, dataset="two")
    assert "higher in 7, equal in 1, lower in 0 of 8 seeds; 1 equal because both failed on one; " in line_of(runs, "m")
    assert "+5.00 points where neither failed" in line_of(runs, "m")


def test_where_each_has_failed_on_another_data_set_not_all_runs_have() -> None:
    runs = series(RANDOM_SEARCH, CLEAR, dataset="one") + series(RANDOM_SEARCH, [None] * 8, dataset="two")
    runs += series("m", [None] * 8, dataset="one") + series("m", CLEAR, dataset="two")
    assert "all runs" not in told(runs)
    assert "8 equal because both failed on one and two; " in line_of(runs, "m")


def test_seeds_that_are_left_out_are_told_also_where_nothing_else_is() -> None:
    runs = [run for name in ("one", "two") for run in series(RANDOM_SEARCH, CLEAR, dataset=name)]
    runs += series("m", CLEAR, dataset="one") + series("m", CLEAR[:2], dataset="two")
    assert "Up to 6 seeds of a method are left out, without a pair on every data set." in told(runs)
    runs = [run for name in ("one", "two") for run in series(RANDOM_SEARCH, CLEAR, dataset=name)]
    runs += series("m", CLEAR[:4], dataset="one") + series("m", CLEAR[4:], first=4, dataset="two")
    assert "nothing can be told, because no method has a seed with a pair on every data set" in told(runs)


def test_a_leader_is_compared_with_those_that_have_its_data_sets() -> None:
    """The others were never beside it, whatever they did elsewhere."""
    sets = {"a": "one", "b": "one", "c": "two", "d": "two"}
    shifts = {"a": 0.02, "b": 0.01, "c": 0.01, "d": -0.05}
    runs = [run for name in ("one", "two") for run in series(RANDOM_SEARCH, CLEAR * 2, dataset=name)]
    for name, dataset in sets.items():
        runs += series(name, [a + shifts[name] + 1e-4 * n for n, a in enumerate(CLEAR * 2)], dataset=dataset)
    made = told(runs)
    assert "a is in front, +2.08 points over random search. Worse than it beyond chance: b." in made
    assert "Without one of its data sets, and not compared with it: c and d." in made


# Why nothing can be told


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        (series("m", CLEAR), "random search was not run in the space of any method"),
        (series(RANDOM_SEARCH, [None] * 8) + series("m", [None] * 8), "all runs of these methods and of random search"),
        (series(RANDOM_SEARCH, [None] * 2) + series("m", [None] * 2), "all runs of these methods and of random search"),
        (
            series(RANDOM_SEARCH, CLEAR) + series("m", [None] * 8, status="unsupported", reason="no"),
            "none of the methods is supported there",
        ),
        (series(RANDOM_SEARCH, CLEAR[:2]) + series("m", CLEAR[:3], first=4), "no method has a seed in common"),
    ],
    ids=["no random search", "all failed", "two failed", "unsupported", "other seeds"],
)
def test_why_nothing_can_be_told_is_the_reason(runs: list[Run], why: str) -> None:
    assert f"nothing can be told, because {why}" in told(runs)


def test_who_is_better_by_the_failures_of_random_search_leads_by_no_mean() -> None:
    runs = series(RANDOM_SEARCH, [0.9, *[None] * 9]) + series("m", [0.88] * 10) + series("n", [0.87] * 10)
    assert stand(runs, "m").outcome == "better"
    assert "in front" not in told(runs)


def test_a_method_without_a_pair_is_named_with_the_reason() -> None:
    runs = series(RANDOM_SEARCH, CLEAR) + series("m", [a + 0.01 for a in CLEAR])
    strangers = [*runs, *series("late", CLEAR, first=50), *series("later", CLEAR, first=50)]
    assert "not compared (no seed with a result of theirs and of random search: the table says why): late" in told(
        strangers
    )
    assert "late in cell; later in cell" in told(strangers)
    elsewhere = [*runs, *series("enas_macro", CLEAR)]
    assert "not compared (random search was not run in their space): ENAS" in told(elsewhere)
    assert "not compared" not in told(runs)


def test_more_seeds_are_told_only_where_two_differ() -> None:
    def words(shifts: Sequence[float]) -> str:
        runs = series(RANDOM_SEARCH, [0.5] * len(shifts)) + series("m", [0.5 + shift / 100 for shift in shifts])
        return line_of(runs, "m")

    few = "too few seeds differ to say how many would tell"
    for shifts in ([1.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0]):
        assert few in words(shifts)
    for shifts in ([1.0, 2.0, 0.0], [-1.0, -2.0, 0.0], [1.0, 1.5, 2.0]):
        needed = pairs_for_power(shifts, stats.LEVEL)
        assert needed is not None
        assert f"about {needed - len(shifts)} more seeds would tell" in words(shifts)
    assert f"more than {MOST:,} seeds would be needed" in words([1.0, -1.0, 0.001])


def test_a_method_that_is_told_apart_asks_for_no_seeds_and_frees_level_for_the_others() -> None:
    """Holm's correction tests those that are left at the level shared by them."""
    shift = [1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 1.5]
    clear = [a + 0.02 + 0.0001 * n for n, a in enumerate(CLEAR)]
    runs = series(RANDOM_SEARCH, CLEAR) + series("m", [a + b / 100 for a, b in zip(CLEAR, shift, strict=True)])
    alone, beside = stand(runs, "m"), stand([*runs, *series("clear", clear)], "m")
    assert alone.outcome == beside.outcome == "undecided"
    assert alone.seeds_needed == beside.seeds_needed == pairs_for_power(alone.differences, stats.LEVEL)
    assert stand([*runs, *series("clear", clear)], "clear").seeds_needed is None
    third = [*runs, *series("n", [a - b / 100 for a, b in zip(CLEAR, shift, strict=True)])]
    assert stand(third, "m").seeds_needed == pairs_for_power(alone.differences, stats.LEVEL / 2)


def test_what_the_tables_mark_is_counted_once() -> None:
    def marked(capped: int, over: int) -> str:
        runs = series(RANDOM_SEARCH, CLEAR) + series("m", CLEAR)
        for n in range(capped):
            runs[n] = make(RANDOM_SEARCH, CLEAR[n], n, final={"capped": True})
        for n in range(over):
            runs[8 + n] = make("m", CLEAR[n], n, search={"share": 1.06})
        return told(runs)

    assert "The tables mark them." not in marked(0, 0)
    assert "3 of 16 final trainings were cut short by the cap in seconds. The tables mark them." in marked(3, 0)
    assert "2 of 16 searches spent more than 1.05 times their budget. The tables mark them." in marked(0, 2)


def test_the_meaning_of_the_numbers_is_told_where_there_are_some() -> None:
    assert "Wilcoxon" in told(series(RANDOM_SEARCH, CLEAR[:3]) + series("m", CLEAR[:3]))
    assert "Wilcoxon" not in told(series(RANDOM_SEARCH, CLEAR[:2]) + series("m", CLEAR[:2]))
    both = series(RANDOM_SEARCH, CLEAR) + series("m", CLEAR)
    assert told([*both, counted(RANDOM_SEARCH, 0.9)]).count("Wilcoxon") == 1


# Several networks together


def together(method: str, accuracies: Sequence[float | None], members: int = 3) -> list[Run]:
    """Runs whose result is an ensemble."""
    networks = [{"rank": 1, "member": n + 1, "genotype": f"cell:{n}"} for n in range(members)]
    return series(method, accuracies, networks=networks)


def test_ensembles_are_compared_with_no_single_network() -> None:
    """An ensemble that is better in every seed has neither RI nor test, is in no count, and the report says why."""
    runs = series(RANDOM_SAMPLING, [0.7] * 8) + series(RANDOM_SEARCH, CLEAR) + series("m", [a + 0.01 for a in CLEAR])
    both = [*runs, *together("nes", [a + 0.05 for a in CLEAR])]
    block = block_of(both)
    nes = method_of(block, "nes")
    assert [method.name for method in compared(block)] == ["m"]
    assert result_of(block, "fashion_mnist", nes).improvement is None
    assert result_of(block, "fashion_mnist", method_of(block, "m")).improvement is not None
    assert "the one method compared beats random search" in told(both)
    assert "- not compared (trained otherwise, or several networks): nes in cell" in told(both)
    text = markdown(performance(both))
    assert "nes (3 networks). Their parameters" in text
    assert "there is no RI and no test" in text
    assert "several networks [1]" in text
    assert "1. nes on fashion_mnist: its result is that of several networks together." in text
    page = markdown(statistics(both))
    assert "Not compared (trained otherwise, or several networks): nes." in page
    assert "| fashion_mnist | nes |" not in page
    assert stand(both, "m").corrected == stand(runs, "m").corrected
    alone = told(series(RANDOM_SEARCH, CLEAR) + together("nes", CLEAR))
    assert "nothing to compare, because nes is left out (trained otherwise, or several networks)." in alone


# Searches that are the same


def searched(method: str, seeds: int, dataset: str = "table", *, twin: str = "", shift: float = 0.0) -> list[Run]:
    """Searches on a table with logs; those of ``twin`` go the same way as these."""
    way = twin or method
    return [
        with_logs(
            tabular(
                method,
                0.8 + shift + 0.001 * (seed + len(way) * seed % 5),
                seed,
                dataset=dataset,
                proposal=f"nasbench201:{way}{seed}",
                recipes={"proxy": {"signal": dataset}, "final": {"table": dataset}},
            ),
            *((float(step), 0.1 * step + 0.01 * len(way)) for step in range(1, 4)),
        )
        for seed in range(seeds)
    ]


def test_searches_that_evaluated_other_networks_are_not_the_same() -> None:
    """On a table no evaluations are logged, and under one seed two methods may come by the same incumbents."""

    def one(method: str, unique: int) -> Run:
        run = make(method, 0.9, proposal="x:1", search={"charged": 50.0, "evaluations": 50, "unique": unique})
        return replace(run, proposals=({"genotype": "x:1", "accuracy": 0.8, "spent": 3.0, "shared_weights": False},))

    chance, evolution, other = one(RANDOM_SEARCH, 48), one("evolution", 33), one("local", 49)
    assert "are the same searches" not in told([chance, evolution, other])
    assert "are the same searches" in told([chance, evolution, one("local", 33)])


def test_searches_that_are_the_same_are_tested_once_and_named() -> None:
    """One method is another one run for run, with fewer seeds: one comparison, one rank, and the report says so."""
    sets = ("a", "b", "c", "d", "e")
    runs = [
        run
        for name in sets
        for run in (
            *searched(RANDOM_SEARCH, 12, name),
            *searched("evolution", 12, name, shift=0.01),
            *searched("other", 12, name, shift=0.005),
        )
    ]
    copies = [run for name in sets for run in searched("transfer", 8, name, twin="evolution", shift=0.01)]
    alone, both = block_of(runs), block_of([*runs, *copies])
    assert [method.name for method in compared(both)] == ["evolution", "other"]
    for name in ("evolution", "other"):
        assert stand([*runs, *copies], name) == stand(runs, name), "no other correction than without the copy"
    words = "evolution and transfer are the same searches, with the same proposals at the same cost"
    assert words in told([*runs, *copies])
    assert "They are tested once, as evolution." in told([*runs, *copies])
    assert "- not compared (tested as evolution, whose searches are the same): transfer" in told([*runs, *copies])
    assert "the same searches, with" not in told(runs)
    assert "Not compared (tested as evolution, whose searches are the same): transfer." in markdown(
        statistics([*runs, *copies])
    )
    ranked, before = ranking(both, "nasbench201"), ranking(alone, "nasbench201")
    assert not isinstance(ranked, str)
    assert ranked == before


@pytest.mark.parametrize("difference", ["proposal", "cost", "step", "failure", "no log", "result"])
def test_searches_that_differ_once_are_two(difference: str) -> None:
    runs = searched(RANDOM_SEARCH, 8) + searched("evolution", 8)
    copies = searched("transfer", 8, twin="evolution")
    [*same, last] = copies
    record = last.record
    match difference:
        case "proposal":
            last = replace(last, record=replace(record, proposal="nasbench201:x"))
        case "cost":
            last = replace(last, record=replace(record, search=record.search | {"charged": 1.0}))
        case "step":
            last = replace(last, proposals=last.proposals[:-1])
        case "failure":
            last = replace(last, record=replace(record, status="failed", test_accuracy=None))
        case "no log":
            copies = [replace(run, proposals=()) for run in copies]
            runs = [replace(run, proposals=()) for run in runs]
            [*same, last] = copies
        case "result":
            last = replace(last, record=replace(record, test_accuracy=0.1))
    assert [method.name for method in compared(block_of([*runs, *copies]))] == (
        ["evolution", "transfer"] if difference == "no log" else ["evolution"]
    )
    assert [method.name for method in compared(block_of([*runs, *same, last]))] == ["evolution", "transfer"]


def test_methods_without_a_seed_in_common_are_two() -> None:
    runs = searched(RANDOM_SEARCH, 8) + searched("evolution", 4) + searched("transfer", 8, twin="evolution")[4:]
    assert [method.name for method in compared(block_of(runs))] == ["evolution", "transfer"]


def test_a_method_that_is_random_search_run_for_run_is_not_tested() -> None:
    """With a few children evolution and local search still draw at random."""
    others = searched(RANDOM_SEARCH, 8) + searched("gp", 8, shift=0.01)
    copies = [run for name in ("evolution", "climbs") for run in searched(name, 8, twin=RANDOM_SEARCH)]
    assert [method.name for method in compared(block_of([*others, *copies]))] == ["gp"]
    assert stand([*others, *copies], "gp") == stand(others, "gp"), "no other correction than without them"
    made = told([*others, *copies])
    assert "are random search itself at this budget, with the same proposals at the same cost" in made
    assert "- not compared (random search itself at this budget): " in made
    alone = told(searched(RANDOM_SEARCH, 8) + searched("evolution", 8, twin=RANDOM_SEARCH))
    assert "nothing to compare, because evolution is left out (random search itself at this budget)." in alone
    few = searched(RANDOM_SEARCH, 2) + searched("evolution", 2, twin=RANDOM_SEARCH)
    assert [method.name for method in compared(block_of(few))] == ["evolution"], "two seeds may be a coincidence"
    for seeds, tested in ((19, ["evolution"]), (20, [])):
        blind = searched(RANDOM_SEARCH, seeds) + searched("evolution", seeds, twin=RANDOM_SEARCH)
        blind = [replace(run, evaluations=()) for run in blind]
        assert [method.name for method in compared(block_of(blind))] == tested, "proposals alone are often the same"
    [last, *others] = searched("evolution", 8, twin=RANDOM_SEARCH)
    other = replace(last, evaluations=({**last.evaluations[0], "genotype": "cell:x"}, *last.evaluations[1:]))
    strays = [*searched(RANDOM_SEARCH, 8), other, *others]
    assert [method.name for method in compared(block_of(strays))] == ["evolution"], "it has tried something else"
