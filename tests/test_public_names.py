"""The names of ``harness``: one table, which the runtime, ``import *`` and type checkers agree on."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys

import pytest

import harness
from harness.core.home import PACKAGE


def names_for_type_checkers() -> dict[str, tuple[str, ...]]:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    [block] = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    ]
    names: dict[str, tuple[str, ...]] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, "type checkers take other imports for private"
            names[str(node.module)] = (*names.get(str(node.module), ()), alias.name)
    return names


def test_type_checkers_and_the_runtime_know_the_same_names() -> None:
    assert names_for_type_checkers() == harness.PUBLIC
    assert list(harness.__all__) == sorted(name for names in harness.PUBLIC.values() for name in names)


@pytest.mark.parametrize(("module", "name"), [(m, name) for m, names in harness.PUBLIC.items() for name in names])
def test_a_name_is_the_object_of_its_module(module: str, name: str) -> None:
    assert getattr(harness, name) is getattr(importlib.import_module(module), name)
    assert name in dir(harness)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        harness.nonsense  # noqa: B018


def test_the_package_alone_imports_nothing_heavy() -> None:
    code = "import sys, harness; print(sorted({'numpy', 'tensorflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
