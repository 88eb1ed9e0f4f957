"""What every data set file promises, without its data; and with it, where it is there."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError
from harness.core.home import CHECKOUT as ROOT
from harness.core.table import Table
from harness.plugins.catalogue import Catalogue, load_dataset
from harness.run.images import split

NAMES = Catalogue().names("dataset")
DATA = Path(os.environ.get("HARNESS_DATA", str(Path.home() / ".cache" / "nas-harness")))


def source_of(name: str, tmp_path: Path) -> DatasetSource:
    source = Catalogue().source("dataset", name)
    return load_dataset(source, str(tmp_path / "nothing") if source.needs_argument() else "")


@pytest.mark.parametrize("name", NAMES)
def test_a_source_says_what_it_is(name: str, tmp_path: Path) -> None:
    found = Catalogue().source("dataset", name)
    source = source_of(name, tmp_path)
    assert source.name.partition(":")[0] == name
    assert found.facts().summary
    if not found.needs_argument():
        assert source.summary == found.facts().summary, "the summary has to be a plain string"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_missing_is_said_before_and_while_loading(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [variable for variable in os.environ if variable.startswith("HARNESS_")]:
        monkeypatch.delenv(variable)
    source = source_of(name, tmp_path)
    reason = source.missing(tmp_path)
    if reason is None:
        return
    assert str(tmp_path) in reason
    assert "\n" not in reason
    with pytest.raises(InputError) as caught:
        source.load(tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [], "looking must not create anything"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_hidden_can_be_told_without_the_files(name: str, tmp_path: Path) -> None:
    hidden = source_of(name, tmp_path).hidden(tmp_path)
    assert all(isinstance(path, Path) for path in hidden)
    assert all(path != tmp_path and path not in tmp_path.parents for path in hidden)


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_that_is_here_is_whole(name: str, tmp_path: Path) -> None:
    source = source_of(name, tmp_path)
    reason = source.missing(DATA)
    if reason is not None:
        pytest.skip(reason)
    data = source.load(DATA)
    again = source.load(DATA)
    if source.tabular:
        assert isinstance(data, Table)
        assert isinstance(again, Table)
        assert (data.name, data.genotypes, list(data.signals)) == (name, again.genotypes, list(again.signals))
        assert np.array_equal(data.score, again.score)
        return
    assert isinstance(data, Dataset)
    for field in dataclasses.fields(data):
        assert np.array_equal(getattr(data, field.name), getattr(again, field.name))
    assert data.name == name
    assert set(np.unique(data.y_train)) == set(range(len(data.classes)))
    assert len(data.mean) == len(data.std) == data.x_train.shape[3] == data.x_test.shape[3]
    assert np.allclose(data.x_train.mean((0, 1, 2)), data.mean, atol=1.5)
    assert data.x_train.shape[1:] == data.x_test.shape[1:]
    train, valid = split(data.y_train, data.groups, 0.1, 0, name)
    assert len(train) + len(valid) == len(data.x_train)


def test_no_loader_needs_tensorflow() -> None:
    code = (
        "import sys\n"
        "from harness.plugins.catalogue import Catalogue, load_dataset\n"
        "c = Catalogue()\n"
        "for name in c.names('dataset'):\n"
        "    s = c.source('dataset', name)\n"
        "    load_dataset(s, '/nowhere' if s.needs_argument() else '')\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
