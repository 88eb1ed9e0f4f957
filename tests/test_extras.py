"""Tests that need an extra skip by default; ``tox -e extras`` does them all, and there a skip is a failure."""

from __future__ import annotations

import configparser
import subprocess
import sys
import tomllib
from pathlib import Path

from harness.core.home import CHECKOUT as ROOT

TOX = configparser.ConfigParser(interpolation=None)
TOX.read(ROOT / "tox.ini", encoding="utf-8")
ENVIRONMENT = TOX["testenv:extras"]
TOOLS = {"dev", "mutants"}
"""Extras that bring what is called by hand, and no test."""
_SKIPS = """
import pytest

def test_skips(): pytest.skip("no such thing here")

@pytest.mark.skipif(True, reason="nor such a thing")
def test_is_skipped(): pass

def test_passes(): pass
"""


def test_the_environment_has_every_extra() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(ENVIRONMENT["extras"].split(", ")) == set(declared) - TOOLS


def test_it_does_every_file_that_skips_for_want_of_one() -> None:
    here = Path(__file__)
    skipping = {
        path.relative_to(ROOT).as_posix()
        for path in here.parent.rglob("test_*.py")
        if path != here
        and any(word in path.read_text("utf-8") for word in ("the extra '", "playwright is not installed"))
    }
    [_, files] = ENVIRONMENT["commands"].removesuffix("}").split("{posargs:")
    assert set(files.split()) == skipping
    assert skipping


def test_with_no_skips_a_skip_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(_SKIPS)
    (tmp_path / "test_two.py").write_text("import pytest\n\npytest.importorskip('no_such_package')\n")
    (tmp_path / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text("utf-8"))

    def tested(*words: str) -> str:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
        done = subprocess.run([*command, *words, "."], check=False, cwd=tmp_path, capture_output=True, text=True)
        return done.stdout.splitlines()[-1]

    assert tested().startswith("1 passed, 3 skipped")
    assert tested("--no-skips").startswith("1 failed, 1 passed, 2 errors")  # a mark skips before the test, so an error
