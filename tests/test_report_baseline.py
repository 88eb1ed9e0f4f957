"""The file that the regression gate compares with: what a row holds and promises, and what is told to differ."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_records import PROVENANCE, counted, make, tabular, with_logs

from harness.core.errors import InputError
from harness.core.record import Run
from harness.report.gate.baseline import BaselineRow, read_baseline, rows_of, write_baseline
from harness.report.gate.chance import LEVEL, room
from harness.report.gate.differences import differences, first_of


def row_of(*runs: Run) -> BaselineRow:
    [row] = rows_of(runs)
    return row


# What a row holds


def test_a_row_has_each_seed_in_percent_and_its_proposal() -> None:
    row = row_of(counted("darts", 0.25, 2), counted("darts", 0.0, 0), counted("darts", 1.0, 1))
    assert row.percent == (0.0, 100.0, 25.0)
    assert {seed: result.proposal for seed, result in row.results.items()} == {s: f"cell:{s}" for s in range(3)}
    assert not row.failures


def test_a_row_is_of_one_profile_budget_space_data_set_and_method() -> None:
    one = make("darts", 0.9)
    others = [{"profile": "other"}, {"budget": "9s"}, {"space": "macro-6"}, {"dataset": "toy"}, {"method": "nas_rl"}]
    changed = [replace(one, record=replace(one.record, **change)) for change in others]
    assert len(rows_of([one, *changed, make("darts", 0.8, 1)])) == 1 + len(others)


def test_runs_without_a_result_have_their_reason_and_no_say_in_what_a_row_promises() -> None:
    capped = {"capped": True}
    row = row_of(counted("darts", 0.9), counted("darts", None, 1, final=capped), counted("darts", None, 2, reason=""))
    assert (row.kind, set(row.results)) == ("counted", {0})
    assert row.failures == {1: "failed: it ran out of memory", 2: "failed: no reason given"}
    lost = row_of(make("darts", math.nan), make("darts", None, 1, status="unsupported", reason="no"))
    assert lost.failures == {0: "failed: no reason given", 1: "unsupported: no"}, "'ok' without a result is none"
    assert row_of(counted("darts", 0.9, final=capped), counted("darts", 0.9, 1)).kind == "timed", "the least of both"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "counted"),
        ({"recipes": {"final": {"seconds": 9.0, "epochs": 5}}}, "counted"),
        ({"recipes": {"proxy": {"seconds": 9.0}, "final": {"epochs": 5}}}, "timed"),
        ({"recipes": {"final": {"seconds": 9.0, "epochs": 5}}, "final": {"capped": True}}, "timed"),
        *(({"budget": budget}, "timed") for budget in ("60s", "1.5 s")),
        *(({"budget": budget}, "counted") for budget in ("60 steps", "9 evals", "2e9 macs")),
    ],
)
def test_a_row_is_timed_where_a_clock_ends_anything(changes: dict[str, Any], kind: str) -> None:
    """A cap in seconds beside a number of epochs only counts where it was reached."""
    assert row_of(counted("darts", 0.9, **changes)).kind == kind


@pytest.mark.parametrize(
    ("processes", "kind"),
    [
        *(
            (one, "tabular")
            for one in (None, "lost", {}, {"search": None}, {"search": {}}, {"final": {"tensorflow": 1}})
        ),
        ({"search": {"tensorflow": "used"}}, "counted"),
    ],
)
def test_a_search_on_a_table_is_exact_anywhere_unless_it_says_that_it_used_tensorflow(
    processes: Any, kind: str
) -> None:
    assert row_of(tabular("darts", 0.9, provenance=PROVENANCE | {"processes": processes})).kind == kind


def test_a_guess_is_the_best_that_any_run_tells_and_half_where_none_does() -> None:
    shares = (0.1, 0.3, 0.2)
    row = row_of(*(counted("darts", 0.9, seed, final={"chance": share}) for seed, share in enumerate(shares)))
    assert (row.chance, row.guess) == (0.3, 30.0)
    silent = row_of(counted("darts", 0.9))
    assert (silent.chance, silent.guess) == (None, 50.0)


def test_origins_are_what_numbers_depend_on_and_not_the_harness_itself() -> None:
    def origin(**changes: object) -> tuple[dict[str, Any], ...]:
        return row_of(counted("darts", 0.9, provenance=PROVENANCE | changes)).origins

    assert origin(versions=PROVENANCE["versions"] | {"nas-comparison-harness": "9"}) == origin()
    assert origin(started="another day", cores=64, commit="fff") == origin()
    for name in ("cpu", "cpu_details", "blas", "device", "threads", "data"):
        assert origin(**{name: "another"}) != origin(), name
    for name in PROVENANCE["versions"]:
        assert origin(versions=PROVENANCE["versions"] | {name: "another"}) != origin(), name
    assert origin(blas="not recorded") == origin(), "what a record does not say is called so"


def test_settings_in_another_order_are_the_same_settings() -> None:
    row = row_of(*(counted("darts", 0.9, s, settings=dict(pairs)) for s, pairs in enumerate(ORDERS)))
    assert row.settings == ({"a": 1, "b": {"c": 2}},)


ORDERS = ((("a", 1), ("b", {"c": 2})), (("b", {"c": 2}), ("a", 1)))


SEARCH = with_logs(counted("darts", 0.9), (1.0, 0.5), (2.0, 0.6))


def _edited(log: str, name: str, value: object) -> Run:
    rows = getattr(SEARCH, log)
    return replace(SEARCH, **{log: (rows[0], rows[1] | {name: value})})


@pytest.mark.parametrize(
    "other",
    [
        *(_edited("evaluations", *change) for change in (("genotype", "x"), ("accuracy", 0.7), ("spent", 3.0))),
        *(_edited("proposals", *change) for change in (("genotype", "x"), ("accuracy", 0.7), ("spent", 3.0))),
        _edited("proposals", "shared_weights", True),
        *(
            replace(SEARCH, record=replace(SEARCH.record, search=SEARCH.record.search | more))
            for more in ({"discarded": 1}, {"planned_children": 7})
        ),
    ],
)
def test_the_checksum_of_a_search_tells_any_other_search(other: Run) -> None:
    told = [row_of(run).results[0].search for run in (SEARCH, other)]
    assert all(told)
    assert told[0] != told[1]


def test_the_checksum_does_not_look_at_what_differs_from_run_to_run() -> None:
    slower = replace(SEARCH, record=replace(SEARCH.record, search=SEARCH.record.search | {"seconds": 99.0}))
    assert row_of(slower).results == row_of(SEARCH).results
    timed = with_logs(make("darts", 0.9), (1.0, 0.5))
    assert [row_of(run).results[0].search for run in (timed, counted("darts", 0.9))] == ["", ""], "timed, or no logs"


# The file


def test_what_has_no_commit_says_so(tmp_path: Path) -> None:
    runs = [make("darts", 0.9, s, provenance={"dirty": dirty}) for s, dirty in enumerate((False, True))]
    assert read_baseline(write_baseline(runs, "x", tmp_path)[0]).commits == ("unknown", "unknown-dirty")


def test_a_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written to .*x\.json.*another directory"):
        write_baseline([make("darts", 0.9)], "x", tmp_path / "file")


@pytest.mark.parametrize("text", ["[]", "3", '"schema"', "null"])
def test_json_of_another_kind_is_no_baseline(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match="is no baseline of schema"):
        read_baseline(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("change", "fine"),
    [
        *(({"chance": chance}, True) for chance in (None, 0.0, 0.5, 1.0)),
        *(({"chance": chance}, False) for chance in (-0.5, 1.5, "much")),
        *(({"accuracies": {"0": accuracy}}, True) for accuracy in (0.0, 1.0)),
        *(({"accuracies": {"0": accuracy}}, False) for accuracy in (-0.5, 1.5)),
        *(({name: 7}, False) for name in ("profile", "budget", "space", "dataset", "method", "kind")),
        *(({"kind": kind}, True) for kind in ("tabular", "counted", "timed")),
    ],
)
def test_what_a_row_of_a_file_may_hold(tmp_path: Path, change: dict[str, Any], fine: bool) -> None:
    path, _ = write_baseline([make("darts", 0.5)], "x", tmp_path)
    raw = json.loads(path.read_text())
    raw["rows"][0] |= change
    path.write_text(json.dumps(raw))
    if fine:
        [row] = read_baseline(path).rows
        assert row.chance == raw["rows"][0]["chance"]
    else:
        with pytest.raises(InputError, match="is damaged"):
            read_baseline(path)


@pytest.mark.parametrize(("kind", "where"), [(make, "every check"), (counted, "a check on another machine")])
def test_a_row_that_a_check_cannot_decide_is_told_with_what_chance_allows(
    tmp_path: Path, kind: Callable[..., Run], where: str
) -> None:
    """The level is shared by the rows that may be tested; those of a table never are."""
    wide, narrow = [kind("darts", 0.8 + 0.04 * seed, seed) for seed in range(3)], [kind("nas_rl", 0.9)]
    notes = [write_baseline([*runs, tabular("gp", 0.9)], "x", tmp_path)[1] for runs in (wide, wide + narrow)]
    for many, told in enumerate(notes, start=1):
        values = [100 * run.record.test_accuracy for run in wide]
        allowed = room(values, values, LEVEL / many, 50.0).allowed
        assert [note.split(": ", 1)[1] for note in told if note.startswith("darts")] == [
            f"{where} will be undecided, because chance allows {allowed:.1f} points"
        ]
    lone = write_baseline([kind("nas_rl", 0.5)], "x", tmp_path)[1]
    assert [note.split(": ")[0].split(" (")[1] for note in (*notes[0], *lone)] == ["3 seeds)", "1 seed)"]


# What differs


def test_differences_are_told_leaf_by_leaf() -> None:
    before = [{"versions": {"a": 1, "b": 2}, "cpu": "A"}, {"versions": {"a": 1, "b": 2}, "cpu": "B"}]
    after = [{"versions": {"a": 3}, "cpu": "A", "new": 0}]
    assert differences(before, after) == (
        *("cpu A or B, now A", "new absent, now 0"),
        *("versions.a 1, now 3", "versions.b 2, now absent"),
    )
    assert differences(after, [{"versions": {"a": 1}, "cpu": "A", "new": 0}]) == ("versions.a 3, now 1",)
    assert differences(before, before) == differences([], []) == ()


def test_the_first_difference_stands_for_all() -> None:
    assert [first_of(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        *("", "a"),
        *("a, and 1 more", "a, and 2 more"),
    ]
