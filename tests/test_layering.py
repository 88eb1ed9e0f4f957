"""Imports go down only; TensorFlow is imported on one floor; nothing goes round in circles."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from harness.core.home import CHECKOUT as ROOT

ALLOWED = {
    "harness.core": {"harness.core"},
    "harness.spaces": {"harness.core", "harness.spaces"},
    "harness.nets": {"harness.core", "harness.spaces", "harness.nets"},
    "harness.plugins": {"harness.core", "harness.spaces", "harness.plugins"},
    "harness.stored": {"harness.core", "harness.stored"},
    "harness.report": {"harness.core", "harness.stored", "harness.report"},
    "harness.run.backends": {"harness.core", "harness.run.backends"},
    "harness.run": {
        "harness.core",
        "harness.spaces",
        "harness.nets",
        "harness.plugins",
        "harness.stored",
        "harness.run.backends",
        "harness.run",
    },
    "harness.commands": {
        "harness.core",
        "harness.spaces",
        "harness.nets",
        "harness.plugins",
        "harness.stored",
        "harness.report",
        "harness.run.backends",
        "harness.run",
        "harness.commands",
    },
    "harness.api": {"harness.core", "harness.run", "harness.commands"},
    "harness.cli": {
        "harness.cli",
        "harness.core",
        "harness.spaces",
        "harness.plugins",
        "harness.run",
        "harness.commands",
    },
    "harness.testing": {
        "harness.core",
        "harness.spaces",
        "harness.nets",
        "harness.plugins",
        "harness.run",
        "harness.testing",
    },
    "harness.__main__": {"harness.cli"},
    "harness": {"harness.core", "harness.spaces", "harness.api"},
    "harness.methods": {"harness", "harness.core", "harness.spaces", "harness.nets", "harness.methods"},
    "harness.datasets": {"harness", "harness.core", "harness.spaces", "harness.datasets"},
}
"""Which floors each floor may import from; a new floor has to be entered here."""

HEAVY = {"tensorflow", "keras", "autokeras", "keras_tuner"}
HEAVY_FLOORS = {"harness.nets", "harness.methods"}
WRAPPERS = {
    "harness.methods.common.autokeras": {"autokeras", "keras_tuner"},
    "harness.methods.common.autokeras_choices": {"autokeras", "keras_tuner"},
}
"""Modules whose classes derive from such a package's, and which are themselves imported only when they are needed."""
EXTRA = {
    "harness.core": {"numpy"},
    "harness.stored": {"msgspec"},
    "harness.spaces": {"numpy"},
    "harness.nets": {"numpy", "tensorflow", "keras", "scipy", "PIL", "onnx", "tf2onnx"},
    "harness.report": {"numpy", "matplotlib", "plotly", "jinja2", "scipy"},
    "harness.run.backends": {"filelock", "ray"},
    "harness.run": {"numpy", "rich", "sklearn", "threadpoolctl"},
    "harness.plugins": set(),
    "harness.api": {"rich"},
    "harness.commands": {"numpy", "rich"},
    "harness.cli": {"typer", "rich"},
    "harness.testing": {"numpy"},
    "harness": set(),
    "harness.__main__": set(),
}
"""Third-party packages of the floors, as docs/architecture.md has them."""


@cache
def files() -> list[Path]:
    return [
        path
        for folder in ("harness", "methods", "datasets")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "__pycache__" not in path.parts
    ]


def module_of(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[0] != "harness":
        parts = ["harness", *parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:3] if parts[:3] == ["harness", "run", "backends"] else parts[:2])


@cache
def modules() -> dict[str, Path]:
    return {module_of(path): path for path in files()}


def imports(path: Path, *, lazy: bool, typing: bool = False) -> Iterator[str]:
    """Imported modules.

    Args:
        path: of the file.
        lazy: whether imports inside functions count.
        typing: whether imports for type checking only count.
    """
    known = modules()

    def visit(nodes: list[ast.stmt]) -> Iterator[str]:
        for node in nodes:
            match node:
                case ast.Import(names=names):
                    yield from (alias.name for alias in names)
                case ast.ImportFrom(module=module, names=names, level=level):
                    if level:
                        package = module_of(path).split(".")[:-level]
                        module = ".".join([*package, *([module] if module else [])])
                    for alias in names:
                        inner = f"{module}.{alias.name}"
                        yield inner if inner in known else str(module)
                case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body, orelse=orelse):
                    yield from visit(body if typing else [])
                    yield from visit(orelse)
                case ast.FunctionDef() | ast.AsyncFunctionDef() if not lazy:
                    continue
                case _:
                    for child in ast.iter_child_nodes(node):
                        if isinstance(child, ast.stmt):
                            yield from visit([child])
                        elif isinstance(child, ast.ExceptHandler | ast.match_case):
                            yield from visit(child.body)

    yield from visit(parsed(path).body)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", files(), ids=module_of)
def test_imports_go_down(path: Path) -> None:
    """Also those for type checking only: who cannot import a class should not have to know it."""
    floor = floor_of(module_of(path))
    assert floor in ALLOWED, f"the floor {floor} is not in the table"
    for name in imports(path, lazy=True, typing=True):
        if name.split(".")[0] == "harness":
            assert floor_of(name) in ALLOWED[floor], f"{module_of(path)} imports {name}"


@pytest.mark.parametrize("path", files(), ids=module_of)
def test_tensorflow_stays_on_its_floor(path: Path) -> None:
    floor = floor_of(module_of(path))
    found = {name.split(".")[0] for name in imports(path, lazy=True)}
    if floor not in HEAVY_FLOORS | {"harness.datasets"}:
        assert not found & HEAVY, f"{module_of(path)} imports {found & HEAVY}"


@pytest.mark.parametrize("path", files(), ids=module_of)
def test_what_is_slow_to_import_waits_until_it_is_needed(path: Path) -> None:
    found = {name.split(".")[0] for name in imports(path, lazy=False)}
    allowed = {"tensorflow", "keras"} if floor_of(module_of(path)) in HEAVY_FLOORS else set()
    allowed |= WRAPPERS.get(module_of(path), set())
    assert not found & (HEAVY - allowed), f"{module_of(path)} imports {found & HEAVY} when it is imported"
    if module_of(path) not in WRAPPERS:
        assert not set(imports(path, lazy=False)) & WRAPPERS.keys(), (
            f"{module_of(path)} imports a wrapper when it is imported"
        )


@pytest.mark.parametrize("path", files(), ids=module_of)
def test_floors_use_what_they_say(path: Path) -> None:
    floor = floor_of(module_of(path))
    if floor in EXTRA:
        own = set(sys.stdlib_module_names) | {"harness", "__future__"}
        found = {name.split(".")[0] for name in imports(path, lazy=True)} - own
        assert found <= EXTRA[floor], f"{module_of(path)} imports {found - EXTRA[floor]}"


PROCESSES = {"multiprocessing", "concurrent", "subprocess", "signal", "fcntl", "resource", "filelock"}
KNOW_PROCESSES = {
    "harness.run.provenance": {"subprocess"},  # asks git
    "harness.run.tabulate.tabulation": {"fcntl"},  # one command at a time writes a table
    "harness.run.claims": {"fcntl"},  # one command at a time works on a run
    "harness.cli": {"signal"},  # Ctrl-C
    "harness.__main__": {"signal"},  # the same, while that is imported
    "harness.testing.methods": {"subprocess"},  # a check searches in fresh processes of its own, with nothing of a run
    "harness.testing.datasets": {"subprocess"},
}
"""What knows of processes besides the back ends."""


@pytest.mark.parametrize("path", [path for path in files() if module_of(path).startswith("harness")], ids=module_of)
def test_only_back_ends_know_processes(path: Path) -> None:
    module = module_of(path)
    if floor_of(module) in {"harness.run.backends", "harness.testing", "harness.methods", "harness.datasets"}:
        return
    found = {name.split(".")[0] for name in imports(path, lazy=True)} & PROCESSES
    assert found <= KNOW_PROCESSES.get(module, set()), f"{module} imports {found}"


@pytest.mark.parametrize("path", sorted((ROOT / "harness" / "run").glob("*.py")), ids=module_of)
def test_no_module_of_the_run_floor_names_a_back_end(path: Path) -> None:
    found = {name for name in imports(path, lazy=True) if floor_of(name) == "harness.run.backends"}
    assert found <= {"harness.run.backends.base"}, f"{module_of(path)} imports {found}"


@pytest.mark.parametrize("path", sorted((ROOT / "harness" / "nets").glob("*.py")), ids=module_of)
def test_what_trains_every_network_needs_no_supernet(path: Path) -> None:
    found = {name for name in imports(path, lazy=True) if name.startswith("harness.nets.supernets")}
    assert not found, f"{module_of(path)} imports {found}"


def test_the_map_of_the_run_floor_names_all_of_it() -> None:
    """The text that says in which order to read it, and the plan of the house."""
    folder = ROOT / "harness" / "run"
    parts = {path.stem for path in folder.glob("[!_]*.py")}
    parts |= {path.parent.name for path in folder.glob("*/__init__.py")}
    told = (folder / "__init__.py").read_text(encoding="utf-8")
    assert {name for name in parts if f"harness.run.{name}`" not in told} == set()
    plan = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    entry = plan[plan.index("  run/ ") : plan.index("  report/ ")]
    assert {name for name in parts if not re.search(rf"\b{name}\b", entry)} == set()


def test_the_run_floor_stays_small() -> None:
    modules_here = list((ROOT / "harness" / "run").glob("*.py"))
    assert len(modules_here) <= 16
    assert all(len(path.read_text(encoding="utf-8").splitlines()) <= 300 for path in modules_here)


def test_nothing_imports_in_circles() -> None:
    graph = {name: set(imports(path, lazy=False, typing=True)) & set(modules()) for name, path in modules().items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way[way.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name] - {name}):
                visit(other, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_the_table_is_looked_at() -> None:
    """The checks above see imports at all; lazy ones and those for type checking where they ask for them."""
    cli = set(imports(ROOT / "harness" / "cli" / "__init__.py", lazy=True))
    assert {"harness.commands.compare", "harness.core.errors", "typer"} <= cli
    assert "harness.commands.compare" not in set(imports(ROOT / "harness" / "cli" / "__init__.py", lazy=False))
    space = ROOT / "harness" / "core" / "space.py"
    assert "harness.core.architecture" in set(imports(space, lazy=False, typing=True))
    assert "harness.core.architecture" not in set(imports(space, lazy=True))


def test_shared_parts_of_methods_and_data_sets_do_not_know_them() -> None:
    for path in files():
        package, _, _ = module_of(path).partition(".common.")
        if package in ("harness.methods", "harness.datasets") and ".common." in module_of(path):
            for name in imports(path, lazy=True, typing=True):
                assert not name.startswith(package) or name.startswith(f"{package}.common"), f"{path} imports {name}"
