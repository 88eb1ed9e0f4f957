"""What is installed: one package that holds everything it needs, beside other people's packages, from any directory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from harness.core.home import CHECKOUT as ROOT

assert ROOT is not None
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]
SHIPPED = ("harness", "methods", "datasets", "results/published", "results/tabulated")
"""Folders of the checkout that belong to the package."""


def directory_of(package: str) -> Path:
    """Where a listed package is in the checkout, by the longest entry of ``package-dir`` that fits."""
    parts = package.split(".")
    for count in range(len(parts), 0, -1):
        if home := SETUPTOOLS["package-dir"].get(".".join(parts[:count])):
            return Path(ROOT, home, *parts[count:])
    raise AssertionError(f"package-dir does not say where {package} is")


def files_on_disk() -> set[Path]:
    """Everything in the shipped folders, without what Python and editors leave there."""
    return {
        path
        for folder in SHIPPED
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


def files_in_the_wheel() -> set[Path]:
    """Everything that pyproject.toml ships: modules of the listed packages, and their data."""
    found: set[Path] = set()
    for package in SETUPTOOLS["packages"]:
        directory = directory_of(package)
        found.update(directory.glob("*.py"))
        for pattern in SETUPTOOLS["package-data"].get(package, ()):
            found.update(path for path in directory.glob(pattern) if path.is_file())
    return found


def test_every_module_and_template_is_shipped() -> None:
    left_out = sorted(str(path.relative_to(ROOT)) for path in files_on_disk() - files_in_the_wheel())
    assert not left_out, f"pyproject.toml lists neither a package nor package data for {', '.join(left_out)}"


def test_every_listed_package_is_there() -> None:
    for package in SETUPTOOLS["packages"]:
        assert directory_of(package).is_dir(), f"pyproject.toml lists {package}, which does not exist"
    assert set(SETUPTOOLS["package-data"]) <= set(SETUPTOOLS["packages"])
    assert {package.partition(".")[0] for package in SETUPTOOLS["packages"]} == {"harness"}, "one top-level package"


def requirements(lines: list[str]) -> dict[str, str]:
    """What is asked of each package, by name."""
    plain = [line for line in lines if line and not line.startswith("#")]
    split = [re.fullmatch(r"([A-Za-z0-9_-]+)(.*)", line) for line in plain]
    return {match[1].lower(): match[2] for match in split if match}


def test_the_lowest_versions_are_the_lower_ends_of_the_ranges() -> None:
    ranges = requirements(PROJECT["project"]["dependencies"])
    lowest = requirements((ROOT / "requirements-lowest.txt").read_text(encoding="utf-8").splitlines())
    assert lowest.keys() == {name for name, wanted in ranges.items() if wanted}
    for name, wanted in lowest.items():
        at_least = ranges[name].partition(",")[0].removeprefix(">=")
        assert f"{wanted}.".startswith(f"=={at_least}."), f"{name}{ranges[name]} begins elsewhere than {wanted}"


# --- slow: an environment of its own --------------------------------------------------------------------------------


def run(words: list[str | Path], directory: Path, **environment: str) -> str:
    """Runs a command without anything of the checkout on its path; returns what it printed."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "HARNESS_DATA")}
    done = subprocess.run(
        [str(word) for word in words], cwd=directory, capture_output=True, text=True, timeout=900, check=False,
        env={**kept, "TF_CPP_MIN_LOG_LEVEL": "2", **environment},
    )  # fmt: skip
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    directory = tmp_path_factory.mktemp("wheel")
    copy = directory / "checkout"  # setuptools leaves build/ behind, and would ship what an earlier build left there
    for name in SHIPPED:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", directory, copy], directory)
    [path] = directory.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The scripts of a fresh environment with the wheel, Hugging Face's ``datasets`` and a package ``methods``."""
    home = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", home / "venv"], home)
    scripts = home / "venv" / "bin"
    other = home / "other"
    (other / "methods").mkdir(parents=True)
    (other / "methods" / "__init__.py").write_text("WHOSE = 'somebody else'\n")
    (other / "pyproject.toml").write_text('[project]\nname = "somebodys-methods"\nversion = "1"\n')
    run([scripts / "python", "-m", "pip", "install", "-q", wheel, "datasets", other], home)
    return scripts


@pytest.mark.slow
def test_the_wheel_has_one_top_level_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [PurePosixPath(name) for name in archive.namelist()]
    tops = {name.parts[0] for name in names if not name.parts[0].endswith(".dist-info")}
    assert tops == {"harness"}
    held = {str(name) for name in names}
    for name in ("harness/methods/darts.py", "harness/datasets/toy.py", "harness/results/published/table_a.json"):
        assert name in held
    assert not [name for name in held if "tests" in name.split("/")]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_wheel_works_from_an_empty_directory(installed: Path, tmp_path: Path) -> None:
    whose = "import datasets, methods, harness.methods, harness.datasets, harness.core.home as home\n"
    whose += "print(datasets.Dataset.__module__, methods.WHOSE, home.CHECKOUT, harness.__file__)"
    printed = run([installed / "python", "-c", whose], tmp_path)
    assert printed.startswith("datasets.arrow_dataset somebody else None ")
    assert str(ROOT) not in printed
    for command in ([installed / "python", "-m", "harness"], [installed / "nas-harness"]):
        assert "cifar10" in run([*command, "list", "datasets"], tmp_path)
        assert "DARTS" in run([*command, "list", "methods"], tmp_path)
        assert run([*command, "inspect", "--published", "all"], tmp_path)
    assert list(tmp_path.iterdir()) == [], "listing must not create anything"
    harness = [installed / "python", "-m", "harness"]
    words = ["run", "--profile", "smoke", "--methods", "random_search,darts", "--datasets", "toy", "--out", "runs"]
    words.append("--no-baselines")
    assert "DARTS" in run([*harness, *words], tmp_path)
    assert "DARTS" in run([installed / "nas-harness", "report", "runs"], tmp_path)
    (tmp_path / "best_of_three.py").write_text(example_of_the_guide(), encoding="utf-8")
    told = run([installed / "python", "-m", "harness.testing", "best_of_three.py"], tmp_path)
    assert "ok       repeats itself in another process" in told


def example_of_the_guide() -> str:
    """The method that the guide shows."""
    guide = (ROOT / "docs" / "adding-a-method.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", guide, re.DOTALL)
    assert code is not None
    return code[1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_editable_install_works_from_another_directory(tmp_path: Path) -> None:
    run([sys.executable, "-m", "venv", tmp_path / "venv"], tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    [packages] = (tmp_path / "venv").glob("lib/*/site-packages")
    # The packages of this environment are lent; the .pth files among them, this project's too, are not read.
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run([python, "-m", "pip", "install", "-q", "--no-deps", "-e", ROOT], tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    printed = run(
        [python, "-c", "import harness.methods, harness.datasets; print(harness.datasets.__file__)"], elsewhere
    )
    assert Path(printed.strip()) == ROOT / "datasets" / "__init__.py"
    assert "toy" in run([tmp_path / "venv" / "bin" / "nas-harness", "list", "datasets"], elsewhere)
