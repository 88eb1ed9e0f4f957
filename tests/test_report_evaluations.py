"""Regret and rank over evaluations: recounted from logs whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import InputError
from harness.core.record import Record, Run
from harness.core.table import Signal, Table
from harness.report.evaluations_plot import draw
from harness.report.forms.markdown import markdown
from harness.report.model.groups import blocks
from harness.report.stats.evaluations import page, points_of, progress, ranks, verdicts
from harness.report.stats.verdict import standings
from harness.spaces import get_space

SPACE = get_space("nasbench201")
TEXTS = tuple(genotype.text for genotype, _ in zip(SPACE.every(), range(5), strict=False))
SCORES = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
TABLE = Table("t", SPACE, TEXTS, {"v": Signal(SCORES, np.ones(5))}, SCORES)
STEPS = 7
"""Gradient steps of an evaluation."""


def run(method: str, seed: int, proposals: list[tuple[int, int]], *, evaluations: int = 50, status: str = "ok") -> Run:
    """A search that has proposed these rows of the table after so many evaluations."""
    record = Record(
        status=status,  # type: ignore[arg-type]
        reason="",
        profile="table",
        dataset="t",
        space=SPACE.name,
        method=method,
        title=method.title(),
        seed=seed,
        budget="50 evals",
        search={"evaluations": evaluations, "steps": evaluations * STEPS, "charged": float(evaluations)},
    )
    rows = [
        {"genotype": TEXTS[row], "accuracy": 0.5, "spent": float(after * STEPS), "shared_weights": False}
        for after, row in proposals
    ]
    return Run(Path("x"), record, (), tuple(rows))  # type: ignore[arg-type]


def test_what_was_proposed_last_counts() -> None:
    runs = [run("one", 0, [(1, 0), (10, 1), (11, 4)]), run("one", 1, [(1, 2), (30, 3)])]
    [one] = progress(runs, TABLE, (10, 20, 50))
    assert one.regrets == pytest.approx(np.array([[30.0, 0, 0], [20, 20, 10]]))
    assert one.mean() == pytest.approx([25, 10, 5])
    assert np.isnan(one.intervals()).all(), "two seeds have none"


def test_points_are_those_that_every_search_has_reached() -> None:
    assert points_of([run("one", 0, [(1, 0)]), run("two", 0, [(1, 0)], evaluations=30)]) == (10, 20)
    assert points_of([run("one", 0, [(1, 0)], evaluations=7)]) == (7,)
    assert points_of([run("one", 0, [], evaluations=0), run("two", 0, [], status="failed")]) == ()


def test_ranks_are_among_the_methods_with_the_most_seeds() -> None:
    runs = [run("bad", seed, [(1, 0)]) for seed in range(4)] + [run("good", seed, [(1, 4)]) for seed in range(4)]
    runs += [run("rare", 0, [(1, 4)]), *(run("late", seed, [(15, 4)]) for seed in range(4))]
    methods = progress(runs, TABLE, (10, 20))
    found = dict(zip([one.method for one in methods], ranks(methods).tolist(), strict=True))
    assert found["good"] == [1, 1.5]
    assert found["bad"] == [2, 3]
    assert np.isnan(found["rare"]).all()
    assert np.isnan(found["late"][0])
    assert found["late"][1] == 1.5


def test_ranks_compare_equal_seeds() -> None:
    rows = (0, 2, 4)
    runs = [run("one", seed, [(1, row)]) for seed, row in enumerate(rows)]
    runs += [run("two", seed, [(1, row)]) for seed, row in reversed(list(enumerate(rows)))]
    assert ranks(progress(runs, TABLE, (10,))).tolist() == [[1.5], [1.5]]
    runs = [run("low", seed, [(1, 0)]) for seed in (0, 1)] + [run("high", seed, [(1, 1)]) for seed in (1, 2)]
    runs += [run("best", seed, [(1, 4)]) for seed in (2, 1)]
    assert ranks(progress(runs, TABLE, (10,))).tolist() == [[3], [2], [1]]


def test_parts_of_trainings_are_counted_as_what_they_cost() -> None:
    """Fifty evaluations' worth of steps but one, spent on two hundred parts; look-ups have no log of evaluations."""
    whole, parts = run("one", 0, [(30, 4)]), run("parts", 0, [(30, 4)], evaluations=200)
    steps = 50 * STEPS - 1
    parts = replace(
        parts, record=replace(parts.record, search={"evaluations": 200, "steps": steps, "charged": steps / STEPS})
    )
    assert points_of([parts]) == points_of([whole]) == (10, 20, 50)
    assert [one.regrets[0, 2] for one in progress([whole, parts], TABLE, (10, 20, 50))] == [0, 0]
    assert [bool(np.isnan(one.regrets[0, 1])) for one in progress([whole, parts], TABLE, (10, 20, 50))] == [True] * 2


@pytest.mark.parametrize("budget", ["60s", "500 steps", "2e12 macs"])
def test_budgets_in_another_unit_are_refused(budget: str) -> None:
    one = run("one", 0, [(1, 0)])
    with pytest.raises(InputError, match="evals only"):
        page("t", [replace(one, record=replace(one.record, budget=budget))], TABLE)


def test_better_and_worse_are_said_beyond_chance_only() -> None:
    seeds = range(12)
    runs = [run("random_search", seed, [(1, 2)]) for seed in seeds]
    runs += [run("better", seed, [(1, 2), (15, 3 + seed % 2)]) for seed in seeds]
    runs += [run("worse", seed, [(1, seed % 2)]) for seed in seeds]
    runs += [run("alike", seed, [(1, 1 + 2 * (seed % 2))]) for seed in seeds]
    said = verdicts(progress(runs, TABLE, (10, 20)))
    assert said == {("better", 1): "better", ("worse", 0): "worse", ("worse", 1): "worse"}
    assert verdicts(progress(runs[12:], TABLE, (10, 20))) == {}


def after(method: str, rows: list[int]) -> list[Run]:
    """A search per seed that has proposed that row of the table."""
    return [run(method, seed, [(1, row)]) for seed, row in enumerate(rows)]


@pytest.mark.parametrize("seeds", [5, 6, 7, 8, 12])
@pytest.mark.parametrize("others", [0, 1, 3])
def test_the_level_is_shared_by_the_comparisons_of_a_table(seeds: int, others: int) -> None:
    """Of n seeds that all say the same the exact p is 2/2^n; Holm's correction multiplies the smallest by their
    number."""
    runs = [run("random_search", seed, [(1, 0)]) for seed in range(seeds)]
    methods = progress([*runs, *after("m", [4] * seeds)], TABLE, (10,))
    methods[1] = replace(methods[1], regrets=methods[1].regrets + np.arange(seeds)[:, None])
    even = methods[0].regrets + np.array([[0.5 * (-1) ** seed * (1 + seed)] for seed in range(seeds)])
    methods += [replace(methods[0], method=f"o{n}", regrets=even) for n in range(others)]
    beyond = (1 + others) * 2 / 2**seeds <= 0.05
    few = {} if beyond else {("m", 0): "too few seeds"} | {(f"o{n}", 0): "too few seeds" for n in range(others)}
    assert verdicts(methods) == ({("m", 0): "better"} if beyond else few)


def test_one_pair_or_no_difference_says_nothing() -> None:
    reference = after("random_search", [2] * 12)
    assert verdicts(progress([*reference, run("m", 0, [(1, 4)])], TABLE, (10,))) == {("m", 0): "too few seeds"}
    assert verdicts(progress([*reference, *after("m", [2] * 12)], TABLE, (10,))) == {}
    late = [run("m", seed, [(15, 4)] if seed else []) for seed in range(12)]
    assert verdicts(progress([*reference, *late], TABLE, (10, 20))) == {}, "a seed without a result is no comparison"
    two = [*reference[:2], *after("m", [4, 3])]
    few = {("m", 0): "too few seeds"}
    assert verdicts(progress(two, TABLE, (10,))) == few, "the smallest p of two pairs is a half"


def scored(method: str, rows: list[int | None]) -> list[Run]:
    """A search per seed that has proposed that row of the table in the end, with its score; or failed."""
    runs = []
    for seed, row in enumerate(rows):
        one = run(method, seed, [] if row is None else [(1, row)], status="failed" if row is None else "ok")
        facts = {"test_accuracy": None if row is None else float(SCORES[row]), "recipes": {"final": {"table": "t"}}}
        lost = {"search": {}} if row is None else {}
        runs.append(replace(one, record=replace(one.record, **facts, **lost)))  # type: ignore[arg-type]
    return runs


@pytest.mark.parametrize("seeds", [7, 12, 60])
@pytest.mark.parametrize("draw_of", range(4))
def test_after_all_evaluations_the_report_says_the_same(seeds: int, draw_of: int) -> None:
    """Of the same searches, failed ones among them, as statistics.md and the verdict have it."""
    rng = np.random.default_rng(draw_of)
    runs = scored("random_search", rng.integers(0, 4, seeds).tolist())
    for number, least in enumerate((0, 2, 3)):
        rows: list[int | None] = rng.integers(least, 5, seeds).tolist()
        for lost in rng.choice(seeds, number * seeds // 12, replace=False):
            rows[lost] = None
        runs += scored(f"m{number}", rows)
    runs[0] = scored("random_search", [None])[0]
    [block] = blocks(runs)
    told = {(one.method.name, 0): one.outcome for one in standings(block) if one.outcome in ("better", "worse")}
    assert verdicts(progress(runs, TABLE, (50,))) == told
    assert told or seeds < 60
    assert [len(one.failed) for one in progress(runs, TABLE, (50,))] == [1, 0, seeds // 12, 2 * seeds // 12]


def test_a_failed_run_is_worse_than_any_result_and_is_counted() -> None:
    """A method that fails on every other seed does not win by the others."""
    halves: list[int | None] = [4, None] * 8
    runs = [*scored("random_search", [2] * 16), *scored("fails", halves), *scored("lost", [None] * 16)]
    methods = progress(runs, TABLE, (10, 50))
    assert verdicts(methods) == {("lost", 0): "worse", ("lost", 1): "worse"}
    assert ranks(methods).tolist() == [[1.5] * 2, [1.75] * 2, [2.75] * 2]
    assert methods[1].mean() == pytest.approx([0, 0])
    rows = {row[0].text: row for row in page("t", runs, TABLE)[-1].rows}  # type: ignore[union-attr]
    assert rows["Fails"][1].asides == ("8 failed",)
    assert (rows["Lost"][1].text, rows["Lost"][1].asides) == ("0", ("16 failed",))
    assert rows["Lost"][2].asides == ("rank 2.8, worse",)
    better = [*scored("random_search", halves), *scored("m", [0] * 16)]
    assert verdicts(progress(better, TABLE, (50,))) == {}, "eight pairs speak for each side"
    lost = [*scored("random_search", [None] * 16), *better[16:]]
    assert verdicts(progress(lost, TABLE, (50,))) == {("m", 0): "better"}


def test_what_only_samples_is_no_search_also_where_it_failed(tmp_path: Path) -> None:
    runs = [*after("random_search", [2] * 4), *scored("random_sampling", [None] * 4)]
    runs += [run("own", 0, [(0, 4)], evaluations=0), *scored("own", [4, None])[1:]]
    assert [one.method for one in progress(runs, TABLE, (10,))] == ["random_search"]
    lost = scored("m", [None] * 4)
    assert "No run on t" in markdown(page("t", lost, TABLE))
    draw({"a": progress(lost, TABLE, points_of(lost))}, points_of(lost), {}, tmp_path / "plot.png")


def test_methods_stand_in_the_order_of_their_last_regret_and_those_without_one_last() -> None:
    runs = [*after("poor", [0, 1]), *after("best", [4, 3]), run("none", 0, []), *after("good", [3, 2])]
    sheet = page("t", runs, TABLE)[-1]
    assert [row[0].text for row in sheet.rows] == ["Best", "Good", "Poor", "None"]  # type: ignore[union-attr]
    numbers = [methods.last() for methods in progress(runs, TABLE, (20,))]
    assert numbers == pytest.approx([35.0, 5.0, np.inf, 15.0])


def test_the_last_evaluation_that_fits_counts_and_the_next_does_not() -> None:
    """Also where the log has a rounding error in what was spent."""
    one = run("one", 0, [(1, 0), (10, 4)])
    rows = tuple(row | {"spent": row["spent"] * (1 + 1e-12)} for row in one.proposals)
    for log in (one.proposals, rows):
        [found] = progress([replace(one, proposals=log)], TABLE, (9, 10))
        assert found.regrets == pytest.approx(np.array([[40.0, 0.0]]))


def test_one_seed_has_no_interval_and_a_failed_run_no_regret() -> None:
    [one] = progress([run("one", 0, [(1, 0)]), run("one", 1, [(1, 0)], status="failed")], TABLE, (10, 20))
    assert one.seeds == (0,)
    assert np.isnan(one.intervals()).tolist() == [[True, True]] * 2
    assert "40.00 |" in markdown(page("t", [run("one", 0, [(1, 0)])], TABLE)).replace("<br><sub>rank –</sub>", "")


def test_methods_with_the_same_searches_are_one_and_methods_that_are_not_blind_are_named() -> None:
    rows = [1, 3, 2, 4]
    runs = [*scored("random_search", [0, 1, 2, 3]), *scored("one", list(rows)), *scored("twin", list(rows))]
    runs = [replace(one, record=replace(one.record, seen=one.record.method == "twin")) for one in runs]
    runs = [replace(one, record=replace(one.record, proposal=TEXTS[one.record.seed])) for one in runs]
    assert [one.method for one in progress(runs, TABLE, (10,))] == ["random_search", "one"]
    text = markdown(page("t", runs, TABLE))
    assert "One and Twin are the same searches" in text
    assert "Not blind, because test results of the data had been seen when their settings were made: Twin." in text


def test_the_page_and_the_figure_hold_every_method(tmp_path: Path) -> None:
    runs = [run(name, seed, [(1, seed)]) for name in ("random_search", "other") for seed in range(4)]
    runs.append(run("rare", 0, [(15, 4)]))
    text = markdown(page("t", runs, TABLE))
    for name in ("Random_Search", "Other", "Rare"):
        assert f"| {name}" in text.replace("\\", "")
    assert "after 50 evaluations" in text
    assert "25.00 (4.46 to 45.54)" in text
    methods = progress(runs, TABLE, (10, 20))
    draw({"a": methods, "b": methods}, (10, 20), {"random_search": 0, "other": 1, "rare": 2}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert "no run" in markdown(page("t", [], TABLE)).lower()


def test_a_method_with_fewer_seeds_stands_below_however_good_its_mean_is() -> None:
    runs = [*scored("many", [1, 1, 1]), *scored("few", [4])]
    sheet = page("t", runs, TABLE)[-1]
    assert [row[0].text for row in sheet.rows] == ["Many", "Few"]  # type: ignore[union-attr]
