"""Methods that train weights, on a table whose images are at hand."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from plugin_files import write_method
from test_datasets_tabulated import SPACE, written
from test_run_tables import run

from harness.core.budget import Budget
from harness.core.table import Behind, Table
from harness.plugins.catalogue import Catalogue, load_dataset
from harness.run.images import ImageSets
from harness.run.plan import make_plan
from harness.run.profiles import get_profile
from harness.run.request import Request
from harness.run.tables.images import ImagesBehind

PROFILE = get_profile("table")
TOY = load_dataset(Catalogue().source("dataset", "toy"), "")
"""Images that are made and not read, so that they are always here."""


def checksum(folder: Path) -> str:
    return ImageSets(["toy"], lambda _: TOY.load(folder), 0.1, folder).checksum("toy")  # type: ignore[arg-type, return-value]


def table(folder: Path, data: str) -> Path:
    """A table that says it was made of the toy images, in networks of four channels."""
    path = written(folder / "toy.csv")
    toml = path.with_suffix(".toml")
    text = re.sub(r"channels = \d+", "channels = 4", toml.read_text(encoding="utf-8"))
    toml.write_text(text.replace('dataset = "toy"', f'dataset = "toy"\ndata = "{data}"'), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    return table(folder, checksum(folder))


def request_for(path: Path, out: Path, *methods: str, budget: str = "2e9macs", plugin: Path | None = None) -> Request:
    return Request(
        methods=methods,
        datasets=(f"table:{path}",),
        profile=dataclasses.replace(PROFILE, budget=Budget.parse(budget)),
        seeds=(0,),
        out=out,
        data_root=path.parent,
        baselines=False,
        plugins=(plugin,) if plugin else (),
    )


def test_a_supernet_is_trained_on_the_images_and_its_proposal_looked_up(made: Path, tmp_path: Path) -> None:
    request = request_for(made, tmp_path / "out", "rs_ws")
    [record], _ = run(request)
    assert record.status == "ok", record.reason
    found = load_dataset(Catalogue().source("dataset", "table"), str(made)).load(made.parent)
    assert isinstance(found, Table)
    assert record.test_accuracy == found.score[found.rows[record.proposal]]
    assert record.space == SPACE.name
    assert record.search["steps"] > 10
    assert record.search["share"] <= 1
    [again], _ = run(dataclasses.replace(request, out=tmp_path / "again"))
    assert (again.proposal, again.search["macs"]) == (record.proposal, record.search["macs"])


CURIOUS = """
import pathlib
import numpy as np
assert len(task.data.x_train) > len(task.data.x_valid) > 0
assert task.recipe.size.channels == 4
opened = []
for path in {paths!r}:
    for file in pathlib.Path(path).parent.rglob(pathlib.Path(path).name):
        try:
            file.read_bytes()
            opened.append(str(file))
        except OSError:
            pass
assert not opened, opened
task.propose(task.space.sample(task.rng))
"""


def test_neither_scores_nor_test_images_can_be_read(made: Path, tmp_path: Path) -> None:
    paths = [str(made), str(tmp_path / "out" / "prepared" / "x_test.npy")]
    body = CURIOUS.format(paths=paths)
    plugin = write_method(tmp_path, "curious", body, space="cell", before="")
    plugin.write_text(plugin.read_text().replace("    draws: int = 1", "    trains = True\n    draws: int = 1"))
    [record], _ = run(request_for(made, tmp_path / "out", "curious", plugin=plugin))
    assert record.status == "ok", record.reason
    assert [*(tmp_path / "out" / "prepared").rglob("x_test.npy")], "there is nothing to hide"


@pytest.mark.parametrize(
    ("budget", "data", "told"),
    [
        ("50evals", "", "a budget in macs"),
        ("2e9macs", "0" * 64, "it was made of, and 'toy' is made of others"),
    ],
)
def test_what_is_missing_is_said_and_the_others_go_on(tmp_path: Path, budget: str, data: str, told: str) -> None:
    path = table(tmp_path, data or checksum(tmp_path))
    plan = make_plan(request_for(path, tmp_path / "out", "rs_ws", "random_search", budget=budget))
    assert any(told in note for note in plan.notes), plan.notes
    assert {job.prepared.tensorflow for job in plan.jobs} == {False}


def test_what_was_left_out_of_the_images_is_said_once(made: Path, tmp_path: Path) -> None:
    prepared = {job.method.name: job.prepared for job in make_plan(request_for(made, tmp_path, "random_search")).jobs}
    names = {name: Behind("toy", checksum(tmp_path), 0.1) for name in ("one", "two")}
    images = ImagesBehind(
        names,
        lambda _: TOY,
        lambda *_: dataclasses.replace(TOY.load(tmp_path), note="toy: 3 files were left out"),
        root=tmp_path,
        out=tmp_path,
        budget=Budget.parse("1e9macs"),
    )
    for name in names:
        assert images.prepare(prepared["random_search"], name, (0,)) is not None
    assert images.notes == ["toy: 3 files were left out"]


def test_only_methods_that_train_take_the_images(made: Path, tmp_path: Path) -> None:
    plan = make_plan(request_for(made, tmp_path / "out", "rs_ws", "darts", "random_search", "autokeras"))
    assert {job.method.name: job.prepared.tensorflow for job in plan.jobs} == {
        "rs_ws": True,
        "darts": True,
        "random_search": False,
        "autokeras": False,
    }
    hidden = {path.name for job in plan.jobs for path in job.forbidden.paths}
    assert "x_test.npy" in hidden
    assert np.all([set(job.forbidden.paths) == set(plan.jobs[0].forbidden.paths) for job in plan.jobs])
