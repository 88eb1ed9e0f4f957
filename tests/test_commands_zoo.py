"""Published networks on the command line: rows, the committed page, and as methods."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from fakes import make_task
from test_run_plan import request_for

from harness.commands import zoo as published
from harness.core.architecture import CellStack
from harness.core.errors import InputError
from harness.core.home import CHECKOUT as ROOT
from harness.core.space import Size
from harness.plugins.catalogue import Catalogue, load_method
from harness.run.plan import make_plan
from harness.run.scoring import HiddenLabels
from harness.spaces import get_space
from harness.spaces.zoo import MISSING, PUBLISHED
from harness.spaces.zoo.find import scaling

PAGE = ROOT / "results" / "tables" / "published_architectures.md"


def test_the_committed_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == published.markdown(), (
        f"run {published.COMMAND} > {PAGE.relative_to(ROOT)}"
    )


def test_the_page_has_a_line_for_every_network_and_a_note_for_every_difference() -> None:
    lines = {line.split("`")[1]: line for line in published.markdown().splitlines() if line.startswith("| `")}
    assert list(lines) == [*PUBLISHED, *(entry.name for entry in MISSING)]
    for line in lines.values():
        note = line.rstrip(" |").rpartition("| ")[2]
        assert "%" not in line or note.isdecimal()
    assert all("definition never published" in lines[entry.name] for entry in MISSING)


def test_rows_have_counts_beside_published_ones() -> None:
    rows = {row["name"]: row for row in published.rows()}
    assert rows["densenet_bc_190_40"]["parameters"] == 25_624_430
    assert rows["densenet_bc_190_40"]["published_parameters"] == 25_600_000
    assert rows["densenet_bc_190_40"]["agrees"]
    assert not rows["fractalnet_3col_5block"]["agrees"]
    assert rows["hierarchical_nas"]["parameters"] - rows["hierarchical_nas"]["trainable"] == 325_632
    unknown = rows["smashv2"]
    assert (unknown["parameters"], unknown["published_parameters"]) == (None, 16_000_000)
    assert len({frozenset(row) for row in rows.values()}) == 1
    assert published.short(unknown)["published"] == "16.0M"


def test_a_network_comes_at_its_own_size_or_another() -> None:
    net, size = published.architecture("darts_v2")
    assert size == Size(36, 20)
    assert isinstance(net, CellStack)
    assert published.architecture("darts_v2", 4, 8)[1] == Size(4, 8)
    assert published.architecture("metaqnn_top1", 256, 7)[1] == Size(256, 7)


@pytest.mark.parametrize(
    ("name", "layers", "sentence"),
    [
        ("nasnet_b", None, "did you mean nasnet_a"),
        ("nas_v3", None, "was never published"),
        ("metaqnn_top1", 5, "leave --layers out"),
        ("", None, "names them"),
    ],
)
def test_what_cannot_be_built_is_said_in_a_sentence(name: str, layers: int | None, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        published.architecture(name, layers=layers)


class TestMethods:
    def test_all_leaves_them_out(self) -> None:
        assert not [name for name in Catalogue().names("method") if name.startswith("published")]

    @pytest.mark.parametrize("name", PUBLISHED)
    def test_each_is_a_method_by_name(self, name: str) -> None:
        source = Catalogue().source("method", f"published/{name}")
        facts, cls = source.facts(), load_method(source)
        assert cls.name == source.name == f"published/{name}"
        assert cls.title == facts.title == PUBLISHED[name].title
        assert cls.space == facts.space == "published"

    def test_it_proposes_its_network_and_spends_nothing(self) -> None:
        method = load_method(Catalogue().source("method", "published/naonet_a_36"))()
        task = make_task(get_space("published"))
        assert method.unsupported(task) is None
        method.search(task)
        assert str(task.proposal) == "published:naonet_a_36"
        assert task.meter.spent == 0

    def test_it_works_in_no_other_space(self) -> None:
        method = load_method(Catalogue().source("method", "published/darts_v2"))()
        assert "not search the space 'cell'" in str(method.unsupported(make_task(get_space("cell"))))

    @pytest.mark.parametrize("name", ["published", "published/", "published/darts_v3", "published/nas_v3"])
    def test_unknown_networks_are_refused_before_any_work(self, name: str) -> None:
        with pytest.raises(InputError):
            Catalogue().source("method", name)

    def test_the_record_says_how_far_it_was_scaled(self) -> None:
        told = scaling("densenet_bc_190_40", Size(24, 10))
        assert (told["channels"], told["published channels"]) == (24, 40)
        assert (told["layers"], told["published layers"]) == (16, 31)
        assert told["layers are"] == "layers per block"


def test_a_job_goes_by_its_network_and_records_its_size(tmp_path: Path) -> None:
    request = dataclasses.replace(request_for(tmp_path), methods=("published/densenet_bc_190_40", "published/darts_v2"))
    jobs = {job.method.name: job for job in make_plan(request).jobs}
    job = jobs["published/densenet_bc_190_40"]
    assert (job.title, job.native, job.space) == ("DenseNet-BC", "published", "published")
    network = HiddenLabels(lambda _: np.zeros(0, np.int64)).recipes(job)["network"]
    assert network == scaling("densenet_bc_190_40", job.profile.final.size)
    assert len({job.directory.path for job in jobs.values()}) == 2
