"""Reading names and seeds; what a command means that names no data set or no profile."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.core.errors import InputError
from harness.core.home import PACKAGE
from harness.run import fitting
from harness.run.fitting import usual_profile
from harness.run.profiles import get_profile
from harness.run.request import MOST_SEEDS, make_request, parse_names, parse_seeds
from harness.run.tabulate.request import make_table_request


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0", (0,)), ("0,1,2", (0, 1, 2)), ("0-3", (0, 1, 2, 3)), ("7, 2-3", (7, 2, 3)), ("5-5", (5,))],
)
def test_seeds_are_read(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "a", "-1", "1-", "3-1", "0,0", "0-3,2", "1.5", "0-1000000000", "0-999,1000", "0,,1"]
)
def test_nonsense_is_no_seeds(text: str) -> None:
    with pytest.raises(InputError):
        parse_seeds(text)


def test_the_most_seeds_are_allowed() -> None:
    assert len(parse_seeds(f"0-{MOST_SEEDS - 1}")) == MOST_SEEDS


def test_names_are_read_in_order() -> None:
    assert parse_names("method", "b, a,folder:/some/where") == ("b", "a", "folder:/some/where")
    several = ("nas_rl:replicas=3:children=2", "darts:order=2", "b")
    for text in (",".join(several), "nas_rl:replicas=3, children=2,darts:order=2,b"):
        assert parse_names("method", text) == several


@pytest.mark.parametrize("text", ["", ",", "a,a", "a:x=1,y=2,a:x=1:y=2"])
def test_no_name_and_the_same_name_twice_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_names("method", text)


@pytest.mark.parametrize(
    ("datasets", "profile"),
    [
        (["table:mine.csv"], "table"),
        (["table:mine.csv", "tables/other"], "table"),
        (["fashion_mnist"], "quick"),
        (["folder:tables/x"], "quick"),
        (["nasbench201/cifar10"], "nb201"),
        (["nasbench201/cifar100", "nasbench201/cifar10"], "nb201"),
        (["fashion_mnist", "unheard_of"], "quick"),  # the plan refuses it
        (["unheard_of"], "quick"),
    ],
)
def test_the_profile_follows_from_the_data_sets(datasets: list[str], profile: str) -> None:
    assert make_request(datasets=datasets).profile.name == profile
    assert make_request(datasets=datasets, profile="hour").profile.name == "hour"


def test_a_table_from_a_plug_in_is_a_table(tmp_path: Path) -> None:
    """Its name does not say so, its source does."""
    file = tmp_path / "measured.py"
    file.write_text(
        '"""A table."""\nfrom harness.core.dataset import DatasetSource\n'
        'DATASET = DatasetSource(name="measured", summary="", load=lambda root: None, missing=lambda root: None,\n'
        "    fetch=None, hidden=lambda root: (), tabular=True)\n"
    )
    assert make_request(datasets="measured", plugins=[file]).profile.name == "table"


@pytest.mark.parametrize(
    ("datasets", "words"),
    [
        (
            "fashion_mnist,tables/fashion_mnist",
            "'tables/fashion_mnist' is a table and 'fashion_mnist' is a set of images, which need a command each: "
            "--datasets tables/fashion_mnist --profile table, and --datasets fashion_mnist --profile quick",
        ),
        (
            "nasbench201/cifar10,tables/fashion_mnist",
            "'nasbench201/cifar10' goes with --profile nb201 and 'tables/fashion_mnist' goes with --profile table; "
            "give each a command of its own, or name a profile",
        ),
    ],
)
def test_data_sets_without_a_common_profile_are_told_apart(datasets: str, words: str) -> None:
    """In one go: the advice is none that the next command refuses."""
    with pytest.raises(InputError) as caught:
        make_request(datasets=datasets)
    assert str(caught.value) == words
    assert make_request(datasets=datasets, profile="table").profile.name == "table"


def test_without_data_sets_it_is_the_projects_own_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "OWN_TABLES", ("tables/one",))
    assert usual_profile(()) == "table"
    monkeypatch.setattr(fitting, "OWN_TABLES", ())
    assert usual_profile(()) == "quick"


def test_a_profile_without_data_sets_asks_for_some() -> None:
    profile = dataclasses.replace(get_profile("table"), datasets=())
    with pytest.raises(InputError, match="--datasets"):
        make_request(profile=profile)


@pytest.mark.parametrize("option", ["plugins", "architectures"])
@pytest.mark.parametrize("one", ["~/mine.py", Path("~/mine.py"), ["~/mine.py"], (Path("~/mine.py"),)])
def test_a_single_file_is_one_and_a_home_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, one: object
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    request = make_request(profile="smoke", **{option: one})  # type: ignore[arg-type]
    assert getattr(request, option) == (tmp_path / "mine.py",)
    usual = {"dataset": "toy", "space": "nasbench201", "profile": "smoke", "seeds": "0"}
    paths = {"out": tmp_path / "t.csv", "data": tmp_path, "plugins": (Path("~/mine.py"),)}
    assert make_table_request(**usual, **paths).plugins == (tmp_path / "mine.py",)  # type: ignore[arg-type]


def test_costly_methods_get_fewer_of_the_usual_seeds_and_all_that_are_named() -> None:
    request = make_request(datasets=["table:mine.csv"], methods=["gp", "random_search"])
    assert request.few == get_profile("table").few
    assert len(request.seeds) == 200
    assert make_request(datasets=["table:mine.csv"], seeds="0-9").few == ()


def test_the_usual_directory_of_data_sets_is_written_in_one_place() -> None:
    written = [path for path in PACKAGE.rglob("*.py") if '"~/.cache/nas-harness"' in path.read_text(encoding="utf-8")]
    assert written == [PACKAGE / "core" / "home.py"]
