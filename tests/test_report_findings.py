"""Findings of the regression gate at their borders: a collapse, a mixed machine, the words of a summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from report_records import PROVENANCE, counted, make, tabular

from harness.core.record import Run
from harness.report.gate.baseline import StoredBaseline, rows_of
from harness.report.gate.chance import LEVEL
from harness.report.gate.check import Finding, Verdict, check, summary


def series(kind: Any, percents: Sequence[float | None], method: str = "darts", **changes: object) -> list[Run]:
    return [kind(method, None if p is None else p / 100, seed, **changes) for seed, p in enumerate(percents)]


def checked(before: Sequence[Run], after: Sequence[Run], accept: Sequence[str] = ()) -> list[Finding]:
    return check(after, StoredBaseline("stored", (), tuple(rows_of(before))), accept)


def only(before: Sequence[Run], after: Sequence[Run]) -> Finding:
    [finding] = checked(before, after)
    return finding


@pytest.mark.parametrize("spread", [0.2, 1.0, 4.0])
def test_a_seed_has_collapsed_that_lies_far_below_the_lowest_stored_one(spread: float) -> None:
    """By ten points at least, and by three times the stored range where seeds differ more than that."""
    values = [90.0 - spread, 90.0, 90.0 + spread]
    reach = max(10.0, 3 * 2 * spread)
    for beyond, told in ((0.01, True), (-0.01, False)):
        after = [90.1, 90.0, values[0] - reach - beyond]
        finding = only(series(make, values), series(make, after))
        assert ("far below anything stored: seed 2" in finding.why) == told
        assert not told or finding.verdict == "regression"


def test_nothing_is_a_collapse_where_stored_seeds_lie_that_far_apart() -> None:
    finding = only(series(make, [15.0, 30.0, 46.0]), series(make, [15.0, 30.0, 4.0]))
    assert "far below anything stored" not in finding.why


def test_a_change_beyond_what_chance_allows_is_better_or_a_regression() -> None:
    stored = series(make, [90.0, 90.1, 90.2, 90.0, 90.1])
    allowed = float(only(stored, series(make, [90.1, 90.0, 90.2, 90.0, 90.1])).why.split()[2])
    for change, verdict in ((-1.2, "regression"), (-0.8, "within spread"), (0.8, "within spread"), (1.2, "better")):
        after = [value + change * allowed for value in (90.0, 90.1, 90.2, 90.0, 90.1)]
        assert only(stored, series(make, after)).verdict == verdict


def test_counted_rows_from_several_machines_never_repeat_exactly() -> None:
    two = [replace(run, record=replace(run.record, provenance=PROVENANCE | {"cpu": str(n % 2)})) for n, run in NUMBERED]
    finding = only(two, [*two[:4], make_again(two[4], 0.9005)])
    assert finding.how == "statistical"
    assert "because the machine or the versions differ (the baseline itself comes from several machines)" in finding.why
    one = [run for _, run in NUMBERED]
    assert only(one, [*one[:4], make_again(one[4], 0.9005)]).how == "exact"
    timed = series(make, [90.0, 90.1])
    assert "compared statistically, not exactly" not in only(timed, series(make, [90.1, 90.0])).why


NUMBERED = list(enumerate(series(counted, [90.0, 90.1, 90.2, 90.0, 90.1])))


def make_again(run: Run, accuracy: float) -> Run:
    return replace(run, record=replace(run.record, test_accuracy=accuracy))


def test_equal_rows_have_the_same_seeds_where_they_need_not_be_exact() -> None:
    stored = series(make, [90.0, 90.1, 90.2])
    assert only(stored, stored).verdict == "same"
    assert only(stored, series(make, [90.0, 90.1, 90.2, 90.1])).how == "statistical"
    assert only(stored, stored[:2]).how == "statistical"
    table = series(tabular, [90.0, 90.1, 90.2])
    assert only(table, series(tabular, [90.0, 90.1, 90.2, 10.0])).verdict == "same", "only its own seeds count"


def test_what_no_number_of_seeds_would_decide_is_told() -> None:
    """A stored mean that is no better than a guess can lose nothing."""
    finding = only(series(make, [50.0, 49.0, 51.0]), series(make, [50.1, 49.0, 51.0]))
    assert finding.verdict == "undecided"
    assert "distance to a guess (50.00 %)" in finding.why
    assert finding.why.endswith("no number of seeds would help")
    wide = only(series(make, [90.0, 80.0, 70.0]), series(make, [89.0, 80.0, 70.0]))
    assert "that is more than 5 points" in wide.why
    assert wide.why.endswith("stored and new seeds could decide it")


def test_other_settings_hide_no_regression_and_are_named_beside_it() -> None:
    before = series(counted, [90.0, 90.1], settings={"rate": 1})
    for percents, verdict in (([90.0, 90.1], "changed"), ([80.0, 80.1], "regression"), ([91.0, 91.1], "changed")):
        finding = only(before, series(counted, percents, settings={"rate": 2}))
        assert (finding.verdict, finding.why.split(";")[0]) == (verdict, "other settings (rate 1, now 2)")
    lost = only(before, [*series(counted, [90.0], settings={"rate": 2}), *series(counted, [None, None])[1:]])
    assert lost.verdict == "regression"


def test_a_new_row_says_why_it_is_new() -> None:
    stored = series(make, [90.0])
    findings = checked(stored, [*stored, *series(make, [80.0], "nas_rl"), *series(make, [None], "enas_macro")])
    told = {finding.key.method: (finding.verdict, finding.why) for finding in findings[1:]}
    assert told == {
        "nas_rl": ("new", "the baseline has no such row"),
        "enas_macro": ("failed", "seed 0 failed: it ran out of memory"),
    }


def test_a_finding_as_a_line_has_both_means_and_their_difference() -> None:
    finding = only(series(make, [90.0, 92.0]), series(make, [91.0, 92.0]))
    short = finding.short()
    assert (short["before"], short["after"], short["change"]) == ("91.00 (2)", "91.50 (2)", "+0.50")
    gone = checked(series(make, [90.0]), [])[0].short()
    assert (gone["before"], gone["after"], gone["change"], gone["verdict"]) == ("90.00 (1)", "–", "–", "not run")
    assert finding.plain()["differences"] == ()


def test_a_summary_counts_rows_verdicts_tests_and_differences() -> None:
    [one] = checked(series(make, [90.0]), series(make, [90.1]))

    def finding(verdict: Verdict, how: Any = "", *elsewhere: str) -> Finding:
        return replace(one, verdict=verdict, how=how, elsewhere=elsewhere)

    assert summary([finding("same", "exact")]) == "1 row: 1 same"
    told = summary([finding("same"), finding("better", "statistical", "cpu A, now B"), finding("same")]).splitlines()
    assert told[0] == "3 rows: 2 same, 1 better"
    assert told[1].startswith(f"1 compared statistically, each at level {LEVEL:.2g}, ")
    assert told[1].endswith(f"has probability {LEVEL:g}")
    assert told[2:] == ["differs from the baseline: cpu A, now B (1 row)"]
    both = [finding("undecided", "statistical", "b", "a"), finding("undecided", "statistical", "a")]
    told = summary(both).splitlines()
    assert told[1].startswith(f"2 compared statistically, each at level {LEVEL / 2:.2g}, ")
    assert told[2:] == [
        "differs from the baseline: a (2 rows)",
        "differs from the baseline: b (1 row)",
    ]
