"""Zero lines: every space of a table has random sampling and random search."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest
from plugin_files import GOOD, write_method, write_squares
from tables_on_disk import write_table
from test_run_plan import pretend, request_for

from harness.core.errors import InputError
from harness.core.zero_line import ZERO_LINE
from harness.plugins.catalogue import Catalogue
from harness.run.plan import Plan, make_plan
from harness.run.profiles import NB201, PROFILES, QUICK, SMOKE
from harness.run.request import Request, make_request

LAYERS_PLUGIN = '''
"""A space."""
from harness.spaces import get_space
SPACE = get_space("macro-4")
SPACE.name = "mine"
'''


def planned(tmp_path: Path, *methods: str, **changes: object) -> Plan:
    return make_plan(request_for(tmp_path, **{"methods": methods, "baselines": True, "seeds": (0,), **changes}))


def lines(plan: Plan) -> list[tuple[str, str]]:
    return [(job.method.name, job.space) for job in plan.jobs]


def test_each_space_gets_both_baselines_and_the_rows_are_announced(tmp_path: Path) -> None:
    plan = planned(tmp_path, "darts", "good", "b", "gp")
    cell = SMOKE.space_for("cell")
    assert lines(plan)[:4] == [("darts", cell), ("good", "macro-3"), ("b", "macro-3"), ("gp", "nasbench201")]
    assert lines(plan)[4:] == [(name, space) for space in (cell, "macro-3", "nasbench201") for name in ZERO_LINE]
    [note] = plan.notes
    assert "6 rows were added" in note
    assert f"{cell}, macro-3, nasbench201" in note
    assert "--no-baselines" in note


def test_what_was_named_is_not_added_again(tmp_path: Path) -> None:
    plan = planned(tmp_path, "random_search", "darts", "random_sampling")
    assert len(plan.jobs) == 3
    assert plan.notes == ()
    assert lines(planned(tmp_path, "random_search"))[1:] == [("random_sampling", SMOKE.space_for("cell"))]


def test_without_baselines_there_is_what_was_named(tmp_path: Path) -> None:
    plan = planned(tmp_path, "darts", "gp", baselines=False)
    assert [name for name, _ in lines(plan)] == ["darts", "gp"]
    assert plan.notes == ()


@pytest.mark.parametrize("profile", [SMOKE, QUICK], ids=lambda profile: profile.name)
def test_all_methods_have_a_zero_line_in_their_space(tmp_path: Path, profile: object) -> None:
    plan = planned(tmp_path, "all", profile=profile)
    there = Counter(lines(plan))
    assert max(there.values()) == 1, "a run that two methods share is done once"
    spaces = {space for _, space in there}
    for space in spaces - {"keras"}:
        assert all((name, space) in there for name in ZERO_LINE), space
    assert {name for name, _ in there} == set(Catalogue().names("method")) | {"good", "b"}
    assert [(name, space) for name, space in there if space == "keras"] == [("autokeras", "keras")]
    assert any("no random search in space 'keras': it has no genotypes" in note for note in plan.notes)
    assert len({job.label for job in plan.jobs}) == len(plan.jobs), "bars on the screen go by label"
    assert len({job.directory for job in plan.jobs}) == len(plan.jobs)


def test_a_baseline_is_at_home_in_every_space_whichever_command_came_first(tmp_path: Path) -> None:
    added = planned(tmp_path, "gp").jobs[1:]
    named = planned(tmp_path, *ZERO_LINE, space="nasbench201").jobs
    assert {job.directory for job in added} == {job.directory for job in named}
    assert [job.native for job in (*added, *named)] == ["nasbench201"] * 4
    assert [job.inputs for job in added] == [job.inputs for job in named]


def test_one_space_for_all_has_one_zero_line(tmp_path: Path) -> None:
    plan = planned(tmp_path, "darts", "gp", "good", space="cell-2")
    assert lines(plan) == [(name, "cell-2") for name in ("darts", "gp", "good", *ZERO_LINE)]


def test_every_seed_and_every_data_set_has_its_own(tmp_path: Path) -> None:
    plan = planned(tmp_path, "good", seeds=(3, 4))
    assert [(job.method.name, job.seed) for job in plan.jobs] == [
        (name, seed) for seed in (3, 4) for name in ("good", *ZERO_LINE)
    ]
    assert "2 rows (4 runs) were added" in plan.notes[0]


def test_a_space_from_a_plug_in_is_tried(tmp_path: Path) -> None:
    request = request_for(tmp_path, baselines=True, seeds=(0,), methods=("layered",))
    mine = tmp_path / "plugins" / "mine.py"
    mine.write_text(LAYERS_PLUGIN)
    layered = write_method(tmp_path / "plugins", "layered", GOOD, space="mine")
    plan = make_plan(dataclasses.replace(request, plugins=(*request.plugins, mine, layered)))
    assert lines(plan) == [(name, "mine") for name in ("layered", *ZERO_LINE)]
    assert all(job.space_source is not None for job in plan.jobs)


def test_a_published_network_is_not_searched_and_gets_none(tmp_path: Path) -> None:
    plan = planned(tmp_path, "published/darts_v2", "good")
    assert ("random_search", "published") not in lines(plan)
    assert ("random_search", "macro-3") in lines(plan)
    assert plan.notes[-1] == "no random search in space 'published': its networks are given, not searched"


def test_a_method_without_a_space_gets_none(tmp_path: Path) -> None:
    request = request_for(tmp_path, baselines=True, seeds=(0,), methods=("odd",))
    odd = tmp_path / "plugins" / "odd.py"
    odd.write_text("METHOD = 42")
    assert lines(make_plan(dataclasses.replace(request, plugins=(*request.plugins, odd)))) == [("odd", "unknown")]


def test_a_table_has_one_space_and_one_zero_line(tmp_path: Path) -> None:
    request = make_request(
        methods="regularized_evolution",
        datasets=f"table:{write_table(tmp_path)}",
        profile=NB201,
        seeds="0-2",
        out=tmp_path / "out",
    )
    plan = make_plan(request)
    assert Counter(job.method.name for job in plan.jobs) == dict.fromkeys(("regularized_evolution", *ZERO_LINE), 3)
    assert len({job.space for job in plan.jobs}) == 1


def test_baselines_that_are_over_are_not_done_again(tmp_path: Path) -> None:
    for job in planned(tmp_path, "good").jobs[1:]:
        pretend(job)
    plan = planned(tmp_path, "b")
    assert lines(plan) == [("b", "macro-3")]
    assert len(plan.records) == 2


class TestFinal:
    """What final trainings are counted in is one thing in a directory."""

    def request(self, tmp_path: Path, limit: str, method: str) -> Request:
        files = tmp_path / "plugins"
        files.mkdir(exist_ok=True)
        plugins = [write_squares(files, tmp_path / "data"), *(write_method(files, name, GOOD) for name in ("a", "b"))]
        return make_request(
            methods=method, datasets="squares", profile="quick", final=limit, baselines=False,
            out=tmp_path / "out", data=tmp_path / "data", plugins=plugins,
        )  # fmt: skip

    def test_it_is_asked_for_by_name(self, tmp_path: Path) -> None:
        assert self.request(tmp_path, "", "a").profile == PROFILES["quick"]
        assert self.request(tmp_path, "epochs", "a").profile == PROFILES["quick"]
        assert self.request(tmp_path, "seconds", "a").profile.final.limit == "seconds"
        with pytest.raises(InputError, match="use epochs or seconds"):
            self.request(tmp_path, "steps", "a")

    @pytest.mark.parametrize("method", ["a", "b"])
    def test_another_one_in_the_same_directory_is_refused_for_any_row(self, tmp_path: Path, method: str) -> None:
        pretend(make_plan(self.request(tmp_path, "epochs", "a")).jobs[0])
        make_plan(self.request(tmp_path, "epochs", method))
        with pytest.raises(InputError, match=r"counted in epochs, here it is counted in seconds; name another.*--out"):
            make_plan(self.request(tmp_path, "seconds", method))

    def test_older_runs_count_as_what_their_recipe_says(self, tmp_path: Path) -> None:
        job = make_plan(self.request(tmp_path, "seconds", "a")).jobs[0]
        del job.inputs["final training"]
        pretend(job)
        make_plan(self.request(tmp_path, "seconds", "b"))
        with pytest.raises(InputError, match="counted in seconds, here it is counted in epochs"):
            make_plan(self.request(tmp_path, "epochs", "b"))
