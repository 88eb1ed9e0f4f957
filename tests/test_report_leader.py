"""Which method leads a space: equal ones are not told apart, whoever is chosen; different ones are."""

from __future__ import annotations

import numpy as np
import pytest
from report_records import make

from harness.core.record import Run
from harness.report.forms.markdown import markdown
from harness.report.model.groups import Block, MethodInSpace, blocks
from harness.report.stats import inference as stats
from harness.report.stats.leader import leader
from harness.report.stats.verdict import verdict

SPACE = "cell"


def table(points: dict[str, np.ndarray]) -> Block:
    """A table of methods with an accuracy in percent per seed; NaN is a failed run."""
    runs: list[Run] = []
    for method, values in points.items():
        runs += [make(method, None if np.isnan(v) else v / 100, seed) for seed, v in enumerate(values)]
    [block] = blocks(runs)
    return block


Found = tuple[str, list[str], list[str], list[str]]


def found(points: dict[str, np.ndarray], undecided: tuple[str, ...] = (), worse: tuple[str, ...] = ()) -> Found | None:
    """The leader, those behind it, those close to it and those with few seeds; all others beat random search."""
    block = table(points)
    leads = {name: float(np.nanmean(values)) - 80 for name, values in points.items() if name != "random_search"}
    better = {MethodInSpace(name, SPACE): lead for name, lead in leads.items() if name not in undecided + worse}
    one = leader(block, better, *([MethodInSpace(name, SPACE) for name in some] for some in (worse, undecided)))
    if one is None:
        return None
    assert one.lead == better[one.method]
    behind, close, few = ([method.name for method in some] for some in (one.behind, one.close, one.few))
    return one.method.name, behind, close, few


NONE: Found = ("", [], [], [])


def drawn(seed: int, seeds: int, means: dict[str, float]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: 80 + mean + rng.normal(0, 1, seeds) for name, mean in means.items()}


def test_nobody_leads_where_nothing_beats_random_search() -> None:
    assert found(drawn(0, 10, {"random_search": 0, "a": 0}), undecided=("a",)) is None


def test_equal_methods_are_rarely_told_apart_though_the_luckiest_one_is_chosen() -> None:
    """Seven equal methods: the chance to call any of them worse than the one in front is at most 5 %."""
    means = {"random_search": 0.0, **dict.fromkeys("abcdefg", 1.0)}
    tables = 100
    wrong = sum(bool((found(drawn(seed, 12, means)) or NONE)[1]) for seed in range(tables))
    assert wrong / tables <= stats.LEVEL + 3 * np.sqrt(stats.LEVEL * (1 - stats.LEVEL) / tables)


def test_clear_differences_are_told_and_small_ones_are_not() -> None:
    points = drawn(1, 40, {"random_search": 0, "a": 3.0, "b": 2.9, "c": 1.0, "d": 0.3})
    name, behind, close, few = found(points, undecided=("d",)) or NONE
    assert not few
    assert {name, *close} == {"a", "b"}
    assert behind == ["c", "d"]


def test_too_few_common_seeds_are_no_evidence() -> None:
    points = drawn(2, 20, {"random_search": 0, "a": 5.0, "b": 0.5})
    points["b"] = points["b"][:2]
    assert found(points) == ("a", [], [], ["b"])


def test_what_no_result_could_show_is_said_apart_from_what_this_one_does_not() -> None:
    """Of eight methods there are 28 pairs, and ten seeds have a p of 2/2^10 at the least: eleven could tell."""
    means = {"random_search": 0.0, "a": 9.0, **dict.fromkeys("bcdefgh", 1.0)}
    assert found(drawn(6, 10, means)) == ("a", [], [], list("bcdefgh"))
    assert found(drawn(6, 11, means)) == ("a", list("bcdefgh"), [], [])
    equal = drawn(7, 20, {"random_search": 0, "a": 1.0})
    equal["b"] = equal["a"]
    assert (found(equal) or NONE)[2] == ["b"], "equal in every seed: not for want of seeds"


def test_what_is_worse_than_random_search_is_behind_however_few_the_seeds() -> None:
    points = drawn(8, 7, {"random_search": 0, "a": 9.0, "b": -9.0})
    assert found(points, worse=("b",)) == ("a", ["b"], [], [])


def test_failed_runs_count_as_worst() -> None:
    """A rival that equals the leader where it works, and fails in half of the seeds, is behind."""
    points = drawn(3, 20, {"random_search": 0, "a": 1.0})
    points["b"] = points["a"] - 0.001
    points["b"][:10] = np.nan
    name, behind, *_ = found(points) or NONE
    assert (name, behind) == ("a", ["b"])


@pytest.mark.parametrize("lucky", [-4.0, 4.0])
def test_ranks_and_mean_have_to_agree(lucky: float) -> None:
    """A rival a little lower in most seeds and far higher in two is not called worse: its mean is higher."""
    points = drawn(4, 20, {"random_search": 0, "a": 1.0})
    points["b"] = points["a"] - 0.3
    points["b"][:2] += 3 + lucky
    result = found(points)
    assert result is not None
    assert ("b" in result[1]) == (lucky < 0)


def test_the_verdict_says_who_is_in_front_and_who_may_be_better() -> None:
    points = drawn(5, 30, {"random_search": 0, "darts": 3.0, "gdas": 2.9, "setn": 1.0})
    text = markdown(verdict(list(table(points).runs)))
    front = "DARTS" if points["darts"].mean() > points["gdas"].mean() else "gdas"
    other = "gdas" if front == "DARTS" else "DARTS"
    assert f"{front} is in front, +" in text
    assert "Worse than it beyond chance: setn." in text
    assert f"any of them may be better: {other}." in text
    alone = markdown(verdict(list(table(drawn(5, 30, {"random_search": 0, "darts": 3.0})).runs)))
    assert "in front" not in alone.split("Points:")[0], "of one method the verdict has said all"


def test_a_failed_run_of_random_search_makes_no_better_of_mixed_results() -> None:
    """Higher in most seeds and far lower in two: a failure of the other side, in no mean, does not change that."""
    points = drawn(9, 21, {"random_search": 0})
    points["darts"] = points["random_search"] + 0.2
    points["darts"][:2] -= 5
    for failed in (False, True):
        points["random_search"][20] = np.nan if failed else points["random_search"][20]
        text = markdown(verdict(list(table(points).runs)))
        assert "higher in most seeds but lower on average" in text
        assert "in front" not in text.split("Points:")[0]
