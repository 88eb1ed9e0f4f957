"""Profiles."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from harness.core.budget import Budget
from harness.core.errors import InputError
from harness.core.recipe import Limit
from harness.plugins.catalogue import Catalogue
from harness.run.profiles import HOUR, PROFILES, PUBLISHED, QUICK, SMOKE, Profile, get_profile
from harness.spaces import get_space


def test_there_are_ten_and_an_unknown_one_is_bad_input() -> None:
    assert list(PROFILES) == [
        "smoke",
        "quick",
        "hour",
        "published",
        "tabulate",
        "table",
        "nb201",
        "nb201-own",
        "nb201-full",
        "nb201-weights",
    ]
    assert get_profile("quick") is QUICK
    with pytest.raises(InputError, match="did you mean smoke"):
        get_profile("smok")


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_profile_makes_sense(profile: object) -> None:
    assert isinstance(profile, type(SMOKE))
    assert pickle.loads(pickle.dumps(profile)) == profile
    steps = profile.budget.amount * (profile.proxy.steps if profile.budget.unit == "evals" else 1)
    assert steps >= 3 * profile.proxy.steps or not profile.budget.counted
    assert {name for name, _ in profile.few} <= set(Catalogue().names("method"))
    assert profile.search_cap() > profile.budget.amount or profile.counted
    assert profile.final_seconds > profile.final.seconds
    for native in ("cell", "enas_cell", "macro", "chain", "nasbench201"):
        get_space(profile.space_for(native))


def test_smoke_quick_and_tables_are_exactly_repeatable() -> None:
    counted = [profile.name for profile in PROFILES.values() if profile.counted]
    assert counted == ["smoke", "quick", "tabulate", "table", "nb201", "nb201-own", "nb201-full", "nb201-weights"]
    assert dataclasses.replace(SMOKE, final=QUICK.final).counted, "a cap in seconds counts nothing"
    assert not dataclasses.replace(SMOKE, final=QUICK.with_final("seconds").final).counted
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


@pytest.mark.parametrize("profile", [QUICK, HOUR, PUBLISHED], ids=lambda profile: profile.name)
def test_final_trainings_are_equal_epochs_or_equal_seconds(profile: Profile) -> None:
    assert profile.final.limit == "epochs"
    assert profile.with_final("epochs") == profile
    timed = profile.with_final("seconds")
    assert (timed.name, timed.final.limit, timed.final.seconds) == (profile.name, "seconds", profile.equal_seconds)
    assert timed.final.train_images == 0, "what is not trained for equal epochs may use all images"
    assert timed.final_seconds > timed.final.seconds
    assert dataclasses.replace(timed, final=profile.final) == profile


def test_the_published_epochs_do_not_depend_on_the_size_of_the_data() -> None:
    assert [PUBLISHED.final.steps_on(images) * 96 / images for images in (9_600, 48_000, 96_000)] == [600.0] * 3
    assert PUBLISHED.final.train_images == 0


@pytest.mark.parametrize(("name", "limit"), [("smoke", "seconds"), ("smoke", "epochs"), ("nb201", "seconds")])
def test_a_profile_that_offers_no_other_final_training_says_so(name: str, limit: Limit) -> None:
    with pytest.raises(InputError, match=r"leave --final out"):
        get_profile(name).with_final(limit)


def test_proxy_trainings_are_counted_in_steps() -> None:
    with pytest.raises(InputError, match="give their recipe steps"):
        dataclasses.replace(QUICK, proxy=dataclasses.replace(QUICK.proxy, epochs=1.0))
