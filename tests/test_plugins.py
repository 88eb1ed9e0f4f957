"""Finding and loading plug-ins."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import InputError
from harness.core.home import CHECKOUT as ROOT
from harness.core.recipe import Recipe
from harness.core.space import Size
from harness.plugins.catalogue import (
    BrokenPlugin,
    Catalogue,
    load_dataset,
    load_method,
    load_space,
    named_space,
)

METHOD = '''
"""A method of somebody else.

More about it.
"""
from dataclasses import dataclass
from typing import ClassVar
from harness.core.method import Method

@dataclass(frozen=True)
class Mine(Method):
    name = "mine"
    title = "My method"
    space = "cell"
    scaled: ClassVar = {"smoke": {"population": 2}}
    population: int = 10
    rate: float = 0.5

    def search(self, task):
        task.propose(task.space.sample(task.rng))

METHOD = Mine
'''
SPACE = """
from harness.spaces.nasbench201 import NasBench201Space

class Other(NasBench201Space):
    name = "{name}"

SPACE = Other()
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_setting_twice_or_without_end_is_refused() -> None:
    for words, sentence in (("order=2:order=1", "twice"), ("order=1:batch=8:order=1", "twice")):
        with pytest.raises(InputError, match=sentence):
            Catalogue().source("method", f"darts:{words}")
    with pytest.raises(InputError, match="and the like"):
        Catalogue().source("method", "regularized_evolution:identity=1e400")


def test_the_projects_own_files_are_found() -> None:
    catalogue = Catalogue()
    assert "random_search" in catalogue.names("method")
    assert {"toy", "fashion_mnist"} <= set(catalogue.names("dataset"))
    assert not any(name.startswith("_") for kind in ("method", "dataset") for name in catalogue.names(kind))


def test_finding_and_describing_runs_no_plugin() -> None:
    code = (
        "import sys\n"
        "from harness.plugins.catalogue import Catalogue\n"
        "c = Catalogue()\n"
        "assert all(c.source('method', n).facts().title for n in c.names('method'))\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'methods', 'datasets'}\n"
        "loaded = heavy & {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_a_method_file_is_described_without_running_it(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", METHOD + "\nraise SystemExit('it was run')\n")
    facts = Catalogue([path]).source("method", "mine").facts()
    assert (facts.title, facts.space, facts.summary) == ("My method", "cell", "A method of somebody else.")
    assert facts.under("smoke") == {"population": 2, "rate": 0.5}
    assert facts.under("published") == {"population": 10, "rate": 0.5}


@pytest.mark.parametrize(
    ("scaled", "known"),
    [
        ('{**{"smoke": {**{"rate": 0.1}, "population": 3}}}', {"population": 3, "rate": 0.1}),
        ("dict(smoke=dict(rate=0.1))", {}),
        ("{name: {} for name in 'ab'}", {}),
    ],
)
def test_settings_are_known_only_if_they_are_plain(tmp_path: Path, scaled: str, known: dict[str, float]) -> None:
    text = METHOD.replace('{"smoke": {"population": 2}}', scaled)
    assert text != METHOD
    assert Catalogue([write(tmp_path / "mine.py", text)]).source("method", "mine").facts().under("smoke") == known


def test_position_and_look_are_read_from_the_class_and_need_not_be_there(tmp_path: Path) -> None:
    stated = METHOD.replace("    title = ", "    position = 35\n    look = 17\n    title = ")
    found = [
        Catalogue([write(tmp_path / "mine.py", text)]).source("method", "mine").facts() for text in (METHOD, stated)
    ]
    assert [(facts.position, facts.look) for facts in found] == [(None, None), (35, 17)]


def test_what_a_methods_settings_have_seen_goes_by_the_name_or_by_what_stands_before_the_slash(tmp_path: Path) -> None:
    stated = METHOD.replace("    title = ", '    seen = ("nasbench201", "tables/fashion_mnist")\n    title = ')
    facts = Catalogue([write(tmp_path / "mine.py", stated)]).source("method", "mine").facts()
    seen = ("nasbench201/cifar10", "nasbench201/cifar100", "tables/fashion_mnist")
    assert all(facts.has_seen(name) for name in seen)
    assert not any(facts.has_seen(name) for name in ("cifar10", "fashion_mnist", "tables/cifar10", "tables", ""))
    blind = Catalogue([write(tmp_path / "mine.py", METHOD)]).source("method", "mine").facts()
    assert not any(map(blind.has_seen, seen))


@pytest.mark.parametrize("words", ['("cifar10")', '["cifar10"]', "SEEN", "()", "(1,)"])
def test_what_settings_have_seen_is_stated_plainly_or_refused(tmp_path: Path, words: str) -> None:
    """A forgotten comma would let its results pass for blind ones."""
    path = write(tmp_path / "mine.py", METHOD.replace("    title = ", f"    seen = {words}\n    title = "))
    with pytest.raises(InputError, match="seen as plain texts"):
        Catalogue([path]).source("method", "mine").facts()


@pytest.mark.parametrize(
    "statement",
    [
        "scaled = {(1, [2]): 3}",
        "scaled = {**[1]}",
        'scaled = {"smoke": 3}',
        'scaled = {"smoke": {1: 2}}',
        'extras = {"smoke": 3}',
        "families = {[1]}",
        "title = " + 300 * "-" + "1",
    ],
)
def test_values_that_python_refuses_are_not_plain(tmp_path: Path, statement: str) -> None:
    """Running the file would say what is wrong with it; reading it says nothing, and lists all others."""
    text = METHOD.replace('    scaled: ClassVar = {"smoke": {"population": 2}}\n', "")
    text = text.replace("    title = ", f"    {statement}\n    title = ")
    facts = Catalogue([write(tmp_path / "mine.py", text)]).source("method", "mine").facts()
    assert facts.title == "My method"
    assert not facts.families
    assert facts.under("smoke") == ({} if "scaled" in statement else {"population": 10, "rate": 0.5})
    assert facts.with_settings({"population": 3}).under("quick")["population"] == 3


def test_a_plug_in_that_is_nested_too_deeply_is_bad_input(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", METHOD + "\nx = " + 200_000 * "-" + "1\n")
    with pytest.raises(InputError, match=r"mine\.py is (nested too deeply|not valid Python)"):
        Catalogue([path])


@pytest.mark.parametrize("value", ["{[1]}", "{**[1]}", 100_000 * "-" + "1", 5000 * "9"], ids=range(4))
def test_what_is_no_literal_is_no_setting(value: str) -> None:
    with pytest.raises(InputError, match=r"^regularized_evolution takes population=.{1,9} and the like, not .{1,300}$"):
        Catalogue().source("method", f"regularized_evolution:population={value}")


def test_the_methods_of_the_harness_have_a_position_and_a_look_each() -> None:
    catalogue = Catalogue()
    own = [catalogue.source("method", name).facts() for name in catalogue.names("method")]
    for numbers in ([facts.position for facts in own], [facts.look for facts in own]):
        assert None not in numbers
        assert len(set(numbers)) == len(own)


def test_a_method_file_is_loaded(tmp_path: Path) -> None:
    source = Catalogue([write(tmp_path / "mine.py", METHOD)]).source("method", "mine")
    cls = load_method(source)
    assert cls.title == "My method"
    assert load_method(source) is cls


def test_a_space_file_is_loaded_under_its_own_name(tmp_path: Path) -> None:
    catalogue = Catalogue([write(tmp_path / "other.py", SPACE.format(name="other"))])
    assert catalogue.spaces()["other"] is not None
    assert named_space("other", catalogue).name == "other"
    assert named_space("macro-7", catalogue).name == "macro-7"
    wrong = Catalogue([write(tmp_path / "wrong.py", SPACE.format(name="right"))])
    with pytest.raises(BrokenPlugin, match="right"):
        load_space("wrong", wrong.spaces()["wrong"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("METHOD = 42", "type int"),
        ("class A: pass\nMETHOD = A", "the class A"),
        ("METHOD = undefined", "NameError"),
        ("import nowhere_to_be_found\nMETHOD = 1", "ModuleNotFoundError"),
        ("from harness.core.method import Method\nclass A(Method):\n    title = 1\nMETHOD = A", "title"),
    ],
)
def test_a_broken_method_says_why(tmp_path: Path, text: str, reason: str) -> None:
    source = Catalogue([write(tmp_path / "broken.py", text)]).source("method", "broken")
    with pytest.raises(BrokenPlugin, match=reason):
        load_method(source)


@pytest.mark.parametrize(
    ("text", "reason"), [("x = 1", "none of METHOD"), ("def (", "not valid Python"), ("a\0b", "not valid Python")]
)
def test_a_file_that_is_no_plugin_is_bad_input(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Catalogue([write(tmp_path / "no.py", text)])


def test_a_missing_file_and_a_name_taken_twice_are_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Catalogue([tmp_path / "absent.py"])
    with pytest.raises(InputError, match="two methods are called 'random_search'"):
        Catalogue([write(tmp_path / "random_search.py", METHOD)])


def test_an_unknown_name_is_bad_input() -> None:
    with pytest.raises(InputError, match="did you mean random_search"):
        Catalogue().source("method", "random_serch")
    with pytest.raises(InputError, match="data set 'fashion'"):
        Catalogue().source("dataset", "fashion")


def test_a_data_set_with_a_path_needs_one(tmp_path: Path) -> None:
    source = Catalogue().source("dataset", "folder")
    assert source.needs_argument()
    with pytest.raises(InputError, match="folder:PATH"):
        load_dataset(source)
    assert load_dataset(source, str(tmp_path)).missing(tmp_path) is not None
    assert not Catalogue().source("dataset", "toy").needs_argument()


def test_installed_packages_register_by_entry_points(tmp_path: Path) -> None:
    package = tmp_path / "somebody"
    package.mkdir()
    write(package / "__init__.py", "")
    write(package / "mine.py", METHOD)
    metadata = tmp_path / "somebody-1.0.dist-info"
    metadata.mkdir()
    write(metadata / "METADATA", "Metadata-Version: 2.1\nName: somebody\nVersion: 1.0\n")
    entries = "[harness.methods]\ntheirs = somebody.mine\ntheirs_too = somebody.mine:Mine\n"
    write(metadata / "entry_points.txt", entries)
    code = (
        "from harness.plugins.catalogue import Catalogue, load_method\n"
        "for name in ('theirs', 'theirs_too'):\n"
        "    source = Catalogue().source('method', name)\n"
        "    assert source.facts().title == load_method(source).title == 'My method'\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    )


def test_hyper_parameters_can_be_given_behind_a_method(tmp_path: Path) -> None:
    catalogue = Catalogue()
    source = catalogue.source("method", "darts:order=2:clip=1")
    assert (source.name, source.settings) == ("darts:order=2:clip=1", (("order", 2), ("clip", 1)))
    facts = source.facts()
    assert facts.title == "DARTS (order=2, clip=1)"
    assert (facts.under("quick")["order"], facts.under("quick")["clip"]) == (2, 1)
    assert catalogue.source("method", "darts").facts().under("quick")["order"] == 1
    for words, sentence in (
        ("ordr=2", "did you mean order"),
        ("order=two", "takes order=1 and the like"),
        ("order", "sets no hyper-parameter"),
        ("order=", "takes order=1"),
    ):
        with pytest.raises(InputError, match=sentence):
            catalogue.source("method", f"darts:{words}")


@pytest.mark.parametrize(
    ("name", "extra", "changed"),
    [
        ("nas_rl:filters=+", {"more": 40}, lambda recipe: recipe.size.more == 40),
        ("enas_macro:channels=+", {"channels": 1.33334}, lambda recipe: recipe.size.channels == 128),
        ("nasnet:cutout=+", {"cutout": 1}, lambda recipe: recipe.cutout),
        ("published/nasnet_a_cutout", {"cutout": 1}, lambda recipe: recipe.cutout),
        ("nas_rl", {}, lambda recipe: recipe == replace(recipe, cutout=False)),
        ("published/nasnet_a", {}, lambda recipe: not recipe.cutout),
    ],
)
def test_what_a_final_training_has_besides_is_read_without_running_the_method(
    name: str, extra: dict[str, float], changed: Callable[[Recipe], bool]
) -> None:
    facts = Catalogue().source("method", name).facts()
    assert facts.extra == extra
    recipe = Recipe(Size(96, 12), steps=10)
    after = recipe.with_extra(facts.extra)
    assert changed(after)
    assert (after == recipe) == (not extra)
    assert ("more" in after.values()["size"]) == ("more" in extra)


def test_extras_are_asked_for_with_a_plus_or_not_at_all() -> None:
    with pytest.raises(InputError, match=r"filters=\+ or no filters"):
        Catalogue().source("method", "nas_rl:filters=40x")
