"""Figures that both a method's docstring and its page have."""

from __future__ import annotations

import re

import pytest

from harness.core.home import CHECKOUT as ROOT

MODULES = sorted(path.stem for path in (ROOT / "methods").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", MODULES)
def test_results_in_a_docstring_are_on_the_page_too(name: str) -> None:
    text = (ROOT / "methods" / f"{name}.py").read_text(encoding="utf-8").split('"""')[1]
    page = (ROOT / "docs" / "methods" / f"{name}.md").read_text(encoding="utf-8")
    for mean, deviation in re.findall(r"(\d+\.\d+)\s*\+-\s*(\d+\.\d+)", text):
        assert f"{mean} ± {deviation}" in page
