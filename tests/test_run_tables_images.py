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
from harness.core.errors import InputError
from harness.core.limits import Limits
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.record import Record
from harness.core.space import Size
from harness.core.table import Behind, Table
from harness.plugins.catalogue import Catalogue, load_dataset
from harness.run.images import ImageSets
from harness.run.plan import make_plan
from harness.run.profiles import NB201_WEIGHTS, get_profile
from harness.run.request import Request
from harness.run.tables import locate
from harness.run.tables.images import ImagesBehind

PROFILE = get_profile("table")
TOY = load_dataset(Catalogue().source("dataset", "toy"), "")
"""Images that are made and not read, so that they are always here."""
SMALL = dataclasses.replace(NB201_WEIGHTS, budget=Budget.parse("2e9macs"), supernet=Size(channels=2, layers=3))
"""The profile of the published weight-sharing methods, for tables of toy images."""
PUBLISHED = ("rs_ws", "darts", "gdas", "setn", "enas_micro")
"""Those methods."""


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


def loaded(path: Path) -> Table:
    found = load_dataset(Catalogue().source("dataset", "table"), str(path)).load(path.parent)
    assert isinstance(found, Table)
    return found


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
    found = loaded(made)
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
    plan = make_plan(request_for(made, tmp_path, "random_search", budget="3e9macs"))
    prepared = {job.method.name: job.prepared for job in plan.jobs}
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


def small(path: Path, out: Path, *methods: str, **changes: object) -> Request:
    request = dataclasses.replace(request_for(path, out, *methods), profile=SMALL)
    return dataclasses.replace(request, **changes)  # type: ignore[arg-type]


def looked_up(record: Record, path: Path) -> bool:
    """Whether a record has the table's score of what was proposed."""
    found = loaded(path)
    return record.status == "ok" and record.test_accuracy == found.score[found.rows[record.proposal]]


@pytest.mark.parametrize("methods", [("rs_ws", "gdas"), pytest.param(PUBLISHED, marks=pytest.mark.slow)])
def test_the_published_methods_search_small_supernets_and_repeat_themselves(
    made: Path, tmp_path: Path, methods: tuple[str, ...]
) -> None:
    request = small(made, tmp_path / "out", *methods)
    records, _ = run(request)
    assert all(looked_up(record, made) for record in records), [record.reason for record in records]
    assert all(0.4 < record.search["share"] <= 1 for record in records), {r.method: r.search for r in records}
    again, _ = run(dataclasses.replace(request, out=tmp_path / "again"))
    for one, other in zip(records, again, strict=True):
        assert (one.method, one.proposal, one.search["macs"]) == (other.method, other.proposal, other.search["macs"])


SIZED = """
assert (task.recipe.size.channels, task.recipe.size.layers) == (2, 3), task.recipe.size
genotype = task.space.sample(task.rng)
assert task.cost(genotype) > 20 * task.meter.limit
task.propose(genotype)
"""


def test_the_supernet_is_the_profiles_and_what_is_looked_up_the_tables(made: Path, tmp_path: Path) -> None:
    plugin = write_method(tmp_path, "sized", SIZED, space="cell", before="")
    plugin.write_text(plugin.read_text().replace("    draws: int = 1", "    trains = True\n    draws: int = 1"))
    profile = dataclasses.replace(SMALL, budget=Budget.parse("1e6macs"))
    [record], _ = run(small(made, tmp_path / "out", "sized", plugins=(plugin,), profile=profile))
    assert looked_up(record, made), record.reason
    wider = dataclasses.replace(profile, supernet=Size(channels=4, layers=3))
    with pytest.raises(InputError, match="made with another supernet"):
        make_plan(small(made, tmp_path / "out", "sized", plugins=(plugin,), profile=wider))


def test_a_limit_is_one_of_the_tables_network(made: Path, tmp_path: Path) -> None:
    trained = next(iter(loaded(made).signals.values())).trained
    assert trained is not None

    def parameters(record: Record) -> int:
        network = lower(SPACE.decode(SPACE.parse(record.proposal), trained.final_size))
        return measure(network, trained.image, trained.classes).parameters

    [free], _ = run(small(made, tmp_path / "free", "rs_ws"))
    profile = dataclasses.replace(SMALL, limits=Limits(parameters=parameters(free) - 1))
    [record], _ = run(small(made, tmp_path / "limited", "rs_ws", profile=profile))
    assert looked_up(record, made), record.reason
    assert parameters(record) < parameters(free)


@pytest.mark.parametrize(
    ("budget", "data", "told"),
    [
        ("50evals", "", "a budget in macs, such as --budget 1e12macs, on the images of 'toy'"),
        ("2e9macs", "0" * 64, "on the images that it was made of, and 'toy' is made of others"),
    ],
)
def test_a_profile_for_supernets_is_refused_without_images(tmp_path: Path, budget: str, data: str, told: str) -> None:
    path, out = table(tmp_path, data or checksum(tmp_path)), tmp_path / "out"
    profile = dataclasses.replace(SMALL, budget=Budget.parse(budget))
    with pytest.raises(InputError, match=rf"^table:\S+: methods that train weights themselves work .*{told}$"):
        make_plan(small(path, out, "rs_ws", profile=profile))
    assert make_plan(small(path, out, "random_sampling", profile=profile)).jobs, "which needs none"


def test_absent_or_unknown_images_are_a_sentence_each(made: Path, tmp_path: Path) -> None:
    absent = dataclasses.replace(TOY, missing=lambda _: "toy is missing; bring it with: python -m harness fetch toy")
    prepared = locate(loaded(made), "valid_100_s0", tmp_path, SMALL.budget)
    behind = Behind("toy", checksum(tmp_path), 0.5)
    for known, told in ((absent, "fetch toy$"), (None, "those behind this table are not$")):
        images = ImagesBehind(
            {"mine": behind},
            lambda _, known=known: known,  # type: ignore[misc]
            lambda *_: pytest.fail("nothing is loaded"),
            root=tmp_path,
            out=tmp_path,
            budget=SMALL.budget,
            needed=True,
        )
        with pytest.raises(InputError, match=told):
            images.prepare(prepared, "mine", (0,))


def test_all_are_those_that_train_weights_and_random_search_is_no_zero_line(made: Path, tmp_path: Path) -> None:
    plan = make_plan(small(made, tmp_path, "all", baselines=True))
    names = [job.method.name for job in plan.jobs]
    assert set(PUBLISHED) < set(names)
    assert {name for name in names if not Catalogue().source("method", name).facts().trains} == {"random_sampling"}
    assert any("each space has random sampling at the same budget" in note for note in plan.notes), plan.notes
