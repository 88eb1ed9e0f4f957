"""Profiles."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from harness.core.budget import Budget
from harness.core.errors import InputError
from harness.run.profiles import PROFILES, PUBLISHED, QUICK, SMOKE, get_profile
from harness.spaces import get_space


def test_there_are_seven_and_an_unknown_one_is_bad_input() -> None:
    assert list(PROFILES) == ["smoke", "quick", "hour", "published", "nb201", "nb201-own", "nb201-full"]
    assert get_profile("quick") is QUICK
    with pytest.raises(InputError, match="did you mean smoke"):
        get_profile("smok")


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_profile_makes_sense(profile: object) -> None:
    assert isinstance(profile, type(SMOKE))
    assert pickle.loads(pickle.dumps(profile)) == profile
    assert profile.budget.amount >= 3 * profile.proxy.steps or not profile.budget.counted
    assert profile.search_cap() > profile.budget.amount or profile.counted
    assert profile.final_seconds > profile.final.seconds
    for native in ("cell", "enas_cell", "macro", "chain", "nasbench201"):
        get_space(profile.space_for(native))


def test_smoke_and_tables_are_exactly_repeatable() -> None:
    counted = [profile.name for profile in PROFILES.values() if profile.counted]
    assert counted == ["smoke", "nb201", "nb201-own", "nb201-full"]
    assert not dataclasses.replace(SMOKE, final=QUICK.final).counted
    assert not SMOKE.with_budget(Budget(10, "s")).counted


def test_another_budget_moves_the_time_cap_with_it() -> None:
    assert SMOKE.with_budget(Budget(400, "steps")).search_cap() == 10 * SMOKE.search_cap()
    assert SMOKE.with_budget(Budget(50, "evals")).search_cap() == 10 * SMOKE.search_cap()
    assert SMOKE.with_budget(Budget(4, "steps")).search_cap() == SMOKE.search_cap()
    assert QUICK.with_budget(Budget(3600, "s")).search_cap() >= 7200
    assert QUICK.with_budget(Budget(3600, "s")).name == "quick"


def test_the_published_protocol() -> None:
    final = PUBLISHED.final
    assert (final.size.channels, final.size.layers, final.cutout, final.drop_path, final.auxiliary) == (
        36, 20, True, 0.2, 0.4,
    )  # fmt: skip
    assert final.label_smoothing == 0
    assert PUBLISHED.seeds == (0, 1, 2)
    assert PUBLISHED.budget == Budget.parse("2d")
    assert PUBLISHED.space_for("macro") == "macro"
