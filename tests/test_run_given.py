"""`run --architecture`: given architectures as rows beside found ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from fakes import make_task
from test_notation import ODD, V2
from test_run_plan import pretend, request_for

from harness.core.errors import InputError
from harness.core.zero_line import ZERO_LINE
from harness.plugins.catalogue import Catalogue, load_method
from harness.run.plan import make_plan
from harness.run.request import Request, make_request
from harness.run.scoring import HiddenLabels
from harness.spaces import get_space


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    """Two architectures, one of DARTS' space and one of none."""
    (tmp_path / "v2.txt").write_text(V2)
    (tmp_path / "my odd, one.json").write_text(json.dumps(ODD))
    files = (tmp_path / "v2.txt", tmp_path / "my odd, one.json")
    return request_for(tmp_path, methods=(), architectures=files, seeds=(0,), baselines=True)


def test_each_is_a_row_in_its_own_space_and_at_home_there(request_: Request) -> None:
    jobs = {job.method.name: job for job in make_plan(request_).jobs}
    assert {name: job.space for name, job in jobs.items()} == {"given/v2": "cell", "given/my_odd__one": "given"}
    assert all(job.native == job.space for job in jobs.values())
    assert jobs["given/v2"].title == "v2 (given)"
    assert "network" not in HiddenLabels(lambda _: np.zeros(0, np.int64)).recipes(jobs["given/v2"])


def test_what_is_given_needs_no_zero_line_but_stands_beside_one(request_: Request) -> None:
    plan = make_plan(request_)
    assert len(plan.jobs) == 2
    assert plan.notes == tuple(
        f"no random search in space '{space}': its networks are given, not searched" for space in ("cell", "given")
    )
    beside = make_plan(dataclasses.replace(request_, methods=("darts",), space="cell"))
    assert {job.method.name for job in beside.jobs if job.space == "cell"} == {"darts", *ZERO_LINE, "given/v2"}


def test_the_method_proposes_it_and_spends_nothing(request_: Request) -> None:
    job = next(job for job in make_plan(request_).jobs if job.space == "given")
    cls = load_method(job.method)
    assert (cls.name, cls.title, cls.space) == (job.method.name, job.title, job.space)
    task = make_task(get_space("given"))
    method = cls()
    assert method.unsupported(task) is None
    method.search(task)
    assert str(task.proposal) == job.method.member
    assert task.meter.spent == 0
    assert "not of 'cell'" in str(method.unsupported(make_task(get_space("cell"))))


def test_a_file_that_was_changed_is_no_row_of_the_same_directory(request_: Request) -> None:
    for job in make_plan(request_).jobs:
        pretend(job)
        job.directory.settings.unlink()
    assert make_plan(request_).jobs == ()
    request_.architectures[0].write_text(V2.replace("max_pool_3x3", "avg_pool_3x3"))
    with pytest.raises(InputError, match="another architecture"):
        make_plan(request_)


def test_names_and_commas(tmp_path: Path, request_: Request) -> None:
    made = make_request(architectures=f"{tmp_path}/v2.txt,{tmp_path}/my odd, one.json")
    assert made.architectures == request_.architectures
    assert made.methods == ()
    assert make_request(methods="darts", architectures=[tmp_path / "v2.txt"]).methods == ("darts",)
    assert make_request().methods == ("all",)
    assert not [name for name in Catalogue().names("method") if name.startswith("given")]
    for name in ("given", "given/x"):
        with pytest.raises(InputError, match="--architecture FILE"):
            Catalogue().source("method", name)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("nowhere:1,2", "no space 'nowhere'"), ("cell:1,2", "words"), ("keras:net", "keras"), ("nonsense", "holds no")],
)
def test_what_is_no_architecture_is_refused_before_any_work(
    tmp_path: Path, request_: Request, content: str, sentence: str
) -> None:
    request_.architectures[0].write_text(content)
    with pytest.raises(InputError, match=sentence):
        make_plan(request_)


def test_two_files_of_one_name_are_refused(tmp_path: Path, request_: Request) -> None:
    (tmp_path / "v2.json").write_text(V2)
    with pytest.raises(InputError, match="two files"):
        make_plan(dataclasses.replace(request_, architectures=(tmp_path / "v2.txt", tmp_path / "v2.json")))
