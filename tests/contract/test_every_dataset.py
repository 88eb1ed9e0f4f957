"""What every data set file promises, without its data; and with it, where it is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.dataset import DatasetSource
from harness.core.home import CHECKOUT as ROOT
from harness.plugins.catalogue import Catalogue, load_dataset
from harness.testing import datasets as kit
from harness.testing.kit import checks_of

NAMES = Catalogue().names("dataset")
DATA = Path(os.environ.get("HARNESS_DATA", str(Path.home() / ".cache" / "nas-harness")))


def source_of(name: str, tmp_path: Path) -> DatasetSource:
    source = Catalogue().source("dataset", name)
    return load_dataset(source, str(tmp_path / "nothing") if source.needs_argument() else "")


@pytest.mark.parametrize("name", NAMES)
def test_a_source_says_what_it_is(name: str, tmp_path: Path) -> None:
    kit.says_what_it_is(source_of(name, tmp_path), Catalogue().source("dataset", name))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_missing_is_said_before_and_while_loading(name: str, tmp_path: Path) -> None:
    source = source_of(name, tmp_path)
    kit.says_what_is_missing(source, str(tmp_path) if Catalogue().source("dataset", name).needs_argument() else "")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_hidden_can_be_told_without_the_files(name: str, tmp_path: Path) -> None:
    kit.tells_what_is_hidden(source_of(name, tmp_path))


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_that_is_here_is_whole(name: str, tmp_path: Path) -> None:
    source = source_of(name, tmp_path)
    reason = source.missing(DATA)
    if reason is not None:
        pytest.skip(reason)
    data = source.load(DATA)
    kit.is_whole(data, source)
    kit.same(data, source.load(DATA))
    if not source.tabular:
        kit.can_be_split(data)


@pytest.mark.parametrize("name", ["toy", "folder"])
def test_the_kit_goes_through_a_whole_data_set(name: str, tmp_path: Path) -> None:
    from datasets_on_disk import MAKERS

    if name == "folder":
        with pytest.MonkeyPatch.context() as patch:
            MAKERS["folder"](tmp_path, patch)
        name = f"folder:{tmp_path / 'pets'}"
    with checks_of("dataset", name, root=tmp_path) as checks:
        for check in checks:
            check()


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
