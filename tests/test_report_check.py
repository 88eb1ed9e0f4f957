"""The regression gate: exact rows exactly, the others with a known rate of false alarms; red when one got worse."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_records import PROVENANCE, counted, make, save, tabular, with_logs
from test_cli import call

from harness.core.errors import InputError
from harness.core.record import ProposalRow, Run
from harness.report.gate import chance
from harness.report.gate.baseline import StoredBaseline, read_baseline, rows_of, write_baseline
from harness.report.gate.chance import seeds_needed, tolerance, visible_drop
from harness.report.gate.check import Finding, check, exit_code, summary

KINDS: list[Callable[..., Run]] = [tabular, counted, make]
"""Factories of tabular, counted and timed runs."""


def stored(runs: Sequence[Run], directory: Path) -> StoredBaseline:
    """The baseline of ``runs``, written and read again."""
    path, _ = write_baseline(runs, "test", directory)
    return read_baseline(path)


def verdicts(runs: Sequence[Run], baseline: StoredBaseline) -> list[str]:
    return [finding.verdict for finding in check(runs, baseline)]


def elsewhere(run: Run, **changes: object) -> Run:
    """The run as if made on another machine."""
    return replace(run, record=replace(run.record, provenance=run.record.provenance | {"cpu": "another"} | changes))


def results(make_run: Callable[..., Run], accuracies: Sequence[float], method: str = "darts", **changes: object):
    return [make_run(method, float(accuracy), seed, **changes) for seed, accuracy in enumerate(accuracies)]


# The file


def test_a_baseline_reads_back_and_is_the_same_bytes_again(tmp_path: Path):
    runs = [run for kind in KINDS for run in results(kind, [0.9, 0.91, 0.92])]
    first, _ = write_baseline(runs, "one", tmp_path / "a" / "b")
    second, _ = write_baseline(runs[::-1], "one", tmp_path)
    assert first.read_bytes() == second.read_bytes()
    assert read_baseline(first).rows == tuple(rows_of(runs))
    assert sorted(row.kind for row in read_baseline(first).rows) == ["counted", "tabular", "timed"]
    assert read_baseline(first).commits == ("0123abc",)


@pytest.mark.parametrize(
    ("budget", "seconds", "kind"),
    [
        *(("40 steps", 0.0, "counted"), ("5 evals", 0.0, "counted"), ("2e12 macs", 0.0, "counted")),
        *(("60s", 0.0, "timed"), ("40 steps", 9.0, "timed")),
    ],
)
def test_a_row_is_counted_if_neither_search_nor_training_looks_at_the_clock(budget: str, seconds: float, kind: str):
    [row] = rows_of([counted("darts", 0.9, budget=budget, recipes={"final": {"seconds": seconds}})])
    assert row.kind == kind


def test_uncommitted_changes_are_told(tmp_path: Path):
    runs = [make("darts", 0.9), make("darts", 0.9, 1, provenance=PROVENANCE | {"dirty": True})]
    assert stored(runs, tmp_path).commits == ("0123abc", "0123abc-dirty")


@pytest.mark.parametrize(
    ("runs", "sentence"),
    [
        (
            [make("darts", 0.9), make("darts", None, 1)],
            r"darts on fashion_mnist, seed 1, .*out of memory.*retry-failed",
        ),
        ([make("darts", None, status="unsupported", reason="no images")], "nothing to compare with"),
        ([make("darts", 0.9, recipes={"final": {"steps": n}}, seed=n) for n in (1, 2)], "different recipes"),
    ],
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, runs: list[Run], sentence: str):
    with pytest.raises(InputError, match=sentence):
        write_baseline(runs, "test", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "../up", "a b", ".hidden"])
def test_a_name_is_no_path(tmp_path: Path, name: str):
    with pytest.raises(InputError, match="no name for a baseline"):
        write_baseline([make("darts", 0.9)], name, tmp_path)


def test_unsupported_rows_are_left_out_and_named(tmp_path: Path):
    runs = [tabular("random_search", 0.9), tabular("darts", None, status="unsupported", reason="it trains weights")]
    path, left_out = write_baseline(runs, "test", tmp_path)
    assert [row.key.method for row in read_baseline(path).rows] == ["random_search"]
    assert left_out == ["darts on nasbench201/cifar10 is left out: unsupported: it trains weights"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw.clear(),
        lambda raw: raw.update(schema=99),
        lambda raw: raw.update(rows=[]),
        lambda raw: raw.update(rows=raw["rows"] * 2),
        lambda raw: raw.update(rows=7),
        lambda raw: raw.pop("commits"),
        lambda raw: raw["rows"][0].pop("method"),
        lambda raw: raw["rows"][0].update(kind="fast"),
        lambda raw: raw["rows"][0].update(accuracies={}),
        lambda raw: raw["rows"][0].update(accuracies={"0": 90.0}),
        lambda raw: raw["rows"][0].update(accuracies={"0": math.nan}),
        lambda raw: raw["rows"][0].update(accuracies={"zero": 0.5}),
        lambda raw: raw["rows"][0].update(accuracies={"0": 10**400}),
        lambda raw: raw["rows"][0].update(proposals={}),
        lambda raw: raw["rows"][0].update(origins=3),
        lambda raw: raw["rows"][0].update(limits=3),
    ],
)
def test_a_damaged_baseline_is_one_sentence(tmp_path: Path, damage: Callable[[dict], object]):
    path, _ = write_baseline([make("darts", 0.9)], "test", tmp_path)
    raw = json.loads(path.read_text())
    damage(raw)
    path.write_text(json.dumps(raw))
    with pytest.raises(InputError, match=r"test\.json.*make one with"):
        read_baseline(path)


# Exact rows


@pytest.mark.parametrize("kind", [tabular, counted])
def test_an_exact_row_may_not_fall_by_anything(tmp_path: Path, kind: Callable[..., Run]):
    baseline = stored(results(kind, [0.9, 0.91, 0.92]), tmp_path)
    assert verdicts(results(kind, [0.9, 0.91, 0.92]), baseline) == ["same"]
    assert verdicts(results(kind, [0.9, 0.91, 0.9199]), baseline) == ["regression"]
    assert verdicts(results(kind, [0.9, 0.91, 0.9201]), baseline) == ["changed"]
    assert verdicts(results(kind, [0.92, 0.91, 0.9]), baseline) == ["changed"], "other seeds, the same mean"
    assert verdicts(results(kind, [0.9, 0.91, 0.92], proposal="another"), baseline) == ["changed"]
    [finding] = check(results(kind, [0.95, 0.9, 0.92]), baseline)
    assert "2 of 3 seeds differ (1 worse, 1 better, 0 in the architecture only)" in finding.why
    assert "renew the baseline" in finding.why


@pytest.mark.parametrize("kind", [tabular, counted])
def test_an_exact_row_needs_all_its_seeds_and_ignores_others(tmp_path: Path, kind: Callable[..., Run]):
    runs = results(kind, [0.9, 0.91, 0.92])
    baseline = stored(runs, tmp_path)
    [finding] = check(runs[:1], baseline)
    assert (finding.verdict, exit_code([finding])) == ("not run", 2)
    assert "1, 2" in finding.why
    assert verdicts([*runs, kind("darts", 0.1, 3)], baseline) == ["same"]


@pytest.mark.parametrize("lost", [{"evaluations": 54}, {"unique": 54}, {"charged": 10710.0}, {"steps": 7}])
def test_a_search_on_a_table_that_spent_or_evaluated_something_else_has_changed(
    tmp_path: Path, lost: dict[str, float]
) -> None:
    """Its log is not kept, and a tenth of the budget is often lost without a change of what is proposed."""
    proposed: ProposalRow = {"genotype": "nasbench201:0", "accuracy": 0.9, "spent": 100.0, "shared_weights": False}

    def runs(**counts: float) -> list[Run]:
        base = tabular("random_search", 0.9).record.search
        found = results(tabular, [0.9, 0.91, 0.92], search={**base, **counts})
        return [replace(run, proposals=(proposed,)) for run in found]

    baseline = stored(runs(), tmp_path)
    assert verdicts(runs(), baseline) == ["same"]
    assert verdicts(runs(**lost), baseline) == ["changed"]


def test_tabular_rows_are_exact_on_any_machine(tmp_path: Path):
    runs = results(tabular, [0.9, 0.91, 0.92])
    baseline = stored(runs, tmp_path)
    assert verdicts([elsewhere(run) for run in runs], baseline) == ["same"]
    [finding] = check([elsewhere(run) for run in results(tabular, [0.9, 0.91, 0.9199])], baseline)
    assert finding.verdict == "regression"
    assert "cpu not recorded, now another" in finding.why


def test_another_table_is_not_compared(tmp_path: Path):
    baseline = stored(results(tabular, [0.9, 0.91, 0.92]), tmp_path)
    other = results(tabular, [0.9, 0.91, 0.92], provenance=PROVENANCE | {"data": "sha256:beef"})
    [finding] = check(other, baseline)
    assert (finding.verdict, exit_code([finding])) == ("not run", 2)
    assert "other contents" in finding.why


def test_a_row_that_stops_repeating_itself_by_loading_tensorflow_or_by_a_clock_says_so(tmp_path: Path):
    baseline = stored(results(tabular, [0.9, 0.91, 0.92]), tmp_path)
    loaded = PROVENANCE | {"processes": {"search": {"tensorflow": "used"}}}
    assert verdicts(results(tabular, [0.9, 0.91, 0.92], provenance=loaded), baseline) == ["same"]
    for accuracies, verdict in (([0.9, 0.91, 0.9199], "regression"), ([0.9, 0.91, 0.9201], "changed")):
        [finding] = check(results(tabular, accuracies, provenance=loaded), baseline)
        assert (finding.how, finding.verdict) == ("exact", verdict)
        assert "stored as tabular and is counted now: its search has loaded TensorFlow" in finding.why
    baseline = stored(results(tabular, [0.9, 0.901, 0.902], provenance=loaded), tmp_path)
    [finding] = check(results(tabular, [0.9, 0.901, 0.9019]), baseline)
    assert (finding.how, finding.verdict) == ("statistical", "within spread")
    assert "stored as counted and is tabular now: its search no longer loads TensorFlow" in finding.why
    baseline = stored(results(counted, [0.9, 0.901, 0.902]), tmp_path)
    [before] = results(counted, [0.9])
    capped = results(counted, [0.9, 0.901, 0.9019], final=before.record.final | {"capped": True})
    [finding] = check(capped, baseline)
    assert (finding.how, finding.verdict) == ("statistical", "within spread")
    assert "because it was stored as counted and is timed now: a clock has limited its work" in finding.why


@pytest.mark.parametrize("change", [{"cpu": "another"}, {"threads": 2}, {"versions": {"keras": "9"}}])
def test_counted_rows_of_another_machine_are_compared_statistically_and_say_so(tmp_path: Path, change: dict):
    baseline = stored(results(counted, [0.9, 0.91, 0.92, 0.9, 0.91]), tmp_path)
    moved = [elsewhere(run, **change) for run in results(counted, [0.9, 0.91, 0.919, 0.9, 0.91])]
    [finding] = check(moved, baseline)
    assert (finding.how, finding.verdict) == ("statistical", "within spread")
    assert "because the machine or the versions differ" in finding.why
    fallen = [elsewhere(run, **change) for run in results(counted, [0.5] * 5)]
    assert verdicts(fallen, baseline) == ["regression"]


def test_a_new_version_of_this_program_is_no_other_machine(tmp_path: Path):
    def made_by(version: str) -> list[Run]:
        versions = PROVENANCE["versions"] | {"nas-comparison-harness": version}
        return results(counted, [0.9 - 0.01 * (version == "2")], provenance=PROVENANCE | {"versions": versions})

    [finding] = check(made_by("2"), stored(made_by("1"), tmp_path))
    assert (finding.how, finding.verdict) == ("exact", "regression")


def logged(run: Run, *accuracies: float) -> Run:
    """The run with evaluations of those accuracies."""
    return with_logs(run, *((float(n), accuracy) for n, accuracy in enumerate(accuracies)))


@pytest.mark.parametrize("kind", [tabular, counted])
def test_a_search_that_took_another_way_to_the_same_result_is_changed(tmp_path: Path, kind: Callable[..., Run]):
    baseline = stored([logged(kind("darts", 0.9), 0.4, 0.5)], tmp_path)
    assert verdicts([logged(kind("darts", 0.9), 0.4, 0.5)], baseline) == ["same"]
    [finding] = check([logged(kind("darts", 0.9), 0.4, 0.6)], baseline)
    assert (finding.verdict, exit_code([finding])) == ("changed", 1)
    assert "1 of them in the search only" in finding.why
    assert verdicts([kind("darts", 0.9)], baseline) == ["same"], "without logs there is nothing to compare"


def test_a_change_is_accepted_by_name_and_a_regression_is_not(tmp_path: Path):
    before = [*results(counted, [0.9, 0.91]), *results(counted, [0.8], "nas_rl")]
    after = [*results(counted, [0.9, 0.92]), *results(counted, [0.81], "nas_rl")]
    baseline = stored(before, tmp_path)
    assert exit_code(check(after, baseline)) == 1
    assert exit_code(check(after, baseline, ["nas_rl"])) == 1
    assert exit_code(check(after, baseline, ["nas_rl", "darts"])) == 0
    assert {finding.verdict for finding in check(after, baseline, ["all"])} == {"accepted"}
    worse = [*after[:2], *results(counted, [0.7], "nas_rl")]
    assert exit_code(check(worse, baseline, ["all"])) == 1
    with pytest.raises(InputError, match="no accepted method 'dart'; did you mean darts"):
        check(after, baseline, ["dart"])


@pytest.mark.parametrize("kind", KINDS)
def test_other_settings_are_named_and_have_to_be_accepted(tmp_path: Path, kind: Callable[..., Run]):
    baseline = stored(results(kind, [0.9, 0.901, 0.902], settings={"rate": 0.1, "order": 1}), tmp_path)
    findings = check(results(kind, [0.9, 0.901, 0.902], settings={"rate": 0.2, "order": 1}), baseline)
    assert [finding.verdict for finding in findings] == ["changed"]
    assert "other settings (rate 0.1, now 0.2)" in findings[0].why
    assert "differs from the baseline: settings.rate 0.1, now 0.2 (1 row)" in summary(findings)
    with pytest.raises(InputError, match="different settings"):
        write_baseline([kind("darts", 0.9, seed, settings={"rate": seed}) for seed in range(2)], "mixed", tmp_path)


def test_every_difference_of_machine_threads_and_versions_is_named(tmp_path: Path):
    was = {"cpu": "A", "cpu_details": "6, 207", "blas": "SkylakeX"}
    runs = [elsewhere(run, **was) for run in results(tabular, [0.9, 0.91])]
    versions = PROVENANCE["versions"] | {"numpy": "2.3.1"}
    now = {"cpu": "B", "cpu_details": "6, 63", "blas": "Haswell", "threads": 2, "versions": versions}
    findings = check([elsewhere(run, **now) for run in runs], stored(runs, tmp_path))
    assert [finding.verdict for finding in findings] == ["same"]
    for name in (
        *("blas SkylakeX, now Haswell", "cpu A, now B", "cpu_details 6, 207, now 6, 63"),
        *("threads 1, now 2", "versions.numpy 2.3.0, now 2.3.1"),
    ):
        assert name in findings[0].elsewhere
        assert f"differs from the baseline: {name} (1 row)" in summary(findings)


def test_a_search_on_a_table_with_tensorflow_is_not_exact_on_another_machine(tmp_path: Path):
    provenance = PROVENANCE | {"processes": {"search": {"tensorflow": "used"}}}
    runs = results(tabular, [0.9, 0.901, 0.902], provenance=provenance)
    baseline = stored(runs, tmp_path)
    assert baseline.rows[0].kind == "counted"
    again = results(tabular, [0.9, 0.901, 0.9019], provenance=provenance)
    assert verdicts(again, baseline) == ["regression"]
    [finding] = check([elsewhere(run) for run in again], baseline)
    assert (finding.how, finding.verdict) == ("statistical", "within spread")


# Limits of the final networks


@pytest.mark.parametrize("kind", [tabular, counted])
def test_rows_with_other_limits_are_not_compared(tmp_path: Path, kind: Callable[..., Run]):
    """With limits a search draws among other networks: neither is the other's repetition, whatever the numbers are."""
    limits = {"parameters": 500_000, "macs": 5_000_000}
    free, bound = results(kind, [0.9, 0.91, 0.92]), results(kind, [0.9, 0.91, 0.92], limits=limits)
    for before, after, words in (
        (free, bound, "macs absent, now 5000000, and 1 more"),
        (bound, free, "macs 5000000, now absent, and 1 more"),
        (bound, results(kind, [0.9, 0.91, 0.92], limits=limits | {"parameters": 400_000}), "500000, now 400000"),
    ):
        [finding] = check(after, stored(before, tmp_path))
        assert (finding.verdict, exit_code([finding])) == ("not run", 2)
        assert "other limits" in finding.why
        assert words in finding.why
    assert verdicts(bound, stored(bound, tmp_path)) == ["same"]


def test_a_row_with_a_limit_of_latency_is_timed(tmp_path: Path):
    """Its search looks at the clock: another run of it may have drawn another network."""
    runs = results(counted, [0.9, 0.901, 0.902], limits={"latency": 2.5})
    assert stored(runs, tmp_path).rows[0].kind == "timed"
    [finding] = check(results(counted, [0.9, 0.901, 0.9019], limits={"latency": 2.5}), stored(runs, tmp_path))
    assert (finding.how, finding.verdict) == ("statistical", "within spread")
    [counted_row] = rows_of(results(counted, [0.9], limits={"parameters": 500_000}))
    assert counted_row.kind == "counted"


def test_an_older_baseline_says_nothing_of_limits_and_has_none(tmp_path: Path):
    runs = results(counted, [0.9, 0.91, 0.92])
    path, _ = write_baseline(runs, "test", tmp_path)
    raw = json.loads(path.read_text())
    for row in raw["rows"]:
        del row["limits"]
    path.write_text(json.dumps(raw))
    assert verdicts(runs, read_baseline(path)) == ["same"]
    limited = results(counted, [0.9, 0.91, 0.92], limits={"macs": 5_000_000})
    assert verdicts(limited, read_baseline(path)) == ["not run"]


def test_one_baseline_row_has_one_kind_of_limits(tmp_path: Path):
    runs = [counted("darts", 0.9, seed, limits={"macs": 1000 + seed}) for seed in range(2)]
    with pytest.raises(InputError, match="different limits"):
        write_baseline(runs, "mixed", tmp_path)


# What is not there


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", ["failed", "unsupported"])
def test_a_failed_run_is_a_regression(tmp_path: Path, kind: Callable[..., Run], status: str):
    runs = results(kind, [0.9, 0.91, 0.92])
    baseline = stored(runs, tmp_path)
    [finding] = check([*runs[:2], kind("darts", None, 2, status=status)], baseline)
    assert finding.verdict == "regression"
    assert finding.why == f"seed 2 {status}: it ran out of memory"
    failed = [kind("darts", None, seed, status=status) for seed in (1, 2)]
    assert check([runs[0], *failed], baseline)[0].why == f"seeds 1, 2 {status}: it ran out of memory"


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_is_not_there_or_not_repeated_is_not_run(tmp_path: Path, kind: Callable[..., Run]):
    runs = results(kind, [0.9, 0.91, 0.92])
    baseline = stored([*runs, *results(kind, [0.8], "random_search")], tmp_path)
    findings = check(runs, baseline)
    assert sorted(finding.verdict for finding in findings if finding.key.method == "random_search") == ["not run"]
    assert exit_code(findings) == 2
    other = {"final": {"steps": 61}} | {name: {"steps": 9} for name in runs[0].record.recipes}
    changed = check(results(kind, [0.9, 0.91, 0.92], recipes=other), stored(runs, tmp_path))
    assert [finding.verdict for finding in changed] == ["not run"]
    assert "other recipes" in changed[0].why


def test_new_rows_are_shown_and_only_a_failed_run_of_them_matters(tmp_path: Path):
    """A new method that fails in every run, or in one of several, is red; one that does not support the task is not."""
    runs = results(make, [0.9, 0.91, 0.92])
    baseline = stored(runs, tmp_path)
    refused = make("nas_rl", None, status="unsupported", reason="no images")
    findings = check([*runs, make("random_search", 0.1), refused], baseline)
    assert sorted(finding.verdict for finding in findings) == ["new", "new", "same"]
    assert exit_code(findings) == 0
    for lost in ([make("nas_rl", None)], [make("nas_rl", 0.9), refused, make("nas_rl", None, 2)]):
        findings = check([*runs, *lost], baseline)
        assert [finding.verdict for finding in findings] == ["same", "failed"]
        assert f"seed {lost[-1].record.seed} failed: it ran out of memory" in findings[1].why
        assert exit_code(findings) == 1
        assert exit_code(check([*runs, *lost], baseline, ["all"])) == 1, "a failure cannot be meant"
        assert "1 failed" in summary(findings)


def test_a_regression_outranks_what_is_missing():
    def finding(verdict) -> Finding:
        [row] = rows_of([make("darts", 0.9)])
        return Finding(row.key, "", (), (), verdict, "")

    assert exit_code([finding("not run"), finding("regression"), finding("same")]) == 1
    assert exit_code([finding("not run"), finding("better")]) == 2
    assert exit_code([finding("not run"), finding("changed"), finding("undecided")]) == 1
    assert exit_code([finding("not run"), finding("undecided"), finding("same")]) == 2
    assert exit_code([finding("undecided"), finding("better")]) == 3
    assert exit_code([finding(v) for v in ("same", "accepted", "better", "within spread", "new")]) == 0


# Statistical rows


def test_tolerance_follows_spread_and_numbers():
    values = [90.0, 91.0, 92.0, 90.5, 91.5]
    allowed = tolerance(values, values, 0.001)
    assert tolerance([2 * value for value in values], [2 * value for value in values], 0.001) == pytest.approx(
        2 * allowed
    )
    assert tolerance(values, [value - 20 for value in values], 0.001) == pytest.approx(allowed), "a drop is no spread"
    assert tolerance(values, values * 9, 0.001) < allowed < tolerance(values, values[:1], 0.001)
    assert tolerance(values, values, 0.01) < allowed
    assert tolerance([90.0] * 9, [90.0] * 9, 0.001) > 0, "no spread at all is luck"
    for before in ([90.0], [90.0, 95.0]):
        expected = 3.09 * chance.ASSUMED_SPREAD * math.sqrt(1 / len(before) + 1)
        assert tolerance(before, [80.0], 0.001) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("old", "new"), [(3, 1), (5, 5), (10, 3)])
@pytest.mark.parametrize("level", [0.05, 0.001])
def test_the_false_alarm_rate_is_the_level(old: int, new: int, level: float):
    """Old and new from one distribution: the bound is crossed as often as the level says, no more and no less."""
    rng = np.random.default_rng(old)
    pairs = [(rng.normal(90, 1, old).tolist(), rng.normal(90, 1, new).tolist()) for _ in range(3000)]
    rate = np.mean([np.mean(after) < np.mean(before) - tolerance(before, after, level) for before, after in pairs])
    assert abs(rate - level) <= 4 * math.sqrt(level * (1 - level) / 3000) + 1 / 3000


def noise(kind: str, rng: np.random.Generator, size: int) -> np.ndarray:
    """Test accuracies around 90 %, spread 0.4 points, on 2,000 images; ``skewed`` ones have a tail of bad luck.

    Their skewness is -1; ``exponential`` ones, whose skewness is -2, are the worst case.
    """
    shape = {"skewed": 4.0, "exponential": 1.0}.get(kind)
    unit = rng.normal(0, 1, size) if shape is None else (shape - rng.gamma(shape, 1, size)) / math.sqrt(shape)
    return np.round(2000 * (90 + 0.4 * unit) / 100) / 2000


METHODS = ("random_search", "regularized_evolution", "darts", "nas_rl")


def check_of_trainings(rng: np.random.Generator, kind: str, old: int, new: int, drop: float = 0.0) -> tuple[int, int]:
    """Exit codes of a check of four methods, unchanged, and with one of them worse by ``drop`` points."""
    runs = [run for method in METHODS for run in results(make, noise(kind, rng, old), method)]
    baseline = StoredBaseline("simulated", (), tuple(rows_of(runs)))
    again = [run for method in METHODS for run in results(make, noise(kind, rng, new), method)]
    worse = [run for run in again if run.record.method != "darts"]
    worse += results(make, noise(kind, rng, new) - drop / 100)
    return exit_code(check(again, baseline)), exit_code(check(worse, baseline))


@pytest.mark.parametrize(
    ("kind", "old", "percent"), [("normal", 5, 0.1), ("normal", 10, 0.1), ("skewed", 10, 0.2), ("exponential", 10, 0.3)]
)
def test_unchanged_trainings_stay_green(kind: str, old: int, percent: float):
    """300 checks of four rows raise no more false alarms than docs/statistics.md says."""
    rng = np.random.default_rng(11)
    codes = [check_of_trainings(rng, kind, old, 5)[0] for _ in range(300)]
    expected = 300 * percent / 100
    assert set(codes) <= {0, 1}
    assert sum(codes) <= expected + 3 * math.sqrt(expected)
    assert sum(codes[:20]) == 0


@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_a_real_drop_goes_red(kind: str):
    """Five stored and five new seeds of spread 0.4: a drop of two points is seen nine times in ten."""
    rng = np.random.default_rng(8)
    codes = [check_of_trainings(rng, kind, 5, 5, drop=2.0)[1] for _ in range(100)]
    assert np.mean(codes) >= 0.85


@pytest.mark.parametrize("old", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("new", [1, 3, 10])
def test_methods_at_chance_level_are_never_green(old: int, new: int):
    """Whatever the stored rows are like, and if nothing but the patch version of NumPy is another."""
    rng = np.random.default_rng(old)
    versions = PROVENANCE["versions"] | {"numpy": "2.3.1"}
    for centre in (10.2, 11.0, 13.0, 20.0, 40.0, 90.0):
        for spread in (0.05, 0.5, 2.0, 15.0):
            accuracies = np.clip(rng.normal(centre, spread, old), 0, 100) / 100
            runs = results(counted, accuracies, final={"chance": 0.1})
            guesses = np.clip(rng.normal(10, 0.5, new), 0, 100) / 100
            after = results(counted, guesses, final={"chance": 0.1}, provenance=PROVENANCE | {"versions": versions})
            baseline = StoredBaseline("simulated", (), tuple(rows_of(runs)))
            [finding] = check(after, baseline)
            better = finding.verdict == "better"  # guesses can be better than what was worse than a guess
            assert better == (exit_code([finding]) == 0), (centre, spread, finding)
            assert not better or np.mean(accuracies) < np.mean(guesses)


def test_a_row_that_could_lose_five_points_unseen_is_undecided_and_says_what_would_help(tmp_path: Path):
    baseline = stored(results(make, [0.9, 0.8, 0.7]), tmp_path)
    [finding] = check(results(make, [0.9, 0.8, 0.7]), baseline)
    assert finding.verdict == "same", "equal in every seed needs no statistics"
    [finding] = check(results(make, [0.89, 0.8, 0.7]), baseline)
    assert (finding.verdict, exit_code([finding])) == ("undecided", 3)
    assert "more than 5 points, so nothing is decided" in finding.why
    assert "no drop would be seen nine times in ten" in finding.why, "it would have to be larger than the accuracy is"
    needed = int(finding.why.split("; ")[-1].split()[0])
    rng = np.random.default_rng(0)
    old, new = (rng.permutation(np.linspace(0.63, 0.97, needed)) for _ in range(2))
    spread = chance.spread([70.0, 80.0, 90.0], [70.0, 80.0, 89.0])
    assert needed == seeds_needed(spread, 5.0, chance.LEVEL)
    wide = [100 * value for value in old], [100 * value for value in new]
    assert chance.tolerance(*wide, chance.LEVEL) == pytest.approx(5.0, rel=0.1)


def test_a_row_near_chance_is_undecided_even_if_its_spread_is_small():
    runs = results(counted, [0.505, 0.51, 0.5], final={"chance": 0.5})
    after = [elsewhere(run) for run in results(counted, [0.505, 0.511, 0.5], final={"chance": 0.5})]
    [finding] = check(after, StoredBaseline("simulated", (), tuple(rows_of(runs))))
    assert finding.verdict == "undecided"
    assert "distance to a guess (50.00 %)" in finding.why


@pytest.mark.parametrize(("old", "new"), [(1, 1), (3, 3), (5, 5), (10, 3)])
def test_a_visible_drop_is_seen_nine_times_in_ten(old: int, new: int):
    rng = np.random.default_rng(old)
    drop, seen = visible_drop(old, new, 0.01, 1.0), 0
    for _ in range(2000):
        before, after = rng.normal(90, 1, old).tolist(), rng.normal(90 - drop, 1, new).tolist()
        seen += np.mean(after) < np.mean(before) - tolerance(before, after, 0.01)
    assert seen / 2000 == pytest.approx(0.9, abs=0.03)


def test_the_level_is_shared_by_the_rows_that_are_really_tested(tmp_path: Path):
    """Rows that are equal, failed or not comparable raise no false alarm."""
    rows = [run for n in range(4) for run in results(make, [0.9, 0.901, 0.902, 0.9, 0.901], f"method{n}")]
    again = [*rows[:10], make("method2", None), *results(make, [0.9, 0.901, 0.9, 0.9, 0.901], "method3")]
    findings = check(again, stored(rows, tmp_path))
    assert [finding.verdict for finding in findings] == ["same", "same", "regression", "within spread"]
    assert "1 compared statistically, each at level 0.001" in summary(findings)
    [alone] = check(again[-5:], stored(rows[-5:], tmp_path))
    assert alone.why == findings[3].why
    assert re.search(r"a drop of [0-9.]+ would be seen nine times in ten", alone.why)


def test_a_baseline_says_which_rows_a_statistical_check_cannot_decide(tmp_path: Path):
    runs = [*results(counted, [0.9, 0.7, 0.5]), *results(make, [0.9, 0.901, 0.902], "nas_rl"), tabular("gp", 0.9)]
    _, notes = write_baseline(runs, "test", tmp_path)
    [note] = notes
    assert note.startswith("darts on toy (3 seeds): a check on another machine will be undecided")


def test_one_stored_seed_still_sees_a_collapse(tmp_path: Path):
    baseline = stored(results(make, [0.9]), tmp_path)
    assert verdicts(results(make, [0.895]), baseline) == ["within spread"]
    [finding] = check(results(make, [0.8]), baseline)
    assert finding.verdict == "regression"
    assert "spread 1.00, assumed below 3 stored seeds" in finding.why


def test_a_gain_is_better_and_green(tmp_path: Path):
    findings = check(results(make, [0.95] * 5), stored(results(make, [0.9, 0.901, 0.902, 0.9, 0.901]), tmp_path))
    assert [finding.verdict for finding in findings] == ["better"]
    assert exit_code(findings) == 0


def test_a_method_that_falls_apart_cannot_hide_behind_its_new_spread(tmp_path: Path):
    baseline = stored(results(make, [0.9, 0.901, 0.902, 0.9, 0.901]), tmp_path)
    [finding] = check(results(make, [0.9, 0.1, 0.9, 0.1, 0.9]), baseline)
    assert finding.verdict == "regression"
    assert finding.why.endswith("far below anything stored: seeds 1, 3")
    [finding] = check(results(make, [0.9, 0.1, 0.9, 0.9, 0.9]), baseline)
    assert finding.why.endswith("far below anything stored: seed 1")
    assert verdicts(results(make, [0.9, 0.82, 0.9, 0.9, 0.9]), baseline) == ["undecided"], "too wide to be green"
    wide = stored(results(make, [0.9, 0.8, 0.7]), tmp_path)
    assert verdicts(results(make, [0.9, 0.8, 0.45]), wide) == ["undecided"], "no collapse where seeds differ so much"


def test_more_rows_make_the_gate_more_patient(tmp_path: Path):
    """The level is that of the whole check."""
    rows = [run for n in range(12) for run in results(make, [0.9, 0.901, 0.902, 0.9, 0.901], f"method{n}")]
    again = [replace(run, record=replace(run.record, test_accuracy=0.9)) for run in rows]
    [alone] = check(again[:5], stored(rows[:5], tmp_path))
    together = check(again, stored(rows, tmp_path))
    allowed = [float(finding.why.split()[2]) for finding in (alone, together[0])]
    assert allowed[0] < allowed[1]


# A search that is weakened on purpose


EDGES, OPERATIONS, TRIALS, RATE, SEEDS = 6, 5, 150, 10.0, 20


def search(table: np.ndarray, seed: int, listens: bool = True) -> tuple[float, str]:
    """REINFORCE with one softmax per edge on a table with noisy signals; returns the best seen, as a search does.

    Args:
        table: true accuracy of every architecture.
        listens: False is the weakened controller: it ignores its reward.
    """
    rng = np.random.default_rng(seed)
    logits, baseline = np.zeros((EDGES, OPERATIONS)), 0.0
    best: tuple[float, tuple[int, ...]] = (-math.inf, ())
    for trial in range(TRIALS):
        policy = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        picks = tuple((policy.cumsum(axis=1) > rng.random((EDGES, 1))).argmax(axis=1).tolist())
        signal = float(table[picks] + rng.normal(0, 0.002))
        best = max(best, (signal, picks))
        baseline = signal if trial == 0 else 0.9 * baseline + 0.1 * signal
        if listens:
            logits += RATE * (signal - baseline) * (np.eye(OPERATIONS)[list(picks)] - policy)
    return float(table[best[1]]), str(best[1])


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    """Accuracies of 15,625 architectures: a sum of the operations' effects and a little interaction."""
    rng = np.random.default_rng(0)
    effects = rng.normal(0, 0.01, (EDGES, OPERATIONS))
    shapes = [[OPERATIONS if axis == edge else 1 for axis in range(EDGES)] for edge in range(EDGES)]
    total = sum(row.reshape(shape) for row, shape in zip(effects, shapes, strict=True))
    return 0.9 + total + rng.normal(0, 0.003, (OPERATIONS,) * EDGES)


@pytest.mark.parametrize("kind", [tabular, make])
def test_a_controller_that_ignores_its_reward_goes_red_and_twenty_repetitions_stay_green(kind, table, tmp_path: Path):
    """Exact rows repeat their seeds. Timed ones do not repeat, so each repetition is given seeds of its own."""

    def runs(first: int, listens: bool = True) -> list[Run]:
        found = [search(table, first + seed, listens) for seed in range(SEEDS)]
        return [kind("reinforce", accuracy, seed, proposal=text) for seed, (accuracy, text) in enumerate(found)]

    baseline = stored(runs(0), tmp_path)
    starts = [1000 * (n + 1) if kind is make else 0 for n in range(20)]
    assert [exit_code(check(runs(start), baseline)) for start in starts] == [0] * 20
    weakened = [check(runs(start, listens=False), baseline)[0] for start in starts[:5]]
    assert [finding.verdict for finding in weakened] == ["regression"] * 5, weakened[0]


# The command line


def test_the_commands(tmp_path: Path):
    for run in [*results(make, [0.9, 0.91, 0.92]), tabular("random_search", 0.94)]:
        save(run, tmp_path / "out")
    made = call("baseline", str(tmp_path / "out"), "--name", "mine", "--out", str(tmp_path / "baseline"))
    file = tmp_path / "baseline" / "mine.json"
    assert made.stdout.strip() == f"wrote {file}"
    same = call("check", str(tmp_path / "out"), "--against", str(file))
    assert "2 rows: 2 same" in same.stdout
    record = next((tmp_path / "out").rglob("random_search/0/record.json"))
    record.write_text(record.read_text().replace("0.94,", "0.93,"))
    worse = call("check", str(tmp_path / "out"), "--against", str(file), code=1)
    assert "94.00 (1)" in worse.stdout
    assert "93.00 (1)" in worse.stdout
    assert "-1.00" in worse.stdout
    facts = json.loads(call("check", str(tmp_path / "out"), "--against", str(file), "--json", code=1).stdout)
    assert [row["verdict"] for row in facts["rows"] if row["method"] == "random_search"] == ["regression"]
    assert (facts["exit_code"], facts["baseline"]) == (1, "mine")
    record.unlink()
    assert "not run" in call("check", str(tmp_path / "out"), "--against", str(file), code=2).stdout


def test_bad_input_is_one_sentence_and_code_2(tmp_path: Path):
    save(make("darts", 0.9), tmp_path / "out")
    (tmp_path / "broken.json").write_text("{")
    for words in (
        ("check", str(tmp_path / "out"), "--against", str(tmp_path / "absent.json")),
        ("check", str(tmp_path / "out"), "--against", str(tmp_path / "broken.json")),
        ("check", str(tmp_path / "nowhere"), "--against", str(tmp_path / "broken.json")),
        ("baseline", str(tmp_path / "nowhere"), "--name", "x"),
        ("baseline", str(tmp_path / "out"), "--name", "a/b"),
    ):
        done = call(*words, code=2)
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.strip().splitlines()) == 1
